"""Tests of memory over cells, lengths and seeds: made one after the other, kept in a folder, drawn.

An attempt that stands in the folder with the same settings is not made again.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from elman.core import atomic_files, formatting, json_schema, tensor_file
from elman.core.console import NullReporter, Reporter
from elman.core.errors import ConfigError, RunError
from elman.diagnostics.memory_tests import problems, trial
from elman.diagnostics.memory_tests.settings import TrialSettings
from elman.diagnostics.memory_tests.trial import Trial, TrialNetwork
from elman.nn.cells import registry
from elman.plots import figures

TABLE, RESULTS, PICTURE = "attempts.csv", "results.json", "memory.png"
_FLOOR = 1e-5
"""Shares of the trivial loss below this are drawn as this."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is tried.

    Args:
        problem: name of a test of memory, in `elman.diagnostics.memory_tests.problems`.
        cells: names of cells.
        lengths: of the sequences.
        seeds: each begins with other weights and sequences.
        effort: how hard each network tries.
    """

    problem: str = "adding"
    cells: tuple[str, ...] = ("rnn", "lstm", "gru")
    lengths: tuple[int, ...] = (50, 100, 200, 400)
    seeds: tuple[int, ...] = (1,)
    effort: TrialSettings = field(default_factory=TrialSettings)

    def __post_init__(self) -> None:
        problems.get(self.problem)
        for name, given in (("cells", self.cells), ("lengths", self.lengths), ("seeds", self.seeds)):
            if not given or len(set(given)) < len(given):
                got = ", ".join(map(str, given)) or "none"
                raise ConfigError(name, got, expected="one or more, each once")
        for cell in self.cells:
            registry.get(cell)
        for length in self.lengths:
            trial.checked(length)
        for seed in self.seeds:
            if not 0 <= seed < 2**63:
                raise ConfigError(
                    "seeds", json_schema.shown(seed), expected=f"a number from 0 to {2**63 - 1}"
                )

    def tries(self) -> Iterator[tuple[str, int, int]]:
        """Yield cell, length and seed of each attempt, in the order in which they are made: short first."""
        for length in sorted(self.lengths):
            for cell in self.cells:
                for seed in self.seeds:
                    yield cell, length, seed


@dataclass(frozen=True)
class SurveyResult:
    """What came out of a survey.

    Args:
        survey: what was tried.
        attempts: those that were made so far, in order.
    """

    survey: Survey
    attempts: tuple[Trial, ...]

    def of(self, cell: str, length: int) -> list[Trial]:
        """Return the attempts of a cell at a length, one for each seed."""
        return [each for each in self.attempts if (each.cell, each.length) == (cell, length)]

    def reach(self, cell: str) -> int:
        """Return the longest length up to which most seeds of a cell solve each; 0 for none."""
        reach = 0
        for length in sorted(self.survey.lengths):
            made = self.of(cell, length)
            if not made or 2 * sum(each.solved for each in made) <= len(made):
                break
            reach = length
        return reach

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each attempt."""
        return [row(each) for each in self.attempts]

    def _repr_html_(self) -> str:
        """Format the attempts for a notebook."""
        head = ("cell", "length", "seed", "loss", "trivial loss", "solved")
        rows = [
            (one.cell, one.length, one.seed, one.loss, one.trivial, "yes" if one.solved else "no")
            for one in self.attempts
        ]
        return formatting.html_table([head, *rows], self.survey.problem)

    def plot(self) -> Any:
        """Plot the loss by length for each cell, and how far each remembers, as a matplotlib Figure.

        Raises:
            TaskError: matplotlib is not installed.
        """
        figure = figures.new_figure(9, 3.8)
        losses, reaches = figure.subplots(1, 2, width_ratios=[5, 3])
        _draw_losses(losses, self)
        _draw_reaches(reaches, self)
        figure.suptitle(f"{self.survey.problem}: {problems.get(self.survey.problem).about}", fontsize=10)
        return figure


