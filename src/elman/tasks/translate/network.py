"""The network of translation: an encoder, and a decoder that attends to it."""

from __future__ import annotations

from torch import nn

from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.nn import embedding
from elman.nn.decoder import Decoder, DecoderContext
from elman.nn.encoder import Encoder
from elman.nn.pooling import Pool
from elman.nn.readers import InputLayer
from elman.tasks.translate.settings import TranslateConfig


class TranslateNetwork(nn.Module):
    """An encoder of sources, and the decoder that writes of them.

    Args:
        reader: the first layer of the encoder.
        symbols: how many symbols a target may have, without the border.
        config: the network's settings.
        options: the task's settings.
        embedding: that of the decoder, if it is not its own.
    """

    def __init__(
        self,
        reader: InputLayer,
        symbols: int,
        config: NetworkSettings,
        options: TranslateConfig,
        embedding: embedding.Embedding | None = None,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(reader, config, bidirectional=options.bidirectional)
        recurrent = self.encoder.recurrent
        self.summary = Pool("last", recurrent)
        self.decoder = Decoder(
            symbols,
            config,
            attention_kind=options.attention,
            value_size=recurrent.output_size,
            summary_size=self.summary.output_size,
            feed=options.feed,
            tie=options.tie,
            embedding=embedding,
        )

    def forward(self, seq: Seq, state: State | None = None) -> tuple[DecoderContext, State]:
        """What there is to write of sources [T, B] or [T, B, F], and the encoder's state at their ends."""
        hidden, after = self.encoder(seq, state)
        return self.decoder.read(hidden, self.summary(hidden, after)), after
