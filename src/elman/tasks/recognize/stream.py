"""Recognition as a stream: parts of the transcript by the best path, and the whole of it at the end."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from elman.core import json_schema
from elman.core.errors import TaskError
from elman.core.records import Seq, State
from elman.inputs.signals.signal_input import Signal
from elman.inputs.text.vocab import Vocab
from elman.nn.encoder import Encoder
from elman.streaming.base import IncrementalDecoder, LineProtocol, ModuleRunner, StreamCodec, Streamer, framed
from elman.tasks.recognize.transcript import FrameTimes

_LONGEST = 1 << 16
"""Characters of a text, the last ones, that its end tells again; memory is bounded by them."""


class PartialTranscript(NamedTuple):
    """A part of the transcript, or at the end the whole.

    Args:
        text: the part.
        at: when its last symbol began, in seconds, or in steps where a step's length is not known.
        final: whether it is the whole text.
    """

    text: str
    at: float
    final: bool


@final
class RecognizeStreamer(Streamer):
    """Parts of the text of the best path, repeats made one, without blanks; the state is the layers'.

    Args:
        member: the input.
        symbols: the vocabulary.
        clock: how frames become times.
        encoder: the layers.
        output: the last layer, whose last score is the blank's.
    """

    def __init__(
        self, member: Signal, symbols: Vocab, clock: FrameTimes, encoder: Encoder, output: nn.Linear
    ) -> None:
        self._input, self._vocab, self._clock = member, symbols, clock
        self._encoder, self._output = encoder, output

    @property
    def hidden(self) -> int:
        return self._encoder.recurrent.cell.states

    def start(self, begin: Any) -> State:
        """See `Streamer`: it starts from nothing."""
        if begin:
            raise TaskError("start", repr(begin), expected="nothing, to recognize")
        return tuple(s.detach().clone() for s in self._encoder.recurrent.initial(1))

    def ends(self, begin: Any) -> StreamCodec:
        return StreamCodec(
            framed(self._input.incremental_encoder(), self._encoder.frame),
            _BestPath(self._vocab, self._clock),
        )

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        """See `Streamer`: log probabilities [T, B, V + 1]."""
        vectors = self._encoder.read_frames(seq.data)
        hidden, after = self._encoder.run(Seq(vectors, seq.lengths), state)
        scores = self._output(hidden.data)
        if self._vocab.unknown is not None:
            scores[..., self._vocab.unknown] = -torch.inf
        return scores.log_softmax(-1), after

    def runner(self, state: State) -> ModuleRunner:
        return ModuleRunner(self, state, self._output.weight)

    def answer(self, output: PartialTranscript) -> dict[str, Any]:
        """Return the part, or at the end the whole text, and its times."""
        told = {"prediction" if output.final else "partial": output.text}
        return {**told, self._clock.unit: round(output.at, 3)}

    def lines(self, state: State) -> LineProtocol:
        """Return the parts of the transcript of each line, or of some samples."""

        def answer(_: str, outputs: list[PartialTranscript]) -> dict[str, Any]:
            if outputs and outputs[-1].final:
                return self.answer(outputs[-1])
            text = "".join(output.text for output in outputs)
            return self.answer(outputs[0]._replace(text=text)) if outputs else {}

        return LineProtocol(read=self._input.parse, answer=answer, rate=self._input.rate)


class _RecognizeKept(NamedTuple):
    last: Annotated[int, ("minimum", 0)]
    frames: Annotated[int, ("minimum", 0)]
    text: Annotated[str, ("maxLength", _LONGEST)]
    pending: list[Any]


_UTF8 = 3
"""Most bytes that can be the beginning of a character without being one."""


@final
class _BestPath(IncrementalDecoder):
    """The text of the best path so far (Graves et al. 2006).

    Args:
        symbols: the vocabulary; the number after its last one is the blank.
        clock: how frames become times.
    """

    def __init__(self, symbols: Vocab, clock: FrameTimes) -> None:
        self._vocab, self._clock = symbols, clock
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._last, self._frames, self._text = len(symbols), 0, ""

    def decode(self, raw: Tensor) -> PartialTranscript | None:
        """See `IncrementalDecoder`: what a frame adds to the text."""
        best, before = int(raw.argmax()), self._last
        self._last, self._frames = best, self._frames + 1
        if best in (before, len(self._vocab)):
            return None
        text = self._utf8.decode(self._vocab.pieces[best])
        return self._part(text if self._text else text.lstrip())

    def flush(self) -> list[Any]:
        """See `IncrementalDecoder`: what was not whole yet, and the whole text."""
        part = self._part(self._utf8.decode(b"", final=True))
        whole = PartialTranscript(self._text.strip(), self._now(), True)
        self._utf8.reset()
        self._last, self._frames, self._text = len(self._vocab), 0, ""
        return [whole] if part is None else [part, whole]

    def content(self) -> dict[str, Any]:
        pending, flag = self._utf8.getstate()
        return {
            "last": self._last,
            "frames": self._frames,
            "text": self._text,
            "pending": [list(pending), flag],
        }

    def restore(self, content: dict[str, Any]) -> None:
        found = json_schema.build(_RecognizeKept, content)
        pending, flag = found.pending
        if found.last > len(self._vocab) or flag or len(pending) > _UTF8:
            raise ValueError(f"the symbol {found.last}, {len(pending)} bytes")
        self._last, self._frames, self._text = found.last, found.frames, found.text
        self._utf8.setstate((bytes(pending), 0))

    def _part(self, text: str) -> PartialTranscript | None:
        if not text:
            return None
        self._text = (self._text + text)[-_LONGEST:]
        return PartialTranscript(text, self._now(), False)

    def _now(self) -> float:
        return self._clock.span(max(0, self._frames - 1), max(1, self._frames))[0]
