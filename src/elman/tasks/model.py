"""A trained model in the hand: load it, predict, forecast, write or draw with it, complete, evaluate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TextIO, TypeVar

from torch import nn

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError, TaskError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data.formats import registry
from elman.data.formats.base import write_json_lines
from elman.decoding.options import SamplingOptions, SearchOptions
from elman.nn import parameters
from elman.streaming.saved import StreamFactory
from elman.streaming.stream import Stream
from elman.tasks import dataset, evaluation, selection
from elman.tasks import registry as tasks_registry
from elman.tasks.abilities import Drawer, Forecaster, HasBeam, PredictsRecords, Translator, Writer
from elman.tasks.base import Purpose, Task
from elman.tasks.draw.result import GeneratedSequence
from elman.tasks.forecast.result import SeriesForecast
from elman.tasks.seq2seq.result import GeneratedText

_Ability = TypeVar("_Ability", PredictsRecords, Drawer, Forecaster, HasBeam, Translator, Writer)


class Model:
    """A trained network with its task, ready to be used.

    Args:
        path: the run folder.
        config: the settings that it was trained with.
        task: what it was trained for.
        network: in evaluation mode.
    """

    def __init__(self, path: Path, config: RunConfig, task: Task, network: nn.Module) -> None:
        self._path, self._config = path, config
        self.network, self.task = network, task

    @property
    def path(self) -> Path:
        """The run folder that the model was loaded from."""
        return self._path

    @property
    def config(self) -> RunConfig:
        """The settings that it was trained with."""
        return self._config

    def __repr__(self) -> str:
        network = self.config.network
        words = (
            f", {network.layers} x {network.cell} {network.hidden}"
            if parameters.has_trainable(self.network)
            else ""
        )
        return f"Model({self.path.name}: {self.config.task}{words})"

    def write(
        self,
        prompt: str = "",
        length: int = 400,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The text that follows `prompt`, piece by piece as it is written, in constant memory.

        Args:
            prompt: what the text begins with; it is not repeated.
            length: symbols (characters, words, ...) to write.
            temperature: below 1 the likely becomes likelier, 0 takes the likeliest always.
            top_k: choose among that many likeliest symbols only; 0: among all.
            top_p: choose among the likeliest that together have this probability (Holtzman et al. 2020).
            seed: the same seed writes the same text; None: another text each time.

        Raises:
            TaskError: the task does not write.
            VocabError: a character of the prompt is unknown to the model.
            ConfigError: a setting is out of bounds.
        """
        writer = self._able(Writer)
        _check(length=length, seed=seed)
        how = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        return writer.write(self.network, prompt, length, how)

    def sample(
        self,
        prompt: str = "",
        length: int = 400,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> str:
        """The text that follows `prompt`, whole; arguments and errors as for `write`."""
        pieces = self.write(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        return "".join(pieces)

    def draw(
        self,
        count: int = 1,
        *,
        length: int = 400,
        start: str = "",
        prefix: Any = None,
        temperature: float = 0.8,
        seed: int | None = None,
    ) -> list[GeneratedSequence]:
        """Drawings, pieces of music or other sequences, step by step in constant memory.

        Args:
            count: how many.
            length: most steps of each; strokes end by themselves, other sequences have so many.
            start: a class or a text to start from, such as the model learnt; empty: nothing.
            prefix: steps [T, C] to go on from, in the data's own units, or the path of a `.npy` file.
            temperature: below 1 the likely becomes likelier, 0 takes the likeliest always.
            seed: the same seed draws the same; None: another each time.

        Raises:
            TaskError: the task does not draw.
            DataError: the start is unknown, or the prefix is no such sequence.
            ConfigError: a setting is out of bounds.
        """
        drawer = self._able(Drawer)
        _check(count=count, length=length, seed=seed)
        return drawer.draw(
            self.network,
            count=count,
            length=length,
            start=start,
            prefix=prefix,
            temperature=temperature,
            seed=seed,
        )

    @property
    def draws(self) -> bool:
        """Whether `draw` is what it does, and not `write`."""
        return isinstance(self.task, Drawer)

    def stream(self, path: str | Path | None = None, *, start: Any = None) -> Stream:
        """A stream that data go through as they come in, step by step or in pieces, in constant memory.

        Args:
            path: a file that `Stream.save` wrote, to go on from; None: from the start.
            start: what it starts from, where the task knows of such: a class or a text to draw.

        Raises:
            TaskError: the model cannot run as a stream; it says what could.
            RunError: the file is missing, damaged, or of another model.
        """
        source = StreamFactory(self)
        return Stream(source, source.fresh(start) if path is None else source.load(Path(path)))

    def complete(self, text: str, count: int = 5) -> list[tuple[str, float]]:
        """The `count` likeliest next words after `text` with their probabilities, the likeliest first.

        Where `text` ends inside a word, the words begin with what is there of it.

        Raises:
            TaskError: the task does not complete.
            VocabError: a character of the text is unknown to the model.
        """
        return self._able(Writer).complete(self.network, text, count)

    def with_beam(self, width: int) -> Model:
        """The same model, whose predictions are looked for by a beam of another width; 1: greedy.

        Raises:
            TaskError: the task's predictions are not looked for by a beam.
            ConfigError: a width below 1.
        """
        task = self._able(HasBeam)
        return Model(self._path, self._config, task.with_beam(width), self.network)

    def evaluate(
        self, source: str | Path, *, form: str = "auto", encoding: str = "utf-8", strict: bool = False
    ) -> dict[str, dict[str, float]]:
        """Scores on all of a file, folder or sample, beside baselines learnt from the model's training part.

        Baselines are left out where the training data are no longer there.

        Args:
            source: what to measure on.
            form: the format of `source`; auto: found by its name and content.
            encoding: of its text.
            strict: refuse all of it for a record that cannot be scored, instead of leaving that out.

        Returns:
            Predictor ("model", "unigram", ...) -> metric -> value.

        Raises:
            DataError: the data cannot be read.
        """
        records = self._records(str(source), form, encoding)
        held = selection.encoded(self.task, records, Purpose.SCORE, strict=strict)
        scores = {"model": evaluation.evaluate(self.task, self.network, held).scores}
        if not dataset.there(self.config):
            return scores
        parts = dataset.load_parts(self.config)
        train = selection.encoded(self.task, parts.train, Purpose.TRAIN, strict=self.config.data.strict)
        return scores | self.task.baselines(train, {"held": held})["held"]

    def predict(self, values: Iterable[Any]) -> list[dict[str, Any]]:
        """What the model says of values such as those in the column that it learnt to read.

        Args:
            values: texts, arrays [T] or [T, C], paths of sounds or pictures, or whatever the task reads.

        Returns:
            For each, in their order, the `prediction` and what goes with it, in terms of JSON.

        Raises:
            TaskError: the task does not predict.
            DataError: a value cannot be read.
        """
        task, found = self._able(PredictsRecords), _values(values)
        records = [task.record(value, f"value {i}") for i, value in enumerate(found, start=1)]
        return [answer for _, answer in self.answers(records)]

    def answers(self, records: Sequence[Record]) -> Iterator[tuple[Record, dict[str, Any]]]:
        """The records, in their order, each with what the model says of it; targets are not looked at.

        Raises:
            TaskError: the task does not predict.
            DataError: a record cannot be read.
        """
        task = self._able(PredictsRecords)
        outputs = evaluation.predict(task, self.network, self.task.encode(records, Purpose.PREDICT))
        for record, output in zip(records, outputs, strict=True):
            yield record, task.answer(output, record)

    def write_predictions(
        self,
        source: str | Path,
        out: TextIO,
        *,
        form: str = "auto",
        encoding: str = "utf-8",
        strict: bool = False,
    ) -> None:
        """Predict for a file, a folder or a sample, and write what was read with the predictions added.

        A record that cannot be read is written too, with empty predictions.

        Args:
            source: what to predict for.
            out: where to write.
            form: the format of `source`; auto: found by its name and content.
            encoding: of its text.
            strict: refuse all of it for a record that cannot be read.

        Raises:
            TaskError: the task does not predict.
            DataError: a record cannot be read, and `strict`; or more than half of them.
        """
        written = registry.find(str(source), self.task.formats, form)
        written.write(self._answered(self._records(str(source), form, encoding), strict), out)

    def _answered(self, records: Sequence[Record], strict: bool) -> Iterator[tuple[Record, dict[str, Any]]]:
        """The answers to records; those that cannot be read have none of the usual parts."""
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

    def translate(
        self,
        values: Iterable[Any],
        *,
        beam: int | None = None,
        count: int = 1,
        length_penalty: float | None = None,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        prefix: str = "",
        names: Sequence[str] = (),
    ) -> list[list[GeneratedText]]:
        """What the model writes for each of some sources, the best first.

        Args:
            values: texts, or whatever the task reads, as for `predict`.
            beam: hypotheses of the search; 1: greedy; None: as the settings say.
            count: how many to give for each, at most `beam` unless they are drawn.
            length_penalty: a, for log probabilities divided by length**a; None: as the settings say.
            temperature: above 0 they are drawn, not searched for.
            top_k: draw among that many likeliest symbols; 0: among all.
            top_p: draw among the likeliest symbols that together have this probability.
            seed: the same seed draws the same; None: another each time.
            prefix: what each of them begins with.
            names: what to call the values in an error, such as "line 3".

        Raises:
            TaskError: the task writes nothing for a source.
            DataError: a value cannot be read.
            ConfigError: a setting is out of bounds.
        """
        task = self._able(Translator)
        _check(count=count, seed=seed)
        found = _values(values)
        names = names or [f"value {i}" for i in range(1, len(found) + 1)]
        records = [task.record(value, name) for value, name in zip(found, names, strict=True)]
        usual = task.usual()
        how = SearchOptions(
            beam=max(count, usual.beam) if beam is None else beam,
            count=count,
            length_penalty=usual.length_penalty if length_penalty is None else length_penalty,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            prefix=prefix,
        )
        examples = self.task.encode(records, Purpose.PREDICT)
        written = evaluation.search(task, self.network, examples, how)
        return [
            [task.translation(line, record, example) for line in lines]
            for record, example, lines in zip(records, examples, written, strict=True)
        ]

    def answer_lines(self, lines: Iterable[str], out: TextIO) -> None:
        """Answer each line as it comes with one of JSON; a line that cannot be read is told in its place.

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

    def forecast(
        self, source: str | Path | None = None, *, horizon: int = 0, encoding: str = "utf-8"
    ) -> list[SeriesForecast]:
        """The future of every series, after its last value.

        Args:
            source: a file of series as the model learnt from, or a sample; None: the training data.
            horizon: how many steps; 0: as many as it learnt.
            encoding: of the file's text.

        Raises:
            TaskError: the task does not forecast, or not so far.
            DataError: the data cannot be read, or a series is too short.
        """
        return self.futures(self.part(Purpose.TRAIN, source, encoding), horizon=horizon)

    def futures(self, records: Sequence[Record], *, horizon: int = 0) -> list[SeriesForecast]:
        """The future of every series in the rows of a table, after its last value; see `forecast`.

        Args:
            records: rows with the columns that the model learnt from.
            horizon: how many steps; 0: as many as it learnt.

        Raises:
            TaskError, DataError: as `forecast`.
        """
        task = self._able(Forecaster)
        task = task.ahead(horizon) if horizon else task
        windows = task.encode(records, Purpose.PREDICT)
        return task.futures(windows, evaluation.predict(task, self.network, windows))

    def backtest(
        self, source: str | Path | None = None, *, smoothing: bool = False, encoding: str = "utf-8"
    ) -> dict[str, dict[str, float]]:
        """Scores of forecasts from rolling origins, beside those of simple predictors from the same origins.

        Args:
            source: a file, all of which is scored after a first context; None: the training data's test part.
            smoothing: whether exponential smoothing is among the predictors, fitted anew at every origin.
            encoding: of the file's text.

        Returns:
            Predictor ("model", "seasonal naive", ...) -> score -> value.

        Raises:
            TaskError: the task does not forecast; statsmodels is missing for `smoothing`.
            DataError: the data cannot be read, a series is too short, or there is no test part.
        """
        task = self._able(Forecaster)
        held = task.encode(
            self.part(Purpose.TEST, source, encoding), Purpose.TEST if source is None else Purpose.SCORE
        )
        scores = {"model": evaluation.evaluate(self.task, self.network, held).scores}
        scores |= self.task.baselines([], {"held": held})["held"]
        return scores | task.smoothing(held) if smoothing else scores

    def part(self, use: Purpose, source: str | Path | None = None, encoding: str = "utf-8") -> list[Record]:
        """The records of a file, or of a part of what the model was trained on.

        Raises:
            DataError: the data cannot be read, or there is no such part.
        """
        if source is not None:
            return self._records(str(source), "auto", encoding)
        records: list[Record] = getattr(dataset.load_parts(self.config), use.value)
        if not records:
            raise DataError(self.config.data.path, f"no {use.value} part", remedy="name a file")
        return records

    def _records(self, source: str, form: str, encoding: str) -> list[Record]:
        data = replace(self.config.data, format=form, encoding=encoding)
        return dataset.records(source, data, self.config.task)

    def able(self, ability: type) -> str:
        """Return the names of the tasks that inherit an ability, joined for a message."""
        return tasks_registry.able(ability)

    def _able(self, ability: type[_Ability]) -> _Ability:
        """The task as one that inherits an ability.

        Raises:
            TaskError: it does not; the error names the tasks that do, and a command for this model.
        """
        if isinstance(self.task, ability):
            return self.task
        command = self.task.use()[0].replace("{name}", str(self.path))
        raise TaskError(
            f"task {self.config.task!r}",
            ability.lacks,
            expected=self.able(ability),
            remedy=f"use {command}",
        )


_MOST = 2**63 - 1
"""Of a length, a count or a seed: beyond, no machine counts."""


def _check(**given: int | None) -> None:
    """See that numbers by their names are from 0 to `_MOST`, where they are given.

    Raises:
        ConfigError: one is not.
    """
    for name, value in given.items():
        if value is not None and not 0 <= value <= _MOST:
            raise ConfigError(name, json_schema.shown(value), expected=f"a number from 0 to {_MOST}")


def _values(values: Iterable[Any]) -> list[Any]:
    """The values, paths among them as strings.

    Raises:
        DataError: a single text, which would be read as one value a character.
    """
    if isinstance(values, str | PathLike):
        raise DataError("values", f"one, {str(values)!r}", expected="several", remedy="put it into a list")
    return [fspath(value) if isinstance(value, PathLike) else value for value in values]
