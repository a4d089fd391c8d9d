"""What torch's test_modules.py and test_expanded_weights.py do with each module, done with ours.

The modules and their arguments are those of torch's own table; `test_nn_torchs_own.py` has the rest.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_nn_torchs_own import CASES, INFOS, close, flat, names, rebuilt, samples
from torch import Tensor
from torch.nn.utils._per_sample_grad import call_for_per_sample_grads

from elman.nn import IN_PLACE_OF

TRAINED = [case for case in CASES if case[1]]
KINDS = [info.module_cls for info in INFOS]
SIZES = {"input_size": 5, "hidden_size": 4}


def one_each(cases: list[Any]) -> list[Any]:
    """Of each module the first case and the last, which has the most settings."""
    found = {}
    for case in cases:
        found.setdefault(case[0].module_cls, []).append(case)
    return [case for each in found.values() for case in (each[0], each[-1])]


def made(case: Any, dtype: torch.dtype = torch.float64) -> tuple[Any, tuple[Any, ...]]:
    """Our module of a case, and the arguments of a call."""
    torch.set_num_threads(1)
    info, training, i = case
    sample = samples(info, training)[i]
    given = sample.constructor_input
    module = IN_PLACE_OF[info.module_cls](*given.args, **given.kwargs, dtype=dtype)
    return module.train(training), sample.forward_input.args


def inputs_of(kind: Any, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Any]:
    torch.manual_seed(1)
    cell = kind.__name__.endswith("Cell")
    x = torch.randn(*(() if cell else (6,)), 3, 5, dtype=dtype)
    h = torch.randn(*(() if cell else (1,)), 3, 4, dtype=dtype)
    return x, ((h, h.flip(-1)) if "LSTM" in kind.__name__ else h)


def give_numbers(one: torch.nn.Module, other: torch.nn.Module) -> None:
    """As load_state_dict does, which torch's own layers refuse where parameters are swapped."""
    for mine, own in zip(one.parameters(), other.parameters(), strict=True):
        own.data.copy_(mine.data)


