"""A run as a folder: settings, vocabulary, weights. What is written here can be loaded on any machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from elman.core import atomic_files, digests, json_schema, tensor_file
from elman.core import settings as core_settings
from elman.core.errors import ConfigError, RunError
from elman.core.run_config import RunConfig
from elman.tasks import registry
from elman.tasks.base import Task
from elman.tasks.model import Model

CONFIG = "config.toml"
VOCAB = "vocab.json"
WEIGHTS = "model.safetensors"


def create(path: Path, run: RunConfig, task: Task) -> None:
    """Begin a run folder with its settings and what the task learnt from the data.

    Raises:
        RunError: the folder holds a run already, or cannot be written.
    """
    if (path / CONFIG).exists():
        remedy = f"elman train --resume {path}, or another folder with --out"
        raise RunError(path, "holds a run already", remedy=remedy)
    atomic_files.write_text(path / VOCAB, digests.sealed(task.to_text()))
    # The settings come last: a folder with settings is a run.
    atomic_files.write_text(path / CONFIG, run.to_toml())


def settings(path: Path) -> RunConfig:
    """The settings of the run in folder `path`.

    Raises:
        RunError: there is no run, or it was written by a newer Elman.
        ConfigError: its settings are damaged.
    """
    if not path.is_dir():
        raise RunError(path, "no such folder", expected="a run folder", remedy="elman train makes one")
    if not (path / CONFIG).is_file():
        raise RunError(
            path, f"a folder without {CONFIG}", expected="a run folder", remedy="elman train makes one"
        )
    tables = core_settings.read_tables(path / CONFIG)
    version = tables.get("format", core_settings.FORMAT)
    if not isinstance(version, int) or version > core_settings.FORMAT:
        raise RunError(
            path,
            f"a run of format {version}",
            expected=f"at most {core_settings.FORMAT}",
            remedy="update Elman",
        )
    kind = registry.get(str(tables.get("task", "")))
    return RunConfig.of(tables, kind.Config, path / CONFIG)


def restore_task(path: Path, run: RunConfig) -> Task:
    """The task of the run in folder `path`."""
    where = path / VOCAB
    try:
        text = where.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(where, "no such file", remedy=digests.REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(where, f"cannot be read: {error}", remedy=digests.REMEDY) from error
    text = digests.opened(text, where)
    with json_schema.rebuilding(where):
        return registry.get(run.task).restore(text, run, where)


def build(task: Task) -> nn.Module:
    """A fresh network of the task.

    Raises:
        ConfigError: a setting that does not fit the others, or for which the memory is too small.
    """
    with enough_memory("network"):
        return task.build()


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Tell in one line where there is not enough memory for what is made within.

    Raises:
        ConfigError: there is not.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _NO_MEMORY.search(str(error)):
            raise
        remedy = "lower network.hidden, network.layers, training.batch_size or training.bptt"
        got = f"more memory than there is ({' '.join(str(error).split())[-120:]})"
        raise ConfigError(what, got, remedy=remedy) from error


_NO_MEMORY = re.compile("not enough memory|can't allocate memory|out of memory|overflow", re.IGNORECASE)
"""What torch says where it cannot have the memory that it asks for."""


def load(path: Path, device: torch.device) -> Model:
    """The run in folder `path`, its network on `device` and ready to predict.

    Raises:
        RunError: there is no run, a file is missing or damaged, or its weights do not fit its settings.
    """
    run = settings(path)
    task = restore_task(path, run)
    network = build(task)
    weights, notes = tensor_file.load(path / WEIGHTS)
    fill(network, weights, path / WEIGHTS)
    _check_settings(run, notes.get("settings"), path / CONFIG)
    return Model(path, run, task, network.to(device).eval())


def save_weights(path: Path, weights: Mapping[str, Tensor], notes: Mapping[str, object]) -> None:
    """Write the network's weights to the folder `path`."""
    tensor_file.save(path / WEIGHTS, weights, {"format": core_settings.FORMAT, **notes})


def meaning(run: RunConfig) -> dict[str, object]:
    """The settings without which weights say something else, but those of data and training."""
    sections = run.network, run.signal, run.options
    return {f"{own.section}.{key}": value for own in sections for key, value in vars(own).items()}


def _check_settings(run: RunConfig, trained: object, where: Path) -> None:
    """See that the weights were trained with these settings, as far as it was written beside them."""
    if not isinstance(trained, dict):
        return
    for name, value in meaning(run).items():
        if name in trained and trained[name] != value:
            got, expected = (
                f"{json_schema.shown(value)} for {name}",
                f"{json_schema.shown(trained[name])}, as trained",
            )
            raise RunError(where, got, expected=expected, remedy="set it back, or train a new run")


def fill(network: nn.Module, weights: Mapping[str, Tensor], where: Path) -> None:
    """Put `weights` into the network.

    Raises:
        RunError: names or shapes differ from the network's, or a weight is not finite.
    """
    tensor_file.fill(network, weights, where)
