"""Contract of the cells: every name in the table is tested here by being there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from elman import cells
from elman.core.errors import ConfigError
from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.cells.gru import GRUEquations
from elman.nn.cells.lstm import LSTMEquations
from elman.nn.cells.rnn import RNNEquations
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import ScanJob
from elman.nn.recurrent import Recurrent

B, F, H = 2, 3, 4
NAMES = ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before")
"""The cells of torch, and one more, which start as `Cell.initialise` says; the others: test_zoo.py."""
PAGE = Path(__file__).parents[2] / "docs" / "adding-a-cell.md"


@pytest.fixture(autouse=True)
def own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    monkeypatch.setattr(registry, "_REGISTERED", {})


def some(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


@dataclass(frozen=True)
class Leaky(Cell):
    """A cell of a user's own: a leaky integrator."""

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    called: str = "leaky"

    @property
    def name(self) -> str:
        return self.called

    def pointwise(self, wx, uh, state):
        return (0.9 * state[0] + 0.1 * torch.tanh(wx + uh),)


class Products:
    """What a step asks for: of each gate the hidden state times a number, plus a number for each unit."""

    def __init__(self, cell, own=()):
        self.gates, self.learnt = cell.sizes[1], own

    def __call__(self, h, first_gate=0, last_gate=None):
        gates = range(first_gate, self.gates if last_gate is None else last_gate)
        return torch.cat([(0.3 + 0.1 * gate) * h.roll(1, -1) - 0.05 * gate for gate in gates], -1)


@pytest.mark.parametrize("name", cells.names())
def test_step_keeps_shapes_and_differentiates_twice(name):
    cell = cells.get(name)
    assert cell.name == name
    own = [some() if scalar else some(H) for scalar in cell.entering_scalars]
    wx, *state = some(B, cell.gates * H), *(some(B, H) for _ in range(cell.states))

    def step(wx, *given):
        return cell.step(wx, given[: cell.states], Products(cell, given[cell.states :]))

    after = step(wx, *state, *own)
    assert [s.shape for s in after] == [(B, H)] * cell.states
    assert torch.autograd.gradcheck(step, (wx, *state, *own))
    assert torch.autograd.gradgradcheck(step, (wx, *state, *own))


@pytest.mark.parametrize("name", NAMES)
def test_step_is_pointwise_of_the_products_it_asks_for(name):
    cell, u = cells.get(name), some(cells.get(name).gates * H, H)
    wx, state = some(B, len(u)), tuple(some(B, H) for _ in range(cell.states))
    products: list[torch.Tensor] = []

    def recur(h, first_gate=0, last_gate=None):
        end = None if last_gate is None else last_gate * H
        products.append(h @ u[first_gate * H : end].T)
        return products[-1]

    after = cell.step(wx, state, recur)
    expected = cell.pointwise(wx, torch.cat(products, -1), state)
    assert torch.cat(products, -1).shape == wx.shape, "each gate's product is taken once"
    for got, want in zip(after, expected, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("name", NAMES)
def test_initialise(name):
    cell = cells.get(name)
    rows = cell.gates * H
    weights = [torch.full(shape, 7.0) for shape in ((rows, F), (rows, H), (rows,), (rows,))]
    cell.initialise(*weights)
    w_ih, w_hh, b_ih, b_hh = weights
    for gate in w_hh.chunk(cell.gates):
        torch.testing.assert_close(gate @ gate.T, torch.eye(H))
    wide = torch.full((rows, 5000), 7.0)
    cell.initialise(wide, w_hh, b_ih, b_hh)
    assert wide.std() * 5000**0.5 == pytest.approx(1, rel=0.05)
    forget = torch.zeros(rows)
    if name == "lstm":
        forget[H : 2 * H] = 1
    torch.testing.assert_close(b_ih + b_hh, forget)
    cell.initialise(w_ih, w_hh, None, None)


@pytest.mark.parametrize("cell", NAMES)
def test_a_network_starts_from_its_cells_weights(cell):
    net = Recurrent(cell, F, H, layers=2, layer_norm=True, learn_initial=True)
    for gate in net.weight_hh_l1.chunk(net.cell.gates):
        torch.testing.assert_close(gate @ gate.T, torch.eye(H))
    assert (net.gain_ih_l1 == 1).all()
    assert (net.gain_hh_l0 == 1).all()
    assert (net.initial_state == 0).all()
    assert net.bias_ih_l0.sum() == (H if cell == "lstm" else 0)


def test_a_network_may_start_as_torch_does():
    net = Recurrent("lstm", F, 64, init="torch")
    for parameter in net.parameters():
        assert parameter.abs().max() <= 1 / 8
        assert parameter.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.1)


