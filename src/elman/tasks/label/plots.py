"""A sequence with its inputs, what was right and what was answered at each step, and how sure that was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from elman.core.records import Example
from elman.plots import figures
from elman.tasks.label.targets import StepClass, StepTarget

_CHANNELS = 6
"""Most inputs that are drawn."""


def of_sequence(target: StepTarget, example: Example, output: Tensor, lag: int) -> Callable[[Any], None]:
    """What draws one example, with outputs [T, ...] of its steps, on a matplotlib Figure."""
    truth, known = example.target[lag:], target.known(example.target[lag:]).numpy()
    data = example.data[: len(truth)].numpy() if example.data.is_floating_point() else None

    def draw(figure: Any) -> None:
        figure.set_size_inches(9, 5)
        rows = figure.subplots(2 if data is not None else 1, 1, sharex=True, squeeze=False)[:, 0]
        if data is not None:
            rows[0].plot(data[:, :_CHANNELS], linewidth=0.8)
            rows[0].set(ylabel="inputs, standardised")
        axes = rows[-1]
        if isinstance(target, StepClass):
            _classes(axes, target.classes, truth.numpy(), known, output.numpy())
        else:
            _number(axes, truth.numpy(), known, output.numpy())
        axes.set(xlabel="step")
        figures.legend(axes, 3)

    return draw


def _classes(
    axes: Any, names: Sequence[str], truth: np.ndarray, known: np.ndarray, output: np.ndarray
) -> None:
    steps, best = np.arange(len(truth)), output.argmax(-1)
    axes.step(steps, best, where="mid", color="C1", linewidth=1.5, label="answer")
    axes.plot(steps[known], truth[known], ".", color="black", markersize=2.5, label="right")
    axes.set_yticks(range(len(names)), [figures.literal(name, 20) for name in names], fontsize="small")
    certain = axes.twinx()
    certain.plot(steps, output.max(-1), color="0.7", linewidth=0.7)
    certain.set(ylabel="probability of the answer", ylim=(0, 1.02))


def _number(axes: Any, truth: np.ndarray, known: np.ndarray, output: np.ndarray) -> None:
    steps, (mean, deviation) = np.arange(len(truth)), output.T
    low, high = mean - 1.96 * deviation, mean + 1.96 * deviation
    axes.fill_between(steps, low, high, color="C1", alpha=0.25, linewidth=0, label="95 %")
    axes.plot(steps, mean, color="C1", linewidth=1.2, label="answer")
    axes.plot(steps[known], truth[known], ".", color="black", markersize=2.5, label="right")
    axes.set(ylabel="target")
