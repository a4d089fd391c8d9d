"""How gates and units are used."""

from __future__ import annotations

from elman.diagnostics.report.base import NOTHING, Measurements, Subject
from elman.plots.html_report import Figure, Section

TITLE = "Gates and units"

_LEAD = (
    "A gate near 0 is shut, near 1 open: saturated either way it passes little gradient of its own. A unit "
    "whose keeping gate is f on average remembers for about 1 / (1 - f) steps. A dead unit never leaves "
    "zero; one that is always on never changes."
)


def section(material: Subject, measured: Measurements) -> Section:
    """Draw the distributions, and the memory of the units."""
    if not measured.tracks:
        return Section(TITLE, _LEAD, missing=NOTHING)
    caption = (
        "Left: how far the gates are open, over all steps and units. Right: how long each unit remembers."
    )
    if not any(use.gates for use in measured.gates.each):
        caption = "This cell has no gates: how much the state of each unit moves."
    gates = Figure("gates", "How far gates open, how long units remember", caption, measured.gates)
    return Section(TITLE, _LEAD, (gates,))
