"""The mask of the steps that belong to a sequence."""

from __future__ import annotations

import torch
from torch import Tensor


def step_mask(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Whether a step is within its sequence.

    Args:
        x: [T, B, ...], of which the shape and the device count.
        lengths: [B] int64, on any device; None: all are T.

    Returns:
        [T, B] bool, on the device of `x`.
    """
    steps, batch = x.shape[:2]
    if lengths is None:
        return torch.ones(steps, batch, dtype=torch.bool, device=x.device)
    return torch.arange(steps, device=x.device)[:, None] < lengths.to(x.device)
