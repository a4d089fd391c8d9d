"""Our recurrent kernels beside torch.nn's on the CPU, as their users call them: milliseconds, ratios, errors.

    python benchmarks/kernels.py [--only dense,ragged,step] [--cells GRU] [--shapes 100,1,64,64 35,20,650,650]
    python benchmarks/kernels.py --only busy     # 1 thread and more, alone and beside a busy process
    python benchmarks/kernels.py --peers         # beside ONNX Runtime and JAX, where they are installed
    python benchmarks/kernels.py --prototype DIR # beside an earlier version, in the same run

Contenders take turns in one process (A B A B ...), with the same weights; a number is the median of --rounds
samples of at least --sample milliseconds of calls. A block of samples during which other processes kept a CPU
busy for more than 5 % of the time is taken anew, up to --tries times, and the least disturbed one counts;
each row says how busy others were. Printed, and written to --out; with --write into docs/kernels.md as well.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from elman.nn import kernels
from elman.nn.kernels import native
from timing import layers, peers
from timing.clock import Block, Plan, take_turns
from timing.page import processor, write

SHAPES = (
    (100, 1, 64, 64),
    (100, 1, 128, 128),
    (100, 1, 512, 512),
    (100, 16, 64, 64),
    (100, 32, 128, 128),
    (100, 32, 256, 256),
    (100, 32, 512, 512),
    (35, 20, 650, 650),
    (784, 64, 1, 128),
    (100, 128, 256, 256),
    (1000, 1, 32, 32),
)
RAGGED = (
    (100, 16, 64, 64),
    (100, 32, 128, 128),
    (100, 32, 256, 256),
    (100, 32, 512, 512),
    (100, 128, 256, 256),
)
BESIDE_PEERS = SHAPES[::2]  # a row takes a minute: each library has processes of its own
STEPS = tuple((1, 1, hidden, hidden) for hidden in (64, 128, 512))
PASSES = ("inference", "training")
PAGE = Path(__file__).parents[1] / "docs/kernels.md"
MATRIX = 2048  # rows and columns, of torch.mm's rate
TURNS = 3  # of a peer's process and ours

Row = list[str]


class Bench:
    """What all tables are made with: the options, how times are taken, the prototype if there is one."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.cells = options.cells.split(",")
        self.shapes = [tuple(map(int, shape.split(","))) for shape in options.shapes]
        self.threads, self.python, self.kernel = options.threads, options.python, options.kernel
        self.plan = Plan(options.rounds, options.sample / 1e3, options.tries)
        self.matrices = torch.randn(2, MATRIX, MATRIX)
        self.rates: list[float] = []
        self.prototype = layers.Prototype(options.prototype, options.threads) if options.prototype else None

    def grid(self, usual: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
        """The shapes asked for, or the usual ones."""
        return self.shapes or list(usual)

    def rate(self, block: Block) -> float:
        """Operations a second of torch.mm in float32, which took its turn in that block."""
        self.rates.append(2 * MATRIX**3 / block.median("mm"))
        return self.rates[-1]


def passes(bench: Bench, it: layers.Layer, calls: dict[str, layers.Calls]) -> Block:
    """Time all passes of all contenders, the prototype among them ("inference ours"), and torch.mm ("mm")."""
    if bench.prototype:
        for name, call in bench.prototype.scan(it).items():
            calls[name]["prototype"] = call
    flat = {f"{name} {who}": call for name, named in calls.items() for who, call in named.items()}
    return take_turns({**flat, "mm": lambda: torch.mm(*bench.matrices)}, bench.plan)


def dense(bench: Bench) -> Iterator[Row]:
    """Every sequence of the same length."""
    yield ["T, B, I, H", "cell", *_columns(bench, "ours", "torch"), "difference", "others"]
    for shape in bench.grid(SHAPES):
        for cell in bench.cells:
            it = layers.layer(cell, shape)
            block = passes(bench, it, layers.dense(it))
            yield [_shape(shape), cell, *_cells(bench, it, block), *_end(layers.difference(it), block)]


def ragged(bench: Bench) -> Iterator[Row]:
    """Lengths uniform from T / 10 to T, with `lengths=` and as a PackedSequence."""
    columns = _columns(bench, "ours", "ours packed", "torch packed")
    yield ["T, B, I, H", "there", "cell", *columns, "difference", "others"]
    for shape in bench.grid(RAGGED):
        for cell in bench.cells:
            it = layers.layer(cell, shape, ragged=True)
            block = passes(bench, it, layers.ragged(it))
            there = f"{float(it.lengths.float().mean()) / shape[0]:.0%}"
            numbers = _cells(bench, it, block)
            yield [_shape(shape), there, cell, *numbers, *_end(layers.difference(it), block)]


def _columns(bench: Bench, *contenders: str) -> Row:
    """The heads of both passes' columns."""
    found = []
    for name in PASSES:
        found += [f"{name}: {contenders[0]} ms", *[f"{contender} ms" for contender in contenders[1:]]]
        found += [f"torch / {contender}" for contender in contenders[:-1]]
        found += ["of mm"]
        if bench.prototype:
            found += ["prototype ms", "prototype / ours"]
    return found


def _cells(bench: Bench, it: layers.Layer, block: Block) -> Row:
    """What stands under those heads."""
    found, ours = [], ("ours",) if it.lengths is None else ("ours", "packed")
    rate = bench.rate(block)
    for name in PASSES:
        torchs, best = block.median(f"{name} torch"), block.median(f"{name} ours")
        found += [_ms(block.median(f"{name} {who}")) for who in ours]
        found += [_ms(torchs)]
        found += [_ratio(torchs / block.median(f"{name} {who}")) for who in ours]
        found += [f"{it.work(name == 'training') / best / rate:.0%}"]
        if bench.prototype:
            its = block.median(f"{name} prototype")
            found += [_ms(its), _ratio(its / best)]
    return found


def step(bench: Bench) -> Iterator[Row]:
    """One step of one sequence, from Python."""
    names = ("ours stepper", "ours cell", "ours layer", "torch cell", "torch layer")
    compared = ((3, 0), (4, 0), (3, 1), (4, 2))
    heads = [f"{name} µs" for name in names]
    heads += [f"{names[a]} / {names[b]}" for a, b in compared]
    if bench.prototype:
        heads += ["prototype µs", "prototype / ours stepper"]
    yield ["I = H", "cell", *heads, "difference", "others"]
    for shape in bench.grid(STEPS):
        for cell in bench.cells:
            it = layers.layer(cell, (1, 1, shape[3], shape[3]))
            calls = layers.step(it)
            worst = layers.step_difference(calls, it)
            if bench.prototype:
                calls["prototype"] = bench.prototype.step(it)
            block = take_turns(calls, bench.plan)
            took = [block.median(name) for name in names]
            found = [f"{one * 1e6:.1f}" for one in took]
            found += [_ratio(took[a] / took[b]) for a, b in compared]
            if bench.prototype:
                its = block.median("prototype")
                found += [f"{its * 1e6:.1f}", _ratio(its / took[0])]
            yield [str(shape[3]), cell, *found, *_end(worst, block)]


def busy(bench: Bench) -> Iterator[Row]:
    """Ours on one thread and on all of them, alone and beside a process that keeps a CPU busy."""
    heads = ["1 thread ms", f"{bench.threads} threads ms", "to 1 thread"]
    yield [
        *("T, B, I, H", "cell", "pass", *heads, "others"),
        *(f"beside a busy process: {heads[0]}", *heads[1:], "slowest"),
    ]
    for shape in bench.grid(SHAPES):
        for cell in bench.cells:
            for name, calls in layers.dense(layers.layer(cell, shape)).items():
                both = {str(n): _on_threads(calls["ours"], n) for n in (1, bench.threads)}
                quiet = take_turns(both, bench.plan)
                with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
                    beside = take_turns(both, bench.plan._replace(tries=1))
                    other.kill()
                slowest = max(beside.seconds[str(bench.threads)]) / beside.median("1")
                first, second = (_threads_compared(bench, block) for block in (quiet, beside))
                yield [_shape(shape), cell, name, *first, _others(quiet), *second, _ratio(slowest)]
    torch.set_num_threads(bench.threads)


def _on_threads(call: Callable[[], object], threads: int) -> Callable[[], object]:
    def run() -> object:
        torch.set_num_threads(threads)
        return call()

    return run


def _threads_compared(bench: Bench, block: Block) -> Row:
    one, many = block.median("1"), block.median(str(bench.threads))
    return [_ms(one), _ms(many), _ratio(many / one)]


def beside_peers(bench: Bench) -> Iterator[Row]:
    """ONNX Runtime and JAX, each in processes of its own, by turns with ours in this one."""
    found = [(peer, name) for peer in peers.installed(bench.python) for name in PASSES]
    found = [pair for pair in found if pair != ("onnxruntime", "training")]
    heads = [
        head
        for peer, name in found
        for head in (f"{name}: {peers.NAMES[peer]} ms", "ours ms", f"{peers.NAMES[peer]} / ours")
    ]
    yield ["T, B, I, H", "cell", *heads, "difference", "others"]
    for shape in bench.grid(BESIDE_PEERS) if found else ():
        for cell in bench.cells:
            yield [_shape(shape), cell, *_peers(bench, layers.layer(cell, shape), found)]


def _peers(bench: Bench, it: layers.Layer, found: list[tuple[str, str]]) -> Row:
    row, worst, foreign = [], 0.0, []
    ours = {name: calls["ours"] for name, calls in layers.dense(it).items()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "layer.npz"
        with torch.inference_mode():
            arrays = {"x": it.x, "dy": it.dy, "y": it.theirs(it.x)[0], **it.weights}
        np.savez(file, **{name: tensor.detach().numpy() for name, tensor in arrays.items()})
        for peer in dict(found):
            theirs, own = [], []
            for _ in range(TURNS):
                theirs.append(peers.measure(bench.python, peer, it.cell, file, bench.threads, bench.plan))
                own.append(take_turns(ours, bench.plan))
            for name in [name for one, name in found if one == peer]:
                its = statistics.median(measured.seconds[name] for measured in theirs)
                mine = statistics.median(block.median(name) for block in own)
                row += [_ms(its), _ms(mine), _ratio(its / mine)]
            worst = max(worst, *[measured.difference for measured in theirs])
            foreign += [one.foreign or 0 for one in (*theirs, *own)]
    return [*row, f"{worst:.0e}", f"{max(foreign):.0%}"]


def _shape(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _end(difference: float, block: Block) -> Row:
    return [f"{difference:.0e}", _others(block)]


def _others(block: Block) -> str:
    return "?" if block.foreign is None else f"{block.foreign:.0%}"


TABLES = {
    "dense": (dense, "Sequences of one length", "`of mm`: the products' operations a second, in torch.mm's."),
    "ragged": (
        ragged,
        "Sequences of several lengths",
        "Lengths uniform from T / 10 to T; `there`: the share of steps that are no padding, which `of mm` "
        "counts. `ours` is given padded sequences and `lengths=`; what is packed was so before.",
    ),
    "step": (step, "One step", "T = B = 1, I = H, with the state handed in, without gradients."),
    "busy": (
        busy,
        "One thread and more",
        "`to 1 thread`: below 1, more threads are faster. `slowest`: the slowest sample on them to the "
        "median of one thread, beside the busy process.",
    ),
    "peers": (
        beside_peers,
        "Beside other libraries",
        f"Each in {TURNS} processes of its own, by turns with ours. `difference`: of their y from torch's.",
    ),
}


def machine(bench: Bench) -> str:
    """Where and with what this was measured."""
    kernel = bench.kernel or f"native, {native.available()}"
    said = (
        f"{processor()}; {bench.threads} threads; torch {torch.__version__}, Python "
        f"{platform.python_version()}; kernel: {kernel}. Medians of {bench.plan.rounds} samples, each of "
        f"{bench.plan.sample * 1e3:.0f} ms of calls or more. Where a ratio is above 1, ours is faster. "
        "`difference`: the largest one of y and all gradients from float64, relative to the largest number. "
        "`others`: how long other processes kept a CPU busy meanwhile, of the time."
    )
    return textwrap.fill(said, 110)


def run(bench: Bench, names: list[str]) -> str:
    """Make tables, and print each row when it is there."""
    text = ""

    def tell(line: str) -> None:
        nonlocal text
        text += line + "\n"
        print(line, flush=True)

    tell(machine(bench))
    for name in names:
        table, title, note = TABLES[name]
        tell(f"\n### {title}\n\n{textwrap.fill(note, 110)}\n")
        for number, row in enumerate(table(bench)):
            tell(f"| {' | '.join(row)} |")
            if not number:
                tell("|" + "---|" * len(row))
    if bench.rates:
        low, high = (round(pick(bench.rates) / 1e9) for pick in (min, max))
        tell(f"\ntorch.mm of {MATRIX} x {MATRIX} in float32 in this run: {low} to {high} GFLOP/s.")
    return text


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="dense,ragged,step", help=f"tables, of {','.join(TABLES)}")
    parser.add_argument("--peers", action="store_true", help="the table of peers as well")
    parser.add_argument(
        "--python", default=sys.executable, help="the Python that the peers are installed for"
    )
    parser.add_argument("--prototype", type=Path, metavar="DIR", help="with rk.py and build.sh")
    parser.add_argument("--cells", default="LSTM,GRU,RNN")
    parser.add_argument(
        "--shapes", nargs="+", default=(), metavar="T,B,I,H", help="in place of the usual ones"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sample", type=float, default=20, metavar="MS")
    parser.add_argument("--tries", type=int, default=4)
    parser.add_argument("--instruction-set", choices=("avx512", "avx2", "base"))
    parser.add_argument("--kernel", help="force one: native, aten, loop")
    parser.add_argument("--out", type=Path, default=Path("runs/kernels.md"))
    parser.add_argument("--write", action="store_true", help="into docs/kernels.md")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.kernel:
        kernels.force(options.kernel)
    if options.instruction_set:
        native.use(options.instruction_set)
    names = options.only.split(",") + ["peers"] * options.peers
    write(run(Bench(options), names), options.out, PAGE if options.write else None)


if __name__ == "__main__":
    main()
