"""The results of a run, and the JSON that they are kept as."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from elman.core import digests, formatting, json_schema
from elman.core.errors import RunError
from elman.tasks.scoreboard import RunScores, Verdict

RESULTS = "results.json"
"""The file of a run folder."""

_REMEDY = "delete it and resume the run"

_SHOWN = 20
"""Rows of a history that a notebook shows."""

PartScores: TypeAlias = dict[str, dict[str, dict[str, float]]]
"""Part of the data -> predictor -> its scores by name."""


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """How a training went.

    Args:
        task: its name.
        elman, torch: versions.
        network: in words.
        parameters: how many.
        epochs: passes that were made.
        of_epochs: passes that the settings ask for.
        steps: of the optimiser.
        finished: whether the training came to its end.
        seconds: time spent, over all sittings.
        symbols_per_second: steps of sequences learnt from, per second.
        device: where it was computed.
        threads: of the CPU.
        use: commands that put the model to use, with {name} for the run folder.
    """

    task: str
    elman: str
    torch: str
    network: str
    parameters: int
    epochs: float
    of_epochs: int
    steps: int
    finished: bool
    seconds: float
    symbols_per_second: int
    device: str
    threads: int
    use: list[str]


@dataclass(frozen=True, kw_only=True)
class RunResults:
    """What came of a run.

    Args:
        data: what was read, by name, in words.
        training: how it went.
        scores: of the model and, beside it, of the baselines.
        baselines: the same scores of the baselines alone.
        findings: title -> rows of cells, the first row being the head.
        figures: names of pictures, without suffix.
        sample: one line that shows what the model does.
        warning: that the model is no better than a baseline; empty: it is, or the run is older than that.
    """

    data: dict[str, str]
    training: TrainingFacts
    scores: PartScores
    baselines: PartScores
    findings: dict[str, list[Any]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)
    sample: str = ""
    warning: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """How the model compares with its baselines; None where nothing was scored beside it."""
        return RunScores(self.scores).verdict

    def _repr_html_(self) -> str:
        """Show the scores and findings in a notebook."""
        tables = (formatting.html_table(rows, title) for title, rows in self.findings.items())
        return RunScores(self.scores)._repr_html_() + "".join(tables)

    def to_text(self) -> str:
        """Return the results as JSON."""
        content = vars(self) | {"training": vars(self.training)}
        if not self.warning:
            del content["warning"]
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_text(text: str) -> RunResults:
        """Read the results that `to_text` wrote.

        Raises:
            ValueError, DataError: they are damaged.
        """
        found = json.loads(text)
        made = json_schema.build(RunResults, found, "results", finite=False)
        # A score of 1 is not made 1.0: a run that is resumed writes its baselines as they were.
        return replace(made, scores=found["scores"], baselines=found["baselines"])


class History(list[dict[str, float | None]]):
    """The rows of `metrics.csv`, for `pandas.DataFrame`: step, train_loss, valid_loss and more by step."""

    def _repr_html_(self) -> str:
        """Show the last rows in a notebook, with the columns that have a number there."""
        rows = self[-_SHOWN:]
        names = [name for name in (rows[0] if rows else {}) if any(row[name] is not None for row in rows)]
        cells = [[_plain(row[name]) for name in names] for row in rows]
        lead = f"the last {len(rows)} of {len(self):,} rows" if len(self) > len(rows) else ""
        return formatting.html_table([names, *cells], lead)


def _plain(value: float | None) -> object:
    """Return a number for a table: whole numbers, such as steps, without a point."""
    return "" if value is None else int(value) if value.is_integer() else value


def read(folder: Path) -> RunResults | None:
    """Read the results of a run folder; None: there are none yet.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / RESULTS
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(path, f"cannot be read: {error}", remedy=_REMEDY) from error
    with json_schema.rebuilding(path, remedy=_REMEDY):
        return RunResults.from_text(digests.opened(text, path, _REMEDY))
