"""Answers in kind: what was a data frame comes back as one of the same library, with the answers beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def in_kind(data: Any, answers: Sequence[Mapping[str, Any]]) -> Any:
    """The table with a column for each part of the answers; a list of answers for what is no table."""
    names = list(dict.fromkeys(name for answer in answers for name in answer))
    columns = {name: [answer.get(name) for answer in answers] for name in names}
    if hasattr(data, "to_pylist") and hasattr(data, "column_names"):
        return _arrow(data, columns)
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):
        data = data.collect()
    if hasattr(data, "to_dicts"):
        rest = data.drop([name for name in columns if name in data.columns])
        return rest.hstack(type(data)(columns))
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return data.assign(**{name: _indexed(data, column) for name, column in columns.items()})
    if hasattr(data, "column_names") and hasattr(data, "add_column"):
        for name, column in columns.items():
            data = data.remove_columns(name) if name in data.column_names else data
            data = data.add_column(name, column)
        return data
    return {**data, **columns} if isinstance(data, Mapping) else list(answers)


def _arrow(data: Any, columns: Mapping[str, list[Any]]) -> Any:
    for name, column in columns.items():
        if name in data.column_names:
            data = data.drop_columns([name])
        data = data.append_column(name, [column])
    return data


def _indexed(data: Any, column: list[Any]) -> Any:
    """A column of pandas with the frame's own index; a list in a cell stays one."""
    return type(data.iloc[:, 0])(column, index=data.index)
