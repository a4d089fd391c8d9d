"""What a sequence starts from beside nothing: a class, or a text; as codes, of which 0 is none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self, final

import torch
from torch import Tensor

from elman.core import json_schema, words
from elman.core.errors import DataError, RunError, nearest
from elman.core.records import Record
from elman.inputs.text import vocab
from elman.inputs.text.vocab import Vocab

_FORM = "nfc"
"""How texts are normalised."""

_TEXTS = ("text", "word", "words", "sentence", "transcript", "caption", "title")
"""Names that a column with texts often has."""


class Condition(ABC):
    """What is known of a sequence before its first step."""

    name: ClassVar[str]
    columns: ClassVar[int]
    """How many columns its codes take beside the steps."""

    @classmethod
    @abstractmethod
    def restore(cls, content: Mapping[str, Any], where: object) -> Self:
        """The start that gave `content`."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What was learnt, in terms of JSON."""

    @abstractmethod
    def about(self) -> str:
        """It in words."""

    @abstractmethod
    def codes(self, value: Any, where: str) -> Tensor:
        """The codes [U], from 1 on, of a value; one 0 of None.

        Raises:
            DataError: the value is unknown.
        """

    @abstractmethod
    def spell(self, codes: Tensor) -> str:
        """What codes [U], from 1 on, stand for; empty of none."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the possible conditions, for messages."""


@final
class Unconditional(Condition):
    """Nothing."""

    name = "none"
    columns = 0

    @classmethod
    def restore(cls, content: Mapping[str, Any], where: object) -> Self:
        if content:
            raise ValueError(f"an unknown entry {next(iter(content))!r:.60}")
        return cls()

    def content(self) -> dict[str, Any]:
        return {}

    def about(self) -> str:
        return "nothing"

    def codes(self, value: Any, where: str) -> Tensor:
        if value is not None:
            got = f"{value!r} for a model that starts from nothing"
            raise DataError(where, got, remedy="train with a class or a text in the data")
        return torch.zeros(1, dtype=torch.int64)

    def spell(self, codes: Tensor) -> str:
        return ""

    def names(self) -> list[str]:
        return []


@final
class ClassCondition(Condition):
    """One of some classes."""

    name = "class"
    columns = 1

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)

    @classmethod
    def learn(cls, values: Sequence[Any]) -> Self:
        """The classes that occur."""
        return cls(sorted({str(value) for value in values}))

    @classmethod
    def restore(cls, content: Mapping[str, Any], where: object) -> Self:
        classes = json_schema.build(_ConditionsClasses, content).classes
        if not classes or len(set(classes)) < len(classes):
            raise ValueError("no classes, or one twice")
        return cls(classes)

    def content(self) -> dict[str, Any]:
        return {"classes": self.classes}

    def about(self) -> str:
        return f"one of {len(self.classes)} classes"

    def codes(self, value: Any, where: str) -> Tensor:
        if value is None:
            return torch.zeros(1, dtype=torch.int64)
        if str(value) not in self.classes:
            raise DataError(where, f"unknown class {value!r}", remedy=nearest(str(value), self.classes))
        return torch.tensor([self.classes.index(str(value)) + 1])

    def spell(self, codes: Tensor) -> str:
        return self.classes[int(codes[0]) - 1] if len(codes) else ""

    def names(self) -> list[str]:
        return self.classes


@final
class TextCondition(Condition):
    """A text, over whose characters a window slides.

    Args:
        characters: the vocabulary.
        pace: characters a step in the training part.
        longest: the most characters of a text there.
    """

    name = "text"
    columns = 1

    def __init__(self, characters: Vocab, pace: float, longest: int) -> None:
        self.vocab, self.pace, self.longest = characters, pace, longest

    @classmethod
    def learn(cls, values: Sequence[Any], steps: int, wheres: Sequence[str]) -> Self:
        """Return the characters of texts that were drawn in `steps` together."""
        texts = [
            words.normal(_text(value, where), _FORM) for value, where in zip(values, wheres, strict=True)
        ]
        count = sum(map(len, texts))
        return cls(vocab.learn("char", texts, form=_FORM), count / steps, max(map(len, texts)))

    @classmethod
    def restore(cls, content: Mapping[str, Any], where: object) -> Self:
        learnt = json_schema.build(_Characters, content)
        return cls(vocab.from_text(learnt.characters, where), learnt.pace, learnt.longest)

    def content(self) -> dict[str, Any]:
        return {"characters": vocab.to_text(self.vocab), "pace": self.pace, "longest": self.longest}

    def about(self) -> str:
        return f"a text of {len(self.vocab)} characters, up to {self.longest} long"

    def codes(self, value: Any, where: str) -> Tensor:
        if value is None:
            return torch.zeros(1, dtype=torch.int64)
        ids = self.vocab.encode(_text(value, where), where=where, strict=True)
        return torch.from_numpy(ids).long() + 1

    def spell(self, codes: Tensor) -> str:
        return self.vocab.decode((codes - 1).tolist())

    def names(self) -> list[str]:
        return []


class _ConditionsClasses(NamedTuple):
    classes: list[str]


class _Characters(NamedTuple):
    characters: str
    pace: Annotated[float, ("exclusiveMinimum", 0)]
    longest: Annotated[int, ("minimum", 1)]


STARTS: dict[str, type[Condition]] = {
    member.name: member for member in (Unconditional, ClassCondition, TextCondition)
}


def learn(records: Sequence[Record], column: str, kind: str, steps: int) -> Condition:
    """What these records start from.

    Args:
        records: of the training part.
        column: where it stands; none, if that is empty.
        kind: class, text or none; auto: text where the column is called so, else class.
        steps: how many the sequences have together.

    Raises:
        DataError: a start that the settings ask for is not in the data.
    """
    if kind == "none" or (kind == "auto" and not column):
        return Unconditional()
    if not column:
        remedy = "name its column with --target, or set draw.start = none"
        raise DataError(records[0].where, "no column to start from", expected=f"a {kind}", remedy=remedy)
    values = [value_of(record, column) for record in records]
    if kind == "text" or (kind == "auto" and column.lower() in _TEXTS):
        return TextCondition.learn(values, steps, [record.where for record in records])
    return ClassCondition.learn(values)


def restore(content: Mapping[str, Any], where: object) -> Condition:
    """The start that `to_content` described.

    Raises:
        RunError: it is unknown.
    """
    content = dict(content)
    name = content.pop("start", None)
    if name not in STARTS:
        raise RunError(
            where, f"an unknown start {name!r:.60}", remedy="restore the file from a copy of the run"
        )
    return STARTS[name].restore(content, where)


def to_content(start: Condition) -> dict[str, Any]:
    """The start in terms of JSON."""
    return {"start": start.name, **start.content()}


def value_of(record: Record, column: str) -> Any:
    """What a record starts from.

    Raises:
        DataError: the column is not there, or empty.
    """
    if column not in record.fields:
        raise DataError(record.where, f"no column {column!r}", remedy=nearest(column, record.fields))
    value = record.fields[column]
    if value is None or not str(value).strip():
        raise DataError(
            record.where, f"nothing in column {column!r}", remedy="fill it, or leave the line out"
        )
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(where, f"{value!r}", expected="a text to start from")
    return value
