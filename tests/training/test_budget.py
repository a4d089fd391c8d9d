"""A training ends within its minutes, and is the same to the bit once its steps are planned."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import elman
from elman.core.graceful_stop import GracefulStop
from elman.runs.folder import RunFolder
from elman.training import budget, session, train
from elman.training.budget import Budget


class Clock:
    """Time that passes by `pace` seconds a step."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class StopAfterFive(GracefulStop):
    """An interrupt after five steps."""

    @property
    def seen(self) -> bool:
        self.asked += 1
        return self.asked >= 5

    @seen.setter
    def seen(self, _: bool) -> None:
        self.asked = 0


def steps_of(
    monkeypatch: pytest.MonkeyPatch, minutes: float, pace: float, steps: int, spent: float = 0.0
) -> int:
    """How many steps a training with a step each `pace` seconds takes."""
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    plan, done = Budget(minutes, spent), 0
    while done < steps:
        clock.now += pace
        done += 1
        steps = plan.plan(done, steps, done * pace, epoch_ends=done % 100 == 0)
    return done


def test_steps_that_fit_are_all_taken(monkeypatch):
    assert steps_of(monkeypatch, minutes=1, pace=0.1, steps=500) == 500
    assert steps_of(monkeypatch, minutes=0, pace=100, steps=50) == 50


def test_steps_end_within_the_minutes(monkeypatch):
    taken = steps_of(monkeypatch, minutes=1, pace=0.5, steps=10_000)
    assert 0.85 * 60 < taken * 0.5 <= 60
    assert steps_of(monkeypatch, minutes=1, pace=0.5, steps=10_000, spent=30) < taken


def test_an_epoch_that_validates_for_long_ends_earlier(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    plan = Budget(1)
    first = [plan.plan(step, 1000, float(step), epoch_ends=False) for step in range(1, 11)][-1]
    assert plan.plan(10, first, 40.0, epoch_ends=True) < first  # a step took 4 s with what stands between


def test_a_budget_too_small_for_an_epoch_is_told(tmp_path, capsys):
    texts = tmp_path / "t.csv"
    texts.write_text(
        "text,y\n" + "".join(f"it is {'good' if n % 2 else 'bad'} {n},{n % 2}\n" for n in range(400))
    )
    model = elman.train(texts, out=tmp_path / "run", minutes=0.0001, hidden=8)
    said = capsys.readouterr().err + (model.path / "train.log").read_text()
    assert "0.0001 minutes are enough for" in said
    assert ", or 0 for any" in said
    assert RunFolder(model.path).finished


def test_a_planned_training_resumes_to_the_bit(tmp_path, monkeypatch):
    """Twelve of forty steps are planned; one training is stopped within them, and goes on."""
    monkeypatch.setattr(Budget, "plan", lambda self, step, steps, seconds, **_: min(steps, 12))
    options = {"task": "classify", "quiet": True, "hidden": 8, "minutes": 5.0, "batch_size": 64, "threads": 1}
    whole = elman.train("sample:unicode-syllables", out=tmp_path / "whole", **options)
    assert whole.path.joinpath("metrics.csv").read_text().splitlines()[-1].startswith("12,")
    with monkeypatch.context() as patched:
        patched.setattr(session, "GracefulStop", StopAfterFive)
        elman.train("sample:unicode-syllables", out=tmp_path / "parts", **options)
    assert not RunFolder(tmp_path / "parts").finished
    parts = elman.train(resume=tmp_path / "parts", quiet=True)
    first, second = (load_file(model.path / "model.safetensors") for model in (whole, parts))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("given", "minutes"),
    [({}, 10.0), ({"epochs": 3}, 0.0), ({"steps": 3}, 0.0), ({"epochs": 3, "minutes": 2.0}, 2.0)],
)
def test_only_a_training_whose_length_nobody_set_has_the_usual_minutes(given, minutes):
    run = train.resolve.resolve("sample:unicode-syllables", "classify", None, given)[0]
    assert train._bounded(run).training.minutes == minutes
