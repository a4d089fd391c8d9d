"""Statistics of recurrent layers at one step of training."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerStats:
    """What the recurrent layers did in a step of training.

    Args:
        saturated: share of gates that were shut or open; None where no cell has gates.
        state_norm: mean Euclidean norm of the hidden state after a sequence's last step, the largest of the
            layers and directions.
        growth: how fast a small disturbance of the state grows, in nats a step, in the layer where it grows
            fastest, and so the one that remembers longest; None where sequences are too short.
        steps: of the sequences.
    """

    saturated: float | None
    state_norm: float
    growth: float | None
    steps: int

    @property
    def horizon(self) -> float | None:
        """The steps in which a disturbance halves, so how far the state reaches back; may be infinite."""
        if self.growth is None:
            return None
        return math.inf if self.growth >= 0 else math.log(0.5) / self.growth
