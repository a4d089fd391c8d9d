"""The network of classification: layers over the steps, and scores of the pooled whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.records import Seq, State
from elman.core.run_config import RunConfig
from elman.inputs.base import Input
from elman.nn.encoder import Encoder
from elman.nn.framing import Frame
from elman.nn.pooling import Pool
from elman.tasks.classify.settings import ClassifyConfig


class TrainingOutput(NamedTuple):
    """What the network says in training, where more than its scores is needed for the loss.

    Args:
        scores: [B, size].
        vectors: the vectors [T, B, width] of the sequences that these come from.
        again: the scores of other vectors.
        order: [B], the sequence that each was mixed with, if any was (Zhang et al. 2018).
        share: how much of itself each kept, from one half to 1.
    """

    scores: Tensor
    vectors: Tensor
    again: Callable[[Tensor], Tensor]
    order: Tensor | None
    share: float


class ClassifyNetwork(nn.Module):
    """Recurrent layers over the input, the pooled hidden states, and a linear layer: scores [B, size].

    Args:
        member: the input that is read.
        size: how many scores.
        run: the settings.
        frame: what becomes one step of the layers.
    """

    def __init__(self, member: Input, size: int, run: RunConfig[ClassifyConfig], frame: Frame) -> None:
        super().__init__()
        config, options = run.network, run.options
        self._options, self._dropout = options, config.output_dropout or config.dropout
        self.encoder = Encoder(member.reader(), config, bidirectional=options.bidirectional, frame=frame)
        self.pool = Pool(options.pool, self.encoder.recurrent)
        self.output = nn.Linear(self.pool.output_size, size)
        nn.init.zeros_(self.output.bias)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Tensor | TrainingOutput, State]:
        """Scores [B, size] of sequences [T, B] or [T, B, F], and the state at their ends."""
        vectors, order, share = self.encoder.read(seq), None, 1.0
        if self.training and self._options.mixup:
            vectors, order, share = self._mixed(vectors)
        if not (self.training and (self._options.mixup or self._options.adversarial)):
            return self.scored(vectors, state)
        if not vectors.data.requires_grad:
            vectors.data.requires_grad_()
        scores, after = self.scored(vectors, state)

        def again(data: Tensor) -> Tensor:
            return self.scored(Seq(data, vectors.lengths), state)[0]

        return TrainingOutput(scores, vectors.data, again, order, share), after

    def _mixed(self, vectors: Seq) -> tuple[Seq, Tensor, float]:
        """Each sequence with some of another one, which one, and how much of itself it kept."""
        order = torch.randperm(vectors.data.shape[1], device=vectors.data.device)
        drawn = float(torch.distributions.Beta(self._options.mixup, self._options.mixup).sample())
        share = max(drawn, 1 - drawn)
        data = share * vectors.data + (1 - share) * vectors.data[:, order]
        lengths = vectors.lengths
        lengths = None if lengths is None else torch.maximum(lengths, lengths[order.cpu()])
        return Seq(data, lengths), order, share

    def scored(self, vectors: Seq, state: State | None) -> tuple[Tensor, State]:
        """Scores [B, size] of vectors [T, B, width], and the state at their ends."""
        hidden, state = self.encoder.run(vectors, state)
        pooled = F.dropout(self.pool(hidden, state), self._dropout, self.training)
        return self.output(pooled), state
