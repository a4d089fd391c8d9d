"""A run as a folder: settings, vocabulary, weights. What is written here can be loaded on any machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elman.core import atomic_files, digests, json_schema, tensor_file
from elman.core import settings as core_settings
from elman.core.errors import ConfigError, RunError
from elman.core.run_config import RunConfig
from elman.runs import model_card
from elman.tasks import registry, results
from elman.tasks.base import Task
from elman.tasks.model import Model, model_of
from elman.tasks.results import RESULTS, RunResults

CONFIG, VOCAB, WEIGHTS = "config.toml", "vocab.json", "model.safetensors"
LAST, BEST = "checkpoints/last.safetensors", "checkpoints/best.safetensors"
METRICS, CARD, CURVES = "metrics.csv", "README.md", "curves.png"
LOG, BOARD = "train.log", "tensorboard"


class RunFolder:
    """The folder of a run; what its files are called is known here alone.

    Args:
        path: the folder, whether it is there yet or not.
    """

    WRITTEN = frozenset({CONFIG, VOCAB, WEIGHTS, LAST, BEST, METRICS, RESULTS, CARD, CURVES})
    """The files that are written beside their place."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint, self.best = self.path / LAST, self.path / BEST
        self.metrics, self.curves = self.path / METRICS, self.path / CURVES
        self.log, self.board = self.path / LOG, self.path / BOARD

    def figure(self, name: str) -> Path:
        """Return the path of a figure of the report."""
        return self.path / f"{name}.png"

    def create(self, run: RunConfig, task: Task) -> None:
        """Begin the run with its settings and what the task learnt from the data.

        Raises:
            RunError: the folder holds a run already, or cannot be written.
        """
        if (self.path / CONFIG).exists():
            remedy = f"elman train --resume {self.path}, or another folder with --out"
            raise RunError(self.path, "holds a run already", remedy=remedy)
        atomic_files.write_text(self.path / VOCAB, digests.sealed(task.to_text()))
        # The settings come last: a folder with settings is a run.
        atomic_files.write_text(self.path / CONFIG, run.to_toml())

    def rewrite(self, run: RunConfig) -> None:
        """Let the run go on with these settings, which differ in how it is trained alone."""
        atomic_files.write_text(self.path / CONFIG, run.to_toml())
        self.__dict__["config"] = run

    @cached_property
    def config(self) -> RunConfig:
        """The settings of the run, read once.

        Raises:
            RunError: there is no run, or it was written by a newer Elman.
            ConfigError: its settings are damaged.
        """
        expected, remedy = "a run folder", "elman train makes one"
        if not self.path.is_dir():
            raise RunError(self.path, "no such folder", expected=expected, remedy=remedy)
        where = self.path / CONFIG
        if not where.is_file():
            raise RunError(self.path, f"a folder without {CONFIG}", expected=expected, remedy=remedy)
        tables = core_settings.read_tables(where)
        version = tables.get("format", core_settings.FORMAT)
        if not isinstance(version, int) or version > core_settings.FORMAT:
            expected = f"at most {core_settings.FORMAT}"
            raise RunError(self.path, f"a run of format {version}", expected=expected, remedy="update Elman")
        kind = registry.get(str(tables.get("task", "")))
        return RunConfig.of(tables, kind.Config, where)

    def task(self) -> Task:
        """Load the task, with what it learnt from the data.

        Raises:
            RunError: its file is missing or damaged.
        """
        run, where = self.config, self.path / VOCAB
        with json_schema.rebuilding(where):
            return registry.get(run.task).restore(self.learnt(), run, where)

    def learnt(self) -> str:
        """Return what the task learnt from the data, as its file has it.

        Raises:
            RunError: the file is missing or damaged.
        """
        where = self.path / VOCAB
        text = _text(where, digests.REMEDY)
        if text is None:
            raise RunError(where, "no such file", remedy=digests.REMEDY)
        return digests.opened(text, where)

    def weights(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Load the network's weights, and the notes beside them."""
        return tensor_file.load(self.path / WEIGHTS)

    def save_weights(self, weights: Mapping[str, Tensor], notes: Mapping[str, object]) -> None:
        """Write the network's weights."""
        tensor_file.save(self.path / WEIGHTS, weights, {"format": core_settings.FORMAT, **notes})

    def load(self, device: torch.device) -> Model:
        """Load the model, its network on `device` and ready to predict.

        Raises:
            RunError: there is no run, a file is missing or damaged, or its weights do not fit its settings.
        """
        task = self.task()
        network = build(task)
        weights, notes = self.weights()
        fill(network, weights, self.path / WEIGHTS)
        _check_settings(self.config, notes.get("settings"), self.path / CONFIG)
        return model_of(task)(self.path, self.config, task, network.to(device).eval(), self.learnt())

    @property
    def results(self) -> RunResults | None:
        """The results; None: there are none yet.

        Raises:
            RunError: the file is damaged.
        """
        return results.read(self.path)

    def write_results(self, found: RunResults) -> None:
        """Write the results, and the model card made from them."""
        atomic_files.write_text(self.path / RESULTS, digests.sealed(found.to_text()))
        atomic_files.write_text(self.path / CARD, model_card.card(self.path.name, found))

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end."""
        return (found := self.results) is not None and found.training.finished


def _text(where: Path, remedy: str) -> str | None:
    """Return the text of a file; None where it is not there."""
    try:
        return where.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(where, f"cannot be read: {error}", remedy=remedy) from error


def build(task: Task) -> nn.Module:
    """Build a fresh network of the task.

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


def meaning(run: RunConfig) -> dict[str, object]:
    """Return the settings on which the meaning of weights depends, without those of data and training."""
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
