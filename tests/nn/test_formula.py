"""Cells as lists of operations: what is traced, and that the native kernels run it as the loop does."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman.core.records import Seq
from elman.nn.cells import registry
from elman.nn.cells.base import Cell, Learnt
from elman.nn.formula.listing import listed
from elman.nn.formula.plan import planned
from elman.nn.kernels import dispatch, native
from elman.nn.kernels.base import KernelRequest
from elman.nn.recurrent import Recurrent
from in_parts import assert_parts_are_the_whole

needs_native = pytest.mark.skipif(native.available() is None, reason="the native kernels were not built")
LISTS = [name for name in registry.names() if name not in ("rnn", "rnn_relu", "lstm", "gru")]
EXAMPLES = int(os.environ.get("ELMAN_EXAMPLES", "300"))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@dataclass(frozen=True)
class Odd(Cell):
    """Every operation of a list, two products, and parameters of its own."""

    gates: ClassVar[int] = 3
    recurrent_gates: ClassVar[int] = 2
    states: ClassVar[int] = 3
    learnt: ClassVar[tuple[Learnt, ...]] = (Learnt("bend", -1, 1), Learnt("share", 0.5, scalar=True))

    @property
    def name(self):
        return "odd"

    def step(self, wx, state, recur):
        h, c, m = state
        bend, share = recur.learnt
        a, b, e = wx.chunk(3, -1)
        r = torch.sigmoid(a + recur(h, 0, 1)) * torch.where(c > 0.1, h, -h)
        u = recur(r + share * m, 1, 2)
        c = torch.clamp(bend * c + F.softplus(b), -2, 2) / (1 + u.square())
        m = torch.maximum(torch.minimum(m, u), torch.sin(e)) + 0.1 * torch.exp(-c.abs())
        h = torch.tanh(u - torch.log(1 + c * c)) * torch.sqrt(0.5 + r * r) + torch.cos(h) - F.relu(m)
        return h, c, m


def network(cell, features=3, hidden=5, dtype=torch.float64, **settings):
    """A network of that cell whose parameters are random."""
    net = Recurrent(cell, features, hidden, **settings).to(dtype)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return net


def everything(net, x, kernel, *, lengths=None, reset=None, before=None):
    """Outputs, states and all gradients, with and without autograd, on a kernel."""
    net.kernel = kernel
    x = x.clone().requires_grad_()
    shape = (net.layers * net.directions, x.shape[1], net.hidden_size)
    torch.manual_seed(1)
    before = [torch.randn(shape).to(x.dtype).requires_grad_() for _ in range(net.cell.states)]
    torch.manual_seed(2)  # of masks
    y, last = net(Seq(x, lengths), tuple(before), reset=reset)
    weights = torch.linspace(-1, 1, y.data.numel(), dtype=x.dtype).view_as(y.data)
    loss = (weights * y.data).sum() + sum((s * s).sum() / 3 for s in last)
    grads = torch.autograd.grad(loss, [x, *before, *net.parameters()], allow_unused=True)
    torch.manual_seed(2)
    with torch.no_grad():
        alone, ended = net(Seq(x, lengths), tuple(before), reset=reset)
    return [y.data, *last, alone.data, *ended, *(torch.zeros(1).double() if g is None else g for g in grads)]


def assert_same(net, x, tolerance=1e-10, **given):
    found, wanted = (everything(net, x, kernel, **given) for kernel in ("native", "loop"))
    for mine, true in zip(found, wanted, strict=True):
        assert mine.shape == true.shape or not true.any()
        assert torch.allclose(mine, true, rtol=tolerance, atol=tolerance, equal_nan=True)


@needs_native
@pytest.mark.parametrize("cell", [*LISTS, Odd()], ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_list_gives_the_loops_numbers(cell, threads):
    torch.set_num_threads(threads)
    for steps, batch, features, hidden in ((6, 3, 3, 5), (9, 17, 4, 33), (21, 1, 5, 16)):
        net = network(cell, features, hidden)
        assert_same(net, torch.randn(steps, batch, features).double())
    x, lengths = torch.randn(7, 9, 3).double(), torch.tensor([7, 1, 3, 7, 2, 4, 5, 6, 1])
    reset = torch.rand(7, 9) < 0.3
    net = network(cell, layers=2, bidirectional=True, recurrent_dropout=0.3)
    assert_same(net, x, lengths=lengths, reset=reset)
    assert_same(net, x, lengths=lengths)
    assert_same(network(cell, bias=False), x, reset=reset)


@needs_native
@pytest.mark.parametrize("cell", [*LISTS, Odd()], ids=str)
def test_a_list_in_float32(cell):
    net, x = network(cell, 4, 20, torch.float32), torch.randn(8, 11, 4)
    wide = everything(net.double(), x.double(), "loop")
    for mine, true in zip(everything(net.float(), x, "native"), wide, strict=True):
        assert torch.allclose(mine.double(), true, atol=2e-5 * max([1, *true.abs().flatten().tolist()]))


@needs_native
@pytest.mark.parametrize("cell", [*LISTS, Odd()], ids=str)
def test_gradcheck(cell):
    net = network(cell, 2, 3, kernel="native")
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    parameters = list(net.parameters())

    def run(x, *_):
        y, last = net(Seq(x, None))
        return (y.data, *last)

    assert torch.autograd.gradcheck(run, (x, *parameters))


@needs_native
@pytest.mark.parametrize("cell", [*LISTS, Odd()], ids=str)
def test_ragged_is_one_by_one_and_a_stream_is_the_whole(cell):
    assert_parts_are_the_whole(network(cell, kernel="native"), 3)


def test_a_second_derivative_goes_through_the_loop():
    net = network(Odd())
    x = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(net(Seq(x, None))[0].data.sum(), x, create_graph=True)
    (again,) = torch.autograd.grad(grad.square().sum(), x)
    net.kernel = "loop"
    (grad,) = torch.autograd.grad(net(Seq(x, None))[0].data.sum(), x, create_graph=True)
    torch.testing.assert_close(again, torch.autograd.grad(grad.square().sum(), x)[0])


# Random formulas


@dataclass(frozen=True)
class Drawn(Cell):
    """A formula drawn by a seed: a graph of operations over gates, states, products and parameters."""

    seed: int = 0
    gates: ClassVar[int] = 4
    recurrent_gates: ClassVar[int] = 3
    learnt: ClassVar[tuple[Learnt, ...]] = (Learnt("one", -1, 1), Learnt("other", 0.3, scalar=True))

    @property
    def states(self):
        return 1 + self.seed % 4

    @property
    def name(self):
        return f"drawn_{self.seed}"

    def step(self, wx, state, recur):
        draw = random.Random(self.seed)
        known = [*wx.chunk(4, -1), *state]
        extra = [*recur.learnt, 0.7, -1.3]
        gates = list(range(3))
        stages = 1 + draw.randrange(3)
        for stage in range(stages):
            if draw.random() < 0.9:
                last = 3 if stage == stages - 1 else gates[0] + 1
                if gates and gates[0] < last:
                    entering = draw.choice([*state, *known[4:]])
                    known += recur(entering, gates[0], last).chunk(last - gates[0], -1)
                    gates = gates[last - gates[0] :]
            for _ in range(draw.randrange(1, 7)):
                known.append(_OPERATIONS[draw.randrange(len(_OPERATIONS))](draw, known, extra))
        bends = torch.tanh, torch.tanh, torch.sin
        return tuple(draw.choice(bends)(value) for value in draw.choices(known, k=self.states))


def _any(draw, known, extra):
    return draw.choice(known) if draw.random() < 0.8 else draw.choice(extra)


_OPERATIONS = [
    lambda d, k, e: d.choice(k) + _any(d, k, e),
    lambda d, k, e: _any(d, k, e) - d.choice(k),
    lambda d, k, e: d.choice(k) * _any(d, k, e),
    lambda d, k, e: d.choice(k) / (1.5 + d.choice(k).square()),
    lambda d, k, e: torch.sigmoid(d.choice(k)),
    lambda d, k, e: torch.tanh(d.choice(k)),
    lambda d, k, e: 1 - torch.sigmoid(d.choice(k)),
    lambda d, k, e: torch.relu(d.choice(k)),
    lambda d, k, e: torch.exp(-d.choice(k).abs()),
    lambda d, k, e: torch.log(1 + d.choice(k).square()),
    lambda d, k, e: F.softplus(d.choice(k)),
    lambda d, k, e: torch.sqrt(0.3 + d.choice(k).square()),
    lambda d, k, e: torch.sin(d.choice(k)) * torch.cos(d.choice(k)),
    lambda d, k, e: torch.maximum(d.choice(k), d.choice(k)),
    lambda d, k, e: torch.minimum(d.choice(k), d.choice(k)),
    lambda d, k, e: torch.clamp(d.choice(k), -0.5, 0.8),
    lambda d, k, e: torch.where(d.choice(k) > d.choice(k), d.choice(k), d.choice(k)),
    lambda d, k, e: torch.lerp(d.choice(k), d.choice(k), torch.sigmoid(d.choice(k))),
]


@needs_native
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32 - 1))
def test_random_formulas_agree_with_autograd(seed):
    cell = Drawn(seed)
    found = listed(cell, 5)
    assert found.refusal is None
    draw = random.Random(seed)
    net = network(cell, 2, 5, recurrent_dropout=draw.choice([0, 0.4]), bidirectional=draw.random() < 0.2)
    batch = draw.choice([1, 2, 9])
    lengths = torch.tensor([draw.randrange(1, 5) for _ in range(batch)]) if draw.random() < 0.3 else None
    reset = torch.rand(4, batch) < 0.3 if draw.random() < 0.3 else None
    assert_same(net, torch.randn(4, batch, 2).double(), 1e-9, lengths=lengths, reset=reset)


# What a list cannot say


def cell_of(step, **fields):
    """A cell of that step."""
    named = {"gates": 1, "states": 1, "name": "mine", "step": lambda self, *given: step(*given)}
    return type("Mine", (Cell,), named | fields)()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (lambda wx, s, u: (torch.cumsum(wx + u(s[0]), -1),), "it has no torch.cumsum"),
        (lambda wx, s, u: ((wx + u(s[0])).softmax(-1),), "it has no Tensor.softmax"),
        (lambda wx, s, u: (wx @ wx,), "TypeError"),
        (
            lambda wx, s, u: (wx if wx.square() > 0 else -wx,),
            "it decides nothing by numbers: use torch.where",
        ),
        (lambda wx, s, u: (wx + torch.ones(3),), "it has no tensors of the cell's own"),
        (
            lambda wx, s, u: (u(u(s[0])),),
            "it takes the recurrent product of each gate once, not 0 to 1 again",
        ),
        (lambda wx, s, u: (wx, wx), "a step returns a tuple of 1 tensors [B, H]"),
        (lambda wx, s, u: (wx[:, :2],), "it takes whole gates, not a part of one"),
        (lambda wx, s, u: (wx[0],), "it takes whole gates along the last dimension"),
        (lambda wx, s, u: (wx + wx.mean(),), "it has no Tensor.mean"),
        (lambda wx, s, u: (wx ** s[0],), "it has no powers but"),
        (lambda wx, s, u: (wx + random.random(),), "its step gives other numbers than what it wrote down"),
        (lambda wx, s, u: (wx + len(wx),), "it decides nothing by numbers"),
    ],
)
def test_what_a_list_cannot_say_is_refused_by_name_and_runs_in_the_loop(step, reason):
    cell = cell_of(step)
    refusal = listed(cell, 8).refusal
    assert refusal is not None
    assert reason in refusal
    assert "\n" not in refusal
    case = KernelRequest("mine", unlisted=refusal)
    said = dict(dispatch.explain(case))
    if native.available():
        assert said["native"] == f"refuses: its list of operations cannot say 'mine': {refusal}"
    assert said["loop"].startswith("runs: ")


def test_a_list_prints_an_operation_a_line():
    formula = listed(registry.get("gru_reset_before"), 8).formula
    assert str(formula).splitlines()[6:9] == [
        "%6 = add(%1, %4)",
        "%7 = sigmoid(%6)",
        "%8 = mul(%0, %7)    -> product[2:3]",
    ]
    assert str(formula).splitlines()[-1] == "return %16"
    assert hash(formula) == hash(listed(registry.get("gru_reset_before"), 16).formula)


def test_gates_are_found_in_the_list():
    formula = listed(registry.get("lstm"), 8).formula
    assert [gate for gate, _ in formula.opened(4)] == [0, 1, 3]


@needs_native
def test_a_damaged_list_is_refused_before_it_runs():
    """A number of it is another, missing or one too many: an error in words, or a list that is in bounds."""
    from elman import _native

    code, constants = planned(listed(Odd(), 8).formula, True, False).encoded()
    words = memoryview(code).cast("q").tolist()
    draw, said = random.Random(0), []
    for _ in range(3000):
        changed = list(words)
        kind = draw.randrange(4)
        at = draw.randrange(len(changed))
        if kind == 0:
            changed[at] = draw.choice([-1, -2, 2**16, 2**31, 2**62, -(2**63), 9 << 16, 255])
        elif kind == 1:
            changed[at] += draw.choice([-1, 1, 1 << 16])
        elif kind == 2:
            del changed[at:]
        else:
            changed.insert(at, draw.randrange(-1, 5))
        data = torch.tensor(changed, dtype=torch.int64).numpy().tobytes()
        try:
            _native.program(data, constants)
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 1000
    assert all(message.startswith("the list of operations is damaged: ") for message in said)
