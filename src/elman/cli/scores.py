"""A table of scores on standard output, as `elman eval` and `elman backtest` print it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elman.tasks.scoreboard import ScoreTable


def print_scores(scores: ScoreTable) -> None:
    """Print the table; before it, on standard error, that the model is no better than a baseline, if so."""
    if scores.warning:
        print(scores.warning, file=sys.stderr, flush=True)
    print("\n".join(scores.lines()))
