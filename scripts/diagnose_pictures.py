"""Draw the pictures of docs/diagnose.md: two character models of the built-in text, trained and inspected.

    python scripts/diagnose_pictures.py [RUNS]

Runs that are in the folder RUNS (runs/diagnose) already are taken as they are; else they are trained, in some
minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import elman
from elman.diagnostics.report.inspection import Inspection
from elman.plots import figures

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SETTINGS = {
    "lstm": {"cell": "lstm", "hidden": 128, "epochs": 3, "lr": 0.005, "bptt": 128},
    "rnn": {"cell": "rnn", "hidden": 128, "epochs": 1, "lr": 0.002, "bptt": 200},
}
SHOWN = (
    ("rnn", "fresh-1"),
    ("lstm", "fresh-1"),
    ("rnn", "eigenvalues"),
    ("lstm", "gates"),
    ("lstm", "states-1"),
    ("lstm", "probes"),
    ("lstm", "context"),
)
"""The run, and its picture."""


def main() -> None:
    """Train what is not there, inspect, draw."""
    runs = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/diagnose")
    found = {name: inspected(runs / name, options) for name, options in SETTINGS.items()}
    for run, name in SHOWN:
        (exhibit,) = (one for section in found[run].sections for one in section.exhibits if one.name == name)
        path = IMAGES / f"diagnose-{run}-{name.removesuffix('-1')}.png"
        figures.write_figure(path, exhibit.found.plot(), dpi=80)
    for name, one in found.items():
        print(name, *(f"{verdict.name}: {verdict.text}" for verdict in one.verdicts), sep="\n  ")
        print(*(" | ".join(map(str, row)) for row in one.page.overview), sep="\n  ")


def inspected(path: Path, options: dict[str, object]) -> Inspection:
    """The report on a run, which is trained if it is not there."""
    if not path.exists():
        elman.train("sample:python-docs", out=path, threads=1, **options)
    return elman.inspect(elman.load(path, device="cpu"), examples=64)


if __name__ == "__main__":
    main()
