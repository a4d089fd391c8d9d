"""How gates are used: how far they open, how long units remember, which say nothing or always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elman.diagnostics.layer_trace import HIGH, LOW, LayerTrace
from elman.nn.kernels.loop import StepwiseScan
from elman.plots import figures

_DEAD = 0.01
"""A unit whose hidden state deviates less than this over all steps says nothing."""

_BINS = 20


@dataclass(frozen=True, eq=False)
class Gate:
    """One gate of a layer and direction, over all steps of some sequences.

    Args:
        name: of the gate, such as "forget".
        shares: [bins], how the values spread from 0 to 1, in bins of one width; their sum is 1.
        shut, open: [H], the share of steps at which each unit's gate is below `LOW`, and above `HIGH`.
    """

    name: str
    shares: Tensor
    shut: Tensor
    open: Tensor

    @property
    def saturated(self) -> float:
        """The share of all values that are below `LOW` or above `HIGH`."""
        return float((self.shut + self.open).mean())


@dataclass(frozen=True, eq=False)
class UnitUse:
    """What the units of a layer and direction do over some sequences.

    Args:
        name: of the layer and direction.
        gates: of its cell; none, where it has none or does not tell.
        memory: [H], the mean memory time of each unit in steps, 1 / (1 - f), f the mean of the gate that
            keeps, or the decay that the unit has by itself; None where nothing says it.
        deviation: [H], of the hidden state over all steps and sequences.
        mean: [H], of the hidden state.
    """

    name: str
    gates: tuple[Gate, ...]
    memory: Tensor | None
    deviation: Tensor
    mean: Tensor

    @property
    def dead(self) -> Tensor:
        """The units, [N] int64, whose hidden state hardly ever leaves zero."""
        return ((self.deviation < _DEAD) & (self.mean.abs() < _DEAD)).nonzero().flatten()

    @property
    def always_on(self) -> Tensor:
        """The units, [N] int64, whose hidden state hardly changes, and is not zero."""
        return ((self.deviation < _DEAD) & (self.mean.abs() >= _DEAD)).nonzero().flatten()


@dataclass(frozen=True, eq=False)
class GateUse:
    """The use of each layer and direction of a network."""

    each: tuple[UnitUse, ...]

    def table(self) -> list[dict[str, Any]]:
        """A row for each unit: mean memory time, deviation and mean of its state, saturation of its gates."""
        return [
            {
                "layer": use.name,
                "unit": unit,
                "memory_steps": "" if use.memory is None else float(use.memory[unit]),
                "mean": float(use.mean[unit]),
                "deviation": float(use.deviation[unit]),
                **{f"{gate.name}_shut": float(gate.shut[unit]) for gate in use.gates},
                **{f"{gate.name}_open": float(gate.open[unit]) for gate in use.gates},
            }
            for use in self.each
            for unit in range(len(use.mean))
        ]

    def plot(self) -> Any:
        """A matplotlib Figure: a row a layer; how far the gates open, and how long the units remember.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure(9, 3 * len(self.each))
        grid = figure.subplots(len(self.each), 2, squeeze=False)
        for (left, right), use in zip(grid, self.each, strict=True):
            for gate in use.gates:
                label = f"{gate.name}, {gate.saturated:.0%} saturated"
                left.stairs(gate.shares, torch.linspace(0, 1, len(gate.shares) + 1), label=label)
            if use.gates:
                left.axvspan(0, LOW, color="0.93", zorder=0)
                left.axvspan(HIGH, 1, color="0.93", zorder=0)
                left.legend(frameon=False, fontsize="small", loc="upper center")
                left.set(xlabel="how far the gate is open; grey: saturated", ylabel="share of all values")
            else:
                _draw_spread(left, use)
            left.set_title(use.name, fontsize="medium")
            _draw_units(right, use)
        return figure


def gate_use(tracks: Sequence[LayerTrace]) -> GateUse:
    """How the gates and units of each layer are used.

    Args:
        tracks: what `trace` gave.
    """
    return GateUse(tuple(_use(track) for track in tracks))


@torch.no_grad()
def opened(track: LayerTrace) -> dict[str, Tensor]:
    """The values of a track's gates at each step, name -> [T, B, H]; padding is not-a-number."""
    steps, before = StepwiseScan(track.cell, track.job), track.before()
    return {
        name: values.masked_fill(~track.live[..., None], torch.nan)
        for name, values in track.cell.opened(steps.inputs, before, steps.recur).items()
    }


def _use(track: LayerTrace) -> UnitUse:
    live, values = track.live, opened(track)
    gates = tuple(_gate(name, value[live]) for name, value in values.items())
    keeping = _kept(track, values)
    memory = None if keeping is None else 1 / (1 - keeping).clamp(min=1e-6)
    hidden = track.states[0][live]
    return UnitUse(track.name, gates, memory, hidden.std(0, correction=0), hidden.mean(0))


def _kept(track: LayerTrace, values: dict[str, Tensor]) -> Tensor | None:
    """The share of its state that each unit keeps at a step, in the mean, [H]; None where nothing says it."""
    keeps, writes, live = track.cell.keeps, track.cell.writes, track.live
    if keeps in values:
        return values[keeps][live].mean(0)
    if writes in values:
        return 1 - values[writes][live].mean(0)
    return track.cell.decay(track.job.weights.own)


def _gate(name: str, values: Tensor) -> Gate:
    """The use of a gate that had these values [N, H]."""
    shares = torch.histc(values.float(), _BINS, 0, 1) / values.numel()
    shut, wide = (values < LOW).float().mean(0), (values > HIGH).float().mean(0)
    return Gate(name, shares, shut, wide)


def _draw_spread(axes: Any, use: UnitUse) -> None:
    """Where the states of the units lie, for a cell without gates."""
    order = use.mean.argsort()
    mean, wide = use.mean[order], use.deviation[order]
    rank = range(1, len(mean) + 1)
    axes.fill_between(rank, mean - wide, mean + wide, alpha=0.3, linewidth=0)
    axes.plot(rank, mean)
    axes.set(xlabel="unit, by the mean of its state", ylabel="state: mean and deviation")


def _draw_units(axes: Any, use: UnitUse) -> None:
    """Memory times by rank; where no gate keeps, how much each state moves."""
    values = use.deviation if use.memory is None else use.memory
    ranked = values.sort(descending=True).values.clamp(min=1e-6)
    axes.semilogy(range(1, len(ranked) + 1), ranked)
    axes.yaxis.set_major_formatter("{x:g}")
    what = "deviation of the state" if use.memory is None else "memory 1 / (1 - f), steps"
    axes.set_title(f"{len(use.dead)} dead, {len(use.always_on)} always on", fontsize="medium")
    axes.set(xlabel="unit, by rank", ylabel=what)
    axes.grid(alpha=0.25)
