"""Graphs that were made in the place of their network, so that a task can score them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from elman.core.records import Seq, State
from elman.exporters.graph import LENGTHS, NEXT, STATES, ExportedGraph, Named
from elman.exporters.layers import INPUT
from elman.nn.attention import AttentionMemory
from elman.nn.decoder import Decoder, DecoderContext, DecoderOutput
from elman.tasks.seq2seq import graph
from elman.tasks.seq2seq.graph import INSIDE, KEYS, SCORES, SYMBOLS, VALUES, WEIGHTS

Running = Callable[[Named], Named]
"""A graph that runs: what goes in, whatever it has no use for aside -> what comes out."""


@final
class GraphModule(nn.Module):
    """A network of one graph.

    Args:
        piece: of the network.
        graph: made of it.
    """

    def __init__(self, piece: ExportedGraph, graph: Running) -> None:
        super().__init__()
        self._piece, self._graph = piece, graph
        self.place = nn.Parameter(torch.zeros(0))  # tells who asks that it is on the CPU

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Any, State]:
        """Return the network's scores of [T, B, ...], and the state at the end."""
        outputs = self._graph({**_given(seq), **dict(zip(STATES, state or (), strict=False))})
        after = tuple(outputs[NEXT + name] for name in STATES if NEXT + name in outputs)
        return self._piece.as_scores(outputs), after


@final
class _Writer(nn.Module):
    """A network that reads and writes.

    Args:
        decoder: of the network.
        reads: the graph of its encoder.
        writes: that of a step of the decoder.
    """

    def __init__(self, decoder: Decoder, reads: Running, writes: Running) -> None:
        super().__init__()
        self._names = graph.state_names(decoder)
        self._width, self._reads = decoder.embedding.width, reads
        self._decoder = _Decoder(decoder.border, self._names, writes)
        self.place = nn.Parameter(torch.zeros(0))  # as of `GraphModule`

    def forward(self, seq: Seq, state: State | None = None) -> tuple[DecoderContext, State]:
        """Run the exported graph on [T, B, ...] in place of the network's encoder."""
        outputs = self._reads(_given(seq))
        memory = AttentionMemory(outputs[VALUES], outputs[KEYS], outputs[INSIDE])
        fed = torch.zeros(1, seq.data.shape[1], self._width)
        begun = tuple(outputs.get(name, fed) for name in self._names)
        return DecoderContext(cast("Decoder", self._decoder), memory, begun), ()


class _Decoder:
    """What a `DecoderContext` asks of a decoder; the features of a step are its scores."""

    def __init__(self, border: int, names: Sequence[str], graph: Running) -> None:
        self.border, self._names, self._graph = border, names, graph

    def __call__(self, symbols: Tensor, memory: AttentionMemory, state: State) -> DecoderOutput:
        """See `Decoder.forward`."""
        attended = {VALUES: memory.values, KEYS: memory.keys, INSIDE: memory.inside}
        outputs: list[Named] = []
        for row in symbols:
            outputs.append(
                self._graph({SYMBOLS: row, **attended, **dict(zip(self._names, state, strict=True))})
            )
            state = tuple(outputs[-1][NEXT + name] for name in self._names)
        scores, weights = (torch.stack([step[name] for step in outputs]) for name in (SCORES, WEIGHTS))
        return DecoderOutput(scores, weights, state)

    def output(self, features: Tensor) -> Tensor:
        """See `Decoder`."""
        return features

    def dropped(self, features: Tensor) -> Tensor:
        """See `Decoder`."""
        return features


def stand_in(pieces: Sequence[ExportedGraph], graphs: Sequence[Running]) -> nn.Module | None:
    """Put the graphs of these pieces in place of their network; None where it cannot be scored so."""
    match pieces:
        case [graph.EncoderPiece(), graph.DecoderPiece(decoder=decoder)]:
            return _Writer(decoder, *graphs)
        case [piece] if type(piece).as_scores is not ExportedGraph.as_scores:
            return GraphModule(piece, *graphs)
        case _:
            return None


def _given(seq: Seq) -> Named:
    steps, batch = seq.data.shape[:2]
    return {INPUT: seq.data, LENGTHS: torch.full((batch,), steps) if seq.lengths is None else seq.lengths}
