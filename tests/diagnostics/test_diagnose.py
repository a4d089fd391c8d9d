"""Numbers of diagnosis, held to autograd and to cases known in closed form."""

from __future__ import annotations

import math
import threading

import pytest
import torch
from torch import Tensor, nn

import elman.nn
from elman import diagnostics
from elman.core.errors import DataError
from elman.core.records import Seq
from elman.diagnostics import judgement
from elman.diagnostics.gates import opened
from elman.diagnostics.stability import Jacobians
from elman.nn import kernels
from elman.nn.cells.base import Cell
from elman.nn.kernels import base
from elman.nn.recurrent import Recurrent

T, B, F, H = 7, 3, 4, 5
pytestmark = pytest.mark.usefixtures("plain")


class Linear(Cell):
    """h' = W x + U h, of which everything is known."""

    gates = states = 1
    name = "linear"

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (wx + uh,)


def ends(x, lengths=None):
    """The sum of the outputs at the last step of each sequence."""

    def run(network):
        y, _ = network(Seq(x, lengths))
        last = torch.full((x.shape[1],), len(x)) if lengths is None else lengths
        return y.data[last - 1, torch.arange(x.shape[1])].sum(-1)

    return run


def layer(cell="lstm", **options):
    torch.manual_seed(1)
    return Recurrent(cell, F, H, **options).double()


def data(steps=T):
    torch.manual_seed(2)
    return torch.randn(steps, B, F, dtype=torch.float64)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gru_reset_before"])
def test_the_gradient_is_autograds(cell):
    network, x = layer(cell, kernel="loop"), data()
    (flow,) = diagnostics.gradient_flow(network, ends(x)).flows
    for k in range(T):
        _, state = network(Seq(x[: T - k]))
        state = tuple(s.detach().requires_grad_() for s in state)
        y = network(Seq(x[T - k :]), state)[0].data[-1] if k else state[0][0]
        found = torch.autograd.grad(y.sum(), state, allow_unused=True)
        expected = sum(g[0].square().sum(-1) for g in found if g is not None).sqrt()
        torch.testing.assert_close(flow.norms[k], expected, rtol=1e-10, atol=1e-12)


def test_gradients_of_sequences_of_other_length_are_those_of_each_alone():
    network, x, lengths = layer(bidirectional=True, layers=2), data(), torch.tensor([7, 3, 5])
    together = diagnostics.gradient_flow(network, ends(x, lengths)).flows
    assert [flow.name for flow in together] == ["l0", "l0 reverse", "l1", "l1 reverse"]
    for b, length in enumerate(lengths):
        alone = diagnostics.gradient_flow(network, ends(x[:length, b : b + 1])).flows
        for one, flow in zip(alone, together, strict=True):
            torch.testing.assert_close(
                flow.norms[:length, b], one.norms[:, 0], rtol=1e-9, atol=1e-12, equal_nan=True
            )
            assert flow.norms[length:, b].isnan().all()


def test_steps_are_counted_against_the_direction_of_a_layer():
    network, x, lengths = layer("gru", bidirectional=True), data(), torch.tensor([7, 3, 5])
    turned = Recurrent("gru", F, H, bidirectional=True).double()
    weights = network.state_dict()
    other = {
        name: name.removesuffix("_reverse") if "reverse" in name else f"{name}_reverse" for name in weights
    }
    turned.load_state_dict({name: weights[other[name]] for name in weights})
    back = nn.utils.rnn.pad_sequence([x[:length, b].flip(0) for b, length in enumerate(lengths)])
    ahead, behind = diagnostics.gradient_flow(turned, ends(back, lengths)).flows

    def starts(copy):
        return copy(Seq(x, lengths))[0].data[0].unflatten(-1, (2, H)).flip(-2).flatten(-2).sum(-1)

    found, other_way = diagnostics.gradient_flow(network, starts).flows[::-1]
    torch.testing.assert_close(found.norms, ahead.norms, equal_nan=True)
    torch.testing.assert_close(other_way.norms, behind.norms, equal_nan=True)
    assert found.norms[2:, 1].isnan().tolist() == [False] + [True] * 4


