"""Drawing: strokes of a pen, music, or any sequence, made step by step. One to many, many to many in step.

A network says of each step how the next one is distributed, and is sampled (Graves 2013): from nothing, from
a class, from a text, or from where a sequence was left.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor, nn

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError
from elman.core.records import Batch, Example, RawValue, Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data import columns, splits
from elman.inputs.base import identity
from elman.nn.mixture_densities import StepDistribution
from elman.streaming.base import Composing
from elman.tasks import training_length
from elman.tasks.abilities import Crops, Exportable, Illustrated, PredictsRecords
from elman.tasks.base import Choice, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.draw import conditions, recipe, result, step_types
from elman.tasks.draw.conditions import Condition, TextCondition
from elman.tasks.draw.drawer import Drawer
from elman.tasks.draw.graph import GRAPHS
from elman.tasks.draw.network import DrawNetwork, generate
from elman.tasks.draw.result import GeneratedSequence
from elman.tasks.draw.settings import DrawConfig
from elman.tasks.draw.step_types import Named, StepType, Strokes
from elman.tasks.draw.stream import DrawStreamer
from elman.tasks.draw.transposition import Transposed

_SHEET, _ROLLS, _LOOKS, _PREVIEWED = 16, 2, 3, 6
"""Drawings on a report's sheet of each kind, pieces or curves there, windows there, drawings of a preview."""
_MOST_STEPS, _HEARD = 300, 48
"""Of a drawing in a report or a preview; of what does not end by itself in a preview."""
_TEMPERATURE = 0.8

_PROBED = 20
"""Sequences that are read to know what a step is."""


class _DrawContent(NamedTuple):
    columns: columns.DrawColumns
    steps: dict[str, Any]
    start: dict[str, Any]


