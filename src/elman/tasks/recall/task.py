"""Associative memory: from a part of a pattern, or a noisy one, the whole. Patterns are attractors.

All patterns are stored, so nothing is held out: what is scored is recall from patterns that were damaged,
the same ones for a seed. A memory whose weights are a formula is stored at once; a trained one is trained.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import Any, NamedTuple, Self, final

import torch
from torch import Tensor, nn

from elman.core import json_schema
from elman.core.records import Batch, Example, Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data.batching import collate
from elman.nn import hopfield
from elman.nn.hopfield import RecallTrace as Course
from elman.tasks.abilities import (
    ComputesWeights,
    Exportable,
    Mistake,
    PredictsRecords,
    ShowsMistakes,
    largest,
)
from elman.tasks.base import Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.recall import networks, plots, queries
from elman.tasks.recall.graph import GRAPHS
from elman.tasks.recall.networks import Store
from elman.tasks.recall.pattern_layout import ALL, PatternLayout, rows
from elman.tasks.recall.queries import LADDER, Query, RecallResult
from elman.tasks.recall.settings import MODERN, TRAINED, RecallConfig

_SEEDS = {Purpose.VALID: 1, Purpose.TEST: 2, Purpose.SCORE: 3}
_SIZES, _LARGEST = 10, 400
"""Loads of the picture of the capacity, and most patterns and units that are tried for it."""


class _RecallContent(NamedTuple):
    layout: PatternLayout
    names: list[str]


@final
class Recall(Task[RecallConfig], PredictsRecords, ComputesWeights, ShowsMistakes, Exportable):
    """A memory of patterns of one size: bits or real numbers, rows or pictures."""

    Config = RecallConfig
    graphs = GRAPHS
    formats = ("jsonlines", "parquet", "arrays", "idx", "classes", "media", "sample", "table", "lines")
    continuous = False

    def __init__(self, run: RunConfig[RecallConfig], layout: PatternLayout, names: Sequence[str]) -> None:
        self._run, self.layout, self.names = run, layout, list(names)
        self._options = run.options

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there is a column that calls itself a pattern."""
        return "pattern" in record.fields

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """All records in each part whose share is not 0: they differ by the damage alone."""
        every = rows(records)
        return Parts(every, every if data.valid else [], every if data.test else [])

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[RecallConfig]) -> Self:
        """The task with what a pattern is made of, and what the patterns are called."""
        layout = PatternLayout.learn(records, run.data, strict=run.options.rule not in (MODERN, TRAINED))
        return cls(run, layout, layout.names(records))

    @classmethod
    def restore(cls, text: str, run: RunConfig[RecallConfig], where: object) -> Self:
        """The task as `to_text` described it."""
        with json_schema.rebuilding(where):
            content = json_schema.build(_RecallContent, json.loads(text))
            return cls(run, content.layout.checked(), content.names)

    def to_text(self) -> str:
        """The layout and the names as JSON; the patterns are among the network's weights."""
        return json.dumps({"layout": asdict(self.layout), "names": self.names}, ensure_ascii=False) + "\n"

    def describe(self) -> dict[str, str]:
        """What is stored, by which rule, and how it is damaged to be scored."""
        options, count, size = self._options, len(self.names), self.layout.size
        parts = {"flipped": options.flip, "erased": options.erase, "noise": options.jitter}
        damage = ", ".join(f"{value:g} {name}" for name, value in parts.items() if value)
        return {
            "patterns": f"{count:,} of {self.layout.about()}",
            "memory": f"{options.rule}, {count / size:.3g} patterns a unit",
            "damage": damage or "none",
        }

    def build(self) -> Store:
        """A fresh network, in which nothing is stored yet."""
        return networks.made(len(self.names), self.layout.size, self._options, self._run)

    def store(self, network: nn.Module, train: Sequence[Example]) -> None:
        """Store the training patterns, and compute the weights that are a formula of them."""
        assert isinstance(network, Store)
        network.store(self._stored(train))

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """Patterns [1, N]: whole to learn from, damaged to be scored on, or what there is to recall from.

        Raises:
            DataError: a pattern is of another size, or has something in it that does not belong there.
        """
        if not use.labelled:
            asked = [self.layout.encode(record, whole=False) for record in records]
            return [Example(cue[None], torch.empty(0), len(cue)) for cue in asked]
        records = rows(records)
        patterns = torch.stack([self.layout.encode(record, whole=True) for record in records])
        if use is Purpose.TRAIN:
            times = self._options.repeat if self._options.rule == TRAINED else 1
            return [Example(whole[None], whole, len(whole)) for whole in patterns.repeat(times, 1)]
        seed = self._run.training.seed * len(Purpose) + _SEEDS[use]
        return list[Example](queries.made(patterns, self.layout.names(records), self._options, seed))

    @property
    def selection_metric(self) -> str:
        """The share that is recalled exactly."""
        return "recalled"

    def loss(self, scores: Course, batch: Batch) -> Loss:
        """The squared error of the last state in shares of the range, summed over all numbers."""
        return _error(scores.final, batch.targets)

    def objective(self, scores: Course, batch: Batch) -> Loss:
        """The mean of the same over all steps, so that the network comes to rest at the whole pattern."""
        losses = [_error(state, batch.targets) for state in scores.states[1:]]
        return Loss(torch.stack([loss.nats for loss in losses]).mean(), losses[0].count)

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """The share recalled exactly, the overlap, and the share of numbers that are right; and the loss."""
        pairs = (
            [(cue, found.whole) for cue, found in _pairs(examples, outputs) if cue.scored] if outputs else []
        )
        told = self._named_scores(*zip(*pairs, strict=True)) if pairs else {}
        return {**told, "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """The nearest stored pattern, than which no memory does better on average; and the damaged one."""
        patterns = self._stored(train)

        def part_scores(examples: Sequence[Example]) -> dict[str, Scores]:
            scored = [cue for cue in map(_cue, examples) if cue.scored]
            asked = torch.cat([cue.data for cue in scored])
            wholes = torch.stack([cue.whole for cue in scored])
            said = {
                "nearest stored pattern": patterns[queries.nearest(asked, patterns, gaps=True)],
                "the damaged pattern itself": asked,
            }
            losses = {name: _error(states, wholes.t()) for name, states in said.items()}
            return {
                name: {**self._named_scores(scored, states), "loss": float(loss.nats) / loss.count}
                for (name, states), loss in zip(said.items(), losses.values(), strict=True)
            }

        return {part: part_scores(examples) for part, examples in parts.items()}

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Recall by damage, recalls on their way, energy by step, and how much such a memory holds."""
        pairs = _pairs(examples, outputs)
        ladder = {name: self._rungs(pairs, name) for name in ("flipped", "erased")}
        head = ("share", *(f"{name}: {score}" for name in ladder for score in ("recalled", "overlap")))
        table = [head, *((f"{share:g}", *_row(ladder, place)) for place, share in enumerate(LADDER))]
        scored = [pair for pair in pairs if pair[0].scored]
        recalled = {name: (LADDER, [row[0] for row in rung]) for name, rung in ladder.items()}
        figures = {
            "recall": lambda figure: plots.states(figure, self._shown(scored), self.layout.shape),
            "energy": lambda figure: plots.courses(figure, *self._courses(scored)),
            "basin": lambda figure: plots.damages(figure, recalled),
        }
        if self._options.rule != TRAINED:
            wholes = torch.stack([cue.whole for cue, _ in scored[: len(self.names)]])
            figures["capacity"] = lambda figure: plots.capacity(
                figure, self._capacity(wholes), bits=self.layout.bits
            )
        return Findings({"recall by damage": table}, figures)

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The damaged patterns whose recall is farthest from the whole one."""
        pairs = _pairs(examples, outputs)
        overlaps = [float(queries.overlap(found.whole, cue.whole)) for cue, found in pairs]
        wrong = [cue.scored and not self._right(cue, found) for cue, found in pairs]
        sizes = [bad * (2 - overlap) for bad, overlap in zip(wrong, overlaps, strict=True)]
        return [
            Mistake(
                place,
                self.names[pairs[place][1].nearest],
                pairs[place][0].name,
                {"overlap": overlaps[place], "steps": pairs[place][1].steps},
            )
            for place in largest(sizes, most)
        ]

    def predict(self, network: nn.Module, batch: Batch, scores: Course) -> list[RecallResult]:
        """The whole pattern for each damaged one, and how it was come to."""
        assert isinstance(network, Store)
        final = scores.final.sign() if self.layout.bits else scores.final
        places = queries.nearest(final, network.patterns, gaps=False)
        overlaps = queries.overlap(final, network.patterns[places]).tolist()
        states, energies, final = scores.states.cpu(), scores.energies.cpu(), final.cpu()
        return [
            RecallResult(
                final[row],
                states[: steps + 1, row].clone(),
                energies[: steps + 1, row].clone(),
                place,
                overlaps[row],
                steps,
            )
            for row, (place, steps) in enumerate(zip(places.tolist(), scores.steps.tolist(), strict=True))
        ]

    @property
    def reads(self) -> str:
        """Patterns."""
        return "pattern"

    def record(self, value: Any, where: str) -> Record:
        """The value in the column that is read."""
        return Record({"pattern" if self.layout.input == ALL else self.layout.input: value}, where)

    def answer(self, output: RecallResult, record: Record) -> dict[str, Any]:
        """The whole pattern, the stored one that is nearest to it, their overlap, the energy, the steps."""
        energy = {"energy": round(float(output.energies[-1]), 4)} if len(output.energies) else {}
        return {
            "prediction": self.layout.decode(output.whole),
            "pattern": self.names[output.nearest],
            "number": output.nearest + 1,
            "overlap": round(output.overlap, 4),
            **energy,
            "steps": output.steps,
        }

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """What is recalled from one of the damaged patterns."""
        cues = [example for example in shown[: len(self.names)] if isinstance(example, Query)]
        if not cues:
            return ""
        cue = cues[seed % len(cues)]
        batch = collate([cue])
        data = batch.seq.data.to(next(network.parameters()).device)
        with torch.inference_mode():
            said, _ = network(batch.seq._replace(data=data))
            (found,) = self.predict(network, batch, said)
        wrong = int((~queries.close(cue.data, cue.whole, bits=self.layout.bits)).sum())
        now = float(queries.overlap(found.whole, cue.whole))
        return (
            f"{cue.name}, {wrong} of {len(cue.whole)} numbers damaged -> {self.names[found.nearest]}, "
            f"overlap {now:.3f} after {found.steps} steps"
        )

    def usage(self) -> list[str]:
        """Commands that recall and measure."""
        return ["elman predict {name} DAMAGED", "elman eval {name} FILE"]

    def _stored(self, train: Sequence[Example]) -> Tensor:
        """The patterns [P, N], each once."""
        return torch.stack([example.target for example in train[: len(self.names)]])

    def _named_scores(self, examples: Sequence[Query], states: Any) -> Scores:
        said, wholes = torch.stack(list(states)), torch.stack([cue.whole for cue in examples])
        right = queries.close(said, wholes, bits=self.layout.bits)
        return {
            "recalled": float(right.all(1).double().mean()),
            "overlap": float(queries.overlap(said, wholes).double().mean()),
            "bit_accuracy": float(right.double().mean()),
        }

    def _rungs(self, pairs: Sequence[tuple[Query, RecallResult]], kind: str) -> list[tuple[float, float]]:
        """The share recalled and the overlap at each share of the ladder, of one kind of damage."""
        other = "erased" if kind == "flipped" else "flipped"
        rungs = []
        for share in LADDER:
            of = [(cue, found.whole) for cue, found in pairs if not cue.scored]
            of = [pair for pair in of if (getattr(pair[0], kind), getattr(pair[0], other)) == (share, 0.0)]
            told = self._named_scores(*zip(*of, strict=True))
            rungs.append((told["recalled"], told["overlap"]))
        return rungs

    def _shown(self, scored: Sequence[tuple[Query, RecallResult]]) -> list[tuple[str, Tensor, Tensor]]:
        """Recalls for a picture, those of most steps first: of other patterns each, right and wrong mixed."""
        firsts = {cue.name: (cue, found) for cue, found in reversed(scored)}
        longest = sorted(firsts.values(), key=lambda pair: -pair[1].steps)
        right = [pair for pair in longest if self._right(*pair)]
        wrong = [pair for pair in longest if not self._right(*pair)]
        mixed = [pair for both in zip_longest(right, wrong) for pair in both if pair]
        return [(cue.name, found.states, cue.whole) for cue, found in mixed]

    def _courses(
        self, scored: Sequence[tuple[Query, RecallResult]]
    ) -> tuple[list[Tensor], list[Tensor], list[bool]]:
        energies = [found.energies for _, found in scored]
        overlaps = [queries.overlap(found.states, cue.whole) for cue, found in scored]
        return energies, overlaps, [self._right(*pair) for pair in scored]

    def _right(self, cue: Query, found: RecallResult) -> bool:
        return bool(queries.close(found.whole, cue.whole, bits=self.layout.bits).all())

    def _capacity(self, wholes: Tensor) -> dict[str, tuple[list[float], list[float]]]:
        """Name -> loads and overlaps: of the first of these patterns, and of as many random ones."""
        size, seed = wholes.shape[1], self._run.training.seed
        most = max(min(len(wholes), _LARGEST), min(round(0.25 * size), _LARGEST))
        counts = sorted({max(1, round(most * place / _SIZES)) for place in range(1, _SIZES + 1)})
        curves = {
            "these patterns": _held(wholes, [n for n in counts if n <= len(wholes)], self._options, seed)
        }
        if self.layout.bits and size <= _LARGEST:
            random = hopfield.random_patterns(most, size, torch.Generator().manual_seed(seed))
            curves["random patterns"] = _held(random, counts, self._options, seed)
        return curves


def _cue(example: Example) -> Query:
    assert isinstance(example, Query)
    return example


def _pairs(examples: Sequence[Example], outputs: Sequence[Any]) -> list[tuple[Query, RecallResult]]:
    return [(_cue(example), found) for example, found in zip(examples, outputs, strict=True)]


def _row(ladder: dict[str, list[tuple[float, float]]], place: int) -> list[float]:
    return [score for rung in ladder.values() for score in rung[place]]


def _error(states: Tensor, targets: Tensor) -> Loss:
    """((s - x) / 2)^2, summed over states s [B, N] and targets x [N, B], and of how many numbers."""
    wholes = targets.t()
    known = ~wholes.isnan()
    errors = ((states - wholes.nan_to_num()) / 2).square()
    return Loss(errors[known].sum(), int(known.sum()))


def _held(
    patterns: Tensor, counts: Sequence[int], options: RecallConfig, seed: int
) -> tuple[list[float], list[float]]:
    """Return loads, and for each the mean overlap of the first patterns with what they run to."""
    overlaps = []
    for count in counts:
        stored = patterns[:count]
        found = hopfield.recall(networks.memory_of(stored, options, seed), stored, options.iterations)
        overlaps.append(float(queries.overlap(found.final, stored).mean()))
    return [count / patterns.shape[1] for count in counts], overlaps
