"""A translator in Elman beside the same network in a plain torch.nn script: tokens a second, and loss curve.

    python benchmarks/translation.py [STEM] [--input en] [--target de] [--steps 200] [--block 5]

Both start from the same weights and read the same batches in the same order, with the settings of
benchmarks/settings/multi30k.toml without dropout, so that their losses can be compared. They take turns, a
block of steps each (A B A B ...), in one process. The plain script packs its sources, and writes step by
step with a cell of torch.nn, as tutorials do. Printed: the losses of both by blocks of steps, the medians of
source and target tokens a second, and of the ratio of their times.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman import tasks
from elman.core.records import Batch
from elman.core.run_config import RunConfig
from elman.data import batching, formats
from elman.data.batching import IGNORED
from elman.tasks.base import Purpose
from elman.tasks.translate.network import TranslateNetwork
from elman.training import optimizers

SETTINGS = Path(__file__).parent / "settings/multi30k.toml"
DATA = Path(__file__).parents[2] / "shared/data/multi30k/train"


class Plain(nn.Module):
    """An encoder and a decoder with attention and input feeding, as one writes them with torch.nn."""

    def __init__(self, symbols: int, written: int, width: int, hidden: int) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(symbols, width), nn.Embedding(written, width)
        self.encoder = nn.GRU(width, hidden, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.cell = nn.GRUCell(2 * width, hidden)
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.readout = nn.Linear(3 * hidden, width)
        self.output = nn.Linear(width, written)
        self.output.weight = self.target.weight

    def forward(self, source: Tensor, lengths: Tensor, before: Tensor) -> Tensor:
        """Scores [T', B, V] of sources [T, B] and of what each step reads, [T', B]."""
        packed = pack_padded_sequence(self.source(source), lengths, enforce_sorted=False)
        packed, last = self.encoder(packed)
        values, _ = pad_packed_sequence(packed, total_length=len(source))
        values = values.transpose(0, 1)
        keys = self.key(values)
        outside = torch.arange(len(source))[None] >= lengths[:, None]
        state = torch.tanh(self.bridge(torch.cat(tuple(last), -1)))
        fed, features = state.new_zeros(len(state), self.readout.out_features), []
        for vector in self.target(before):
            state = self.cell(torch.cat([vector, fed], -1), state)
            scores = torch.bmm(keys, state[:, :, None]).squeeze(-1).masked_fill(outside, -torch.inf)
            context = torch.bmm(scores.softmax(-1)[:, None], values).squeeze(1)
            fed = torch.tanh(self.readout(torch.cat([context, state], -1)))
            features.append(fed)
        return self.output(torch.stack(features))


def same_weights(plain: Plain, network: TranslateNetwork) -> None:
    """Give the plain network the weights of the other one."""
    decoder, recurrent = network.decoder, network.decoder.recurrent
    plain.encoder.load_state_dict(network.encoder.recurrent.state_dict())
    pairs = [
        (plain.source.weight, network.encoder.reader.get_parameter("weight")),
        (plain.target.weight, decoder.embedding.weight),
        (plain.key.weight, decoder.attention.get_parameter("key.weight")),  # type: ignore[union-attr]
        *zip(plain.bridge.parameters(), decoder.bridge.parameters(), strict=True),
        *zip(plain.readout.parameters(), decoder.readout.parameters(), strict=True),
        (plain.output.bias, decoder.output.bias),
        *(
            (plain.cell.get_parameter(name), recurrent.get_parameter(f"{name}_l0"))
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ),
    ]
    with torch.no_grad():
        for mine, theirs in pairs:
            mine.copy_(theirs)


def learner(network: nn.Module, run: RunConfig, loss: Callable[[Batch], Tensor]) -> Callable[[Batch], float]:
    """One optimiser step on a batch, and its loss a target."""
    optimizer = optimizers.optimizer(network, run.training)

    def step(batch: Batch) -> float:
        optimizer.zero_grad()
        mean = loss(batch)
        mean.backward()
        nn.utils.clip_grad_norm_(network.parameters(), run.training.clip)
        optimizer.step()
        return float(mean.detach())

    return step


def learners(
    stem: str, source: str, target: str
) -> tuple[dict[str, Callable[[Batch], float]], batching.BatchPlan]:
    """Both, and the batches that they read."""
    kind = tasks.get("translate")
    tables = tomllib.loads(SETTINGS.read_text())
    tables["data"] |= {"path": stem, "input": source, "target": target}
    tables["network"] |= {"dropout": 0.0, "input_dropout": 0.0}
    run = RunConfig.of({name: table for name, table in tables.items() if name != "task"}, kind.Config)
    records = formats.read(stem)
    task = kind.prepare(records, run)
    torch.manual_seed(1)
    network = task.build()
    assert isinstance(network, TranslateNetwork)
    size, border = network.decoder.output.out_features, network.decoder.border
    vectors = network.encoder.reader.get_parameter("weight")
    plain = Plain(*vectors.shape[:1], size, vectors.shape[1], run.network.hidden)
    same_weights(plain, network)

    def ours(batch: Batch) -> Tensor:
        loss = task.objective(network(batch.seq)[0], batch)
        return loss.nats / loss.count

    def theirs(batch: Batch) -> Tensor:
        targets = batch.targets
        before = torch.cat([torch.full_like(targets[:1], border), targets[:-1].clamp(min=0)])
        assert batch.seq.lengths is not None
        scores = plain(batch.seq.data, batch.seq.lengths, before)
        return F.cross_entropy(
            scores.flatten(0, 1),
            targets.flatten(),
            ignore_index=IGNORED,
            label_smoothing=run.options.smoothing,
        )

    run = replace(run, training=replace(run.training, optimizer="adam"))
    plan = batching.plan(
        task.encode(records, Purpose.TRAIN),
        continuous=False,
        batch_size=run.training.batch_size,
        bptt=0,
        seed=1,
    )
    return {"Elman": learner(network, run, ours), "torch.nn": learner(plain, run, theirs)}, plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("stem", nargs="?", default=str(DATA))
    parser.add_argument("--input", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--block", type=int, default=5)
    given = parser.parse_args()
    steps, plan = learners(given.stem, given.input, given.target)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    tokens = []
    for start in range(0, given.steps, given.block):
        batches = [plan.batch(0, number) for number in range(start, start + given.block)]
        tokens.append(sum(batching.steps_of(b.seq) + int((b.targets != IGNORED).sum()) for b in batches))
        losses = {}
        for name, step in steps.items():
            began = time.perf_counter()
            losses[name] = statistics.mean(step(batch) for batch in batches)
            seconds[name].append(time.perf_counter() - began)
        print(f"steps {start + 1:>4} to {start + given.block:>4}  ", losses, flush=True)
    for name, times in seconds.items():
        rate = statistics.median(count / time for count, time in zip(tokens, times, strict=True))
        print(f"{name}: {rate:,.0f} tokens/s")
    ratios = [plain / mine for mine, plain in zip(*seconds.values(), strict=True)]
    print(f"a step of torch.nn takes {statistics.median(ratios):.2f} times as long")


if __name__ == "__main__":
    main()
