"""A report on what a trained model remembers: gradients through time, gates, states, context, in one page.

Nothing of the model is changed: what is looked at is a copy.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import nn

from elman.core import formatting
from elman.core.console import NullReporter, Reporter
from elman.core.errors import ConfigError, DataError
from elman.core.records import Example, Record
from elman.core.run_config import Reading
from elman.data.formats import registry
from elman.diagnostics import gates, gradients, judgement, layer_trace, stability
from elman.diagnostics.gradients import GradientFlow
from elman.diagnostics.report import context, dynamics, evidence, scores, states, step_annotations, summary
from elman.diagnostics.report import gates as report_gates
from elman.diagnostics.report import gradients as report_gradients
from elman.diagnostics.report.base import Measurements, Subject, loss_of
from elman.plots import html_report
from elman.plots.html_report import Finding, Report, Section
from elman.runs.folder import RunFolder
from elman.tasks import dataset
from elman.tasks import registry as tasks_registry
from elman.tasks.base import Purpose
from elman.tasks.model import Model

SECTIONS = (
    scores.section,
    report_gradients.section,
    dynamics.section,
    report_gates.section,
    states.maps,
    states.probes,
    context.section,
    evidence.section,
)
"""What a report has, in this order: each gives a section of what was measured."""

FRESH = ("rnn", "lstm", "gru")
"""Cells of which a fresh network is looked at beside the model."""

_SHORTEST, _LONGEST = 64, 400
"""Steps of a window of a text: those of training, within these."""
_STEPS = 1 << 14
"""Most steps, padding among them, that are looked at."""
_MORE = 4
"""Factor by which averages over targets use more sequences."""
_WIDE, _FEW, _MANY = 512, 3, 8
"""Size of a state from which on its Jacobian is made at few steps; how many that is, and how many else."""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        page: the report: summary, numbers by layer, sections whose exhibits hold the results.
        measured: the numbers of all layers.
    """

    page: Report
    measured: Measurements

    @property
    def verdicts(self) -> Sequence[Finding]:
        """The summary."""
        return self.page.verdicts

    @property
    def warning(self) -> str:
        """The verdict of training if the model is not better than its baselines; else an empty text."""
        return self.page.warning

    @property
    def sections(self) -> Sequence[Section]:
        """The sections, whose exhibits hold the results."""
        return self.page.sections

    def _repr_html_(self) -> str:
        """The summary and the numbers by layer for a notebook."""
        said = [(one.name, one.text) for one in self.verdicts]
        tables = [formatting.html_table([("summary", ""), *said], self.warning)]
        tables += [formatting.html_table(self.page.overview)] * bool(self.page.overview)
        tables += [
            formatting.html_table(one.rows, one.title) for each in self.sections for one in each.tables
        ]
        return "".join(tables)

    def write(self, folder: str | Path, show: Reporter | None = None) -> None:
        """Write the report; an older one there is replaced when this one is whole.

        Args:
            folder: where; index.html in it is the page.
            show: where progress is reported; None: nowhere.

        Raises:
            RunError: the folder holds something else than a report, or cannot be written.
            TaskError: matplotlib is not installed.
        """
        html_report.write(Path(folder), self.page, (show or NullReporter()).line)


def inspect(
    model: Model,
    source: str | Path | None = None,
    *,
    examples: int = 32,
    mark: Sequence[str] = (),
    marks_file: str | Path | None = None,
    show: Reporter | None = None,
    **reading: Unpack[Reading],
) -> Inspection:
    """Look at what a model remembers, over real sequences.

    Args:
        model: what `elman.load` gave.
        source: a file, a folder or a sample; None: the test part of what it was trained on, or the validation
            part, or else the training part.
        examples: most sequences that are looked at.
        mark: columns with a mark for each step, which probes are made for.
        marks_file: a table with a row for each step, where the marks stand; None: in the data themselves.
        show: where progress is reported; None: nowhere.
        reading: how `source` is read, such as `format`, `encoding`, `header`, `input`: as `train` takes them.

    Raises:
        DataError: the data cannot be read, have no sequence of two steps, or lack a mark.
        ConfigError: less than one example.
    """
    show = show or NullReporter()
    if examples < 1:
        raise ConfigError("examples", str(examples), expected="at least 1")
    show.line("reading data")
    records, use, words = _records(model, source, reading)
    marks = _MarkedColumns(tuple(mark), marks_file, reading.get("encoding", "auto"))
    material = _material(model, records, use, words, examples, marks)
    with torch.random.fork_rng([]):
        measured = _measured(material, show)
    sections = []
    for make in SECTIONS:
        sections.append(make(material, measured))
        show.line(f"{sections[-1].title.lower()}: {sections[-1].missing or 'done'}")
    page = Report(
        f"What {model.path.name} remembers",
        _facts(model, material),
        summary.findings(material, measured, sections),
        summary.overview(measured),
        sections,
        warning=verdict.warning if (verdict := model.scores.verdict) else "",
    )
    return Inspection(page, measured)


@dataclass(frozen=True)
class _MarkedColumns:
    """Which marks are asked for, and where they stand."""

    names: tuple[str, ...]
    file: str | Path | None
    encoding: str

    def of(self, records: Sequence[Record], examples: Sequence[Example]) -> Mapping[str, list[list[Any]]]:
        """Name -> for each example the marks of its steps."""
        lengths = [len(example.data) for example in examples]
        if self.file is not None:
            source = str(self.file)
            rows = registry.read(source, self.encoding, ("table", "jsonlines", "parquet"))
            names = self.names or tuple(rows[0].fields)
            return {name: step_annotations.of_rows(rows, name, source, lengths) for name in names}
        if self.names and len(records) != len(examples):
            got = f"{len(examples):,} sequences of {len(records):,} records"
            remedy = "give --marks FILE, a table with a row for each step"
            raise DataError("--mark", got, expected="a sequence for each record", remedy=remedy)
        return {name: step_annotations.of_records(records, name, lengths) for name in self.names}


