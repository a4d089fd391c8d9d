"""Cells and tasks of one's own in any process: a file or a module that is named, or installed plugins.

Whatever registers something runs as the user's own code; so nothing is imported because a run folder says so.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterable
from functools import cache
from importlib import import_module, metadata
from pathlib import Path

from elman.core.errors import ConfigError, nearest

GROUP = "elman_plugins"
"""The entry points of installed packages whose modules register cells and tasks."""

OPTION = "--import"


def import_named(name: str) -> None:
    """Import a module by its dotted name, or a Python file by its path.

    Raises:
        ConfigError: there is no such file or module, or it raises an error.
    """
    try:
        if name.endswith(".py"):
            _import_file(Path(name))
        else:
            import_module(name)
    except Exception as error:  # whatever the user's code raises
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f" at {place.filename}:{place.lineno}" if not isinstance(error, ImportError) else ""
        got = f"{type(error).__name__}: {error}{where}"
        raise ConfigError(
            f"{OPTION} {name}", got, remedy="name a module or a .py file that imports"
        ) from error


def remedy(name: str, known: Iterable[str], what: str) -> str:
    """Return the remedy for an unknown name of a cell or a task: a near one, and to import one's own."""
    found = nearest(name, known)
    return f"{found}{'' if found.endswith('?') else ';'} for {what} of your own: {OPTION} FILE.py"


@cache
def import_installed() -> None:
    """Import the plugins of the packages that are installed here, once.

    Raises:
        ConfigError: one raises an error.
    """
    for entry in metadata.entry_points(group=GROUP):
        import_named(entry.module)


def _import_file(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise FileNotFoundError(f"no file {path}")
    if path.stem in sys.modules:
        raise ImportError(f"a module {path.stem!r} is there already; rename the file")
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
