"""Our layers beside torch's: one random call of both, in every way that torch's users call them.

A `KernelRequest` says what is called and how; `judge` runs torch's module and ours with the same numbers and
tells what is wrong with ours. The modes are in `differential_modes.py`; the tests and
`benchmarks/differential.py` draw the cases.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman import cells
from elman import nn as ours
from elman.core.errors import ElmanError
from elman.core.records import Seq
from elman.nn import kernels
from elman.nn.recurrent import Recurrent

LAYERS, CELLS = ("RNN", "LSTM", "GRU"), ("RNNCell", "LSTMCell", "GRUCell")
LAYOUTS = ("contiguous", "transposed", "expanded", "sliced", "offset", "negated", "parameter")
VALUES = ("denormal", "large", "inf", "nan", "negative zero", "unscaled")
DEPENDENCES = (
    "state of x",
    "state twice",
    "tied weights",
    "tied biases",
    "x in state",
    "carried",
    "weights of x",
)
ROUNDING = {torch.float32: 2e-5, torch.float64: 1e-11}
"""Times the largest number about: what two orders of summation may differ by, over 70 steps."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Case:
    """One call.

    Args:
        kind: torch's class, or "Recurrent", which stands beside itself on the kernel "loop".
        mode: how it is called; one of `differential_modes.MODES`.
        options: of the constructor.
        steps, batch, features, hidden: T, B, F, H; any but H may be 0.
        alone: without a batch.
        packed: as a PackedSequence; Recurrent gets lengths.
        stated: with a state.
        dtype: of all.
        layouts: how x, the states and the weights lie in memory.
        values: what is among the numbers of x, the states and the weights, beside normal ones.
        frozen: which of x, the states, the matrices and the biases need no gradient.
        dependence: what an argument has to do with another; or None.
        loss: how the outputs enter the loss.
        seed: of the numbers.
    """

    kind: str
    mode: str
    options: tuple[tuple[str, Any], ...] = ()
    steps: int = 3
    batch: int = 2
    features: int = 3
    hidden: int = 4
    alone: bool = False
    packed: bool = False
    stated: bool = True
    dtype: torch.dtype = torch.float32
    layouts: tuple[str, str, str] = ("contiguous",) * 3
    values: tuple[str, str, str] = ("normal",) * 3
    frozen: tuple[str, ...] = ()
    dependence: str | None = None
    loss: str = "weighted"
    seed: int = 0

    def __repr__(self) -> str:
        """What is not as in the plainest case."""
        odd = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}
        return f"Case({', '.join(f'{name}={value!r}' for name, value in odd.items())})"

    @property
    def size(self) -> int:
        """How far it is from the smallest case, for whoever looks for one."""
        return self.steps * self.batch * (self.features + 4 * self.hidden) + 10 * len(repr(self))


class Inputs(NamedTuple):
    """The arguments of a call as their leaves: x, S states, and the lengths, which are no leaf."""

    x: Tensor
    state: tuple[Tensor, ...]
    lengths: Tensor | None

    @property
    def leaves(self) -> list[Tensor]:
        return [self.x, *self.state]


class Subject(NamedTuple):
    """A module, and how a case calls it: `call(module, inputs) -> the outputs, one after another`."""

    case: Case
    module: torch.nn.Module
    inputs: Inputs

    def __call__(self, x: Tensor, *state: Tensor) -> list[Tensor]:
        return called(self.module, self.case, Inputs(x, state, self.inputs.lengths))

    def weights(self) -> dict[str, Tensor]:
        """Each parameter once, though it may be tied."""
        return dict(self.module.named_parameters())


def lay(t: Tensor, layout: str) -> Tensor:
    """The numbers of t, laid out otherwise; expanded: those of its first row, or column, for all."""
    if layout == "transposed" and t.dim() > 1:
        return t.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "sliced" and t.dim():
        return torch.stack([t, torch.full_like(t, 7)], -1)[..., 0]
    if layout == "offset":
        return torch.cat([t.new_full((1,), 7), t.flatten()])[1:].view(t.shape)
    if layout == "expanded" and t.dim() > 1 and t.shape[-2]:
        return t[..., :1, :].expand(t.shape)
    if layout == "negated":
        return torch._neg_view(t.neg())
    return torch.nn.Parameter(t.clone()) if layout == "parameter" else t


