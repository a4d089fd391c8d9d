"""A character model in Elman beside the same network in a plain torch.nn script: time a step, and loss curve.

    python benchmarks/language.py TEXT [--steps 1960] [--block 20]
    python benchmarks/language.py TEXT --kernels native,aten --cell gru --precision float32

The second has Elman beside itself, on two kernels. Both start from the same weights, read the same windows in
the same order, and use the settings of examples/shakespeare.toml; they take turns, a block of steps each
(A B A B ...), in one process. Dropout masks differ from the plain script's, and are the same on two kernels.
Printed: the loss of both by blocks of steps, the medians of milliseconds a step and of their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from elman import tasks
from elman.core.console import NullReporter
from elman.core.run_config import RunConfig
from elman.data import formats
from elman.data.batching import BpttWindows
from elman.nn import kernels
from elman.training import checkpoint, optimizers, resolve
from elman.training.loop import Trainer, TrainingJob
from elman.training.processes import ProcessGroup

SETTINGS = Path(__file__).parents[1] / "examples/shakespeare.toml"
TEXT = Path(__file__).parents[2] / "shared/data/tinyshakespeare/input.txt"


class Plain(nn.Module):
    """The network of examples/shakespeare.toml as one writes it with torch.nn alone."""

    def __init__(self, symbols: int, run: RunConfig) -> None:
        super().__init__()
        net = run.network
        self.net = net
        self.embedding = nn.Embedding(symbols, net.embedding)
        self.first = nn.LSTM(net.embedding, net.hidden)
        self.second = nn.LSTM(net.embedding + net.hidden, net.hidden)
        self.output = nn.Linear(2 * net.hidden, symbols)

    def drop(self, x: Tensor, p: float) -> Tensor:
        """Dropout with one mask for all steps."""
        return x * F.dropout(torch.ones_like(x[:1]), p, self.training)

    def layer(self, lstm: nn.LSTM, x: Tensor, state: tuple | None) -> tuple[Tensor, tuple]:
        """One layer with DropConnect on its recurrent weights."""
        dropped = F.dropout(lstm.weight_hh_l0, self.net.weight_dropout, self.training)
        return functional_call(lstm, {"weight_hh_l0": dropped}, (x, state))

    def forward(self, x: Tensor, state: list | None) -> tuple[Tensor, list]:
        """Scores [T, B, V] and the states of both layers."""
        state = state or [None, None]
        vectors = self.embedding(x)
        one, s1 = self.layer(self.first, vectors, state[0])
        inside = torch.cat([vectors, self.drop(one, self.net.dropout)], -1)
        two, s2 = self.layer(self.second, inside, state[1])
        both = self.drop(torch.cat([one, two], -1), self.net.output_dropout)
        return self.output(both), [s1, s2]


def plain_steps(network: Plain, run: RunConfig, windows: BpttWindows, steps: int) -> Callable[[int], float]:
    """The training loop of a plain script: a function that makes step number n and returns its loss."""
    config, state = run.training, None
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.lr, betas=(0.9, config.beta2), weight_decay=config.weight_decay
    )

    def step(number: int) -> float:
        nonlocal state
        epoch, window = divmod(number, windows.steps)
        batch = windows.batch(epoch, window)
        for group in optimizer.param_groups:
            group["lr"] = optimizers.rate(config, number, steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            scores, after = network(batch.seq.data, state if window else None)
        loss = F.cross_entropy(scores.flatten(0, 1).float(), batch.targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimizer.step()
        state = [(h.detach(), c.detach()) for h, c in after]
        return float(loss.detach())

    return step


def elman_steps(trainer: Trainer) -> Callable[[int], float]:
    """The same by Elman's trainer, with all its bookkeeping."""

    def step(number: int) -> float:
        before = trainer.progress.whole.nats, trainer.progress.whole.count
        trainer.step()
        after = trainer.progress.whole.nats, trainer.progress.whole.count
        if trainer.progress.window >= trainer.job.windows.steps:
            trainer.progress.epoch, trainer.progress.window = trainer.progress.epoch + 1, 0
            trainer.learner.state = None
        return (after[0] - before[0]) / (after[1] - before[1])

    return step


def same_weights(plain: Plain, ours: nn.Module) -> None:
    """Give the plain network our initial weights."""
    theirs = ours.state_dict()
    renamed = {"embedding.weight": theirs["embedding.weight"]}
    renamed |= {f"output.{name}": theirs[f"output.{name}"] for name in ("weight", "bias")}
    for index, layer in enumerate(("first", "second")):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            renamed[f"{layer}.{name}_l0"] = theirs[f"recurrent.{name}_l{index}"]
    plain.load_state_dict(renamed)


