"""Pictures of recalls: states by step, energy by step, how far patterns attract, how many there may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from elman.nn.hopfield import hebb_theory
from elman.plots import figures

_SHOWN, _LINES = 6, 60
"""Patterns, and lines, that a picture shows at most."""
_COLUMNS = 6
"""States of a recall that are shown, at most."""


def states(figure: Any, recalls: Sequence[tuple[str, Tensor, Tensor]], shape: Sequence[int]) -> None:
    """Draw damaged patterns, the states that followed, and the whole ones.

    Args:
        figure: a matplotlib Figure.
        recalls: of each the title, the states [S + 1, N], and the whole pattern [N].
        shape: of a pattern; one that is not a picture is drawn as a strip.
    """
    recalls = recalls[:_SHOWN]
    last = max(len(run) for _, run, _ in recalls) - 1
    steps = sorted({round(step) for step in torch.linspace(0, last, min(last + 1, _COLUMNS)).tolist()})
    rows = [[*(run[min(step, len(run) - 1)] for step in steps), whole] for _, run, whole in recalls]
    height, width = shape if len(shape) == 2 else (1, int(torch.tensor(shape).prod()))
    down, aside = max(1, height // 8), max(1, width // 8)
    blocks = torch.stack([torch.stack(row) for row in rows]).reshape(len(rows), len(rows[0]), height, width)
    tiles = torch.full((len(rows), height + down, len(rows[0]), width + aside), torch.nan)
    tiles[:, :height, :, :width] = blocks.transpose(1, 2)
    mosaic = tiles.flatten(2).flatten(0, 1)[:-down, :-aside]
    figure.set_size_inches(7, 0.8 + 6.2 * min(1.5, max(0.3, len(mosaic) / mosaic.shape[1])))
    axes = figure.subplots()
    axes.imshow(
        mosaic.numpy(),
        cmap="gray_r",
        vmin=-1,
        vmax=1,
        interpolation="nearest",
        aspect="equal" if height > 1 else "auto",
    )
    axes.set_facecolor("#c9d7ea")  # no shade of grey: that is what is not known
    titles = ["damaged", *(f"step {step}" for step in steps[1:]), "stored"]
    axes.set_xticks([column * (width + aside) + (width - 1) / 2 for column in range(len(titles))], titles)
    middles = [row * (height + down) + (height - 1) / 2 for row in range(len(rows))]
    axes.set_yticks(middles, [figures.literal(name) for name, _, _ in recalls])
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=9)
    axes.spines[:].set_visible(False)


def courses(
    figure: Any, energies: Sequence[Tensor], overlaps: Sequence[Tensor], right: Sequence[bool]
) -> None:
    """Draw the energy, if there is one, and the overlap with the stored pattern by step: a line a recall.

    Args:
        figure: a matplotlib Figure.
        energies, overlaps: [S + 1] each.
        right: whether the stored pattern was found.
    """
    drawn = {"energy": energies, "overlap": overlaps}
    kept = {name: lines for name, lines in drawn.items() if any(map(len, lines))}
    figure.set_size_inches(6.5, 2.6 * len(kept) + 0.4)
    for axes, (name, lines) in zip(
        figure.subplots(len(kept), 1, squeeze=False).flat, kept.items(), strict=True
    ):
        for line, good in list(zip(lines, right, strict=True))[:_LINES]:
            color = "tab:blue" if good else "tab:red"
            axes.plot(line.tolist(), color=color, alpha=0.45, linewidth=1, marker="o", markersize=2)
        for color, label in (("tab:blue", "recalled"), ("tab:red", "not recalled")):
            axes.plot([], [], color=color, label=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(name)
        axes.grid(alpha=0.25)
    axes.set_xlabel("step")
    axes.legend(frameon=False, fontsize=8)


def damages(figure: Any, shares: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Draw the share that is recalled by the share that was damaged: a line for each kind of damage."""
    figure.set_size_inches(6, 3.8)
    axes = figure.subplots()
    for name, (damage, recalled) in shares.items():
        axes.plot(damage, recalled, "o-", markersize=4, label=name)
    axes.set_xlabel("share of the pattern that is damaged")
    axes.set_ylabel("share of patterns recalled exactly")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)


def capacity(
    figure: Any, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, bits: bool
) -> None:
    """Draw the overlap of patterns with what they run to by load: a line for each set of patterns.

    Args:
        figure: a matplotlib Figure.
        curves: name -> loads P / N, overlaps.
        bits: whether the theory of Hebb's rule belongs beside them.
    """
    figure.set_size_inches(6, 3.8)
    axes = figure.subplots()
    for name, (loads, overlaps) in curves.items():
        axes.plot(loads, overlaps, "o-", markersize=4, label=name)
    if bits:
        loads, overlaps = hebb_theory()
        axes.plot(loads.tolist(), overlaps.tolist(), color="0.3", linestyle="--", linewidth=1.2)
        axes.plot([loads[-1]] * 2, [float(overlaps[-1]), 0], color="0.3", linestyle="--", linewidth=1.2)
        axes.plot([], [], color="0.3", linestyle="--", label="theory: Hebb's rule, random patterns")
    axes.set_xlabel("stored patterns a unit")
    axes.set_ylabel("overlap after the recall")
    axes.set_ylim(-0.05, 1.05)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
