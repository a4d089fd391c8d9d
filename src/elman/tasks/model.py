"""A trained model: predict, evaluate, stream. What only some tasks do, their own subclasses add."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self, TextIO, TypeVar, Unpack

from torch import nn

from elman.core import formatting, json_schema
from elman.core.errors import ConfigError, DataError, MissingMethodError, TaskError
from elman.core.records import Record
from elman.core.run_config import Reading, RunConfig, reading_of
from elman.data import renaming
from elman.data.formats import registry
from elman.data.formats.base import write_json_lines
from elman.data.memory import records as memory
from elman.data.memory.answers import in_kind
from elman.nn import parameters
from elman.streaming.saved import StreamFactory
from elman.streaming.stream import Stream
from elman.tasks import dataset, evaluation, results, selection
from elman.tasks import registry as tasks_registry
from elman.tasks.abilities import Ability, HasBeam, PredictsRecords, abilities_of, operations_of
from elman.tasks.base import Purpose, Task
from elman.tasks.operations import AnyOperation
from elman.tasks.results import History, RunResults
from elman.tasks.scoreboard import RunScores, ScoreTable

_Ability = TypeVar("_Ability", bound=Ability)


_NAMING = ("input", "target", "group", "time")
"""Settings that name columns."""


class Model:
    """A trained network with its task, ready to be used.

    Args:
        path: the run folder.
        config: the settings that it was trained with.
        task: what it was trained for.
        network: in evaluation mode.
        learnt: what the task learnt from the data, as the run's file has it; None: as the task has it.
    """

    def __init__(
        self, path: Path, config: RunConfig, task: Task, network: nn.Module, learnt: str | None = None
    ) -> None:
        self._path, self._config, self._learnt = path, config, learnt
        self.network, self.task = network, task

    @property
    def path(self) -> Path:
        """The run folder that the model was loaded from."""
        return self._path

    @property
    def config(self) -> RunConfig:
        """The settings that it was trained with."""
        return self._config

    @property
    def scores(self) -> RunScores:
        """Part of the data -> predictor -> score -> value, as training measured them; with a `verdict`."""
        found = self.results
        return RunScores(found.scores if found else {})

    @property
    def results(self) -> RunResults | None:
        """All that the model card shows: facts of the data and the training, scores, findings; None: stopped.

        Raises:
            RunError: the file is damaged.
        """
        return results.read(self.path)

    @property
    def history(self) -> History:
        """The rows of metrics.csv, each with step, train_loss, valid_loss and more."""
        path = self.path / "metrics.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return History({k: float(v) if v else None for k, v in row.items()} for row in rows)

    def _repr_html_(self) -> str:
        """Show the model and its scores in a notebook."""
        return formatting.html_paragraph(repr(self)) + self.scores._repr_html_()

    @property
    def learnt(self) -> str:
        """What the task learnt from the data, in the words of the Elman that trained the model."""
        return self.task.to_text() if self._learnt is None else self._learnt

    @property
    def operations(self) -> list[AnyOperation]:
        """What can be asked of the model by HTTP."""
        return operations_of(type(self.task))

    @property
    def reads(self) -> str:
        """What kind of value `predict` reads, such as text or sound; empty: it does not predict."""
        return self.task.reads if isinstance(self.task, PredictsRecords) else ""

    def can(self, method: str) -> bool:
        """Return whether the model has this method, such as `draw`, which only some tasks have."""
        return hasattr(type(self), method)

    @property
    def draws(self) -> bool:
        """Whether `draw` is what it does, and not `write`."""
        return self.can("draw")

    def __getattr__(self, name: str) -> Any:
        """Refuse a method that only models of other tasks have.

        Raises:
            MissingMethodError: the error names the tasks, and a command for this model.
        """
        if not name.startswith("_"):
            for kind in tasks_registry.TASKS.values():
                for ability in abilities_of(kind):
                    if name in vars(ability.methods or object):
                        raise self._refusal(ability)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        network = self.config.network
        words = (
            f", {network.layers} x {network.cell} {network.hidden}"
            if parameters.has_trainable(self.network)
            else ""
        )
        return f"Model({self.path.name}: {self.config.task}{words})"

    def stream(self, path: str | Path | None = None, *, start: Any = None) -> Stream:
        """Open a stream for data as they come in, step by step or in pieces, in constant memory.

        Args:
            path: a file that `Stream.save` wrote, to go on from; None: from the start.
            start: what it starts from, where the task knows of such: a class or a text to draw.

        Raises:
            TaskError: the model cannot run as a stream; it says what could.
            RunError: the file is missing, damaged, or of another model.
        """
        source = StreamFactory(self)
        return Stream(source, source.fresh(start) if path is None else source.load(Path(path)))

    def with_beam(self, width: int) -> Model:
        """Return the same model with a beam of another width to search its predictions; 1: greedy.

        Raises:
            TaskError: the task's predictions are not looked for by a beam.
            ConfigError: a width below 1.
        """
        task = self._able(HasBeam)
        return type(self)(self._path, self._config, task.with_beam(width), self.network, self._learnt)

    def evaluate(self, source: Any, **reading: Unpack[Reading]) -> ScoreTable:
        """Score all of a file, folder or sample, beside baselines learnt from the model's training part.

        Baselines are left out where the training data are no longer there.

        Args:
            source: what to measure on.
            reading: how it is read, such as `format`, `encoding`, `header`, `input`: as `train` takes them;
                `strict`: refuse all of it for a record that cannot be scored, instead of leaving that out.

        Returns:
            Predictor ("model", "unigram", ...) -> metric -> value; its `verdict` compares them.

        Raises:
            DataError: the data cannot be read.
        """
        strict = reading.get("strict", False)
        task = self.dated(reading).task
        held = selection.encoded(task, self.records(source, **reading), Purpose.SCORE, strict=strict)
        scores = {"model": evaluation.evaluate(self.task, self.network, held).scores}
        name = Path(source).name if memory.is_path(source) else "these data"
        if not dataset.there(self.config):
            return ScoreTable(scores, name)
        parts = dataset.load_parts(self.config)
        train = selection.encoded(self.task, parts.train, Purpose.TRAIN, strict=self.config.data.strict)
        return ScoreTable(scores | self.task.baselines(train, {"held": held})["held"], name)

    def predict(self, values: Any) -> Any:
        """Predict the targets of values such as those in the column that the model learnt to read.

        Args:
            values: texts, arrays [T] or [T, C], paths of sounds or pictures, or whatever the task reads; or
                rows with the columns that it learnt from: a data frame, a dict of columns, a list of dicts.

        Returns:
            For each, in their order, the `prediction` and what goes with it, in terms of JSON. A data frame
            or a dict of columns comes back with these as columns.

        Raises:
            TaskError: the task does not predict.
            DataError: a value cannot be read.
        """
        task = self._able(PredictsRecords)
        if memory.rows(values):
            answers = [answer for _, answer in self.answers(self.records(values))]
            return in_kind(values, answers)
        records = [task.record(value, f"value {i}") for i, value in enumerate(listed_values(values), start=1)]
        return [answer for _, answer in self.answers(records)]

    def predict_proba(self, values: Any) -> list[dict[str, float]]:
        """Return the probability of each class for each value, as `predict` takes them.

        Raises:
            TaskError: the task's predictions have no probabilities of classes.
            DataError: a value cannot be read.
        """
        answers = self.predict(values if memory.rows(values) is None else memory.rows(values))
        if any("probabilities" not in answer for answer in answers):
            got = "a model whose predictions have no probabilities of classes"
            raise TaskError(f"task {self.config.task!r}", got, remedy="use predict")
        return [answer["probabilities"] for answer in answers]

    def answers(self, records: Sequence[Record]) -> Iterator[tuple[Record, dict[str, Any]]]:
        """Yield the records in their order, each with the model's answer; targets are not looked at.

        Raises:
            TaskError: the task does not predict.
            DataError: a record cannot be read.
        """
        task = self._able(PredictsRecords)
        outputs = evaluation.predict(task, self.network, self.task.encode(records, Purpose.PREDICT))
        for record, output in zip(records, outputs, strict=True):
            yield record, task.answer(output, record)

    def write_predictions(self, source: str | Path, out: TextIO, **reading: Unpack[Reading]) -> None:
        """Predict for a file, a folder or a sample, and write what was read with the predictions added.

        A record that cannot be read is written too, with empty predictions.

        Args:
            source: what to predict for.
            out: where to write.
            reading: how it is read, as `evaluate` takes it; `strict`: refuse all of it for a record that
                cannot be read.

        Raises:
            TaskError: the task does not predict.
            DataError: a record cannot be read, and `strict`; or more than half of them.
        """
        form = reading_of(self.config.data, reading).format
        written = registry.find(str(source), self.task.formats, form)
        answers = self._answered(self.records(str(source), **reading), reading.get("strict", False))
        written.write(self.task.arrangement.spread(answers) if self.task.arrangement else answers, out)

    def _answered(self, records: Sequence[Record], strict: bool) -> Iterator[tuple[Record, dict[str, Any]]]:
        """Yield the answers to records; those that cannot be read have none of the usual parts."""
        try:
            yield from list(self.answers(records))
            return
        except DataError:
            if strict:
                raise
        faults = selection.checked(records, lambda record: self.task.encode([record], Purpose.PREDICT))
        able = list(self.answers(selection.usable(records, faults, "to predict for", strict=False)))
        rows = iter(able)
        for place, record in enumerate(records):
            yield (record, dict.fromkeys(able[0][1])) if place in faults else next(rows)

    def answer_lines(self, lines: Iterable[str], out: TextIO) -> None:
        """Answer each line as it comes with one of JSON, or with an error if it cannot be read.

        Args:
            lines: texts, or paths of files.
            out: where to write.

        Raises:
            TaskError: the task does not predict.
        """
        task = self._able(PredictsRecords)
        for number, line in enumerate(lines, start=1):
            record = task.record(line.rstrip("\r\n"), f"line {number}")
            try:
                rows = list(self.answers([record]))
            except DataError as error:
                rows = [(record, {"error": str(error)})]
            write_json_lines(rows, out)

    def part(self, use: Purpose, source: Any = None, **reading: Unpack[Reading]) -> list[Record]:
        """Return the records of a file, or of a part of what the model was trained on.

        Raises:
            DataError: the data cannot be read, or there is no such part.
        """
        if source is not None:
            return self.records(source, **reading)
        records: list[Record] = getattr(dataset.load_parts(self.config), use.value)
        if not records:
            raise DataError(self.config.data.path, f"no {use.value} part", remedy="name a file")
        return records

    def records(self, source: Any, **reading: Unpack[Reading]) -> list[Record]:
        """Read a file, a folder, a sample or a data frame with the columns that the model knows.

        Args:
            source: where they are.
            reading: how it is read, as `evaluate` takes it.

        Raises:
            ConfigError: an unknown word of `reading`.
            DataError: the data cannot be read.
        """
        data, task = reading_of(self.config.data, reading), self.task
        for name in _NAMING:
            if reading.get(name) and name not in task.roles:
                got = f"{reading.get(name)!r} for a model that learnt from no such column"
                raise ConfigError(f"data.{name}", got, remedy="leave it out")
        table = task.arrangement
        if table and "dates" in reading:
            table = replace(table, dates=data.dates)
        if memory.is_path(source):
            return dataset.records(str(source), data, self.config.task, table, task.roles)
        return dataset.joined(renaming.matched(memory.records(source), task.roles, data), table)

    def dated(self, reading: Reading) -> Self:
        """Return the same model for data whose times are written as the settings of a file say."""
        if "dates" not in reading:
            return self
        task = self.task.dated(reading_of(self.config.data, reading).dates)
        return type(self)(self._path, self._config, task, self.network, self._learnt)

    def able(self, ability: type) -> str:
        """Return the names of the tasks that inherit an ability, joined for a message."""
        return tasks_registry.able(ability)

    def _able(self, ability: type[_Ability]) -> _Ability:
        """Return the task as one that inherits an ability.

        Raises:
            TaskError: it does not; the error names the tasks that do, and a command for this model.
        """
        if isinstance(self.task, ability):
            return self.task
        raise self._refusal(ability)

    def _refusal(self, ability: type[Ability]) -> MissingMethodError:
        command = self.task.usage()[0].replace("{name}", str(self.path))
        return MissingMethodError(
            f"task {self.config.task!r}", ability.lacks, expected=self.able(ability), remedy=f"use {command}"
        )


def model_of(task: Task) -> type[Model]:
    """Return the class of a task's models: `Model`, with the methods of all that the task can do."""
    own = [vars(ability)["methods"] for ability in abilities_of(type(task)) if "methods" in vars(ability)]
    return own[0] if len(own) == 1 else type("Model", (*own, Model), {})


_MOST = 2**63 - 1
"""Of a length, a count or a seed: beyond, no machine counts."""


def check_counts(**given: int | None) -> None:
    """See that numbers by their names are from 0 to `_MOST`, where they are given.

    Raises:
        ConfigError: one is not.
    """
    for name, value in given.items():
        if value is not None and not (isinstance(value, Integral) and 0 <= value <= _MOST):
            raise ConfigError(name, json_schema.shown(value), expected=f"a number from 0 to {_MOST}")


def listed_values(values: Iterable[Any]) -> list[Any]:
    """Return the values, paths among them as strings.

    Raises:
        DataError: a single text, which would be read as one value a character.
    """
    if isinstance(values, str | PathLike):
        raise DataError("values", f"one, {str(values)!r}", expected="several", remedy="put it into a list")
    if not isinstance(values, Iterable):
        got = f"a value of the type {type(values).__name__}"
        raise DataError("values", got, expected="a list of values, or a data frame")
    return [fspath(value) if isinstance(value, PathLike) else value for value in values]
