"""Contract of the kernels: each gives what the loop gives, and the loop is held to its formula."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from elman import cells
from elman.core.errors import ConfigError
from elman.nn import kernels
from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import Kernel, KernelRequest, Result, ScanJob, Weights

T, B, F, H, P = 5, 3, 2, 3, 2
RAGGED = (3, 5, 1)
CLOSE = {"rtol": 0, "atol": 1e-10}
KINDS = (
    (),
    ("ragged",),
    ("normed",),
    ("masked",),
    ("projected",),
    ("reset",),
    ("zoned",),
    ("every",),
    ("ragged", "projected"),
    ("ragged", "masked", "reset", "zoned", "every"),
    ("normed", "masked", "projected", "reset", "zoned", "every"),
)
"""What may be asked of a kernel beside the plain run, alone and together, as `KernelRequest` names it."""


def serves(cell: str, kernel: str, *kinds: str) -> bool:
    """Whether a kernel serves a cell so; a projection stands for the LSTM's alone."""
    exists = cell == "lstm" or "projected" not in kinds
    return exists and kernels.get(kernel).refuses(KernelRequest(cell, **dict.fromkeys(kinds, True))) is None


NAMES = ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before")
"""The cells of torch, and one more; those that are lists alone are tested in test_formula.py."""
PAIRS = [(cell, kernel) for cell in NAMES for kernel in kernels.names() if serves(cell, kernel)]
FUSED = [pair for pair in PAIRS if pair[1] != "loop"]
ASKED = [(*pair, kinds) for pair in PAIRS for kinds in KINDS if serves(*pair, *kinds)]


pytestmark = pytest.mark.usefixtures("plain")


def some(*shape: int) -> Tensor:
    return (torch.randn(*shape, dtype=torch.float64) / 2).requires_grad_()


def coin(*shape: int) -> Tensor:
    return torch.rand(*shape) < 0.4


def weights_of(name: str, *, normed: bool = False, f: int = F, h: int = H, p: int = 0) -> Weights:
    rows = cells.get(name).gates * h
    shapes = [(rows, f), (rows, p or h), *[(rows,)] * 2, *[(rows,) if normed else None] * 2]
    return Weights(*(shape and some(*shape) for shape in (*shapes, (p, h) if p else None)))


def job_of(name: str, *kinds: str, t: int = T, b: int = B, f: int = F, h: int = H, p: int = P) -> ScanJob:
    """A job of these kinds; what it is made of is drawn."""
    p = p if "projected" in kinds else 0
    sizes = [p or h, *[h] * (cells.get(name).states - 1)]
    job = ScanJob(
        some(t, b, f),
        tuple(some(b, size) for size in sizes),
        weights_of(name, normed="normed" in kinds, f=f, h=h, p=p),
        every="every" in kinds,
    )
    if "ragged" in kinds:
        job = job._replace(lengths=torch.randint(0, t + 1, (b,)))
    if "masked" in kinds:
        job = job._replace(hidden_mask=coin(b, sizes[0]).double() * 2)
    if "reset" in kinds:
        job = job._replace(reset=coin(t, b))
    if "zoned" in kinds:
        job = job._replace(zone=(coin(t, b, sizes[0]).double(), 0.3)[: len(sizes)])
    return job


def leaves(job: ScanJob) -> list[Tensor]:
    """All that a gradient may be asked for."""
    return [job.x, *job.state, *(w for w in job.weights if w is not None)]


def with_leaves(job: ScanJob, new: Iterable[Tensor]) -> ScanJob:
    """The same job on other numbers, in the order of `leaves`."""
    left = iter(new)
    x, state = next(left), tuple(next(left) for _ in job.state)
    weights = Weights(*(w if w is None else next(left) for w in job.weights))
    return job._replace(x=x, state=state, weights=weights)


def in_float32(job: ScanJob) -> ScanJob:
    low = with_leaves(job, [leaf.detach().float().requires_grad_() for leaf in leaves(job)])
    mask = None if job.hidden_mask is None else job.hidden_mask.float()
    zone = job.zone and tuple(z.float() if isinstance(z, Tensor) else z for z in job.zone)
    return low._replace(hidden_mask=mask, zone=zone)


