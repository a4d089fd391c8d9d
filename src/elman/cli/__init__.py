"""The command line: each command parses, makes one call, and prints. No torch until a command needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.cli.commands import COMMANDS, app, main, run

__all__ = [
    "COMMANDS",
    "app",
    "main",
    "run",
]

__getattr__ = lazy_names(
    __name__,
    {
        "COMMANDS": "elman.cli.commands",
        "app": "elman.cli.commands",
        "main": "elman.cli.commands",
        "run": "elman.cli.commands",
    },
)
