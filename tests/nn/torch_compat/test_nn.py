"""elman.nn in place of torch.nn: the same numbers, gradients, names and messages; and what it has beyond."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman import nn as ours
from elman.core.errors import DataError
from elman.nn.kernels import dispatch

LAYERS = ("RNN", "LSTM", "GRU")
CELLS = ("RNNCell", "LSTMCell", "GRUCell")
KERNELS = ("", "aten", "loop")  # the fastest that serves, and those that serve all that torch does
T, B, F, H = 5, 3, 2, 4
RAGGED = torch.tensor([3, 5, 0])
CLOSE = {"rtol": 0, "atol": 1e-10}


pytestmark = pytest.mark.usefixtures("plain")


def some(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def made(name: str, *sizes: int, **options: Any) -> Any:
    """One of our layers or cells, in float64."""
    return getattr(ours, name)(*(sizes or (F, H)), **({"dtype": torch.float64} | options))


def pair(name: str, *sizes: int, **options: Any) -> tuple[Any, Any]:
    """torch's and ours, with the same parameters."""
    mine = made(name, *sizes, **options)
    theirs = getattr(nn, name)(*(sizes or (F, H)), **({"dtype": torch.float64} | options))
    theirs.load_state_dict(mine.state_dict())
    return theirs, mine


def tensors(result: Any) -> list[Tensor]:
    """All of a call's tensors, in order."""
    if isinstance(result, PackedSequence):
        return [result.data]
    return [result] if isinstance(result, Tensor) else [t for part in result for t in tensors(part)]


def gradients(result: Any, inputs: list[Tensor]) -> list[Tensor]:
    """Of a sum in which each number of the result counts differently."""
    total = torch.zeros((), dtype=torch.float64)
    for out in tensors(result):
        total = total + (out * torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).view_as(out)).sum()
    return list(
        torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True, materialize_grads=True)
    )


def same(got: Any, want: Any, **close: float) -> None:
    """Equal numbers in the same arrangement."""
    assert type(got) is type(want)
    if isinstance(got, Tensor):
        assert got.dtype == want.dtype
        torch.testing.assert_close(got, want, **(close or CLOSE))
    elif got is not None:
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            same(a, b, **close)


def state_of(layer: nn.RNNBase, *batch: int, dtype: torch.dtype = torch.float64) -> Any:
    runs = layer.num_layers * (1 + layer.bidirectional)
    h = some(runs, *batch, layer.proj_size or layer.hidden_size, dtype=dtype)
    return (h, some(runs, *batch, layer.hidden_size, dtype=dtype)) if layer.mode == "LSTM" else h


@st.composite
def arrangements(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A layer's name and what its constructor is given."""
    name = draw(st.sampled_from(LAYERS))
    options = {key: draw(st.booleans()) for key in ("bias", "batch_first", "bidirectional")}
    if name == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(("tanh", "relu")))
    if name == "LSTM":
        options["proj_size"] = draw(st.sampled_from((0, 2)))
    return name, options | {"num_layers": draw(st.integers(1, 3))}


LAYOUTS = ("padded", "single", "packed", "packed in order", "packed alike")


