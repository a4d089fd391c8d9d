"""Scores of a model beside those of its baselines: tables, and the verdict on which of them is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from elman.core import formatting
from elman.core.formatting import number
from elman.tasks.base import RISING, Scores

MODEL = "model"
"""The row of the model, and how names of other rows of it begin; all others are baselines."""

_ASIDE = ("coverage", "unknown")
"""How names of scores begin of which neither more nor less is better."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a model compares with the best of its baselines, by the first score.

    Args:
        score: its name, such as "accuracy".
        model: the model's.
        baseline: the name of the best baseline.
        best: the score of that.
        part: on what data both were scored.
    """

    score: str
    model: float
    baseline: str
    best: float
    part: str = ""

    @property
    def better(self) -> bool:
        """Whether the model is better than each baseline."""
        return self.model > self.best if self.score in RISING else self.model < self.best

    @property
    def text(self) -> str:
        """The verdict, in one sentence."""
        mine, best = number(self.model), number(self.best)
        how = "better" if self.better else "no better" if mine == best else "worse"
        where = f" on {self.part}" if self.part else ""
        return (
            f"This model is {how} than its best baseline{where}: {self.score.replace('_', ' ')} {mine}, "
            f"{self.baseline} {best} ({'more' if self.score in RISING else 'less'} is better)."
        )

    @property
    def warning(self) -> str:
        """The same where the model is not better; else an empty text."""
        return "" if self.better else self.text


class ScoreTable(dict[str, Scores]):
    """Predictor ("model", "majority class", ...) -> score -> value, on one part of the data or one file.

    Args:
        rows: the scores.
        part: what they were measured on.
    """

    def __init__(self, rows: Mapping[str, Scores], part: str = "") -> None:
        super().__init__(rows)
        self.part = part

    @property
    def verdict(self) -> Verdict | None:
        """How the model compares with its baselines; None where there is nothing to compare it with."""
        others = {name: row for name, row in self.items() if not name.startswith(MODEL)}
        for score, value in self.get(MODEL, {}).items():
            known = {
                name: row[score] for name, row in others.items() if math.isfinite(row.get(score, math.nan))
            }
            if known and math.isfinite(value) and not score.startswith(_ASIDE):
                pick = max if score in RISING else min
                best = pick(known, key=known.__getitem__)
                return Verdict(score=score, model=value, baseline=best, best=known[best], part=self.part)
        return None

    @property
    def warning(self) -> str:
        """The verdict in a sentence, if it is not in the model's favour; else an empty text."""
        return self.verdict.warning if self.verdict else ""

    def lines(self) -> list[str]:
        """Return the table in Markdown."""
        return formatting.markdown_table({self.part: self})

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return formatting.html_table(formatting.score_rows(self.part, self), _said(self.verdict))


class RunScores(dict[str, ScoreTable]):
    """Part of the data (valid, test) -> its table, as training measured them."""

    def __init__(self, parts: Mapping[str, Mapping[str, Scores]]) -> None:
        super().__init__({part: ScoreTable(rows, f"the {part} part") for part, rows in parts.items()})

    @property
    def verdict(self) -> Verdict | None:
        """That of the test part, or of the last one where there is no test part."""
        return self.get("test", list(self.values())[-1]).verdict if self else None

    @property
    def warning(self) -> str:
        """The verdict in a sentence, if it is not in the model's favour; else an empty text."""
        return self.verdict.warning if self.verdict else ""

    def _repr_html_(self) -> str:
        """Show the tables in a notebook."""
        tables = "".join(
            formatting.html_table(formatting.score_rows(part, rows)) for part, rows in self.items()
        )
        return formatting.html_paragraph(_said(self.verdict)) + tables


def _said(verdict: Verdict | None) -> str:
    return verdict.warning if verdict else ""