def _records(model: Model, source: str | Path | None, reading: Reading) -> tuple[list[Record], Purpose, str]:
    """What is looked at, what use that is of, and where it comes from in words."""
    config = model.config
    if source is not None:
        return model.records(str(source), **reading), Purpose.SCORE, str(source)
    parts = dataset.load_parts(config)
    use = next(use for use in (Purpose.TEST, Purpose.VALID, Purpose.TRAIN) if getattr(parts, use.value))
    return getattr(parts, use.value), use, f"{config.data.path}, {use.value} part"


def _material(
    model: Model, records: list[Record], use: Purpose, words: str, count: int, asked: _MarkedColumns
) -> Subject:
    whole = model.task.encode(records, use)
    told = asked.of(records, whole)
    if model.task.continuous:
        picked, more, told = _windows(whole[0], model.config.training.bptt, count, told)
    else:
        places = _spread(len(whole), _fitting(whole, count))
        picked, more = [whole[p] for p in places], [whole[p] for p in _spread(len(whole), _MORE * count)]
        told = {name: [each[p] for p in places] for name, each in told.items()}
    network = copy.deepcopy(model.network).cpu().eval()
    own, results = use is not Purpose.SCORE, RunFolder(model.path).results
    return Subject(
        model.config, model.task, network, picked, more, told, f"{len(picked)} of {words}", own, results
    )


def _fitting(whole: Sequence[Example], count: int) -> int:
    """How many of the examples are not too much to look at."""
    longest = max(len(whole[place].data) for place in _spread(len(whole), _MORE * count))
    return max(1, min(count, _STEPS // longest))


def _spread(total: int, count: int) -> list[int]:
    """Return up to `count` distinct places, evenly spaced from the first to the last."""
    return sorted({round(place) for place in torch.linspace(0, total - 1, min(total, count)).tolist()})


def _windows(
    stream: Example, bptt: int, count: int, told: Mapping[str, list[list[Any]]]
) -> tuple[list[Example], list[Example], dict[str, list[list[Any]]]]:
    """Windows of a stream, more of them, and the marks of the first ones."""
    size = min(len(stream.data), max(_SHORTEST, min(bptt or _LONGEST, _LONGEST)))
    starts = [_starts(len(stream.data) - size, many) for many in (min(count, _STEPS // size), _MORE * count)]
    picked, more = (
        [Example(stream.data[s : s + size], stream.target[s : s + size]) for s in each] for each in starts
    )
    return picked, more, {name: [whole[s : s + size] for s in starts[0]] for name, (whole,) in told.items()}


def _starts(last: int, count: int) -> list[int]:
    return _spread(last + 1, count)


def _measured(material: Subject, show: Reporter) -> Measurements:
    """What the layers do; nothing, where there are none."""
    if not layer_trace.has_layers(material.network):
        empty = gates.gate_use(()), stability.spectra(()), stability.dynamics(())
        return Measurements((), GradientFlow(()), {}, empty[1], empty[2], empty[0])
    show.line("running the model")
    tracks = layer_trace.trace(material.network, lambda network: loss_of(material, network, last=True))
    if max(len(track.job.x) for track in tracks) < 2:
        raise DataError(material.source, "sequences of one step", expected="some of two steps or more")
    show.line("gradients through time")
    flow = _flow(material, material.network)
    fresh = {}
    for cell in FRESH:
        show.line(f"the same of a fresh {cell}")
        fresh[cell] = _flow(material, _fresh(material, cell))
    show.line("eigenvalues, Jacobians, Lyapunov exponents")
    wide = max(sum(state.shape[-1] for state in track.states) for track in tracks)
    dynamics = stability.dynamics(tracks, steps=_FEW if wide > _WIDE else _MANY)
    flow, dynamics = judgement.judged(flow, dynamics)
    return Measurements(tracks, flow, fresh, stability.spectra(tracks), dynamics, gates.gate_use(tracks))


def _flow(material: Subject, network: nn.Module) -> GradientFlow:
    """From the last step; of layers that run backwards, from the first."""
    ahead = gradients.gradient_flow(network, lambda copied: loss_of(material, copied, last=True)).flows
    if not any(_backwards(flow.name) for flow in ahead):
        return GradientFlow(ahead)
    back = gradients.gradient_flow(network, lambda copied: loss_of(material, copied, last=False)).flows
    return GradientFlow(
        tuple(other if _backwards(flow.name) else flow for flow, other in zip(ahead, back, strict=True))
    )


def _backwards(name: str) -> bool:
    return name.endswith(" reverse")


def _fresh(material: Subject, cell: str) -> nn.Module:
    """A network of the same sizes and of that cell, before any training."""
    network, others = material.run.network, {"memory": 0, "projection": 0}  # which not every cell can have
    network = network if cell == network.cell else replace(network, cell=cell, **others)
    run = replace(material.run, network=network)
    torch.manual_seed(run.training.seed)
    task = tasks_registry.get(run.task).restore(material.task.to_text(), run, "a fresh network")
    return task.build().eval()


def _facts(model: Model, material: Subject) -> dict[str, str]:
    network = material.run.network
    return {
        "model": f"{material.run.task}, {network.layers} x {network.cell} {network.hidden}, of {model.path}",
        "sequences": f"{material.source}; {_lengths(material)} steps",
    }


def _lengths(material: Subject) -> str:
    """The least and the most steps of the sequences."""
    lengths = [len(example.data) for example in material.examples]
    return " to ".join(str(length) for length in sorted({min(lengths), max(lengths)}))