def gradients(result: Result, inputs: list[Tensor]) -> list[Tensor]:
    """Of a sum in which each number of the result counts differently."""
    total = torch.zeros((), dtype=torch.float64)
    for out in (*result[0], *result[1]):
        total = total + (out * torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).view_as(out)).sum()
    return list(torch.autograd.grad(total, inputs, materialize_grads=True, allow_unused=True))


def step_by_step(cell: Cell, job: ScanJob) -> Result:
    """Each sequence by itself, in plain runs of one step; what stands around a step is done here."""
    rows = [_row(cell, job, b) for b in range(job.x.shape[1])]
    ys = tuple(
        torch.stack([torch.cat(row) for row in zip(*(seen[i] for seen, _ in rows), strict=True)])
        for i in range(len(job.state) if job.every else 1)
    )
    return ys, tuple(torch.cat(s) for s in zip(*(last for _, last in rows), strict=True))


def _row(cell: Cell, job: ScanJob, b: int) -> tuple[list[list[Tensor]], tuple[Tensor, ...]]:
    """One sequence: each state at all steps, and the last ones."""
    row, steps = slice(b, b + 1), len(job.x)
    state = tuple(s[row] for s in job.state)
    seen = [[torch.zeros_like(s)] * steps for s in state]
    length = steps if job.lengths is None else int(job.lengths[b])
    mask = None if job.hidden_mask is None else job.hidden_mask[row]
    for t in range(length)[:: -1 if job.reverse else 1]:
        if job.reset is not None and job.reset[t, b]:
            state = tuple(torch.zeros_like(s) for s in state)
        _, after = kernels.scan(
            cell, ScanJob(job.x[t : t + 1, row], state, job.weights, hidden_mask=mask), "loop"
        )
        if job.zone is not None:
            kept = [z[t, row] if isinstance(z, Tensor) else z for z in job.zone]
            after = tuple(torch.lerp(n, s, z) for n, s, z in zip(after, state, kept, strict=True))
        state = after
        for steps_of, s in zip(seen, state, strict=True):
            steps_of[t] = s
    return seen, state


def same(got: Result, want: Result, **close: float) -> None:
    assert [len(part) for part in got] == [len(part) for part in want]
    for a, b in zip((*got[0], *got[1]), (*want[0], *want[1]), strict=True):
        torch.testing.assert_close(a.double(), b, **(close or CLOSE))


def same_gradients(got: list[Tensor], want: list[Tensor], **close: float) -> None:
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a.double(), b, **(close or CLOSE))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel", "kinds"), ASKED)
def test_a_job_is_its_steps(name, kernel, kinds, reverse):
    cell, job = cells.get(name), job_of(name, *kinds)._replace(reverse=reverse)
    got, want = kernels.scan(cell, job, kernel), step_by_step(cell, job)
    same(got, want)
    same_gradients(gradients(got, leaves(job)), gradients(want, leaves(job)))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel", "kinds"), ASKED)
def test_float32_is_the_loop_in_float64(name, kernel, kinds, reverse):
    """In float32 other code runs: oneDNN, where torch has it."""
    cell, job = cells.get(name), job_of(name, *kinds)._replace(reverse=reverse)
    low = in_float32(job)
    got, want = kernels.scan(cell, low, kernel), kernels.scan(cell, job, "loop")
    same(got, want, rtol=1e-4, atol=1e-5)
    same_gradients(gradients(got, leaves(low)), gradients(want, leaves(job)), rtol=1e-4, atol=1e-5)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    asked=st.sampled_from([each for each in ASKED if each[1] != "loop"]),
    sizes=st.tuples(*[st.integers(1, 6)] * 4),
    reverse=st.booleans(),
    data=st.data(),
)
def test_fused_kernels_equal_the_loop_in_any_shape(asked, sizes, reverse, data):
    (name, kernel, kinds), (t, b, f, h) = asked, sizes
    job = job_of(name, *kinds, t=t, b=b, f=f, h=h + 1, p=h)._replace(reverse=reverse)
    if "ragged" in kinds:
        lengths = data.draw(st.lists(st.integers(0, t), min_size=b, max_size=b))
        job = job._replace(lengths=torch.tensor(lengths))
    got, want = (kernels.scan(cells.get(name), job, which) for which in (kernel, "loop"))
    same(got, want)
    same_gradients(gradients(got, leaves(job)), gradients(want, leaves(job)))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel"), PAIRS)
