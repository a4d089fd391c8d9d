"""torch's own tests of its recurrent modules, as far as they ship with it, with our classes in their place.

torch keeps, for each module, inputs, references and wrong inputs with their messages; what is done with them
follows its test_modules.py.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from elman.nn import IN_PLACE_OF

pytest.importorskip("expecttest", reason="torch's own test tools want it")
common = pytest.importorskip("torch.testing._internal.common_modules")

INFOS = [info for info in common.module_db if info.module_cls in IN_PLACE_OF]


def samples(info: Any, training: bool) -> list[Any]:
    torch.manual_seed(0)
    return info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )


CASES = [
    (info, training, i)
    for info in INFOS
    for training in (True, False)
    for i in range(len(samples(info, True)))
]


def names(case: Any) -> str:
    info, training, i = case
    return f"{info.module_cls.__name__}-{'train' if training else 'eval'}-{i}"


@pytest.fixture(params=CASES, ids=names)
def case(request: pytest.FixtureRequest) -> tuple[Any, Any, tuple[Any, ...], dict[str, Any], Any]:
    """torch's module, ours with its parameters, the arguments of a call, and torch's reference."""
    torch.set_num_threads(1)
    info, training, i = request.param
    sample = samples(info, training)[i]
    given = sample.constructor_input
    theirs = info.module_cls(*given.args, **given.kwargs, dtype=torch.float64).train(training)
    mine = IN_PLACE_OF[info.module_cls](*given.args, **given.kwargs, dtype=torch.float64).train(training)
    mine.load_state_dict(theirs.state_dict())
    call = sample.forward_input
    return theirs, mine, call.args, call.kwargs, sample.reference_fn


def flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [tensor for part in value or () for tensor in flat(part)]


def rebuilt(value: Any, left: list[Tensor]) -> Any:
    """The same arrangement of other tensors."""
    if isinstance(value, Tensor):
        return left.pop(0)
    return None if value is None else type(value)(rebuilt(part, left) for part in value)


def close(got: Any, want: Any) -> None:
    torch.testing.assert_close(got, want, rtol=0, atol=1e-10)


def test_every_module_is_there():
    assert {info.module_cls for info in INFOS} == set(IN_PLACE_OF)


def test_forward_and_reference(case):
    theirs, mine, args, kwargs, reference = case
    got = mine(*args, **kwargs)
    close(got, theirs(*args, **kwargs))
    if reference is not None:
        close(got, reference(mine, *args, **kwargs))


def test_tensors_that_are_not_contiguous(case):
    _, mine, args, _, _ = case
    spread = [torch.stack([t, t], -1)[..., 0] for t in flat(args)]
    assert not all(t.is_contiguous() for t in spread)
    close(mine(*rebuilt(args, list(spread))), mine(*args))


def test_backward(case):
    theirs, mine, args, _, _ = case
    found = []
    for module in (theirs, mine):
        total = sum(t.square().sum() for t in flat(module(*args)))
        found.append(torch.autograd.grad(total, [*flat(args), *module.parameters()]))
    close(*found)


def test_gradcheck_and_gradgradcheck(case):
    _, mine, args, _, _ = case
    inputs, names = flat(args), [name for name, _ in mine.named_parameters()]

    def run(*numbers):
        given, own = list(numbers[: len(inputs)]), dict(zip(names, numbers[len(inputs) :], strict=True))
        return tuple(flat(torch.func.functional_call(mine, own, rebuilt(args, given))))

    numbers = (*inputs, *mine.parameters())
    assert torch.autograd.gradcheck(run, numbers, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, numbers, fast_mode=True)


def test_representation_and_copies(case):
    theirs, mine, args, _, _ = case
    assert repr(mine) == repr(theirs)
    for other in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        close(other(*args), mine(*args))


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.module_cls.__name__)
def test_errors(info):
    wrong = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    )
    assert wrong
    for each in wrong:
        given, call = each.module_error_input.constructor_input, each.module_error_input.forward_input
        kind, options = IN_PLACE_OF[info.module_cls], {"dtype": torch.float64} | given.kwargs
        if each.error_on == common.ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(each.error_type, match=each.error_regex):
                kind(*given.args, **options)
        else:
            module = kind(*given.args, **options)
            with pytest.raises(each.error_type, match=each.error_regex):
                module(*call.args, **call.kwargs)
