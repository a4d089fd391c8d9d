"""Translation: a sequence -> another one of another length. Many to many.

Sentences into another language, spelling into sounds, questions into answers, a date into its standard form.
An encoder reads the source; a decoder writes the target, looking back at the source at each step (Bahdanau
et al. 2015; Luong et al. 2015), or knowing its last state alone (Cho et al. 2014; Sutskever et al. 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self, final

import torch
from torch import nn

from elman.core.errors import ConfigError, DataError
from elman.core.records import Batch, Example, RawValue, Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data import columns, splits
from elman.data.columns import Columns
from elman.decoding.options import SearchOptions
from elman.inputs import base, registry
from elman.inputs.base import Input
from elman.inputs.text import text_input, vocab
from elman.inputs.text.vocab import Vocab
from elman.nn import embedding
from elman.nn.decoder import NO_ATTENTION, DecoderContext
from elman.tasks import selection, training_length
from elman.tasks.abilities import Mistake, NamesSteps
from elman.tasks.base import Choice, Evidence, Findings, Parted, Parts, Purpose, Scores
from elman.tasks.seq2seq import result, target_text
from elman.tasks.seq2seq.base import Seq2SeqTask
from elman.tasks.seq2seq.result import GeneratedText
from elman.tasks.seq2seq.target_text import Seq2SeqExample, TargetText, TextHypothesis
from elman.tasks.translate import recipe
from elman.tasks.translate.graph import GRAPHS
from elman.tasks.translate.network import TranslateNetwork
from elman.tasks.translate.settings import TranslateConfig

_DRAWN = 4
"""Translations of which a report shows what they were made from."""


@final
class Translate(Seq2SeqTask[TranslateConfig], NamesSteps):
    """One sequence into another: an encoder, and a decoder with attention."""

    Config = TranslateConfig
    graphs = GRAPHS
    formats = ("parallel", "jsonlines", "parquet", "sample", "table")

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there are columns that are called source and target, question and answer and the like."""
        names = {name.lower() for name in record.fields}
        return any(names.issuperset(pair) for pair in columns.PAIRS)

    @classmethod
    def reason(cls, records: Sequence[Record]) -> str:
        """The names of the columns; or that there are two columns of texts, and none that repeats."""
        if cls.matches(records[0]):
            return super().reason(records)
        pair = columns.free_texts(records)
        return f"texts in {pair[0]!r} and {pair[1]!r}, and no column whose values repeat" if pair else ""

    @classmethod
    def guess_columns(cls, records: Sequence[Record], data: DataSettings) -> Columns:
        """The columns to read and to write."""
        return columns.pair(records, data)

    @classmethod
    def faults(cls, records: Sequence[Record], run: RunConfig[TranslateConfig]) -> dict[int, DataError]:
        """Those without a source or a target."""
        chosen = run.columns or columns.pair(records, run.data)
        return selection.checked(records, lambda record: (_source(chosen, record), _target(chosen, record)))

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The records in shares; identical sources stay on one side, if they are drawn at random."""
        chosen = columns.pair(records, data)
        return Parts(*splits.split_records(records, data, lambda record: base.identity(chosen.read(record))))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[TranslateConfig]) -> Sequence[Choice]:
        """Return the settings that suit the data: see `elman.tasks.translate.recipe`."""
        chosen, count = (
            run.columns or columns.pair(records, run.data),
            training_length.learnt_from(len(records), run.data),
        )
        sources = [chosen.read(record) for record in records]
        targets = [_target(chosen, record) for record in records]
        return list(recipe.choices(recipe.facts(sources, targets, count)))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[TranslateConfig]) -> Self:
        """The task with its columns, its input and the symbols of its targets."""
        options = run.options
        chosen = run.columns or columns.pair(records, run.data)
        sources = [RawValue(chosen.read(record), record.where) for record in records]
        targets = [_target(chosen, record) for record in records]
        if not options.shared:
            member = _input(sources, run)
            symbols = _symbols(targets, member, run)
        elif text_input.Text.takes(sources[0].value):
            where = records[0].where
            member = _input([*sources, *(RawValue(text, where) for text in targets)], run)
            assert isinstance(member, text_input.Text)
            symbols = member.vocab
        else:
            got = f"true, beside sources that are not text ({sources[0].where})"
            raise ConfigError("translate.shared", got, remedy="leave it false")
        replaces = cls.replaces(options, member)
        words = TargetText.learn(symbols, targets, options, run.data, replaces=replaces)
        return cls(run, chosen, member, words)

    @staticmethod
    def replaces(options: TranslateConfig, member: Input) -> bool:
        has_words = isinstance(member, text_input.Text) and member.vocab.unknown is not None
        return options.replace_unknown and has_words and options.attention != NO_ATTENTION

    def describe(self) -> dict[str, str]:
        """Which columns serve, what is read, and what is written."""
        return {
            "columns": self.columns.about(),
            "source": self.input.about(),
            "target": self.wording.about() + (", shared with the source" if self._options.shared else ""),
        }

    def build(self) -> TranslateNetwork:
        """A fresh network for this source and target."""
        config, options, symbols = self._run.network, self._options, len(self.wording.vocab)
        if not options.shared:
            return TranslateNetwork(self.input.reader(), symbols, config, options)
        assert isinstance(self.input, text_input.Text)
        width = config.embedding or min(config.hidden, embedding.LARGEST_EMBEDDING)
        both = embedding.Embedding(symbols + 1, width, config, self.input.vocab.unknown)
        return TranslateNetwork(both, symbols, config, options, both)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """Each source [T] or [T, F], with the symbols of its target [T'], the border last.

        Raises:
            DataError: a source or a target is missing, empty or too long.
        """
        return [self._pair(record, use) for record in records]

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """BLEU, chrF, exact matches, the symbol error rate, and the loss a symbol."""
        told: Scores = {}
        if outputs:
            texts = [
                self._text(line, pair.source)
                for line, pair in zip(outputs, examples, strict=True)
                if isinstance(pair, Seq2SeqExample)
            ]
            told = self.wording.scores(examples, texts)
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """The source itself, if it is a text; and the target of the nearest source of the training part."""
        return {part: self.wording.baselines(train, examples) for part, examples in parts.items()}

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """The score by the length of the source, and what some translations were made from."""
        pairs = [pair for pair in examples if isinstance(pair, Seq2SeqExample)]
        texts = [self._text(line, pair.source) for line, pair in zip(outputs, pairs, strict=True)]
        rows = self.wording.by_length(examples, texts)
        shown = [
            self._shown(line, text, pair)
            for line, text, pair in zip(outputs, texts, pairs, strict=True)
            if line.attention is not None
        ]
        figures = {"attention": partial(result.draw, translations=shown[:_DRAWN])} if shown else {}
        return Findings({"score by length": rows}, figures)

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The translations with most wrong symbols for their length."""
        pairs = [pair for pair in examples if isinstance(pair, Seq2SeqExample)]
        texts = [self._text(line, pair.source) for line, pair in zip(outputs, pairs, strict=True)]
        return self.wording.mistakes(examples, texts, outputs, most)

    def evidence(
        self, network: nn.Module, examples: Sequence[Example], outputs: Sequence[Any]
    ) -> list[Evidence]:
        """What each symbol of some translations was made from."""
        shown = [
            self._shown(line, "", example)
            for example, line in zip(examples[:_DRAWN], outputs, strict=False)
            if line.attention is not None
        ]
        caption = (
            "The source along the top, what was written downwards: the darker, the more a symbol looked "
            "there. Each row sums to 1."
        )
        draw = partial(result.draw, translations=shown)
        return [Evidence("attention", caption, result.rows(shown), draw)] if shown else []

    def predict(self, network: nn.Module, batch: Batch, scores: DecoderContext) -> list[TextHypothesis]:
        """The best line for each source, by the search that the settings ask for."""
        return [lines[0] for lines in self.search(network, batch, scores, self.wording.usual())]

    def search(
        self, network: nn.Module, batch: Batch, scores: DecoderContext, how: SearchOptions
    ) -> list[list[TextHypothesis]]:
        """For each source the best lines, or drawn ones, with what each of their steps looked at."""
        return self.wording.write(scores, how, attention=self._options.attention != NO_ATTENTION)

    def translation(self, line: TextHypothesis, record: Record, example: Example) -> GeneratedText:
        """A line as text, with the symbols of both sides."""
        raw = _source(self.columns, record)
        return self._shown(line, self._text(line, raw.value if isinstance(raw.value, str) else ""), example)

    def answer(self, output: TextHypothesis, record: Record) -> dict[str, Any]:
        """The text, and its log probability."""
        source = _source(self.columns, record).value
        text = self._text(output, source if isinstance(source, str) else "")
        return {"prediction": text, "logp": round(output.logp, 4)}

    def symbols(self, example: Example) -> list[str]:
        """The text of each symbol, where that is what is read."""
        return self.input.symbols(example.data) if isinstance(self.input, text_input.Text) else []

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """Nothing: the scores tell more."""
        return ""

    def usage(self) -> list[str]:
        """Commands that translate and measure."""
        return ["elman translate {name} < FILE", "elman eval {name} FILE"]

    def _pair(self, record: Record, use: Purpose) -> Seq2SeqExample:
        raw = _source(self.columns, record)
        data = target_text.bounded(self.input.encode(raw), "source", self._options, record.where)
        key, source = base.identity(raw.value), raw.value if isinstance(raw.value, str) else ""
        if not use.labelled:
            return Seq2SeqExample(data, torch.empty(0, dtype=torch.int64), len(data), key, "", source)
        text = self.wording.vocab.normal(_target(self.columns, record))
        return Seq2SeqExample(data, self.wording.encode(text, record.where), len(data), key, text, source)

    def _shown(self, line: TextHypothesis, text: str, example: Example) -> GeneratedText:
        if isinstance(self.input, text_input.Text):
            source = self.input.shown(example.data)
        else:
            source = [str(step) for step in range(1, len(example.data) + 1)]
        attention = None if line.attention is None else line.attention.numpy()
        return GeneratedText(text, line.logp, line.score, self.wording.symbols(line), source, attention)

    def _text(self, line: TextHypothesis, source: str) -> str:
        words = self.input.words(source) if isinstance(self.input, text_input.Text) and source else ()
        return self.wording.text(line, words)


def _source(chosen: Columns, record: Record) -> RawValue:
    raw = RawValue(chosen.read(record), record.where)
    if isinstance(raw.value, str) and not raw.value.strip():
        raise DataError(record.where, "an empty source", expected="a text", remedy="leave the line out")
    return raw


def _target(chosen: Columns, record: Record) -> str:
    value = chosen.wanted(record)
    if not isinstance(value, str):
        got = f"{type(value).__name__} in column {chosen.target!r}"
        raise DataError(record.where, got, expected="a text", remedy="name the column to write with --target")
    if not value.strip():
        raise DataError(record.where, "an empty target", expected="a text", remedy="leave the line out")
    return value


def _input(values: Sequence[RawValue], run: RunConfig[TranslateConfig]) -> Input:
    """The input of sources; the unit auto is bpe where most texts have a space, else char."""
    texts = [raw.value for raw in values if isinstance(raw.value, str)]
    unit = _unit(texts) if run.data.unit == "auto" and texts else run.data.unit
    return registry.learn(values, replace(run, data=run.data.but(unit=unit)))


def _symbols(texts: Sequence[str], member: Input, run: RunConfig[TranslateConfig]) -> Vocab:
    """The vocabulary of targets."""
    options, data = run.options, run.data
    unit = options.target_unit
    if unit == "same":
        unit = member.vocab.unit if isinstance(member, text_input.Text) else data.unit
    unit = _unit(texts) if unit == "auto" else unit
    ready = [text_input.prepared(text, unit, data.lower) for text in texts]
    return vocab.learn_as(data, unit, ready, size=options.target_vocab_size, strict=False)


def _unit(texts: Sequence[str]) -> str:
    spaced = sum(" " in text.strip() for text in texts)
    return "bpe" if spaced > len(texts) / 2 else "char"
