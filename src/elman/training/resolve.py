"""From what a user says (data, a config file, options) to the settings of a run, with what was guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from elman.core import run_config, settings
from elman.core.errors import ConfigError, DataError, nearest
from elman.core.run_config import RunConfig
from elman.data.formats import registry
from elman.data.memory.source import PREFIX
from elman.tasks import dataset, settings_index
from elman.tasks import registry as tasks_registry


def resolve(
    source: str | None,
    task: str | None,
    file: Path | None,
    options: Mapping[str, Any],
    assignments: Sequence[str] = (),
) -> tuple[RunConfig, str]:
    """The settings of a run, and a sentence on how the task was chosen.

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
    known = {field.name for field in fields(run_config.DataSettings)}
    about = {"data": {key: value for key, value in options.items() if key in known}}
    path = {"data": {"path": source}} if source else {}
    named_task = task or tables.get("task")
    usual = tasks_registry.get(named_task).Config.defaults if named_task in tasks_registry.TASKS else {}
    data = run_config.DataSettings.of(settings.merge(usual, tables, about, said, path).get("data", {}))
    name, reason = _task_of(named_task, data)
    own = tasks_registry.get(name).Config
    placed = {"data": {"path": data.path} | _absolute(data)}
    try:
        named = settings.merge(
            *({run_config.section_of(key, own): {key: value}} for key, value in options.items())
        )
        return RunConfig.of(settings.merge(tables, named, said, placed), own, file or "settings"), reason
    except ConfigError as error:
        raise settings_index.explained(error, own) from error


def _check_head(tables: Mapping[str, Any], file: Path | None) -> None:
    if not isinstance(task := tables.get("task", ""), str):
        raise ConfigError(f"{file}: task", repr(task), expected="the name of a task")
    version = tables.get("format", settings.FORMAT)
    if version != settings.FORMAT:
        raise ConfigError(
            f"{file}: format", repr(version), expected=str(settings.FORMAT), remedy="update Elman"
        )


def _task_of(name: str | None, data: run_config.DataSettings) -> tuple[str, str]:
    path = data.path
    if name:
        if name not in tasks_registry.TASKS:
            raise ConfigError("--task", repr(name), remedy=nearest(name, tasks_registry.TASKS))
        return name, f"task {name}"
    form = registry.find(path, name=data.format, hints=dataset.hints(data))
    first = next(form.read(path, data.encoding), None)
    if first is None:
        raise DataError(path, f"no record in it (format {form.name})")
    guessed = tasks_registry.guess(form.name, first)
    return guessed, f"task {guessed}, guessed from {path} (format {form.name})"


def _absolute(data: run_config.DataSettings) -> dict[str, str]:
    """The paths among the settings of the data, so that they hold from whatever folder a run is resumed."""
    paths = {"path": data.path, "valid_path": data.valid_path, "test_path": data.test_path}
    return {key: _absolute_path(key, path) for key, path in paths.items() if path}


def _absolute_path(key: str, path: str) -> str:
    try:
        return path if path.startswith(("sample:", PREFIX)) else str(Path(path).resolve())
    except (OSError, ValueError) as error:  # no file can have that name, or there is no folder to be in
        raise ConfigError(f"data.{key}", repr(path), expected=f"a path ({error})") from error
