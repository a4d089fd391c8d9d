"""Recognition: sound, features or a strip of writing -> symbols, without alignment. Many to many.

Recurrent layers score each symbol, and a blank, at each frame; CTC sums over all alignments of a text (Graves
et al. 2006), so that no symbol needs a time.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core import json_schema, words
from elman.core.errors import DataError
from elman.core.records import Batch, Example, RawValue, Record, Sound
from elman.core.run_config import DataSettings, RunConfig
from elman.data import columns, splits
from elman.data.batching import IGNORED, collate
from elman.data.columns import Columns
from elman.data.formats.base import read_text
from elman.decoding import scorers
from elman.decoding.ctc_beam import PrefixScorer, prefix_beam
from elman.decoding.ngram_lm import KneserNeyLM
from elman.inputs import base, registry
from elman.inputs.signals.signal_input import Signal, kind_of
from elman.inputs.text import vocab
from elman.inputs.text.text_input import prepared
from elman.inputs.text.vocab import Vocab
from elman.metrics.baselines.nearest_neighbour import nearest
from elman.nn import ctc
from elman.nn.encoder import in_one_direction
from elman.streaming.base import Streaming
from elman.tasks import selection, training_length
from elman.tasks.abilities import (
    EdgeLoss,
    Exportable,
    HasBeam,
    Mistake,
    ReadsColumn,
    ShowsEvidence,
    ShowsMistakes,
    largest,
)
from elman.tasks.base import Choice, Evidence, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.recognize import error_rates, recipe
from elman.tasks.recognize.graph import GRAPHS
from elman.tasks.recognize.network import CtcScores, RecognizeNetwork, frame_of
from elman.tasks.recognize.settings import RecognizeConfig
from elman.tasks.recognize.stream import RecognizeStreamer
from elman.tasks.recognize.transcript import PANELS, FrameTimes, Transcript, draw, pieces, rows, transcripts

_TRANSCRIPTS = frozenset({"text", "transcript", "transcription", "sentence"})
"""Names of columns that make a sound beside them something to recognise."""

_COMPARED = 32
"""Steps that sequences are brought to, to find the nearest one."""


@dataclass(frozen=True)
class Spoken(Example):
    """An example with its text, plain, which its symbols cannot always tell."""

    text: str = ""


@dataclass(frozen=True)
class TrainingTexts:
    """What is known of the texts of the training part.

    Args:
        spaced: whether most have a space: then words are reported.
        words: those that may be written; none: any.
        taught: the texts that the n-gram model learns; none: there is no such model.
    """

    spaced: bool
    words: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()


class _RecognizeContent(NamedTuple):
    columns: Columns
    input: dict[str, Any]
    vocabulary: dict[str, Any]
    known: TrainingTexts


@final
class Recognize(
    Task[RecognizeConfig],
    ReadsColumn[Signal],
    HasBeam,
    EdgeLoss,
    ShowsEvidence,
    ShowsMistakes,
    Streaming,
    Exportable,
):
    """Sequences into texts by connectionist temporal classification."""

    Config = RecognizeConfig
    graphs = GRAPHS
    formats = ("jsonlines", "table", "parquet", "sample", "media")
    continuous = False

    def __init__(
        self,
        run: RunConfig[RecognizeConfig],
        chosen: Columns,
        member: Signal,
        symbols: Vocab,
        known: TrainingTexts,
    ) -> None:
        self._run, self._options = run, run.options
        self.columns, self.input, self.vocab, self._known = chosen, member, symbols, known
        self._frame, self._scorer = frame_of(run.options), _scorer(symbols, known, run)

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there is a transcript, and a sound, or a file of sound or a picture."""
        small = {name.lower(): value for name, value in record.fields.items()}
        others = [value for name, value in small.items() if name not in _TRANSCRIPTS]
        return len(others) < len(small) and any(
            isinstance(value, str | Sound) and Signal.takes(value) for value in others
        )

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The records in shares; identical sequences stay on one side, if they are drawn at random."""
        chosen = columns.transcribed(records, data, _readable)
        return Parts(*splits.split_records(records, data, lambda record: base.identity(chosen.read(record))))

    @classmethod
    def guess_columns(cls, records: Sequence[Record], data: DataSettings) -> Columns:
        """The columns to read and to write."""
        return columns.transcribed(records, data, _readable)

    @classmethod
    def faults(cls, records: Sequence[Record], run: RunConfig[RecognizeConfig]) -> dict[int, DataError]:
        """Those without a text."""
        chosen = run.columns or columns.transcribed(records, run.data, _readable)
        return selection.checked(records, lambda record: _text(chosen, record, run.data))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[RecognizeConfig]) -> Sequence[Choice]:
        """Return the settings that suit the data: see `elman.tasks.recognize.recipe`."""
        chosen, count = (
            run.columns or columns.transcribed(records, run.data, _readable),
            training_length.learnt_from(len(records), run.data),
        )
        return list(recipe.choices(kind_of(chosen.read(records[0])), count, run))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[RecognizeConfig]) -> Self:
        """The task with its columns, its input, the symbols of its texts, and what may be written."""
        options = run.options
        chosen = run.columns or columns.transcribed(records, run.data, _readable)
        member = _input([RawValue(chosen.read(record), record.where) for record in records], run)
        form = run.data.normal_form
        known = [words.normal(_text(chosen, record, run.data), form) for record in records]
        unit = "char" if run.data.unit == "auto" else run.data.unit
        ready = [prepared(text, unit, run.data.lower) for text in known]
        symbols = vocab.learn_as(run.data, unit, ready, strict=False)
        learnt = TrainingTexts(
            spaced=sum(" " in text for text in known) > len(known) / 2,
            words=tuple(_words(options, known, run.data)),
            taught=tuple(known) if options.ngram else (),
        )
        return cls(run, chosen, member, symbols, learnt)

    @classmethod
    def restore(cls, text: str, run: RunConfig[RecognizeConfig], where: object) -> Self:
        """The task as `to_text` described it."""
        with json_schema.rebuilding(where):
            content = json_schema.build(_RecognizeContent, json.loads(text))
            member = registry.restore(content.input, run, where)
            assert isinstance(member, Signal), "no signal"
            symbols = vocab.from_text(json.dumps(content.vocabulary), where)
            return cls(run, content.columns, member, symbols, content.known)

    def to_text(self) -> str:
        """Columns, input, symbols and what may be written as JSON."""
        content = {
            "columns": vars(self.columns),
            "input": registry.to_content(self.input),
            "vocabulary": json.loads(vocab.to_text(self.vocab)),
            "known": vars(self._known),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def describe(self) -> dict[str, str]:
        """Which columns serve, what is read, what is written, and what guides the search."""
        size, hop = self._frame
        told = {
            "columns": self.columns.about(),
            "input": f"{self.input.about()}, {size} steps a frame, a frame every {hop}",
            "texts": f"{len(self.vocab):,} symbols of the unit {self.vocab.unit}, and the blank",
        }
        guided = [f"{len(self._known.words):,} words"] * bool(self._known.words)
        guided += [f"an n-gram model of order {self._options.ngram}"] * bool(self._known.taught)
        return {**told, "search": ", ".join([f"a beam of {self._options.beam}", *guided])}

    def build(self) -> RecognizeNetwork:
        """A fresh network for this input and these symbols."""
        return RecognizeNetwork(self.input.reader(), len(self.vocab), self._run.network, self._options)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """Each sequence [T, F] with the symbols of its text [S].

        Raises:
            DataError: a sequence cannot be read, a text is missing, empty, or too long for the frames.
        """
        return [self._spoken(record, use) for record in records]

    @property
    def selection_metric(self) -> str:
        """As the settings say."""
        if self._options.watch != "auto":
            return self._options.watch
        return "word_error_rate" if self._known.spaced else "symbol_error_rate"

    def loss(self, scores: CtcScores, batch: Batch) -> Loss:
        """-ln p(text), all paths summed, in nats; counted by symbol."""
        counts = (batch.targets != IGNORED).sum(0)
        return Loss(ctc.loss(*scores, batch.targets, counts).sum(), int(counts.sum()))

    def ending(self, scores: CtcScores, batch: Batch, *, last: bool) -> Tensor:
        """The nats of what the likeliest path of each text has at the last frame, or the first."""
        counts = (batch.targets != IGNORED).sum(0)
        frames = scores.lengths - 1 if last else torch.zeros_like(scores.lengths)
        return ctc.at_frames(*scores, batch.targets, counts, frames).sum()

    def objective(self, scores: CtcScores, batch: Batch) -> Loss:
        """The loss, of the texts that still have a path where training made a sequence faster."""
        counts = (batch.targets != IGNORED).sum(0)
        enough = ctc.frames_needed(batch.targets, counts).cpu() <= scores.lengths
        if bool(enough.all()):
            return self.loss(scores, batch)
        kept = enough.nonzero()[:, 0].to(batch.targets.device)
        if not len(kept):
            return Loss(scores.scores.sum() * 0, 0)
        said = CtcScores(scores.scores.index_select(1, kept), scores.lengths[enough])
        return self.loss(said, replace(batch, targets=batch.targets.index_select(1, kept)))

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """Word and symbol error rate, exact matches, and the loss a symbol; the watched one first."""
        told = self._rates(examples, [self._plain(one) for one in outputs]) if outputs else {}
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """The text of the nearest training sequence; and the most frequent text."""
        known = [_spoken(example).text for example in train]
        ((usual, _),) = Counter(known).most_common(1)
        mine = [_compared(example.data) for example in train]
        told: dict[str, dict[str, Scores]] = {}
        for part, examples in parts.items():
            places = nearest(mine, [_compared(example.data) for example in examples])
            told[part] = {
                "nearest training sequence": self._rates(examples, [known[place] for place in places]),
                "most frequent text": self._rates(examples, [usual] * len(examples)),
            }
        return told

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Return confused symbols, and the times of each symbol of some lines."""
        right = [_spoken(example).text for example in examples]
        said = [self._plain(one) for one in outputs]
        confused = error_rates.confusions(right, said, unit=self.vocab.unit)
        tables = {"confusions": confused} if len(confused) > 1 else {}
        shown = self._shown(examples, outputs)
        figures = {"alignment": lambda figure: draw(figure, shown, self._clock)} if shown else {}
        return Findings(tables, figures)

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The lines with most wrong symbols for their length."""
        right = [_spoken(example).text for example in examples]
        said = [self._plain(one) for one in outputs]
        counts = error_rates.errors(right, said, unit=self.vocab.unit)
        shares = [count / max(1, len(text)) for count, text in zip(counts, right, strict=True)]
        return [
            Mistake(
                place,
                said[place],
                right[place],
                {"errors": counts[place], "probability": math.exp(outputs[place].logp)},
            )
            for place in largest(shares, most)
        ]

    def evidence(
        self, network: nn.Module, examples: Sequence[Example], outputs: Sequence[Any]
    ) -> list[Evidence]:
        """Draw when each symbol of some lines was recognized."""
        shown = self._shown(examples, outputs)[:PANELS]
        caption = (
            "What was read, and under it how likely each symbol of the text is at each frame. Between "
            "symbols the blank is likely, which stands for nothing."
        )
        numbers = rows(shown, self._clock)
        drawn = Evidence("alignment", caption, numbers, lambda figure: draw(figure, shown, self._clock))
        return [drawn] if shown else []

    def source_text(self, record: Record) -> str:
        """The path that is read."""
        value = self.columns.read(record)
        return value if isinstance(value, str) else ""

    def predict(self, network: nn.Module, batch: Batch, scores: CtcScores) -> list[Transcript]:
        """The best text of each sequence, by the search that the settings ask for, and its frames."""
        said, lengths = scores
        if self.vocab.unknown is not None:
            never = torch.tensor([self.vocab.unknown], device=said.device)
            said = said.index_fill(2, never, -torch.inf)
        if self._options.beam == 1 and self._scorer is None:
            return transcripts(said, lengths, ctc.greedy(said, lengths))
        found = prefix_beam(said, lengths, width=self._options.beam, scorer=self._scorer)
        return transcripts(said, lengths, [best.symbols for best, *_ in found])

    def with_beam(self, width: int) -> Self:
        """The same task with another width of the beam."""
        run = replace(self._run, options=replace(self._options, beam=width))
        return type(self)(run, self.columns, self.input, self.vocab, self._known)

    def answer(self, output: Transcript, record: Record) -> dict[str, Any]:
        """Return the text, its log probability, and the start and end of each word or symbol."""
        symbols = [self.vocab.decode([symbol]) for symbol in output.symbols]
        found = pieces(symbols, output, self._clock, words=self._known.spaced)
        times = [[piece.text, round(piece.start, 3), round(piece.end, 3)] for piece in found]
        text = self.vocab.decode(output.symbols).strip()
        return {"prediction": text, "logp": round(output.logp, 4), self._clock.unit: times}

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """What is recognised in one of the validation part, beside what is right."""
        if not shown:
            return ""
        one = shown[seed % len(shown)]
        assert isinstance(one, Spoken)
        batch = collate([one])
        with torch.inference_mode():
            data = batch.seq.data.to(next(network.parameters()).device)
            said, _ = network(batch.seq._replace(data=data))
            (output,) = self.predict(network, batch, said)
        return f"{self._plain(output)}  (right: {one.text})"

    def streamer(self, network: nn.Module) -> RecognizeStreamer:
        """The network as a stream, by the best path; see `Streaming`."""
        assert isinstance(network, RecognizeNetwork)
        in_one_direction(network.encoder.recurrent, "recognize", "recognize.bidirectional")
        self.input.incremental_encoder()  # raises where steps depend on the whole
        return RecognizeStreamer(self.input, self.vocab, self._clock, network.encoder, network.output)

    def usage(self) -> list[str]:
        """Commands that recognise and measure."""
        return ["elman predict {name} FILE", "elman predict {name} FILE --beam 16", "elman eval {name} FILE"]

    @property
    def _clock(self) -> FrameTimes:
        return FrameTimes(self._frame, self._options.step or self.input.seconds)

    def _spoken(self, record: Record, use: Purpose) -> Spoken:
        data = self.input.encode(RawValue(self.columns.read(record), record.where))
        if not use.labelled:
            return Spoken(data, torch.empty(0, dtype=torch.int64), len(data))
        text = self.vocab.normal(_text(self.columns, record, self._run.data))
        ready = prepared(text, self.vocab.unit, self._run.data.lower)
        numbers = self.vocab.encode(ready, where=record.where)
        frames, hop = self._frame.frames(len(data)), self._frame.hop
        remedy = "leave the line out" + f", or make recognize.hop less than {hop} steps" * (hop > 1)
        ctc.check_frames(frames, numbers.tolist(), record.where, remedy=remedy)
        return Spoken(data, torch.from_numpy(numbers).long(), len(data), text)

    def _shown(
        self, examples: Sequence[Example], outputs: Sequence[Transcript]
    ) -> list[tuple[Tensor, Transcript, list[str]]]:
        """Draw the input, the transcript, and its symbols, where there are any."""
        return [
            (example.data, one, [self.vocab.describe(symbol) for symbol in one.symbols])
            for example, one in zip(examples, outputs, strict=True)
            if one.symbols
        ]

    def _plain(self, one: Transcript) -> str:
        return error_rates.plain(self.vocab.decode(one.symbols), lower=self._run.data.lower)

    def _rates(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        told = error_rates.rates([_spoken(example).text for example in examples], texts, unit=self.vocab.unit)
        first = self.selection_metric
        return {first: told.pop(first), **told} if first in told else told


def _spoken(example: Example) -> Spoken:
    assert isinstance(example, Spoken)
    return example


def _readable(record: Record, name: str) -> bool:
    """Whether a field of a record is something to recognise a text in."""
    return Signal.takes(record.fields[name])


def _input(values: Sequence[RawValue], run: RunConfig[RecognizeConfig]) -> Signal:
    first = values[0]
    if Signal.takes(first.value):
        return Signal.learn(values, run)
    got = f"{first.value!r}" if isinstance(first.value, str) else f"a {type(first.value).__name__}"
    expected = "the path of a sound, a .npy file or a picture, or numbers"
    raise DataError(first.where, got, expected=expected, remedy="name the column with --input")


def _text(chosen: Columns, record: Record, data: DataSettings) -> str:
    """The text of a record, plain.

    Raises:
        DataError: it is none, or empty.
    """
    value = chosen.wanted(record)
    value = str(value) if isinstance(value, int | np.integer) else value  # such as a number that is dictated
    if not isinstance(value, str):
        got = f"{type(value).__name__} in column {chosen.target!r}"
        raise DataError(record.where, got, expected="a text", remedy="name the column of texts with --target")
    if not value.strip():
        raise DataError(record.where, "an empty text", expected="a text", remedy="leave the line out")
    return error_rates.plain(value, lower=data.lower)


def _words(options: RecognizeConfig, known: Sequence[str], data: DataSettings) -> Sequence[str]:
    """The words that may be written; none: any."""
    listed: list[str] = []
    if options.word_list:
        path = Path(options.word_list)
        listed = read_text(path, data.encoding).splitlines()
    spelled = [error_rates.plain(line, lower=data.lower) for line in listed]
    if options.words == "known":
        spelled += known
    return list(error_rates.words(spelled))


def _scorer(symbols: Vocab, known: TrainingTexts, run: RunConfig[RecognizeConfig]) -> PrefixScorer | None:
    """What guides the search; None: nothing does."""
    options = run.options
    found: list[PrefixScorer] = []
    spaced = symbols.unit in ("char", "byte")
    space = next((number for number, piece in enumerate(symbols.pieces) if piece == b" "), None)
    between = space if spaced else None

    def spelled(text: str) -> list[int]:
        return symbols.encode(prepared(text, symbols.unit, run.data.lower)).tolist()

    if known.words:
        before = [] if between is None else [between]
        able = [numbers for word in known.words if symbols.unknown not in (numbers := spelled(word))]
        found.append(scorers.Lexicon([before + numbers for numbers in able], len(symbols), between))
    if known.taught:
        border = [len(symbols)]
        taught = [number for text in known.taught for number in border + spelled(text)] + border
        model = KneserNeyLM(np.array(taught), len(symbols) + 1, options.ngram)
        found.append(scorers.NGramScorer(model, options.ngram_weight))
    if options.symbol_bonus or options.word_bonus:
        begins = [piece.startswith(b" ") for piece in symbols.pieces]
        bonus = options.symbol_bonus + options.word_bonus * torch.tensor(begins, dtype=torch.float64)
        found.append(scorers.SymbolBonus(bonus))
    return scorers.CombinedScorer(found) if found else None


def _compared(data: Tensor) -> Tensor:
    """Features [T, F] as [32, F], by lines between steps."""
    return F.interpolate(data.t()[None], _COMPARED, mode="linear", align_corners=True)[0].t()
