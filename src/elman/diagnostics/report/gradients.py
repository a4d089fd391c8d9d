"""How far back the loss reaches: gradients through time, beside those of fresh networks."""

from __future__ import annotations

from elman.diagnostics.gradients import Comparison, Flow
from elman.diagnostics.report.base import NOTHING, Measurements, Subject, tops
from elman.plots.html_report import Figure, Section

TITLE = "Gradients through time"

_LEAD = (
    "How much the loss at the last step would change if the state k steps before it did: what cannot be "
    "felt there, training cannot learn from. A straight line is a decay at one rate, and its half-life is "
    "the memory horizon. Layers that run from the end to the start are looked at from the first step."
)


def section(material: Subject, measured: Measurements) -> Section:
    """Draw the curves of all layers, and of the top ones beside fresh networks."""
    if not measured.tracks:
        return Section(TITLE, _LEAD, missing=NOTHING)
    whole = Figure(
        "gradients",
        "Norm of the gradient by steps back",
        "The median over the sequences, with the quartiles shaded: it fades where the line falls, and grows "
        "where it rises. The word beside a layer is the summary's.",
        measured.flow,
    )
    names = [track.name for track in tops(material, measured.tracks)]
    return Section(TITLE, _LEAD, (whole, *_beside(material, measured, names)))


def _beside(material: Subject, measured: Measurements, names: list[str]) -> list[Figure]:
    """Draw the top layers beside fresh ones of as many units, before any training."""
    flows = {flow.name: flow for flow in measured.flow.flows}
    exhibits = []
    for number, name in enumerate(names):
        fresh = {
            f"fresh {cell}": one for cell, flow in measured.fresh.items() for one in _named(flow.flows, name)
        }
        own = {f"this model ({material.run.network.cell})": flows[name]}
        exhibits.append(
            Figure(
                f"fresh-{number + 1}",
                f"This model beside fresh networks, {name}",
                "Medians in shares of the last step's. A fresh network has the same sizes and sees the same "
                "sequences, but has learnt nothing: what it holds, its cell holds by itself.",
                Comparison(name, own | fresh),
            )
        )
    return exhibits


def _named(flows: tuple[Flow, ...], name: str) -> list[Flow]:
    return [flow for flow in flows if flow.name == name]
