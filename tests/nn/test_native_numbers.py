"""The native kernels give torch's numbers whatever lies in memory how, changes when, and is not finite."""

from __future__ import annotations

import threading
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import elman.nn
from elman.nn.kernels import native

pytestmark = pytest.mark.skipif(native.available() is None, reason="the native kernels were not built")

LAYERS = ("RNN", "LSTM", "GRU")
CHANGES = {
    "transposed": lambda w: torch.empty(w.shape[::-1]).T.copy_(w) if w.dim() == 2 else w,
    "sliced": lambda w: torch.zeros(*(2 * n for n in w.shape))[
        tuple(slice(None, None, 2) for _ in w.shape)
    ].copy_(w),
    "expanded": lambda w: w[:1].expand_as(w) if w.dim() == 2 else w[:1].expand(len(w)),
    "offset": lambda w: torch.zeros(w.numel() + 1)[1:].view_as(w).copy_(w),
}


def pair(name, *sizes, **settings):
    """torch's module and ours with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(nn, name)(*sizes, **settings)
    ours = getattr(elman.nn, name)(*sizes, **settings)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def outputs(module, *given):
    """All tensors that it gives."""
    found = module(*given)
    flat = lambda t: [t] if isinstance(t, torch.Tensor) else [s for part in t for s in flat(part)]  # noqa: E731
    return flat(found)


def everything(module, x):
    """What it gives without and with gradients, and these."""
    with torch.no_grad():
        alone = outputs(module, x)
    x = x.clone().requires_grad_()
    out = outputs(module, x)
    loss = sum((o * torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view_as(o)).sum() for o in out)
    return [*alone, *out, *torch.autograd.grad(loss, [x, *module.parameters()])]


def assert_same(found, wanted, tolerance=2e-5):
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("hidden", [4, 64])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [*LAYERS, "RNNCell", "LSTMCell", "GRUCell"])
def test_weights_lie_in_memory_as_they_like(name, change, hidden):
    theirs, ours = pair(name, hidden, hidden)
    for module in (theirs, ours):
        for weight in module.parameters():
            weight.data = CHANGES[change](weight.data)
    for rows in (1, 5) if name.endswith("Cell") else ((3, 1), (9, 2)):
        x = torch.randn(*(rows if isinstance(rows, tuple) else (rows,)), hidden)
        for _ in range(3):
            assert_same(everything(ours, x), everything(theirs, x))


@pytest.mark.parametrize("name", LAYERS)
def test_orthogonal_weights(name):
    theirs, ours = pair(name, 16, 16)
    for module in (theirs, ours):
        torch.manual_seed(1)
        parametrizations.orthogonal(module, "weight_hh_l0")
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(7, 2, 16)
    assert_same(everything(ours, x), everything(theirs, x))


@pytest.mark.parametrize("name", LAYERS)
def test_threads_train_one_module(name):
    module = getattr(elman.nn, name)(16, 48)
    x, failures = torch.randn(20, 2, 16), []

    def train():
        for _ in range(25):
            y = module(x)[0]
            grads = torch.autograd.grad(y.square().mean(), list(module.parameters()))
            for weight, grad in zip(module.parameters(), grads, strict=True):
                weight.data.sub_(grad, alpha=0.01)
            if not all(g.isfinite().all() for g in grads) or not y.abs().max() <= 1:
                failures.append(grads)

    threads = [threading.Thread(target=train) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    theirs = getattr(nn, name)(16, 48)
    theirs.load_state_dict(module.state_dict())
    assert_same(everything(module, x), everything(theirs, x))


def cell_of_one(name, dtype):
    """A module of one unit of all weights zero but one of 1, so that a unit's input is x itself."""
    module = getattr(elman.nn, name)(1, 1).to(dtype)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.weight_ih_l0[1 if name == "GRU" else 0] = 1  # a GRU's z
    return module


def bent(name, x):
    """The function of x that such a module is, and its derivative: tanh of an RNN, the sigmoid of a GRU."""
    x = x.clone().requires_grad_()
    h = torch.ones(1, len(x), 1, dtype=x.dtype)
    y, _ = cell_of_one(name, x.dtype)(x.view(1, -1, 1), h)
    return y.detach().view(-1), torch.autograd.grad(y.sum(), x)[0]


