"""Numbers of a running program as Prometheus reads them: text format 0.0.4, counters, gauges, histograms."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MEMORY = Path("/proc/self/statm")  # Linux
_PAGE = 4096


class Counter:
    """What only grows, for each combination of labels.

    Args:
        name: of the metric, such as elman_requests_total.
        about: what is counted.
        labels: the names of its labels.
    """

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        self.name, self.about, self._labels = name, about, labels
        self._counts: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, *labels: str, by: float = 1) -> None:
        """Count."""
        self._counts[labels] += by

    def lines(self) -> Iterator[str]:
        """It as text."""
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} counter"
        for labels, count in sorted(self._counts.items()):
            yield f"{self.name}{_labelled(self._labels, labels)} {count:g}"


class Gauge:
    """What goes up and down, asked for when it is read."""

    def __init__(self, name: str, about: str, value: Callable[[], float]) -> None:
        self.name, self.about, self._value = name, about, value

    def lines(self) -> Iterator[str]:
        """It as text."""
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} gauge"
        yield f"{self.name} {self._value():.10g}"


class Histogram:
    """How often a value was at most each of some bounds."""

    def __init__(self, name: str, about: str, bounds: Sequence[float]) -> None:
        self.name, self.about, self._bounds = name, about, bounds
        self._counts, self._sum = [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self) -> Iterator[str]:
        """It as text."""
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} histogram"
        total = 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}'
        yield f"{self.name}_sum {self._sum:.10g}"
        yield f"{self.name}_count {total}"


def text(metrics: Sequence[Counter | Gauge | Histogram]) -> str:
    """All of them, as they are served."""
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def memory() -> float:
    """Bytes of memory that the process has resident; 0 where the system does not say."""
    return float(_MEMORY.read_text().split()[1]) * _PAGE if _MEMORY.exists() else 0.0


def _labelled(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
