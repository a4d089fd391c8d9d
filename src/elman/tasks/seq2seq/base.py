"""What tasks have in common that write a text for a source: their state, their losses, their search."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Self, TypeVar

from torch import Tensor

from elman.core import json_schema
from elman.core.records import Batch, Record
from elman.core.run_config import RunConfig
from elman.data.columns import Columns
from elman.decoding.options import SearchOptions
from elman.inputs import registry
from elman.inputs.base import Input
from elman.nn.decoder import DecoderContext
from elman.tasks.abilities import EdgeLoss, Exportable, ReadsColumn, ShowsEvidence, ShowsMistakes
from elman.tasks.base import Loss, Task
from elman.tasks.seq2seq.settings import Seq2SeqSettings
from elman.tasks.seq2seq.target_text import TargetText
from elman.tasks.seq2seq.translator import Translator

Options = TypeVar("Options", bound=Seq2SeqSettings)


class _Content(NamedTuple):
    columns: Columns
    input: dict[str, Any]
    target: dict[str, Any]


class Seq2SeqTask(
    Task[Options], ReadsColumn[Input], Translator, EdgeLoss, ShowsEvidence, ShowsMistakes, Exportable
):
    """A task with a column that an input reads, and one whose text is written.

    Args:
        run: the settings.
        chosen: the columns.
        member: what reads the source.
        words: the symbols of the target.
    """

    continuous = False

    def __init__(self, run: RunConfig[Options], chosen: Columns, member: Input, words: TargetText) -> None:
        self._run, self._options = run, run.options
        self.columns, self.input, self.wording = chosen, member, words

    @staticmethod
    def replaces(options: Any, member: Input) -> bool:
        """Whether there is a word to write in place of <unk>: that of the source that was looked at."""
        return False

    @classmethod
    def restore(cls, text: str, run: RunConfig[Options], where: object) -> Self:
        with json_schema.rebuilding(where):
            content = json_schema.build(_Content, json.loads(text))
            member = registry.restore(content.input, run, where)
            replaces = cls.replaces(run.options, member)
            words = TargetText.restore(content.target, run.options, run.data, where, replaces=replaces)
            return cls(run, content.columns, member, words)

    def to_text(self) -> str:
        content = {
            "columns": vars(self.columns),
            "input": registry.to_content(self.input),
            "target": self.wording.content(),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def source_text(self, record: Record) -> str:
        """The text or path that is read."""
        value = self.columns.read(record)
        return value if isinstance(value, str) else ""

    @property
    def selection_metric(self) -> str:
        return self.wording.selection_metric()

    def loss(self, scores: DecoderContext, batch: Batch) -> Loss:
        return Loss(*self.wording.loss(scores, batch.targets))

    def ending(self, scores: DecoderContext, batch: Batch, *, last: bool) -> Tensor:
        return self.wording.ending(scores, batch.targets, last=last)

    def objective(self, scores: DecoderContext, batch: Batch) -> Loss:
        return Loss(*self.wording.objective(scores, batch.targets))

    def usual(self) -> SearchOptions:
        return self.wording.usual()
