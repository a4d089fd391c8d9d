"""Contract of Recurrent over the table of cells: torch's numbers and gradients, in every arrangement."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.core.errors import ConfigError, DataError
from elman.core.records import Seq
from elman.nn import kernels
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import KernelRequest, ScanJob
from elman.nn.layer_stack import dropout
from elman.nn.recurrent import Recurrent

T, B, F, H = 6, 3, 4, 5
RAGGED = torch.tensor([4, 6, 1])
CLOSE = {"rtol": 0, "atol": 1e-10}
NAMES = ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before")
"""The cells of torch, and one more; the others have their equations in test_zoo.py."""
PAIRS = [
    (cell, kernel)
    for cell in NAMES
    for kernel in kernels.names()
    if kernels.get(kernel).refuses(KernelRequest(cell=cell)) is None
]
IN_BFLOAT16 = [
    (cell, kernel)
    for cell, kernel in PAIRS
    if kernels.get(kernel).refuses(KernelRequest(cell=cell, dtype=torch.bfloat16)) is None
]
ARRANGED = [(False, "concat"), (True, "concat"), (True, "sum")]


pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[ScanJob]:
    """The jobs that `kernels.scan` is handed, call after call."""
    calls, scan = [], kernels.scan

    def recorded(cell, job, kernel):
        calls.append(job)
        return scan(cell, job, kernel)

    monkeypatch.setattr(dispatch, "scan", recorded)
    return calls


def network(cell: str = "lstm", *args: int, dtype: torch.dtype = torch.float64, **options) -> Recurrent:
    """With every parameter drawn, so that a bias or gain that is left out shows."""
    made = Recurrent(cell, *(args or (F, H)), **options).to(dtype)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(-0.6, 0.6)
    return made


def some(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def state_of(net: Recurrent, b: int = B) -> tuple[Tensor, ...]:
    runs = net.layers * net.directions
    return tuple(some(runs, b, net.hidden_size) for _ in range(net.cell.states))


def gradients(y: Tensor, state: tuple[Tensor, ...], inputs: list[Tensor]) -> list[Tensor]:
    """Of a sum in which each number of the result counts differently."""
    total = torch.zeros((), dtype=y.dtype)
    for out in (y, *state):
        total = total + (out * torch.linspace(0.5, 1.5, out.numel(), dtype=y.dtype).view_as(out)).sum()
    return list(torch.autograd.grad(total, inputs))


def same(got: tuple[Seq, tuple[Tensor, ...]], want: tuple[Seq, tuple[Tensor, ...]]) -> None:
    for a, b in zip((got[0].data, *got[1]), (want[0].data, *want[1]), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


class InTorch:
    """One layer of torch.nn over packed sequences."""

    def __init__(self, make: type[nn.RNNBase], **options: str) -> None:
        self.make, self.options = make, options

    def __call__(self, net, layer, x, state, lengths):
        module = self.make(x.shape[2], H, bidirectional=net.bidirectional, dtype=x.dtype, **self.options)
        own = named(net, layer)
        module.load_state_dict({name: p.detach() for name, p in own.items()})
        hx = state if len(state) > 1 else state[0]
        packed, last = module(pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
        y, _ = pad_packed_sequence(packed, total_length=len(x))
        parameters = dict(module.named_parameters())
        return y, last if isinstance(last, tuple) else (last,), [parameters[name] for name in own]


class StepByStep:
    """One layer of a cell that torch lacks: each sequence by itself, one step after another."""

    def __init__(self, step) -> None:
        self.step = step

    def __call__(self, net, layer, x, state, lengths):
        own = {name: p.detach().clone().requires_grad_() for name, p in named(net, layer).items()}
        columns, last = [], []
        for b, length in enumerate(lengths.tolist()):
            halves, ends = [], []
            for direction, suffix in enumerate(("_l0", "_l0_reverse")[: net.directions]):
                kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                weights = [own[kind + suffix] for kind in kinds]
                steps, h = {}, state[0][direction, b]
                for t in range(length)[:: -1 if direction else 1]:
                    steps[t] = h = self.step(x[t, b], h, *weights)
                halves.append(torch.stack([steps.get(t, torch.zeros_like(h)) for t in range(len(x))]))
                ends.append(h)
            columns.append(torch.cat(halves, -1))
            last.append(torch.stack(ends))
        return torch.stack(columns, 1), (torch.stack(last, 1),), list(own.values())


def gru_reset_before(x, h, w_ih, w_hh, b_ih, b_hh):
    """Cho et al. (2014), equations 5 to 8, with z as torch has it."""
    (w_r, w_z, w_n), (u_r, u_z, u_n), b = w_ih.chunk(3), w_hh.chunk(3), (b_ih + b_hh).chunk(3)
    r = torch.sigmoid(w_r @ x + u_r @ h + b[0])
    z = torch.sigmoid(w_z @ x + u_z @ h + b[1])
    return z * h + (1 - z) * torch.tanh(w_n @ x + u_n @ (r * h) + b[2])


REFERENCES = {
    "rnn": InTorch(nn.RNN),
    "rnn_relu": InTorch(nn.RNN, nonlinearity="relu"),
    "lstm": InTorch(nn.LSTM),
    "gru": InTorch(nn.GRU),
    "gru_reset_before": StepByStep(gru_reset_before),
}


def named(net: Recurrent, layer: int) -> dict[str, Tensor]:
    """A layer's parameters, named as those of a network of one layer."""
    found = ((name, p) for name, p in net.named_parameters() if f"_l{layer}" in name)
    return {name.replace(f"_l{layer}", "_l0"): p for name, p in found}


