"""What the state holds: its map over a real sequence, and which units tell a property of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core.errors import DataError
from elman.metrics.baselines import linear
from elman.plots import figures

_UNSEEN = 0.25
"""The share of steps, the last ones, that a probe is scored on."""

_FEWEST = 40
"""Steps that a probe needs, to be fitted on some and scored on others."""

_NAMED = 5
"""Units of a probe that are named."""

_SHOWN = 120
"""Steps whose symbols can still be read below a map."""


@dataclass(frozen=True, eq=False)
class StateMap:
    """The hidden state over one sequence, units side by side that move alike.

    Args:
        values: [T, H], in the order of `units`.
        units: [H] int64, the numbers of the units.
        symbols: what was read at each step, T strings; or none.
    """

    values: Tensor
    units: Tensor
    symbols: tuple[str, ...] = ()

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each step: its symbol, and the state of each unit."""
        names = [f"unit_{unit}" for unit in self.units.tolist()]
        return [
            {
                "step": step,
                "symbol": self.symbols[step] if self.symbols else "",
                **dict(zip(names, row, strict=True)),
            }
            for step, row in enumerate(self.values.tolist())
        ]

    def plot(self) -> Any:
        """Plot units by steps, red above zero and blue below, with the symbols, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        steps = len(self.values)
        longest = max(map(len, self.symbols), default=0)
        legible = longest > 0 and steps <= _SHOWN
        figure = figures.new_figure(min(20, max(6.4, 1.6 + 0.125 * steps)), 4.6)
        axes = figure.add_subplot()
        bound = float(self.values.abs().quantile(0.99)) or 1.0
        image = axes.imshow(
            self.values.t().numpy(),
            cmap="RdBu_r",
            vmin=-bound,
            vmax=bound,
            aspect="auto",
            interpolation="nearest",
        )
        if legible:
            axes.set_xticks(
                range(steps),
                [*map(figures.literal, self.symbols)],
                fontsize="small",
                rotation=90 * (longest > 1),
            )
            axes.tick_params(axis="x", length=0)
        axes.set(
            xlabel="what was read" if legible else "step", ylabel=f"{self.values.shape[1]} units", yticks=[]
        )
        figure.colorbar(image, label="hidden state", pad=0.01)
        return figure


@dataclass(frozen=True, eq=False)
class Probe:
    """How well a linear function of the state tells a property of the step.

    Args:
        score: on held-out steps: the share that is right for a property that is true or false, else R^2.
        chance: the score of the best constant.
        weights: [H], of the states divided by their deviations.
    """

    score: float
    chance: float
    weights: Tensor

    @property
    def units(self) -> Tensor:
        """The units, [H] int64, those first that tell most of it."""
        return self.weights.abs().argsort(descending=True)


class ProbeResult(NamedTuple):
    """What a probe of a layer tells of a property.

    Args:
        layer: its name.
        mark: the property's.
        probe: the probe.
    """

    layer: str
    mark: str
    probe: Probe


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes of some layers and properties."""

    each: tuple[ProbeResult, ...]

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each layer and property: scores, and the units in order of weight."""
        return [
            {
                "layer": result.layer,
                "property": result.mark,
                "score": result.probe.score,
                "chance": result.probe.chance,
                "units": " ".join(map(str, result.probe.units[:_NAMED].tolist())),
                "weights": " ".join(
                    f"{float(w):.3g}" for w in result.probe.weights[result.probe.units[:_NAMED]]
                ),
            }
            for result in self.each
        ]

    def plot(self) -> Any:
        """Plot a dot for each held-out score, and a line where chance is, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        marks = list(dict.fromkeys(result.mark for result in self.each))
        layers = list(dict.fromkeys(result.layer for result in self.each))
        figure = figures.new_figure(7.2, 1.3 + 0.42 * len(marks))
        axes = figure.add_subplot()
        for number, layer in enumerate(layers):
            own = [result for result in self.each if result.layer == layer]
            at = [marks.index(result.mark) + 0.16 * (number - (len(layers) - 1) / 2) for result in own]
            axes.plot([max(0.0, result.probe.score) for result in own], at, "o", label=layer)
            for result, y in zip(own, at, strict=True):
                axes.plot([max(0.0, result.probe.chance)] * 2, [y - 0.22, y + 0.22], color="0.5", linewidth=2)
                unit = f"unit {int(result.probe.units[0])}"
                axes.annotate(
                    unit, (max(0.0, result.probe.score), y), xytext=(7, -3), textcoords="offset points",
                    fontsize="x-small", color="0.35",
                )  # fmt: skip
        axes.set_yticks(range(len(marks)), marks)
        axes.set(xlim=(-0.03, 1.13), ylim=(len(marks) - 0.5, -0.5))
        axes.set_xlabel("held-out score: share that is right, or R² of a number; grey: chance")
        axes.grid(alpha=0.25, axis="x")
        if len(layers) > 1:
            axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, -0.25))
        return figure


