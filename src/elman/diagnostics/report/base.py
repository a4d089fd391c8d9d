"""What the sections of a report are made from: a model, real sequences, and what its layers did over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from elman.core.records import Batch, Example
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.diagnostics.gates import GateUse
from elman.diagnostics.gradients import GradientFlow
from elman.diagnostics.layer_trace import LayerTrace
from elman.diagnostics.stability import Dynamics, Spectra
from elman.tasks.abilities import EdgeLoss, NamesSteps
from elman.tasks.base import Task
from elman.tasks.results import RunResults

NOTHING = "No recurrent layer ran: this network's weights are a formula of its data."


@dataclass(frozen=True)
class Subject:
    """What is looked at.

    Args:
        run: the settings.
        task: the task.
        network: in evaluation mode, on the CPU.
        examples: real sequences.
        more: these and others, for what takes many.
        marks: the name of a marked property -> for each example the marks of its steps.
        source: where the sequences come from, in words.
        own: whether they are of the data that the model was trained on.
        results: of the run; None: there are none.
    """

    run: RunConfig
    task: Task
    network: nn.Module
    examples: Sequence[Example]
    more: Sequence[Example]
    marks: Mapping[str, Sequence[Sequence[Any]]]
    source: str
    own: bool = True
    results: RunResults | None = None


@dataclass(frozen=True, eq=False)
class Measurements:
    """What recurrent layers did over real sequences.

    Args:
        tracks: of each layer and direction; none where no recurrent layer ran.
        flow: of gradients from the last step, and of layers that run backwards from the first one.
        fresh: the name of a cell -> the same of a fresh network of it.
        spectra, dynamics, gates: of the same layers.
    """

    tracks: Sequence[LayerTrace]
    flow: GradientFlow
    fresh: Mapping[str, GradientFlow]
    spectra: Spectra
    dynamics: Dynamics
    gates: GateUse


def loss_of(material: Subject, network: nn.Module, *, last: bool) -> Tensor:
    """Return the summed nats [1] that a network loses at each sequence's last step, or its first.

    Where a sequence has one target, or targets that are not made in step with it, that is all of its loss.
    """
    batch = batching.collate(material.examples)
    return ending(material.task, network(batch.seq)[0], batch, last=last)[None]


def ending(task: Task, scores: Any, batch: Batch, *, last: bool) -> Tensor:
    """Return the loss as `loss_of` does, from a network's scores of a batch."""
    if isinstance(task, EdgeLoss):
        return task.ending(scores, batch, last=last)
    if batch.targets.ndim > 1 and len(batch.targets) == len(batch.seq.data):
        batch = replace(batch, targets=batching.edge(batch.targets, last=last))
    return task.loss(scores, batch).nats


def place(track: LayerTrace) -> str:
    """Return the module that a layer is in, such as "encoder.recurrent"."""
    return track.name.split(" l")[0]


def tops(material: Subject, tracks: Sequence[LayerTrace]) -> list[LayerTrace]:
    """Return the highest forward layer of each module; none of one that reads other sequences."""
    found: dict[str, LayerTrace] = {}
    for track in tracks:
        if not track.job.reverse and track.states[0].shape[1] == len(material.examples):
            found[place(track)] = track
    return list(found.values())


def symbols(material: Subject, track: LayerTrace, b: int) -> list[str]:
    """Return the text of each step that a layer had of an example; nothing where that is not known."""
    texts = material.task.symbols(material.examples[b]) if isinstance(material.task, NamesSteps) else []
    return texts if len(texts) == int(track.lengths[b]) else []