@pytest.mark.parametrize("lengths", [(0, 0, 0), (0, 5, 0), (5, 0, 5)])
def test_a_sequence_may_be_empty(name, kernel, lengths, reverse):
    job = job_of(name)._replace(lengths=torch.tensor(lengths), reverse=reverse)
    (y,), last = kernels.scan(cells.get(name), job, kernel)
    empty = torch.tensor(lengths) == 0
    assert not y[:, empty].any()
    for before, after in zip(job.state, last, strict=True):
        assert torch.equal(before[empty], after[empty])
        assert (before[~empty] != after[~empty]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kinds", [(), ("ragged",), ("normed", "masked", "reset", "zoned", "every")])
@pytest.mark.parametrize("sizes", [{"t": 0}, {"b": 0}])
def test_no_step_or_no_sequence(name, kinds, sizes):
    job = job_of(name, *kinds, **sizes)
    ys, last = kernels.scan(cells.get(name), job)
    shape = (*job.x.shape[:2], H)
    assert [y.shape for y in ys] == [shape] * (len(job.state) if job.every else 1)
    assert [s.shape for s in last] == [shape[1:]] * len(job.state)
    same(((), last), ((), job.state))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kinds", [(), ("normed",)])
def test_reverse_is_turning_about(name, kinds):
    cell, job = cells.get(name), job_of(name, *kinds)
    got = kernels.scan(cell, job._replace(reverse=True))
    (flipped,), last = kernels.scan(cell, job._replace(x=job.x.flip(0)))
    same(got, ((flipped.flip(0),), last))


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_the_loop_differentiates_twice(name, kinds):
    if not serves(name, "loop", *kinds):
        return
    job = job_of(name, *kinds, t=3, b=2)

    def run(*inputs):
        ys, last = kernels.scan(cells.get(name), with_leaves(job, inputs), "loop")
        return *ys, *last

    assert torch.autograd.gradcheck(run, leaves(job))
    # One random direction: all of them take long.
    assert torch.autograd.gradgradcheck(run, leaves(job), fast_mode=True)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel", "kinds"), [each for each in ASKED if each[1] != "loop"])
def test_second_derivatives_of_fused_kernels_in_float64(name, kernel, kinds, reverse):
    job = job_of(name, *kinds, t=3, b=2)._replace(reverse=reverse)

    def second(kernel):
        inputs = leaves(job)
        (y, *_), _ = kernels.scan(cells.get(name), job, kernel)
        grads = torch.autograd.grad(
            y.square().sum(), inputs, create_graph=True, materialize_grads=True, allow_unused=True
        )
        total = sum(g.square().sum() for g in grads)
        return torch.autograd.grad(total, inputs, materialize_grads=True, allow_unused=True)

    same_gradients(second(kernel), second("loop"))


@pytest.mark.parametrize("missing", [("b_ih",), ("b_hh",), ("b_ih", "b_hh")])
@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize(("name", "kernel"), FUSED)
def test_missing_biases(name, kernel, steps, missing):
    cell, job = cells.get(name), job_of(name, t=steps)
    none = torch.zeros(len(job.weights.w_ih), dtype=torch.float64)
    without, zero = (
        job._replace(weights=job.weights._replace(**dict.fromkeys(missing, value))) for value in (None, none)
    )
    same(kernels.scan(cell, without, kernel), kernels.scan(cell, zero, "loop"))


@pytest.mark.parametrize("name", NAMES)
def test_layer_normalisation_is_its_formula(name):
    """Against a step made here: each gate less its mean, by its deviation, times gain, plus bias."""
    cell, job = cells.get(name), job_of(name, "normed", t=1)
    w_ih, w_hh, b_ih, b_hh, gain_ih, gain_hh, _ = job.weights

    def normed(product, gain, bias):
        parts = []
        for gate in product.split(H, -1):
            centred = gate - gate.mean(-1, keepdim=True)
            parts.append(centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt())
        return torch.cat(parts, -1) * gain + bias

    def recur(h, first_gate=0, last_gate=None):
        rows = slice(first_gate * H, None if last_gate is None else last_gate * H)
        return normed(h @ w_hh[rows].T, gain_hh[rows], b_hh[rows])

    want = cell.step(normed(job.x[0] @ w_ih.T, gain_ih, b_ih), job.state, recur)
    same(kernels.scan(cell, job), ((want[0][None],), want))


@pytest.mark.parametrize("name", NAMES)
def test_a_hidden_mask_is_the_recurrent_matrix_with_columns_scaled(name):
    cell, job = cells.get(name), job_of(name, b=1)
    mask = torch.tensor([[0.0, 2.0, 0.5]], dtype=torch.float64)
    scaled = job._replace(weights=job.weights._replace(w_hh=job.weights.w_hh * mask))
    same(kernels.scan(cell, job._replace(hidden_mask=mask)), kernels.scan(cell, scaled, "loop"))


@pytest.mark.parametrize("kernel", [name for name in kernels.names() if serves("lstm", name, "projected")])
def test_a_projection_is_that_of_torch(kernel):
    job = job_of("lstm", "projected")
    module = nn.LSTM(F, H, proj_size=P, dtype=torch.float64)
    module.load_state_dict({f"{name}_l0": w.detach() for name, w in _torch_names(job.weights)})
    y, last = module(job.x, tuple(s[None] for s in job.state))
    same(kernels.scan(cells.get("lstm"), job, kernel), ((y,), tuple(s[0] for s in last)))


def _torch_names(weights: Weights) -> list[tuple[str, Tensor]]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "", "", "weight_hr")
    return [(name, w) for name, w in zip(names, weights, strict=True) if name and w is not None]


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "kernel"), PAIRS)
def test_padding_holds_anything(name, kernel, reverse, junk):
    cell, job = cells.get(name), job_of(name)._replace(lengths=torch.tensor(RAGGED), reverse=reverse)
    pad = torch.arange(T)[:, None] >= job.lengths
    spoilt = job._replace(x=job.x.detach().masked_fill(pad[..., None], junk).requires_grad_())
    clean, dirty = kernels.scan(cell, job, kernel), kernels.scan(cell, spoilt, kernel)
    same(dirty, clean)
    assert not dirty[0][0][pad].any()
    got = gradients(dirty, leaves(spoilt))
    same_gradients(got, gradients(clean, leaves(job)))
    assert not got[0][pad].any()


