"""Train a model: begin a run, or resume one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from elman.core import devices, notes
from elman.core.console import NullReporter, Reporter, shown
from elman.core.errors import ConfigError, DataError, ElmanError, TaskError
from elman.core.run_config import RunConfig
from elman.data.memory import records as memory
from elman.data.memory import source
from elman.inputs.file_cache import reading_once
from elman.nn.cells import registry
from elman.runs.folder import RunFolder
from elman.tasks import dataset, selection
from elman.tasks import registry as tasks_registry
from elman.tasks.model import Model
from elman.training import changes, recipe, resolve
from elman.training.callbacks import Callback, checked
from elman.training.processes import ProcessGroup, processes
from elman.training.recipe import Recipe
from elman.training.resolve import TaskChoice
from elman.training.session import TrainingSession
from elman.training.setting_reads import SettingReads

_MINUTES = 10.0
"""Of a training whose length nobody set."""

_THREADS_PER_CORE = 8
"""Threads beyond which a core is only slower."""


def train(
    data: Any = None,
    *,
    task: str | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    resume: str | Path | None = None,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> Model:
    """Train a network, and return the model that validated best.

    Args:
        data: a file, a folder of text files, or sample:NAME; or what is in memory: a data frame (pandas,
            polars, pyarrow), a list of records or of texts, a dict of columns, arrays (x, y), a data set of
            Hugging Face or of torch with (sequence, target); None: the config file's, or the built-in text.
        task: such as "language"; None: guessed from the data.
        out: folder to make for the run; None: the next free one below `runs/`.
        config: a TOML file as `elman init` writes it.
        resume: a run folder to go on with; settings of training may be given beside it, such as more
            `epochs` for one that is finished, or a lower `lr` for one that diverged.
        quiet: print nothing.
        callbacks: objects of `elman.Callback`, called after each step and epoch and at the end; each may stop
            the training.
        options: any setting by its name, such as `hidden=512`, or `tie=True` of the task's own.

    Raises:
        ConfigError, TaskError, DataError: bad input; nothing has been written.
        RunError: the run folder cannot be made, written or resumed.
        DivergedError: loss or gradient is no longer finite.
    """
    show, callbacks = NullReporter() if quiet else shown(), checked(callbacks)
    if resume is not None:
        if data is not None and not memory.is_path(data):
            source.hold(memory.records(data), RunFolder(resume).config.data.path)
        elif any(given is not None for given in (data, task, out, config)):
            remedy = "a run keeps its data and its task; settings of training may be given"
            raise ConfigError("resume", "data, task, out or config beside it", remedy=remedy)
        return continue_run(Path(resume), show, options, callbacks=callbacks)
    run, choice = resolve.resolve(_source(data), task, None if config is None else Path(config), options)
    return begin(run, None if out is None else Path(out), show, choice, callbacks)


def begin(
    run: RunConfig,
    out: Path | None,
    show: Reporter,
    choice: TaskChoice | None = None,
    callbacks: Sequence[Callback] = (),
) -> Model:
    """Begin a run with these settings, train it to its end or an interrupt, and return its best model."""
    registry.get(run.network.cell)
    with _session(run) as team:
        show = show if team.main else NullReporter()
        guess = choice.words if choice and choice.guessed else ""
        if guess:
            show.line(guess)
        noted: list[str] = []
        with _others_named(run, choice), reading_once(), _noted(noted, show):
            loaded, kind = dataset.load(run), tasks_registry.get(run.task)
            chosen = recipe.follow(replace(run, columns=loaded.columns), loaded.records)
            whole = _bounded(chosen.run)
            run = replace(whole, columns=None)
            reads = SettingReads(run.data, run.signal, run.network)
            parts = dataset.load_parts(run, loaded)
            task, train = selection.fitted(
                parts.train, lambda records: kind.prepare(records, whole), strict=run.data.strict
            )
            path = out or _free_folder(run, team)
            parts = parts._replace(train=train)
            session = TrainingSession(RunFolder(path), run, task, parts, team, show, callbacks)
        named = [choice.words] if choice and not choice.guessed else []
        return session.begin([*named, *noted, chosen.words()], guess, reads)


def explain(
    data: Any = None, *, task: str | None = None, config: str | Path | None = None, **options: Any
) -> Recipe:
    """Return the settings that `train` would take with the same arguments, and why, without training.

    Raises:
        ConfigError, TaskError, DataError: bad input.
    """
    run, choice = resolve.resolve(_source(data), task, None if config is None else Path(config), options)
    return recipe_of(run, choice)


def recipe_of(run: RunConfig, choice: TaskChoice) -> Recipe:
    """Return the settings of a run with what is chosen from its data."""
    with _others_named(run, choice):
        loaded = dataset.load(run)
        return recipe.follow(replace(run, columns=loaded.columns), loaded.records)


def _bounded(run: RunConfig) -> RunConfig:
    """Return the settings with the usual minutes, unless a user chose minutes, epochs or steps."""
    lines = run.given & {"training.minutes", "training.epochs", "training.steps"}
    return run if lines else run.but({"training.minutes": _MINUTES})


@contextmanager
def _others_named(run: RunConfig, choice: TaskChoice | None) -> Iterator[None]:
    """Name the other tasks that would read the data, where the data do not serve one that was guessed."""
    try:
        yield
    except (DataError, TaskError) as error:
        if choice is None or not choice.guessed:
            raise
        raise resolve.with_others(error, run.data, run.task) from error


def continue_run(
    path: Path,
    show: Reporter,
    options: Mapping[str, Any] = {},
    assignments: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> Model:
    """Go on with the run in folder `path` as if it had never stopped, and return its best model.

    Args:
        path: of the run.
        show: what its words go to.
        options: settings of training to go on with, such as more epochs, by their names.
        assignments: the same as texts of the form training.key=value.
        callbacks: called after each step and epoch, and at the end.
    """
    folder = RunFolder(path)
    run = changes.changed(folder.config, options, assignments)
    with _session(run) as team:
        task = folder.task()
        show = show if team.main else NullReporter()
        return TrainingSession(folder, run, task, dataset.load_parts(run), team, show, callbacks).resume()


@contextmanager
def _session(run: RunConfig) -> Iterator[ProcessGroup]:
    """Open the processes of a training; put the caller's threads and random state back afterwards."""
    threads = torch.get_num_threads()
    device = devices.choose(run.training.device)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            _check_threads(run.training.threads)
            if run.training.threads:
                torch.set_num_threads(run.training.threads)
            yield processes(device)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _noted(lines: list[str], show: Reporter) -> Iterator[None]:
    """Add the notes on the data to `lines`; those are shown at once, if the training cannot begin."""
    try:
        with notes.forward(lines.append):
            yield
    except ElmanError:
        for line in lines:
            show.line(line)
        raise


def _source(data: Any) -> str | None:
    """Return the path or the name that the data are read by."""
    if data is None or memory.is_path(data):
        return data if data is None else str(data)
    return source.hold(memory.records(data))


def _check_threads(threads: int) -> None:
    """Check that the machine can have this many threads.

    Raises:
        ConfigError: it has only a fraction of that number of cores; torch would end the process.
    """
    most = _THREADS_PER_CORE * (os.cpu_count() or 1)
    if threads > most:
        got, expected = f"{threads} on {os.cpu_count()} cores", f"at most {most}"
        raise ConfigError("training.threads", got, expected=expected, remedy="0: as torch sees fit")


def _free_folder(run: RunConfig, team: ProcessGroup) -> Path:
    """Return the first of runs/NAME, runs/NAME-2, ... that is not there yet; every process agrees."""
    stem = Path(run.data.path.removeprefix("sample:")).stem or "run"
    stem = "data" if run.data.path.startswith(source.PREFIX) else stem
    number = 1
    while team.main and Path("runs", _numbered(stem, number)).exists():
        number += 1
    return Path("runs", _numbered(stem, int(team.gather(torch.tensor(number))[0])))


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"
