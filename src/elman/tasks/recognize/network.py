"""The network of recognition: frames, recurrent layers, and a score for each symbol at each frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.nn.encoder import Encoder
from elman.nn.framing import Frame
from elman.nn.readers import InputLayer
from elman.tasks.recognize.settings import RecognizeConfig


class CtcScores(NamedTuple):
    """What the network says: scores [T', B, V + 1] of frames, the blank last, and their numbers [B]."""

    scores: Tensor
    lengths: Tensor


class RecognizeNetwork(nn.Module):
    """Frames of the input, recurrent layers, a linear layer.

    Args:
        reader: the first layer.
        symbols: V.
        config: the network's settings.
        options: the task's settings.
    """

    def __init__(
        self, reader: InputLayer, symbols: int, config: NetworkSettings, options: RecognizeConfig
    ) -> None:
        super().__init__()
        self._dropout, self._speed = config.output_dropout or config.dropout, options.speed
        frame = frame_of(options)
        self.encoder = Encoder(reader, config, bidirectional=options.bidirectional, frame=frame)
        self.output = nn.Linear(self.encoder.recurrent.output_size, symbols + 1)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[CtcScores, State]:
        """Return the scores of steps [T, B, F], and the layers' state at their ends."""
        if self.training and self._speed:
            seq = at_other_speed(seq, self._speed)
        vectors = self.encoder.read(seq)
        hidden, state = self.encoder.run(vectors, state)
        frames, batch = hidden.data.shape[:2]
        lengths = torch.full((batch,), frames) if hidden.lengths is None else hidden.lengths
        scores = self.output(F.dropout(hidden.data, self._dropout, self.training))
        return CtcScores(scores, lengths), state


def frame_of(options: RecognizeConfig) -> Frame:
    """How steps become frames."""
    return Frame(options.frame, options.hop or options.frame)


def at_other_speed(seq: Seq, most: float) -> Seq:
    """Each sequence faster or slower by a random share of up to `most`, between steps by a line.

    Args:
        seq: [T, B, F].
        most: the factor of the length is drawn from 1 - most to 1 + most.

    Returns:
        [T', B, F] with the new lengths.
    """
    steps, batch = seq.data.shape[:2]
    lengths = torch.full((batch,), steps) if seq.lengths is None else seq.lengths
    factors = 1 + most * (2 * torch.rand(batch) - 1)
    made = (lengths * factors).round().long().clamp(min=1)
    ratio = (lengths - 1).clamp(min=0) / (made - 1).clamp(min=1)
    places = torch.minimum(torch.arange(int(made.max()))[:, None] * ratio, lengths - 1.0)
    before = places.long()
    after = torch.minimum(before + 1, lengths - 1)
    share = (places - before).to(seq.data)[..., None]
    columns = torch.arange(batch, device=seq.data.device)
    left, right = (seq.data[at.to(seq.data.device), columns] for at in (before, after))
    return Seq(left + share * (right - left), made)