def probe(
    problem: str = "adding",
    *,
    cells: Sequence[str] = ("rnn", "lstm", "gru"),
    lengths: Sequence[int] = (50, 100, 200, 400),
    seeds: Sequence[int] = (1,),
    out: str | Path | None = None,
    **effort: Any,
) -> SurveyResult:
    """Train networks of one size on a test of memory, and return which cells solve it at which lengths.

    Args:
        problem: adding, copy, order, parity, recall, modulo5, s5 or a5.
        cells: names of cells.
        lengths: of the sequences.
        seeds: of weights and sequences; each is an attempt of its own.
        out: folder for the results, in which finished attempts are found again; None: nothing is written.
        effort: any other option of `elman probe`, such as `parameters=20_000` or `steps=2_000`.

    Raises:
        ConfigError: a name or a number that is not valid.
        RunError: the folder's table is damaged, or cannot be written.
    """
    how = TrialSettings.of(effort)
    survey = Survey(
        problem=problem, cells=tuple(cells), lengths=tuple(lengths), seeds=tuple(seeds), effort=how
    )
    return run(survey, None if out is None else Path(out))


def run(
    survey: Survey,
    folder: Path | None = None,
    *,
    tell: Callable[[Trial], None] | None = None,
    shown: Callable[[], Reporter] = NullReporter,
) -> SurveyResult:
    """Make the attempts of a survey one after the other, but for those that the folder has.

    After each the folder has the table of all that were made in it and the network's weights. At the end, or
    when something stops it, it has the results and the picture of this survey too.

    Args:
        survey: what to try.
        folder: where to keep what comes out; None: nowhere.
        tell: called with each attempt that was made or found in the folder.
        shown: makes what shows how far an attempt has come.

    Raises:
        RunError: the folder's table is damaged, or cannot be written.
    """
    kept = read(folder) if folder else []
    known = {_key(each): each for each in kept}
    made: list[Trial] = []
    try:
        for cell, length, seed in survey.tries():
            each = known.get((survey.problem, cell, length, seed, survey.effort))
            if each is None:
                each, network = _try(survey, cell, length, seed, shown())
                if folder:
                    kept.append(each)
                    _keep(folder, kept, network)
            made.append(each)
            if tell:
                tell(each)
    finally:
        found = SurveyResult(survey, tuple(made))
        if folder and made:
            _conclude(folder, found)
    return found


def read(folder: Path) -> list[Trial]:
    """Read the attempts that a folder holds, of any survey.

    Raises:
        RunError: the table is damaged.
    """
    path = folder / TABLE
    if not path.exists():
        return []
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return [_attempt(given, f"{path}:{line}") for line, given in enumerate(rows, 2)]


def network(folder: Path, attempt: Trial) -> TrialNetwork:
    """Load the trained network of an attempt that a folder holds.

    Raises:
        RunError: its weights are not there, or damaged.
    """
    made = trial.new(problems.get(attempt.problem), attempt.cell, attempt.length, attempt.effort)
    weights, _ = tensor_file.load(_weights(folder, attempt))
    made.load_state_dict(weights)
    return made


def row(attempt: Trial) -> dict[str, Any]:
    """Return an attempt as a row of the table: its settings, then its results."""
    effort = asdict(attempt.effort)
    return {
        "problem": attempt.problem,
        "cell": attempt.cell,
        "length": attempt.length,
        "seed": attempt.seed,
        **{_ASKED.get(name, name): value for name, value in effort.items()},
        "hidden": attempt.hidden,
        "parameters": attempt.parameters,
        "loss": attempt.loss,
        "trivial_loss": attempt.trivial,
        "solved": attempt.solved,
        "steps": attempt.steps,
        "seconds": round(attempt.seconds, 1),
    }


_ASKED = {"parameters": "about_parameters", "steps": "most_steps"}
"""Settings whose names are also those of what came out."""


def _attempt(given: Mapping[str, str], where: str) -> Trial:
    try:
        asked = {name: json.loads(given[_ASKED.get(name, name)].lower()) for name in asdict(TrialSettings())}
        counts = {name: int(given[name]) for name in ("length", "seed", "hidden", "parameters", "steps")}
        return Trial(
            problem=problems.get(given["problem"]).name,
            cell=given["cell"],
            effort=TrialSettings(**asked),
            loss=float(given["loss"]),
            seconds=float(given["seconds"]),
            **counts,
        )
    except (KeyError, ValueError, TypeError, AttributeError, ConfigError) as error:
        expected = f"the columns {', '.join(_COLUMNS)}"
        raise RunError(where, f"a damaged row ({error})", expected=expected, remedy="delete it") from error


