"""Records -> lists of tokens and of tags: which columns they are in, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from elman.core.errors import DataError, nearest
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.tasks.tag import spans

INPUTS = ("tokens", "form", "words", "token", "word", "sentence", "text")
"""The usual names of a column of tokens, the surest first."""

TARGETS = ("tags", "upos", "labels", "ner_tags", "pos_tags", "ner", "tag", "pos", "label", "xpos")
"""The usual names of a column of tags."""


class TokenColumns(NamedTuple):
    """The names of the column that is read, and of the one that is predicted."""

    input: str
    target: str


def columns(record: Record, data: DataSettings) -> TokenColumns:
    """The columns that the settings name, or else the usual ones that the record has.

    Raises:
        DataError: there is no such column, or none that looks like tokens or like tags.
    """
    fields = record.fields
    for setting in (data.input, data.target):
        if setting and setting not in fields:
            raise _no_column(record, setting)
    small = {name.lower(): name for name in fields if name not in (data.input, data.target)}
    read = data.input or next((small[name] for name in INPUTS if name in small), "")
    if not read:
        raise _none_like("tokens", "input", record)
    like = [name for name in fields if name != read and isinstance(fields[name], type(fields[read]))]
    usual = (small[name] for name in TARGETS if small.get(name) in like)
    told = data.target or next(usual, like[-1] if like else "")
    if not told:
        raise _none_like("tags", "target", record)
    return TokenColumns(read, told)


def cells(record: Record, column: str, count: int | None = None) -> list[str]:
    """The entries of a list, or the parts of a text between its spaces.

    Args:
        record: a sentence.
        column: which of its fields.
        count: how many there should be, where that is known.

    Raises:
        DataError: there is no such column, it holds something else, nothing, or too few or many.
    """
    if column not in record.fields:
        raise _no_column(record, column)
    value = record.fields[column]
    entries = value.split() if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(e, str | int) and str(e) for e in entries):
        expected = "a list of texts, none of them empty"
        raise DataError(record.where, f"{value!r:.60} in column {column!r}", expected=expected)
    if not entries:
        raise DataError(record.where, f"nothing in column {column!r}", expected="one token at least")
    if count is not None and len(entries) != count:
        got = f"{len(entries)} in column {column!r}"
        raise DataError(record.where, got, expected=f"{count} tags, one for each token")
    return [str(entry) for entry in entries]


def are_in_step(records: Sequence[Record]) -> bool:
    """Whether texts of several words stand beside texts of as many tags, in columns of usual names."""
    names = columns(records[0], DataSettings())
    pairs = [(record.fields.get(names.input), record.fields.get(names.target)) for record in records]
    if not all(isinstance(cell, str) for pair in pairs for cell in pair):
        return False
    counts = [(len(str(tokens).split()), len(str(tags).split())) for tokens, tags in pairs]
    return all(a == b for a, b in counts) and sum(a for a, _ in counts) > 2 * len(counts)


def check_scheme(record: Record, tags: Sequence[str], scheme: str) -> None:
    """See that a sentence's tags are what their scheme allows.

    Raises:
        DataError: at the first tag that may not stand where it is.
    """
    step = spans.fault(scheme, tags)
    if step is None:
        return
    told = f"{tags[step]!r} (tag {step + 1})" if step < len(tags) else "the end"
    raise DataError(
        record.where,
        f"{told} after {tags[step - 1]!r}" if step else f"{told} at the start",
        expected=f"what {scheme} allows",
        remedy="mend the tags, or train with --set tag.scheme=none",
    )


def stranger(
    record: Record, tags: Sequence[str], tag: str, known: Iterable[str], *, otherwise: str = ""
) -> DataError:
    """What to tell of a tag that the training part lacks; `otherwise` is what to do if it is right."""
    return DataError(
        record.where,
        f"{tag!r} (tag {tags.index(tag) + 1})",
        expected="a tag that the training part has",
        remedy=nearest(tag, known) + (f" {otherwise}" if otherwise else ""),
    )


def _no_column(record: Record, name: str) -> DataError:
    return DataError(record.where, f"no column {name!r}", remedy=nearest(name, record.fields))


def _none_like(what: str, setting: str, record: Record) -> DataError:
    got = f"no column that looks like {what}, but {', '.join(record.fields)}"
    return DataError(record.where, got, remedy=f"name one with --{setting}")
