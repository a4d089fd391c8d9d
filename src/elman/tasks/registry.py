"""The table of tasks: a name -> one kind of sequence problem. No torch until a task is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from elman.core import plugins
from elman.core.errors import TaskError
from elman.data import unlearnt

if TYPE_CHECKING:
    from elman.core.records import Record
    from elman.tasks.base import Task


class TaskTable(MutableMapping[str, "type[Task]"]):
    """Classes of tasks by the names of their settings' sections; a module is imported with its first use.

    Args:
        places: name -> "module:Class".
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._kinds: dict[str, str | type[Task]] = dict(places)

    def __getitem__(self, name: str) -> type[Task]:
        found = self._kinds[name]
        if isinstance(found, str):
            module, _, kind = found.partition(":")
            found = self._kinds[name] = getattr(import_module(module), kind)
        return found

    def __setitem__(self, name: str, kind: type[Task]) -> None:
        self._kinds[name] = kind

    def __delitem__(self, name: str) -> None:
        del self._kinds[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._kinds:
            plugins.import_installed()
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


# In this order they are asked whether data suit them: the more special ones first.
TASKS: MutableMapping[str, type[Task]] = TaskTable(
    {
        "language": "elman.tasks.language.task:Language",
        "tag": "elman.tasks.tag.task:Tag",
        "label": "elman.tasks.label.task:Label",
        "draw": "elman.tasks.draw.task:Draw",
        "forecast": "elman.tasks.forecast.task:Forecast",
        "translate": "elman.tasks.translate.task:Translate",
        "caption": "elman.tasks.caption.task:Caption",
        "recognize": "elman.tasks.recognize.task:Recognize",
        "recall": "elman.tasks.recall.task:Recall",
        "classify": "elman.tasks.classify.task:Classify",
    }
)


def get(name: str) -> type[Task]:
    """Return the task of that name.

    Raises:
        TaskError: no task has that name; the error names the nearest one.
    """
    if name not in TASKS:
        remedy = plugins.remedy(name, TASKS, "a task")
        raise TaskError(f"task {name!r}", "an unknown task", remedy=remedy)
    return TASKS[name]


def listed(names: list[str]) -> str:
    """Join names with commas and a last "or": "tag, classify or recall"."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def able(ability: type) -> str:
    """Return the names of the tasks that inherit an ability: "tag, classify or recall"."""
    return listed([name for name, kind in TASKS.items() if issubclass(kind, ability)])


def register(kind: type[Task]) -> None:
    """Add a task of your own under the name of its settings' section, in place of one of that name."""
    TASKS[kind.Config.section] = kind


def readers(format_name: str) -> dict[str, type[Task]]:
    """Return the tasks that read a format, by their names."""
    plugins.import_installed()
    return {name: kind for name, kind in TASKS.items() if format_name in kind.formats}


def guess(format_name: str, first: Record) -> str:
    """Return the name of the task that data of this format, beginning with this record, suggest.

    Raises:
        TaskError: they suggest none.
    """
    return choose(format_name, [first])[0]


def choose(format_name: str, records: Sequence[Record]) -> tuple[str, str]:
    """Return the name of the task that data of this format, beginning with these records, suggest, and why.

    Raises:
        TaskError: they suggest none.
        DataError: they are of a known layout that no task learns.
    """
    unlearnt.check(records[0])
    found = readers(format_name)
    if len(found) == 1:
        return next(iter(found)), "no other task reads this format"
    for name, kind in found.items():
        if reason := kind.reason(records):
            return name, reason
    raise TaskError(f"data of format {format_name!r}", "no task to guess", remedy=f"--task {'|'.join(TASKS)}")
