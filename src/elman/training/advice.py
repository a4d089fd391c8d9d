"""What a practitioner would say on seeing the numbers of a training: one line each, only where it is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from elman.diagnostics.layer_stats import LayerStats


@dataclass(frozen=True)
class Epoch:
    """The numbers of one epoch.

    Args:
        train: loss per target.
        scores: those of the validation part, "loss" among them; none where there is no such part.
        mean_norm, top_norm: gradient norm before clipping, and at which step it was highest.
        clipped: share of steps whose gradient was clipped.
        look: the last one of the epoch, if there was one.
    """

    train: float
    scores: dict[str, float]
    mean_norm: float
    top_norm: float
    top_step: int
    clipped: float
    look: LayerStats | None = None


_BURST = 10
_BURST_NORM = 5.0
"""A gradient norm is a burst when it is above this, and this many times its mean."""

_STEEP = 50.0
"""A mean gradient norm above this, before clipping, is a gradient that explodes at every step."""

_SHORT_HORIZON, _FAR = 5.0, 20.0
"""A state that halves within this many steps forgets, where sequences are this many times as long."""

_SATURATED = 0.95
_STATE_GROWTH, _LARGE_STATE = 10.0, 100.0
"""A state runs away when it is larger than this, and this many times its size after the first epoch."""

_SLOPE = 0.01
"""A loss that fell by a larger share of itself in the last epoch is still falling."""


def advise(epochs: Sequence[Epoch], *, last: bool, clip: float = 0.0, go_on: str = "") -> Iterator[str]:
    """Yield advice after the latest of `epochs`, each beginning with what is the matter.

    Args:
        epochs: their numbers.
        last: whether training is over.
        clip: to what norm gradients are clipped; 0: not.
        go_on: a command that trains on.
    """
    clipping = "" if 0 < clip <= 1 else "--clip 1, "
    yield from _gradients(epochs[-1], epochs[-2] if len(epochs) > 1 else None, clipping)
    yield from _memory(epochs, last, clipping)
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
        yield f"still learning when training ended: more --epochs would help{': ' * bool(go_on)}{go_on}"
    elif last and len(epochs) > 2 and losses[-1] <= epochs[-1].train:
        yield "underfitting: validation is as good as training; more --hidden or --layers, or less --dropout"


def _gradients(epoch: Epoch, before: Epoch | None, clipping: str) -> Iterator[str]:
    if epoch.mean_norm > _STEEP:
        yield (
            f"exploding gradient: its norm was {epoch.mean_norm:.3g} on the mean; {clipping}lower --lr, "
            "a gated --cell, or --init orthogonal"
        )
    elif epoch.top_norm > max(_BURST_NORM, _BURST * epoch.mean_norm):
        yield (
            f"exploding gradient: its norm came to {epoch.top_norm:.3g} in step {epoch.top_step} "
            f"(mean {epoch.mean_norm:.2g}); lower --lr, a smaller --clip, or a gated --cell"
        )
    if epoch.clipped > 0.5 and not (before and before.clipped > 0.5):  # told once, not after every epoch
        yield f"gradients were clipped in {epoch.clipped:.0%} of the steps: raise --clip or lower --lr"


def _memory(epochs: Sequence[Epoch], last: bool, clipping: str) -> Iterator[str]:
    """Return the advice from layer statistics: once two of them agree, or at the end if there is only one."""
    stats = [epoch.look for epoch in epochs if epoch.look]
    for fault in (_forgets, _stuck, partial(_runs_away, clipping=clipping)):
        *before, now = [None, None, None, *(fault(stats[: n + 1]) for n in range(len(stats)))][-3:]
        if now and (last if len(stats) == 1 else before[1] and not before[0]):
            yield now


def _forgets(stats: Sequence[LayerStats]) -> str | None:
    last = stats[-1]
    if last.saturated is not None:  # a cell with gates learns what to keep, and may choose to keep little
        return None
    if last.horizon is None or last.horizon > min(_SHORT_HORIZON, last.steps / _FAR):
        return None
    return (
        f"vanishing gradient: what the state holds halves in {last.horizon:.2g} steps, of sequences of "
        f"{last.steps}; a gated --cell (lstm, gru), --init orthogonal, or shorter sequences or windows"
    )


def _stuck(stats: Sequence[LayerStats]) -> str | None:
    share = stats[-1].saturated
    if share is None or share < _SATURATED:
        return None
    return f"saturated gates: {share:.0%} are shut or open, and hardly learn; lower --lr, or --layer-norm"


def _runs_away(stats: Sequence[LayerStats], clipping: str) -> str | None:
    first, now = stats[0].state_norm, stats[-1].state_norm
    if now < max(_LARGE_STATE, _STATE_GROWTH * first):
        return None
    return (
        f"the state runs away: its norm went from {first:.3g} to {now:.3g}; lower --lr, {clipping}"
        "--layer-norm, or a gated --cell"
    )
