"""Which cells remember for how long: the adding problem and copy memory, and the gradients that say why.

    python benchmarks/probes.py [adding] [copy] [--seeds 1,2,3] [--out DIR] [--write]

Every cell has the same number of parameters and the same settings, the defaults of `elman probe`. Attempts
that stand in the folder are not made again, so it may be stopped and called again. With --write the tables go
into docs/probe.md, and the pictures into docs/images.

The gradients are those of the trained networks of the adding problem at its longest, and of the same networks
before they were trained: how the answer changes with the state k steps before the end.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from elman import diagnostics
from elman.core.console import shown
from elman.diagnostics import Flow
from elman.diagnostics.memory_tests import problems, trial
from elman.diagnostics.memory_tests import survey as memory_tests_survey
from elman.diagnostics.memory_tests.survey import Survey, SurveyResult
from elman.diagnostics.memory_tests.trial import Trial, TrialNetwork
from timing.page import processor, write

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
CELLS = ("rnn", "lstm", "gru")
SURVEYS = {
    "adding": Survey(problem="adding", cells=CELLS, lengths=(50, 100, 200, 600)),
    "copy": Survey(problem="copy", cells=CELLS, lengths=(200, 500)),
}
SEQUENCES = 32
"""Over which gradients are taken."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("problems", nargs="*", default=list(SURVEYS), help=", ".join(SURVEYS))
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--out", type=Path, default=HERE.parent / "runs/benchmarks/probes")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.problems:
        survey = replace(SURVEYS[name], seeds=tuple(map(int, given.seeds.split(","))))
        found = memory_tests_survey.run(
            survey, given.out, tell=lambda each: print(line(each), flush=True), shown=shown
        )
        tell(
            name,
            "loss by length for each cell, and how far each remembers",
            found.plot(),
            table(found),
            given,
        )
        if name == "adding":
            flows = gradients(found, given.out)
            about = "gradient of the answer by the state k steps before the end, before training and after it"
            tell("gradients", about, draw(flows), flow_table(flows), given)


def tell(name: str, about: str, figure: Figure, rows: Iterable[str], given: argparse.Namespace) -> None:
    """Write a picture and a table, into the page if that is asked for."""
    pictures = DOCS / "images" if given.write else given.out
    figure.savefig(pictures / f"probe-{name}.png", dpi=130)
    lines = [f"![{about[0].upper()}{about[1:]}](images/probe-{name}.png)", "", *rows]
    if name != "gradients":
        lines += ["", f"Seconds are those of one thread, on {processor()}."]
    print("\n".join(lines))
    write("\n".join([*lines, ""]), given.out / f"{name}.md", DOCS / "probe.md" if given.write else None, name)


def line(each: Trial) -> str:
    """An attempt in a line."""
    solved = "solved" if each.solved else "not solved"
    return f"{each.problem} {each.cell} {each.length} seed {each.seed}: {solved}, loss {each.loss:.3g}"


def table(found: SurveyResult) -> Iterator[str]:
    """Rows of a table: losses and steps, by length and cell."""
    yield "| length | cell | units | loss (each seed) | solved at step | seconds |"
    yield "|---|---|---|---|---|---|"
    for length in found.survey.lengths:
        for cell in found.survey.cells:
            each = found.of(cell, length)
            losses = ", ".join(f"{one.loss:.2g}" for one in each)
            steps = ", ".join(f"{one.steps:,}" if one.solved else "not" for one in each)
            seconds = ", ".join(f"{one.seconds:.0f}" for one in each)
            yield f"| {length} | {cell} | {each[0].hidden} | {losses} | {steps} | {seconds} |"


def gradients(found: SurveyResult, folder: Path) -> dict[str, tuple[Flow, Flow]]:
    """The gradients through time of each cell at the greatest length, before the training and after it."""
    survey, flows = found.survey, {}
    problem, length = problems.get(survey.problem), max(survey.lengths)
    for cell in survey.cells:
        attempt = found.of(cell, length)[0]
        start = trial.new(problem, cell, length, attempt.effort, seed=attempt.seed)
        flows[cell] = flow(start, length), flow(memory_tests_survey.network(folder, attempt), length)
    return flows


def flow(network: TrialNetwork, length: int) -> Flow:
    """How the answer to the adding problem changes with the state k steps before the end."""
    drawn = problems.get("adding").draw(length, SEQUENCES, torch.Generator().manual_seed(0))
    drawn = problems.ProblemBatch(*(tensor.double() for tensor in drawn))
    return diagnostics.gradient_flow(network.double(), lambda copy: copy(drawn)[0, :, 0]).flows[0]


def flow_table(flows: dict[str, tuple[Flow, Flow]]) -> Iterator[str]:
    """Rows of a table: what is left of the gradient, and its half-life."""
    length = len(next(iter(flows.values()))[0].norms)
    back = (length // 4, length // 2, length - 1)
    yield "| cell | | " + " | ".join(f"{k} steps back" for k in back) + " | half-life, steps |"
    yield "|---|---|" + "---|" * (len(back) + 1)
    for cell, each in flows.items():
        for name, one in zip(("fresh", "trained"), each, strict=True):
            left = " | ".join(f"{float(one.median[k] / one.median[0]):.1e}" for k in back)
            life = "does not fade" if one.half_life == math.inf else f"{one.half_life:.3g}"
            yield f"| {cell} | {name} | {left} | {life} |"


def draw(flows: dict[str, tuple[Flow, Flow]]) -> Figure:
    """The median norms by k, before the training and after it, with their quartiles."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for place, (axes, title) in enumerate(zip(panels, ("before training", "after training"), strict=True)):
        for number, (cell, each) in enumerate(flows.items()):
            one, color = each[place], f"C{number}"
            low, high = (one.quantile(share) / one.median[0] for share in (0.25, 0.75))
            axes.semilogy(one.median / one.median[0], color=color, label=cell)
            axes.fill_between(range(len(low)), low, high, color=color, alpha=0.2, linewidth=0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("k, steps before the end")
        axes.set_ylim(1e-12, 1e3)
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("gradient of the answer by the state,\nas a share of that at the end")
    panels[0].legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
