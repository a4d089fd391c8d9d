"""Translation: a sequence -> another one of another length. Many to many.

Sentences into another language, spelling into sounds, questions into answers, a date into its standard form.
An encoder reads the source; a decoder writes the target, looking back at the source at each step (Bahdanau
et al. 2015; Luong et al. 2015), or knowing its last state alone (Cho et al. 2014; Sutskever et al. 2014).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self, final

import torch
from torch import nn

from elman import columns, inputs, schema, splits, translation, vocab, wording
from elman.batch import Batch, Example, Record, Seq, State
from elman.columns import Columns
from elman.config import Data, Network, Run, option
from elman.decoder import NO_ATTENTION, Decoder, Reading
from elman.encoder import Encoder, Pool
from elman.errors import ConfigError, DataError
from elman.inputs import Input, Raw, Reader
from elman.tasks.base import (
    Ending,
    Evidence,
    Explaining,
    Findings,
    Legible,
    Loss,
    Parted,
    Parts,
    Scores,
    Task,
    Translator,
    Use,
)
from elman.translation import Translation
from elman.vocab import Vocab
from elman.wording import Line, Pair, Search, Wording, Writing

_DRAWN = 4
"""Translations of which a report shows what they were made from."""


@dataclass(frozen=True, kw_only=True)
class TranslateConfig(Writing):
    """What only translation has."""

    section = "translate"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:dates", "unit": "auto", "valid": 0.05, "test": 0.05},
        "network": {"cell": "gru", "hidden": 256, "dropout": 0.3, "input_dropout": 0.1},
        "training": {"batch_size": 64, "epochs": 20, "lr": 0.002, "ema": 0.998},
    }

    bidirectional: bool = option(True, "bidirectional encoder")
    target_unit: str = option(
        "same", "unit of the target text", choices=("same", "auto", "char", "byte", "word", "bpe")
    )
    target_vocab_size: int = option(0, "maximum size of the target vocabulary; 0: data.vocab_size", low=0)
    shared: bool = option(False, "share one vocabulary and its embeddings between source and target")
    replace_unknown: bool = option(True, "replace <unk> by the source word with the most attention")


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
        reader: Reader,
        symbols: int,
        config: Network,
        options: TranslateConfig,
        embedding: inputs.Embedding | None = None,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(reader, config, bidirectional=options.bidirectional)
        recurrent = self.encoder.recurrent
        self.summary = Pool("last", recurrent)
        self.decoder = Decoder(
            symbols,
            config,
            look=options.attention,
            value_size=recurrent.output_size,
            summary_size=self.summary.output_size,
            feed=options.feed,
            tie=options.tie,
            embedding=embedding,
        )

    def forward(self, seq: Seq, state: State | None = None) -> tuple[Reading, State]:
        """What there is to write of sources [T, B] or [T, B, F], and the encoder's state at their ends."""
        hidden, after = self.encoder(seq, state)
        return self.decoder.read(hidden, self.summary(hidden, after)), after


class _Content(NamedTuple):
    columns: Columns
    input: dict[str, Any]
    target: dict[str, Any]


