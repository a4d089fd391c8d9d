"""The table of tasks: a name -> one kind of sequence problem."""

from __future__ import annotations

from elman.core.errors import TaskError, nearest
from elman.core.records import Record
from elman.tasks.base import Task
from elman.tasks.caption.task import Caption
from elman.tasks.classify.task import Classify
from elman.tasks.draw.task import Draw
from elman.tasks.forecast.task import Forecast
from elman.tasks.language.task import Language
from elman.tasks.recall.task import Recall
from elman.tasks.recognize.task import Recognize
from elman.tasks.tag.task import Tag
from elman.tasks.translate.task import Translate

# In this order they are asked whether data suit them: the more special ones first.
TASKS: dict[str, type[Task]] = {
    kind.Config.section: kind
    for kind in (Language, Tag, Draw, Forecast, Translate, Caption, Recognize, Recall, Classify)
}


def get(name: str) -> type[Task]:
    """The task of that name.

    Raises:
        TaskError: no task has that name; it tells the nearest one.
    """
    if name not in TASKS:
        raise TaskError(f"task {name!r}", "an unknown task", remedy=nearest(name, TASKS))
    return TASKS[name]


def able(ability: type) -> str:
    """The names of the tasks that inherit an ability, as words: "tag, classify or recall"."""
    *names, last = [name for name, kind in TASKS.items() if issubclass(kind, ability)]
    return f"{', '.join(names)} or {last}" if names else last


def register(kind: type[Task]) -> None:
    """Make a task of your own known by the name of its settings' section, in place of one of that name."""
    TASKS[kind.Config.section] = kind


def guess(format_name: str, first: Record) -> str:
    """The name of the task that data of this format, beginning with this record, suggest.

    Raises:
        TaskError: they suggest none.
    """
    readers = {name: kind for name, kind in TASKS.items() if format_name in kind.formats}
    for name, kind in readers.items():
        if len(readers) == 1 or kind.suits(first):
            return name
    raise TaskError(f"data of format {format_name!r}", "no task to guess", remedy=f"--task {'|'.join(TASKS)}")
