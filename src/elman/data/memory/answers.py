"""Answers in kind: what was a data frame comes back as one of the same library, with the answers beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def in_kind(data: Any, answers: Sequence[Mapping[str, Any]]) -> Any:
    """Return the table with a column for each part of the answers; for other data, the list of answers."""
    names = list(dict.fromkeys(name for answer in answers for name in answer))
    columns = {name: [answer.get(name) for answer in answers] for name in names}
    if isinstance(data, Mapping):
        return {**data, **columns} if _rows(data) == len(answers) else columns
    if isinstance(data, Sequence):
        return list(answers)
    return _frame(data, columns, len(answers))


def _rows(data: Mapping[Any, Any]) -> int:
    return len(next(iter(data.values()), ()))


def _frame(data: Any, columns: Mapping[str, list[Any]], count: int) -> Any:
    """The frame with the columns; where rows were joined to sequences, a new one, a row for each of these."""
    if hasattr(data, "to_pylist") and hasattr(data, "column_names"):
        return _arrow(data, columns) if len(data) == count else type(data).from_pydict(dict(columns))
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):
        data = data.collect()
    if len(data) != count:
        return type(data).from_dict(dict(columns)) if hasattr(data, "add_column") else type(data)(columns)
    if hasattr(data, "to_dicts"):
        rest = data.drop([name for name in columns if name in data.columns])
        return rest.hstack(type(data)(columns))
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return data.assign(**{name: _indexed(data, column) for name, column in columns.items()})
    for name, column in columns.items():  # a data set of Hugging Face
        data = data.remove_columns(name) if name in data.column_names else data
        data = data.add_column(name, column)
    return data


def _arrow(data: Any, columns: Mapping[str, list[Any]]) -> Any:
    for name, column in columns.items():
        if name in data.column_names:
            data = data.drop_columns([name])
        data = data.append_column(name, [column])
    return data


def _indexed(data: Any, column: list[Any]) -> Any:
    """A column of pandas with the frame's own index; a list in a cell stays one."""
    return type(data.iloc[:, 0])(column, index=data.index)