def numbers(case: Case, shape: tuple[int, ...], values: str, draw: torch.Generator) -> Tensor:
    """Normal ones, and among them what the case asks for."""
    t = torch.randn(shape, generator=draw, dtype=torch.float64).to(case.dtype)
    if values == "unscaled":
        return t * 1e4
    special = {
        "denormal": 1e-40 if case.dtype == torch.float32 else 1e-310,
        "large": 1e30,
        "inf": torch.inf,
        "nan": torch.nan,
        "negative zero": -0.0,
    }.get(values)
    if special is None or not t.numel():
        return t
    some = torch.rand(shape, generator=draw) < (0.5 if abs(special) < 1 else 2 / t.numel())
    return torch.where(some, t.sign() * special if special else t.new_tensor(-0.0), t)


def inputs(case: Case, numbering: int = 0) -> Inputs:
    """The arguments, the same for every call with the same numbering."""
    draw = torch.Generator().manual_seed(2 * case.seed + numbering)
    options = dict(case.options)
    runs = options.get("num_layers", options.get("layers", 1)) * (1 + options.get("bidirectional", False))
    batch = () if case.alone else (case.batch,)
    steps = () if case.kind in CELLS else (case.steps,)
    x_shape = (*steps, *batch, case.features)
    if options.get("batch_first") and batch:
        x_shape = (*batch, *steps, case.features)
    first = () if case.kind in CELLS else (runs,)
    widths = [options.get("proj_size") or case.hidden, case.hidden]
    lstm = case.kind.startswith("LSTM") or options.get("cell") == "lstm"
    x = lay(numbers(case, x_shape, case.values[0], draw), case.layouts[0])
    state = tuple(
        lay(numbers(case, (*first, *batch, width), case.values[1], draw), case.layouts[1])
        for width in widths[: 1 + lstm]
    )
    lengths = torch.randint(1, case.steps + 1, (case.batch,), generator=draw) if case.packed else None
    if lengths is not None and case.kind != "Recurrent":
        lengths[0] = case.steps
    for name, leaf in (("x", x), *(("state", s) for s in state)):
        leaf.requires_grad_(name not in case.frozen and leaf.is_floating_point())
    return Inputs(x, state if case.stated else (), lengths)


def modules(case: Case) -> tuple[torch.nn.Module, torch.nn.Module]:
    """torch's and ours, with the same weights, laid out alike."""
    torch.manual_seed(case.seed)
    if case.kind == "Recurrent":
        options = {"input_size": case.features, "hidden_size": case.hidden, **dict(case.options)}
        pair = [Recurrent(**options, kernel=kernel).to(case.dtype) for kernel in ("loop", None)]
    else:
        options = (case.features, case.hidden)
        pair = [
            getattr(place, case.kind)(*options, **dict(case.options), dtype=case.dtype)
            for place in (torch.nn, ours)
        ]
    pair[1].load_state_dict(pair[0].state_dict())
    for module in pair:
        _arrange(module, case)
    return pair[0], pair[1]


def _arrange(module: torch.nn.Module, case: Case) -> None:
    """Special values, layout, which need a gradient, and which are one."""
    draw = torch.Generator().manual_seed(case.seed + 1)
    for name, p in list(module.named_parameters()):
        # What two large biases leave is a matter of order.
        cancels = case.values[2] == "large" and p.dim() < 2
        if case.values[2] != "normal" and p.numel() and not cancels:
            p.data = numbers(case, tuple(p.shape), case.values[2], draw)
            p.data = p.data / (p.shape[-1] if p.dim() else 1) ** 0.5
        p.data = lay(p.data, case.layouts[2]).detach() if case.layouts[2] != "negated" else p.data
        p.requires_grad_(not any(name.startswith(part) for part in case.frozen))
    end = "" if case.kind in CELLS else "_l0"
    if case.dependence == "tied weights" and case.features == case.hidden:
        setattr(module, "weight_hh" + end, getattr(module, "weight_ih" + end))
    if case.dependence == "tied biases" and getattr(module, "bias_hh" + end, None) is not None:
        setattr(module, "bias_hh" + end, getattr(module, "bias_ih" + end))


