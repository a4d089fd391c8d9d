"""Captions: a picture, a film or features -> words. One to many, and many to many.

A convolution makes a map of a picture, of which a decoder writes, looking at other places of it for each word
(Vinyals et al. 2015, "Show and Tell"; Xu et al. 2015, "Show, Attend and Tell"). Of films and features,
recurrent layers make the memory that it shown_maps at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core.errors import DataError
from elman.core.records import Batch, Example, RawValue, Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data import columns, splits
from elman.data.batching import collate
from elman.data.columns import Columns
from elman.decoding.options import SearchOptions
from elman.inputs import base
from elman.inputs.base import Input
from elman.inputs.image import Image
from elman.inputs.signals.signal_input import Signal, kind_of
from elman.inputs.text import vocab
from elman.inputs.text.text_input import prepared
from elman.inputs.text.vocab import Vocab
from elman.metrics.baselines import nearest_neighbour
from elman.nn.convolution import map_size
from elman.nn.decoder import NO_ATTENTION, DecoderContext
from elman.tasks import selection, training_length
from elman.tasks.abilities import Mistake
from elman.tasks.base import Choice, Evidence, Findings, Parted, Parts, Purpose, Scores
from elman.tasks.caption import recipe
from elman.tasks.caption.graph import GRAPHS
from elman.tasks.caption.network import CaptionNetwork
from elman.tasks.caption.settings import CaptionConfig
from elman.tasks.seq2seq import result, target_text
from elman.tasks.seq2seq.base import Seq2SeqTask
from elman.tasks.seq2seq.result import GeneratedText
from elman.tasks.seq2seq.target_text import Seq2SeqExample, TargetText, TextHypothesis

_SHOWN = 10
"""Held-out captions in a report's table."""
_SIDE = 32
"""Pictures are brought to that many pixels a side, at most, to find the nearest one."""
_AT_ONCE = 64
_SPACE = "␣"
"""The sign that a word begins with where a space is before it."""


