"""How far values spread around what is forecast, fitted to the validation part when training has ended.

The width that a network learns is that of the training part, a step ahead: one that knows it by heart is too
sure of itself, one that has learnt for a short time not sure enough. One number mends both, as a temperature
does for a classifier (Guo et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from elman.core.records import Example
from elman.data import batching
from elman.tasks.evaluation import to_device
from elman.tasks.forecast.networks import Autoregressive

_WINDOWS, _PATHS = 200, 100
"""Windows that are looked at, and paths that are drawn of each."""

_INTERVALS = (0.7, 0.8, 0.9)
"""Which shares of the paths, in the middle, should hold as large shares of the values."""

_REACH, _HALVED = 16.0, 9
"""How far what is added to the raw number may go, and how often an interval is halved to find it."""


@torch.inference_mode()
def fit(network: Autoregressive, examples: Sequence[Example], seed: int) -> float:
    """Add to the bias of the number that says how far values spread, and return what was added.

    The middle of the paths should hold as large a share of the values as of the paths. What chance explains,
    within a standard error, is left as it is.

    Args:
        network: in evaluation mode.
        examples: windows with targets.
        seed: of the paths.
    """
    chosen = [examples[place] for place in range(0, len(examples), max(1, len(examples) // _WINDOWS))][
        :_WINDOWS
    ]
    bias, place = network.output.bias, network.kind.spread
    learnt, right = float(bias[place]), sum(_INTERVALS) / len(_INTERVALS)

    def missing(added: float) -> float:
        """Which share of the values lies outside that should not: above 0 where paths spread too little."""
        bias[place] = learnt + added
        return right - _inside(network, chosen, seed)

    error = math.sqrt(right * (1 - right) / len(chosen))
    found = missing(0.0)
    added = 0.0 if math.isnan(found) or abs(found) <= error else _root(missing, 1.0 if found > 0 else -1.0)
    bias[place] = learnt + added
    return added


def _root(falling: Callable[[float], float], step: float) -> float:
    """Where a falling function crosses 0, from 0 in the direction of `step`."""
    near, far = 0.0, step
    while falling(far) * step > 0 and abs(far) < _REACH:
        near, far = far, 2 * far
    for _ in range(_HALVED):
        middle = (near + far) / 2
        near, far = (middle, far) if falling(middle) * step > 0 else (near, middle)
    return (near + far) / 2


def _inside(network: Autoregressive, examples: Sequence[Example], seed: int) -> float:
    """Which share of the values lies in the middle of the paths, a mean over the intervals.

    A value lies at all shares of the paths from those below it to those not above it, of which a count that
    paths hit has many (Czado et al. 2009).
    """
    device = network.output.bias.device
    generator = torch.Generator(device).manual_seed(seed)
    total, count = 0.0, 0
    for _, batch in batching.eval_batches(examples):
        batch = to_device(batch, device)
        horizon = network.layout.horizon
        values = batch.targets[-horizon:]  # [H, B]
        paths = network.paths(batch.seq.data, _PATHS, generator)[:horizon]
        low = (paths < values[:, None]).sum(1) / (_PATHS + 1)
        high = ((paths <= values[:, None]).sum(1) + 1) / (_PATHS + 1)
        there = ~values.isnan()
        for interval in _INTERVALS:
            ends = (1 - interval) / 2, (1 + interval) / 2
            shares = (high.clamp(*ends) - low.clamp(*ends)) / (high - low)
            total += float(shares[there].sum()) / len(_INTERVALS)
        count += int(there.sum())
    return total / count if count else math.nan
