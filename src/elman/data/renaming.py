"""Data whose columns are called otherwise than those that a model learnt from: which one is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from elman.core import notes
from elman.core.errors import ConfigError, DataError, nearest
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data.cells import named
from elman.data.formats.table import Row


def matched(records: list[Record], roles: Mapping[str, Sequence[str]], data: DataSettings) -> list[Record]:
    """The records, their columns called as those that a model learnt from.

    A setting names the columns of the data in the order of those that it stands for. Else a column has the
    same name, but for capitals, spaces, `_` and `-`. A column alone is taken as it is.

    Args:
        records: at least one.
        roles: setting -> names of the columns that the model learnt from.
        data: the settings.

    Raises:
        ConfigError: a setting names more or fewer columns than the model learnt from.
        DataError: a column is not there, or the one to read is ambiguous.
    """
    first = records[0]
    names: dict[str, str] = {}
    for setting, learnt in roles.items():
        names |= _said(first, setting, vars(data)[setting], learnt)
    for learnt in roles.values():
        names |= _alike(first, learnt, names)
    names = {own: learnt for own, learnt in names.items() if own != learnt}
    if "input" in roles:
        _check_input(first, roles["input"], names)
    if not names:
        return records
    notes.note(", ".join(f"column {own!r} is read as {learnt!r}" for own, learnt in names.items()))
    return [_renamed(record, names) for record in records]


def _said(first: Record, setting: str, said: str, learnt: Sequence[str]) -> dict[str, str]:
    """Own name -> that of the model, for a setting that names other columns than the model's."""
    if not said or said == ",".join(learnt) or (said in learnt and said not in first.fields):
        return {}
    own = named(first, said)
    if len(own) != len(learnt):
        expected = f"{len(learnt)}, in place of {', '.join(map(repr, learnt))}" if learnt else "none"
        raise ConfigError(f"data.{setting}", f"{len(own)} columns ({said})", expected=expected)
    return dict(zip(own, learnt, strict=True))


def _alike(first: Record, learnt: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """The same for names that differ in how they are written."""
    found: dict[str, str] = {}
    for name in learnt:
        if name in first.fields or name in known.values():
            continue
        like = [own for own in first.fields if own not in known and _folded(own) == _folded(name)]
        if len(like) == 1 and like[0] not in learnt:
            found[like[0]] = name
    return found


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-")


def _check_input(first: Record, learnt: Sequence[str], names: Mapping[str, str]) -> None:
    """See that what is read is there. Columns without names are identified by their places, by the task."""
    own = list(first.fields)
    missing = [name for name in learnt if name not in own and name not in names.values()]
    if len(own) == 1 or not missing or (len(learnt) > 1 and _unnamed(first)):
        return
    remedy = nearest(missing[0], own)
    remedy += f"{'' if remedy.endswith('?') else ';'} --input names the column to read"
    if _unnamed(first):
        remedy += "; if its first line names the columns: --header yes"
    raise DataError(first.where, f"no column {missing[0]!r}", remedy=remedy)


def _unnamed(first: Record) -> bool:
    return isinstance(first.fields, Row) and first.fields.layout.head is None


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    fields = ((names.get(own, own), cell) for own, cell in record.fields.items())
    own = record.fields
    written = {names.get(o, o): cell for o, cell in own.written.items()} if isinstance(own, Row) else {}
    return Record(Row(fields, own.layout, written) if isinstance(own, Row) else dict(fields), record.where)
