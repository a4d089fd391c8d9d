"""The results of a run, and its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from elman.core import json_schema
from elman.core.formatting import aligned, duration, markdown_table


def to_text(results: Mapping[str, Any]) -> str:
    """The results as JSON."""
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def from_text(text: str) -> dict[str, Any]:
    """The results that `to_text` wrote.

    Raises:
        ValueError, DataError: they are damaged.
    """
    found = json.loads(text)
    json_schema.build(_Results, found, "results", finite=False)
    return found


class _Results(NamedTuple):
    """What stands in the results; a run that is new has all of it."""

    data: dict[str, Any]
    training: dict[str, Any]
    scores: _Scores
    baselines: _Scores
    findings: dict[str, Any] = {}  # noqa: RUF012, a default that nobody changes
    figures: list[str] = []  # noqa: RUF012
    sample: str = ""


_Scores = dict[str, dict[str, dict[str, float]]]


def card(name: str, results: Mapping[str, Any]) -> str:
    """The model card: what data, how long, which scores against which baselines, how to use it."""
    data, training = results["data"], results["training"]
    lines = [
        f"# {name}",
        "",
        f"A {training['task']} model, trained with Elman {training['elman']} (torch {training['torch']}).",
        "",
        "## Data",
        "",
        *(f"- {key}: {value}" for key, value in data.items()),
        "",
        "## Training",
        "",
        f"- network: {training['network']}, {training['parameters']:,} parameters",
        *_course(training),
        "",
        "## Scores",
        "",
        *markdown_table(results["scores"]),
        "",
        "Loss is the mean over targets, in nats where it is a likelihood.",
        "Baselines learn from the same training part.",
        *_pictures(results.get("figures", ())),
        *_tables(results.get("findings", {})),
        *_sample(results.get("sample", "")),
        "",
        "## Use",
        "",
        "```",
        *(line.replace("{name}", name) for line in training["use"]),
        "```",
        "",
    ]
    return "\n".join(lines)


def _course(training: Mapping[str, Any]) -> list[str]:
    """Lines on a training's epochs and time; there are none where all weights were computed at once."""
    if training["finished"] and not training["steps"]:
        return ["- all settings: `config.toml`"]
    return [
        f"- epochs: {training['epochs']:g} of {training['of_epochs']}, steps: {training['steps']:,}"
        + ("" if training["finished"] else " (stopped before its end)"),
        f"- time: {duration(training['seconds'])} on {training['device']}, {training['threads']} threads, "
        f"{training['symbols_per_second']:,.0f} symbols/s",
        "- all settings: `config.toml`; numbers by step: `metrics.csv`, drawn in `curves.png`",
    ]


def _pictures(names: Sequence[str]) -> list[str]:
    return [line for name in names for line in ("", f"![{name}]({name}.png)")]


def _tables(tables: Mapping[str, Sequence[Sequence[object]]]) -> list[str]:
    return [
        line
        for title, rows in tables.items()
        for line in ("", f"### {title[0].upper()}{title[1:]}", "", *aligned(rows))
    ]


def _sample(text: str) -> list[str]:
    return ["", "## A sample", "", "```text", *text.splitlines(), "```"] if text else []