def test_steps_are_counted_from_the_last_that_the_loss_hangs_on():
    network, x = layer("gru"), data()

    def run(copy):
        y, _ = copy(Seq(x))
        return torch.stack([y.data[t, b].sum() for b, t in enumerate((6, 3, 4))])

    (flow,) = diagnostics.gradient_flow(network, run).flows
    shorter = ends(x[:4], torch.tensor([1, 4, 1]))
    (alone,) = diagnostics.gradient_flow(network, shorter).flows
    torch.testing.assert_close(flow.norms[:4, 1], alone.norms[:, 1])
    assert flow.norms.isnan().sum(0).tolist() == [0, 3, 2]
    assert flow.steps == T
    assert flow.horizon == pytest.approx(24 * flow.half_life)


def test_a_linear_network_forgets_at_the_rate_of_its_eigenvalue():
    network = layer(Linear())
    with torch.no_grad():
        network.weight_hh_l0.copy_(0.8 * torch.linalg.qr(torch.randn(H, H).double()).Q)
    (flow,) = diagnostics.gradient_flow(network, ends(data(40))).flows
    assert flow.growth == pytest.approx(0.8)
    assert flow.half_life == pytest.approx(math.log(0.5) / math.log(0.8))
    assert flow.median.tolist() == pytest.approx([0.8**k * math.sqrt(H) for k in range(40)])
    (found,) = diagnostics.dynamics(diagnostics.trace(network, ends(data(40)))).each
    assert found.exponents.tolist() == pytest.approx([math.log(0.8)] * B)
    assert found.regime == "vanishing"
    assert found.singular.flatten().tolist() == pytest.approx([0.8] * found.singular.numel())


@pytest.mark.parametrize(("radius", "regime"), [(0.7, "vanishing"), (1.0, "edge"), (1.3, "exploding")])
def test_the_lyapunov_exponent_is_the_logarithm_of_the_spectral_radius(radius, regime):
    network = layer(Linear())
    with torch.no_grad():
        matrix = torch.triu(torch.randn(H, H).double(), 1) + torch.diag(torch.linspace(0.1, 1, H).double())
        network.weight_hh_l0.copy_(radius * matrix)
    tracks = diagnostics.trace(network, ends(data(4000)))
    (spectrum,) = diagnostics.spectra(tracks).each
    assert spectrum.radius == pytest.approx(radius)
    (found,) = diagnostics.dynamics(tracks).each
    assert found.exponent == pytest.approx(math.log(radius), abs=1e-3)
    assert found.regime == regime


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gru_reset_before"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_jacobian_is_that_of_torch(cell, bidirectional):
    network, x = layer(cell, bidirectional=bidirectional), data()
    track = diagnostics.trace(network, ends(x))[-1]
    t = 3
    before = torch.cat([s[t] for s in track.before()], -1)
    plain = Recurrent(cell, F, H, kernel="loop").double()
    suffix = "_reverse" if bidirectional else ""
    names = [name for name, _ in plain.named_parameters()]
    plain.load_state_dict({name: network.state_dict()[name + suffix] for name in names})

    def step(state: Tensor) -> Tensor:
        _, after = plain(Seq(x[t : t + 1, :1]), tuple(s[None, None] for s in state.split(H)))
        return torch.cat([s[0, 0] for s in after])

    expected = torch.autograd.functional.jacobian(step, before[0])
    torch.testing.assert_close(diagnostics.jacobian(track, t)[0], expected)
    values = torch.linalg.svdvals(expected)
    torch.testing.assert_close(torch.linalg.svdvals(diagnostics.jacobian(track.only(0), t))[0], values)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_torchs_layers_and_ours_give_the_same(kind):
    torch.manual_seed(3)
    theirs = getattr(nn, kind)(F, H, num_layers=2).double()
    ours = getattr(elman.nn, kind)(F, H, num_layers=2).double()
    ours.load_state_dict(theirs.state_dict())

    def run(network):
        return network(data())[0][-1].sum(-1)

    flows = [diagnostics.gradient_flow(network, run).flows for network in (theirs, ours)]
    assert [flow.name for flow in flows[0]] == ["l0", "l1"]
    for one, other in zip(*flows, strict=True):
        torch.testing.assert_close(one.norms, other.norms)
    assert type(theirs) is getattr(nn, kind)


def test_the_states_are_those_of_the_network_and_nothing_of_it_changes():
    network, x = layer(layers=2, dropout=0.5).train(), data()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tracks = diagnostics.trace(network, ends(x), gradients=True)
    assert network.training
    assert all(value.grad is None for value in network.parameters())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    y, last = network.eval()(Seq(x))
    torch.testing.assert_close(tracks[1].states[0], y.data)
    torch.testing.assert_close(tracks[0].states[1][-1], last[1][0])


