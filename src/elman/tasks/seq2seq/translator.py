"""Writing a sequence for each source: what a task needs for it, and what a user gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from torch import nn

from elman.core.json_schema import Schema
from elman.core.records import Batch, Example, Record
from elman.decoding.options import SearchOptions
from elman.tasks import evaluation
from elman.tasks.abilities import PredictsRecords
from elman.tasks.base import Purpose
from elman.tasks.model import Model, check_counts, listed_values
from elman.tasks.operations import (
    NUMBER,
    TEXT,
    WEIGHTS,
    Operation,
    Request,
    RequestLimits,
    by_request,
    list_of,
    object_of,
    options_of,
    received,
    values_of,
    warm,
)
from elman.tasks.seq2seq.result import GeneratedText, Translations
from elman.tasks.seq2seq.target_text import TextHypothesis


class TranslatorModel(Model):
    """A model that writes a sequence for each source: a translation, a caption."""

    def translate(
        self,
        values: Iterable[Any],
        *,
        beam: int | None = None,
        count: int = 1,
        length_penalty: float | None = None,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        prefix: str = "",
        names: Sequence[str] = (),
    ) -> Translations:
        """What the model writes for each of some sources, the best first.

        Args:
            values: texts, or whatever the task reads, as for `predict`.
            beam: hypotheses of the search; 1: greedy; None: as the settings say.
            count: how many to give for each, at most `beam` unless they are drawn.
            length_penalty: a, for log probabilities divided by length**a; None: as the settings say.
            temperature: above 0 they are drawn, not searched for.
            top_k: draw among that many likeliest symbols; 0: among all.
            top_p: draw among the likeliest symbols that together have this probability.
            seed: the same seed draws the same; None: another each time.
            prefix: what each of them begins with.
            names: what to call the values in an error, such as "line 3".

        Raises:
            TaskError: the task writes nothing for a source.
            DataError: a value cannot be read.
            ConfigError: a setting is out of bounds.
        """
        task = self._able(Translator)
        check_counts(count=count, seed=seed, beam=beam)
        found = listed_values(values)
        names = names or [f"value {i}" for i in range(1, len(found) + 1)]
        records = [task.record(value, name) for value, name in zip(found, names, strict=True)]
        usual = task.usual()
        how = SearchOptions(
            beam=max(count, usual.beam) if beam is None else beam,
            count=count,
            length_penalty=usual.length_penalty if length_penalty is None else length_penalty,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            prefix=prefix,
        )
        examples = self.task.encode(records, Purpose.PREDICT)
        written = search(task, self.network, examples, how)
        return Translations(
            [task.translation(line, record, example) for line in lines]
            for record, example, lines in zip(records, examples, written, strict=True)
        )


def search(
    task: Translator, network: nn.Module, examples: Sequence[Example], how: SearchOptions
) -> list[list[TextHypothesis]]:
    """What a network in evaluation mode writes for each example, the best first."""
    return evaluation.outputs(
        lambda batch, scores: task.search(network, batch, scores, how), network, examples
    )


def _to_translate(model: TranslatorModel, limits: RequestLimits) -> Schema:
    return object_of({"values": values_of(model.reads, limits), **options_of(SearchOptions, limits)})


def _settings(request: Request) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != "values"}


def _like_translations(request: Request) -> Hashable:
    """Lines that are looked for by the same search; what is drawn is drawn alone, so that a seed holds."""
    return None if request["temperature"] else tuple(_settings(request).values())


def _translate(model: TranslatorModel, limits: RequestLimits, requests: Sequence[Request]) -> list[Any]:
    values = received(model.reads, limits, requests)
    found = model.translate(values, **warm(_settings(requests[0])))
    return by_request([[_line(line) for line in lines] for lines in found], requests, "translations")


def _line(line: GeneratedText) -> dict[str, Any]:
    is_text = line.map is None and all(isinstance(symbol, str) for symbol in line.source)
    return {
        "text": line.text,
        "logp": round(line.logp, 4),
        "score": round(line.score, 4),
        "symbols": list(line.symbols),
        "source": list(line.source) if is_text else None,
        "looks": None if line.attention is None else line.attention.round(4).tolist(),
        "map": None if line.map is None else list(line.map),
    }


_LINE = object_of(
    {
        "text": TEXT,
        "logp": NUMBER,
        "score": NUMBER,
        "symbols": list_of(TEXT),
        "source": {"type": ["array", "null"], "items": TEXT},
        "looks": WEIGHTS,
        "map": {"type": ["array", "null"], "items": {"type": "integer"}},
    }
)

TRANSLATE = Operation(
    name="translate",
    about="Write a sequence for each value: a translation, a caption.",
    takes=_to_translate,
    gives=object_of({"translations": list_of(list_of(_LINE))}),
    together=_like_translations,
    run=_translate,
)


class Translator(PredictsRecords):
    """A task whose models write a sequence for each source.

    Networks come in evaluation mode.
    """

    lacks = "a task that does not translate"
    methods = TranslatorModel
    operations = (*PredictsRecords.operations, TRANSLATE)

    @abstractmethod
    def usual(self) -> SearchOptions:
        """The search that the settings ask for."""

    @abstractmethod
    def search(
        self, network: nn.Module, batch: Batch, scores: Any, how: SearchOptions
    ) -> list[list[TextHypothesis]]:
        """For each source the best lines, or drawn ones, with what each of their steps looked at."""

    @abstractmethod
    def translation(self, line: TextHypothesis, record: Record, example: Example) -> GeneratedText:
        """A line that was written for a record, as text."""