@pytest.fixture(params=[True, False], ids=["swap", "set"])
def swap(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether a conversion swaps a parameter with another or sets its numbers."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(request.param)
    yield request.param
    torch.__future__.set_swap_module_params_on_conversion(before)


@pytest.mark.parametrize("case", TRAINED, ids=names)
def test_gradients_one_by_one_and_batched(case):
    """Of the module as it is, whose parameters gradcheck changes in place."""
    module, args = made(case)
    inputs = flat(args)

    def run(*numbers):
        return tuple(flat(module(*rebuilt(args, list(numbers[: len(inputs)])))))

    assert torch.autograd.gradcheck(
        run, (*inputs, *module.parameters()), check_batched_grad=True, fast_mode=True
    )


@pytest.mark.parametrize("case", one_each(TRAINED), ids=names)
def test_second_gradients_one_by_one_and_batched(case):
    module, args = made(case)
    inputs = flat(args)

    def run(*numbers):
        return tuple(flat(module(*rebuilt(args, list(numbers[: len(inputs)])))))

    numbers = (*inputs, *module.parameters())
    assert torch.autograd.gradgradcheck(run, numbers, check_batched_grad=True, fast_mode=True)


@pytest.mark.parametrize("wanted", [0, 1, 2, 3], ids=["w_ih", "w_hh", "b_ih", "b_hh"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_gradient_of_one_parameter(kind, wanted):
    x, hx = inputs_of(kind, torch.float64)
    module = IN_PLACE_OF[kind](**SIZES, dtype=torch.float64)
    for i, p in enumerate(module.parameters()):
        p.requires_grad_(i == wanted)
    (one,) = (p for p in module.parameters() if p.requires_grad)
    assert torch.autograd.gradcheck(lambda _: tuple(flat(module(x, hx))), (one,), check_batched_grad=True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("with_gradients", [True, False], ids=["grad set", "no grad"])
def test_conversion(kind, swap, with_gradients):
    """After a call and its backward, to another dtype and back, with all that is known of the parameters."""
    module = IN_PLACE_OF[kind](**SIZES)
    x, hx = inputs_of(kind)
    if with_gradients:
        sum(out.sum() for out in flat(module(x, hx))).backward()
        assert all(p.grad is not None for p in module.parameters())
    elif swap:
        out = flat(module(x, hx))[0]
        out.sum().backward()
        module.to(torch.half)
        module.to(torch.float32)
        module.zero_grad()
    before = list(module.parameters())
    for dtype in (torch.float64, torch.float64, torch.float32):
        kept = [p._cdata for p in module.parameters()]
        module.to(dtype=dtype)
        assert [id(p) for p in module.parameters()] == [id(p) for p in before]
        assert all(isinstance(p, torch.nn.Parameter) and p.dtype == dtype for p in module.parameters())
        moved = [a != b._cdata for a, b in zip(kept, module.parameters(), strict=True)]
        assert all(moved) if swap else not any(moved)
        if with_gradients:
            assert all(p.grad.dtype == dtype for p in module.parameters())
    theirs = kind(**SIZES)
    give_numbers(module, theirs)
    torch.testing.assert_close(flat(module(x, hx)), flat(theirs(x, hx)))


@pytest.mark.parametrize("case", TRAINED, ids=names)
def test_device_and_dtype_of_the_constructor(case):
    info, _, i = case
    given = samples(info, True)[i].constructor_input
    for device in ("meta", "cpu"):
        module = IN_PLACE_OF[info.module_cls](*given.args, **given.kwargs, device=device, dtype=torch.float64)
        assert {(p.device.type, p.dtype) for p in module.parameters()} == {(device, torch.float64)}
    with torch.device("meta"):
        module = IN_PLACE_OF[info.module_cls](*given.args, **given.kwargs)
    assert {p.device.type for p in module.parameters()} == {"meta"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_without_numbers(kind):
    """On meta: the shapes of torch's outputs, with gradients and without."""
    x, hx = inputs_of(kind)
    want = [out.shape for out in flat(kind(**SIZES)(x, hx))]
    module = IN_PLACE_OF[kind](**SIZES, device="meta")
    meta = x.to("meta"), rebuilt(hx, [s.to("meta") for s in flat(hx)])
    outs = flat(module(*meta))
    assert [(out.shape, out.device.type) for out in outs] == [(shape, "meta") for shape in want]
    found = torch.autograd.grad(sum(out.sum() for out in outs), list(module.parameters()))
    assert [g.shape for g in found] == [p.shape for p in module.parameters()]
    with torch.no_grad():
        assert [out.shape for out in flat(module(*meta))] == want


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_from_meta(kind, swap):
    x, hx = inputs_of(kind)
    theirs, module = kind(**SIZES), IN_PLACE_OF[kind](**SIZES, device="meta")
    module.to_empty(device="cpu")
    assert {p.device.type for p in module.parameters()} == {"cpu"}
    give_numbers(theirs, module)
    torch.testing.assert_close(flat(module(x, hx)), flat(theirs(x, hx)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_dtypes(kind, dtype):
    """As near to what float64 gives as the dtype has digits."""
    x, hx = inputs_of(kind, dtype)
    module, exact = IN_PLACE_OF[kind](**SIZES, dtype=dtype), kind(**SIZES, dtype=torch.float64)
    exact.load_state_dict(module.state_dict())
    outs, want = flat(module(x, hx)), flat(exact(x.double(), rebuilt(hx, [s.double() for s in flat(hx)])))
    assert all(out.dtype == dtype for out in outs)
    near = 20 * torch.finfo(dtype).eps
    torch.testing.assert_close([out.double() for out in outs], want, rtol=near, atol=near)


@pytest.mark.parametrize("case", one_each(TRAINED), ids=names)
def test_copies_after_a_backward(case, tmp_path):
    """Through copy, torch.save of the module and of its state_dict."""
    module, args = made(case)
    sum(out.sum() for out in flat(module(*args))).backward()
    torch.save(module, tmp_path / "module.pt")
    held = io.BytesIO()
    torch.save(module.state_dict(), held)
    held.seek(0)
    other, _ = made(case)
    other.load_state_dict(torch.load(held))
    for each in (copy.deepcopy(module), torch.load(tmp_path / "module.pt", weights_only=False), other):
        assert type(each) is type(module)
        close(each(*args), module(*args))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.__name__.endswith("Cell")])
def test_gradients_per_sample_by_expanded_weights(kind, batch_first):
    """`call_for_per_sample_grads` beside one sample at a time."""
    torch.manual_seed(0)
    module = IN_PLACE_OF[kind](5, 4, 2, batch_first=batch_first, bidirectional=True, dtype=torch.float64)
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    x = x if batch_first else x.transpose(0, 1)
    options = {"batch_size": 3, "loss_reduction": "sum", "batch_first": batch_first}
    call_for_per_sample_grads(module, **options)(x)[0].sum().backward()
    batch = 0 if batch_first else 1
    for i in range(3):
        alone = module(x.narrow(batch, i, 1).contiguous())[0].sum()
        found = torch.autograd.grad(alone, list(module.parameters()))
        close([p.grad_sample[i] for p in module.parameters()], list(found))