def state_map(states: Tensor, symbols: Sequence[str] = ()) -> StateMap:
    """Map the hidden state over one sequence.

    The order of units is that of their angles in the plane of the two leading singular vectors: those that
    rise and fall together stand side by side.

    Args:
        states: [T, H].
        symbols: what was read at each step, or none.
    """
    apart = (states - states.mean(0)).double()
    _, size, turned = torch.linalg.svd(apart, full_matrices=False)
    plane = torch.zeros(2, states.shape[1], dtype=torch.float64)
    plane[: len(size)] = (turned * size[:, None])[:2]
    order = torch.atan2(plane[1], plane[0]).argsort()
    return StateMap(states[:, order], order, tuple(symbols))


def probe(states: Tensor, marks: Tensor) -> Probe:
    """Fit a linear function of the state to a property, on the first steps, and score it on the last quarter.

    Args:
        states: [N, H], of steps in their order.
        marks: [N], bool for a property that is true or false, else numbers.

    Raises:
        DataError: too few steps, other shapes, or a property that is the same at all steps of a part.

    Source: Alain and Bengio (2016); Karpathy, Johnson and Fei-Fei (2015).
    """
    steps = len(states)
    if marks.shape != (steps,) or steps < _FEWEST:
        expected = f"as many marks as states, and {_FEWEST} at least"
        raise DataError("probe", f"{list(marks.shape)} marks of {steps} states", expected=expected)
    cut = steps - round(steps * _UNSEEN)
    scale, values = states[:cut].std(0).clamp(min=1e-6).float(), marks.float()
    x = (states.float() - states[:cut].float().mean(0)) / scale
    if any(len(part.unique()) < 2 for part in (values[:cut], values[cut:])):
        raise DataError(
            "probe", "a property that never changes", remedy="mark more steps, or another property"
        )
    kind = _logistic if marks.dtype == torch.bool else _squares
    model = linear.fit(linear.Dense(x[:cut]), values[:cut, None], 1, kind)
    found = model.scores(linear.Dense(x[cut:]))[:, 0]
    score, chance = (_share if marks.dtype == torch.bool else _explained)(found, values[:cut], values[cut:])
    return Probe(score, chance, model.weight[:, 0])


def _logistic(scores: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, targets, reduction="sum")


def _squares(scores: Tensor, targets: Tensor) -> Tensor:
    return (scores - targets).square().sum() / 2


def _share(found: Tensor, known: Tensor, unseen: Tensor) -> tuple[float, float]:
    """Return the share that is right, and that of the more frequent of the two."""
    often = float(known.mean() >= 0.5)
    return float(((found > 0) == (unseen > 0)).double().mean()), float((unseen == often).double().mean())


def _explained(found: Tensor, known: Tensor, unseen: Tensor) -> tuple[float, float]:
    """Return R^2, and that of the mean."""
    spread = (unseen - unseen.mean()).square().sum()
    error, usual = (unseen - found).square().sum(), (unseen - known.mean()).square().sum()
    return float(1 - error / spread), float(1 - usual / spread)
