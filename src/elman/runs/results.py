"""The results of a run, and the JSON that they are kept as."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from elman.core import json_schema
from elman.tasks.scoreboard import RunScores, Verdict

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
    """

    data: dict[str, str]
    training: TrainingFacts
    scores: PartScores
    baselines: PartScores
    findings: dict[str, list[Any]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)
    sample: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """How the model compares with its baselines; None where nothing was scored beside it."""
        return RunScores(self.scores).verdict

    def to_text(self) -> str:
        """The results as JSON."""
        content = vars(self) | {"training": vars(self.training)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_text(text: str) -> RunResults:
        """The results that `to_text` wrote.

        Raises:
            ValueError, DataError: they are damaged.
        """
        found = json.loads(text)
        made = json_schema.build(RunResults, found, "results", finite=False)
        # A score of 1 is not made 1.0: a run that is resumed writes its baselines as they were.
        return replace(made, scores=found["scores"], baselines=found["baselines"])
