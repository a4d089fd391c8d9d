"""How much associative memories hold: Hebb's rule against theory, and the modern memory beyond its units.

    python benchmarks/recall.py [--sizes 125,250,500] [--draws 12] [--out DIR] [--write]

Hebb's rule: random patterns are stored at more and more loads P / N, and each is started from. In the limit
of many units the overlap m of a retrieved pattern is 0.967 or more, and falls to 0 at once where the load
passes 0.138 (Amit, Gutfreund & Sompolinsky 1985). Of few units some patterns are lost before, and some held
beyond. The critical load is taken as where the mean overlap falls below 0.967: from there on the states
cannot all be of retrieval. Its standard error is that of the jackknife over draws.

The modern memory: of N = 64 units, up to 1000 N random patterns, of which 1,000 at most are recalled with a
tenth or a fifth of their signs flipped, beside the nearest pattern. With --write the tables go into
docs/benchmarks.md, and the picture into docs/images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure

from elman.nn import hopfield
from elman.nn.hopfield import Asynchronous, Capacity, Modern
from timing.page import processor, write

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
LOADS = (0.05, 0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.19)
SIZE, TIMES = 64, (1, 10, 20, 100, 1000)
FLIPPED = (0.1, 0.2)
MOST = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default="125,250,500", help="units of Hebb's memories")
    parser.add_argument("--draws", type=int, default=12, help="memories at each load")
    parser.add_argument("--out", type=Path, default=HERE.parent / "runs/benchmarks")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    began = time.perf_counter()
    found = []
    lines = [f"Measured on {processor()}, threads of torch: {torch.get_num_threads()}.", ""]
    lines += [
        "| N | critical load | of theory's | half of the patterns lost at | seconds |",
        "|---|---|---|---|---|",
    ]
    for size in map(int, given.sizes.split(",")):
        start = time.perf_counter()
        found.append(hopfield.capacity(hebb, size, LOADS, draws=given.draws))
        lines.append(hebb_row(found[-1], time.perf_counter() - start))
        print(lines[-1], flush=True)
    lines += ["", *modern_table()]
    print("\n".join(lines))
    print(f"{time.perf_counter() - began:.0f} s in all")
    write(
        "\n".join([*lines, ""]),
        given.out / "recall.md",
        DOCS / "benchmarks.md" if given.write else None,
        "recall",
    )
    draw(found, DOCS / "images/recall-capacity.png" if given.write else given.out / "recall-capacity.png")


def hebb(patterns: torch.Tensor) -> Asynchronous:
    """Hopfield's memory of 1982."""
    return Asynchronous(hopfield.hebb(patterns))


def hebb_row(found: Capacity, seconds: float) -> str:
    """A row: where the mean overlap falls below the least of retrieval, and where half of them are lost."""
    loads, overlaps = hopfield.hebb_theory()
    theory, least = float(loads[-1]), float(overlaps[-1])
    critical = found.critical(least)
    draws = found.overlaps.shape[1]
    others = torch.tensor([without(found, draw).critical(least) for draw in range(draws)])
    error = float(((draws - 1) / draws * (others - others.mean()).square().sum()).sqrt())
    half = crossing(found.loads, found.retrieved.mean(1), 0.5)
    return (
        f"| {found.size} | {critical:.4f} ± {error:.4f} | {critical / theory:.3f} | {half} | {seconds:.0f} |"
    )


def without(found: Capacity, draw: int) -> Capacity:
    """The same without one draw."""
    kept = [other for other in range(found.overlaps.shape[1]) if other != draw]
    return Capacity(found.size, found.loads, found.overlaps[:, kept], found.retrieved[:, kept])


def crossing(loads: torch.Tensor, shares: torch.Tensor, level: float) -> str:
    """Where falling shares cross a level, by a line between two loads; in words."""
    below = (shares < level).nonzero()
    if not len(below):
        return f"above {float(loads[-1]):g}"
    place = int(below[0])
    part = (shares[place - 1] - level) / (shares[place - 1] - shares[place])
    return f"{float(loads[place - 1] + part * (loads[place] - loads[place - 1])):.3f}"


def modern_table() -> Iterator[str]:
    """Shares of patterns that the modern memory recalls to the last sign, and that the nearest pattern is."""
    shares = [f"{kind}, {share:.0%} flipped" for share in FLIPPED for kind in ("recalled", "nearest")]
    yield f"| patterns of N = {SIZE} | " + " | ".join(shares) + " | seconds |"
    yield "|---|" + "---|" * (len(shares) + 1)
    for times in TIMES:
        start, cells = time.perf_counter(), []
        generator = torch.Generator().manual_seed(times)
        patterns = hopfield.random_patterns(times * SIZE, SIZE, generator)
        wanted = patterns[:MOST]
        for share in FLIPPED:
            asked = hopfield.damaged(wanted, share, 0.0, generator)
            final = hopfield.recall(Modern(patterns), asked).final.sign()
            nearest = patterns[(asked @ patterns.t()).argmax(1)]
            cells += [f"{float((said == wanted).all(1).double().mean()):.4f}" for said in (final, nearest)]
        yield f"| {times} N = {len(patterns):,} | {' | '.join(cells)} | {time.perf_counter() - start:.1f} |"


def draw(found: list[Capacity], path: Path) -> None:
    """The mean overlap by load for each size, beside theory."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    for each in found:
        means = each.overlaps.mean(1)
        spread = each.overlaps.std(1) / each.overlaps.shape[1] ** 0.5
        axes.errorbar(
            each.loads, means, spread, fmt="o-", markersize=3, linewidth=1.2, label=f"N = {each.size}"
        )
    loads, overlaps = hopfield.hebb_theory()
    axes.plot(loads, overlaps, color="black", linestyle="--", linewidth=1.2, label="theory, N → ∞")
    axes.plot([loads[-1]] * 2, [float(overlaps[-1]), 0], color="black", linestyle="--", linewidth=1.2)
    axes.axhline(float(overlaps[-1]), color="0.6", linewidth=0.8, linestyle=":")
    axes.set_xlabel("stored patterns a unit, P / N")
    axes.set_ylabel("mean overlap after the recall")
    axes.set_ylim(0, 1.03)
    axes.legend(frameon=False)
    axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