def called(module: torch.nn.Module, case: Case, given: Inputs) -> list[Tensor]:
    """The outputs of one call, or of a few where one follows from another."""
    x, state, _ = given
    if case.dependence == "state of x" and state:
        state = tuple(s + x.mean() for s in state)
    if case.dependence == "state twice" and len({s.shape for s in state}) == 1:
        state = (state[0],) * len(state)
    if case.dependence == "x in state" and case.kind in CELLS and case.features == case.hidden and state:
        x = state[0]
    if case.dependence == "weights of x":
        weights = {name: p * (1 + x.mean()) for name, p in module.named_parameters()}
        return torch.func.functional_call(
            _Caller(module, replace(case, dependence=None)),
            {f"module.{k}": v for k, v in weights.items()},
            (Inputs(x, state, given.lengths),),
        )
    outs = once(module, case, Inputs(x, state, given.lengths))
    if case.dependence != "carried" or not state:
        return outs
    last = outs[-len(state) :]
    if case.kind in CELLS and case.features == case.hidden:
        x = last[0]  # an autoregressive decoder
    return [*outs, *once(module, case, Inputs(x, tuple(last), given.lengths))]


class _Caller(torch.nn.Module):
    """A call as a module's, so that the weights of the module inside can be set for one call."""

    def __init__(self, module: torch.nn.Module, case: Case) -> None:
        super().__init__()
        self.module, self.case = module, case

    def forward(self, given: Inputs) -> list[Tensor]:
        return called(self.module, self.case, given)


def once(module: torch.nn.Module, case: Case, given: Inputs) -> list[Tensor]:
    """The module itself, called."""
    x, state, lengths = given
    if case.kind == "Recurrent":
        seq, last = module(Seq(x, lengths), state or None)
        return [seq.data, *last]
    hx = (state if len(state) > 1 else state[0]) if state else None
    if lengths is not None:
        first = dict(case.options).get("batch_first", False)
        x = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
    return flat(module(x, hx))


def flat(value: Any) -> list[Tensor]:
    """The tensors of an arrangement, one after another."""
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, Tensor):
        return [value]
    return [t for part in value or () for t in flat(part)]


def loss(case: Case, outs: list[Tensor]) -> Tensor:
    """A number whose gradient comes to the outputs dense, expanded, or to some of them alone."""
    if case.loss == "sum":
        return sum(o.sum() for o in outs)
    if case.loss == "square":
        return sum(o.square().mean() for o in outs)
    outs = outs[-1:] if case.loss == "last" else outs
    return sum((o * (torch.arange(o.numel(), dtype=o.dtype).view(o.shape) * 0.7).cos()).sum() for o in outs)


Mode = Callable[[Subject], list[Tensor]]


class Outcome(NamedTuple):
    """What a call came to: numbers, or an error."""

    numbers: list[Tensor] | None
    error: BaseException | None = None


def outcome(mode: Mode, module: torch.nn.Module, case: Case) -> Outcome:
    """Run a mode; a module's own refusals are errors, and so is everything else that it raises."""
    try:
        return Outcome([t.detach() for t in mode(Subject(case, module, inputs(case)))])
    except Exception as error:
        return Outcome(None, error)


SAID = (ElmanError, RuntimeError, ValueError, TypeError, NotImplementedError)
"""What may be raised where torch raises too; anything else is a fault that nobody foresaw."""


def judge(case: Case, mode: Mode) -> tuple[str, str]:
    """("same", ""), ("refused", why), ("beyond torch", why torch fails), or ("wrong", what).

    Where torch fails and ours does not, ours is held against itself on the plain kernel.
    """
    with quiet():
        try:
            theirs, mine = modules(case)
        except (ElmanError, RuntimeError, ValueError, TypeError) as error:
            return "refused", f"{type(error).__name__}: {error}"
        want, got = outcome(mode, theirs, case), outcome(mode, mine, case)
        if want.numbers is None:
            return _judge_beyond(case, mode, want, got)
        if got.numbers is None:
            said = f"{type(got.error).__name__}: {got.error}"
            return ("refused" if isinstance(got.error, ElmanError) else "wrong"), said
        fault = differs(got.numbers, want.numbers, case)
        if fault and _is_nearer_the_truth(case, mode, got.numbers, want.numbers):
            return "same", ""
        return ("wrong", fault) if fault else ("same", "")


