"""What it costs to see gates, state and memory while training: the looks' share of a training's time.

    python benchmarks/watch.py [--seconds 20]

Each network is trained for that long, its looks timed. Prints a table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import elman
from elman.diagnostics import LayerMonitor

STORY = {"task": "language", "path": "sample:python-docs", "epochs": 1000}
CASES = {
    "characters, 1 x lstm 64, windows of 64": STORY | {"hidden": 64, "bptt": 64},
    "characters, 1 x gru 256, windows of 100": STORY | {"hidden": 256, "bptt": 100, "cell": "gru"},
    "characters, 2 x lstm 512, windows of 100": STORY | {"hidden": 512, "layers": 2, "bptt": 100},
    "scripts of syllables, both ways": {
        "task": "classify", "path": "sample:unicode-syllables", "epochs": 1000, "bidirectional": True,
    },
    "tags of tokens, both ways": {"task": "tag", "path": "sample:python-names", "epochs": 1000},
}  # fmt: skip


class Stopwatch:
    """Times every look but the first, and ends the training after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.looks: list[float] = []
        self.spent = 0.0
        self._look, self._first, self._seconds = LayerMonitor.stats, 0.0, seconds

    def __call__(self, watch: LayerMonitor) -> object:
        """Look, as the watch would."""
        began = time.perf_counter()
        seen = self._look(watch)
        ended = time.perf_counter()
        if not self._first:
            self._first = ended
            return seen
        self.looks.append(ended - began)
        self.spent = ended - self._first
        if self.spent > self._seconds:
            raise KeyboardInterrupt
        return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    print("| training | looks | a look | share of the time |\n|---|---:|---:|---:|")
    for name, options in CASES.items():
        stopwatch, whole = Stopwatch(seconds), LayerMonitor.stats
        LayerMonitor.stats = lambda watch, stopwatch=stopwatch: stopwatch(watch)  # type: ignore[method-assign]
        with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
            elman.train(out=Path(folder) / "run", quiet=True, **options)
        LayerMonitor.stats = whole  # type: ignore[method-assign]
        looks, share = stopwatch.looks, sum(stopwatch.looks) / stopwatch.spent
        print(f"| {name} | {len(looks)} | {1000 * sorted(looks)[len(looks) // 2]:.1f} ms | {share:.2%} |")


if __name__ == "__main__":
    main()
