"""Language models, classifiers, taggers, recognisers: an input in step with recurrent layers, and scores."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from elman.batch import Seq, State
from elman.encoder import EACH_STEP, Encoder
from elman.export.base import STATES, Graph, Named, Piece, Sizes, Tensors, Value, refused, states
from elman.export.networks import common
from elman.export.networks.common import INPUT
from elman.tasks.classify import ClassifyNetwork
from elman.tasks.language import LanguageNetwork
from elman.tasks.recognize.network import RecognizeNetwork, Said
from elman.tasks.tag.network import Tagged, TagNetwork, WordInput

SCORES, FRAMES = "scores", "frames"


def named(state: State) -> Named:
    """The state after a call, by the names of its tensors."""
    return dict(zip(STATES, state, strict=False))


@final
class LanguagePiece(Piece):
    """Scores [T, B, V] of the symbol after each."""

    def __init__(self, network: LanguageNetwork) -> None:
        self._network = network

    def describe(self, graph: Graph) -> None:
        """See `Piece`."""
        vectors = common.read(graph, self._network.embedding)
        hidden, _ = common.recurrent(graph, self._network.recurrent, vectors)
        graph.output(SCORES, common.linear(graph, hidden, self._network.output))

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `Piece`."""
        return {INPUT: common.read_example(self._network.embedding, sizes, generator)}

    def heard(self, said: Named) -> Any:
        """See `Piece`."""
        return said[SCORES]

    def says(self, given: Named, lengths: Tensor | None) -> Named:
        """See `Piece`."""
        scores, state = self._network(Seq(given[INPUT], lengths), states(given))
        return {SCORES: scores, **named(state)}


