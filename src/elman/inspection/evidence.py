"""How the model came to its answers, where its task can show that: attention, alignments, transitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elman import figures, scoring
from elman.inspection.base import Material, Measured
from elman.pages import Exhibit, Section
from elman.tasks.base import Evidence, Explaining, Predictor

TITLE = "How it came to its answers"

_LEAD = "Where attention was, when symbols were recognised, which tags follow which, depending on the task."
_SHOWN = 8
"""Examples that are answered for it."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Evidence of a task, as something to be drawn and written."""

    evidence: Evidence

    def table(self) -> list[dict[str, Any]]:
        """Its rows."""
        return [dict(row) for row in self.evidence.rows]

    def plot(self) -> Any:
        """Its picture.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new()
        self.evidence.draw(figure)
        return figure


def section(material: Material, measured: Measured) -> Section:
    """What the task shows of some examples."""
    found = _evidence(material)
    exhibits = tuple(
        Exhibit(one.name, one.name.capitalize(), one.caption, Shown(one)) for one in found if one.rows
    )
    reason = "" if exhibits else "This model has no attention, alignment or transitions to show."
    return Section(TITLE, _LEAD, exhibits, reason)


def _evidence(material: Material) -> Sequence[Evidence]:
    task = material.task
    if not isinstance(task, Explaining):
        return ()
    held = material.examples[:_SHOWN]
    outputs = scoring.predict(task, material.network, held) if isinstance(task, Predictor) else []
    return task.evidence(material.network, held, outputs)
