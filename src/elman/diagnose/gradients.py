"""How far back in time the loss at the end of a sequence still moves: vanishing and exploding gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from elman import figures
from elman.diagnose.base import Run, Track, trace
from elman.errors import DataError

_LEAST = 1e-30
"""Below this a median counts as nothing, for its logarithm says no more."""


@dataclass(frozen=True, eq=False)
class Flow:
    """The gradient of the loss with respect to the state k steps before the end, for one layer and direction.

    Args:
        name: of the layer and direction.
        norms: [K, B], the Euclidean norm over all of a state, k = 0 the last step; not-a-number before the
            start of a sequence.
    """

    name: str
    norms: Tensor

    def quantile(self, share: float) -> Tensor:
        """That quantile over the sequences, [K]."""
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
    def growth(self) -> float:
        """The factor by which the median grows a step back, fitted to its logarithm by least squares.

        Below 1 the gradient vanishes, above 1 it explodes; 0 where nothing is left after the first step.
        """
        known = self.median[self.median > _LEAST].double().log()
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
        """A row for each layer, direction and k: median and quartiles."""
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
        """A matplotlib Figure: the norms by k, on a logarithmic scale, with their quartiles.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new()
        axes = figure.add_subplot()
        for flow in self.flows:
            k = range(len(flow.norms))
            (line,) = axes.semilogy(k, flow.median.clamp(min=_LEAST), label=f"{flow.name}, {_life(flow)}")
            low, high = (flow.quantile(share).clamp(min=_LEAST) for share in (0.25, 0.75))
            axes.fill_between(k, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.set_xlabel("k, steps before the end")
        axes.set_ylabel("norm of the gradient with respect to the state")
        axes.legend(frameon=False)
        return figure


def gradient_flow(network: nn.Module, run: Run) -> GradientFlow:
    """How the loss of each sequence changes with the states k steps before its end.

        | d loss / d s_(t - k) |, t the last step, s all of the state (an LSTM's h and c)

    It is the whole derivative, by every way from that state to the loss.

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
    return "does not fade" if math.isinf(flow.half_life) else f"half-life {flow.half_life:.3g} steps"


def _flow(track: Track) -> Flow:
    if track.gradients is None:
        raise DataError("run", "a loss that no state of a recurrent layer changes")
    norms = torch.cat(track.gradients, -1).double().norm(dim=-1)
    back = track.lengths - 1 - torch.arange(len(norms))[:, None]
    found = norms.gather(0, back.clamp(min=0))
    return Flow(track.name, found.masked_fill(back < 0, math.nan))
