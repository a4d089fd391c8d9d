"""Damaged data, read, made a task of and encoded; some of it learnt from."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, final

import torch

import elman
from elman import tasks
from elman.core.run_config import RunConfig
from elman.data import batching, formats
from elman.inputs.signals import audio, images
from elman.tasks import base, dataset
from elman.tasks.abilities import Predictor
from elman.tasks.base import Parts, Purpose
from elman.training import resolve
from fuzz import odd, structure
from fuzz.base import Input, Kind, write
from fuzz.mutations import mutated
from fuzz.seeds import SEEDS, Seed
from fuzz.trained import undrawn

SMALL: dict[str, Any] = {"hidden": 4, "epochs": 1, "threads": 1}
_TRAINING: dict[str, Any] = {"quiet": True, "tensorboard": False}


def damaged(rng: Random, seed: Seed, seeds: list[Seed]) -> dict[str, bytes]:
    """The files of a seed, one of them mutated, or left out."""
    files = dict(seed.files)
    if not files:
        return files
    name = rng.choice([min(files), rng.choice(list(files))])
    if len(files) > 1 and rng.random() < 0.03:
        del files[name]
        return files
    other = rng.choice(list(rng.choice(seeds).files.values()))
    files[name] = mutated(rng, files[name], other, structure.of(name))
    return files


@final
class Reader(Kind):
    """A format's data.

    Args:
        name: the format.
    """

    group = "readers"

    def __init__(self, name: str) -> None:
        self.name, self._seeds = name, SEEDS[name]

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        number = rng.randrange(len(self._seeds))
        seed = self._seeds[number]
        about: dict[str, Any] = {
            "source": seed.source,
            "task": rng.choice(seed.tasks or ("",)),
            "options": dict(seed.options),
        }
        files = damaged(rng, seed, self._seeds)
        chance = rng.random()
        if chance < 0.04 or (not files and chance < 0.3):
            about["options"]["encoding"] = rng.choice(odd.ENCODINGS)
        elif chance < 0.08:
            about["task"] = rng.choice(("", *tasks.TASKS))
        elif chance < 0.1:
            about["options"]["format"] = rng.choice((*formats.FORMATS, "none"))
        elif chance < 0.11 or not files:
            about["source"] = rng.choice((*odd.TEXTS, seed.source + rng.choice(odd.TEXTS)))
        elif chance < 0.14:
            about["options"][rng.choice(("input", "target", "group"))] = rng.choice(
                ("text", "label", "", *odd.TEXTS)
            )
        about["depth"] = rng.choices(("read", "encode", "loss", "train"), (600, 340, 57, 3))[0]
        if not seed.tasks:
            about["depth"] = "read"
        return Input(files, about)

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        write(given.files, folder)
        about = given.about
        named = about["source"]
        source = named if named.startswith("sample:") else f"{folder}/{named}"
        if about["depth"] == "read":
            _looked_at(source, about["options"], self.name)
            return
        options: dict[str, Any] = {**SMALL, **about["options"]}
        if about["depth"] == "train":
            with undrawn():
                elman.train(source, task=about["task"] or None, out=folder / "run", **options, **_TRAINING)
            return
        run, _ = resolve.resolve(source, about["task"] or None, None, options)
        _learnt(run, about["depth"])

    def original(self, given: Input, name: str) -> bytes | None:
        """See `Kind`."""
        return next((seed.files[name] for seed in self._seeds if name in seed.files), None)


def _looked_at(source: str, options: dict[str, Any], name: str) -> None:
    """Records as they are read to be predicted for, the media with what they name."""
    form = options.get("format", name)
    for record in formats.read(source, options.get("encoding", "utf-8"), None, form):
        if name == "media" and "audio" in record.fields:
            samples, rate = audio.read(record.fields["audio"])
            audio.log_mel(audio.resample(samples, rate, 16_000), 16_000)
        elif name == "media" and "picture" in record.fields:
            images.rows(images.read(record.fields["picture"]))


def _learnt(run: RunConfig, depth: str) -> None:
    """What a training does before its first step, or up to a loss and an answer."""
    parts = dataset.load_parts(run)
    task = tasks.get(run.task).prepare(parts.train, run)
    held = {
        use: task.encode(part, use)
        for use, part in zip((Purpose.TRAIN, Purpose.VALID, Purpose.TEST), parts, strict=True)
        if part
    }
    task.describe()
    if depth == "loss" and isinstance(parts, Parts):
        _asked(task, held[Purpose.TRAIN][:2], parts.train[:2])


@torch.no_grad()
def _asked(task: base.Task, examples: Any, records: Any) -> None:
    """The loss of a fresh network on examples, and what it predicts for them."""
    torch.manual_seed(0)
    network = task.build().eval()
    batch = batching.collate(list(examples)) if not task.continuous else None
    if batch is None:
        return
    scores, _ = network(batch.seq)
    task.loss(scores, batch)
    if isinstance(task, Predictor):
        task.predict(network, batch, scores)


READERS = [Reader(name) for name in SEEDS]
