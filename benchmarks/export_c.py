"""One step of a language model: as C, as Elman runs it in Python, and in ONNX Runtime.

    python benchmarks/export_c.py [--hidden 256] [--symbols 100] [--cell gru] [--steps 20000]

Prints microseconds a step, the best of five runs; the weights are random, for they change no time.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from elman.core.run_config import NetworkSettings
from elman.exporters import onnx as in_onnx
from elman.exporters.c import c99
from elman.nn import encoder
from elman.tasks.graphs import pieces
from elman.tasks.language.network import LanguageNetwork

RUNS = 5
FLAGS = ("-O3",), ("-O3", "-march=native")

MAIN = """
#define _POSIX_C_SOURCE 199309L
#include "net.h"
#include <stdio.h>
#include <time.h>
static net_state state; static net_output output;
int main(void)
{
    struct timespec from, to;
    double sum = 0.0, best = 1e30;
    for (int run = 0; run < %d; run++) {
        net_start(&state);
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < %d; i++) {
            net_step(&state, (7 * i) %% NET_SYMBOLS, &output);
            sum += (double)output.scores[0];
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        double took = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        best = took < best ? took : best;
    }
    printf("%%.9g %%.9g", best, sum);
    return 0;
}
"""


def main() -> None:
    """Time each way and print a table."""
    parser = argparse.ArgumentParser()
    for name, default in (("hidden", 256), ("symbols", 100), ("steps", 20_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--cell", default="gru")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = NetworkSettings(cell=asked.cell, hidden=asked.hidden)
    network = LanguageNetwork(asked.symbols, config, tie=False).eval()
    symbols = [7 * step % asked.symbols for step in range(asked.steps)]
    for name, seconds in ways(network, symbols):
        print(f"{name:<28} {1e6 * seconds / asked.steps:8.2f} us a step")


def ways(network: LanguageNetwork, symbols: list[int]) -> Iterator[tuple[str, float]]:
    """Each way with the seconds that all steps took."""
    (piece,) = pieces(network, streams=True)
    compiler = c99.compiler()
    if compiler:
        made = c99.generate(piece, "net", "A benchmark.", "")
        for flags in FLAGS:
            yield f"C, {' '.join(flags)}", in_c(made, compiler, flags, len(symbols))
    yield "Elman in Python", best(lambda: in_python(network, symbols))
    session = in_onnx.OnnxSession(in_onnx.made(piece, {}, streams=True).data)
    yield "ONNX Runtime from Python", best(lambda: in_runtime(session, symbols))


def in_c(made: c99.CSource, compiler: str, flags: tuple[str, ...], steps: int) -> float:
    """The best run of the compiled step."""
    with tempfile.TemporaryDirectory() as folder:
        c99.write(made, Path(folder))
        (Path(folder) / "main.c").write_text(MAIN % (RUNS, steps))
        subprocess.run(
            [compiler, "-std=c99", *flags, "main.c", "net.c", "-o", "main", "-lm"], cwd=folder, check=True
        )
        done = subprocess.run(["./main"], cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


@torch.inference_mode()
def in_python(network: LanguageNetwork, symbols: list[int]) -> None:
    """Embedding, a stepper of the layers, the output layer."""
    step = encoder.stepper(network.recurrent, network.recurrent.initial(1))
    table, output = network.embedding.weight, network.output
    for symbol in symbols:
        output(step(table[symbol : symbol + 1]))


def in_runtime(session: in_onnx.OnnxSession, symbols: list[int]) -> None:
    """The streaming graph, step by step."""
    state: dict[str, torch.Tensor] = {}
    for symbol in symbols:
        said = session({"input": torch.tensor([[symbol]]), **state})
        state = {name.removeprefix("next_"): value for name, value in said.items() if name != "scores"}


def best(run: Callable[[], None]) -> float:
    """The seconds of the best of some runs."""
    took = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return min(took)


if __name__ == "__main__":
    main()