def floats(dtype):
    """Numbers of all bit patterns, spread evenly, and those where gates are."""
    words, wide = (torch.int32, 32) if dtype == torch.float32 else (torch.int64, 64)
    stride = 2**wide // 50_000 | 1
    spread = torch.tensor([i * stride - 2 ** (wide - 1) for i in range(50_000)], dtype=words).view(dtype)
    ends = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e4, -1e4, 7.9, 9.1, 88, -88]
    return torch.cat(
        [torch.linspace(-120, 120, 20_001, dtype=dtype), torch.tensor(ends, dtype=dtype), spread]
    )


def truth(name, x):
    """The same to twice the digits, in as far as NumPy has them."""
    with np.errstate(invalid="ignore"):  # a NaN that signals
        wide = x.double().numpy().astype("longdouble")
    small = np.exp(-np.abs(wide) * (2 if name == "RNN" else 1))
    if name == "RNN":
        value, slope = np.tanh(wide), 4 * small / (1 + small) ** 2
    else:
        value = np.where(wide < 0, small, 1) / (1 + small)
        slope = small / (1 + small) ** 2
    return value, slope


@pytest.mark.parametrize(("name", "dtype"), list(product(("RNN", "GRU"), (torch.float32, torch.float64))))
def test_derivatives_keep_their_digits_over_all_numbers(name, dtype, each_instruction_set):
    x = floats(dtype)
    x = x if name == "RNN" else x[~x.isinf()]  # zero weights of other gates make NaN of it
    tolerance = 9e-6 if dtype == torch.float32 else 1e-14
    tiny = 8 * torch.finfo(dtype).tiny
    for found, wanted in zip(bent(name, x), truth(name, x), strict=True):
        error = abs(found.double().numpy() - wanted) - tolerance * abs(wanted) - tiny
        assert ((error <= 0) | (x.isnan() & found.isnan()).numpy()).all()


@pytest.fixture(params=["base", "avx2", "avx512"])
def each_instruction_set(request):
    before = native.available()
    try:
        native.use(request.param)
    except ValueError:
        pytest.skip(f"no {request.param} here")
    yield
    native.use(before)


def test_a_counter_of_many_steps_has_the_gradient_of_float64():
    """A cell that adds one at each step: its tanh is saturated for almost all of them."""
    found = []
    for dtype in (torch.float32, torch.float64):
        module = elman.nn.LSTM(1, 1).to(dtype)
        with torch.no_grad():
            for weight in module.parameters():
                weight.zero_()
            module.bias_ih_l0.copy_(torch.tensor([20.0, 20.0, 20.0, 0.5]))
        h, c = torch.zeros(1, 1, 1, dtype=dtype), torch.zeros(1, 1, 1, dtype=dtype, requires_grad=True)
        y, _ = module(torch.zeros(5000, 1, 1, dtype=dtype), (h, c))
        y.sum().backward()
        found.append([c.grad.item(), *[w.grad.sum().item() for w in module.parameters() if w.grad.any()]])
    for mine, exact in zip(*found, strict=True):
        assert mine == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_inputs_in_seconds_since_1970_have_no_gradients_out_of_nothing(name):
    theirs, ours = pair(name, 4, 32)
    theirs = theirs.double()
    for scale in (1e4, 1.7e9):
        x = torch.randn(6, 3, 4) * scale
        for a, b in zip(everything(ours, x), everything(theirs, x.double()), strict=True):
            assert (a - b).abs().max() <= 1e-2 * b.abs().max() + 1e-6


