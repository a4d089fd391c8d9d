"""Whether a recurrent layer forgets, keeps or blows up: eigenvalues, Jacobians, Lyapunov exponents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elman.diagnostics.layer_trace import LayerTrace
from elman.nn.kernels.loop import StepwiseScan
from elman.plots import figures

_EDGE = 0.005
"""A Lyapunov exponent within this of zero, in nats a step, counts as zero."""

_LEAST = 1e-6
"""Smaller singular values are drawn as this."""

_TURNING = 10
"""The first step of this many is left out of the exponent: the disturbance turns to where it grows most."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues of the recurrent matrix of one gate.

    Args:
        name: of the layer and direction.
        gate: which of its gates.
        eigenvalues: [H] complex.
    """

    name: str
    gate: str
    eigenvalues: Tensor

    @property
    def radius(self) -> float:
        """The spectral radius: the largest absolute value."""
        return float(self.eigenvalues.abs().max())


@dataclass(frozen=True, eq=False)
class Spectra:
    """The spectrum of each gate of each layer and direction."""

    each: tuple[Spectrum, ...]

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each eigenvalue."""
        return [
            {"layer": one.name, "gate": one.gate, "real": float(value.real), "imaginary": float(value.imag)}
            for one in self.each
            for value in one.eigenvalues
        ]

    def plot(self) -> Any:
        """Plot eigenvalues in the plane with the unit circle, a row a layer, a panel a gate.

        Raises:
            TaskError: matplotlib is not installed.
        """
        names = list(dict.fromkeys(one.name for one in self.each))
        gates = max(sum(one.name == name for one in self.each) for name in names)
        figure = figures.new_figure(max(3.4, 2.5 * gates), 2.9 * len(names))
        grid = figure.subplots(len(names), gates, squeeze=False, sharex=True, sharey=True)
        for row, name in zip(grid, names, strict=True):
            row[0].set_ylabel(f"{name}\nimaginary part", fontsize="small")
            for axes, one in zip(row, (one for one in self.each if one.name == name), strict=False):
                _draw_plane(axes, one)
        for axes in grid[-1]:
            axes.set_xlabel("real part", fontsize="small")
        return figure


@dataclass(frozen=True, eq=False)
class Jacobians:
    """Singular values of d state / d state of the step before, along real sequences.

    Args:
        name: of the layer and direction.
        singular: [N, S * H] in falling order, of N steps spread over the sequences.
        exponents: [B], the largest Lyapunov exponent of each sequence in nats a step.
        judged: whether the layer's gradient vanishes or explodes, in a word; empty: nobody has judged it.
    """

    name: str
    singular: Tensor
    exponents: Tensor
    judged: str = ""

    @property
    def exponent(self) -> float:
        """The mean of the exponents."""
        return float(self.exponents.mean())

    @property
    def regime(self) -> str:
        """What the layer was judged to be; or else, as the mean exponent is below, about or above zero:
        `vanishing`, `edge` or `exploding`.
        """
        if self.judged:
            return self.judged
        if abs(self.exponent) < _EDGE:
            return "edge"
        return "vanishing" if self.exponent < 0 else "exploding"


