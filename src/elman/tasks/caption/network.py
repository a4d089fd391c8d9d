"""The networks of captions: what sees a picture, what follows a film or features, what writes of either."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings
from elman.inputs.base import Input
from elman.inputs.image import Image
from elman.nn.convolution import Convolution, disturbed, map_size
from elman.nn.decoder import Decoder, DecoderContext
from elman.nn.encoder import Encoder
from elman.nn.pooling import Pool
from elman.nn.readers import InputLayer, PixelInput
from elman.tasks.caption.settings import CaptionConfig


class CaptionNetwork(nn.Module):
    """What there is to look at, and the decoder that writes of it.

    Args:
        member: what is read.
        symbols: how many symbols a caption may have, without the border.
        config: the network's settings.
        options: the task's settings.
    """

    def __init__(self, member: Input, symbols: int, config: NetworkSettings, options: CaptionConfig) -> None:
        super().__init__()
        self.source = source(member, config, options)
        self.decoder = Decoder(
            symbols,
            config,
            attention_kind=options.attention,
            value_size=self.source.value_size,
            summary_size=self.source.summary_size,
            feed=options.feed,
            tie=options.tie,
        )

    def forward(self, seq: Seq, state: State | None = None) -> tuple[DecoderContext, State]:
        """What there is to write of pixels or features [T, B, F], and the encoder's state at their ends."""
        values, summary, after = self.source(seq, state)
        return self.decoder.read(values, summary), after


def source(member: Input, config: NetworkSettings, options: CaptionConfig) -> Still | Moving:
    """What makes of an input the memory and the summary."""
    if not isinstance(member, Image):
        return Moving(member.reader(), config, options)
    seen = ImageMaps(member.reader(), options)
    if member.film:
        return Moving(FilmInput(seen), config, options)
    height, width = map_size(member.height, member.width, options.blocks)
    return Still(seen, height * width, config.dropout)


class ImageMaps(nn.Module):
    """Pixels [T, B, H * W * 3] as maps [T, B, width, H', W'], disturbed in training as the settings say."""

    def __init__(self, pixels: PixelInput, options: CaptionConfig) -> None:
        super().__init__()
        self.pixels, self._options = pixels, options
        self.convolution = Convolution(options.channels, options.blocks, options.depth)

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        planes, options = self.pixels.planes(data), self._options
        if self.training:
            planes = disturbed(
                planes,
                shift=options.shift,
                zoom=options.zoom,
                turn=options.turn,
                flip=options.flip,
                brightness=options.brightness,
            )
        return self.convolution(planes.flatten(0, 1)).unflatten(0, planes.shape[:2])


@final
class Still(nn.Module):
    """A picture: the places of its map are the memory, their mean the summary.

    To each place a vector is added that is learnt and tells where it is; else all places would be alike to
    attention.

    Args:
        seen: what makes the map.
        places: H' x W' of it.
        dropout: share dropped of the map.
    """

    def __init__(self, seen: ImageMaps, places: int, dropout: float) -> None:
        super().__init__()
        self.seen, self._dropout = seen, dropout
        self.value_size = self.summary_size = seen.convolution.width
        self.places = nn.Parameter(torch.randn(places, 1, self.value_size) * 0.1)

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Seq, Tensor, State]:
        """Values [H' * W', B, width], summary [B, width], and no state, of pictures [1, B, H * W * 3]."""
        (map_,) = self.seen(seq.data)
        values = map_.flatten(2).permute(2, 0, 1) + self.places
        values = F.dropout(values, self._dropout, self.training)
        return Seq(values), values.mean(0), ()


@final
class Moving(nn.Module):
    """A film or features: the states of recurrent layers are the memory, the last one is the summary."""

    def __init__(self, reader: InputLayer, config: NetworkSettings, options: CaptionConfig) -> None:
        super().__init__()
        self.encoder = Encoder(reader, config, bidirectional=options.bidirectional)
        self.summary = Pool("last", self.encoder.recurrent)
        self.value_size, self.summary_size = self.encoder.recurrent.output_size, self.summary.output_size

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Seq, Tensor, State]:
        """Values [T, B, M], summary [B, S] and the state at the end, of features [T, B, F]."""
        hidden, after = self.encoder(seq, state)
        return hidden, self.summary(hidden, after), after


@final
class FilmInput(InputLayer):
    """The frames of films [T, B, H * W * 3] as the means of their maps, [T, B, width]."""

    def __init__(self, seen: ImageMaps) -> None:
        super().__init__(seen.convolution.width)
        self.seen = seen

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.seen(data).mean((3, 4))
