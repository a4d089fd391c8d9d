"""Connectionist temporal classification: symbols without alignment (Graves et al. 2006).

A network scores V symbols and the blank, the last of V + 1, at each frame. A path takes one of them at each
frame; its text is what is left when repeats are made one and blanks are dropped. The probability of a text is
the sum over its paths. Here are the loss, the text of the best path, and the best path of a given text;
`prefix_beam` looks for the best text. It knows tensors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core.errors import DataError
from elman.nn.masks import step_mask

_REMEDY = "give longer sequences or shorter targets, or put fewer steps into a frame"


class Alignment(NamedTuple):
    """Where symbols are: frames [S, B] int64 from `starts` to before `ends`; both 0 beyond a target's end."""

    starts: Tensor
    ends: Tensor


def frames_needed(targets: Tensor, counts: Tensor) -> Tensor:
    """The fewest frames of each target, [B]: one for each symbol, and a blank between two that are equal.

    Args:
        targets: [S, B] symbols; anything beyond a target's end.
        counts: [B] symbols of each target.
    """
    repeats = (targets[1:] == targets[:-1]) & (_places(targets[1:]) < counts - 1)
    return counts + repeats.sum(0)


def check_frames(frames: int, symbols: Sequence[int], where: object, *, remedy: str = _REMEDY) -> None:
    """Check that a target has a path of this many frames.

    Raises:
        DataError: it has more symbols than there are frames, or too many that repeat.
    """
    repeats = sum(a == b for a, b in pairwise(symbols))
    if frames < len(symbols) + repeats:
        between = f" and {repeats} blanks between equal ones" * bool(repeats)
        expected = f"{len(symbols) + repeats} or more, for {len(symbols)} symbols{between}"
        raise DataError(where, f"{frames} frames", expected=expected, remedy=remedy)


def loss(scores: Tensor, lengths: Tensor, targets: Tensor, counts: Tensor) -> Tensor:
    """The loss of each sequence in nats, exact: -ln of the sum over all paths of its target.

    -ln p(y | x) = -ln sum_(paths a of y) prod_t p(a_t | x), summed forward in time (Graves et al. 2006).

    Args:
        scores: [T, B, V + 1] logits, the blank last.
        lengths: [B] int64 on the CPU, frames of each sequence.
        targets: [S, B] symbols; anything beyond a target's end.
        counts: [B] int64, symbols of each target; may be 0.

    Returns:
        [B]; infinite where a target has no path of as many frames (see `frames_needed`).
    """
    logp = scores.float().log_softmax(-1)
    return F.ctc_loss(
        logp,
        targets.t().clamp(min=0).contiguous(),
        lengths.to(scores.device),
        counts.to(scores.device),
        blank=scores.shape[2] - 1,
        reduction="none",
    )


def greedy(scores: Tensor, lengths: Tensor) -> list[list[int]]:
    """The text of the best path of each sequence: the best of each frame, repeats made one, without blanks.

    Args:
        scores: [T, B, V + 1] logits or log probabilities, the blank last.
        lengths: [B] int64 on the CPU.
    """
    best = scores.argmax(-1).cpu()
    fresh = torch.ones_like(best, dtype=torch.bool)
    fresh[1:] = best[1:] != best[:-1]
    kept = fresh & (best != scores.shape[2] - 1) & step_mask(best, lengths)
    found: list[int] = best.t()[kept.t()].tolist()
    ends = kept.sum(0).cumsum(0).tolist()
    return [found[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def align(scores: Tensor, lengths: Tensor, targets: Tensor, counts: Tensor) -> Alignment:
    """The frames of each symbol on the likeliest path of a text (Viterbi 1967).

    Over the states blank, y_1, blank, y_2, ..., blank: from a state to itself, to the next one, and from a
    symbol to the next symbol where both differ.

    Args:
        scores: [T, B, V + 1] logits, the blank last.
        lengths: [B] int64 on the CPU.
        targets: [S, B] symbols; anything beyond a target's end.
        counts: [B] int64, symbols of each target.

    Raises:
        DataError: a target has no path of as many frames.
    """
    for place, (frames, count) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True), start=1):
        check_frames(frames, targets[:count, place - 1].tolist(), f"sequence {place} to align")
    logp = scores.detach().cpu().double().log_softmax(-1)
    targets, counts, blank = targets.cpu(), counts.cpu(), scores.shape[2] - 1
    states = torch.full((scores.shape[1], 2 * len(targets) + 1), blank)
    states[:, 1::2] = targets.t().clamp(min=0)
    return _spans(_best_states(logp, lengths, states, 2 * counts), lengths, len(targets))


