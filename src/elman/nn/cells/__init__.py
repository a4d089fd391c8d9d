"""The table of cells: a name -> one time step as an algebra.

Names can be asked for without torch, so that the command line checks a setting quickly; a cell's own file
is imported when the cell is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.nn.cells.registry import checked, get, names, register

__all__ = [
    "checked",
    "get",
    "names",
    "register",
]

__getattr__ = lazy_names(
    __name__,
    {
        "checked": "elman.nn.cells.registry",
        "get": "elman.nn.cells.registry",
        "names": "elman.nn.cells.registry",
        "register": "elman.nn.cells.registry",
    },
)
