"""Every cell beside the built-in one with as many gates, and beside the loop: `python benchmarks/cells.py`.

Prints a table in Markdown: parameters at F = H = 64, products of a step, times of training and inference, and
that of the first call with its backward, which traces the step and lays it out. A ratio is that of two
networks that run by turns, each the least of its samples: others use the processor.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

from elman.core.records import Seq
from elman.nn.cells import registry
from elman.nn.recurrent import Recurrent

GRID = ((100, 1, 64, 64), (100, 16, 64, 64), (100, 32, 256, 256), (1000, 1, 32, 32))
OWN = ("rnn", "rnn_relu", "lstm", "gru")
SAMPLES = 9


def call(net: Recurrent, x: torch.Tensor, training: bool) -> Callable[[], object]:
    def infer() -> None:
        with torch.no_grad():
            net(Seq(x, None))

    return (lambda: net(Seq(x, None))[0].data.sum().backward()) if training else infer


def seconds(run: Callable[[], object], times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - begin) / times


def by_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """The least seconds of each."""
    one = max(seconds(first, 2), seconds(second, 1))
    times = max(1, min(100, int(0.05 / one)))
    pairs = [(seconds(first, times), seconds(second, times)) for _ in range(SAMPLES)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def peer(name: str) -> str:
    """The built-in cell with the products nearest in number."""
    gates = max(registry.get(name).sizes[:2])
    return {1: "rnn", 2: "gru", 3: "gru"}.get(gates, "lstm")


def first_call(name: str) -> float:
    """Milliseconds of the thread until a network of a size that was not seen has made its first gradients."""
    begin = time.thread_time()
    call(Recurrent(name, 16, 61), torch.randn(2, 1, 16), True)()
    return (time.thread_time() - begin) * 1e3


def row(name: str, grid: tuple[tuple[int, ...], ...]) -> str:
    cell, found, first = registry.get(name), [], first_call(name)
    for steps, batch, features, hidden in grid:
        x = torch.randn(steps, batch, features)
        mine, other = (Recurrent(each, features, hidden) for each in (name, peer(name)))
        for training in (False, True):
            a, b = by_turns(call(mine, x, training), call(other, x, training))
            found.append(f"{a * 1e3:.3g} ({a / b:.2f})")
    steps, batch, features, hidden = grid[0]
    x = torch.randn(steps, batch, features)
    plain = Recurrent(name, features, hidden, kernel="loop")
    mine = Recurrent(name, features, hidden)
    a, b = by_turns(call(mine, x, True), call(plain, x, True))
    gates = f"{cell.sizes[0]}, {cell.sizes[1]}"
    return (
        f"| `{name}` | {cell.parameters(64, 64):,} | {gates} | {peer(name)} | {first:.1f} | "
        + " | ".join([*found, f"{b / a:.0f}"])
        + " |"
    )


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    titles = [
        f"{', '.join(map(str, sizes))}: {what} ms" for sizes in GRID for what in ("inference", "training")
    ]
    first_call("rnn")  # what the first of all calls takes besides
    head = [
        "cell",
        "parameters",
        "gates of W, U",
        "beside",
        "first call ms",
        *titles,
        "loop / ours, training at the first",
    ]
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for name in registry.names():
        if name not in OWN:
            print(row(name, GRID), flush=True)


if __name__ == "__main__":
    main()
