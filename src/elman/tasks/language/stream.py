"""A language model as a stream: after each symbol, what comes next; and text written on from there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.decoding import completion, sampling
from elman.decoding.options import SamplingOptions
from elman.inputs.text import vocab
from elman.inputs.text.incremental import TextEncoder
from elman.inputs.text.vocab import Vocab, WordVocab
from elman.nn import encoder
from elman.nn.embedding import Embedding
from elman.nn.recurrent import Recurrent
from elman.streaming.base import (
    BatchAnswers,
    Completer,
    Composer,
    Identity,
    LayerRunner,
    LineProtocol,
    StreamCodec,
    last_steps,
)

_TOLD = 5
"""Symbols that an answer names."""

_BEAM = 64
"""Unfinished words that a search for completions keeps."""

_READY = 1 << 14
"""Symbols, up to which the views of their vectors are made ready: to make one takes as long as to use it."""


@final
class LanguageStreamer(Composer, Completer, BatchAnswers):
    """Log probabilities [V] of the symbol after each.

    The state is the layers', and the last one's output [1, B, H]: not-a-number before the first symbol.

    Args:
        symbols: the vocabulary.
        embedding: the first layer.
        recurrent: the layers.
        output: the last layer.
        first: what a text is taken to come after.
    """

    def __init__(
        self, symbols: Vocab, embedding: Embedding, recurrent: Recurrent, output: nn.Linear, first: str
    ) -> None:
        self._vocab, self._first = symbols, first
        self._texts = [symbols.decode([number]) for number in range(len(symbols))]
        self._embedding, self._recurrent, self._output = embedding, recurrent, output
        self._table, self._once = embedding.weight.detach(), encoder.one_step(recurrent)
        self._last = output.weight.detach(), output.bias.detach()
        self._vector = _vectors(self._table)

    @property
    def hidden(self) -> int:
        return self._recurrent.cell.states

    def start(self, begin: Any) -> State:
        """See `Streamer`: it starts from nothing."""
        if begin:
            raise TaskError("start", repr(begin), expected="nothing", remedy="feed(...) a text to begin with")
        output = self._output.weight.new_full((1, 1, self._recurrent.output_size), torch.nan)
        return *(s.detach().clone() for s in self._recurrent.initial(1)), output.detach()

    def ends(self, begin: Any) -> StreamCodec:
        return StreamCodec(TextEncoder(self._vocab), Identity())

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        if len(seq.data) == 1:
            y, after = self._once(self._table[seq.data[0]], state[:-1])
            hidden = Seq(y[None])
        else:
            hidden, after = self._recurrent(Seq(self._embedding(seq.data), seq.lengths), state[:-1])
        return F.linear(hidden.data, *self._last).log_softmax(-1), (*after, last_steps(hidden))

    def runner(self, state: State) -> LayerRunner:
        weight, bias = self._last

        def says(hidden: Tensor) -> Tensor:
            return torch.addmv(bias, weight, hidden).log_softmax(0)

        return LayerRunner(encoder.stepper(self._recurrent, state[:-1]), self._vector, says, state[-1])

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The likeliest symbols that may come next, with their probabilities."""
        return self.answers([output])[0]

    def answers(self, outputs: list[Tensor]) -> list[dict[str, Any]]:
        logp = torch.stack(outputs)
        best, symbols = logp.topk(min(_TOLD, logp.shape[1]))
        p = best.cpu().double().exp().round(decimals=6)
        return [self._row(*row) for row in zip(symbols.tolist(), p.tolist(), strict=True)]

    def _row(self, symbols: list[int], p: list[float]) -> dict[str, Any]:
        texts = self._texts
        named = {texts[symbol]: share for symbol, share in zip(symbols, p, strict=True)}
        return {"prediction": texts[symbols[0]], "probabilities": named}

    def lines(self, state: State) -> LineProtocol:
        """Bits per character of a line after those before it, and the symbols that may follow."""

        def answer(line: str, outputs: list[Tensor]) -> dict[str, Any]:
            said, symbols = [*self._next(state), *outputs], self._vocab.encode(line).tolist()
            told = self.answer(outputs[-1]) if outputs else {}
            if len(outputs) != len(symbols) or len(said) < 2:
                return told  # a part of a word is buffered, or nothing was before it
            first = symbols[: 1 + len(outputs) - len(said)]  # of the very first symbol nothing was said
            size = len(line) - len(self._vocab.decode(first))
            pairs = zip(said, symbols[len(first) :], strict=False)
            bits = -sum(float(logp[symbol]) for logp, symbol in pairs) / math.log(2)
            return {"bits_per_char": round(bits / max(1, size), 4), **told}

        return LineProtocol(read=str, answer=answer)

    def _next(self, state: State) -> list[Tensor]:
        """Log probabilities [V] of the symbol after a state; none before the first symbol."""
        hidden = state[-1][0, 0]
        return [] if hidden.isnan().any() else [F.linear(hidden, *self._last).log_softmax(0)]

    def compose(self, state: State, generator: torch.Generator, how: SamplingOptions) -> Iterator[str]:
        """Text without end; see `Composer`."""
        layers, scores = self._scores(state, "")
        unknown = self._vocab.unknown
        symbols = sampling.generate(
            self._step,
            scores,
            layers,
            generator=generator,
            banned=[] if unknown is None else [unknown],
            **how.filters(),
        )
        decoder = vocab.SymbolDecoder(self._vocab)
        return (decoder.feed(int(symbol)) for symbol in symbols)

    def complete(self, ends: StreamCodec, state: State, text: str, count: int) -> list[tuple[str, float]]:
        assert isinstance(ends.encoder, TextEncoder)
        before, begun = completion.split_word(self._vocab.normal(ends.encoder.pending + text))
        begun = self._vocab.spaced(begun) if isinstance(self._vocab, WordVocab) else begun
        layers, scores = self._scores(state, before)
        width = max(_BEAM, 4 * count)
        return completion.completions(
            self._step, scores, layers, self._vocab.pieces, prefix=begun.encode(), count=count, width=width
        )

    def _scores(self, state: State, text: str) -> tuple[State, Tensor]:
        """The layers' state and the scores [1, V] of what follows, after more text."""
        if state[-1].isnan().any():
            text = text or self._first
        if not text:
            return state[:-1], self._output(state[-1][0])
        symbols = torch.from_numpy(self._vocab.encode(text, near=True)).long()[:, None]
        raw, after = self.run(Seq(symbols.to(self._output.weight.device)), state)
        return after[:-1], raw[-1]

    @torch.no_grad()
    def _step(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """One step, as the searches call it: symbols [B] -> scores [B, V]."""
        hidden, state = self._recurrent(Seq(self._embedding(symbols[None])), state)
        return self._output(hidden.data[0]), state


def _vectors(table: Tensor) -> Callable[[int], Tensor]:
    """A symbol -> its vector [1, F]."""
    if len(table) > _READY:
        return lambda symbol: table.narrow(0, symbol, 1)
    return table.split(1).__getitem__
