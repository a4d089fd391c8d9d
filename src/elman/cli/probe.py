"""`elman probe`: which cells remember for how long."""

from __future__ import annotations

from dataclasses import asdict, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from elman.cli.options import options
from elman.core.errors import ConfigError, shortened
from elman.diagnostics.memory_tests.settings import TrialSettings

if TYPE_CHECKING:
    from elman.diagnostics.memory_tests.trial import Trial


Options: Any = make_dataclass(
    "Options", options(TrialSettings), frozen=True, kw_only=True, namespace={"__module__": __name__}
)
_NONE = Options()


def probe(
    *,
    problem: str = "adding",
    cell: str = "rnn,lstm,gru",
    lengths: str = "50,100,200,400",
    seeds: str = "1",
    out: Path | None = None,
    chosen: Annotated[Options, Parameter(name="*")] = _NONE,
) -> None:
    """Train networks of one size on a test of memory, and tell which cells solve it at which lengths.

    Stopped and called again, it goes on: what stands in the folder with the same settings is not made again.

    Parameters
    ----------
    problem
        adding, copy, order, parity, recall, modulo5, s5 or a5 (see docs/probe.md).
    cell
        Cells, with commas between.
    lengths
        Lengths of the sequences, with commas between.
    seeds
        Starts of the random numbers, with commas between; each is an attempt of its own.
    out
        Folder for the table, the weights, the results and the picture; runs/probe-PROBLEM if not given.
    """
    numbers = {"lengths": _numbers("--lengths", lengths), "seeds": _numbers("--seeds", seeds)}
    effort = TrialSettings(**{name: value for name, value in asdict(chosen).items() if value is not None})
    from elman.core.console import shown
    from elman.diagnostics.memory_tests import survey as memory_tests_survey

    survey = memory_tests_survey.Survey(
        problem=problem, cells=_words("--cell", cell), effort=effort, **numbers
    )
    folder = out or Path("runs") / f"probe-{problem}"
    print(_HEAD, flush=True)
    try:
        found = memory_tests_survey.run(
            survey, folder, tell=lambda each: print(_line(each), flush=True), shown=shown
        )
        print("\n".join(f"{name} remembers for {_reach(found.reach(name))}" for name in survey.cells))
    finally:
        print(f"kept in {folder}")


_ROW = "{:<16} {:>6} {:>4} {:>10} {:>8} {:>14} {:>8}"
_HEAD = _ROW.format("cell", "length", "seed", "loss", "trivial", "solved at step", "seconds")


def _line(each: Trial) -> str:
    solved = f"{each.steps:,}" if each.solved else "not solved"
    losses = f"{each.loss:.4g}", f"{each.trivial:.4g}"
    return _ROW.format(each.cell, each.length, each.seed, *losses, solved, f"{each.seconds:.0f}")


def _reach(steps: int) -> str:
    return f"{steps} steps" if steps else "none of these lengths"


def _words(option: str, text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(option, repr(text), expected="names with commas between")
    return words


def _numbers(option: str, text: str) -> tuple[int, ...]:
    words = _words(option, text)
    if not all(word.isdecimal() and len(word) < 20 for word in words):
        raise ConfigError(
            option, shortened(repr(text)), expected="whole numbers with commas between, such as 50,100"
        )
    return tuple(map(int, words))