def _judge_beyond(case: Case, mode: Mode, want: Outcome, got: Outcome) -> tuple[str, str]:
    if got.numbers is None:
        fine = isinstance(got.error, SAID) or type(got.error) is type(want.error)
        return ("refused" if fine else "wrong"), f"{type(got.error).__name__}: {got.error}"
    _, plain = modules(case)
    kernels.force("loop")
    try:
        truth = outcome(mode, plain, case)
    finally:
        kernels.force(None)
    fault = None if truth.numbers is None else differs(got.numbers, truth.numbers, case)
    return ("wrong", fault) if fault else ("beyond torch", f"{type(want.error).__name__}: {want.error}")


def _is_nearer_the_truth(case: Case, mode: Mode, got: list[Tensor], want: list[Tensor]) -> bool:
    """Whether ours is as near as torch's to what comes out with more digits."""
    if case.dtype != torch.float32:
        return False
    exact = replace(case, dtype=torch.float64)
    theirs, _ = modules(exact)
    for (_, a), (_, b) in zip(theirs.named_parameters(), modules(case)[0].named_parameters(), strict=True):
        a.data = b.data.double()
    given = inputs(case)
    truth = _with_inputs(mode, theirs, exact, given)
    if truth is None or [t.shape for t in truth] != [t.shape for t in got]:
        return False
    for g, w, t in zip(got, want, truth, strict=True):
        t = t.to(g.dtype)
        if not _alike(g, t, 0):
            return False
        finite = torch.isfinite(t) & torch.isfinite(g)
        off, theirs_off = (g - t)[finite].abs(), (w - t)[finite].abs().nan_to_num(torch.inf)
        allowed = 4 * theirs_off.max() + _scale(t, case) * 1e-6 if len(off) else 0
        if len(off) and off.max() > allowed:
            return False
    return True


def _with_inputs(mode: Mode, module: torch.nn.Module, case: Case, given: Inputs) -> list[Tensor] | None:
    twice = Inputs(
        given.x.detach().double().requires_grad_(given.x.requires_grad),
        tuple(s.detach().double().requires_grad_(s.requires_grad) for s in given.state),
        given.lengths,
    )
    try:
        return [t.detach() for t in mode(Subject(case, module, twice))]
    except Exception:  # then there is no truth to go by
        return None


def differs(got: list[Tensor], want: list[Tensor], case: Case) -> str:
    """What is wrong with the numbers got; nothing where all is well."""
    if len(got) != len(want):
        return f"{len(got)} tensors, not {len(want)}"
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        if g.shape != w.shape or g.dtype != w.dtype:
            return f"tensor {i}: {list(g.shape)} {g.dtype}, not {list(w.shape)} {w.dtype}"
        near = 0.06 if case.mode == "autocast" else ROUNDING[case.dtype]
        if not _alike(g, w, near * _scale(w, case)):
            finite = torch.isfinite(g) & torch.isfinite(w)
            odd = (~finite & ~((g == w) | (g.isnan() & w.isnan()))).sum().item()
            off = (g - w)[finite].abs().max().item() if finite.any() else 0.0
            return f"tensor {i} {list(g.shape)}: off by {off:.2g}" + (
                f", {odd} not finite otherwise" if odd else ""
            )
    return ""


def _scale(t: Tensor, case: Case) -> float:
    """What rounding is measured by: the largest number in a tensor, and of the case where that is huge."""
    largest = t[torch.isfinite(t)].abs().max().item() if torch.isfinite(t).any() else 0.0
    about = {"large": 1e30, "unscaled": 1e4}
    return max(
        largest, 1.0, *(about.get(value, 0.0) for value in case.values if case.mode not in OUTPUTS_ALONE)
    )


OUTPUTS_ALONE = ("no_grad", "inference", "autocast")


def _alike(g: Tensor, w: Tensor, near: float) -> bool:
    """Whether they have the same infinities and NaN, and finite numbers as near as that (0: any)."""
    if not (torch.isfinite(g) & torch.isfinite(w)).all():
        finite = torch.isfinite(w)
        if not torch.equal(torch.isfinite(g), finite):
            return False
        if not torch.equal(g[~finite].nan_to_num(0.5, 1, -1), w[~finite].nan_to_num(0.5, 1, -1)):
            return False
        g, w = g[finite], w[finite]
    return not near or not g.numel() or (g - w).abs().max().item() <= near


