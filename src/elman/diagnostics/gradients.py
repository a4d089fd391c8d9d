"""How far back in time the loss at the end of a sequence still moves: vanishing and exploding gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.errors import DataError
from elman.diagnostics.layer_trace import LayerTrace, Run, trace
from elman.plots import figures

_LEAST = 1e-30
"""Below this a median counts as nothing, for its logarithm says no more."""

_DIGITS = 24
"""Halvings after which a share of a sum is lost in the rounding of float32."""


@dataclass(frozen=True, eq=False)
class Flow:
    """The gradient of the loss with respect to the state k steps before, for one layer and direction.

    Steps are counted against the direction in which the layer runs, from the last one that the loss hangs on.

    Args:
        name: of the layer and direction.
        norms: [K, B], the Euclidean norm over all of a state, k = 0 the last step; not-a-number before the
            start of a sequence, and where the loss of a sequence hangs on none of its states.
        judged: whether it vanishes or explodes, in a word; empty: nobody has judged it.
    """

    name: str
    norms: Tensor
    judged: str = ""

    def quantile(self, share: float) -> Tensor:
        """Return that quantile over the sequences, [K]."""
        return self.norms.nanquantile(share, dim=1)

    @property
    def median(self) -> Tensor:
        """Over the sequences, [K]."""
        return self.quantile(0.5)

    @property
    def half_life(self) -> float:
        """The memory horizon: the steps in which the gradient halves at its `growth`; it may be infinite."""
        if self.growth >= 1:
            return math.inf
        return math.log(0.5) / math.log(self.growth) if self.growth else 0.0

    @property
    def steps(self) -> int:
        """The steps of the longest sequence."""
        return int((~self.norms.isnan()).any(1).sum())

    @property
    def horizon(self) -> float:
        """The steps after which the gradient is lost in float32's rounding: 24 half-lives, or infinite."""
        return _DIGITS * self.half_life

    @property
    def growth(self) -> float:
        """The factor by which the median grows a step back, fitted to its logarithm by least squares.

        Below 1 the gradient vanishes, above 1 it explodes; 0 where nothing is left after the first step.
        """
        known = self.median[self.median > _LEAST].double().log()
        if known.isinf().any():
            return math.inf
        if len(known) < 2:
            return 0.0
        k = torch.arange(len(known), dtype=torch.float64)
        k, known = k - k.mean(), known - known.mean()
        return math.exp(float((k * known).sum() / (k * k).sum()))


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """The flow through each layer and direction of a network.

    Args:
        flows: in the order in which the layers run.
    """

    flows: tuple[Flow, ...]

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each layer, direction and k: median and quartiles."""
        return [
            {
                "layer": flow.name,
                "k": k,
                "median": float(flow.median[k]),
                "lower_quartile": float(flow.quantile(0.25)[k]),
                "upper_quartile": float(flow.quantile(0.75)[k]),
            }
            for flow in self.flows
            for k in range(len(flow.norms))
        ]

    def plot(self) -> Any:
        """Plot the norms by k, on a logarithmic scale, with their quartiles, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure(7.2, 4.6)
        axes = figure.add_subplot()
        for flow in self.flows:
            k = range(len(flow.norms))
            (line,) = axes.semilogy(k, _drawn(flow.median), label=f"{flow.name}: {_life(flow)}{_word(flow)}")
            low, high = (_drawn(flow.quantile(share)) for share in (0.25, 0.75))
            axes.fill_between(k, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.set_xlabel("k, steps before the last one")
        axes.set_ylabel("norm of d loss / d state")
        axes.grid(alpha=0.25)
        figures.legend(axes, len(self.flows))
        return figure


@dataclass(frozen=True, eq=False)
class Comparison:
    """The flow through the same layer and direction of several networks, such as fresh ones of other cells.

    Args:
        name: of the layer and direction.
        flows: the name of a network -> its flow; the first is drawn as the one that matters.
    """

    name: str
    flows: Mapping[str, Flow]

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each network and k: the median, and its share of that of k = 0."""
        return [
            {"network": name, "layer": self.name, "k": k, "median": float(value), "share": float(share)}
            for name, flow in self.flows.items()
            for k, (value, share) in enumerate(zip(flow.median, _shares(flow), strict=True))
        ]

    def plot(self) -> Any:
        """Plot medians in shares of the last step's, on a logarithmic scale, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure(7.2, 4.6)
        axes = figure.add_subplot()
        for number, (name, flow) in enumerate(self.flows.items()):
            style = {"linestyle": "--", "linewidth": 1.4} if number else {"linewidth": 2.4, "color": "black"}
            axes.semilogy(_drawn(_shares(flow)), label=f"{name}: {_life(flow)}", **style)
        axes.axhline(2.0**-_DIGITS, color="0.6", linewidth=0.8, linestyle=":")
        axes.annotate(
            "lost in float32's rounding", (1, 2.0**-_DIGITS), xycoords=("axes fraction", "data"),
            xytext=(-3, 1), textcoords="offset points", fontsize="x-small", color="0.4", ha="right",
            va="bottom",
        )  # fmt: skip
        axes.set_xlabel("k, steps before the last one")
        axes.set_ylabel("norm of d loss / d state, share of the last step's")
        axes.set_title(self.name, fontsize="medium")
        axes.grid(alpha=0.25)
        figures.legend(axes, len(self.flows))
        return figure


def gradient_flow(network: nn.Module, run: Run) -> GradientFlow:
    """Measure how the loss of each sequence changes with the states k steps before its end.

        | d loss / d s_(t - k) |, t the last step, s all of the state (an LSTM's h and c)

    It is the whole derivative, by every way from that state to the loss. In a layer that runs from the end to
    the start, k counts the other way.

    Args:
        network: holds recurrent layers; it is not changed.
        run: calls a network with data on the CPU, and gives the loss of each sequence [B], made at its last
            step where the question is how far back that reaches.

    Raises:
        DataError: no recurrent layer ran, or there is no loss.

    Source: Bengio, Simard and Frasconi (1994); Pascanu, Mikolov and Bengio (2013).
    """
    return GradientFlow(tuple(_flow(track) for track in trace(network, run, gradients=True)))


def _life(flow: Flow) -> str:
    if flow.steps < 2:
        return "nothing flows" if flow.steps == 0 else "one step"
    return "does not fade" if math.isinf(flow.half_life) else f"half-life {flow.half_life:.3g} steps"


def _word(flow: Flow) -> str:
    return f", {flow.judged}" if flow.judged else ""


def _drawn(values: Tensor) -> Tensor:
    """Return values as a logarithmic axis takes them: zeros and infinities are left out."""
    return values.where((values > _LEAST) & values.isfinite(), math.nan)


def _shares(flow: Flow) -> Tensor:
    """Divide the medians by the first that is not zero."""
    median = flow.median
    first = (median > _LEAST).nonzero().flatten()
    return median / median[first[0]] if len(first) else median


def _flow(track: LayerTrace) -> Flow:
    if track.gradients is None:
        raise DataError("run", "a loss that no state of a recurrent layer changes")
    norms = torch.cat(track.gradients, -1).double().norm(dim=-1).nan_to_num(nan=math.inf)
    reached = (norms > 0) & track.live
    k, last = torch.arange(len(norms))[:, None], len(norms) - 1
    first, end = reached.int().argmax(0), last - reached.flip(0).int().argmax(0)
    places = first + k if track.job.reverse else end - k
    there = (places >= 0) & (places < track.lengths) & reached.any(0)
    return Flow(track.name, norms.gather(0, places.clamp(0, last)).masked_fill(~there, math.nan))
