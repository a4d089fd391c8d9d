"""All settings of all tasks by their names: who has one, and what is meant by a name that none has."""

from __future__ import annotations

import difflib
from dataclasses import Field, fields
from typing import Any

from elman.core.errors import ConfigError, nearest
from elman.core.run_config import SECTIONS
from elman.core.settings import Settings
from elman.tasks import registry

_UNKNOWN = "an unknown setting"
_NEAR, _SIMILAR = 0.74, 0.5
"""How alike two names are that differ by a slip, and by a word."""


def owners(name: str) -> dict[str, Field[Any]]:
    """Return the tasks that have a setting of that name of their own, and how each declares it."""
    return {
        task: field
        for task, kind in registry.TASKS.items()
        for field in fields(kind.Config)
        if field.name == name
    }


def hint(name: str, own: type[Settings] | None = None, *, option: bool = False) -> str:
    """Return the remedy for a setting that a run has not got: where it is, or which one is meant.

    Args:
        name: the name that was given.
        own: the section of the run's task; None: it is not known yet.
        option: whether it was given on the command line.
    """
    sections = [*SECTIONS, own] if own else [*SECTIONS, *(kind.Config for kind in registry.TASKS.values())]
    known = {
        field.name: (section.section, field) for section in reversed(sections) for field in fields(section)
    }
    if name in known:
        section, _ = known[name]
        return (
            f"it is {section}.{name}: give --{_dashed(name)}, or {name}= in Python, or [{section}] in a file"
        )
    if tasks := list(owners(name)):
        there = registry.listed(tasks)
        return f"a setting of the task {there}" + (f", not of {own.section}; leave it out" if own else "")
    if not (meant := _meant(name, {key: field for key, (_, field) in known.items()})):
        return "elman train --help lists them"
    section, field = known[meant]
    if difflib.get_close_matches(name, [meant], cutoff=_NEAR):
        return f"did you mean --{_dashed(meant)}?" if option else f"did you mean {meant!r}?"
    return f"did you mean {meant!r}? --{_dashed(meant)}, in [{section}]: {field.metadata['doc']}"


def explained(error: ConfigError, own: type[Settings]) -> ConfigError:
    """Return the error; of an unknown setting, with the best hint among all of all sections."""
    section, _, name = error.where.rpartition(".")
    if error.got != _UNKNOWN:
        return error
    in_section = [
        field.name for kind in (*SECTIONS, own) if kind.section == section for field in fields(kind)
    ]
    if difflib.get_close_matches(name, in_section, n=1, cutoff=_NEAR):
        return ConfigError(error.where, _UNKNOWN, remedy=nearest(name, in_section))
    return ConfigError(error.where, _UNKNOWN, remedy=hint(name, own))


def _meant(name: str, known: dict[str, Field[Any]]) -> str:
    """Guess the setting that is meant: by its begin, a slip, its explanation, or a part of its name."""
    longer = [key for key in known if key.startswith(f"{name}_")]
    close = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    words = name.replace("_", " ")
    told = sorted(
        (len(field.metadata["doc"]), key)
        for key, field in known.items()
        if f" {words} " in f" {field.metadata['doc']} ".replace(",", " ").replace(":", " ")
    )
    similar = difflib.get_close_matches(name, known, n=1, cutoff=_SIMILAR)
    return next(iter([*longer, *close, *(key for _, key in told), *similar]), "")


def _dashed(name: str) -> str:
    return name.replace("_", "-")
