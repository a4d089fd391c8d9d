"""Contract of the kernels: each gives what the loop gives, and the loop is held to its formula."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman import cells, kernels
from elman.errors import ConfigError
from elman.kernels.base import Case, Kernel, Weights

T, B, F, H = 5, 3, 2, 3
RAGGED = (3, 5, 1)
CLOSE = {"rtol": 0, "atol": 1e-10}
PAIRS = [
    (cell, kernel)
    for cell in cells.names()
    for kernel in kernels.names()
    if kernels.get(kernel).refuses(Case(cell=cell)) is None
]
FUSED = [pair for pair in PAIRS if pair[1] != "loop"]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    monkeypatch.delenv(kernels.VARIABLE, raising=False)


def weights_of(name: str, *, normed: bool = False, bias: bool = True, f: int = F, h: int = H) -> Weights:
    rows = cells.get(name).gates * h
    shapes = [(rows, f), (rows, h), *[(rows,) if bias else None] * 2, *[(rows,) if normed else None] * 2]
    return Weights(*(shape and some(*shape) for shape in shapes))


def some(*shape: int) -> Tensor:
    return (torch.randn(*shape, dtype=torch.float64) / 2).requires_grad_()


def state_of(name: str, b: int = B, h: int = H) -> tuple[Tensor, ...]:
    return tuple(some(b, h) for _ in range(cells.get(name).states))


def leaves(x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> list[Tensor]:
    return [x, *state, *(w for w in weights if w is not None)]


def gradients(result: tuple[Tensor, tuple[Tensor, ...]], inputs: list[Tensor]) -> list[Tensor]:
    """Of a sum in which each number of the result counts differently."""
    total = torch.zeros((), dtype=torch.float64)
    for out in (result[0], *result[1]):
        total = total + (out * torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).view_as(out)).sum()
    return list(torch.autograd.grad(total, inputs))


def run_alone(name, x, state, weights, lengths, reverse, kernel):
    """Each sequence by itself, cut at its length, and the results put side by side."""
    y, last = torch.zeros(len(x), x.shape[1], state[0].shape[1], dtype=x.dtype), []
    for b, length in enumerate(lengths):
        one = slice(b, b + 1)
        out, after = kernels.scan(
            cells.get(name),
            x[:length, one],
            tuple(s[one] for s in state),
            weights,
            reverse=reverse,
            kernel=kernel,
        )
        y = y.index_put((torch.arange(length), torch.tensor(b)), out[:, 0])
        last.append(after)
    return y, tuple(torch.cat(s) for s in zip(*last, strict=True))


def same(got: tuple[Tensor, tuple[Tensor, ...]], want: tuple[Tensor, tuple[Tensor, ...]]) -> None:
    for a, b in zip((got[0], *got[1]), (want[0], *want[1]), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel"), PAIRS)
def test_ragged_is_each_sequence_alone(name, kernel, reverse):
    x, state, weights = some(T, B, F), state_of(name), weights_of(name)
    inputs = leaves(x, state, weights)
    got = kernels.scan(cells.get(name), x, state, weights, torch.tensor(RAGGED), reverse, kernel=kernel)
    want = run_alone(name, x, state, weights, RAGGED, reverse, kernel)
    same(got, want)
    for a, b in zip(gradients(got, inputs), gradients(want, inputs), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("name", cells.names())
def test_reverse_is_turning_about(name, normed):
    x, state, weights = some(T, B, F), state_of(name), weights_of(name, normed=normed)
    y, last = kernels.scan(cells.get(name), x, state, weights, reverse=True)
    flipped, want = kernels.scan(cells.get(name), x.flip(0), state, weights)
    same((y, last), (flipped.flip(0), want))


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("name", cells.names())
def test_the_loop_differentiates_twice(name, normed, ragged):
    x, state, weights = some(3, 2, F), state_of(name, 2), weights_of(name, normed=normed)
    lengths = torch.tensor([1, 3]) if ragged else None
    mask = torch.tensor([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0]], dtype=x.dtype)
    inputs = leaves(x, state, weights)

    def run(*inputs):
        x, state, flat = (
            inputs[0],
            inputs[1 : 1 + len(state_of(name))],
            list(inputs[1 + len(state_of(name)) :]),
        )
        some_weights = Weights(*flat)
        y, last = kernels.scan(
            cells.get(name), x, state, some_weights, lengths, hidden_mask=mask, kernel="loop"
        )
        return y, *last

    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(
        run, inputs, fast_mode=True
    )  # one random direction: all of them take long


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel"), FUSED)
def test_second_derivatives_of_fused_kernels_in_float64(name, kernel, reverse):
    x, state, weights = some(3, 2, F), state_of(name, 2), weights_of(name)

    def second(kernel):
        inputs = leaves(x, state, weights)
        y, _ = kernels.scan(cells.get(name), x, state, weights, torch.tensor([2, 3]), reverse, kernel=kernel)
        grads = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in grads), inputs)

    for got, want in zip(second(kernel), second("loop"), strict=True):
        torch.testing.assert_close(got, want, **CLOSE)


@pytest.mark.parametrize("missing", [("b_ih",), ("b_hh",), ("b_ih", "b_hh")])
@pytest.mark.parametrize(("name", "kernel"), FUSED)
def test_missing_biases(name, kernel, missing):
    x, state, weights = some(T, B, F), state_of(name), weights_of(name)
    weights = weights._replace(**dict.fromkeys(missing))
    zeros = weights._replace(**{key: torch.zeros(len(weights.w_ih), dtype=x.dtype) for key in missing})
    same(
        kernels.scan(cells.get(name), x, state, weights, kernel=kernel),
        kernels.scan(cells.get(name), x, state, zeros, kernel="loop"),
    )


@pytest.mark.parametrize("name", cells.names())
def test_layer_normalisation_is_its_formula(name):
    """Against a step made here: each gate less its mean, by its deviation, times gain, plus bias."""
    cell, x, state, weights = cells.get(name), some(1, B, F), state_of(name), weights_of(name, normed=True)
    w_ih, w_hh, b_ih, b_hh, gain_ih, gain_hh = weights

    def normed(product, gain, bias):
        parts = []
        for gate in product.split(H, -1):
            centred = gate - gate.mean(-1, keepdim=True)
            parts.append(centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt())
        return torch.cat(parts, -1) * gain + bias

    def recur(h, first_gate=0, last_gate=None):
        rows = slice(first_gate * H, None if last_gate is None else last_gate * H)
        return normed(h @ w_hh[rows].T, gain_hh[rows], b_hh[rows])

    want = cell.step(normed(x[0] @ w_ih.T, gain_ih, b_ih), state, recur)
    same(kernels.scan(cell, x, state, weights), (want[0][None], want))


@pytest.mark.parametrize("name", cells.names())
def test_a_hidden_mask_is_the_recurrent_matrix_with_columns_scaled(name):
    x, state, weights = some(T, 1, F), state_of(name, 1), weights_of(name)
    mask = torch.tensor([[0.0, 2.0, 0.5]], dtype=x.dtype)
    same(
        kernels.scan(cells.get(name), x, state, weights, hidden_mask=mask),
        kernels.scan(cells.get(name), x, state, weights._replace(w_hh=weights.w_hh * mask), kernel="loop"),
    )


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel"), PAIRS)
def test_padding_holds_anything(name, kernel, reverse, junk):
    x, state, weights, lengths = some(T, B, F), state_of(name), weights_of(name), torch.tensor(RAGGED)
    pad = torch.arange(T)[:, None] >= lengths
    spoilt = x.detach().masked_fill(pad[..., None], junk).requires_grad_()
    clean, dirty = (
        kernels.scan(cells.get(name), data, state, weights, lengths, reverse, kernel=kernel)
        for data in (x, spoilt)
    )
    same(dirty, clean)
    assert not dirty[0][pad].any()
    want, got = (
        gradients(result, leaves(data, state, weights)) for result, data in ((clean, x), (dirty, spoilt))
    )
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    assert not got[0][pad].any()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    pair=st.sampled_from(FUSED),
    sizes=st.tuples(*[st.integers(1, 6)] * 4),
    reverse=st.booleans(),
    data=st.data(),
)
def test_fused_kernels_equal_the_loop_in_any_shape(pair, sizes, reverse, data):
    (name, kernel), (t, b, f, h) = pair, sizes
    lengths = torch.tensor(data.draw(st.lists(st.integers(1, t), min_size=b, max_size=b)))
    x, state, weights = some(t, b, f), state_of(name, b, h), weights_of(name, f=f, h=h)
    inputs = leaves(x, state, weights)
    got, want = (
        kernels.scan(cells.get(name), x, state, weights, lengths, reverse, kernel=which)
        for which in (kernel, "loop")
    )
    same(got, want)
    for a, b_ in zip(gradients(got, inputs), gradients(want, inputs), strict=True):
        torch.testing.assert_close(a, b_, **CLOSE)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("name", "kernel"), FUSED)
def test_float32_is_the_loop_in_float64(name, kernel, ragged, reverse):
    """In float32 other code runs: oneDNN, where torch has it."""
    lengths = torch.tensor(RAGGED) if ragged else None
    x, state, weights = some(T, B, F), state_of(name), weights_of(name)
    want = kernels.scan(cells.get(name), x, state, weights, lengths, reverse, kernel="loop")
    low = [leaf.detach().float().requires_grad_() for leaf in leaves(x, state, weights)]
    x32, state32, weights32 = low[0], tuple(low[1 : 1 + len(state)]), Weights(*low[1 + len(state) :])
    got = kernels.scan(cells.get(name), x32, state32, weights32, lengths, reverse, kernel=kernel)
    for a, b in zip((got[0], *got[1]), (want[0], *want[1]), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)
    for a, b in zip(gradients(got, low), gradients(want, leaves(x, state, weights)), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)


class Spy(Kernel):
    """A kernel that joins by its name in the table, and serves float32 alone."""

    name = "spy"

    def refuses(self, case):
        return None if case.dtype == torch.float32 else f"only float32, not {case.dtype}"

    def run(self, cell, x, state, weights, lengths, reverse, hidden_mask):
        raise RuntimeError("the spy ran")


def test_a_new_kernel_joins_by_its_name(monkeypatch):
    monkeypatch.setattr(kernels, "_TABLE", (Spy(), *kernels._TABLE))
    cell, state, weights = cells.get("gru"), state_of("gru"), weights_of("gru")
    x = some(T, B, F)
    kernels.scan(cell, x, state, weights)
    with pytest.raises(RuntimeError, match="the spy ran"):
        kernels.scan(cell, x.float(), state, weights)
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(ConfigError, match=r"only float32, not torch\.bfloat16"),
    ):
        kernels.scan(cell, x.float(), state, weights, kernel="spy")
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ConfigError, match=r"not torch\.float64"):
        kernels.scan(cell, x, state, weights, kernel="spy")


def test_the_table_ends_with_what_serves_everything():
    assert kernels.names() == ("aten", "loop")
    assert kernels.choose(Case(cell="anything", ragged=True, normed=True, masked=True))[0].name == "loop"


def test_choice_and_explanation():
    dropped = Case(cell="lstm", masked=True)
    why = "torch's fused functions have no dropout on the recurrent path"
    assert kernels.choose(Case(cell="lstm"))[1] == "the fastest"
    assert kernels.choose(dropped) == (kernels.get("loop"), f"aten refuses: {why}")
    assert kernels.explain(Case(cell="lstm")) == [("aten", "runs: the fastest"), ("loop", "could run")]
    assert kernels.explain(dropped) == [("aten", f"refuses: {why}"), ("loop", f"runs: aten refuses: {why}")]


def test_the_environment_forces_and_the_argument_before_it(monkeypatch):
    monkeypatch.setenv("ELMAN_KERNEL", "loop")
    assert kernels.choose(Case(cell="lstm")) == (kernels.get("loop"), "forced by ELMAN_KERNEL")
    assert kernels.choose(Case(cell="lstm"), "aten") == (kernels.get("aten"), "forced by kernel")
    monkeypatch.setenv("ELMAN_KERNEL", "")
    assert kernels.choose(Case(cell="lstm"))[0].name == "aten"


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (Case(cell="gru_reset_before"), "torch has no fused 'gru_reset_before'"),
        (
            Case(cell="gru", normed=True),
            "torch's fused functions have no layer normalisation inside the cell",
        ),
        (Case(cell="gru", masked=True), "torch's fused functions have no dropout on the recurrent path"),
    ],
)
def test_a_forced_kernel_that_refuses(monkeypatch, case, why):
    with pytest.raises(ConfigError) as caught:
        kernels.choose(case, "aten")
    assert str(caught.value) == f"kernel: 'aten' refuses: {why}; use 'loop'"
    monkeypatch.setenv("ELMAN_KERNEL", "aten")
    with pytest.raises(ConfigError) as caught:
        kernels.choose(case)
    assert str(caught.value) == f"ELMAN_KERNEL: 'aten' refuses: {why}; use 'loop'"


def test_unknown_kernels(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        kernels.choose(Case(cell="gru"), "lop")
    assert str(caught.value) == "kernel: unknown kernel 'lop'; did you mean 'loop'?"
    monkeypatch.setenv("ELMAN_KERNEL", "atem")
    with pytest.raises(ConfigError) as caught:
        kernels.choose(Case(cell="gru"))
    assert str(caught.value) == "ELMAN_KERNEL: unknown kernel 'atem'; did you mean 'aten'?"


def test_a_single_step_of_an_lstm_on_a_cpu_runs_in_the_loop_unless_forced():
    assert kernels.choose(Case(cell="lstm", steps=1))[0].name == "loop"
    assert kernels.choose(Case(cell="lstm", steps=2))[0].name == "aten"
    assert kernels.choose(Case(cell="gru", steps=1))[0].name == "aten"
    assert kernels.choose(Case(cell="lstm", steps=1), "aten")[0].name == "aten"
    assert kernels.explain(Case(cell="lstm", steps=1)) == [
        ("aten", "could run"),
        ("loop", "runs: aten yields: oneDNN is slow at a single step"),
    ]