@dataclass(frozen=True, eq=False)
class Dynamics:
    """The Jacobians of each layer and direction."""

    each: tuple[Jacobians, ...]

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each layer and direction: exponent, regime, and singular values."""
        return [
            {
                "layer": one.name,
                "lyapunov_exponent": one.exponent,
                "regime": one.regime,
                "largest_singular_value": float(one.singular[:, 0].median()),
                "median_singular_value": float(one.singular.median()),
                "smallest_singular_value": float(one.singular[:, -1].median()),
            }
            for one in self.each
        ]

    def plot(self) -> Any:
        """Plot singular values by rank, the median over steps, and their range, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure(7.2, 4.4)
        axes = figure.add_subplot()
        for one in self.each:
            rank = range(1, one.singular.shape[1] + 1)
            values = one.singular.clamp(min=_LEAST)
            label = f"{one.name}: exponent {one.exponent:+.3f}, {one.regime}"
            (line,) = axes.semilogy(rank, values.median(0).values, label=label)
            low, high = values.min(0).values, values.max(0).values
            axes.fill_between(rank, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.axhline(1, color="0.4", linewidth=1)
        axes.annotate(
            "kept as it is", (1, 1), xycoords=("axes fraction", "data"), xytext=(-3, 2), ha="right",
            textcoords="offset points", fontsize="x-small", color="0.35",
        )  # fmt: skip
        axes.set(xlabel="direction, by rank", ylabel="factor that a step stretches it by")
        axes.grid(alpha=0.25)
        figures.legend(axes, len(self.each), "lower left")
        return figure


@torch.no_grad()
def spectra(tracks: Sequence[LayerTrace]) -> Spectra:
    """Compute the eigenvalues of the recurrent matrix of each gate.

    Args:
        tracks: what `trace` gave. A projected hidden state has no square matrix, and some cells have no
            recurrent product at all: such layers are left out.
    """
    found = []
    for track in tracks:
        weight, hidden = track.job.weights.w_hh.double(), track.job.hidden_size
        if weight.shape[1] != hidden or not len(weight):
            continue
        matrices, names = weight.split(hidden), track.cell.gate_names
        if len(names) != len(matrices):
            names = tuple(f"gate {number}" for number in range(len(matrices)))
        for name, matrix in zip(names, matrices, strict=True):
            found.append(Spectrum(track.name, name, torch.linalg.eigvals(matrix)))
    return Spectra(tuple(found))


def dynamics(tracks: Sequence[LayerTrace], *, steps: int = 8, seed: int = 1) -> Dynamics:
    """Measure the step's Jacobian along real sequences: singular values and Lyapunov exponents.

        J_t = d s_t / d s_(t - 1), s all of the state
        exponent = lim 1 / T sum_t ln |J_t v_t|, with v_(t + 1) = J_t v_t / |J_t v_t|

    The exponent tells how fast a small disturbance grows.

    Args:
        tracks: what `trace` gave.
        steps: at how many steps of the sequences the Jacobian is made.
        seed: of the disturbance that is followed.

    Source: Benettin et al. (1980); Engelken, Wolf and Abbott (2023), on recurrent networks.
    """
    return Dynamics(tuple(_jacobians(track, steps, seed) for track in tracks))


def jacobian(track: LayerTrace, t: int) -> Tensor:
    """Return d s_t / d s_(t - 1) of each sequence, [B, S * H, S * H], at the state before it."""
    job = track.job._replace(weights=track.job.weights.each(Tensor.detach))
    stepper, wide = StepwiseScan(track.cell, job), [s.shape[-1] for s in track.states]
    before = torch.cat([s[t] for s in track.before()], -1).requires_grad_()
    with torch.enable_grad():
        after = torch.cat(stepper(t, stepper.inputs[t], before.split(wide, -1)), -1)
        size = after.shape[-1]
        each = torch.eye(size, dtype=after.dtype)[:, None].expand(-1, len(after), -1)
        (rows,) = torch.autograd.grad(after, before, each, is_grads_batched=True)
    return rows.transpose(0, 1)


def lyapunov(track: LayerTrace, seed: int = 1) -> Tensor:
    """Estimate the largest Lyapunov exponent along each sequence, in nats a step, [B]."""
    stepper, wide = StepwiseScan(track.cell, track.job), [s.shape[-1] for s in track.states]
    before = torch.cat(track.before(), -1).detach()
    v = torch.randn(before.shape[1:], dtype=before.dtype, generator=torch.Generator().manual_seed(seed))
    total, count = before.new_zeros(len(v)), before.new_zeros(len(v))
    live = track.live
    with torch.no_grad():
        for number, t in enumerate(stepper.order()):

            def step(s: Tensor, t: int = t) -> Tensor:
                return torch.cat(stepper(t, stepper.inputs[t], s.split(wide, -1)), -1)

            moved = torch.func.jvp(step, (before[t],), (v / v.norm(dim=-1, keepdim=True),))[1]
            size = moved.norm(dim=-1)
            grows = live[t] & (size > 0)
            counts = grows & (number >= len(live) // _TURNING)
            total += torch.where(counts, size.log(), 0.0)
            count += counts
            v = torch.where(grows[:, None], moved, v)
    return total / count.clamp(min=1)


def _draw_plane(axes: Any, one: Spectrum) -> None:
    turn = torch.linspace(0, 2 * torch.pi, 200)
    axes.fill(turn.cos(), turn.sin(), color="0.93", zorder=0)
    axes.plot(turn.cos(), turn.sin(), color="0.5", linewidth=1)
    outside = one.eigenvalues.abs() > 1
    for chosen, color in ((~outside, "tab:blue"), (outside, "tab:red")):
        points = one.eigenvalues[chosen]
        axes.plot(points.real.numpy(), points.imag.numpy(), ".", markersize=4, color=color, alpha=0.7)
    axes.set_aspect("equal")
    axes.set_title(f"{one.gate}: radius {one.radius:.2f}", fontsize="small")
    axes.tick_params(labelsize="small")


def _jacobians(track: LayerTrace, steps: int, seed: int) -> Jacobians:
    places = track.live.nonzero()
    chosen = places[torch.linspace(0, len(places) - 1, min(steps, len(places))).round().long()]
    found = [torch.linalg.svdvals(jacobian(track.only(b), t)) for t, b in chosen.tolist()]
    return Jacobians(track.name, torch.cat(found), lyapunov(track, seed))
