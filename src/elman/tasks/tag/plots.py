"""The scores that a field gives to moves from tag to tag, as a picture with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elman.nn.crf import Crf
from elman.plots import figures
from elman.tasks.base import Evidence

_START, _END = "(start)", "(end)"
_MOST = 40
"""Most tags that are drawn; the others are among the numbers."""

_CAPTION = (
    "The score of each tag (across) after each one (down), in nats: red moves are likely beyond what the "
    "words tell, blue ones unlikely. Grey ones cannot be."
)


def evidence(crf: Crf, tags: Sequence[str]) -> Evidence:
    """The scores of moves between tags, from the start and to the end.

    Args:
        crf: the field.
        tags: names of its K tags.
    """
    scores = _scores(crf)
    before, after = [_START, *tags], [*tags, _END]
    rows = [
        {"from": one, "to": other, "score": value if (value := float(scores[i, j])) == value else ""}
        for i, one in enumerate(before)
        for j, other in enumerate(after)
        if (one, other) != (_START, _END)
    ]
    return Evidence("transitions", _CAPTION, rows, lambda figure: _draw(figure, scores, before, after))


def _scores(crf: Crf) -> Tensor:
    """[1 + K, K + 1]: from the start and each tag, to each tag and the end; not-a-number what cannot be."""
    moves = crf.transitions.detach().masked_fill(~crf.allowed, torch.nan)
    starts = crf.start.detach().masked_fill(~crf.starts, torch.nan)
    ends = crf.end.detach().masked_fill(~crf.ends, torch.nan)
    top = torch.cat([starts, starts.new_full((1,), torch.nan)])
    return torch.cat([top[None], torch.cat([moves, ends[:, None]], 1)]).cpu()


def _draw(figure: Any, scores: Tensor, before: Sequence[str], after: Sequence[str]) -> None:
    kept = min(_MOST, len(after) - 1)
    rows, columns = list(range(kept + 1)), [*range(kept), len(after) - 1]
    shown = scores[rows][:, columns]
    side = 2.2 + 0.26 * len(rows)
    figure.set_size_inches(side + 1, side)
    axes = figure.subplots()
    axes.set_facecolor("0.85")
    bound = float(shown.nan_to_num().abs().max()) or 1.0
    image = axes.imshow(shown.numpy(), cmap="RdBu_r", vmin=-bound, vmax=bound)
    across, down = (
        [figures.literal(tags[place]) for place in places]
        for tags, places in ((after, columns), (before, rows))
    )
    axes.set_xticks(range(len(columns)), across, rotation=90, fontsize="x-small")
    axes.set_yticks(range(len(rows)), down, fontsize="x-small")
    axes.set(xlabel="tag", ylabel="tag before")
    figure.colorbar(image, label="score, nats", shrink=0.8)
