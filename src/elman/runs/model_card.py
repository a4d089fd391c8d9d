"""The model card of a run: its README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from elman.core.formatting import aligned, duration, markdown_table
from elman.tasks.results import RunResults, TrainingFacts


def card(name: str, results: RunResults) -> str:
    """Write the model card: what data, how long, which scores against which baselines, how to use it."""
    data, training = results.data, results.training
    lines = [
        f"# {name}",
        "",
        *_warning(results),
        f"A {training.task} model, trained with Elman {training.elman} (torch {training.torch}).",
        "",
        "## Data",
        "",
        *(f"- {_escaped(key)}: {_escaped(value)}" for key, value in data.items()),
        "",
        "## Training",
        "",
        f"- network: {training.network}, {training.parameters:,} parameters",
        *_course(training),
        "",
        "## Scores",
        "",
        *markdown_table(results.scores),
        "",
        "Loss is the mean over targets, in nats where it is a likelihood.",
        "Baselines learn from the same training part.",
        *_pictures(results.figures),
        *_tables(results.findings),
        *_sample(results.sample),
        "",
        "## Use",
        "",
        "```",
        *(line.replace("{name}", name) for line in training.use),
        "```",
        "",
    ]
    return "\n".join(lines)


def _warning(results: RunResults) -> list[str]:
    """Return the verdict, if the model is not better than its baselines."""
    return [f"**{results.warning}**", ""] if results.warning else []


def _course(training: TrainingFacts) -> list[str]:
    """Return lines on a training's epochs and time; none where all weights were computed at once."""
    if training.finished and not training.steps:
        return ["- all settings: `config.toml`"]
    return [
        f"- epochs: {training.epochs:g} of {training.of_epochs}, steps: {training.steps:,}"
        + ("" if training.finished else " (stopped before its end)"),
        f"- time: {duration(training.seconds)} on {training.device}, {training.threads} threads, "
        f"{training.symbols_per_second:,.0f} symbols/s",
        "- all settings: `config.toml`; numbers by step: `metrics.csv`, drawn in `curves.png`",
    ]


def _pictures(names: Sequence[str]) -> list[str]:
    return [line for name in names for line in ("", f"![{name}]({name}.png)")]


def _tables(tables: Mapping[str, Sequence[Sequence[object]]]) -> list[str]:
    return [
        line
        for title, rows in tables.items()
        for line in ("", f"### {title[0].upper()}{title[1:]}", "", *aligned([*map(_plain, rows)]))
    ]


def _plain(row: Sequence[object]) -> list[object]:
    """Return a row whose texts are escaped."""
    return [_escaped(cell) if isinstance(cell, str) else cell for cell in row]


def _escaped(text: str) -> str:
    """Escape a text of the data so that it is not HTML in Markdown."""
    return text.replace("<", r"\<")


def _sample(text: str) -> list[str]:
    return ["", "## A sample", "", "```text", *text.splitlines(), "```"] if text else []
