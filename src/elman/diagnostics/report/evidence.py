"""How the model came to its answers, where its task can show that: attention, alignments, transitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elman.diagnostics.report.base import Measurements, Subject
from elman.plots import figures
from elman.plots.html_report import Figure, Section
from elman.tasks import evaluation
from elman.tasks.abilities import Predictor, ShowsEvidence
from elman.tasks.base import Evidence

TITLE = "How it came to its answers"

_LEAD = "Where attention was, when symbols were found, which tags follow which, depending on the task."
_SHOWN = 8
"""Examples that are answered for it."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Evidence of a task, as something to be drawn and written."""

    evidence: Evidence

    def table(self) -> list[dict[str, Any]]:
        """Return its rows."""
        return [dict(row) for row in self.evidence.rows]

    def plot(self) -> Any:
        """Plot it.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure()
        self.evidence.draw(figure)
        return figure


def section(material: Subject, measured: Measurements) -> Section:
    """Show the task's evidence on some examples."""
    found = _evidence(material)
    exhibits = tuple(
        Figure(one.name, one.name.capitalize(), one.caption, Shown(one)) for one in found if one.rows
    )
    reason = "" if exhibits else "This model has no attention, alignment or transitions to show."
    return Section(TITLE, _LEAD, exhibits, reason)


def _evidence(material: Subject) -> Sequence[Evidence]:
    task = material.task
    if not isinstance(task, ShowsEvidence):
        return ()
    examples = material.examples[:_SHOWN]
    outputs = evaluation.predict(task, material.network, examples) if isinstance(task, Predictor) else []
    return task.evidence(material.network, examples, outputs)