def on_kernel(kernel: str, step: Callable[[int], float], seed: int) -> Callable[[int], float]:
    """The same steps with that kernel forced, and random numbers of their own."""
    numbers = torch.Generator().manual_seed(seed).get_state()

    def forced(number: int) -> float:
        nonlocal numbers
        kernels.force(kernel)
        torch.set_rng_state(numbers)
        try:
            return step(number)
        finally:
            numbers = torch.get_rng_state()
            kernels.force(None)

    return forced


class Contenders:
    """What makes the same steps in different ways.

    Args:
        text: the file.
        changed: settings other than those of the example.
    """

    def __init__(self, text: str, changed: dict[str, object]) -> None:
        self.run, _ = resolve.resolve(text, "language", SETTINGS, {"seed": 1, **changed})
        kind = tasks.get(self.run.task)
        parts = kind.split(formats.read(self.run.data.path), self.run.data)
        self.task = kind.prepare(parts.train, self.run)
        train, self.valid = self.task.encode(parts.train), self.task.encode(parts.valid)
        config = self.run.training
        self.windows = BpttWindows(train, config.batch_size, config.bptt, seed=config.seed)

    def trainer(self) -> Trainer:
        """Elman's trainer of a new network, always with the same weights."""
        config = self.run.training
        torch.manual_seed(config.seed)
        network = self.task.build()
        average = optimizers.WeightAverage(network, config.ema)
        learner = checkpoint.TrainingState(network, optimizers.optimizer(network, config), average, None)
        folder, alone = Path(tempfile.mkdtemp()), ProcessGroup(0, 1, torch.device("cpu"))
        job = TrainingJob(folder, self.run, self.task, self.windows, self.valid, alone, NullReporter())
        return Trainer(job, learner, checkpoint.Progress())

    def beside_torch(self) -> dict[str, Callable[[int], float]]:
        """Elman and a plain script."""
        trainer, plain = self.trainer(), Plain(len(self.task.vocab), self.run)
        same_weights(plain, trainer.learner.network)
        theirs = plain_steps(plain, self.run, self.windows, trainer.steps)
        return {"elman": elman_steps(trainer), "torch.nn": theirs}

    def on_kernels(self, names: list[str]) -> dict[str, Callable[[int], float]]:
        """Elman on each of some kernels."""
        seed = self.run.training.seed
        return {name: on_kernel(name, elman_steps(self.trainer()), seed) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="?", default=str(TEXT))
    parser.add_argument("--steps", type=int, default=1960)
    parser.add_argument("--block", type=int, default=20)
    parser.add_argument("--kernels", help="two kernels of Elman, in place of the plain script")
    parser.add_argument("--cell", help="another cell than the example's; with --kernels")
    parser.add_argument("--precision", help="another precision than the example's")
    options = parser.parse_args()
    if options.cell and not options.kernels:
        parser.error("the plain script has an LSTM; --cell needs --kernels")

    asked = {"cell": options.cell, "precision": options.precision}
    contenders = Contenders(options.text, {name: value for name, value in asked.items() if value})
    step = contenders.on_kernels(options.kernels.split(",")) if options.kernels else contenders.beside_torch()
    one, other = step

    times: dict[str, list[float]] = {name: [] for name in step}
    print(f"{'step':>6} {one + ' loss':>14} {other + ' loss':>14} {'ratio of time':>14}")
    for start in range(0, options.steps, options.block):
        losses = {}
        for name, make in step.items():
            began = time.perf_counter()
            losses[name] = statistics.mean(make(number) for number in range(start, start + options.block))
            times[name].append((time.perf_counter() - began) / options.block * 1e3)
        if (start // options.block + 1) % 5 == 0:
            row = f"{losses[one]:>14.4f} {losses[other]:>14.4f} {times[one][-1] / times[other][-1]:>14.3f}"
            print(f"{start + options.block:>6} {row}", flush=True)
    ratios = [a / b for a, b in zip(times[one], times[other], strict=True)]
    for name, taken in times.items():
        print(f"{name}: median {statistics.median(taken):.1f} ms a step")
    print(f"{one} / {other}: median {statistics.median(ratios):.3f} over {len(ratios)} pairs of blocks")


if __name__ == "__main__":
    main()
