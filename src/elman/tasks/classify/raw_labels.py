"""Values of the column that is predicted, as labels: texts, numbers, lists, 0 and 1 for each class."""

from __future__ import annotations

from collections.abc import Sequence

from elman.core.errors import DataError
from elman.core.records import RawValue
from elman.tasks.classify.settings import ClassifyConfig


def are_flags(values: Sequence[RawValue]) -> bool:
    """Whether all values are lists of 0 and 1, of one length of two or more: one for each class."""
    lists = [raw.value for raw in values]
    if not all(isinstance(value, list | tuple) and len(value) > 1 for value in lists):
        return False
    return len({*map(len, lists)}) == 1 and all(each in (0, 1) for value in lists for each in value)


def bare(raw: RawValue) -> str:
    """A label, or nothing if there is none; of 0 and 1 for each class the place of the only 1."""
    if are_flags([raw]) and sum(raw.value) == 1:
        return str(raw.value.index(1))
    return "" if raw.value is None else str(raw.value).strip()


def label(raw: RawValue) -> str:
    """The label of a value.

    Raises:
        DataError: there is none.
    """
    if text := bare(raw):
        return text
    raise no_label(raw)


def no_label(raw: RawValue) -> DataError:
    """What to tell where there is no label."""
    return DataError(raw.where, "no label", expected="one", remedy="fill it in, or leave the row out")


def labels(raw: RawValue, config: ClassifyConfig, *, flags: bool = False) -> list[str]:
    """The labels of a value: of a list, of a text with separators, or, of `flags`, the places of the ones."""
    if flags and are_flags([raw]):
        return [str(place) for place, flag in enumerate(raw.value) if flag]
    if isinstance(raw.value, list | tuple):
        return [str(value) for value in raw.value]
    text = "" if raw.value is None else str(raw.value)
    parts = text.split(config.separator) if config.separator else [text]
    return [part.strip() for part in parts if part.strip()]