def test_a_layer_called_step_by_step_is_one_track():
    network, x = layer("gru"), data()

    def run(copy):
        state = None
        for step in x:
            y, state = copy(Seq(step[None]), state)
        return y.data[-1].sum(-1)

    (one,) = diagnostics.gradient_flow(network, run).flows
    (whole,) = diagnostics.gradient_flow(network, ends(x)).flows
    torch.testing.assert_close(one.norms, whole.norms)


def test_the_gates_are_those_of_the_formula():
    network, x = layer("lstm"), data()
    (track,) = diagnostics.trace(network, ends(x))
    inner = nn.LSTMCell(F, H).double()
    weights = network.state_dict()
    inner.load_state_dict({name: weights[f"{name}_l0"] for name in inner.state_dict()})
    h, c = (torch.zeros(B, H, dtype=torch.float64) for _ in range(2))
    for t in range(T):
        a = x[t] @ inner.weight_ih.T + inner.bias_ih + h @ inner.weight_hh.T + inner.bias_hh
        i, f, _, o = a.chunk(4, -1)
        for name, gate in (("input", i), ("forget", f), ("output", o)):
            torch.testing.assert_close(opened(track)[name][t], torch.sigmoid(gate))
        h, c = inner(x[t], (h, c))
        torch.testing.assert_close(track.states[0][t], h)


def test_gates_that_are_held_open_keep_for_long():
    network = layer("gru")
    with torch.no_grad():
        network.bias_ih_l0[H : 2 * H] = math.log(19)
        for weight in (network.weight_ih_l0, network.weight_hh_l0):
            weight[H : 2 * H] = 0
        network.weight_ih_l0[2 * H] = network.weight_hh_l0[2 * H] = 0
    lengths = torch.tensor([7, 3, 5])
    (use,) = diagnostics.gate_use(diagnostics.trace(network, ends(10 * data(), lengths))).each
    assert [gate.name for gate in use.gates] == ["reset", "update"]
    assert use.memory.tolist() == pytest.approx([20.0] * H)
    assert use.gates[1].saturated == 1
    assert float(use.gates[1].shares[-1]) == pytest.approx(1)
    assert use.dead.tolist() == [0]
    assert len(use.always_on) == 0


def test_a_cell_without_gates_has_no_memory_time():
    (use,) = diagnostics.gate_use(diagnostics.trace(layer("rnn"), ends(data()))).each
    assert use.gates == ()
    assert use.memory is None


def test_what_cannot_be_looked_at():
    with pytest.raises(DataError, match="no recurrent layer ran"):
        diagnostics.trace(nn.Linear(2, 2), lambda network: network(torch.zeros(1, 2)))
    with pytest.raises(DataError, match="no loss"):
        diagnostics.gradient_flow(layer(), lambda network: network(Seq(data())) and None)


def test_every_result_has_a_table_and_a_picture():
    network, x = layer(layers=2), data()
    tracks = diagnostics.trace(network, ends(x))
    flow = diagnostics.gradient_flow(network, ends(x))
    for found in (
        flow,
        diagnostics.spectra(tracks),
        diagnostics.dynamics(tracks),
        diagnostics.gate_use(tracks),
    ):
        rows = found.table()
        assert rows
        assert all(row.keys() == rows[0].keys() for row in rows)
        assert found.plot().axes


@pytest.mark.parametrize("cell", ["mingru", "lru", "indrnn"])
def test_a_cell_without_a_recurrent_product_has_no_spectrum(cell):
    network, x = Recurrent(cell, 3, 4), torch.randn(6, 2, 3)
    tracks = diagnostics.trace(network, ends(x))
    assert diagnostics.spectra(tracks).each == ()
    assert diagnostics.dynamics(tracks).each


def test_units_that_move_alike_stand_together():
    t = torch.linspace(0, 20, 200)
    waves = torch.stack([t.sin(), t.cos(), t.sin() * 1.1, -t.sin(), t.cos() * 0.9, -t.sin() * 0.8], 1)
    found = diagnostics.state_map(waves, ["a"] * 200)
    ring = found.units.tolist()
    for pair in ({0, 2}, {1, 4}, {3, 5}):
        places = sorted(ring.index(unit) for unit in pair)
        assert places[1] - places[0] in (1, 5), (pair, ring)
    torch.testing.assert_close(found.values, waves[:, found.units])
    assert found.table()[3]["symbol"] == "a"
    assert found.plot().axes


