"""The network of a language model."""

from __future__ import annotations

from torch import Tensor, nn

from elman.core.errors import ConfigError
from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.nn.embedding import LARGEST_EMBEDDING, Embedding
from elman.nn.encoder import layers
from elman.nn.layer_stack import dropout


class LanguageNetwork(nn.Module):
    """Embedding, recurrent layers, and a score for every symbol at every step.

    p(x_{t+1} | x_1 .. x_t) = softmax(V h_t + b) (Mikolov et al. 2010).

    Args:
        symbols: size V of the vocabulary.
        config: the network's settings.
        tie: whether the output matrix is the embedding; then embedding and hidden size must agree.
        unknown: the number of the unknown symbol, if there is one.

    Raises:
        ConfigError: a setting that does not fit the others.
    """

    def __init__(
        self, symbols: int, config: NetworkSettings, *, tie: bool, unknown: int | None = None
    ) -> None:
        super().__init__()
        size = (config.projection or config.hidden) * (config.layers if config.skip else 1)
        width = config.embedding or (size if tie else min(config.hidden, LARGEST_EMBEDDING))
        if tie and width != size:
            remedy = "set network.embedding = 0 or language.tie = false"
            plain = size == config.hidden
            expected = f"{size} as {'network.hidden' if plain else 'what the layers give'}"
            raise ConfigError("network.embedding", str(width), expected=expected, remedy=remedy)
        self._config = config
        self.embedding = Embedding(symbols, width, config, unknown)
        self.recurrent = layers(config, width)
        self.output = nn.Linear(self.recurrent.output_size, symbols)
        nn.init.normal_(self.embedding.weight, std=config.embedding_init or (width**-0.5 if tie else 1.0))
        nn.init.zeros_(self.output.bias)
        if tie:
            self.output.weight = self.embedding.weight

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Tensor, State]:
        """Logits [T, B, V] of the symbol after each of `seq.data` [T, B], and the state at the end."""
        config = self._config
        vectors = self._drop(self.embedding(seq.data), config.input_dropout)
        hidden, state = self.recurrent(Seq(vectors, seq.lengths), state)
        return self.output(self._drop(hidden.data, config.output_dropout or config.dropout)), state

    def _drop(self, vectors: Tensor, share: float) -> Tensor:
        return dropout(vectors, share, self._config.variational, self.training)
