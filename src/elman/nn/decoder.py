"""The half of a network that writes: a recurrent decoder that looks at a memory of what was read.

It knows numbers of symbols and no text, no task and no search; `DecoderContext.steps` is what a search asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.nn import attention, encoder
from elman.nn.attention import AttentionMemory
from elman.nn.embedding import LARGEST_EMBEDDING, Embedding
from elman.nn.layer_stack import dropout

NO_ATTENTION = "none"
"""In place of the name of an attention: the memory is the summary of the source alone."""


class DecoderOutput(NamedTuple):
    """What a decoder made of some steps.

    Args:
        features: [T', B, E], of which `Decoder.output` makes scores.
        weights: [T', B, T], how much each step looked at each of the memory.
        state: after the last step.
    """

    features: Tensor
    weights: Tensor
    state: State


class Decoder(nn.Module):
    """Recurrent layers over what was written so far, with attention to a memory at every step.

        x_t = [E y_(t-1); a_(t-1)]      (without `feed`: E y_(t-1))
        h_t, s_t = layers(x_t, s_(t-1))
        c_t = attention(h_t, memory)
        a_t = tanh(W [c_t; h_t])
        scores_t = U dropout(a_t) + b

    with input feeding (Luong et al. 2015). The state to start from is tanh(V summary). Where there is no
    attention c_t is the summary at all steps (Cho et al. 2014). One symbol more than there are is the border:
    it is read before the first, and written after the last.

    Args:
        symbols: how many symbols there are, without the border.
        config: the network's settings.
        attention_kind: the name of an attention, or `NO_ATTENTION`.
        value_size: M, of the memory's values.
        summary_size: of the summary of a source.
        feed: whether a step sees what the step before looked at.
        tie: whether U is E (Press and Wolf 2017).
        embedding: E, if it is not the decoder's own; its last symbol is the border.
    """

    def __init__(
        self,
        symbols: int,
        config: NetworkSettings,
        *,
        attention_kind: str,
        value_size: int,
        summary_size: int,
        feed: bool,
        tie: bool,
        embedding: Embedding | None = None,
    ) -> None:
        super().__init__()
        self.border, self.feed, self._config = symbols, feed, config
        width = config.embedding or min(config.hidden, LARGEST_EMBEDDING)
        self.embedding = embedding or Embedding(symbols + 1, width, config, None)
        self.recurrent = encoder.layers(replace(config, learn_initial=False), width * (1 + feed))
        hidden = self.recurrent.output_size
        self.attention = (
            None if attention_kind == NO_ATTENTION else attention.get(attention_kind)(hidden, value_size)
        )
        self.bridge = encoder.bridge(self.recurrent, summary_size)
        self.readout = nn.Linear(hidden + (value_size if self.attention else summary_size), width)
        self.output = nn.Linear(width, symbols + 1)
        nn.init.zeros_(self.output.bias)
        if tie:
            self.output.weight = self.embedding.weight

    def read(self, values: Seq, summary: Tensor) -> DecoderContext:
        """What there is to write of: values [T, B, M] to look at, and a summary [B, `summary_size`]."""
        state = encoder.bridged(self.recurrent, torch.tanh(self.bridge(summary)))
        if self.feed:
            state = *state, summary.new_zeros(1, summary.shape[0], self.embedding.width)
        if self.attention is not None:
            return DecoderContext(self, self.attention.remember(values), state)
        inside = torch.ones(1, summary.shape[0], dtype=torch.bool, device=summary.device)
        return DecoderContext(self, AttentionMemory(summary[None], summary[None], inside), state)

    def forward(self, symbols: Tensor, memory: AttentionMemory, state: State) -> DecoderOutput:
        """The steps that read symbols [T', B], one after the other; `feed` takes them one by one."""
        config = self._config
        inputs = dropout(self.embedding(symbols), config.input_dropout, config.variational, self.training)
        if not self.feed:
            return self._steps(inputs, memory, state)
        features, weights = [], []
        for step in inputs.split(1):
            *inner, fed = state
            written = self._steps(torch.cat([step, fed], -1), memory, tuple(inner))
            state = *written.state, written.features
            features.append(written.features)
            weights.append(written.weights)
        return DecoderOutput(torch.cat(features), torch.cat(weights), state)

    def dropped(self, features: Tensor) -> Tensor:
        """Features [T', B, E] as the output layer sees them."""
        config = self._config
        return dropout(features, config.output_dropout or config.dropout, config.variational, self.training)

    def _steps(self, inputs: Tensor, memory: AttentionMemory, state: State) -> DecoderOutput:
        """Steps that need nothing of one another but the recurrent state."""
        hidden, state = self.recurrent(Seq(inputs), state)
        if self.attention is None:
            context = memory.values.expand(inputs.shape[0], -1, -1)
            weights = context.new_ones(*context.shape[:2], 1)
        else:
            context, weights = self.attention(hidden.data, memory)
        return DecoderOutput(torch.tanh(self.readout(torch.cat([context, hidden.data], -1))), weights, state)


class DecoderContext(NamedTuple):
    """Sources that were read, and the decoder that can write of them.

    Args:
        decoder: the decoder.
        memory: what it looks at.
        state: what it starts from.
    """

    decoder: Decoder
    memory: AttentionMemory
    state: State

    def teacher_force(self, targets: Tensor, sampled: float = 0.0) -> Tensor:
        """Features [T', B, E] of each step where the steps before wrote the targets (teacher forcing).

        `Decoder.output` makes scores of them.

        Args:
            targets: [T', B] symbols; what is below 0 is padding.
            sampled: the share of steps that read what the decoder itself writes, drawn from its scores, in
                place of the target (scheduled sampling, Bengio et al. 2015).
        """
        decoder, before = self.decoder, self._before(targets)
        if sampled:
            before = self._sampled(before, sampled)
        return decoder.dropped(decoder(before, self.memory, self.state).features)

    def attention_weights(self, targets: Tensor) -> Tensor:
        """The weights [T', B, T] of each step where the steps before wrote the targets [T', B]."""
        return self.decoder(self._before(targets), self.memory, self.state).weights

    def rows(self, places: Tensor) -> DecoderContext:
        """The readings of these sources, [R] int64 numbers from 0 to B - 1, in that order."""
        return DecoderContext(
            self.decoder, self.memory.rows(places), tuple(part[:, places] for part in self.state)
        )

    def start(self, prefix: Tensor | None = None) -> tuple[Tensor, State]:
        """Scores [B, V] of what may come first, or after the symbols `prefix` [P]; and the state there."""
        batch = self.state[0].shape[1]
        symbols = torch.full((1, batch), self.decoder.border, device=self.state[0].device)
        if prefix is not None:
            symbols = torch.cat([symbols, prefix[:, None].expand(-1, batch)])
        written = self.decoder(symbols, self.memory, self.state)
        return self.decoder.output(written.features[-1]), written.state

    def step_fn(self, rows: Tensor) -> Callable[[Tensor, State], tuple[Tensor, State]]:
        """What a search asks for sources [R], each as often as it stands there: one step for all of them."""
        decoder, memory = self.decoder, self.memory.rows(rows)

        def step(symbols: Tensor, state: State) -> tuple[Tensor, State]:
            written = decoder(symbols[None], memory, state)
            return decoder.output(written.features[-1]), written.state

        return step

    def _before(self, targets: Tensor) -> Tensor:
        """What each step reads, [T', B], where the steps before wrote the targets: the border, then they."""
        border = torch.full_like(targets[:1], self.decoder.border)
        return torch.cat([border, targets[:-1].clamp(min=0)])

    @torch.no_grad()
    def _sampled(self, before: Tensor, share: float) -> Tensor:
        """The symbols [T', B] that each step reads, some of them drawn."""
        decoder, state, read = self.decoder, self.state, [before[:1]]
        chosen = torch.rand(before.shape, device=before.device) < share
        for place in range(1, len(before)):
            written = decoder(read[-1], self.memory, state)
            scores, state = decoder.output(decoder.dropped(written.features)[-1]), written.state
            drawn = torch.multinomial(scores.float().softmax(-1), 1).t()
            read.append(drawn.where(chosen[place : place + 1], before[place : place + 1]))
        return torch.cat(read)
