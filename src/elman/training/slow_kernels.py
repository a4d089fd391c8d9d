"""Whether a training lacks the native kernels, by about how much that is slower, and how to get them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from elman.core.records import Example
from elman.core.run_config import RunConfig
from elman.diagnostics.layer_trace import has_layers
from elman.nn.cells import registry
from elman.nn.formula.listing import listed
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import KernelRequest
from elman.nn.kernels.native.extension import missing
from elman.nn.kernels.native.kernel import lacks

_TIMES = {"aten": ("1 to 3", "2 to 5"), "loop": ("3 to 10", "3 to 10")}
"""How many times as long the layers take in another kernel, with sequences of one length and of several: most
rows of docs/kernels.md with batches of 16 sequences or more."""


def notice(run: RunConfig, network: nn.Module, device: torch.device, sequences: Iterable[Example]) -> str:
    """Return a line for a training that native kernels would serve if they were there; else an empty text.

    Args:
        run: the settings.
        network: what is trained.
        device: what it is trained on.
        sequences: that are learnt from, which are looked at only where the kernels are missing.
    """
    settings = run.network
    half = run.training.precision == "bfloat16"
    if missing is None or device.type != "cpu" or not has_layers(network):
        return ""
    ragged = len({len(one.data) for one in sequences}) > 1
    cell = registry.get(settings.cell)
    case = KernelRequest(
        cell.name,
        device.type,
        torch.bfloat16 if half else torch.float32,
        ragged=ragged,
        normed=settings.layer_norm,
        masked=settings.recurrent_dropout > 0,
        projected=settings.projection > 0,
        zoned=settings.zoneout > 0,
        unlisted=listed(cell, settings.hidden).refusal,
    )
    kernel, reason = dispatch.choose(case)
    if lacks(case) or reason.startswith("forced"):
        return ""
    times = _TIMES[kernel.name][ragged]
    return f"slower without native kernels, recurrent layers take about {times} times as long: {missing}"