@final
class Caption(Seq2SeqTask[CaptionConfig]):
    """Words for what is seen: a convolution or recurrent layers, and a decoder with attention."""

    Config = CaptionConfig
    graphs = GRAPHS
    formats = ("jsonlines", "table", "parquet", "sample", "media")

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there is a caption, and something that can be seen."""
        names = {name.lower() for name in record.fields}
        return not names.isdisjoint(("caption", "captions")) and any(
            _readable(record, name) for name in record.fields
        )

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The records in shares; all captions of a picture stay on one side, if they are drawn at random."""
        chosen = columns.described(records, data, _readable)
        return Parts(*splits.split_records(records, data, lambda record: base.identity(chosen.read(record))))

    @classmethod
    def guess_columns(cls, records: Sequence[Record], data: DataSettings) -> Columns:
        """The columns to read and to write."""
        return columns.described(records, data, _readable)

    @classmethod
    def faults(cls, records: Sequence[Record], run: RunConfig[CaptionConfig]) -> dict[int, DataError]:
        """Those without a caption."""
        chosen = run.columns or columns.described(records, run.data, _readable)
        return selection.checked(records, lambda record: _captions(chosen, record))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[CaptionConfig]) -> Sequence[Choice]:
        """Return the settings that suit the data: see `elman.tasks.caption.recipe`."""
        chosen, count = (
            run.columns or columns.described(records, run.data, _readable),
            training_length.learnt_from(len(records), run.data),
        )
        return list(recipe.choices(kind_of(chosen.read(records[0])), count))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[CaptionConfig]) -> Self:
        """The task with its columns, its input and the symbols of its captions."""
        options = run.options
        chosen = run.columns or columns.described(records, run.data, _readable)
        texts = [text for record in records for text in _captions(chosen, record)]
        member = _input([RawValue(chosen.read(record), record.where) for record in records], run)
        return cls(run, chosen, member, TargetText.learn(_symbols(texts, run.data), texts, options, run.data))

    def describe(self) -> dict[str, str]:
        """Which columns serve, what is read, and what is written."""
        return {
            "columns": self.columns.about(),
            "input": self.input.about(),
            "captions": self.wording.about(),
        }

    def build(self) -> CaptionNetwork:
        """A fresh network for this input and these symbols."""
        return CaptionNetwork(self.input, len(self.wording.vocab), self._run.network, self._options)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """Each input [T, F] with the symbols of a caption [T'], the border last; an example for each caption.

        Raises:
            DataError: an input cannot be read or is too long, or a caption is missing, empty or too long.
        """
        known: dict[bytes, Tensor] = {}  # several captions of a picture share its pixels
        return [pair for record in records for pair in self._pairs(record, use, known)]

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """BLEU up to 4 words and shorter, chrF, exact matches, the symbol error rate, the loss a symbol."""
        told = self._named_scores(examples, [self.wording.text(line) for line in outputs]) if outputs else {}
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """The most frequent caption; and that of the nearest input of the training part."""
        texts = [_pair(example).text for example in train]
        ((usual, _),) = Counter(texts).most_common(1)
        what = "input" if not isinstance(self.input, Image) else "film" if self.input.film else "picture"
        return {
            part: {
                f"nearest training {what}": self._named_scores(
                    examples, [texts[place] for place in self._nearest(train, examples)]
                ),
                "most frequent caption": self._named_scores(examples, [usual] * len(examples)),
            }
            for part, examples in parts.items()
        }

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Captions that were written beside one that is right, and where each of their words looked."""
        firsts: dict[Hashable, tuple[Seq2SeqExample, TextHypothesis]] = {}
        for example, line in zip(examples, outputs, strict=True):
            firsts.setdefault(_pair(example).key, (_pair(example), line))
        shown = list(firsts.values())[:_SHOWN]
        rows = [(pair.text, self.wording.text(line)) for pair, line in shown]
        tables = {"captions": [("right", "written"), *rows]}
        if self._options.attention == NO_ATTENTION:
            return Findings(tables, {})
        shown_maps = [self._translation(line, pair) for pair, line in shown]
        return Findings(tables, {"attention": lambda figure: result.draw(figure, shown_maps)})

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The captions with most wrong symbols for their length."""
        return self.wording.mistakes(examples, [self.wording.text(line) for line in outputs], outputs, most)

    def evidence(
        self, network: nn.Module, examples: Sequence[Example], outputs: Sequence[Any]
    ) -> list[Evidence]:
        """Where each symbol of some captions looked."""
        if self._options.attention == NO_ATTENTION:
            return []
        pairs = zip(examples[:_SHOWN], outputs, strict=False)
        shown = [self._translation(line, example) for example, line in pairs]
        caption = (
            "What was seen, and for each symbol that was written where it looked: there it is light, or dark."
        )
        numbers = result.rows(shown)
        return [Evidence("attention", caption, numbers, lambda figure: result.draw(figure, shown))]

    def predict(self, network: nn.Module, batch: Batch, scores: DecoderContext) -> list[TextHypothesis]:
        """The best caption for each input, by the search that the settings ask for, and where it looked."""
        return [lines[0] for lines in self.wording.write(scores, self.wording.usual(), attention=True)]

    def search(
        self, network: nn.Module, batch: Batch, scores: DecoderContext, how: SearchOptions
    ) -> list[list[TextHypothesis]]:
        """For each input the best captions, or drawn ones, with what each of their words looked at."""
        return self.wording.write(scores, how, attention=True)

    def translation(self, line: TextHypothesis, record: Record, example: Example) -> GeneratedText:
        """A caption as text, with the picture, or the steps, that its words looked at."""
        return self._translation(line, example)

    def answer(self, output: TextHypothesis, record: Record) -> dict[str, Any]:
        """The caption, and its log probability."""
        return {"prediction": self.wording.text(output), "logp": round(output.logp, 4)}

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """What is written for one of the validation part, beside what is right."""
        if not shown:
            return ""
        pair = _pair(shown[seed % len(shown)])
        seq = collate([pair]).seq
        with torch.inference_mode():
            reading, _ = network(seq._replace(data=seq.data.to(next(network.parameters()).device)))
            ((line, *_),) = self.wording.write(reading, self.wording.usual())
        return f"{self.wording.text(line)}  (right: {pair.text})"

    def usage(self) -> list[str]:
        """Commands that caption and measure."""
        return ["elman predict {name} FILE", "elman eval {name} FILE"]

    def _pairs(self, record: Record, use: Purpose, known: dict[bytes, Tensor]) -> Iterator[Seq2SeqExample]:
        raw = RawValue(self.columns.read(record), record.where)
        key = base.identity(raw.value)
        if key not in known:
            known[key] = target_text.bounded(self.input.encode(raw), "sequence", self._options, record.where)
        data = known[key]
        if not use.labelled:
            yield Seq2SeqExample(data, torch.empty(0, dtype=torch.int64), len(data), key)
            return
        for text in map(self.wording.vocab.normal, _captions(self.columns, record)):
            yield Seq2SeqExample(data, self.wording.encode(text, record.where), len(data), key, text)

    def _named_scores(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        told = self.wording.scores(examples, texts)
        first = next(iter(told))
        others = {**self.wording.shorter_bleus(examples, texts), **told}
        return {first: others.pop(first), **others}

    def _nearest(self, train: Sequence[Example], examples: Sequence[Example]) -> list[int]:
        """The place of the nearest training input to each held-out one."""
        if isinstance(self.input, Image):
            return _nearest(self._small(train), self._small(examples))
        return nearest_neighbour.nearest(
            [example.data for example in train], [example.data for example in examples]
        )

    def _small(self, examples: Sequence[Example]) -> Tensor:
        """[N, 3, h, w]: pictures, or the means of films, of at most `_SIDE` pixels a side."""
        assert isinstance(self.input, Image)
        pixels, (height, width) = self.input.reader(), (self.input.height, self.input.width)
        size = min(height, _SIDE), min(width, _SIDE)
        means = (pixels.planes(example.data[:, None])[:, 0].mean(0) for example in examples)
        return torch.stack([F.adaptive_avg_pool2d(mean, size) for mean in means])

    def _translation(self, line: TextHypothesis, example: Example) -> GeneratedText:
        """A caption as text, with its symbols and what each of them looked at."""
        assert line.attention is not None
        seen: Any = [str(step) for step in range(1, len(example.data) + 1)]
        size: tuple[int, int] | None = None
        if self._options.attention == NO_ATTENTION:
            seen = ["all"]
        elif isinstance(self.input, Image) and not self.input.film:
            seen = self.input.pixels(example.data)
            size = map_size(self.input.height, self.input.width, self._options.blocks)
        return GeneratedText(
            self.wording.text(line),
            line.logp,
            line.score,
            [symbol.removeprefix(_SPACE) or symbol for symbol in self.wording.symbols(line)],
            seen,
            line.attention.numpy(),
            size,
        )


def _readable(record: Record, name: str) -> bool:
    """Whether a field of a record is something to describe."""
    value = record.fields[name]
    return Image.reads(RawValue(value, record.where)) or Signal.takes(value)


def _captions(chosen: Columns, record: Record) -> list[str]:
    """The captions of a record, which has one or a list of them."""
    value = chosen.wanted(record)
    several = value if isinstance(value, list | tuple) else [value]
    for text in several:
        if not isinstance(text, str):
            got = f"{type(text).__name__} in column {chosen.target!r}"
            raise DataError(record.where, got, expected="a text", remedy="name the captions with --target")
    if not several or not all(text.strip() for text in several):
        raise DataError(record.where, "an empty caption", expected="a text", remedy="leave the line out")
    return list(several)


def _input(values: Sequence[RawValue], run: RunConfig[CaptionConfig]) -> Input:
    """The input of what is described: pictures and films by their pixels, all else as a signal."""
    first = values[0]
    if Image.reads(first):
        return Image.learn(values, run)
    if Signal.takes(first.value):
        return Signal.learn(values, run)
    got = f"{first.value!r}" if isinstance(first.value, str) else f"a {type(first.value).__name__}"
    expected = "a picture's path, a folder or a list of frames, numbers, or a path of such"
    remedy = "name the column with --input; --task translate reads texts"
    raise DataError(first.where, got, expected=expected, remedy=remedy)


def _symbols(texts: Sequence[str], data: DataSettings) -> Vocab:
    """The vocabulary of captions; the unit auto is word."""
    unit = "word" if data.unit == "auto" else data.unit
    ready = [prepared(text, unit, data.lower) for text in texts]
    return vocab.learn_as(data, unit, ready, strict=False)


def _pair(example: Example) -> Seq2SeqExample:
    assert isinstance(example, Seq2SeqExample)
    return example


def _nearest(known: Tensor, asked: Tensor) -> list[int]:
    """For each picture [C, H, W] that is asked for the place of that with the least sum of |differences|."""
    mine = known.flatten(1)
    return [
        place
        for some in asked.flatten(1).split(_AT_ONCE)
        for place in torch.cdist(some, mine, p=1).argmin(1).tolist()
    ]