class Spy(Kernel):
    """A kernel that joins by its name in the table, and serves float32 alone."""

    name = "spy"

    def refuses(self, case):
        return None if case.dtype == torch.float32 else f"only float32, not {case.dtype}"

    def run(self, cell, job):
        raise RuntimeError("the spy ran")


def test_a_new_kernel_joins_by_its_name(monkeypatch):
    monkeypatch.setattr(dispatch, "_TABLE", (Spy(), *dispatch._TABLE))
    cell, job = cells.get("gru"), job_of("gru")
    kernels.scan(cell, job)
    with pytest.raises(RuntimeError, match="the spy ran"):
        kernels.scan(cell, in_float32(job))
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(ConfigError, match=r"only float32, not torch\.bfloat16"),
    ):
        kernels.scan(cell, in_float32(job), "spy")
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ConfigError, match=r"not torch\.float64"):
        kernels.scan(cell, job, "spy")


@pytest.fixture
def torch_alone(monkeypatch):
    """A table without the native kernels, which are not built everywhere."""
    monkeypatch.setattr(dispatch, "_TABLE", (kernels.get("aten"), kernels.get("loop")))


def test_the_table_ends_with_what_serves_everything():
    assert kernels.names() == ("native", "aten", "loop")
    unlisted = KernelRequest(cell="anything", ragged=True, normed=True, masked=True, unlisted="it sums")
    assert kernels.choose(unlisted)[0].name == "loop"


def test_the_case_of_a_job():
    cell, job = cells.get("lstm"), job_of("lstm")
    assert kernels.case_of(cell, job) == KernelRequest("lstm", "cpu", torch.float64, T)
    for kind in ("ragged", "normed", "masked", "projected", "reset", "zoned", "every"):
        assert kernels.case_of(cell, job_of("lstm", kind)) == KernelRequest(
            "lstm", "cpu", torch.float64, T, **{kind: True}
        )
    assert not kernels.case_of(cells.get("gru"), job_of("gru", "every")).every, (
        "it has the hidden state alone"
    )


