"""BLEU by the length of the sentence, with attention and without, as a picture for docs/benchmarks.md.

    python benchmarks/tasks.py multi30k_en_de multi30k_en_de_no_attention --out DIR
    python benchmarks/translation_lengths.py DIR [--write docs/images/attention.png]

It reads the reports of both runs; lengths are of the source, in its subwords.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from elman.plots import figures

RUNS = {
    "with attention": "multi30k_en_de-1",
    "without": "multi30k_en_de_no_attention-1",
}
TABLE = "score by length, test part"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    tables = {
        label: json.loads((given.folder / run / "results.json").read_text())["findings"][TABLE][1:]
        for label, run in RUNS.items()
    }
    for label, rows in tables.items():
        print(f"{label}: " + ", ".join(f"{lengths}: {bleu:.1f}" for lengths, _, bleu in rows))
    if given.write:
        figures.save_figure(given.write, lambda figure: draw(figure, tables))


def draw(figure: Any, tables: dict[str, list[tuple[str, int, float]]]) -> None:
    """A line for each network, a point for each fifth of the sentences."""
    figure.set_size_inches(6, 3.6)
    axes = figure.add_subplot()
    for label, rows in tables.items():
        axes.plot([lengths for lengths, _, _ in rows], [bleu for _, _, bleu in rows], "o-", label=label)
    axes.set(xlabel="subwords of the source, a fifth of the sentences each", ylabel="BLEU, test part", ylim=0)
    axes.legend(frameon=False)


if __name__ == "__main__":
    main()
