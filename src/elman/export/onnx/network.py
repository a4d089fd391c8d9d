"""A graph in ONNX Runtime in a network's place, so that a task can score it."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import nn

from elman.batch import Seq, State
from elman.export.base import STATES, Piece
from elman.export.onnx.check import Session
from elman.export.onnx.graph import LENGTHS, NEXT


@final
class OnnxNetwork(nn.Module):
    """What a piece computes, by ONNX Runtime.

    Args:
        piece: of the network.
        session: its graph.
        name: of the graph's input.
    """

    def __init__(self, piece: Piece, session: Session, name: str) -> None:
        super().__init__()
        self._piece, self._session, self._name = piece, session, name
        self.place = nn.Parameter(torch.zeros(0))  # tells who asks that it is on the CPU

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Any, State]:
        """What the network would have said of [T, B, ...], and the state at the end."""
        data = seq.data if seq.data.is_floating_point() else seq.data.long()
        steps, batch = data.shape[:2]
        lengths = torch.full((batch,), steps) if seq.lengths is None else seq.lengths
        given = {self._name: data, LENGTHS: lengths, **dict(zip(STATES, state or (), strict=False))}
        said = self._session(given)
        after = tuple(said[NEXT + name] for name in STATES if NEXT + name in said)
        return self._piece.heard(said), after