@pytest.mark.parametrize("cell", [name for name in cells.names() if cells.get(name).timed])
def test_units_may_start_so_as_to_remember(cell):
    """Without weights, what stands in the memory fades by the share that each unit keeps."""
    net = Recurrent(cell, F, 500, layers=2, memory=100).double()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if not name.startswith("bias_"):
                weight.zero_()
        bias = net.bias_ih_l1.chunk(net.cell.gates)
        after = []
        for filled in (torch.zeros, torch.ones):
            before = tuple(filled(1, 500).double() for _ in range(net.cell.states))
            job = ScanJob(torch.zeros(1, 1, 500).double(), before, net.weights(1))
            after.append(dispatch.scan(net.cell, job, "loop")[1][-1])
        kept = after[1] - after[0]
    memory = 1 / (1 - kept)
    assert 2 <= memory.min() < 5
    assert 95 < memory.max() <= 100
    assert memory.mean().item() == pytest.approx(51, abs=5)
    if cell == "lstm":
        torch.testing.assert_close(bias[0], -bias[1])


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        ("rnn", {}, "memory: expected a cell with a gate that keeps, got the cell rnn"),
        ("lstm", {"bias": False}, "memory: expected biases, got bias=False"),
        ("lstm", {"memory": 2}, "memory: expected 3 or more, or 0, got 2"),
    ],
)
def test_a_memory_that_cannot_be(cell, options, message):
    with pytest.raises(ConfigError) as caught:
        Recurrent(cell, F, H, **({"memory": 100} | options))
    assert str(caught.value) == message


def test_settings_make_the_names():
    assert [
        RNNEquations().name,
        RNNEquations("relu").name,
        LSTMEquations().name,
        GRUEquations().name,
        GRUEquations("before").name,
    ] == list(cells.names())[:5]
    assert cells.get("gru_reset_before") == GRUEquations(reset="before") != GRUEquations()


def test_names_and_errors_need_no_torch():
    script = (
        "import sys\nfrom elman import cells\n"
        "assert 'lstm' in cells.names()\n"
        "try:\n    cells.get('lstn')\nexcept Exception as error:\n    print(error)\n"
        "assert 'torch' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == (
        "cell: unknown name 'lstn'; did you mean 'lstm'? for a cell of your own: --import FILE.py\n",
        "",
    )


def test_unknown_name():
    with pytest.raises(ConfigError) as caught:
        cells.get("transformer")
    assert str(caught.value) == (
        f"cell: unknown name 'transformer'; known: {', '.join(sorted(cells.names()))}; "
        "for a cell of your own: --import FILE.py"
    )


def test_register_makes_a_name_known_and_may_be_repeated():
    cells.register("leaky", Leaky())
    again = Leaky()
    cells.register("leaky", again)
    assert cells.get("leaky") is again
    assert cells.names()[-1] == "leaky"


def test_register_refuses_another_name():
    with pytest.raises(ConfigError) as caught:
        cells.register("lossy", Leaky())
    assert str(caught.value) == "cells.register: expected a cell with the name 'lossy', got 'leaky'"
    assert "lossy" not in cells.names()


@pytest.mark.parametrize(
    "use", [lambda cell: cells.register("gru", cell), lambda cell: Recurrent(cell, 2, 2)]
)
def test_a_built_in_name_cannot_be_taken(use):
    with pytest.raises(ConfigError) as caught:
        use(Leaky("gru"))
    assert str(caught.value) == (
        "cell Leaky: expected a name of its own, got the name 'gru' of a built-in cell; "
        "set `name` in your class"
    )


def test_a_subclass_that_keeps_a_built_in_name_is_refused():
    class Other(LSTMEquations):
        def pointwise(self, wx, uh, state):
            return state

    with pytest.raises(ConfigError, match="a name of its own"):
        Recurrent(Other(), 2, 2)


def test_the_page_on_adding_a_cell_runs():
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    # Its own module: a frozen dataclass looks up where it was defined.
    page = type(sys)("adding_a_cell")
    sys.modules[page.__name__] = page
    try:
        exec(compile(code, str(PAGE), "exec"), page.__dict__)
    finally:
        del sys.modules[page.__name__]
    assert page.output.data.shape == (20, 3, 32)
    assert [s.shape for s in page.state] == [(4, 3, 16)]
    assert cells.get("mgu_after") == page.MGU()
    cell, h = page.MGU(), torch.tensor([[1.0]])
    forgets = cell.pointwise(torch.tensor([[50.0, 2.0]]), torch.tensor([[0.0, 0.5]]), (h,))[0]
    keeps = cell.pointwise(torch.tensor([[-50.0, 2.0]]), torch.tensor([[0.0, 0.5]]), (h,))[0]
    torch.testing.assert_close(forgets, torch.tanh(torch.tensor([[2.5]])))
    torch.testing.assert_close(keeps, h)