def test_a_probe_finds_the_unit_that_counts():
    torch.manual_seed(4)
    states = torch.randn(400, H)
    found = diagnostics.probe(states, 3 * states[:, 2] + 0.01 * torch.randn(400))
    assert found.score > 0.99
    assert found.chance <= 0
    assert found.units[0] == 2
    inside = diagnostics.probe(states, states[:, 4] > 1)
    assert inside.score > 0.97 > inside.chance
    assert inside.units[0] == 4
    nothing = diagnostics.probe(states, torch.randn(400) > 0)
    assert nothing.score < 0.65


def test_a_probe_that_cannot_be():
    states = torch.randn(100, H)
    with pytest.raises(DataError, match=r"\[99\] marks of 100 states"):
        diagnostics.probe(states, torch.zeros(99))
    with pytest.raises(DataError, match="never changes"):
        diagnostics.probe(states, torch.zeros(100, dtype=torch.bool))


def test_the_worth_of_the_past():
    found = diagnostics.context_curve(lambda k: torch.full((5,), 1 / k), [8, 1, 2, 4, 4])
    assert found.lengths == (1, 2, 4, 8)
    assert found.mean.tolist() == [1, 0.5, 0.25, 0.125]
    assert found.reach(0.8) == 4
    assert found.reach() == 8
    assert [row["context"] for row in found.table()] == [1, 2, 4, 8]
    assert found.plot().axes


def test_threads_never_see_each_others_layers():
    """One thread traces while another runs a layer of its own, which is in no trace."""
    mine, theirs = nn.GRU(3, 4), elman.nn.GRU(3, 5)
    begun, ran = threading.Event(), threading.Event()

    def other() -> None:
        begun.wait(60)
        theirs(torch.randn(6, 2, 3))
        ran.set()

    def run(network: torch.nn.Module) -> None:
        begun.set()
        assert ran.wait(60)
        network(torch.randn(7, 2, 3))

    thread = threading.Thread(target=other)
    thread.start()
    (track,) = diagnostics.trace(mine, run)
    thread.join()
    assert track.states[0].shape[-1] == 4


def test_a_kernel_is_forced_in_one_thread_alone():
    names = []
    case = base.KernelRequest("gru")

    def other() -> None:
        names.append(kernels.choose(case)[0].name)

    expected = kernels.choose(case)[0].name
    kernels.force("loop")
    try:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert kernels.choose(case)[0].name == "loop"
    finally:
        kernels.force(None)
    assert names == [expected]


@pytest.mark.parametrize(
    ("growth", "exponent", "words"),
    [
        (0.99, -0.1, ["healthy"]),
        (0.99, 0.01, ["healthy"]),
        (1.3, -0.3, ["exploding"]),
        (0.99, 0.5, ["exploding"]),
        (0.2, -0.3, ["vanishing"]),
        (0.2, 0.5, ["exploding", "vanishing"]),
    ],
)
def test_legends_and_tables_have_the_judgement_of_the_summary(growth, exponent, words):
    norms = growth ** torch.arange(60, dtype=torch.float64)[:, None]
    flow = diagnostics.GradientFlow((diagnostics.Flow("l0", norms),))
    spread = Jacobians("l0", torch.ones(2, 4), torch.tensor([exponent]))
    assert [*judgement.words(flow.flows[0], spread)] == words
    said, dynamics = judgement.judged(flow, diagnostics.Dynamics((spread,)))
    assert dynamics.table()[0]["regime"] == ", ".join(words)
    for figure in (said.plot(), dynamics.plot()):
        (label,) = (text.get_text() for text in figure.axes[0].get_legend().get_texts())
        assert label.endswith(f", {', '.join(words)}")


def test_a_short_sequence_is_judged_in_no_legend():
    flow = diagnostics.Flow("l0", 2.0 ** torch.arange(5, dtype=torch.float64)[:, None])
    spread = Jacobians("l0", torch.ones(2, 4), torch.tensor([3.0]))
    assert [*judgement.words(flow, spread)] == ["too short to judge"]
