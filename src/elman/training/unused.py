"""Report settings that were set and have no effect in a run, each with what it would take."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields

from elman.core.json_schema import shown
from elman.core.run_config import RunConfig
from elman.core.settings import Settings

READ = ("data", "signal", "network")
"""Sections whose settings are all read before the first step of a training is over."""


def unused(run: RunConfig, seen: Collection[str], *, continuous: bool) -> Iterator[str]:
    """Yield a line for each setting that is not as usual and has no effect.

    Args:
        run: the settings.
        seen: the settings of the sections `READ` that the first step has read, as section.name.
        continuous: whether the run learns from one text in windows.
    """
    usual = RunConfig.of({}, type(run.options))
    for section, plain in zip(run.sections, usual.sections, strict=True):
        for name, value in vars(section).items():
            usual_value = value == getattr(plain, name) or name in ("path", "encoding", "format")
            if usual_value or f"{section.section}.{name}" not in run.given:
                continue
            if reason := _reason(section, name, run, seen, continuous):
                said = "" if value is True else f" {value if isinstance(value, str) else shown(value)}"
                yield f"note: --{_dashed(name)}{said} has no effect: {reason}"


def _reason(section: Settings, name: str, run: RunConfig, seen: Collection[str], continuous: bool) -> str:
    (meta,) = (field.metadata for field in fields(section) if field.name == name)
    others, among = meta["needs"]
    if others and not any(_on(section, other, among) for other in others):
        wanted = f" {' or '.join(among)}" if among else ""
        return f"it takes {' or '.join(f'--{_dashed(other)}{wanted}' for other in others)}"
    if section.section in READ and f"{section.section}.{name}" not in seen:
        return f"nothing reads it in the task {run.task} on these data"
    if name == "bptt" and not continuous:
        return f"the task {run.task} learns from whole sequences"
    if name == "epochs" and run.training.steps:
        return f"--steps {run.training.steps} says when training ends"
    return ""


def _on(section: Settings, name: str, among: Collection[str]) -> bool:
    """Return whether a setting has one of some values or, where none are named, is more than off."""
    value = getattr(section, name)
    (low,) = (field.metadata["low"] for field in fields(section) if field.name == name)
    return value in among if among else bool(value) and value != low


def _dashed(name: str) -> str:
    return name.replace("_", "-")
