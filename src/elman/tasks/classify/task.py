"""Classification: a whole sequence -> a class, several classes, or a number. Many to one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Annotated, Any, NamedTuple, Self, final

import torch
from torch import Tensor, nn

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError
from elman.core.records import Batch, Example, RawValue, Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data import columns, long_tables, splits
from elman.data.columns import Columns
from elman.data.long_tables import LongTable
from elman.inputs import base, registry
from elman.inputs.base import Input
from elman.inputs.text import text_input
from elman.nn.encoder import in_one_direction
from elman.nn.framing import EACH_STEP, Frame
from elman.streaming.base import Streaming
from elman.tasks.abilities import (
    Calibratable,
    Exportable,
    Mistake,
    NamesSteps,
    PredictsRecords,
    ShowsMistakes,
)
from elman.tasks.base import Choice, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.classify import baselines, mistakes, recipe, targets
from elman.tasks.classify.graph import GRAPHS
from elman.tasks.classify.network import ClassifyNetwork, TrainingOutput
from elman.tasks.classify.settings import ClassifyConfig
from elman.tasks.classify.stream import ClassifyStreamer
from elman.tasks.classify.targets import NumberTarget, Target

_HOPS = 4
"""Hops that a frame is long, where only their number is asked for."""

_NO_SLOPE = 1e-12
"""The least length of a gradient that is divided by."""


class _ClassifyContent(NamedTuple):
    columns: Columns
    input: dict[str, Any]
    target: dict[str, Any]
    frame: tuple[_Steps, _Steps]
    rows: LongTable | None = None


_Steps = Annotated[int, ("minimum", 1), ("maximum", 1 << 20)]


@final
class Classify(
    Task[ClassifyConfig], PredictsRecords, Calibratable, NamesSteps, ShowsMistakes, Streaming, Exportable
):
    """A classifier of sequences of any kind that `elman.inputs` reads."""

    Config = ClassifyConfig
    graphs = GRAPHS
    formats = (
        *("jsonlines", "parquet", "series", "arrays", "idx", "fasta", "classes", "sample"),
        *("media", "fasttext", "lines", "table"),
    )
    continuous = False

    def __init__(
        self,
        run: RunConfig[ClassifyConfig],
        chosen: Columns,
        member: Input,
        target: Target,
        frame: Frame,
        rows: LongTable | None = None,
    ) -> None:
        self._run, self._columns, self.input, self.target = run, chosen, member, target
        self._frame, self._rows = frame, rows

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there is something to read, and something beside it."""
        return len(record.fields) > 1 and any(map(registry.takes, record.fields.values()))

    @classmethod
    def reason(cls, records: Sequence[Record]) -> str:
        """What would be read and predicted."""
        if not cls.matches(records[0]):
            return ""
        try:
            chosen = columns.infer_columns(records, DataSettings(), registry.takes)
        except DataError:
            return super().reason(records)
        return f"something to read, and {chosen.target!r} to predict"

    @classmethod
    def arrange(cls, records: Sequence[Record], data: DataSettings) -> LongTable | None:
        """How rows that are steps of series are joined."""
        return long_tables.find(records, data)

    @property
    def arrangement(self) -> LongTable | None:
        """How the rows that it learnt from were joined."""
        return self._rows

    @classmethod
    def guess_columns(cls, records: Sequence[Record], data: DataSettings) -> Columns:
        """The columns to read and to predict."""
        return _columns(records, data)

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """The columns that it learnt from."""
        return self._rows.roles() if self._rows else self._columns.roles()

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The records in shares; identical inputs stay on one side, if they are drawn at random."""
        chosen = _columns(records, data)

        def key(record: Record) -> bytes:
            return base.identity(chosen.read(record))

        return Parts(*splits.split_records(records, data, key, chosen.wanted))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[ClassifyConfig]) -> Sequence[Choice]:
        """Return the settings for what is read: see `elman.tasks.classify.recipe`."""
        chosen, data = _chosen(records, run), run.data
        values = [_raw(chosen, record) for record in records]
        wanted = [RawValue(chosen.wanted(record), record.where) for record in records]
        share = 1 - (0 if data.test_path else data.test)
        known = recipe.facts(values, share, run, targets.guess(wanted, run.options))
        return list(recipe.choices(known, run))

    @classmethod
    def faults(cls, records: Sequence[Record], run: RunConfig[ClassifyConfig]) -> dict[int, DataError]:
        """Those without a label, and the only one of a class."""
        chosen = _chosen(records, run)
        wanted = [RawValue(chosen.wanted(record), record.where) for record in records]
        return targets.TARGETS[targets.guess(wanted, run.options)].faults(wanted, run.options)

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[ClassifyConfig]) -> Self:
        """The task with its columns, its input and its classes."""
        options = run.options
        chosen = _chosen(records, run)
        wanted = [RawValue(chosen.wanted(record), record.where) for record in records]
        target = targets.TARGETS[targets.guess(wanted, options)].learn(wanted, options)
        if run.training.calibrate and isinstance(target, NumberTarget):
            raise ConfigError(
                "training.calibrate", "true for the prediction of a value", remedy="leave it false"
            )
        values = [_raw(chosen, record) for record in records]
        member = registry.learn(values, run)
        frame = _frame(member, values, options)
        return cls(run, chosen, member, target, frame, long_tables.of(records[0]))

    @classmethod
    def restore(cls, text: str, run: RunConfig[ClassifyConfig], where: object) -> Self:
        """The task as `to_text` described it."""
        with json_schema.rebuilding(where):
            content = json_schema.build(_ClassifyContent, json.loads(text))
            kind = targets.TARGETS[content.target.pop("kind")]
            target = kind.restore(content.target, run.options)
            member = registry.restore(content.input, run, where)
            return cls(run, content.columns, member, target, Frame(*content.frame), content.rows)

    def to_text(self) -> str:
        """Columns, input and target as JSON."""
        content = {
            "columns": vars(self._columns),
            "input": registry.to_content(self.input),
            "target": {"kind": self.target.name, **self.target.content()},
            "frame": list(self._frame),
            "rows": None if self._rows is None else vars(self._rows),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def describe(self) -> dict[str, str]:
        """Which columns serve, what is read, and what is predicted."""
        size, hop = self._frame
        framed = f", frames of {size} steps every {hop}" if self._frame != EACH_STEP else ""
        return {
            "columns": self._rows.about() if self._rows else self._columns.about(),
            "input": self.input.about() + framed,
            "target": self.target.about(),
        }

    def build(self) -> ClassifyNetwork:
        """A fresh network for this input and target."""
        return ClassifyNetwork(self.input, self.target.size, self._run, self._frame)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """A sequence each, with the number of its class, its classes, or its value."""
        return [
            Example(self.input.encode(self._read(record)), self._target(record, use)) for record in records
        ]

    @property
    def selection_metric(self) -> str:
        """Return the name of the score that is listed first."""
        return self.target.selection_metric

    def loss(self, scores: Tensor, batch: Batch) -> Loss:
        """The target's loss."""
        return self.target.loss(scores, batch.targets)

    def objective(self, scores: Tensor | TrainingOutput, batch: Batch) -> Loss:
        """The target's loss with smoothing and weights.

        Of mixed sequences it is that of both targets, by their shares. With `adversarial`, to it is added the
        loss of the same vectors x disturbed to the worst in the first order, x + e |x| g / |g|, with g the
        gradient of the loss by x (Goodfellow et al. 2015; Miyato et al. 2017, whose e is not relative).
        """
        if not isinstance(scores, TrainingOutput):
            return self.target.objective(scores, batch.targets)
        nats = self._shared(scores.scores, scores, batch)
        if step := self._run.options.adversarial:
            (slope,) = torch.autograd.grad(nats, scores.vectors, retain_graph=True)
            size = step * _length(scores.vectors.detach()) / _length(slope).clamp(min=_NO_SLOPE)
            nats = nats + self._shared(scores.again(scores.vectors + size * slope), scores, batch)
        return Loss(nats, len(scores.scores))

    def _shared(self, scores: Tensor, output: TrainingOutput, batch: Batch) -> Tensor:
        """Return the summed objective of scores of sequences that were mixed as `output` records."""
        nats = self.target.objective(scores, batch.targets).nats
        if output.order is None:
            return nats
        others = batch.targets.index_select(min(1, batch.targets.ndim - 1), output.order)
        return output.share * nats + (1 - output.share) * self.target.objective(scores, others).nats

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """The target's scores, and the loss."""
        told = self.target.scores(torch.stack(list(outputs)), _targets(examples)) if outputs else {}
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """What is most frequent, and linear models of simple features."""
        learnt = baselines.learnt(self.target, train)

        def part_scores(examples: Sequence[Example], predictor: baselines.Predictor) -> Scores:
            said, truth = predictor(examples), _targets(examples)
            return {**self.target.scores(said, truth), "loss": self.target.surprise(said, truth)}

        return {
            part: {name: part_scores(examples, predictor) for name, predictor in learnt.items()}
            for part, examples in parts.items()
        }

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Scores of each class and pictures of them."""
        return self.target.findings(torch.stack(list(outputs)), _targets(examples))

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The wrong classes that were surest, or the values that were farthest off."""
        found = mistakes.worst(self.target, torch.stack(list(outputs)), _targets(examples), most)
        return [one._replace(read=self.input.readable(examples[one.place].data)) for one in found]

    def source_text(self, record: Record) -> str:
        """The text or path that is read."""
        value = self._columns.read(record)
        return value if isinstance(value, str) else ""

    def predict(self, network: nn.Module, batch: Batch, scores: Tensor) -> list[Tensor]:
        """Probabilities [C], or mean and deviation [2], of each sequence."""
        return list(self.target.outputs(scores).cpu().unbind())

    @property
    def reads(self) -> str:
        """What its input reads."""
        return self.input.kind

    def record(self, value: Any, where: str) -> Record:
        """The value in the column that is read; where that is a series, a line of numbers serves."""
        several = self._columns.input == columns.ALL or self._columns.inputs
        name = "series" if several else self._columns.input
        return Record({name: self.input.parse(value) if isinstance(value, str) else value}, where)

    def answer(self, output: Tensor, record: Record) -> dict[str, Any]:
        """The prediction with its probabilities, or its deviation."""
        return self.target.answer(output)

    @torch.no_grad()
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the output layer by `temperature`; see `Calibratable`."""
        assert isinstance(network, ClassifyNetwork)
        network.output.weight.div_(temperature)
        network.output.bias.div_(temperature)

    def symbols(self, example: Example) -> list[str]:
        """The text of each symbol, where that is what is read."""
        return self.input.symbols(example.data) if isinstance(self.input, text_input.Text) else []

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """Nothing: the scores tell more than a few examples."""
        return ""

    def streamer(self, network: nn.Module) -> ClassifyStreamer:
        """The network as a stream; see `Streaming`."""
        assert isinstance(network, ClassifyNetwork)
        in_one_direction(network.encoder.recurrent, "classify", "classify.bidirectional")
        self.input.incremental_encoder()  # raises where steps depend on the whole
        return ClassifyStreamer(self.input, self.target, network.encoder, network.pool, network.output)

    def usage(self) -> list[str]:
        """Commands that predict and measure."""
        return ["elman predict {name} FILE", "elman eval {name} FILE"]

    def _read(self, record: Record) -> RawValue:
        raw = _raw(self._columns, record)
        if self._columns.input not in record.fields and registry.name_of(raw.value) != self.input.name:
            name = next(iter(record.fields))
            raise DataError(record.where, f"a column {name!r} of another kind", expected=self.input.about())
        return raw

    def _target(self, record: Record, use: Purpose) -> Tensor:
        if not use.labelled:
            return torch.empty(0)
        return self.target.encode(RawValue(self._columns.wanted(record), record.where))


def _length(vectors: Tensor) -> Tensor:
    """[1, B, 1]: the length of each sequence's vectors [T, B, width] as one."""
    return vectors.square().sum((0, 2), keepdim=True).sqrt()


def _frame(member: Input, values: Sequence[RawValue], options: ClassifyConfig) -> Frame:
    """The frame that is set; or such that the median sequence has as many frames as are asked for."""
    if not options.frames:
        return Frame(options.frame, options.hop or options.frame)
    hop = max(1, round(median(len(member.encode(raw)) for raw in values) / options.frames))
    return Frame(_HOPS * hop, hop)


def _chosen(records: Sequence[Record], run: RunConfig[ClassifyConfig]) -> Columns:
    """The columns of a run; labels in one cell are parted unless the settings tell what the cell is."""
    chosen = run.columns or _columns(records, run.data)
    parted = run.options.kind in ("auto", "several") and not run.options.separator
    return chosen if parted else replace(chosen, separator="")


def _columns(records: Sequence[Record], data: DataSettings) -> Columns:
    """The columns of the records; of those that were joined from rows, their series and its target."""
    if table := long_tables.of(records[0]):
        return Columns("series", table.target, table.guessed)
    return columns.infer_columns(records, data, registry.takes)


def _raw(chosen: Columns, record: Record) -> RawValue:
    return RawValue(chosen.read(record), record.where)


def _targets(examples: Sequence[Example]) -> Tensor:
    return torch.stack([example.target for example in examples])
