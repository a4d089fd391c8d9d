"""What the state holds: maps over a real sequence, and how well it tells marked properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from elman.diagnostics.layer_trace import LayerTrace
from elman.diagnostics.report import step_annotations
from elman.diagnostics.report.base import NOTHING, Measurements, Subject, symbols, tops
from elman.diagnostics.states import ProbeResult, Probes, probe, state_map
from elman.plots.html_report import Figure, Section

MAPS, PROBES = "The state over a sequence", "What the state tells"

_MAP = (
    "The hidden state step by step over one real sequence. Units that rise and fall together stand side by "
    "side, so that bands show what a group of them follows."
)
_PROBE = (
    "A linear function of the state is fitted to a property of each step on three quarters of the steps, "
    "and scored on the last quarter: the share that is right for what is true or false, R² for a number. "
    "Far above chance, the state holds the property; the units with the largest weights tell it."
)
_SHOWN = 100
"""Most steps of a map."""
_FEWEST, _RAREST = 80, 8
"""Steps that a probe takes, and how many of them a property that is true or false is each at least."""


def maps(material: Subject, measured: Measurements) -> Section:
    """Draw the top layer of each module over one sequence, or its first steps."""
    if not measured.tracks:
        return Section(MAPS, _MAP, missing=NOTHING)
    exhibits = []
    for number, track in enumerate(tops(material, measured.tracks)):
        b, texts = _telling(material, track)
        count = min(int(track.lengths[b]), _SHOWN)
        found = state_map(track.states[0][:count, b], texts)
        caption = "Red is above zero, blue below." + " What was read stands below." * bool(texts)
        exhibits.append(Figure(f"states-{number + 1}", f"Hidden state of {track.name}", caption, found))
    return Section(MAPS, _MAP, tuple(exhibits))


def _telling(material: Subject, track: LayerTrace) -> tuple[int, list[str]]:
    """Choose the sequence with most steps, and of these the one with most symbols; return those too."""
    texts = [
        [step_annotations.printable(text) for text in symbols(material, track, b)[:_SHOWN]]
        for b in range(len(track.lengths))
    ]
    steps = track.lengths.clamp(max=_SHOWN).tolist()
    b = max(range(len(steps)), key=lambda b: (steps[b], len(set(texts[b]))))
    return b, texts[b]


def probes(material: Subject, measured: Measurements) -> Section:
    """Probe the top layers for built-in properties and for those that were marked."""
    if not measured.tracks:
        return Section(PROBES, _PROBE, missing=NOTHING)
    told = [one for track in tops(material, measured.tracks) for one in _results(material, track)]
    if not told:
        reason = f"No property changes often enough over {_FEWEST} steps or more of these sequences."
        return Section(PROBES, _PROBE, missing=reason)
    caption = "Dots are held-out scores, grey lines what is reached without the state."
    return Section(
        PROBES, _PROBE, (Figure("probes", "What a linear probe reads", caption, Probes(tuple(told))),)
    )


def _results(material: Subject, track: LayerTrace) -> list[ProbeResult]:
    lengths = track.lengths.tolist()
    states = torch.cat([track.states[0][:length, b] for b, length in enumerate(lengths)])
    found: dict[str, list[Any]] = {}
    for b, length in enumerate(lengths):
        own = step_annotations.built_in(symbols(material, track, b), length)
        own |= {name: step_annotations.stretched(each[b], length) for name, each in material.marks.items()}
        for name, values in own.items():
            found.setdefault(name, []).extend(values)
    return [
        ProbeResult(track.name, name, probe(states, values))
        for name, values in _properties(found).items()
        if _varies(values)
    ]


def _properties(found: Mapping[str, Sequence[Any]]) -> dict[str, Tensor]:
    return {
        name: values
        for each, own in found.items()
        for name, values in step_annotations.tensors(each, own).items()
    }


def _varies(values: Tensor) -> bool:
    """Return whether a property varies in both parts that a probe is made of."""
    if len(values) < _FEWEST:
        return False
    cut = len(values) - round(len(values) / 4)
    parts = values[:cut], values[cut:]
    if values.dtype != torch.bool:
        return all(len(part.unique()) > 1 for part in parts)
    return all(_RAREST <= int(part.sum()) <= len(part) - _RAREST for part in parts)
