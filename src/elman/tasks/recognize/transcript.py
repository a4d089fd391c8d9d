"""What was recognised: symbols with their frames, the words that they spell, a picture of them in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elman.nn import ctc
from elman.nn.framing import Frame
from elman.plots import figures

PANELS = 2
"""Sequences that a picture shows."""


class Transcript(NamedTuple):
    """What was recognised in a sequence.

    Args:
        symbols: the N symbols of its text.
        logp: ln p(text), all paths summed.
        starts, ends: [N] the first frame of each symbol and that after its last, on the text's best path.
        shares: [T', N + 1] probabilities at each frame: of the text's symbols in their order, and of a blank.
    """

    symbols: list[int]
    logp: float
    starts: Tensor
    ends: Tensor
    shares: Tensor


class FrameTimes(NamedTuple):
    """How frames become times.

    Args:
        frame: how steps become frames.
        seconds: of a step; 0: that is not known, and times are given in steps.
    """

    frame: Frame
    seconds: float

    @property
    def unit(self) -> str:
        """Return the unit of the times."""
        return "seconds" if self.seconds else "steps"

    def span(self, start: int, end: int) -> tuple[float, float]:
        """From when to when frames `start` to before `end` last."""
        size, hop = self.frame
        steps = start * hop, (end - 1) * hop + size
        return (steps[0] * self.seconds, steps[1] * self.seconds) if self.seconds else steps


class TimedText(NamedTuple):
    """A word or a symbol, with its start and end."""

    text: str
    start: float
    end: float


def transcripts(scores: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> list[Transcript]:
    """What there is to tell of the texts that were found.

    Args:
        scores: [T', B, V + 1] logits, the blank last.
        lengths: [B] int64 on the CPU.
        texts: the symbols of each sequence's text.
    """
    counts = torch.tensor([len(text) for text in texts])
    targets = torch.zeros(max(1, int(counts.max())), len(texts), dtype=torch.int64)
    for column, text in enumerate(texts):
        targets[: len(text), column] = torch.tensor(text, dtype=torch.int64)
    nats = ctc.loss(scores, lengths, targets.to(scores.device), counts).tolist()
    spans = ctc.align(scores, lengths, targets, counts)
    shares, found = scores.float().softmax(-1).cpu(), []
    for column, (text, frames) in enumerate(zip(texts, lengths.tolist(), strict=True)):
        starts, ends = (part[: len(text), column] for part in spans)
        own = shares[:frames, column][:, [*text, scores.shape[2] - 1]]
        found.append(Transcript(list(text), -nats[column], starts, ends, own))
    return found


def pieces(symbols: Sequence[str], one: Transcript, clock: FrameTimes, *, words: bool) -> list[TimedText]:
    """The symbols with their times; or the words, each from its first symbol to its last.

    Args:
        symbols: the text of each symbol.
        one: whose symbols they are.
        clock: how frames become times.
        words: whether to return words, separated at spaces, in place of symbols.
    """
    spans = list(zip(one.starts.tolist(), one.ends.tolist(), strict=True))
    found: list[tuple[str, int, int]] = []
    parted = True
    for symbol, (start, end) in zip(symbols, spans, strict=True):
        parted = parted or not words or symbol.startswith(" ")
        if words and not symbol.strip():
            parted = True
            continue
        if parted:
            found.append((symbol, start, end))
        else:
            text, begun, _ = found[-1]
            found[-1] = (text + symbol, begun, end)
        parted = words and symbol.endswith(" ")
    return [TimedText(text.strip() or text, *clock.span(start, end)) for text, start, end in found]


def draw(figure: Any, shown: Sequence[tuple[Tensor, Transcript, Sequence[str]]], clock: FrameTimes) -> None:
    """Draw the features of sequences, and under them which symbols are how likely at each frame.

    Args:
        figure: a matplotlib Figure.
        shown: the features [T, F] of each sequence, what was recognised, and how its symbols are shown.
        clock: how frames become times.
    """
    shown = shown[:PANELS]
    figure.set_size_inches(9, 3.2 * len(shown))
    rows = figure.subplots(2 * len(shown), 1, squeeze=False, height_ratios=[3, 2] * len(shown))[:, 0]
    step = clock.seconds or 1
    for (data, one, names), above, below in zip(shown, rows[::2], rows[1::2], strict=True):
        high, end = data.shape[1], len(data) * step
        above.imshow(data.t().numpy(), aspect="auto", origin="lower", cmap="magma", extent=(0, end, 0, high))
        above.set_xticks([])
        above.set_ylabel("features")
        _draw_shares(below, one, names, clock)
        below.set_xlim(0, end)
    rows[-1].set_xlabel(clock.unit)


def rows(
    shown: Sequence[tuple[Tensor, Transcript, Sequence[str]]], clock: FrameTimes
) -> list[dict[str, float | int | str]]:
    """A row for each frame and symbol of these sequences: how likely it is there; see `draw`."""
    return [
        {
            "sequence": sequence,
            "frame": frame,
            f"start_{clock.unit}": clock.span(frame, frame + 1)[0],
            "symbol": place,
            "text": name,
            "probability": float(share[place]),
        }
        for sequence, (_, one, names) in enumerate(shown)
        for frame, share in enumerate(one.shares)
        for place, name in enumerate([*names, "(blank)"])
    ]


def _draw_shares(axes: Any, one: Transcript, names: Sequence[str], clock: FrameTimes) -> None:
    size, hop = clock.frame
    times = (np.arange(len(one.shares)) * hop + size / 2) * (clock.seconds or 1)
    shares = one.shares.numpy()
    axes.plot(times, shares[:, -1], color="0.75", linewidth=0.9, label="blank")
    for place, name in enumerate(names):
        start, end = int(one.starts[place]), int(one.ends[place])
        near = slice(max(0, start - 1), end + 1)  # elsewhere it may be another one of the same name
        (line,) = axes.plot(times[near], shares[near, place], linewidth=1.4)
        peak = start + int(shares[start:end, place].argmax())
        axes.text(
            times[peak],
            1.04,
            figures.literal(name),
            ha="center",
            va="bottom",
            fontsize=8,
            color=line.get_color(),
        )
    axes.set_ylim(0, 1.25)
    axes.set_yticks([0, 1])
    axes.set_ylabel("probability")
    axes.legend(frameon=False, fontsize=7, loc="center right")
