"""Callbacks: what they are called with, how they stop a training, and what their errors leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import elman
from conftest import TINY
from elman.core.errors import ConfigError
from elman.runs.folder import RunFolder
from elman.tasks.scoreboard import RunScores
from elman.training.callbacks import TrainingEnd, TrainingEpoch, TrainingStep


class Notes(elman.Callback):
    """Keeps all that it is called with."""

    def __init__(self) -> None:
        self.steps: list[TrainingStep] = []
        self.epochs: list[TrainingEpoch] = []
        self.ends: list[TrainingEnd] = []

    def on_step(self, now: TrainingStep) -> None:
        self.steps.append(now)

    def on_epoch(self, now: TrainingEpoch) -> None:
        self.epochs.append(now)

    def on_end(self, end: TrainingEnd) -> None:
        self.ends.append(end)


class StopsAt(Notes):
    """Stops after a step, or after an epoch."""

    def __init__(self, step: int = 0, epoch: int = 0) -> None:
        super().__init__()
        self.step, self.epoch = step, epoch

    def on_step(self, now: TrainingStep) -> bool:
        super().on_step(now)
        return now.step == self.step

    def on_epoch(self, now: TrainingEpoch) -> bool:
        super().on_epoch(now)
        return now.epoch == self.epoch


class Broken(elman.Callback):
    """Fails where it is told to."""

    def __init__(self, where: str, error: Exception) -> None:
        self.where, self.error = where, error

    def on_step(self, now: TrainingStep) -> None:
        if self.where == "step" and now.step == 3:
            raise self.error

    def on_epoch(self, now: TrainingEpoch) -> None:
        if self.where == "epoch":
            raise self.error

    def on_end(self, end: TrainingEnd) -> None:
        if self.where == "end":
            raise self.error


def trained(data: Path, out: Path, *callbacks: elman.Callback, **others: Any) -> elman.Model:
    return elman.train(data, out=out, quiet=True, callbacks=callbacks, **(TINY | others))


def test_they_are_called_with_the_numbers_of_the_training(text, tmp_path):
    notes = Notes()
    model = trained(text, tmp_path / "run", notes)
    assert [one.step for one in notes.steps] == [*range(1, notes.steps[0].steps + 1)]
    assert [one.epoch for one in notes.epochs] == [1, 2]
    assert {one.epoch for one in notes.steps} == {1, 2}
    half = len(notes.steps) // 2
    mean = sum(one.loss for one in notes.steps[:half]) / half
    assert notes.epochs[0].train_loss == pytest.approx(mean, rel=0.01)
    rows = [row for row in model.history if row["valid_loss"] is not None]
    assert [one.scores["loss"] for one in notes.epochs] == [row["valid_loss"] for row in rows]
    assert [one.step for one in notes.epochs] == [row["step"] for row in rows]
    assert all(one.grad_norm > 0 and one.lr > 0 and one.symbols_per_second > 0 for one in notes.steps)
    assert notes.epochs[0].best
    (end,) = notes.ends
    assert (end.path, end.finished, end.step) == (tmp_path / "run", True, len(notes.steps))
    assert isinstance(end.scores, RunScores)
    assert end.scores == model.scores


def test_they_change_no_number(text, tmp_path):
    with_them, without = trained(text, tmp_path / "a", Notes()), trained(text, tmp_path / "b")
    for mine, theirs in zip(with_them.history, without.history, strict=True):
        assert mine["train_loss"] == theirs["train_loss"]
    assert with_them.scores == without.scores


@pytest.mark.parametrize("where", [{"step": 3}, {"epoch": 1}])
def test_one_that_returns_true_stops_as_ctrl_c_does(text, tmp_path, where):
    stops = StopsAt(**where)
    model = trained(text, tmp_path / "run", stops)
    results = RunFolder(tmp_path / "run").results
    assert results is not None
    assert not results.training.finished
    assert results.training.steps == stops.steps[-1].step == stops.ends[0].step
    assert not stops.ends[0].finished
    assert model.scores
    notes = Notes()
    again = elman.train(resume=tmp_path / "run", quiet=True, callbacks=[notes])
    assert notes.steps[0].step == stops.steps[-1].step + 1
    assert notes.ends[0].finished
    whole = trained(text, tmp_path / "whole")
    assert again.scores["test"]["model"] == whole.scores["test"]["model"]


def test_one_that_stops_after_the_last_epoch_has_stopped_nothing(text, tmp_path):
    stops = StopsAt(epoch=2)
    trained(text, tmp_path / "run", stops)
    assert stops.ends[0].finished


@pytest.mark.parametrize(
    "error", [KeyError("mine"), RuntimeError("not enough memory, says my code")], ids=str
)
@pytest.mark.parametrize("where", ["step", "epoch"])
def test_an_error_comes_as_it_is_and_the_run_can_be_resumed(text, tmp_path, where, error):
    with pytest.raises(type(error)) as caught:
        trained(text, tmp_path / "run", Broken(where, error))
    assert caught.value is error
    assert any(entry.name == "on_" + where for entry in caught.traceback)
    assert "elman train --resume" in (tmp_path / "run" / "train.log").read_text()
    notes = Notes()
    again = elman.train(resume=tmp_path / "run", quiet=True, callbacks=[notes])
    assert notes.steps[0].step == (4 if where == "step" else notes.steps[-1].steps // 2 + 1)
    assert again.scores["test"]["model"] == trained(text, tmp_path / "whole").scores["test"]["model"]


def test_an_error_at_the_end_leaves_a_finished_run(text, tmp_path):
    with pytest.raises(KeyError):
        trained(text, tmp_path / "run", Broken("end", KeyError("mine")))
    assert RunFolder(tmp_path / "run").finished


@pytest.mark.parametrize(
    ("given", "words"),
    [([Notes], "pass Notes()"), ([print], "inherit elman.Callback"), (3, "inherit elman.Callback")],
)
def test_what_is_no_callback_is_refused_before_anything_is_read(tmp_path, given, words):
    with pytest.raises(ConfigError, match="callbacks") as caught:
        elman.train(tmp_path / "not there.txt", out=tmp_path / "run", callbacks=given)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_single_one_needs_no_list(text, tmp_path):
    notes = Notes()
    elman.train(text, out=tmp_path / "run", quiet=True, callbacks=notes, **TINY)
    assert notes.ends