@contextmanager
def quiet() -> Iterator[None]:
    """Without oneDNN, whose LSTM lacks most modes, on one thread, and without torch's warnings."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.backends.mkldnn.flags(enabled=False):
                yield
    finally:
        torch.set_num_threads(threads)


def mostly(usual: Any, others: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """The usual, and each fifth time or so another."""
    return st.integers(0, 9).flatmap(lambda k: st.just(usual) if k < 8 else st.sampled_from(others))


def three(usual: str, others: tuple[str, ...]) -> st.SearchStrategy[tuple[str, str, str]]:
    return st.tuples(*[mostly(usual, others)] * 3)


@st.composite
def cases(draw: Any, mode: str, largest: int) -> Case:
    """Random cases of a mode, with sizes up to so much."""
    kind = draw(st.sampled_from((*LAYERS, *CELLS, "Recurrent")))
    size = st.one_of(st.integers(1, min(9, largest)), st.integers(1, largest))
    features, hidden, batch = draw(size), draw(size), draw(size)
    if draw(st.integers(0, 3)) == 0:
        features = hidden
    steps = draw(st.integers(1, max(1, min(largest, 2000 // (batch * max(1, hidden // 8))))))
    may_be_empty = ("batch", "features") if kind in CELLS else ("steps", "batch")
    empty = draw(mostly(None, may_be_empty)) if draw(st.booleans()) else None
    steps, batch, features = (
        0 if empty == name else n for name, n in (("steps", steps), ("batch", batch), ("features", features))
    )
    given = draw(options(kind))
    values = draw(three("normal", VALUES)) if draw(st.booleans()) else ("normal",) * 3
    if "relu" in str(given) and values[2] in ("large", "unscaled"):
        values = *values[:2], "normal"  # else it overflows, and where depends on the order of summation
    packed = kind not in CELLS and empty is None and draw(st.integers(0, 4 if largest > 9 else 19)) == 0
    return Case(
        kind=kind,
        mode=mode,
        options=given,
        steps=steps,
        batch=batch,
        features=features,
        hidden=hidden,
        alone=kind != "Recurrent" and not packed and empty != "batch" and draw(st.integers(0, 5)) == 0,
        packed=packed,
        stated=draw(st.integers(0, 3)) > 0,
        dtype=torch.float64 if kind == "Recurrent" else draw(st.sampled_from((torch.float32, torch.float64))),
        layouts=draw(three("contiguous", LAYOUTS)),
        values=values,
        frozen=tuple(
            draw(mostly((), (("x",), ("x", "state"), ("weight",), ("weight_hh", "bias"), ("bias",))))
        ),
        # The mean of no number is a NaN.
        dependence=None if empty else draw(mostly(None, DEPENDENCES)),
        loss=draw(st.sampled_from(("weighted", "sum", "square", "last"))),
        seed=draw(st.integers(0, 999)),
    )


@st.composite
def options(draw: Any, kind: str) -> tuple[tuple[str, Any], ...]:
    """What the constructor is given."""
    found: dict[str, Any] = {"bias": draw(st.integers(0, 5)) > 0}
    if kind == "Recurrent":
        found |= {"cell": draw(st.sampled_from(cells.names())), "layers": draw(st.integers(1, 2))}
        flags = ("bidirectional", "layer_norm", "residual", "learn_initial")
        found |= {name: draw(st.integers(0, 4)) == 0 for name in flags}
        found["merge"] = draw(st.sampled_from(("concat", "sum")))
        if found["bidirectional"] and found["residual"]:
            found["merge"] = "sum"
        return tuple(found.items())
    if kind.startswith("RNN"):
        found["nonlinearity"] = draw(st.sampled_from(("tanh", "relu")))
    if kind in LAYERS:
        found |= {"num_layers": draw(st.integers(1, 2)), "bidirectional": draw(st.integers(0, 3)) == 0}
        found["batch_first"] = draw(st.booleans())
    return tuple(found.items())