_COLUMNS = tuple(row(Trial("adding", "rnn", 10, 1, TrialSettings(), 1, 1, 0.0, 1, 0.0)))


def _key(attempt: Trial) -> tuple[str, str, int, int, TrialSettings]:
    return attempt.problem, attempt.cell, attempt.length, attempt.seed, attempt.effort


def _try(survey: Survey, cell: str, length: int, seed: int, show: Reporter) -> tuple[Trial, TrialNetwork]:
    """Make an attempt, and show how far it has come."""
    problem, effort = problems.get(survey.problem), survey.effort

    def tell(step: int, loss: float) -> None:
        show.step(step, effort.steps, f"{cell} {length}: loss {loss:.3g} of {problem.trivial:.3g}")

    try:
        return trial.run_trial(problem, cell, length, effort, seed=seed, tell=tell)
    finally:
        show.close()


def _weights(folder: Path, attempt: Trial) -> Path:
    return folder / f"{attempt.problem}-{attempt.cell}-{attempt.length}-{attempt.seed}.safetensors"


def _keep(folder: Path, attempts: list[Trial], network: TrialNetwork) -> None:
    """Write the last attempt's weights, and the table of all."""
    tensor_file.save(_weights(folder, attempts[-1]), network.state_dict(), row(attempts[-1]))
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(row, attempts))
    atomic_files.write_text(folder / TABLE, out.getvalue())


def _conclude(folder: Path, found: SurveyResult) -> None:
    """Write the results, and the picture where matplotlib is installed."""
    survey = found.survey
    results = {
        "problem": survey.problem,
        "trivial_loss": problems.get(survey.problem).trivial,
        "solved_below": problems.get(survey.problem).solved_below,
        "settings": asdict(survey.effort),
        "reach": {cell: found.reach(cell) for cell in survey.cells},
        "attempts": [
            {name: value if value == value and value not in (math.inf, -math.inf) else None
             for name, value in each.items()}
            for each in found.table()
        ],
    }  # fmt: skip
    atomic_files.write_text(folder / RESULTS, json.dumps(results, indent=1) + "\n")
    if find_spec("matplotlib"):
        atomic_files.atomic_write(
            folder / PICTURE, lambda beside: found.plot().savefig(beside, format="png", dpi=130)
        )


def _draw_losses(axes: Any, found: SurveyResult) -> None:
    """Draw the share of the trivial loss by length: a point for each seed, a line through the medians."""
    for number, cell in enumerate(found.survey.cells):
        lengths = [length for length in sorted(found.survey.lengths) if found.of(cell, length)]
        shares = [[_share(each) for each in found.of(cell, length)] for length in lengths]
        middle = [sorted(each)[len(each) // 2] for each in shares]
        (line,) = axes.loglog(lengths, middle, "o-", color=f"C{number}", markersize=5, label=cell)
        for length, each in zip(lengths, shares, strict=True):
            axes.plot([length] * len(each), each, ".", color=line.get_color(), markersize=4, alpha=0.6)
    problem = problems.get(found.survey.problem)
    axes.axhline(1, color="0.5", linewidth=0.8, linestyle=":")
    axes.axhline(problem.solved_below / problem.trivial, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_ylim(top=3)
    lengths = sorted(found.survey.lengths)
    axes.set_xticks(lengths, lengths)
    axes.minorticks_off()
    axes.set_xlabel("length of the sequence, steps")
    axes.set_ylabel("loss, as a share of the trivial one")
    axes.set_title("dotted: nothing remembered; dashed: solved below", fontsize=8, color="0.4")
    axes.legend(frameon=False)


def _share(attempt: Trial) -> float:
    share = attempt.loss / attempt.trivial
    return min(max(share, _FLOOR), 2.5) if math.isfinite(share) else 2.5


def _draw_reaches(axes: Any, found: SurveyResult) -> None:
    """Draw a bar for each cell: the longest length that it solved."""
    names = list(found.survey.cells)
    reaches = [found.reach(cell) for cell in names]
    bars = axes.barh(names, reaches, color=[f"C{number}" for number in range(len(names))], height=0.6)
    axes.bar_label(bars, [str(reach) if reach else "none solved" for reach in reaches], padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(found.survey.lengths))
    axes.set_xlabel("remembers for, steps")
    axes.spines[["top", "right"]].set_visible(False)