@final
class Translate(Task, Translator, Legible, Ending, Explaining):
    """One sequence into another: an encoder, and a decoder with attention."""

    Config = TranslateConfig
    formats = ("parallel", "jsonlines", "parquet", "sample", "table")
    continuous = False

    def __init__(self, run: Run, chosen: Columns, member: Input, words: Wording) -> None:
        assert isinstance(run.options, TranslateConfig)
        self._run, self._options = run, run.options
        self.columns, self.input, self.wording = chosen, member, words

    @classmethod
    def suits(cls, record: Record) -> bool:
        """Whether there are columns that are called source and target, question and answer and the like."""
        names = {name.lower() for name in record.fields}
        pairs = [("source", "target"), ("src", "tgt"), ("src", "trg"), ("question", "answer")]
        return any(names.issuperset(pair) for pair in pairs)

    @classmethod
    def split(cls, records: Sequence[Record], data: Data) -> Parts:
        """The records in shares; identical sources stay on one side, if they are drawn at random."""
        chosen = columns.pair(records, data)
        return Parts(*splits.part(records, data, lambda record: inputs.identity(chosen.read(record))))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: Run) -> Self:
        """The task with its columns, its input and the symbols of its targets."""
        options = run.options
        assert isinstance(options, TranslateConfig)
        chosen = columns.pair(records, run.data)
        sources = [Raw(chosen.read(record), record.where) for record in records]
        targets = [_target(chosen, record) for record in records]
        if not options.shared:
            member = _input(sources, run)
            symbols = _symbols(targets, member, run)
        elif inputs.Text.takes(sources[0].value):
            where = records[0].where
            member = _input([*sources, *(Raw(text, where) for text in targets)], run)
            assert isinstance(member, inputs.Text)
            symbols = member.vocab
        else:
            got = f"true, beside sources that are not text ({sources[0].where})"
            raise ConfigError("translate.shared", got, remedy="leave it false")
        replaces = _replaces(options, member)
        words = Wording.learn(symbols, targets, options, run.data, replaces=replaces)
        return cls(run, chosen, member, words)

    @classmethod
    def restore(cls, text: str, run: Run, where: object) -> Self:
        """The task as `to_text` described it."""
        assert isinstance(run.options, TranslateConfig)
        with schema.rebuilding(where):
            content = schema.build(_Content, json.loads(text))
            member = inputs.restore(content.input, run, where)
            replaces = _replaces(run.options, member)
            words = Wording.restore(content.target, run.options, run.data, where, replaces=replaces)
            return cls(run, content.columns, member, words)

    def to_text(self) -> str:
        """Columns, input and the targets' symbols as JSON."""
        content = {
            "columns": vars(self.columns),
            "input": inputs.to_content(self.input),
            "target": self.wording.content(),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def facts(self) -> dict[str, str]:
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
        assert isinstance(self.input, inputs.Text)
        width = config.embedding or min(config.hidden, inputs.LARGEST_EMBEDDING)
        both = inputs.Embedding(symbols + 1, width, config, self.input.vocab.unknown)
        return TranslateNetwork(both, symbols, config, options, both)

    def encode(self, records: Sequence[Record], use: Use = Use.SCORE) -> list[Example]:
        """Each source [T] or [T, F], with the symbols of its target [T'], the border last.

        Raises:
            DataError: a source or a target is missing, empty or too long.
        """
        return [self._pair(record, use) for record in records]

    @property
    def watch(self) -> str:
        """As the settings say."""
        return self.wording.watch()

    def loss(self, scores: Reading, batch: Batch) -> Loss:
        """The cross-entropy of the targets' symbols in nats."""
        return Loss(*self.wording.loss(scores, batch.targets))

    def ending(self, scores: Reading, batch: Batch, *, last: bool) -> torch.Tensor:
        """The nats of the last symbol of each text, or of the first."""
        return self.wording.ending(scores, batch.targets, last=last)

    def objective(self, scores: Reading, batch: Batch) -> Loss:
        """The cross-entropy with smoothed targets."""
        return Loss(*self.wording.objective(scores, batch.targets))

    def scores(self, held: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """BLEU, chrF, exact matches, the symbol error rate, and the loss a symbol."""
        told: Scores = {}
        if outputs:
            texts = [
                self._text(line, pair.source)
                for line, pair in zip(outputs, held, strict=True)
                if isinstance(pair, Pair)
            ]
            told = self.wording.scores(held, texts)
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """The source itself, if it is a text; and the target of the nearest source of the training part."""
        return {part: self.wording.baselines(train, held) for part, held in parts.items()}

    def findings(self, held: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """The score by the length of the source, and what some translations were made from."""
        pairs = [pair for pair in held if isinstance(pair, Pair)]
        texts = [self._text(line, pair.source) for line, pair in zip(outputs, pairs, strict=True)]
        rows = self.wording.by_length(held, texts)
        shown = [
            self._shown(line, text, pair)
            for line, text, pair in zip(outputs, texts, pairs, strict=True)
            if line.looks is not None
        ]
        figures = {"attention": partial(translation.draw, translations=shown[:_DRAWN])} if shown else {}
        return Findings({"score by length": rows}, figures)

    def evidence(self, network: nn.Module, held: Sequence[Example], outputs: Sequence[Any]) -> list[Evidence]:
        """What each symbol of some translations was made from."""
        shown = [
            self._shown(line, "", example)
            for example, line in zip(held[:_DRAWN], outputs, strict=False)
            if line.looks is not None
        ]
        caption = (
            "The source along the top, what was written downwards: the darker, the more a symbol looked "
            "there. Each row sums to 1."
        )
        draw = partial(translation.draw, translations=shown)
        return [Evidence("attention", caption, translation.rows(shown), draw)] if shown else []

    def predict(self, network: nn.Module, batch: Batch, scores: Reading) -> list[Line]:
        """The best line for each source, by the search that the settings ask for."""
        return [lines[0] for lines in self.search(network, batch, scores, self.wording.usual())]

    def usual(self) -> Search:
        """The search that the settings ask for."""
        return self.wording.usual()

    def search(self, network: nn.Module, batch: Batch, scores: Reading, how: Search) -> list[list[Line]]:
        """For each source the best lines, or drawn ones, with what each of their steps looked at."""
        return self.wording.write(scores, how, looks=self._options.attention != NO_ATTENTION)

    def translation(self, line: Line, record: Record, example: Example) -> Translation:
        """A line as text, with the symbols of both sides."""
        raw = self._source(record)
        return self._shown(line, self._text(line, raw.value if isinstance(raw.value, str) else ""), example)

    @property
    def reads(self) -> str:
        """What its input reads."""
        return self.input.kind

    def record(self, value: Any, where: str) -> Record:
        """The value in the column that is read."""
        return Record(
            {self.columns.input: self.input.parse(value) if isinstance(value, str) else value}, where
        )

    def answer(self, output: Line, record: Record) -> dict[str, Any]:
        """The text, and its log probability."""
        source = self._source(record).value
        text = self._text(output, source if isinstance(source, str) else "")
        return {"prediction": text, "logp": round(output.logp, 4)}

    def symbols(self, example: Example) -> list[str]:
        """The text of each symbol, where that is what is read."""
        return self.input.symbols(example.data) if isinstance(self.input, inputs.Text) else []

    def preview(self, network: nn.Module, seed: int) -> str:
        """Nothing: the scores tell more."""
        return ""

    def use(self) -> list[str]:
        """Commands that translate and measure."""
        return ["elman translate {name} < FILE", "elman eval {name} FILE"]

    def _pair(self, record: Record, use: Use) -> Pair:
        raw = self._source(record)
        data = wording.bounded(self.input.encode(raw), "source", self._options, record.where)
        key, source = inputs.identity(raw.value), raw.value if isinstance(raw.value, str) else ""
        if not use.labelled:
            return Pair(data, torch.empty(0, dtype=torch.int64), len(data), key, "", source)
        text = _target(self.columns, record)
        return Pair(data, self.wording.encode(text, record.where), len(data), key, text, source)

    def _source(self, record: Record) -> Raw:
        raw = Raw(self.columns.read(record), record.where)
        if isinstance(raw.value, str) and not raw.value.strip():
            raise DataError(record.where, "an empty source", expected="a text", remedy="leave the line out")
        return raw

    def _shown(self, line: Line, text: str, example: Example) -> Translation:
        if isinstance(self.input, inputs.Text):
            source = self.input.shown(example.data)
        else:
            source = [str(step) for step in range(1, len(example.data) + 1)]
        looks = None if line.looks is None else line.looks.numpy()
        return Translation(text, line.logp, line.score, self.wording.symbols(line), source, looks)

    def _text(self, line: Line, source: str) -> str:
        words = self.input.words(source) if isinstance(self.input, inputs.Text) and source else ()
        return self.wording.text(line, words)


def _target(chosen: Columns, record: Record) -> str:
    value = chosen.wanted(record)
    if not isinstance(value, str):
        got = f"{type(value).__name__} in column {chosen.target!r}"
        raise DataError(record.where, got, expected="a text", remedy="name the column to write with --target")
    if not value.strip():
        raise DataError(record.where, "an empty target", expected="a text", remedy="leave the line out")
    return value


def _replaces(options: TranslateConfig, member: Input) -> bool:
    """Whether there is a word to write in place of <unk>: that of the source that was looked at."""
    has_words = isinstance(member, inputs.Text) and member.vocab.unknown is not None
    return options.replace_unknown and has_words and options.attention != NO_ATTENTION


def _input(values: Sequence[Raw], run: Run) -> Input:
    """The input of sources; the unit auto is bpe where most texts have a space, else char."""
    texts = [raw.value for raw in values if isinstance(raw.value, str)]
    unit = _unit(texts) if run.data.unit == "auto" and texts else run.data.unit
    return inputs.learn(values, replace(run, data=replace(run.data, unit=unit)))


def _symbols(texts: Sequence[str], member: Input, run: Run) -> Vocab:
    """The vocabulary of targets."""
    options, data = run.options, run.data
    assert isinstance(options, TranslateConfig)
    unit = options.target_unit
    if unit == "same":
        unit = member.vocab.unit if isinstance(member, inputs.Text) else data.unit
    unit = _unit(texts) if unit == "auto" else unit
    ready = [inputs.prepared(text, unit, data.lower) for text in texts]
    counted = data.min_count if unit in ("char", "word") else 1
    size = options.target_vocab_size or (data.vocab_size if unit != "byte" else 0)
    return vocab.learn(unit, ready, size=size, min_count=counted)


def _unit(texts: Sequence[str]) -> str:
    spaced = sum(" " in text.strip() for text in texts)
    return "bpe" if spaced > len(texts) / 2 else "char"
