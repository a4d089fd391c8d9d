"""How much the past is worth: the loss by how many steps before it the network has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elman.plots import figures


@dataclass(frozen=True, eq=False)
class ContextCurve:
    """The loss of the same targets with more and more of the past before them.

    Args:
        lengths: steps of context, rising.
        losses: [lengths, N], of each target in nats.
    """

    lengths: tuple[int, ...]
    losses: Tensor

    @property
    def mean(self) -> Tensor:
        """Over the targets, [lengths]."""
        return self.losses.mean(1)

    def reach(self, share: float = 0.95) -> int:
        """Return the least context that gains this share of what the longest one gains over the shortest."""
        mean = self.mean
        enough = mean <= mean[0] - share * (mean[0] - mean[-1])
        return self.lengths[int(enough.nonzero()[0])]

    @property
    def gain(self) -> tuple[float, float]:
        """How much the longest context gains over the shortest, in nats, and its standard error."""
        apart = self.losses[0] - self.losses[-1]
        return float(apart.mean()), float(apart.std(correction=0)) / len(apart) ** 0.5

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each length: the mean loss, and the error of its difference to the longest."""
        apart = self.losses - self.losses[-1]
        errors = apart.std(1, correction=0) / apart.shape[1] ** 0.5
        return [
            {"context": length, "loss": float(loss), "standard_error_to_longest": float(error)}
            for length, loss, error in zip(self.lengths, self.mean, errors, strict=True)
        ]

    def plot(self) -> Any:
        """Plot the loss by context, on a logarithmic axis, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure(6.8, 4.0)
        axes = figure.add_subplot()
        mean = self.mean
        error = [row["standard_error_to_longest"] for row in self.table()]
        axes.errorbar(self.lengths, mean.tolist(), yerr=error, fmt="o-", capsize=3)
        axes.set_xscale("log", base=2)
        axes.set_xticks(self.lengths, [str(length) for length in self.lengths])
        axes.minorticks_off()
        axes.axhline(float(mean[-1]), color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel="steps of context, the state empty before", ylabel="loss of the last target, nats")
        axes.grid(alpha=0.25)
        return figure


def context_curve(loss: Callable[[int], Tensor], lengths: Sequence[int]) -> ContextCurve:
    """Measure the loss by the length of the context.

    Args:
        loss: gives the loss of each target [N] if the network starts afresh that many steps before it.
        lengths: of contexts, at least 1 each.
    """
    ordered = tuple(sorted(set(lengths)))
    with torch.no_grad():
        return ContextCurve(ordered, torch.stack([loss(length).double() for length in ordered]))