def reference(net: Recurrent, x: Tensor, state: tuple[Tensor, ...], lengths: Tensor):
    """Outputs, final states and all parameters, layer by layer as `REFERENCES` has them."""
    last, parameters = [], []
    for layer in range(net.layers):
        runs = slice(layer * net.directions, (layer + 1) * net.directions)
        x, after, used = REFERENCES[net.cell.name](net, layer, x, tuple(s[runs] for s in state), lengths)
        if net.merge == "sum":
            x = sum(x.chunk(net.directions, -1))
        last.append(after)
        parameters += used
    return x, tuple(torch.cat(s) for s in zip(*last, strict=True)), parameters


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("bidirectional", "merge"), ARRANGED)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("cell", "kernel"), PAIRS)
def test_outputs_states_and_gradients_are_the_reference(cell, kernel, layers, bidirectional, merge, ragged):
    net = network(cell, layers=layers, bidirectional=bidirectional, merge=merge, kernel=kernel)
    x, state = some(T, B, F), state_of(net)
    out, last = net(Seq(x, RAGGED if ragged else None), state)
    want, want_last, parameters = reference(net, x, state, RAGGED if ragged else torch.full((B,), T))
    assert out.data.shape == (T, B, net.output_size)
    same((out, last), (Seq(want), want_last))
    own = [p for layer in range(layers) for p in named(net, layer).values()]
    got = gradients(out.data, last, [x, *state, *own])
    for a, b in zip(got, gradients(want, want_last, [x, *state, *parameters]), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("kernel", kernels.names())
@pytest.mark.parametrize(("cell", "make"), [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_a_state_dict_of_torch_loads_as_it_is(cell, make, kernel):
    if (cell, kernel) not in PAIRS:
        pytest.skip("the native kernels were not built")
    module = make(F, H, num_layers=3, bidirectional=True, dtype=torch.float64)
    net = network(cell, layers=3, bidirectional=True, kernel=kernel)
    net.load_state_dict(module.state_dict())
    assert list(net.state_dict()) == list(module.state_dict())
    x = some(T, B, F)
    want, last = module(x)
    same(net(Seq(x)), (Seq(want), last if isinstance(last, tuple) else (last,)))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("cell", "kernel"), PAIRS)
def test_a_sequence_in_three_pieces_is_the_whole(cell, kernel, layer_norm):
    net = network(cell, layers=2, layer_norm=layer_norm, kernel=None if layer_norm else kernel)
    x = some(T, B, F)
    pieces, state = [], None
    for piece in (x[:1], x[1:4], x[4:]):
        out, state = net(Seq(piece), state)
        pieces.append(out.data)
    same((Seq(torch.cat(pieces)), state), net(Seq(x)))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", NAMES)
def test_ragged_is_each_sequence_alone(cell, bidirectional, layer_norm):
    net = network(cell, layers=2, bidirectional=bidirectional, layer_norm=layer_norm)
    x = some(T, B, F)
    out, last = net(Seq(x, RAGGED))
    for b, length in enumerate(RAGGED.tolist()):
        alone, after = net(Seq(x[:length, b : b + 1]))
        same((Seq(out.data[:length, b : b + 1]), tuple(s[:, b : b + 1] for s in last)), (alone, after))
        assert not out.data[length:, b].any()
    assert out.lengths is RAGGED


@pytest.mark.parametrize("options", [{}, {"residual": True, "merge": "sum"}, {"layer_norm": True}])
@pytest.mark.parametrize("junk", [float("nan"), 1e30])
@pytest.mark.parametrize("cell", NAMES)
def test_padding_holds_anything(cell, junk, options):
    net = network(cell, H, H, layers=3, bidirectional=True, **{"merge": "sum", **options})
    pad = torch.arange(T)[:, None] >= RAGGED
    x = some(T, B, H)
    spoilt = x.detach().masked_fill(pad[..., None], junk).requires_grad_()
    clean, dirty = net(Seq(x, RAGGED)), net(Seq(spoilt, RAGGED))
    same(dirty, clean)
    own = list(net.parameters())
    want = gradients(clean[0].data, clean[1], [x, *own])
    got = gradients(dirty[0].data, dirty[1], [spoilt, *own])
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
    assert not got[0][pad].any()


def test_lengths_that_are_all_whole_are_dense(scans):
    net, x = network(), some(T, B, F)
    same(net(Seq(x, torch.full((B,), T))), net(Seq(x)))
    net(Seq(x, RAGGED))
    first, _, ragged = (call.lengths for call in scans)
    assert first is None
    assert torch.equal(ragged, RAGGED)


def test_residual_adds_the_input_of_each_layer_beyond_the_first():
    net = network("gru", layers=3, residual=True)
    x = some(T, B, F)
    want, last = x, []
    for layer in range(3):
        one = network("gru", want.shape[2], H)
        one.load_state_dict(named(net, layer))
        out, after = one(Seq(want))
        want = want + out.data if layer else out.data
        last.append(after[0])
    same(net(Seq(x)), (Seq(want), (torch.cat(last),)))


@pytest.mark.parametrize("cell", NAMES)
def test_without_biases(cell):
    net, whole = network(cell, bias=False), network(cell)
    assert [name for name, _ in net.named_parameters()] == ["weight_ih_l0", "weight_hh_l0"]
    zero = torch.zeros(net.cell.gates * H)
    whole.load_state_dict(net.state_dict() | {"bias_ih_l0": zero, "bias_hh_l0": zero})
    x = some(T, B, F)
    same(net(Seq(x, RAGGED)), whole(Seq(x, RAGGED)))


def test_learnt_initial_state():
    net = network("lstm", layers=2, bidirectional=True, learn_initial=True)
    assert net.initial_state.shape == (2, 4, H)
    initial = net.initial(B)
    assert [s.shape for s in initial] == [(4, B, H)] * 2
    x = some(T, B, F)
    out, last = net(Seq(x, RAGGED))
    given = tuple(s.detach().clone().requires_grad_() for s in initial)
    want = net(Seq(x, RAGGED), given)
    same((out, last), want)
    (got,) = gradients(out.data, last, [net.initial_state])
    summed = torch.stack([g.sum(1) for g in gradients(want[0].data, want[1], list(given))])
    torch.testing.assert_close(got, summed, **CLOSE)
    assert (got != 0).all()


def test_initial_state_is_zero_in_the_kind_of_the_parameters():
    initial = network("lstm", layers=2, bidirectional=True).initial(B)
    assert [(s.shape, s.dtype) for s in initial] == [((4, B, H), torch.float64)] * 2
    assert not torch.stack(initial).any()


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_keeps_the_expectation_and_one_mask_where_it_should(variational):
    x = torch.ones(40, 50, 60)
    y = dropout(x, 0.25, variational, training=True)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert y.mean() == pytest.approx(1, abs=0.05)
    assert bool((y == y[0]).all()) is variational
    assert (y[:, 0] != y[:, 1]).any()
    assert dropout(x, 0.25, variational, training=False) is x
    assert dropout(x, 0.0, variational, training=True) is x


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_between_layers(scans, variational):
    net = network("rnn", F, H, layers=3, dropout=0.5, variational=variational)
    x = some(T, B, F)
    out, _ = net(Seq(x))
    inputs = [call.x for call in scans]
    assert inputs[0] is x
    assert out.data.all(), "what the last layer gives is not dropped"
    for entered in inputs[1:]:
        gone = entered == 0
        assert gone.any()
        assert not gone.all()
        assert bool((gone == gone[0]).all()) is variational


@pytest.mark.parametrize("cell", NAMES)
def test_recurrent_dropout_is_one_mask_for_all_steps(scans, cell):
    net = network(cell, F, 200, layers=2, bidirectional=True, recurrent_dropout=0.25)
    x = some(3, B, F)
    net(Seq(x))
    masks = [call.hidden_mask for call in scans]
    assert [mask.shape for mask in masks] == [(B, 200)] * 4
    assert not torch.equal(masks[0], masks[1])
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, 1 / 0.75}
        assert mask.mean() == pytest.approx(1, abs=0.1)
    net.eval()(Seq(x))
    assert [call.hidden_mask for call in scans[4:]] == [None] * 4


def test_weight_dropout_drops_recurrent_weights_alone_and_in_training_alone(scans):
    net = network("lstm", F, 40, weight_dropout=0.25)
    x, before = some(T, B, F), copy.deepcopy(net.state_dict())
    out, _ = net(Seq(x))
    net(Seq(x))
    first, second = (call.weights for call in scans)
    kept = first.w_hh != 0
    torch.testing.assert_close(first.w_hh[kept], net.weight_hh_l0[kept] / 0.75)
    assert kept.double().mean() == pytest.approx(0.75, abs=0.03)
    assert not torch.equal(kept, second.w_hh != 0)
    assert first.w_ih is net.weight_ih_l0
    assert first.b_hh is net.bias_hh_l0
    (grad,) = torch.autograd.grad(out.data.sum(), [net.weight_hh_l0])
    assert not grad[~kept].any()
    assert grad[kept].all()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    net.eval()(Seq(x))
    assert scans[2].weights.w_hh is net.weight_hh_l0


@pytest.mark.parametrize(
    "options", [{"dropout": 0.5, "variational": True}, {"recurrent_dropout": 0.5}, {"weight_dropout": 0.5}]
)
def test_dropouts_are_off_in_evaluation(options):
    net, still = network("gru", layers=2, **options), network("gru", layers=2)
    still.load_state_dict(net.state_dict())
    x = some(T, B, F)
    assert not torch.equal(net(Seq(x))[0].data, still(Seq(x))[0].data)
    same(net.eval()(Seq(x)), still(Seq(x)))


def test_a_forced_kernel_is_used_and_may_refuse(monkeypatch):
    net, x = network("gru", recurrent_dropout=0.5), some(T, B, F)
    monkeypatch.setattr(kernels.get("aten"), "run", lambda *_: pytest.fail("the loop was asked for"))
    monkeypatch.setattr(dispatch, "_forced", "loop")
    net.eval()(Seq(x))
    monkeypatch.setattr(dispatch, "_forced", "aten")
    with pytest.raises(ConfigError, match=r"ELMAN_KERNEL: 'aten' refuses: .* recurrent path; use 'loop'"):
        net.train()(Seq(x))


@pytest.mark.parametrize("lengths", [None, RAGGED])
@pytest.mark.parametrize(("cell", "kernel"), [*IN_BFLOAT16, ("normed lstm", "loop")])
def test_autocast(cell, kernel, lengths):
    options = {"layers": 2, "bidirectional": True, "layer_norm": cell.startswith("normed"), "kernel": kernel}
    net = network(cell.split()[-1], dtype=torch.float32, **options)
    seq = Seq(torch.randn(T, B, F), lengths)
    want, _ = net(seq)
    with torch.autocast("cpu", torch.bfloat16):
        out, state = net(seq)
        net(seq, state)
    torch.testing.assert_close(out.data.float(), want.data, rtol=0.05, atol=0.05)
    assert not torch.equal(out.data.float(), want.data)
    out.data.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_a_copy_stands_on_its_own():
    net, x = network("gru", layers=2, learn_initial=True), some(T, B, F)
    twin = copy.deepcopy(net)
    same(twin(Seq(x)), net(Seq(x)))
    with torch.no_grad():
        twin.weight_hh_l0.zero_()
    assert net.weight_hh_l0.all()
    assert twin.cell == net.cell


def test_nothing_is_remembered_between_calls():
    net, x = network("lstm", layers=2, dropout=0.5, recurrent_dropout=0.5, weight_dropout=0.5), some(T, B, F)
    before = {name: value for name, value in vars(net).items() if name[0] != "_"}
    net(Seq(x, RAGGED))
    assert {name: value for name, value in vars(net).items() if name[0] != "_"} == before
    assert not list(net.buffers())


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch is built without distributed")
def test_distributed_data_parallel():
    """In a process of its own, which ends before torch takes the group apart: that may wait for ever."""
    code = """
import os, torch
from torch import nn
from elman.core.records import Seq
from elman.nn.recurrent import Recurrent

torch.manual_seed(0)
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
net = Recurrent("lstm", 3, 4, layers=2, bidirectional=True)
x = Seq(torch.randn(5, 2, 3), torch.tensor([5, 2]))
wrapped = nn.parallel.DistributedDataParallel(net)
(out, state), (expected, final) = wrapped(x), net(x)
torch.testing.assert_close((out.data, *state), (expected.data, *final))
out.data.sum().backward()
assert all(p.grad is not None for p in net.parameters())
print("fine", flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


def test_it_prints_what_it_is():
    assert repr(Recurrent("gru", 3, 4)) == "Recurrent(gru, 3, 4, layers=1)"
    both = Recurrent("gru", 3, 4, bidirectional=True, merge="sum")
    assert repr(both) == "Recurrent(gru, 3, 4, layers=1, bidirectional=True, merge=sum)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cell": "lstn"},
            "cell: unknown name 'lstn'; did you mean 'lstm'? for a cell of your own: --import FILE.py",
        ),
        ({"kernel": "lop"}, "kernel: unknown kernel 'lop'; did you mean 'loop'?"),
        ({"layers": 0}, "layers: expected 1 or more, got 0"),
        ({"input_size": 0}, "input_size: expected 1 or more, got 0"),
        ({"hidden_size": -2}, "hidden_size: expected 1 or more, got -2"),
        ({"dropout": 1.0}, "dropout: expected from 0 to below 1, got 1.0"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout: expected from 0 to below 1, got -0.1"),
        ({"weight_dropout": float("nan")}, "weight_dropout: expected from 0 to below 1, got nan"),
        ({"merge": "mean"}, "merge: expected 'concat' or 'sum', got 'mean'"),
        ({"init": "zero"}, "init: expected 'orthogonal' or 'torch', got 'zero'"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(ConfigError) as caught:
        Recurrent(**{"cell": "lstm", "input_size": F, "hidden_size": H, **options})
    assert str(caught.value) == message


def complaint(x: Tensor, lengths: Tensor | None = None, state: tuple[Tensor, ...] | None = None) -> str:
    with pytest.raises(DataError) as caught:
        network("lstm", layers=2)(Seq(x, lengths), state)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(T, B), (T, B, 7), (0, B, F), (T, 0, F)])
def test_input_of_another_shape(shape):
    assert complaint(torch.zeros(shape, dtype=torch.float64)) == (
        "input of Recurrent: expected [T, B, 4] with a step and a sequence at least, "
        f"got {list(shape)}; time comes first; give data of that shape or set input_size"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_input_of_another_kind(dtype):
    assert complaint(torch.zeros(T, B, F, dtype=dtype)) == (
        f"input of Recurrent: expected torch.float64 on cpu, as the parameters are, got {dtype} on cpu; "
        "embed symbols first; convert the data or the network with .to(...)"
    )


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([6, 6], "[3] torch.int64, one for each sequence, got [2] torch.int64"),
        ([6.0] * 3, "[3] torch.int64, one for each sequence, got [3] torch.float32"),
        ([6, 0, 2], "each from 1 to T = 6, got 0; leave out empty sequences"),
        ([6, 7, 2], "each from 1 to T = 6, got 7; pad the data to the longest sequence"),
    ],
)
def test_lengths_that_do_not_fit(lengths, message):
    said = complaint(some(T, B, F), torch.tensor(lengths))
    assert said == f"lengths of the input of Recurrent: expected {message}"


@pytest.mark.parametrize("shapes", [[(2, B, H)], [(2, 1, H)] * 2, [(2, B, H), (1, B, H)], [(2, B, 9)] * 2])
def test_a_state_that_does_not_fit(shapes):
    assert complaint(some(T, B, F), state=tuple(some(*shape) for shape in shapes)) == (
        "state of Recurrent: expected 2 of shape [2, 3, 5], [L * D, B, H], "
        f"got {len(shapes)} of shape {', '.join(str(list(shape)) for shape in shapes)}; "
        "give the state that the last call returned, for the same sequences"
    )


def test_every_cell_of_these_has_a_reference():
    assert set(REFERENCES) == set(NAMES), "give the new cell a reference in this file"


def test_skip_shows_the_input_to_every_layer_and_every_layer_to_the_output():
    torch.manual_seed(0)
    skipping = Recurrent("gru", 3, 4, layers=2, bidirectional=True, skip=True).double()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    y, state = skipping(Seq(x))
    layers = [Recurrent("gru", size, 4, bidirectional=True).double() for size in (3, 3 + 8)]
    for index, layer in enumerate(layers):
        weights = {k.replace("_l0", f"_l{index}"): k for k in layer.state_dict()}
        layer.load_state_dict({weights[k]: v for k, v in skipping.state_dict().items() if k in weights})
    first, h_first = layers[0](Seq(x))
    second, h_second = layers[1](Seq(torch.cat([x, first.data], -1)))
    torch.testing.assert_close(y.data, torch.cat([first.data, second.data], -1), rtol=0, atol=1e-12)
    torch.testing.assert_close(state[0], torch.cat([h_first[0], h_second[0]]), rtol=0, atol=1e-12)
    assert skipping.output_size == 16


def test_skip_and_residual_do_not_go_together():
    with pytest.raises(ConfigError, match="residual: expected one of the two, got skip beside it"):
        Recurrent("gru", 3, 3, layers=2, residual=True, skip=True)
