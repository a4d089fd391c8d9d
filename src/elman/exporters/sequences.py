"""Networks that score each step, or the whole, of an input that goes through recurrent layers in step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.core.records import Seq, State
from elman.exporters import layers
from elman.exporters.graph import STATES, ExportedGraph, Named, Sizes
from elman.exporters.layers import INPUT
from elman.nn.encoder import Encoder
from elman.nn.framing import EACH_STEP

SCORES, FRAMES = "scores", "frames"


def named(state: State) -> Named:
    """The state after a call, by the names of its tensors."""
    return dict(zip(STATES, state, strict=False))


class _Encoded(ExportedGraph):
    """What begins with an encoder; a stream gives it frames, where there are frames."""

    def __init__(self, encoder: Encoder, streams: bool) -> None:
        self._encoder, self._framed = encoder, streams and encoder.frame != EACH_STEP

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        if self._framed:
            width = self._encoder.reader.frame_width(self._encoder.frame)
            return {INPUT: layers.numbers(sizes, width, generator)}
        return {INPUT: layers.read_example(self._encoder.reader, sizes, generator)}

    def about(self) -> dict[str, Any]:
        frame = self._encoder.frame
        return {} if frame == EACH_STEP else {"frame": frame.size, "hop": frame.hop}

    def _vectors(self, given: Named, lengths: Tensor | None) -> Seq:
        seq = Seq(given[INPUT], lengths)
        return seq if self._framed else self._encoder.read(seq)
