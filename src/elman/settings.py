"""From what a user says (data, a config file, options) to the settings of a run, with what was guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elman import config, formats, tasks
from elman.config import Run
from elman.errors import ConfigError, nearest


def resolve(
    source: str | None,
    task: str | None,
    file: Path | None,
    options: Mapping[str, Any],
    assignments: Sequence[str] = (),
) -> tuple[Run, str]:
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
    tables = config.read_tables(file) if file else {}
    _check_version(tables, file)
    said = config.merge(*(config.assignment(text) for text in assignments))
    path = source or config.merge(tables, said).get("data", {}).get("path", config.Data.path)
    name, reason = _task_of(task or tables.get("task"), path)
    own = tasks.get(name).Config
    named = config.merge(*({config.section_of(key, own): {key: value}} for key, value in options.items()))
    merged = config.merge(tables, named, said, {"data": {"path": path}})
    return Run.of(config.merge(merged, {"data": _absolute(merged["data"])}), own, file or "settings"), reason


def _check_version(tables: Mapping[str, Any], file: Path | None) -> None:
    version = tables.get("format", config.FORMAT)
    if version != config.FORMAT:
        raise ConfigError(
            f"{file}: format", repr(version), expected=str(config.FORMAT), remedy="update Elman"
        )


def _task_of(name: str | None, path: str) -> tuple[str, str]:
    if name:
        if name not in tasks.TASKS:
            raise ConfigError("--task", repr(name), remedy=nearest(name, tasks.TASKS))
        return name, f"task {name}"
    form = formats.find(path).name
    guessed = tasks.guess(form)
    return guessed, f"task {guessed}, guessed from {path} (format {form})"


def _absolute(data: Mapping[str, Any]) -> dict[str, Any]:
    """The paths among the settings of the data, so that they hold from whatever folder a run is resumed."""
    paths = {key: data[key] for key in ("path", "valid_path", "test_path") if data.get(key)}
    return {
        key: path if str(path).startswith("sample:") else str(Path(path).resolve())
        for key, path in paths.items()
    }
