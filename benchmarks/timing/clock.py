"""Times on a machine that others use too: contenders take turns, and a block that was disturbed is repeated.

It needs Python's own library alone, so that a peer's process takes its times in the same way.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")
_TICKS = 100  # of /proc/stat, in a second
_WARM_UPS = 2


class Plan(NamedTuple):
    """How times are taken.

    Args:
        rounds: samples of each contender; A B A B ...
        sample: seconds of calls in a sample, at least.
        tries: how often a block is taken, at most, for one that others did not disturb.
        quiet: how busy other processes may be meanwhile, in CPUs.
    """

    rounds: int = 7
    sample: float = 0.02
    tries: int = 4
    quiet: float = 0.05


class Block(NamedTuple):
    """What a block of samples came to.

    Args:
        seconds: contender -> of one call, in each round.
        foreign: how busy other processes were meanwhile, in CPUs; None where that is not known.
    """

    seconds: dict[str, list[float]]
    foreign: float | None

    def median(self, name: str) -> float:
        """Seconds of one call."""
        return statistics.median(self.seconds[name])


def take_turns(contenders: Mapping[str, Callable[[], object]], plan: Plan) -> Block:
    """The least disturbed of the blocks that were taken, the first quiet one if there is one."""
    calls = {name: _calls(contender, plan.sample) for name, contender in contenders.items()}
    blocks: list[Block] = []
    while len(blocks) < plan.tries:
        if blocks:
            time.sleep(0.5)
        blocks.append(_block(contenders, calls, plan.rounds))
        if blocks[-1].foreign is None or blocks[-1].foreign <= plan.quiet:
            break
    return min(blocks, key=lambda block: block.foreign or 0)


def _calls(contender: Callable[[], object], sample: float) -> int:
    """How many calls a sample has."""
    for _ in range(_WARM_UPS):
        contender()
    began, calls = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < sample / 4 or not calls:
        contender()
        calls += 1
    return max(1, round(1.1 * sample * calls / taken))


def _block(contenders: Mapping[str, Callable[[], object]], calls: Mapping[str, int], rounds: int) -> Block:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    began, busy, own = time.perf_counter(), _busy(), time.process_time()
    for _ in range(rounds):
        for name, contender in contenders.items():
            if calls[name] > 1:
                contender()  # untimed: caches and threads are another's yet
            start = time.perf_counter()
            for _ in range(calls[name]):
                contender()
            seconds[name].append((time.perf_counter() - start) / calls[name])
    own, wall, after = time.process_time() - own, time.perf_counter() - began, _busy()
    if busy is None or after is None:
        return Block(seconds, None)
    return Block(seconds, max(0.0, after - busy - own) / wall)


def _busy() -> float | None:
    """Seconds that all CPUs were busy since the machine started, those taken by its host among them."""
    if not _STAT.exists():
        return None
    user, nice, system, _, _, irq, soft, steal = map(int, _STAT.read_text().split(None, 9)[1:9])
    return (user + nice + system + irq + soft + steal) / _TICKS
