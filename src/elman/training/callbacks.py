"""Your own code beside a training: called after each step, each epoch and at the end, and able to stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.core.errors import ConfigError
from elman.tasks.base import Scores
from elman.tasks.scoreboard import RunScores


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """The state of a training after a step of the optimiser.

    Args:
        step, steps: its number, from 1, and how many there are in all.
        epoch, epochs: the same of the present epoch.
        loss: training loss per target of this step's batches.
        grad_norm: norm of the gradient before clipping.
        lr: learning rate of this step.
        symbols_per_second: speed since the last row of `metrics.csv`.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    grad_norm: float
    lr: float
    symbols_per_second: float


@dataclass(frozen=True, kw_only=True)
class TrainingEpoch:
    """The state of a training after an epoch.

    Args:
        epoch, epochs: its number, from 1, and how many there are in all.
        step: steps of the optimiser so far.
        train_loss: training loss per target, the mean over the epoch.
        scores: of the validation part, by name, "loss" among them; empty without such a part.
        best: whether no epoch before was as good.
        grad_norm: mean norm of the gradient before clipping.
        seconds: time spent so far, over all sittings.
    """

    epoch: int
    epochs: int
    step: int
    train_loss: float
    scores: Scores
    best: bool
    grad_norm: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TrainingEnd:
    """The result of a training, when the run folder is complete.

    Args:
        path: the run folder.
        finished: whether it was trained to its end; False if Ctrl-C or a callback stopped it.
        step: steps of the optimiser.
        scores: part of the data -> predictor -> score -> value.
        seconds: time spent, over all sittings.
    """

    path: Path
    finished: bool
    step: int
    scores: RunScores
    seconds: float


class Callback:
    """Inherit it and override what you need; then `elman.train(..., callbacks=[MyCallback()])`.

    A method that returns True stops the training as Ctrl-C does: the run is scored and can be resumed. An
    error that a method raises reaches the caller of `elman.train` unchanged, after a checkpoint, so that the
    run can be resumed too.
    With several processes, the main one calls.
    """

    def on_step(self, now: TrainingStep) -> bool | None:
        """Act after each step of the optimiser; return True to stop."""

    def on_epoch(self, now: TrainingEpoch) -> bool | None:
        """Act after each epoch and its validation; return True to stop."""

    def on_end(self, end: TrainingEnd) -> None:
        """Act when the run is scored and written, also if it was stopped."""


def checked(given: Any) -> Sequence[Callback]:
    """Check that these are callbacks, and return them.

    Raises:
        ConfigError: one is of another type.
    """
    several = tuple(given) if isinstance(given, list | tuple) else (given,)
    for one in several:
        if not isinstance(one, Callback):
            kind = f"the class {one.__name__}" if isinstance(one, type) else f"a {type(one).__name__}"
            remedy = f"pass {one.__name__}()" if isinstance(one, type) else "inherit elman.Callback"
            raise ConfigError("callbacks", kind, expected="objects of elman.Callback", remedy=remedy)
    return several
