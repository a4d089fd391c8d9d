"""elman.accelerate: recurrent layers change their class in place, and nothing else changes."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import elman
from elman import nn as ours
from elman.nn import kernels
from elman.nn.kernels import dispatch

ALL = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")


class Tagger(nn.Module):
    """As others write it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.encoder = nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.heads = nn.ModuleList([nn.GRUCell(10, 3), nn.Linear(3, 2)])

    def forward(self, symbols):
        y, _ = self.encoder(self.embed(symbols))
        return self.heads[1](self.heads[0](y[:, -1]))


class Own(nn.GRU):
    def forward(self, x, hx=None):
        return nn.GRU.forward(self, 2 * x, hx)


class Doubled(nn.RNNBase):
    """A mixin above torch's class, as libraries have it."""

    def forward(self, x, hx=None):
        y, last = super().forward(2 * x, hx)
        return y, last


class Derived(Doubled, nn.LSTM):
    """With more to say than torch's."""

    def loudest(self):
        return self.weight_hh_l0.abs().max()


@pytest.mark.parametrize("name", ALL)
def test_every_layer_by_itself(name):
    model = getattr(nn, name)(3, 4)
    x = torch.randn(5, 3)
    want = model(x)
    report = elman.accelerate(model)
    assert type(model) is getattr(ours, name)
    torch.testing.assert_close(model(x), want)
    assert str(report) == f"1 replaced, 0 left\nreplaced  (the model)  torch.nn.{name}"


def test_a_model_within():
    model, symbols = Tagger(), torch.randint(11, (2, 7))
    layer, want, names = model.encoder, model(symbols), list(model.state_dict())
    seen = []
    layer.register_forward_hook(lambda *_: seen.append(True))
    report = elman.accelerate(model)
    assert [(each.name, each.kind) for each in report.replaced] == [
        ("encoder", nn.LSTM),
        ("heads.0", nn.GRUCell),
    ]
    assert report.left == ()
    assert model.encoder is layer
    assert report.replaced[0].module is layer
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model(symbols), want)
    assert seen


def test_the_optimiser_goes_on():
    torch.manual_seed(0)
    losses = []
    for accelerated in (False, True):
        torch.manual_seed(1)
        model = Tagger()
        optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
        for step in range(6):
            if accelerated and step == 3:
                elman.accelerate(model)
            loss = model(torch.arange(8).view(2, 4)).square().sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_undo_and_context():
    model = Tagger()
    with elman.accelerate(model) as report:
        assert type(model.encoder) is ours.LSTM
        assert type(model.heads[0]) is ours.GRUCell
    assert type(model.encoder) is nn.LSTM
    assert type(model.heads[0]) is nn.GRUCell
    report.undo()
    assert type(model.encoder) is nn.LSTM
    again = elman.accelerate(model)
    model.encoder.__class__ = Own
    again.undo()
    assert type(model.encoder) is Own, "what another changed since is left to it"


def test_undo_after_a_failure():
    model = Tagger()
    with pytest.raises(ZeroDivisionError), elman.accelerate(model):
        _ = 1 / 0
    assert type(model.encoder) is nn.LSTM


def test_a_layer_in_two_places_is_replaced_once():
    shared = nn.GRU(3, 3)
    report = elman.accelerate(nn.ModuleDict({"a": shared, "b": shared}))
    assert [each.name for each in report.replaced] == ["a"]


def test_what_is_left_and_why():
    parametrised = nn.LSTM(3, 4)
    nn.utils.parametrizations.weight_norm(parametrised, "weight_hh_l0")
    patched = nn.GRU(3, 4)
    patched.forward = lambda *given: nn.GRU.forward(patched, *given)
    compiled = nn.RNN(3, 4)
    compiled.compile(backend="eager")
    model = nn.ModuleDict(
        {
            "own": Own(3, 4),
            "ours": ours.GRU(3, 4),
            "patched": patched,
            "compiled": compiled,
            "parametrised": parametrised,
            "plain": nn.RNN(3, 4),
        }
    )
    report = elman.accelerate(model)
    assert [each.name for each in report.replaced] == ["plain"]
    assert [(each.name, each.reason) for each in report.left] == [
        ("own", "a subclass of torch.nn.GRU with a forward of its own"),
        ("ours", "it is Elman's already"),
        ("patched", "its forward was replaced on the layer itself"),
        ("compiled", "compiled already; accelerate a model before its .compile()"),
        ("parametrised", "it has a parametrisation, which changes its class in its own way"),
    ]
    head, first, second, third, *_ = str(report).splitlines()
    assert head == "1 replaced, 5 left"
    assert first.split() == ["replaced", "plain", "torch.nn.RNN"]
    assert second.split()[:3] == ["left", "own", "test_acceleration.Own"]
    assert third.split()[:3] == ["left", "ours", "elman.nn.GRU"]


def test_a_derived_layer_that_hands_on(monkeypatch):
    layer, x = Derived(3, 4), torch.randn(5, 2, 3)
    want, loudest = layer(x), layer.loudest()
    with elman.accelerate(layer) as report:
        assert [(each.name, each.kind) for each in report.replaced] == [("", Derived)]
        assert isinstance(layer, Derived)
        assert isinstance(layer, ours.LSTM)
        assert type(layer).__qualname__ == "Derived"
        torch.testing.assert_close(layer(x), want)
        assert layer.loudest() == loudest
        assert [each.reason for each in elman.accelerate(layer).left] == ["it is Elman's already"]
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert type(other) is type(layer)
            assert other.weight_hh_l0 is not layer.weight_hh_l0
            torch.testing.assert_close(other(x), want)
        scanned = []
        scan = kernels.scan
        monkeypatch.setattr(dispatch, "scan", lambda *given: scanned.append(given) or scan(*given))
        layer(x)
        assert len(scanned) == 1
    assert type(layer) is Derived
    torch.testing.assert_close(layer(x), want)


class Strict(nn.GRU):
    def __init_subclass__(cls, *, reviewed):
        pass


def test_a_class_that_takes_no_other_base_is_left():
    model = nn.ModuleList([nn.GRU(3, 4), Strict(3, 4), nn.GRU(3, 4)])
    report = elman.accelerate(model)
    assert [each.name for each in report.replaced] == ["0", "2"]
    (left,) = report.left
    assert left.reason.startswith("its class takes no other base beside its own: ")
    assert type(model[1]) is Strict


def test_jit_and_quantised_layers_are_left():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Sequential(nn.GRU(3, 4)))
        kind = torch.ao.nn.quantized.dynamic.LSTM
        quantised = nn.Sequential(kind(3, 4)) if torch.backends.quantized.supported_engines[1:] else None
    assert [each.reason for each in elman.accelerate(scripted).left] == ["torch.jit compiled it"]
    if quantised is not None:
        reasons = [each.reason for each in elman.accelerate(quantised).left]
        assert reasons == ["quantised; Elman's kernels take floating point"]


def test_nothing_to_do():
    assert str(elman.accelerate(nn.Linear(3, 4))) == "0 replaced, 0 left"
