"""What a practitioner would say on seeing the numbers of a training: one line each, only where it is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """The numbers of one epoch.

    Args:
        train: loss per target.
        scores: those of the validation part, "loss" among them; none where there is no such part.
        mean_norm, top_norm: gradient norm before clipping, and at which step it was highest.
        clipped: share of steps whose gradient was clipped.
    """

    train: float
    scores: dict[str, float]
    mean_norm: float
    top_norm: float
    top_step: int
    clipped: float


_BURST = 10
_BURST_NORM = 5.0
"""A gradient norm is a burst when it is above this, and so many times its mean."""

_SLOPE = 0.01
"""A loss that fell by a larger share of itself in the last epoch is still falling."""


def advise(epochs: Sequence[Epoch], *, last: bool) -> Iterator[str]:
    """Advice after the latest of `epochs`; `last`: training is over."""
    yield from _gradients(epochs[-1], epochs[-2] if len(epochs) > 1 else None)
    if not epochs[-1].scores:
        return
    losses = [epoch.scores["loss"] for epoch in epochs]
    best = min(range(len(epochs)), key=losses.__getitem__)
    worse_for = len(epochs) - 1 - best
    if worse_for >= 2 and epochs[-1].train < epochs[best].train:
        yield (
            f"overfitting: validation was best in epoch {best + 1} and training loss still falls; "
            "more --dropout, fewer --hidden, more data, or --early-stop 2"
        )
    elif last and len(epochs) > 1 and losses[-2] - losses[-1] > _SLOPE * abs(losses[-2]):
        yield "still learning when training ended: more --epochs would help"
    elif last and len(epochs) > 2 and losses[-1] <= epochs[-1].train:
        yield "underfitting: validation is as good as training; more --hidden or --layers, or less --dropout"


def _gradients(epoch: Epoch, before: Epoch | None) -> Iterator[str]:
    if epoch.top_norm > max(_BURST_NORM, _BURST * epoch.mean_norm):
        yield (
            f"exploding gradient: its norm came to {epoch.top_norm:.3g} in step {epoch.top_step} "
            f"(mean {epoch.mean_norm:.2g}); lower --lr, a smaller --clip, or a gated --cell"
        )
    if epoch.clipped > 0.5 and not (before and before.clipped > 0.5):  # told once, not after every epoch
        yield f"gradients were clipped in {epoch.clipped:.0%} of the steps: raise --clip or lower --lr"
