"""The mask of the steps that belong to a sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.core.records import Seq


def step_mask(hidden: Seq) -> Tensor:
    """[T, B, 1]: whether a step is within its sequence."""
    steps, batch = hidden.data.shape[:2]
    lengths = torch.full((batch,), steps) if hidden.lengths is None else hidden.lengths
    return (torch.arange(steps)[:, None] < lengths[None]).to(hidden.data.device)[:, :, None]
