"""The table of tasks: a name -> one kind of sequence problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.tasks.registry import TASKS, able, get, guess, register

__all__ = [
    "TASKS",
    "able",
    "get",
    "guess",
    "register",
]

__getattr__ = lazy_names(
    __name__,
    {
        "TASKS": "elman.tasks.registry",
        "able": "elman.tasks.registry",
        "get": "elman.tasks.registry",
        "guess": "elman.tasks.registry",
        "register": "elman.tasks.registry",
    },
)
