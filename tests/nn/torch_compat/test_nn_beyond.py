"""What elman.nn has beyond torch.nn: lengths, resets, dropouts in the recurrence, layer norm, cell states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman import nn as ours
from elman.core.errors import ConfigError, DataError
from elman.core.records import Seq
from elman.nn import kernels
from elman.nn.kernels import dispatch, native
from elman.nn.kernels.base import ScanJob
from elman.nn.recurrent import Recurrent

LAYERS = ("RNN", "LSTM", "GRU")
ARRANGED = [{}, {"num_layers": 2, "bidirectional": True}]
T, B, F, H = 6, 3, 2, 4
RAGGED = torch.tensor([3, 6, 1])
CLOSE = {"rtol": 0, "atol": 1e-10}


pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[ScanJob]:
    """The jobs that `kernels.scan` is handed, call after call."""
    calls, scan = [], kernels.scan

    def recorded(cell, job, kernel=None):
        calls.append(job)
        return scan(cell, job, kernel)

    monkeypatch.setattr(dispatch, "scan", recorded)
    return calls


def made(name: str, **options: Any) -> Any:
    return getattr(ours, name)(F, H, **({"dtype": torch.float64} | options))


def some(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def as_tuple(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


def same(got: tuple[Any, Any], want: tuple[Any, Any]) -> None:
    for a, b in zip((got[0], *as_tuple(got[1])), (want[0], *as_tuple(want[1])), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("options", ARRANGED)
@pytest.mark.parametrize("name", LAYERS)
def test_lengths_are_a_packed_sequence(name, options, batch_first):
    layer = made(name, batch_first=batch_first, **options)
    x = some(B, T, F) if batch_first else some(T, B, F)
    packed, last = layer(pack_padded_sequence(x, RAGGED, batch_first, enforce_sorted=False))
    same(layer(x, lengths=RAGGED), (pad_packed_sequence(packed, batch_first)[0], last))


@pytest.mark.parametrize("options", ARRANGED)
@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_may_be_empty(name, options):
    layer, x = made(name, **options), some(T, B, F)
    hx = as_tuple(layer(some(T, B, F))[1])
    hx = hx if name == "LSTM" else hx[0]
    y, last = layer(x, hx, lengths=torch.tensor([0, T, 2]))
    assert not y[:, 0].any()
    for before, after in zip(as_tuple(hx), as_tuple(last), strict=True):
        assert torch.equal(before[:, 0], after[:, 0])


def test_whole_lengths_are_dense(scans):
    made("GRU")(some(T, B, F), lengths=torch.full((B,), T))
    assert scans[0].lengths is None


def test_lengths_of_one_sequence():
    layer, x = made("LSTM"), some(T, F)
    y, last = layer(x, lengths=torch.tensor([4]))
    want, want_last = layer(x[:4])
    same((y[:4], last), (want, want_last))
    assert not y[4:].any()


@pytest.mark.parametrize("name", LAYERS)
def test_a_reset_begins_anew(name):
    """Two episodes in one row are two calls, and the first of them goes on from the state before."""
    layer, x = made(name, num_layers=2), some(T, 1, F)
    _, hx = layer(some(T, 1, F))
    first, _ = layer(x[:4], hx)
    second, last = layer(x[4:])
    reset = torch.arange(T)[:, None] == 4
    same(layer(x, hx, reset=reset), (torch.cat([first, second]), last))
    one = tuple(s[:, 0] for s in as_tuple(hx))
    y, _ = layer(x[:, 0], one if name == "LSTM" else one[0], reset=reset[:, 0])
    torch.testing.assert_close(y, torch.cat([first, second])[:, 0], **CLOSE)


def test_a_reset_lies_as_the_input_does():
    time_first, batch_first = made("GRU"), made("GRU", batch_first=True)
    batch_first.load_state_dict(time_first.state_dict())
    x, reset = some(T, B, F), torch.rand(T, B) < 0.5
    y, last = time_first(x, lengths=RAGGED, reset=reset)
    same(batch_first(x.transpose(0, 1), lengths=RAGGED, reset=reset.T), (y.transpose(0, 1), last))


@pytest.mark.parametrize("reset", [torch.zeros(B, T, dtype=torch.bool), torch.zeros(T, B)])
def test_a_reset_that_does_not_fit(reset):
    with pytest.raises(DataError) as caught:
        made("GRU")(some(T, B, F), reset=reset)
    got = f"{list(reset.shape)} {reset.dtype}"
    assert (
        str(caught.value) == f"reset: expected [6, 3] torch.bool, one for each step of the input, got {got}"
    )


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        (
            torch.tensor([1, 7, 2]),
            "expected each from 0 to T = 6, got 7; pad the data to the longest sequence",
        ),
        (torch.tensor([1, -1, 2]), "expected each from 0 to T = 6, got -1"),
        (torch.tensor([1, 2]), "expected [3] torch.int64, one for each sequence, got [2] torch.int64"),
        (torch.ones(3), "expected [3] torch.int64, one for each sequence, got [3] torch.float32"),
    ],
)
def test_lengths_that_do_not_fit(lengths, said):
    with pytest.raises(DataError) as caught:
        made("GRU")(some(T, B, F), lengths=lengths)
    assert str(caught.value) == f"lengths of the input of GRU: {said}"


@pytest.mark.parametrize("given", ["lengths", "reset"])
def test_nothing_stands_beside_a_packed_sequence(given):
    packed = pack_padded_sequence(some(T, B, F), RAGGED, enforce_sorted=False)
    with pytest.raises(DataError) as caught:
        made("GRU")(packed, **{given: RAGGED})
    assert str(caught.value) == f"{given}: a PackedSequence beside it; give padded sequences and lengths"


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("options", [*ARRANGED, {"proj_size": 3, "bidirectional": True, "num_layers": 2}])
def test_all_cell_states(options, batch_first):
    """Each is the last one of a call that stops there, or of the reverse direction, that starts there."""
    layer, x = (
        made("LSTM", batch_first=batch_first, **options),
        some(1, T, F) if batch_first else some(T, 1, F),
    )
    (h, c), last = layer.states(x)
    y, want_last = layer(x)
    same((h, last), (y, want_last))
    c = c.transpose(0, 1) if batch_first else c
    assert c.shape == (T, 1, H * (2 if layer.bidirectional else 1))
    torch.testing.assert_close(c[-1, :, :H], last[1][-1 - layer.bidirectional], **CLOSE)
    if layer.bidirectional:
        torch.testing.assert_close(c[0, :, H:], last[1][-1], **CLOSE)
    else:
        for t in range(1, T):
            start = x[:, :t] if batch_first else x[:t]
            torch.testing.assert_close(c[t - 1], layer(start)[1][1][0], **CLOSE)


def test_all_cell_states_of_packed_and_single_sequences():
    layer, x = made("LSTM"), some(T, B, F)
    (h, c), last = layer.states(x, lengths=RAGGED)
    (packed_h, packed_c), packed_last = layer.states(pack_padded_sequence(x, RAGGED, enforce_sorted=False))
    same((h, last), (pad_packed_sequence(packed_h)[0], packed_last))
    torch.testing.assert_close(c, pad_packed_sequence(packed_c)[0], **CLOSE)
    (h, c), last = layer.states(x[:3, 0])
    want_h, want = layer(x[:3, 0])
    same((h, last), (want_h, want))
    torch.testing.assert_close(c[-1], want[1][0], **CLOSE)


@pytest.mark.parametrize("options", ARRANGED)
@pytest.mark.parametrize("name", LAYERS)
def test_layer_norm_is_that_of_recurrent(name, options):
    layer = made(name, layer_norm=True, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1, 1)
    network = Recurrent(
        name.lower(), F, H, layers=layer.num_layers, bidirectional=layer.bidirectional, layer_norm=True
    ).double()
    network.load_state_dict(layer.state_dict())
    x = some(T, B, F)
    out, last = network(Seq(x, RAGGED))
    y, mine = layer(x, lengths=RAGGED)
    same((y, mine), (out.data, last))


def test_layer_norm_has_gains_of_one():
    layer = made("GRU", layer_norm=True, num_layers=2, bidirectional=True, bias=False)
    gains = {name: p for name, p in layer.named_parameters() if name.startswith("gain")}
    assert len(gains) == 8
    assert all(p.shape == (3 * H,) and p.dtype == torch.float64 and (p == 1).all() for p in gains.values())
    layer.reset_parameters()
    assert all((p == 1).all() for p in gains.values())
    assert (layer.weight_hh_l0 != 1).any()


@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_dropout_is_one_mask_for_all_steps(scans, name):
    layer = getattr(ours, name)(F, 200, recurrent_dropout=0.25, num_layers=2, bidirectional=True)
    layer(torch.randn(T, B, F))
    masks = [job.hidden_mask for job in scans]
    assert [mask.shape for mask in masks] == [(B, 200)] * 4
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
        assert mask.mean() == pytest.approx(1, abs=0.1)
    layer.eval()(torch.randn(T, B, F))
    assert scans[-1].hidden_mask is None


@pytest.mark.parametrize("name", LAYERS)
def test_zoneout_draws_in_training_and_keeps_a_share_otherwise(scans, name):
    layer = getattr(ours, name)(F, 100, zoneout=0.25)
    y, last = layer(torch.randn(T, B, F))
    states = len(as_tuple(last))
    assert [mask.shape for mask in scans[0].zone] == [(T, B, 100)] * states
    for mask in scans[0].zone:
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert mask.mean() == pytest.approx(0.25, abs=0.05)
    kept = scans[0].zone[0][1:] == 1
    assert torch.equal(y[1:][kept], y[:-1][kept])
    layer.eval()(torch.randn(T, B, F))
    assert scans[-1].zone == (0.25,) * states


def test_variational_dropout_is_one_mask_for_all_steps(scans):
    layer = ours.GRU(F, 50, num_layers=2, dropout=0.5, variational=True)
    layer(torch.randn(T, B, F))
    gone = scans[1].x == 0
    assert gone.any()
    assert not gone.all()
    assert (gone == gone[0]).all()


def test_settings_are_told_and_checked():
    layer = ours.LSTM(F, H, dropout=0.1, num_layers=2, variational=True, zoneout=0.1, layer_norm=True)
    said = "LSTM(2, 4, num_layers=2, dropout=0.1, variational=True, zoneout=0.1, layer_norm=True)"
    assert repr(layer) == said
    for setting in ("zoneout", "recurrent_dropout"):
        with pytest.raises(ConfigError, match=f"{setting}: expected from 0 to below 1, got 1.5"):
            ours.GRU(F, H, **{setting: 1.5})


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_torch_that_becomes_ours_works_as_it_is(name):
    layer = getattr(nn, name)(F, H, dtype=torch.float64)
    x = some(T, B, F)
    want = layer(x)
    layer.__class__ = getattr(ours, name)
    same(layer(x), want)
    assert layer(x, lengths=RAGGED)[0].shape == (T, B, H)


@pytest.mark.parametrize("kernel", ["native", "aten", "loop"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("RNN", {}), ("GRU", {}), ("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {"layer_norm": True})],
)
def test_a_stepper_is_the_layers_a_step_at_a_time(monkeypatch, name, options, kernel):
    if kernel == "native" and native.available() is None:
        pytest.skip("the native kernels were not built")
    if options and kernel != "loop" and not (kernel == "aten" and "proj_size" in options):
        kernel = ""  # the forced one does not serve
    layers = getattr(ours, name)(F, H, num_layers=2, dropout=0.5, dtype=torch.float64, **options).eval()
    monkeypatch.setattr(dispatch, "_forced", kernel)
    x = torch.randn(7, B, F, dtype=torch.float64)
    wanted, last = layers(x)
    _, start = layers(x[:3])
    layers.train()  # it drops nothing all the same
    step = layers.stepper(start)
    found = [step(x_t) for x_t in x[3:]]
    torch.testing.assert_close(torch.stack(found), wanted[3:], rtol=0, atol=1e-12)
    states = [torch.stack(s) for s in zip(*step.state, strict=True)]
    for state, expected in zip(states, last if name == "LSTM" else (last,), strict=True):
        torch.testing.assert_close(state, expected, rtol=0, atol=1e-12)
    assert not found[0].requires_grad
    torch.testing.assert_close(layers.stepper(batch=B)(x[0]), layers.eval()(x[:1])[0][0].detach())


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}])
def test_a_stepper_keeps_what_it_was_made_with(options):
    layer = ours.GRU(F, H, **options)
    x = torch.randn(B, F)
    step, start = layer.stepper(batch=B), torch.zeros(1, B, H)
    before = step(x)
    kept = before.clone(), step.state[0][0].clone()
    state = step.state
    step(x)
    assert torch.equal(before, kept[0])
    assert torch.equal(state[0][0], kept[1])
    again = layer.stepper(start)
    first = again(x).zero_()
    assert again.state[0][0].any(), "what a step gives is the caller's"
    assert not start.any()
    unchanged = layer.stepper(batch=B)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(1)
    assert torch.equal(unchanged(x), kept[0])
    assert not torch.equal(layer.stepper(batch=B)(x), kept[0])
    assert not first.any()


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}])
@pytest.mark.parametrize("wrong", [(B + 1, F), (F,), (1, B, F)])
def test_a_step_that_does_not_fit(options, wrong):
    with pytest.raises(DataError, match=r"x: expected \[3, 2\]"):
        ours.GRU(F, H, **options).stepper(batch=B)(torch.randn(wrong))


def test_what_a_stepper_cannot_run():
    with pytest.raises(ConfigError, match="stepper of GRU: bidirectional=True"):
        ours.GRU(F, H, bidirectional=True).stepper()
    with pytest.raises(DataError, match=r"hx: expected \[L, B, H\]"):
        ours.GRU(F, H).stepper(torch.zeros(1, 2, H + 1))