def at_frames(scores: Tensor, lengths: Tensor, targets: Tensor, counts: Tensor, frames: Tensor) -> Tensor:
    """-ln p of what the likeliest path of each text has at one frame, a symbol or the blank, in nats, [B].

    Args:
        scores: [T, B, V + 1] logits, the blank last.
        lengths: [B] int64 on the CPU.
        targets: [S, B] symbols; anything beyond a target's end.
        counts: [B] int64, symbols of each target.
        frames: [B] int64 on the CPU, the frame of each sequence.

    Raises:
        DataError: a target has no path of as many frames.
    """
    starts, ends = align(scores, lengths, targets, counts)
    inside = (starts <= frames) & (frames < ends)
    symbols = targets.cpu().gather(0, inside.int().argmax(0)[None])[0]
    wanted = torch.where(inside.any(0), symbols, scores.shape[2] - 1).to(scores.device)
    picked = scores[frames.to(scores.device), torch.arange(len(frames), device=scores.device)]
    return F.cross_entropy(picked.float(), wanted, reduction="none")


def _best_states(logp: Tensor, lengths: Tensor, states: Tensor, last: Tensor) -> Tensor:
    """[T, B] the state at each frame on the best path that ends in the state `last` or the one before it."""
    leaps = F.pad(states[:, 2:] != states[:, :-2], (2, 0))  # no blank is leapt to: the one before is as well
    score = torch.full(states.shape, -torch.inf, dtype=logp.dtype)
    score[:, :2] = logp[0].gather(1, states[:, :2])
    came = torch.zeros(len(logp), *states.shape, dtype=torch.uint8)
    for frame in range(1, len(logp)):
        on = (frame < lengths)[:, None]
        one, two = (F.pad(score, (by, 0), value=-torch.inf)[:, : states.shape[1]] for by in (1, 2))
        best, how = torch.stack([score, one, two.masked_fill(~leaps, -torch.inf)]).max(0)
        score = torch.where(on, best + logp[frame].gather(1, states), score)
        came[frame] = how * on
    ends = torch.stack([last, (last - 1).clamp(min=0)])
    state = ends.gather(0, score.gather(1, ends.t()).argmax(1)[None])[0]
    path = torch.empty(len(logp), len(states), dtype=torch.int64)
    for frame in range(len(logp) - 1, -1, -1):
        path[frame] = state
        state = state - came[frame].gather(1, state[:, None])[:, 0].long()
    return path


def _spans(path: Tensor, lengths: Tensor, symbols: int) -> Alignment:
    """The first frame, and that after the last one, in which each symbol's state is on the path [T, B]."""
    frames = _places(path).expand_as(path)
    at = torch.where(
        (path % 2 == 1) & step_mask(path, lengths), path // 2, symbols
    )  # the rest is out of the way
    empty = torch.zeros(symbols + 1, path.shape[1], dtype=torch.int64)
    starts = empty.scatter_reduce(0, at, frames, "amin", include_self=False)
    ends = empty.scatter_reduce(0, at, frames + 1, "amax", include_self=False)
    return Alignment(starts[:symbols], ends[:symbols])


def _places(tensor: Tensor) -> Tensor:
    """[T, 1]: 0, 1, 2, ... for the rows of a tensor, where it is."""
    return torch.arange(len(tensor), device=tensor.device)[:, None]
