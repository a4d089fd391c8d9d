"""What every package's file gives: a model, and the package's own training and prediction of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn


class Case(NamedTuple):
    """A published model, ready to train and to predict.

    Args:
        module: what `elman.accelerate` is given, the same object in every training and prediction.
        train: train by the package's own loop from the weights that are there; the loss of each step.
        predict: predict by the package's own call; the numbers that came out.
        work: what one training and one prediction are, in words.
    """

    module: nn.Module
    train: Callable[[], list[float]]
    predict: Callable[[], Tensor]
    work: str


def loss_recorder(callback: type) -> Any:
    """A callback for a Lightning trainer that keeps the loss of each step in `losses`.

    Lightning is published under two names with classes of their own: `callback` is the one that
    the package uses.
    """

    class Recorder(callback):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            self.losses: list[float] = []

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *rest: Any) -> None:
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            self.losses.append(float(loss))

        def take(self) -> list[float]:
            taken, self.losses = self.losses, []
            return taken

    return Recorder()


QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""For a Lightning trainer: what it does besides training is not what is measured."""
