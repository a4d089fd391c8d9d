"""Streams of a language model: what a step takes beside its arithmetic, many at once, memory over many steps.

    python benchmarks/stream.py [--hidden 256] [--symbols 100] [--steps 0] [--threads 1] [--write]

A step: `stream.step(character)` of a GRU, beside the arithmetic in it: the native kernel's step on memory
made ready, and the product of the output matrix and the hidden state. Both take turns; of each the median and
the least of all rounds are told, for others use the machine too.

Many: steps a second of `elman.streaming.Streams`, by how many streams make a step together.

Memory: with --steps N, what the process holds (resident) before, and after each tenth of N steps, of a stream
by itself and of 64 together, N steps in all. With --write the tables go into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import torch
from torch import nn

from elman import tasks
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.nn.kernels import native
from elman.nn.kernels.native import launch
from elman.nn.kernels.native.stepper import NativeStepper
from elman.streaming import Stream, StreamFactory, Streams
from elman.tasks.base import Task
from elman.tasks.language.network import LanguageNetwork
from timing.clock import Plan, take_turns
from timing.page import processor, write

HERE = Path(__file__).parent
COUNTS = (1, 4, 16, 64, 256)
TOGETHER = 64


@dataclass(frozen=True)
class Untrained:
    """A language model of random weights, which take as long as learnt ones."""

    network: nn.Module
    task: Task
    config: RunConfig
    characters: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--steps", type=int, default=0, help="steps over which memory is looked at")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=HERE.parent / "runs/benchmarks")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = untrained(given.symbols, given.hidden)
    lines = [
        f"Measured on {processor()}, threads of torch: {given.threads}, kernels: {native.available()}.",
        f"A GRU of {given.hidden}, {given.symbols} symbols.",
        "",
    ]
    for table in (alone(model, given.rounds), together(model, given.rounds), memory(model, given.steps)):
        for line in table:
            print(line, flush=True)
            lines.append(line)
    page = HERE.parent / "docs/benchmarks.md" if given.write else None
    write("\n".join(lines), given.out / "stream.md", page, "streams")


def untrained(symbols: int, hidden: int) -> Untrained:
    """A model of that many symbols, the unknown one among them."""
    kind = tasks.get("language")
    run = RunConfig.of({"network": {"cell": "gru", "hidden": hidden, "layers": 1}}, kind.Config)
    characters = "".join(chr(0x21 + number) for number in range(symbols - 1))
    task = kind.prepare([Record({"text": characters}, "characters")], run)
    torch.manual_seed(0)
    return Untrained(task.build().eval(), task, run, characters)


def alone(model: Untrained, rounds: int) -> Iterator[str]:
    """A stream by itself, beside its arithmetic."""
    source = StreamFactory(model)
    stream, letters = Stream(source, source.fresh(None)), cycle(model.characters)
    contenders: dict[str, Callable[[], object]] = {
        "arithmetic": arithmetic(model),
        "stream.step": lambda: stream.step(next(letters)),
    }
    block = take_turns(contenders, Plan(rounds=rounds))
    yield from ("| one step | median, microseconds | least |", "|---|---|---|")
    for name, seconds in block.seconds.items():
        yield f"| {name} | {block.median(name) * 1e6:.1f} | {min(seconds) * 1e6:.1f} |"
    first, second = block.seconds.values()
    medians = (block.median("stream.step") - block.median("arithmetic")) * 1e6
    yield f"| beyond the arithmetic | {medians:.1f} | {(min(second) - min(first)) * 1e6:.1f} |"
    yield ""


def arithmetic(model: Untrained) -> Callable[[], object]:
    """The least that can be called for a step: the kernel on addresses, and a matrix times a vector."""
    network = model.network
    assert isinstance(network, LanguageNetwork)
    (layer,) = network.recurrent.layer_steppers(network.recurrent.initial(1))
    assert isinstance(layer, NativeStepper), "the native kernels are not built"
    x, y = network.embedding.weight.detach()[:1].clone(), torch.empty(1, network.recurrent.hidden_size)
    matrix, hidden = network.output.weight.detach(), y[0]

    def step() -> None:
        places, weights = layer._places  # addresses, of memory that the layer holds
        launch.step_to(layer._kind, x, places, weights, y, places)
        torch.mv(matrix, hidden)

    return step


def together(model: Untrained, rounds: int) -> Iterator[str]:
    """Many streams at once."""
    yield from ("| streams together | steps a second | microseconds a call |", "|---|---|---|")
    for count in COUNTS:
        streams = Streams(model)
        letters = cycle(model.characters)
        given = [{key: next(letters) for key in range(1, count + 1)} for _ in range(7)]
        for _ in range(count):
            streams.open()
        turns = cycle(given)

        def step(streams: Streams = streams, turns: Iterator[dict[int, str]] = turns) -> object:
            return streams.step(next(turns))

        seconds = take_turns({"step": step}, Plan(rounds=rounds)).median("step")
        yield f"| {count} | {count / seconds:,.0f} | {seconds * 1e6:.0f} |"
    yield ""


def memory(model: Untrained, steps: int) -> Iterator[str]:
    """What the process holds, as steps go by."""
    if not steps:
        return
    yield from ("| steps | resident MiB, one stream | 64 streams together |", "|---|---|---|")
    source = StreamFactory(model)
    stream, streams = Stream(source, source.fresh(None)), Streams(model)
    keys = [streams.open() for _ in range(TOGETHER)]
    first = [(0, held())]
    began = time.perf_counter()
    for _ in range(10):
        for number in range(steps // 10):
            stream.step(model.characters[number % len(model.characters)])
        first.append((stream.steps, held()))
    middle = time.perf_counter()
    second = [held()]
    for _ in range(10):
        for number in range(steps // (10 * TOGETHER)):
            letter = model.characters[number % len(model.characters)]
            streams.step(dict.fromkeys(keys, letter))
        second.append(held())
    for (count, one), many in zip(first, second, strict=True):
        yield f"| {count:,} | {one:.1f} | {many:.1f} |"
    yield ""
    end = time.perf_counter()
    yield f"{middle - began:.0f} s by itself, {end - middle:.0f} s together; at most {peak():.1f} MiB."


def held() -> float:
    """MiB of memory that are resident now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    """The most MiB that were."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
