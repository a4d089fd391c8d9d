"""From what a user says (data, a config file, options) to the settings of a run, with what was guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from elman.core import notes, run_config, settings
from elman.core.errors import ConfigError, DataError, ElmanError, TaskError, nearest
from elman.core.records import Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data.formats import folders, registry
from elman.data.formats.table import Row
from elman.data.memory.source import PREFIX
from elman.tasks import dataset, settings_index
from elman.tasks import registry as tasks_registry

_LOOKED_AT = 1000
"""Records that tell which task they are for."""

_COMPLETE = frozenset({"network", "training"})
"""Sections with which a settings file says all: what it leaves out has its default."""


class TaskChoice(NamedTuple):
    """Which task was chosen.

    Args:
        name: of the task.
        words: how it was chosen.
        guessed: whether nobody named it.
    """

    name: str
    words: str
    guessed: bool = False


def resolve(
    source: str | None,
    task: str | None,
    file: Path | None,
    options: Mapping[str, Any],
    assignments: Sequence[str] = (),
) -> tuple[RunConfig, TaskChoice]:
    """Return the settings of a run, and how the task was chosen.

    A later one prevails: defaults, the config file, `options` (settings by their bare names), `assignments`.

    Args:
        source: file, folder or sample:NAME; None: what the config file says, or the built-in text.
        task: the task's name; None: what the config file says, or a guess from the data.
        file: a TOML file.
        options: values by the names of settings, such as `hidden`.
        assignments: texts of the form section.key=value.

    Raises:
        ConfigError, TaskError, DataError: something is unknown or out of bounds.
    """
    tables = settings.read_tables(file) if file else {}
    _check_head(tables, file)
    said = settings.merge(*(settings.parse_override(text) for text in assignments))
    known = {field.name for field in fields(DataSettings)}
    about = {"data": {key: value for key, value in options.items() if key in known}}
    path = {"data": {"path": source}} if source else {}
    named_task = task or tables.get("task")
    usual = tasks_registry.get(named_task).Config.defaults if named_task in tasks_registry.TASKS else {}
    data = DataSettings.of(settings.merge(usual, tables, about, said, path).get("data", {}))
    whole = data.path
    data = _in_parts(data)
    choice = _task_of(named_task, data)
    if whole != data.path:
        choice = choice._replace(words=f"{choice.words}; {_parts_in_words(whole, data)}")
    own = tasks_registry.get(choice.name).Config
    placed = {"data": {"path": data.path} | _absolute(data)}
    try:
        named = settings.merge(
            *({run_config.section_of(key, own): {key: value}} for key, value in options.items())
        )
        run = RunConfig.of(settings.merge(tables, named, said, placed), own, file or "settings")
        return replace(run, complete=bool(_COMPLETE & tables.keys())), choice
    except ConfigError as error:
        raise settings_index.explained(error, own) from error


def _in_parts(data: DataSettings) -> DataSettings:
    """Return the settings with the parts of the data that a folder holds, where none are named."""
    if data.valid_path or data.test_path or data.format != registry.AUTO:
        return data
    found = folders.parts(data.path)
    return replace(data, path=found.train, valid_path=found.valid, test_path=found.test) if found else data


def _parts_in_words(folder: str, data: DataSettings) -> str:
    uses = {"to learn from": data.path, "to validate": data.valid_path, "to test": data.test_path}
    return f"in {folder}: " + ", ".join(f"{Path(path).name} {use}" for use, path in uses.items() if path)


def _check_head(tables: Mapping[str, Any], file: Path | None) -> None:
    if not isinstance(task := tables.get("task", ""), str):
        raise ConfigError(f"{file}: task", repr(task), expected="the name of a task")
    version = tables.get("format", settings.FORMAT)
    if version != settings.FORMAT:
        raise ConfigError(
            f"{file}: format", repr(version), expected=str(settings.FORMAT), remedy="update Elman"
        )


def _task_of(name: str | None, data: DataSettings) -> TaskChoice:
    path = data.path
    if name:
        if name not in tasks_registry.TASKS:
            raise ConfigError("--task", repr(name), remedy=nearest(name, tasks_registry.TASKS))
        return TaskChoice(name, f"task {name}")
    form = registry.find(path, name=data.format, hints=dataset.hints(data))
    count = _LOOKED_AT if len(tasks_registry.readers(form.name)) > 1 else 1
    with notes.forward(_unsaid):
        begin = list(islice(form.read(path, data.encoding), count))
    if not begin:
        raise DataError(path, f"no record in it (format {form.name})")
    try:
        guessed, why = tasks_registry.choose(form.name, begin)
    except TaskError as error:
        raise with_others(error, data, "") from error
    words = f"task {guessed}, guessed from {path} (format {form.name}{_head_in_words(data, begin[0])}): {why}"
    return TaskChoice(guessed, words, guessed=True)


def _unsaid(note: str) -> None:
    """Leave a note to when all of the data are read."""


def _head_in_words(data: DataSettings, first: Record) -> str:
    """Describe what was guessed of a table's first line."""
    if not isinstance(first.fields, Row) or data.header != "auto":
        return ""
    if first.fields.layout.head is not None:
        return ", with a header (if it has none: --header no)"
    return ", without a header (if it has one: --header yes)"


def with_others(error: ElmanError, data: DataSettings, guessed: str) -> ElmanError:
    """Add the commands of the other tasks that would read the data to the error, if there are any.

    Args:
        error: what went wrong with a task that was guessed.
        data: the settings.
        guessed: the name of that task.
    """
    others = [name for name in tasks_registry.TASKS if name != guessed and _would_read(name, data)]
    if not others:
        return error
    was = f"task {guessed} was guessed; " if guessed else ""
    in_memory = data.path.startswith(PREFIX)
    commands = " or ".join(
        f"task={name!r}" if in_memory else f"elman train {data.path} --task {name}" for name in others
    )
    remedy = f"{error.remedy}; {was}other tasks read the data: {commands}".removeprefix("; ")
    return type(error)(error.where, error.got, expected=error.expected, remedy=remedy)


def _would_read(name: str, data: DataSettings) -> bool:
    """Return whether a task can be prepared for the first records of the data."""
    kind = tasks_registry.get(name)
    formats = kind.formats if data.format == registry.AUTO else (data.format,)
    try:
        form = registry.find(data.path, formats, hints=dataset.hints(data))
        if not form.takes(data.path) or not set(formats) <= {*kind.formats}:
            return False
        with notes.forward(_unsaid):
            begin = list(islice(form.read(data.path, data.encoding), _LOOKED_AT))
        run = RunConfig.of({"data": vars(data)}, kind.Config)
        table = kind.arrange(begin, data)
        kind.prepare(kind.split(table.join(begin) if table else begin, data).train, run)
    except ElmanError:
        return False
    return True


def _absolute(data: DataSettings) -> dict[str, str]:
    """Return the absolute paths among the data's settings, so that a run resumes from any folder."""
    paths = {"path": data.path, "valid_path": data.valid_path, "test_path": data.test_path}
    return {key: _absolute_path(key, path) for key, path in paths.items() if path}


def _absolute_path(key: str, path: str) -> str:
    try:
        return path if path.startswith(("sample:", PREFIX)) else str(Path(path).resolve())
    except (OSError, ValueError) as error:  # no file can have that name, or there is no folder to be in
        raise ConfigError(f"data.{key}", repr(path), expected=f"a path ({error})") from error