def input_of(layout: str, t: int, b: int, batch_first: bool) -> tuple[Any, Tensor]:
    """Input of that layout, and the leaf that it is made of."""
    if layout == "single":
        x = some(t, F)
        return x, x
    x = some(b, t, F) if batch_first else some(t, b, F)
    if layout == "padded":
        return x, x
    lengths = torch.full((b,), t) if layout == "packed alike" else torch.randint(1, t + 1, (b,))
    ordered = layout == "packed in order"
    lengths = lengths.sort(descending=True)[0] if ordered else lengths
    return pack_padded_sequence(x, lengths, batch_first, enforce_sorted=ordered), x


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    arrangement=arrangements(),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    layout=st.sampled_from(LAYOUTS),
    with_state=st.booleans(),
    kernel=st.sampled_from(KERNELS),
    frozen=st.sets(st.integers(0, 30)),
)
def test_a_layer_is_that_of_torch(arrangement, sizes, layout, with_state, kernel, frozen):
    (name, options), (t, b) = arrangement, sizes
    theirs, mine = pair(name, **options)
    x, leaf = input_of(layout, t, b, options["batch_first"])
    hx = state_of(mine, *(() if layout == "single" else (b,))) if with_state else None
    with patch.object(dispatch, "_forced", kernel):
        got = mine(x, hx)
    want = theirs(x, hx)
    same(got, want)
    inputs = [leaf, *(tensors(hx) if with_state else [])]
    mine_in, theirs_in = [*inputs, *mine.parameters()], [*inputs, *theirs.parameters()]
    asked = [i for i in range(len(mine_in)) if i not in frozen] or [0]
    same(
        gradients(got, [mine_in[i] for i in asked]),
        gradients(want, [theirs_in[i] for i in asked]),
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("batch", [(), (1,), (3,)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("options", [{}, {"nonlinearity": "relu"}])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_that_of_torch(monkeypatch, name, options, bias, batch, kernel):
    if options and name != "RNNCell":
        return
    monkeypatch.setattr(dispatch, "_forced", kernel)
    theirs, mine = pair(name, bias=bias, **options)
    x, h = some(*batch, F), some(*batch, H)
    for hx in (None, (h, some(*batch, H)) if name == "LSTMCell" else h):
        got, want = mine(x, hx), theirs(x, hx)
        same(got, want)
        inputs = [x, *(tensors(hx) if hx is not None else [])]
        same(
            gradients(got, [*inputs, *mine.parameters()]),
            gradients(want, [*inputs, *theirs.parameters()]),
        )


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_it_is_a_module_of_torch(name):
    theirs, mine = pair(name)
    assert isinstance(mine, getattr(nn, name))
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert [p.shape for p in mine.parameters()] == [p.shape for p in theirs.parameters()]
    theirs.load_state_dict(mine.state_dict())
    mine.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_it_draws_the_parameters_that_torch_draws(name):
    drawn = []
    for place in (nn, ours):
        torch.manual_seed(1)
        drawn.append(getattr(place, name)(F, H, dtype=torch.float32, device="cpu"))
    assert all(torch.equal(a, b) for a, b in zip(*(each.parameters() for each in drawn), strict=True))


def message(call: Any) -> tuple[type[Exception], str]:
    with pytest.raises(Exception) as caught:  # noqa: PT011, whatever torch raises
        call()
    return caught.type, str(caught.value)


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((0, 4), {}),
        ((3, -1), {}),
        ((3, 4.0), {}),
        ((3, 4), {"num_layers": 0}),
        ((3, 4), {"dropout": 1.5}),
        ((3, 4), {"bias": 1}),
        ((3, 4), {"proj_size": 9}),
        ((3, 4), {"nonlinearity": "step"}),
        ((3, 4), {"unknown": 1}),
    ],
)
@pytest.mark.parametrize("name", LAYERS)
def test_a_constructor_complains_as_that_of_torch(name, sizes, options):
    ours_says, theirs_says = (
        message(lambda place=place: getattr(place, name)(*sizes, **options)) for place in (ours, nn)
    )
    assert ours_says == theirs_says


def zeros(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.zeros(shape, dtype=dtype)


WRONG_INPUTS = [
    zeros(T, B, F + 1),
    zeros(T, F + 1),
    zeros(F),
    zeros(T, B, F, 1),
    zeros(T, B, F, dtype=torch.float32),
    zeros(T, B, F, dtype=torch.int64),
    pack_padded_sequence(zeros(T, B, F + 1), torch.full((B,), T)),
]
WRONG_STATES = [
    zeros(1, B, H + 1),
    zeros(2, B, H),
    zeros(1, B + 1, H),
    zeros(B, H),
    zeros(1, H),
]


@pytest.mark.parametrize("wrong", range(len(WRONG_INPUTS) + len(WRONG_STATES)))
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_complains_as_that_of_torch(name, packed, wrong):
    theirs, mine = pair(name)
    x, hx = zeros(T, B, F), None
    if wrong < len(WRONG_INPUTS):
        x = WRONG_INPUTS[wrong]
    else:
        hx = WRONG_STATES[wrong - len(WRONG_INPUTS)]
        hx = (hx, zeros(1, B, H)) if name == "LSTM" else hx
        x = pack_padded_sequence(x, torch.tensor([5, 3, 1])) if packed else x

    def call() -> None:
        if isinstance(x, PackedSequence) and hx is not None:  # torch's LSTM forgets to, and crashes
            theirs.check_forward_args(x.data, hx, x.batch_sizes)
        theirs(x, hx)

    assert message(lambda: mine(x, hx)) == message(call)
    if name == "LSTM":
        assert message(lambda: mine.states(x, hx)) == message(call)


@pytest.mark.parametrize("name", LAYERS)
def test_a_state_of_another_dtype(name):
    """torch crashes on it where the input is packed."""
    h, mine = zeros(1, B, H, dtype=torch.float32), made(name)
    for x in (zeros(T, B, F), pack_padded_sequence(zeros(T, B, F), torch.tensor([5, 3, 1]))):
        with pytest.raises(DataError) as caught:
            mine(x, (zeros(1, B, H), h) if name == "LSTM" else h)
        found = "torch.float64, torch.float32" if name == "LSTM" else "torch.float32"
        expected = "torch.float64, as the input is"
        assert str(caught.value) == f"hx: expected {expected}, got {found}; convert it with .to(...)"


@pytest.mark.parametrize(
    ("x", "h"),
    [
        (zeros(B, F + 1), zeros(B, H)),
        (zeros(F + 1), None),
        (zeros(T, B, F), None),
        (zeros(1).squeeze(), None),
        (zeros(B, F), zeros(B, H + 1)),
        (zeros(B, F), zeros(B + 1, H)),
        (zeros(B, F), zeros(1, B, H)),
        (zeros(B, F, dtype=torch.float32), None),
    ],
)
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_complains_as_that_of_torch(name, x, h):
    theirs, mine = pair(name)
    hx = (h, h) if name == "LSTMCell" and h is not None else h
    assert message(lambda: mine(x, hx)) == message(lambda: theirs(x, hx))


def test_a_cell_of_an_unknown_nonlinearity_complains_as_that_of_torch():
    theirs, mine = pair("RNNCell", nonlinearity="step")
    assert message(lambda: mine(zeros(B, F))) == message(lambda: theirs(zeros(B, F)))


@pytest.mark.parametrize("sizes", [(T, 0), (1, 0)])
@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_may_be_empty(name, sizes):
    theirs, mine = pair(name, num_layers=2, bidirectional=True)
    same(mine(zeros(*sizes, F)), theirs(zeros(*sizes, F)))


@pytest.mark.parametrize("name", LAYERS)
def test_no_step_leaves_the_state(name):
    mine = made(name, num_layers=2)
    hx = state_of(mine, B)
    y, last = mine(zeros(0, B, F), hx)
    assert y.shape == (0, B, H)
    same(last, hx)


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_copies_and_files(name):
    import pickle

    mine, x = made(name), some(T, F)
    for other in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert type(other) is type(mine)
        same(other(x), mine(x))
    file = io.BytesIO()
    torch.save(mine.state_dict(), file)
    file.seek(0)
    theirs = pair(name)[0]
    theirs.load_state_dict(torch.load(file, weights_only=True))
    same(mine(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_other_dtypes(name, dtype):
    theirs, mine = (module.to(dtype) for module in pair(name))
    x = some(T, F, dtype=dtype)
    precision = 4 * torch.finfo(dtype).eps
    same(mine(x), theirs(x), rtol=precision, atol=precision)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_autocast(name, steps, kind):
    theirs, mine = pair(name, dtype=torch.float32)
    x = some(B, F, dtype=kind) if name in CELLS else some(steps, B, F, dtype=kind)
    h = zeros(B, H, dtype=torch.float32) if name in CELLS else zeros(1, B, H, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        for hx in (None, (h, h) if "LSTM" in name else h):
            same(mine(x, hx), theirs(x, hx), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", LAYERS)
def test_dropout_is_that_of_torch(name):
    theirs, mine = pair(name, num_layers=3, dropout=0.4, bidirectional=True)
    x, drawn = some(T, B, F), []
    for layer in (theirs, mine):
        torch.manual_seed(1)
        drawn.append(layer(x))
    same(*drawn)
    assert not torch.equal(mine(x)[0], mine(x)[0])
    same(mine.eval()(x), theirs.eval()(x))


def test_all_dropped():
    theirs, mine = pair("GRU", num_layers=2, dropout=1.0)
    same(mine(x := some(T, B, F)), theirs(x))


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_parameters_from_elsewhere(name):
    """functional_call, parametrisations, and weights set by hand between calls."""
    theirs, mine = pair(name)
    x, weight = some(T, F), "weight_hh" if name in CELLS else "weight_hh_l0"
    other = {key: torch.randn_like(value) for key, value in mine.state_dict().items()}
    same(torch.func.functional_call(mine, other, (x,)), torch.func.functional_call(theirs, other, (x,)))
    for module in (mine, theirs):
        nn.utils.parametrizations.weight_norm(module, weight)
        module.parametrizations[weight].original0.data.mul_(2)
    same(mine(x), theirs(x))
    theirs, mine = pair(name)
    halved = getattr(mine, weight).detach() / 2
    for module in (mine, theirs):
        delattr(module, weight)
        setattr(module, weight, halved)
    same(mine(x), theirs(x))


@pytest.mark.parametrize("name", LAYERS)
def test_off_the_cpu_torch_runs_all_layers(name):
    y, _ = made(name, num_layers=2, device="meta")(torch.empty(T, B, F, dtype=torch.float64, device="meta"))
    assert y.shape == (T, B, H)


@pytest.mark.parametrize("name", LAYERS)
def test_a_trace_keeps_the_layer_whole(name):
    mine = made(name, num_layers=2).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(mine, some(T, B, F).detach())
    assert {"RNN": "aten::rnn_tanh", "LSTM": "aten::lstm", "GRU": "aten::gru"}[name] in str(traced.graph)


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_compiled_without_a_break(name):
    mine = made(name) if name in CELLS else made(name, num_layers=2, bidirectional=True)
    x = some(B, F) if name in CELLS else some(T, B, F)
    with torch._dynamo.config.patch(allow_rnn=True):
        same(torch.compile(mine, backend="eager", fullgraph=True)(x), mine(x))
