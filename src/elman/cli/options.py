"""What commands have in common."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Annotated, Any

from cyclopts import Group, Parameter

from elman.core.settings import Settings

_KINDS = {"int": int, "float": float, "str": str, "bool": bool}


def options(section: type[Settings]) -> list[tuple[str, Any, Any]]:
    """The section's settings as options of the command line; None where one is not given."""
    group = Group(section.section.capitalize())
    rows = []
    for setting in fields(section):
        choices, default = setting.metadata["choices"], setting.default
        text = setting.metadata["doc"] + (f": {', '.join(choices)}" if choices else "")
        parameter = Parameter(help=f"{text} (default: {default})", group=group, show_default=False)
        kind = _KINDS[str(setting.type)]
        rows.append((setting.name, Annotated[kind | None, parameter], field(default=None)))
    return rows
