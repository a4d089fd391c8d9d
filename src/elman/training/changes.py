"""What may be changed of a run that goes on: how far, and how it learns from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from elman.core import settings
from elman.core.errors import ConfigError
from elman.core.run_config import RunConfig, TrainingSettings

FIXED = frozenset({"batch_size", "bptt", "optimizer", "ema", "accumulate", "seed"})
"""Settings of training that stay: which data a step sees, and what a checkpoint holds, depend on them."""


def changed(run: RunConfig, options: Mapping[str, Any], assignments: Sequence[str] = ()) -> RunConfig:
    """Return the settings of a run with others of training, to go on with.

    Args:
        run: the settings so far.
        options: values by the names of settings.
        assignments: texts of the form section.key=value.

    Raises:
        ConfigError: a setting that a run keeps, that is unknown or out of bounds.
    """
    given = dict(options)
    for section, table in settings.merge(*map(settings.parse_override, assignments)).items():
        given |= {key if section == "training" else f"{section}.{key}": value for key, value in table.items()}
    free = [field.name for field in fields(TrainingSettings) if field.name not in FIXED]
    for name in given:
        if name not in free:
            remedy = f"train a new run for that; what may change: {', '.join(free)}"
            raise ConfigError(name, "a setting that a run keeps when it is resumed", remedy=remedy)
    if "epochs" in given and "steps" not in given:
        given["steps"] = 0
    if {"epochs", "steps"} & given.keys():
        given.setdefault("minutes", 0.0)
    return replace(run, training=TrainingSettings.of(vars(run.training) | given))


def check_end(before: RunConfig, after: RunConfig, epoch: int, step: int) -> None:
    """See that a new end of training is not behind what is done.

    Raises:
        ConfigError: it is.
    """
    old, new = before.training, after.training
    name, wanted, done = ("steps", new.steps, step) if new.steps else ("epochs", new.epochs, epoch)
    if (old.epochs, old.steps) != (new.epochs, new.steps) and wanted <= done:
        raise ConfigError(name, str(wanted), expected=f"more than the {done} that are done")


def summary(before: RunConfig, after: RunConfig) -> str:
    """Describe what has changed; return an empty text where nothing has."""
    old, new = vars(before.training), vars(after.training)
    return ", ".join(f"{name} {old[name]} -> {new[name]}" for name in new if new[name] != old[name])