@final
class Draw(Task[DrawConfig], PredictsRecords, Drawer, Illustrated, Crops, Composing, Exportable):
    """A distribution of the next step, and sequences drawn from it."""

    Config = DrawConfig
    graphs = GRAPHS
    formats = ("arrays", "jsonlines", "midi", "table", "parquet", "sample")
    continuous = False

    def __init__(
        self, run: RunConfig[DrawConfig], chosen: columns.DrawColumns, kind: StepType, start: Condition
    ) -> None:
        self._run, self._options = run, run.options
        self.columns, self.kind, self.start = chosen, kind, start

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether there is a column of strokes or notes; or nothing but moves of a pen or frames of notes."""
        if columns.drawable(record, step_types.readable):
            return True
        first = next(iter(record.fields.values()))
        if len(record.fields) > 1 or not isinstance(first, np.ndarray) or first.ndim != 2:
            return False
        return first.shape[1] > 1 and (step_types.Strokes.fits([first]) or step_types.Music.fits([first]))

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The records in shares; identical sequences stay on one side, if they are drawn at random."""
        chosen = columns.drawn(records, data, step_types.readable)
        return Parts(*splits.split_records(records, data, lambda record: identity(chosen.read(record))))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[DrawConfig]) -> Sequence[Choice]:
        """Return the settings that suit the data: see `elman.tasks.draw.recipe`."""
        chosen = columns.drawn(records, run.data, step_types.readable)
        known = [step_types.read(RawValue(chosen.read(one), one.where)) for one in records[:_PROBED]]
        kind = step_types.learn([Named(steps, "") for steps in known], run.options)
        return list(recipe.choices(kind.name, training_length.learnt_from(len(records), run.data)))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[DrawConfig]) -> Self:
        """The task with its columns, what a step is, its scale, and what sequences start from.

        Raises:
            DataError: a sequence is no such, or what it starts from is missing.
        """
        options = run.options
        chosen = columns.drawn(records, run.data, step_types.readable)
        found = [
            Named(step_types.read(RawValue(chosen.read(record), record.where)), record.where)
            for record in records
        ]
        kind, steps = step_types.learn(found, options), sum(len(one.steps) for one in found)
        return cls(run, chosen, kind, conditions.learn(records, chosen.start, options.start, steps))

    @classmethod
    def restore(cls, text: str, run: RunConfig[DrawConfig], where: object) -> Self:
        """The task as `to_text` described it."""
        with json_schema.rebuilding(where):
            content = json_schema.build(_DrawContent, json.loads(text))
            kind = step_types.restore(content.steps, run.options, where)
            return cls(run, content.columns, kind, conditions.restore(content.start, where))

    def to_text(self) -> str:
        """Columns, what a step is, and what sequences start from, as JSON."""
        content = {
            "columns": vars(self.columns),
            "steps": step_types.to_content(self.kind),
            "start": conditions.to_content(self.start),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def describe(self) -> dict[str, str]:
        """What a step is, and what a sequence starts from."""
        start = self.start.about()
        of = f", of column {self.columns.start!r}" if self.start.columns else ""
        return {"steps": f"{self.kind.about()}, of column {self.columns.input!r}", "start": f"{start}{of}"}

    def build(self) -> DrawNetwork:
        """A fresh network for these steps and starts.

        Raises:
            ConfigError: a setting that does not fit the data.
        """
        if self._options.keys > 1 and not isinstance(self.kind, step_types.Music):
            got, expected = f"{self._options.keys} for {self.kind.about()}", "frames of notes"
            raise ConfigError("draw.keys", got, expected=expected, remedy="leave it at 1")
        return DrawNetwork(self.kind, self.start, self._run)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> Sequence[Example]:
        """Sequences with what stands before them, [T + 1, C], codes of a start beside them; targets follow.

        Raises:
            DataError: a sequence is not of the kind that was learnt, or its start is unknown.
        """
        found = [self._example(record, use) for record in records]
        return (
            Transposed(found, self._options.keys)
            if use is Purpose.TRAIN and self._options.keys > 1
            else found
        )

    @property
    def selection_metric(self) -> str:
        """The loss, which is the nats a step."""
        return "loss"

    def loss(self, scores: StepDistribution, batch: Batch) -> Loss:
        """The surprise of the steps in nats, that of the ends too; it is divided by the steps."""
        there = ~batch.targets[..., 0].isnan()
        nats = scores.nats(batch.targets.nan_to_num(0.0))
        return Loss(nats.where(there, 0.0).sum(), int(self.kind.counted(batch.targets).sum()))

    def objective(self, scores: StepDistribution, batch: Batch) -> Loss:
        """The loss itself."""
        return self.loss(scores, batch)

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """The surprise in nats a step, a mean over all steps of all sequences."""
        return {"nats_per_step": nats / max(1, count), "loss": nats / max(1, count)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """A random walk; notes by their frequencies, or as they follow themselves; Gaussians and lines."""
        seen = self._pairs(train.examples if isinstance(train, Transposed) else train)
        told: dict[str, dict[str, Scores]] = {}
        for part, examples in parts.items():
            pairs = self._pairs(examples)
            count = int(self.kind.counted(pairs[1]).sum())
            told[part] = {
                name: self.scores(examples, (), baseline.nats(seen, pairs), count)
                for name, baseline in self.kind.baselines().items()
            }
        return told

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Nothing beside the pictures."""
        return Findings({}, {})

    def pictures(
        self, network: nn.Module, examples: Sequence[Example]
    ) -> Mapping[str, Callable[[Any], None]]:
        """Drawings beside held-out ones, from the same starts; and where the window stood."""
        ends = isinstance(self.kind, Strokes)
        real = [self._real(example) for example in examples[: _SHEET if ends else _ROLLS]]
        asked, seed = [one.start or None for one in real], self._run.training.seed
        length = _MOST_STEPS if ends else max(len(one.steps) for one in real)
        made = self._drawn(network, asked, self.kind.before[None], length, _TEMPERATURE, seed)
        rows = {"held out": real, f"drawn, temperature {_TEMPERATURE}": made}
        shown = {"drawings": lambda figure: result.sheet(figure, rows)}
        if isinstance(self.start, TextCondition):
            longest = sorted(made, key=lambda one: len(one.start), reverse=True)[:_LOOKS]
            shown["window"] = lambda figure: result.draw_windows(figure, longest)
        return shown

    def tail(self, example: Example, steps: int) -> Example:
        """The last steps of a sequence, which begins from the same class or text."""
        data, told = example.data, 0
        if self.start.columns:
            told = int((data[:, -1] > 0).sum())
        cut = max(0, len(data) - max(steps, told))
        if told:
            data = torch.cat([data[:, :-1], data[:, -1:].roll(cut, 0)], 1)
        return Example(data[cut:], example.target[cut:], example.size)

    def predict(self, network: nn.Module, batch: Batch, scores: StepDistribution) -> list[tuple[float, int]]:
        """For each sequence its surprise in nats, and how many steps it has."""
        seq = batch.seq._replace(data=batch.seq.data[..., : self.kind.channels])
        targets = self.kind.following(seq)
        nats = scores.nats(targets.nan_to_num(0.0)).where(~targets[..., 0].isnan(), 0.0).sum(0)
        return list(zip(nats.tolist(), self.kind.counted(targets).sum(0).tolist(), strict=True))

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """The columns that it learnt from."""
        start = {"target": [self.columns.start]} if self.columns.start else {}
        return {"input": [self.columns.input]} | start

    @property
    def reads(self) -> str:
        """Steps."""
        return "steps"

    def record(self, value: Any, where: str) -> Record:
        """The value in the column that is read."""
        return Record({self.columns.input: value}, where)

    def answer(self, output: tuple[float, int], record: Record) -> dict[str, Any]:
        """How surprising the sequence is, in nats a step; its log probability; and its steps."""
        nats, steps = output
        return {"prediction": round(nats / steps, 4), "logp": round(-nats, 4), "steps": steps}

    def draw(
        self,
        network: nn.Module,
        *,
        count: int,
        length: int,
        start: str,
        prefix: Any,
        temperature: float,
        seed: int | None,
    ) -> list[GeneratedSequence]:
        for name, value, least in (
            ("count", count, 1),
            ("length", length, 1),
            ("temperature", temperature, 0),
        ):
            if not value >= least:
                raise ConfigError(name, str(value), expected=f"at least {least}")
        if temperature == math.inf:
            raise ConfigError("temperature", "inf", expected="a finite number")
        before = self.kind.before[None]
        if prefix is not None:
            steps = step_types.read(RawValue(prefix, "prefix"))
            self.kind.check(steps, "prefix")
            before = torch.cat([before, self.kind.centred(steps)])
        return self._drawn(network, [start or None] * count, before, length, temperature, seed)

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """Some drawings, as text."""
        count, length = (_PREVIEWED, _MOST_STEPS) if isinstance(self.kind, Strokes) else (1, _HEARD)
        shown = shown.examples if isinstance(shown, Transposed) else shown
        starts = [self._real(example).start or None for example in shown[:_SHEET]] or [None]
        asked = [starts[place % len(starts)] for place in range(count)]
        made = self._drawn(network, asked, self.kind.before[None], length, _TEMPERATURE, seed)
        return result.beside(made).replace("\n", "\n  ")

    def streamer(self, network: nn.Module) -> DrawStreamer:
        """The network as a stream; see `Streaming`."""
        assert isinstance(network, DrawNetwork)
        return DrawStreamer(self.kind, self.start, network)

    def usage(self) -> list[str]:
        """Commands that draw, and say how surprising drawings are."""
        out = {"strokes": "drawing.svg", "notes": "music.mid", "values": "curves.png"}[self.kind.name]
        known = self.start.names()
        start = f" --start {json.dumps(known[0])}" if known else " --start TEXT" * self.start.columns
        return [f"elman sample {{name}} --count 9 --out {out}{start}", "elman eval {name} FILE"]

    def _example(self, record: Record, use: Purpose) -> Example:
        steps = step_types.read(RawValue(self.columns.read(record), record.where))
        self.kind.check(steps, record.where)
        data = torch.cat([self.kind.before[None], self.kind.centred(steps)])
        target = torch.cat([data[1:], self.kind.after[None]]) if use.labelled else data[:0]
        if self.start.columns:
            codes = self.start.codes(self._start(record, use), record.where)
            if len(codes) > len(data):
                got = f"a text of {len(codes)} characters for {len(steps)} steps"
                raise DataError(record.where, got, expected="a step at least for each character")
            column = torch.zeros(len(data), 1)
            column[: len(codes), 0] = codes.float()
            data = torch.cat([data, column], 1)
        return Example(data, target, len(steps))

    def _start(self, record: Record, use: Purpose) -> Any:
        """What a record starts from; to predict for, it may be missing."""
        if not self.start.columns or (not use.labelled and self.columns.start not in record.fields):
            return None
        return conditions.value_of(record, self.columns.start)

    def _pairs(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """What stood before each step and end, [N, C], and what followed, [N, C]."""
        before = torch.cat([example.data[:, : self.kind.channels] for example in examples])
        after = torch.cat([example.target for example in examples])
        there = ~after[:, 0].isnan()
        return before[there], after[there]

    def _real(self, example: Example) -> GeneratedSequence:
        """A sequence of the data as a drawing."""
        steps = example.data[1 : 1 + _MOST_STEPS, : self.kind.channels].numpy()
        codes = example.data[:, -1].long() if self.start.columns else torch.zeros(1).long()
        return self.kind.drawing(steps, self.start.spell(codes[codes > 0]), None)

    @torch.inference_mode()
    def _drawn(
        self,
        network: nn.Module,
        asked: Sequence[Any],
        before: Tensor,
        length: int,
        temperature: float,
        seed: int | None,
    ) -> list[GeneratedSequence]:
        """A drawing from each start, after the rows `before` [T, C], which stand in it as well."""
        assert isinstance(network, DrawNetwork)
        device = next(network.parameters()).device
        generator = torch.Generator(device)
        generator.manual_seed(seed) if seed is not None else generator.seed()
        codes = nn.utils.rnn.pad_sequence([self.start.codes(value, "start") for value in asked]).to(device)
        rows = before.to(device)[:, None].expand(-1, len(asked), -1)
        made, window = self._until_all_end(
            generate(network, codes, rows, temperature=temperature, generator=generator), length
        )
        found = []
        for place, value in enumerate(asked):
            ended = self.kind.ends(made[:, place])
            count = max(int(ended.int().argmax()) if ended.any() else len(made), int(len(before) == 1))
            steps = torch.cat([before[1:], made[:count, place].cpu()]).numpy()
            seen = None if window is None else window[:count, place, : len(str(value or ""))].cpu().numpy()
            found.append(self.kind.drawing(steps, str(value or ""), seen))
        return found

    def _until_all_end(
        self, steps: Iterator[tuple[Tensor, Tensor | None]], length: int
    ) -> tuple[Tensor, Tensor | None]:
        """The steps [T, B, C] until each sequence has had its end, `length` at most; what the window saw."""
        made, window, ended = list[Tensor](), list[Tensor](), torch.zeros(())
        for step, weights in steps:
            made.append(step)
            window += [] if weights is None else [weights]
            ended = self.kind.ends(step) | ended.bool()
            if ended.all() or len(made) == length:
                break
        return torch.stack(made), torch.stack(window) if window else None
