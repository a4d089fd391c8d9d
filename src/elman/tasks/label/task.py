"""Labelling of steps: an answer at each step of a signal. Many to many, in step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, final

import torch
from torch import Tensor, nn

from elman.core import json_schema, notes
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
from elman.streaming.base import Streaming
from elman.tasks.abilities import (
    Calibratable,
    Exportable,
    Mistake,
    NamesSteps,
    PredictsRecords,
    ShowsMistakes,
    largest,
)
from elman.tasks.base import Choice, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.label import baselines, plots, recipe, step_cells, targets
from elman.tasks.label.graph import GRAPHS
from elman.tasks.label.network import LabelNetwork
from elman.tasks.label.settings import LabelConfig
from elman.tasks.label.stream import LabelStreamer
from elman.tasks.label.targets import StepClass, StepNumber, StepTarget


class _LabelContent(NamedTuple):
    columns: Columns
    input: dict[str, Any]
    target: dict[str, Any]
    rows: LongTable | None = None


@final
class Label(
    Task[LabelConfig], PredictsRecords, Calibratable, NamesSteps, ShowsMistakes, Streaming, Exportable
):
    """A class or a number at each step of a sequence of any kind that `elman.inputs` reads."""

    Config = LabelConfig
    graphs = GRAPHS
    formats = ("jsonlines", "parquet", "sample", "table")
    continuous = False

    def __init__(
        self,
        run: RunConfig[LabelConfig],
        chosen: Columns,
        member: Input,
        target: StepTarget,
        rows: LongTable | None = None,
    ) -> None:
        self._run, self._columns, self._rows = run, chosen, rows
        self.input, self.target = member, target
        self._lag = run.options.lag

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there is a sequence of numbers, and beside it a target of as many steps."""
        return step_cells.are_in_step(record)

    @classmethod
    def reason(cls, records: Sequence[Record]) -> str:
        """What would be predicted at each step."""
        if all(map(cls.matches, records)):
            return "sequences, and as many targets as steps"
        name = long_tables.labels_steps(records)
        return f"{name!r} changes from row to row of a sequence, beside numbers" if name else ""

    @classmethod
    def arrange(cls, records: Sequence[Record], data: DataSettings) -> LongTable | None:
        """How rows that are steps of series are joined."""
        return long_tables.find_labelled(records, data)

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
        """Whole sequences in shares; identical inputs stay on one side. A single one is cut in time."""
        chosen = _columns(records, data)
        if len(records) == 1 and (data.valid or data.test):
            return _cut(records[0], chosen, data)

        def key(record: Record) -> bytes:
            return base.identity(chosen.read(record))

        return Parts(*splits.split_records(records, data, key))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[LabelConfig]) -> Sequence[Choice]:
        """Return the settings for what is read: see `elman.tasks.label.recipe`."""
        chosen = run.columns or _columns(records, run.data)
        kind = targets.guess([step_cells.of(chosen, record) for record in records], run.options)
        return list(recipe.choices(recipe.facts(records, chosen, run, kind)))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[LabelConfig]) -> Self:
        """The task with its columns, its input and its classes, or the scale of its numbers."""
        chosen = run.columns or _columns(records, run.data)
        wanted = [step_cells.of(chosen, record) for record in records]
        target = targets.TARGETS[targets.guess(wanted, run.options)].learn(wanted, run.options)
        if run.training.calibrate and isinstance(target, StepNumber):
            got = "true for the prediction of a value"
            raise ConfigError("training.calibrate", got, remedy="leave it false")
        member = registry.learn([_raw(chosen, record) for record in records], run)
        return cls(run, chosen, member, target, long_tables.of(records[0]))

    @classmethod
    def restore(cls, text: str, run: RunConfig[LabelConfig], where: object) -> Self:
        """The task as `to_text` described it."""
        with json_schema.rebuilding(where):
            content = json_schema.build(_LabelContent, json.loads(text))
            kind = targets.TARGETS[content.target.pop("kind")]
            target = kind.restore(content.target, run.options)
            member = registry.restore(content.input, run, where)
            return cls(run, content.columns, member, target, content.rows)

    def to_text(self) -> str:
        """Columns, input and target as JSON."""
        content = {
            "columns": vars(self._columns),
            "input": registry.to_content(self.input),
            "target": {"kind": self.target.name, **self.target.content()},
            "rows": None if self._rows is None else vars(self._rows),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def describe(self) -> dict[str, str]:
        """Which columns serve, what is read, and what is predicted."""
        lag = f", {self._lag} steps later" if self._lag else ""
        return {
            "columns": self._rows.about() if self._rows else self._columns.about(),
            "input": self.input.about(),
            "target": self.target.about() + lag,
        }

    def build(self) -> LabelNetwork:
        """A fresh network for this input and target."""
        both = self._run.options.bidirectional
        return LabelNetwork(self.input.reader(), self.target.size, self._run.network, bidirectional=both)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """Each sequence as features [T, F] or symbols [T], with the targets [T] of its steps.

        With a lag of k both are k steps longer: the last step comes k times more, the targets k steps later.
        To learn from, sequences may be cut in pieces.

        Raises:
            DataError: a sequence cannot be read, has a target that is not known, or another number of them.
        """
        return [example for record in records for example in self._examples(record, use)]

    @property
    def selection_metric(self) -> str:
        """Return the name of the score that is listed first."""
        return self.target.selection_metric

    def loss(self, scores: Tensor, batch: Batch) -> Loss:
        """The target's loss."""
        return self.target.loss(scores, batch.targets)

    def objective(self, scores: Tensor, batch: Batch) -> Loss:
        """The target's loss with smoothing and weights; of a number see `targets.StepNumber`."""
        return self.target.objective(scores, batch.targets)

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """The target's scores, and the loss."""
        told = self.target.scores(list(outputs), self._targets(examples)) if outputs else {}
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """What is most frequent, or the mean; and a linear model of a window of inputs."""
        both = self._run.options.bidirectional
        learnt = dict(baselines.learnt(self.target, train, self._lag, both=both))

        def part_scores(examples: Sequence[Example], predictor: baselines.StepPredictor) -> Scores:
            said, truth = predictor(examples), self._targets(examples)
            flat, right = self._known(said, truth)
            return {**self.target.scores(said, truth), "loss": self.target.surprise(flat, right)}

        return {
            part: {name: part_scores(examples, predictor) for name, predictor in learnt.items()}
            for part, examples in parts.items()
        }

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Scores of each class, and a sequence with its answers as a picture."""
        found = self.target.findings(*self._known(list(outputs), self._targets(examples)))
        shown = max(
            range(len(examples)), key=lambda place: int(self.target.known(examples[place].target).sum())
        )
        drawn = plots.of_sequence(self.target, examples[shown], outputs[shown], self._lag)
        return Findings(found.tables, {**found.figures, "sequence": drawn})

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The sequences with most wrong classes, each with its surest; or with the numbers farthest off."""
        sizes, tell = zip(*map(self._wrong, self._targets(examples), outputs), strict=True)
        return [tell[place]._replace(place=place) for place in largest(sizes, most)]

    def source_text(self, record: Record) -> str:
        """The text or path that is read."""
        value = self._columns.read(record)
        return value if isinstance(value, str) else ""

    def predict(self, network: nn.Module, batch: Batch, scores: Tensor) -> list[Tensor]:
        """Probabilities [T, C], or mean and deviation [T, 2], of the steps of each sequence."""
        outputs, lengths = self.target.outputs(scores).cpu(), batch.seq.lengths
        ends = [len(outputs)] * outputs.shape[1] if lengths is None else lengths.tolist()
        return [outputs[self._lag : end, place].clone() for place, end in enumerate(ends)]

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
        """The classes with their probabilities, or the numbers with intervals: a list of each."""
        return self.target.answer(output)

    @torch.no_grad()
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the output layer by `temperature`; see `Calibratable`."""
        assert isinstance(network, LabelNetwork)
        network.output.weight.div_(temperature)
        network.output.bias.div_(temperature)

    def symbols(self, example: Example) -> list[str]:
        """The text of each symbol, where that is what is read."""
        return self.input.symbols(example.data) if isinstance(self.input, text_input.Text) else []

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """Nothing: the scores tell more than a few steps."""
        return ""

    def streamer(self, network: nn.Module) -> LabelStreamer:
        """The network as a stream; see `Streaming`."""
        assert isinstance(network, LabelNetwork)
        in_one_direction(network.encoder.recurrent, "label", "label.bidirectional")
        self.input.incremental_encoder()  # raises where steps depend on the whole
        return LabelStreamer(self.input, self.target, network, self._lag)

    def usage(self) -> list[str]:
        """Commands that predict and measure."""
        return ["elman predict {name} FILE", "elman eval {name} FILE"]

    def _examples(self, record: Record, use: Purpose) -> Iterator[Example]:
        data = self.input.encode(self._read(record))
        if not use.labelled:
            yield Example(_prolonged(data, self._lag), torch.empty(0, dtype=self.target.unknown(0).dtype))
            return
        cells = step_cells.of(self._columns, record)
        if len(cells.cells) != len(data):
            expected = f"{len(data):,}, as many as steps that are read"
            raise DataError(record.where, f"{len(cells.cells):,} targets", expected=expected)
        target, window = self.target.encode(cells), self._run.options.window
        size = window if use is Purpose.TRAIN and window else len(data)
        for start in range(0, len(data), size):
            piece, right = data[start : start + size], target[start : start + size]
            yield Example(_prolonged(piece, self._lag), torch.cat([self.target.unknown(self._lag), right]))

    def _read(self, record: Record) -> RawValue:
        raw = _raw(self._columns, record)
        if self._columns.input not in record.fields and registry.name_of(raw.value) != self.input.name:
            name = next(iter(record.fields))
            raise DataError(record.where, f"a column {name!r} of another kind", expected=self.input.about())
        return raw

    def _targets(self, examples: Sequence[Example]) -> list[Tensor]:
        return [example.target[self._lag :] for example in examples]

    def _known(self, outputs: Sequence[Tensor], truth: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The outputs [N, ...] and targets [N] of all steps that have one."""
        flat, right = torch.cat(list(outputs)), torch.cat(list(truth))
        there = self.target.known(right)
        return flat[there], right[there]

    def _wrong(self, truth: Tensor, output: Tensor) -> tuple[float, Mistake]:
        """How wrong a sequence's answers are, and its worst step."""
        there = self.target.known(truth)
        if isinstance(self.target, StepClass):
            top, best = output.max(-1)
            wrong = there & (best != truth)
            worst = int((top * wrong).argmax())
            names, numbers = self.target.classes, {"wrong steps": int(wrong.sum()), "steps": int(there.sum())}
            right = names[int(truth[worst])] if there[worst] else ""
            told = Mistake(0, names[int(best[worst])], right, {**numbers, "at step": worst + 1})
            return float(wrong.sum()), told
        errors = (output[:, 0] - truth).abs().nan_to_num(0.0)
        worst = int(errors.argmax())
        off = {"error": float(errors[worst]), "deviation": float(output[worst, 1]), "at step": worst + 1}
        told = Mistake(0, f"{float(output[worst, 0]):.6g}", f"{float(truth[worst]):.6g}", off)
        return float(errors[worst]), told


def _prolonged(data: Tensor, count: int) -> Tensor:
    """Data [T, ...] with the last step `count` times more."""
    return torch.cat([data, data[-1:].expand(count, *data.shape[1:])]) if count else data


def _columns(records: Sequence[Record], data: DataSettings) -> Columns:
    """The columns of the records; of those that were joined from rows, their series and its targets."""
    if table := long_tables.of(records[0]):
        return Columns("series", table.target, table.guessed)
    return columns.infer_columns(records, data, registry.takes)


def _raw(chosen: Columns, record: Record) -> RawValue:
    return RawValue(chosen.read(record), record.where)


def _cut(record: Record, chosen: Columns, data: DataSettings) -> Parts:
    """The only sequence in pieces one after the other: to learn from, to validate and to test on."""
    steps = len(step_cells.of(chosen, record).cells)
    ends = [round(steps * (1 - data.valid - data.test)), round(steps * (1 - data.test)), steps]
    if ends[0] < 1 or (data.valid and ends[0] == ends[1]) or (data.test and ends[1] == steps):
        got = f"one sequence of {steps} steps"
        raise DataError(record.where, got, expected="several sequences, or enough steps for all parts")
    notes.note(
        f"one sequence of {steps:,} steps: its first {ends[0]:,} are learnt from, the others are held out"
    )
    pieces = [step_cells.part(record, chosen, *ends_of) for ends_of in zip([0, *ends], ends, strict=False)]
    return Parts([pieces[0]], [pieces[1]] * bool(data.valid), [pieces[2]] * bool(data.test))