@pytest.mark.parametrize("name", [*LAYERS, "RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("through", ["data", "numpy"])
def test_each_change_of_a_weight_is_seen_by_the_next_call(name, through):
    theirs, ours = pair(name, 40, 40)
    x = torch.randn(1, 40) if name.endswith("Cell") else torch.randn(1, 1, 40)
    with torch.no_grad():
        for ours_, theirs_ in zip(ours.parameters(), theirs.parameters(), strict=True):
            for at in [(i * 37 % len(ours_), i * 11 % 40)[: ours_.dim()] for i in range(40)]:
                for weight in (ours_, theirs_):
                    (weight.data if through == "data" else weight.detach().numpy())[at] += 0.5
                assert_same(outputs(ours, x), outputs(theirs, x))


@pytest.mark.parametrize(("steps", "batch"), [(1, 3), (4, 1), (3, 5)])
@pytest.mark.parametrize("change", [lambda w: w.neg_(), lambda w: w.copy_(w.flip(0)), lambda w: w[:2].neg_()])
def test_signs_and_rows_that_change_are_seen(steps, batch, change):
    theirs, ours = pair("GRU", 64, 64)
    x = torch.randn(steps, batch, 64)
    for _ in range(2):
        assert_same(everything(ours, x), everything(theirs, x))
        for module in (theirs, ours):
            for weight in module.parameters():
                change(weight.data)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("hidden", [5, 64])
@pytest.mark.parametrize("lengths", [None, torch.tensor([6, 2])])
def test_outputs_may_be_changed_before_backward(name, hidden, lengths):
    ours = getattr(elman.nn, name)(8, hidden)
    x, around = torch.randn(6, 2, 8), {} if lengths is None else {"lengths": lengths}
    ours(x, **around)[0].square().sum().backward()
    wanted = [w.grad.clone() for w in ours.parameters()]
    for change in ("data", "in place", "relu", "last"):
        ours.zero_grad()
        y, last = ours(x, **around)
        if change == "data":
            before = 2 * y.detach().clone()
            y.data[2:] = 0
            torch.autograd.backward(y, before)
        elif change == "in place":
            before = 2 * y.detach().clone()
            y += 1
            torch.autograd.backward(y, before)
        elif change == "relu":
            before = y.detach().clone()
            nn.functional.relu(y + 0, inplace=True)
            nn.functional.relu(y, inplace=True)
            ours(x, **around)[0].relu().sum().backward()
            expected = [w.grad.clone() for w in ours.parameters()]
            ours.zero_grad()
            y.sum().backward()
            assert_same([w.grad for w in ours.parameters()], expected)
            continue
        else:
            before = 2 * y.detach().clone()
            for state in last if name == "LSTM" else (last,):
                state.data.zero_()
            torch.autograd.backward(y, before)
        assert_same([w.grad for w in ours.parameters()], wanted, 1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_backward_again_leaves_a_changed_output_alone(name):
    ours = getattr(elman.nn, name)(8, 16)
    y = ours(torch.randn(6, 2, 8))[0]
    once = torch.autograd.grad(y, list(ours.parameters()), torch.ones_like(y), retain_graph=True)
    y.data.zero_()
    again = torch.autograd.grad(y, list(ours.parameters()), torch.ones_like(y))
    assert not y.any()
    for a, b in zip(once, again, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e30])
@pytest.mark.parametrize(("name", "features", "hidden"), [*product(LAYERS, (1, 3, 20), (1, 5, 16, 37))])
def test_what_is_not_finite_is_so_where_torch_has_it(name, features, hidden, value, dtype):
    for settings in ({}, {"nonlinearity": "relu"}) if name == "RNN" else ({},):
        theirs, ours = (m.to(dtype) for m in pair(name, features, hidden, **settings))
        for where in ((0, 1), (4, 0)):
            x = torch.randn(6, 3, features, dtype=dtype)
            x[(*where, 0)] = value
            found, wanted = everything(ours, x), everything(theirs, x)
            for a, b in zip(found, wanted, strict=True):
                assert torch.equal(a.isfinite(), b.isfinite())
                both = a.isfinite()
                scale = b[both].abs().max().item() if both.any() else 1
                assert (a[both] - b[both]).abs().le(1e-4 * max(1, scale)).all()


@pytest.mark.parametrize("name", LAYERS)
def test_an_infinity_stays_in_its_own_sequence(name):
    ours = getattr(elman.nn, name)(3, 5)
    x = torch.randn(6, 3, 3)
    x[1, 1, 0] = float("inf")
    x.requires_grad_()
    y, _ = ours(x, lengths=torch.tensor([6, 4, 3]))
    y.sum().backward()
    assert x.grad[:, 0].isfinite().all()
    assert x.grad[:, 2].isfinite().all()
    assert x.grad[4:, 1].isfinite().all()
