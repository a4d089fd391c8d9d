"""What the model is worth: its scores beside those of baselines, and its worst answers."""

from __future__ import annotations

from collections.abc import Iterator

from elman.core import formatting
from elman.diagnostics.report.base import Measurements, Subject
from elman.plots.html_report import ReportTable, Section
from elman.tasks import evaluation, mistakes
from elman.tasks.abilities import Predictor

TITLE = "Scores and mistakes"

_LEAD = (
    "The scores that training measured on data that it did not learn from, beside those of simple "
    "predictors; and the answers that are the most wrong, the worst first."
)


def section(material: Subject, measured: Measurements) -> Section:
    """Make the tables of scores, and of mistakes."""
    tables = (*_scores(material), *_mistakes(material))
    reason = "" if tables else "This run has no results: it was stopped before anything was scored."
    return Section(TITLE, _LEAD, (), reason, tables)


def _scores(material: Subject) -> Iterator[ReportTable]:
    for part, rows in (material.results.scores if material.results else {}).items():
        yield ReportTable(f"Scores, {part} part", formatting.score_rows(part, rows))


def _mistakes(material: Subject) -> Iterator[ReportTable]:
    """Yield the mistakes that training kept; where it kept none, those of the sequences looked at."""
    kept = material.results.findings if material.results and material.own else {}
    found = [(title, rows) for title, rows in kept.items() if title.startswith(mistakes.TITLE)]
    if not found and isinstance(material.task, Predictor):
        outputs = evaluation.predict(material.task, material.network, material.more)
        rows = mistakes.table(material.task, material.more, outputs)
        found = [(f"{mistakes.TITLE} of {len(outputs)} sequences", rows)] if rows else []
    yield from (ReportTable(f"{title[0].upper()}{title[1:]}", rows) for title, rows in found)