@pytest.mark.usefixtures("torch_alone")
def test_choice_and_explanation():
    dropped = KernelRequest(cell="lstm", masked=True)
    why = "torch's fused functions have no dropout on the recurrent path"
    assert kernels.choose(KernelRequest(cell="lstm"))[1] == "the fastest"
    assert kernels.choose(dropped) == (kernels.get("loop"), f"aten refuses: {why}")
    assert kernels.explain(KernelRequest(cell="lstm")) == [
        ("aten", "runs: the fastest"),
        ("loop", "could run"),
    ]
    assert kernels.explain(dropped) == [("aten", f"refuses: {why}"), ("loop", f"runs: aten refuses: {why}")]


def test_the_environment_is_read_at_the_start():
    program = "from elman.nn import kernels as k; print(k.choose(k.base.KernelRequest(cell='lstm'))[1])"
    environment = {**os.environ, kernels.VARIABLE: "loop"}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert told.stdout == "forced by ELMAN_KERNEL\n", told.stderr


@pytest.mark.usefixtures("torch_alone")
def test_a_kernel_is_forced_and_the_argument_before_it(monkeypatch):
    kernels.force("loop")
    assert kernels.choose(KernelRequest(cell="lstm")) == (kernels.get("loop"), "forced by ELMAN_KERNEL")
    assert kernels.choose(KernelRequest(cell="lstm"), "aten") == (kernels.get("aten"), "forced by kernel")
    kernels.force(None)
    assert kernels.choose(KernelRequest(cell="lstm"))[0].name == "aten"
    with pytest.raises(ConfigError, match="unknown kernel 'lop'"):
        kernels.force("lop")


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (KernelRequest(cell="gru_reset_before"), "torch has no fused 'gru_reset_before'"),
        (
            KernelRequest(cell="gru", normed=True),
            "torch's fused functions have no layer normalisation inside the cell",
        ),
        (
            KernelRequest(cell="gru", masked=True),
            "torch's fused functions have no dropout on the recurrent path",
        ),
        (
            KernelRequest(cell="gru", reset=True),
            "torch's fused functions have no reset of the state on the way",
        ),
        (KernelRequest(cell="gru", zoned=True), "torch's fused functions have no zoneout"),
        (
            KernelRequest(cell="lstm", every=True),
            "torch's fused functions have no other state than the hidden one at all steps",
        ),
        (KernelRequest(cell="gru", steps=0), "torch's fused functions want a step at least"),
    ],
)
def test_a_forced_kernel_that_refuses(monkeypatch, case, why):
    with pytest.raises(ConfigError) as caught:
        kernels.choose(case, "aten")
    assert str(caught.value) == f"kernel: 'aten' refuses: {why}; use 'loop'"
    monkeypatch.setattr(dispatch, "_forced", "aten")
    with pytest.raises(ConfigError) as caught:
        kernels.choose(case)
    assert str(caught.value) == f"ELMAN_KERNEL: 'aten' refuses: {why}; use 'loop'"


def test_unknown_kernels(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        kernels.choose(KernelRequest(cell="gru"), "lop")
    assert str(caught.value) == "kernel: unknown kernel 'lop'; did you mean 'loop'?"
    monkeypatch.setattr(dispatch, "_forced", "atem")
    with pytest.raises(ConfigError) as caught:
        kernels.choose(KernelRequest(cell="gru"))
    assert str(caught.value) == "ELMAN_KERNEL: unknown kernel 'atem'; did you mean 'aten'?"


class Shy(Spy):
    """A kernel that serves a single step, and knows that another is faster."""

    name = "shy"

    def prefers_other(self, case):
        return "slow at a single step" if case.steps == 1 else None


def test_a_kernel_may_yield_to_a_faster_one(monkeypatch):
    monkeypatch.setattr(dispatch, "_TABLE", (Shy(), kernels.get("loop")))
    one = KernelRequest(cell="lstm", steps=1)
    assert kernels.choose(KernelRequest(cell="lstm", steps=2))[0].name == "shy"
    assert kernels.choose(one)[0].name == "loop"
    assert kernels.choose(one, "shy")[0].name == "shy"
    assert kernels.explain(one) == [
        ("shy", "could run"),
        ("loop", "runs: shy yields: slow at a single step"),
    ]
