"""Record which settings a run reads: one that is never read has no effect, and can be reported."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from elman.core.settings import Settings


class SettingReads:
    """Notes which settings of some sections are read, from now until `end`.

    Args:
        sections: to watch. What is read all at once, as by `vars`, does not count.

    Attributes:
        seen: the settings that were read, as section.name.
    """

    def __init__(self, *sections: Settings) -> None:
        self.seen: set[str] = set()
        self._sections = [(section, type(section)) for section in sections]
        for section, kind in self._sections:
            object.__setattr__(section, "__class__", _watched(kind, self.seen))

    def end(self) -> None:
        """Watch no longer: the sections are what they were, and as quick to read."""
        for section, kind in self._sections:
            object.__setattr__(section, "__class__", kind)


def _watched(kind: type[Settings], seen: set[str]) -> type[Settings]:
    """Make a class like `kind` that notes each setting that is read."""
    names = {field.name for field in fields(kind)}

    def read(section: Settings, name: str) -> Any:
        if name in names:
            seen.add(f"{kind.section}.{name}")
        return object.__getattribute__(section, name)

    return type(kind.__name__, (kind,), {"__getattribute__": read, "__module__": kind.__module__})