class _Encoded(Piece):
    """What begins with an encoder; a stream gives it frames, where there are frames."""

    def __init__(self, encoder: Encoder, streams: bool) -> None:
        self._encoder, self._framed = encoder, streams and encoder.frame != EACH_STEP

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `Piece`."""
        if self._framed:
            width = self._encoder.reader.width * self._encoder.frame.size
            return {INPUT: common.numbers(sizes, width, generator)}
        return {INPUT: common.read_example(self._encoder.reader, sizes, generator)}

    def about(self) -> dict[str, Any]:
        """See `Piece`."""
        frame = self._encoder.frame
        return {} if frame == EACH_STEP else {"frame": frame.size, "hop": frame.hop}

    def _vectors(self, given: Named, lengths: Tensor | None) -> Seq:
        seq = Seq(given[INPUT], lengths)
        return seq if self._framed else self._encoder.read(seq)


@final
class ClassifyPiece(_Encoded):
    """Scores [B, C] of classes; in a stream, after all that came so far."""

    def __init__(self, network: ClassifyNetwork, streams: bool) -> None:
        super().__init__(network.encoder, streams)
        self._network = network

    def describe(self, graph: Graph) -> None:
        """See `Piece`."""
        hidden, last = common.encoder(graph, self._network.encoder)
        vector = common.pooled(graph, self._network.pool, hidden, last[0])
        graph.output(SCORES, common.linear(graph, vector, self._network.output))

    def heard(self, said: Named) -> Any:
        """See `Piece`."""
        return said[SCORES]

    def says(self, given: Named, lengths: Tensor | None) -> Named:
        """See `Piece`."""
        scores, state = self._network.scored(self._vectors(given, lengths), states(given))
        return {SCORES: scores, **named(state)}


@final
class RecognizePiece(_Encoded):
    """Scores [T', B, V + 1] of the symbols, the blank last, at each frame."""

    def __init__(self, network: RecognizeNetwork, streams: bool) -> None:
        super().__init__(network.encoder, streams)
        self._network = network

    def describe(self, graph: Graph) -> None:
        """See `Piece`."""
        hidden, _ = common.encoder(graph, self._network.encoder)
        graph.output(SCORES, common.linear(graph, hidden, self._network.output))
        if isinstance(graph, Tensors) and graph.lengths is not None:
            graph.give(FRAMES, graph.lengths, torch.int64, ["B"])

    def heard(self, said: Named) -> Any:
        """See `Piece`."""
        return Said(said[SCORES], said[FRAMES])

    def says(self, given: Named, lengths: Tensor | None) -> Named:
        """See `Piece`."""
        vectors = self._vectors(given, lengths)
        hidden, state = self._network.encoder.run(vectors, states(given))
        counted = {} if hidden.lengths is None else {FRAMES: hidden.lengths}
        return {SCORES: self._network.output(hidden.data), **counted, **named(state)}


@final
class TagPiece(Piece):
    """Scores [T, B, K] of tags; the likeliest sequence by a field is looked for outside."""

    def __init__(self, network: TagNetwork) -> None:
        self._network = network

    def describe(self, graph: Graph) -> None:
        """See `Piece`."""
        vectors = _words(graph, self._network.words)
        hidden, _ = common.recurrent(graph, self._network.recurrent, vectors)
        graph.output(SCORES, common.linear(graph, hidden, self._network.output))

    def example(self, sizes: Sizes, generator: torch.Generator) -> Named:
        """See `Piece`."""
        words = self._network.words
        own = common.symbols(sizes, 2 * len(words.frequencies), generator)[..., None]
        letters = torch.zeros(*own.shape[:2], 8, dtype=torch.int64)
        if words.chars is not None:
            letters = torch.randint(1, words.chars.num_embeddings, letters.shape, generator=generator)
        ends = torch.randint(1, 9, own.shape, generator=generator)
        return {INPUT: torch.cat([own, letters.where(torch.arange(8) < ends, 0)], 2)}

    def heard(self, said: Named) -> Any:
        """See `Piece`."""
        return Tagged(said[SCORES], self._network.crf)

    def says(self, given: Named, lengths: Tensor | None) -> Named:
        """See `Piece`."""
        said, state = self._network(Seq(given[INPUT], lengths), states(given))
        return {SCORES: said.emissions, **named(state)}

    def about(self) -> dict[str, Any]:
        """The field over tags; null: forbidden."""
        crf = self._network.crf
        if crf is None:
            return {}
        pairs = (crf.transitions, crf.allowed), (crf.start, crf.starts), (crf.end, crf.ends)
        scores = [score.masked_fill(~mask, torch.nan).tolist() for score, mask in pairs]
        return {"crf": dict(zip(("transitions", "start", "end"), map(_nulls, scores), strict=True))}


def _nulls(scores: Any) -> Any:
    """The same lists, null for what is not a number."""
    if isinstance(scores, list):
        return [_nulls(score) for score in scores]
    return scores if scores == scores else None


def _words(graph: Graph, words: WordInput) -> Value:
    """Words as vectors; a target that has no tensors gets the numbers of words alone."""
    count, table = len(words.frequencies), words.embedding.weight
    if isinstance(graph, Tensors):
        both = graph.tensor(INPUT, torch.int64, ["T", "B", "1 + C"])
        graph.timed(both)
        number = graph.op("Gather", both, 0, axis=2)
        number = graph.op("Where", graph.op("Less", number, count), number, 0)
        own = graph.lookup(number, table)
        if words.spelling is None:
            return own
        return graph.concat([own, _spelled(graph, words, graph.op("Slice", both, [1], [common.MOST], [2]))])
    if words.spelling is not None:
        got = "layers over its letters, which read both ways"
        raise refused("a word", got, remedy="train with tag.char_hidden=0, or export to ONNX")
    return graph.lookup(graph.symbols(INPUT, count), table)


def _spelled(graph: Tensors, words: WordInput, letters: Value) -> Value:
    """The last states, both ways, of the layers over the letters [T, B, C] of each word."""
    assert words.chars is not None
    assert words.spelling is not None
    longest = graph.op("Slice", graph.op("Shape", letters), [2], [3], [0])
    count = graph.op("Mul", graph.steps, graph.batch)
    flat = graph.op("Reshape", letters, graph.op("Concat", [-1], longest, axis=0))
    there = graph.op("Cast", graph.op("Greater", flat, 0), to=torch.int64)
    lengths = graph.op("Max", graph.op("ReduceSum", there, [1], keepdims=0), 1)
    shape = graph.op("Concat", graph.steps, graph.batch, [-1], axis=0)
    with common.over(graph, longest, count, lengths):
        vectors = graph.lookup(graph.op("Transpose", flat, perm=[1, 0]), words.chars.weight)
        starts = common.started(graph, common.initial_states(words.spelling))
        before = [
            [graph.rows(start, 2 * layer, 2) for start in starts] for layer in range(words.spelling.layers)
        ]
        _, after = common.stacked(graph, words.spelling, vectors, before, within=True)
        last = common.last_states(graph, after[-1][0], 2)
    return Value(graph.op("Reshape", last, shape).name, last.width)
