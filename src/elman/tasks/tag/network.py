"""The network of taggers: vectors of words, recurrent layers over them, scores of tags and their field."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.records import Seq, State
from elman.core.run_config import DataSettings, NetworkSettings
from elman.nn import encoder
from elman.nn.crf import Crf
from elman.nn.layer_stack import dropout
from elman.nn.masks import step_mask
from elman.nn.recurrent import Recurrent
from elman.tasks.tag.settings import TagConfig
from elman.tasks.tag.words import TaggerWords


class Tagged(NamedTuple):
    """What a network says: scores [T, B, K] of tags at each step, and the field over them, or None."""

    emissions: Tensor
    crf: Crf | None


class WordInput(nn.Module):
    """Words as vectors: [embedding(word); last states, both ways, of a network over its characters].

    Args:
        words: what the training part had.
        width: size of a word's own vector.
        data: words rarer than `min_count` have no vector of their own.
        options: the sizes of the network over characters, and word dropout.
        config: the cell, and shares of words that are dropped or read as unknown.
    """

    frequencies: Tensor

    def __init__(
        self, words: TaggerWords, width: int, data: DataSettings, options: TagConfig, config: NetworkSettings
    ) -> None:
        super().__init__()
        kept = [
            count for count in words.counts.values() if count >= data.min_count
        ]  # the most frequent first
        self._options, self._config = options, config
        self.register_buffer("frequencies", torch.tensor([1.0, *kept]), persistent=False)
        self.embedding = _embedding(len(kept) + 1, width, config.embedding_init)
        self.chars = self.spelling = None
        if options.char_hidden:
            self.chars = _embedding(words.symbols, options.char_embedding)
            self.spelling = Recurrent(
                config.cell,
                options.char_embedding,
                options.char_hidden,
                layers=options.char_layers,
                bidirectional=True,
            )
        self.size = width + 2 * options.char_hidden

    def forward(self, data: Tensor) -> Tensor:
        """Vectors [N, `size`] of words [N, 1 + C]."""
        own = self._own(data[:, 0])
        return own if self.chars is None else torch.cat([own, self._spelled(data[:, 1:])], 1)

    def _own(self, numbers: Tensor) -> Tensor:
        numbers = numbers.where(numbers < len(self.frequencies), 0)
        weight = self.embedding.weight
        if self.training:
            numbers = self._some(numbers)
            if share := self._config.embedding_dropout:
                weight = weight * F.dropout(weight.new_ones(len(weight), 1), share)
        return F.embedding(numbers, weight)

    def _some(self, numbers: Tensor) -> Tensor:
        """The words without those that are dropped: any with the same share, and the rare ones more often."""
        alpha, share = self._options.word_dropout, self._config.symbol_dropout
        kept = (1 - share) * self.frequencies[numbers] / (alpha + self.frequencies[numbers])
        return numbers.where(torch.rand_like(kept) < kept, 0)

    def _spelled(self, chars: Tensor) -> Tensor:
        """Each word is read once, however often it is in the batch: that saves most of the time."""
        assert self.chars is not None
        assert self.spelling is not None
        if torch.compiler.is_compiling():  # how many are distinct is not known to a graph
            return self._last_states(chars, (chars != 0).sum(1))
        distinct, places = torch.unique(chars, dim=0, return_inverse=True)
        lengths = (distinct != 0).sum(1)
        return self._last_states(distinct[:, : int(lengths.max())], lengths)[places]

    def _last_states(self, chars: Tensor, lengths: Tensor) -> Tensor:
        """The hidden states of the last layer, both ways, of words [N, C]."""
        assert self.chars is not None
        assert self.spelling is not None
        _, state = self.spelling(Seq(self.chars(chars.t()), lengths.cpu()))
        return state[0][-2:].transpose(0, 1).flatten(1)


class TagNetwork(nn.Module):
    """Words as vectors, recurrent layers over them, and a score for every tag at every step.

    Args:
        words: `WordInput`.
        tags: K.
        config: the network's settings.
        bidirectional: whether steps see what comes after them.
        crf: the field over the scores, if there is one.
    """

    def __init__(
        self, words: WordInput, tags: int, config: NetworkSettings, *, bidirectional: bool, crf: Crf | None
    ) -> None:
        super().__init__()
        self._config = config
        self.words = words
        self.recurrent = encoder.layers(config, words.size, bidirectional=bidirectional)
        self.output = nn.Linear(self.recurrent.output_size, tags)
        self.crf = crf

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Tagged, State]:
        """Scores for words.

        Args:
            seq: words [T, B, 1 + C] as `Words.encode` numbers them, and lengths [B] or None.
            state: S tensors [L * D, B, H] to go on from, in one direction.

        Returns:
            Scores [T, B, K] with the field over them, and the state at the end.
        """
        config, (steps, batch) = self._config, seq.data.shape[:2]
        if seq.lengths is None:
            padded = self.words(seq.data.flatten(0, 1)).unflatten(0, (steps, batch))
        else:
            inside = step_mask(seq.data, seq.lengths)
            vectors = self.words(seq.data[inside])
            padded = vectors.new_zeros(steps, batch, self.words.size)
            padded[inside] = vectors
        hidden, state = self.recurrent(Seq(self._drop(padded, config.input_dropout), seq.lengths), state)
        scores = self.output(self._drop(hidden.data, config.output_dropout or config.dropout))
        return Tagged(scores, self.crf), state

    def _drop(self, vectors: Tensor, share: float) -> Tensor:
        return dropout(vectors, share, self._config.variational, self.training)


def _embedding(symbols: int, width: int, deviation: float = 0.0) -> nn.Embedding:
    """Vectors of length about 1, so that they stand beside states of a recurrent network; or as is set."""
    embedding = nn.Embedding(symbols, width)
    nn.init.normal_(embedding.weight, std=deviation or width**-0.5)
    return embedding
