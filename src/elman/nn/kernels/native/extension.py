"""The compiled module, if it was built, and the threads that it runs on."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

_INTERFACE = 8
"""Of the compiled module's functions, as they are called from here."""


def _load() -> tuple[Any, str | None]:
    """The module; or why it is not there."""
    try:
        found = import_module("elman._native")
    except ModuleNotFoundError:
        again = "with a C++17 compiler there, install Elman again (in a checkout: make native)"
        return None, f"they were not built; {again}"
    except ImportError as error:
        return None, f"they cannot be loaded: {error}"
    if found.interface != _INTERFACE:
        return None, "they are of another version of Elman; install it again (in a checkout: make native)"
    return found, None


module, missing = _load()

_TABLE: tuple[tuple[str, int, int], ...] = () if module is None else module.cells
CELLS = {name: number for number, (name, _, _) in enumerate(_TABLE)}
"""The cells that it has by formulas in C++, by its own numbers; the others are lists of operations."""
GATES = tuple(gates for _, gates, _ in _TABLE)
"""Of each of them."""
NUMBERS = {torch.float32: 0, torch.float64: 1}
DTYPES = tuple(NUMBERS)

Kind = tuple[Any, ...]
"""Cell, dtype, F and H; of a list its program, dtype, F, H, P and whether products are layer-normalised: what
decides how weights and gates are laid out."""


@cache
def sizes(kind: Kind) -> tuple[int, int, int, int]:
    """How many numbers weights take, packed for forward and for backward; a step's gates; a padded state."""
    return module.sizes(*kind)


def _adopt_openmp() -> None:
    """Run on the threads of torch's own OpenMP runtime: two pools would fight for the cores."""
    for library in sorted(Path(torch.__file__).with_name("lib").glob("lib*omp*")):
        if module.adopt_openmp(str(library)):
            return
    maps = Path("/proc/self/maps")
    loaded = {line.split()[-1] for line in maps.read_text().splitlines()} if maps.exists() else set()
    for library in sorted(path for path in loaded if "omp" in Path(path).name and ".so" in path):
        if module.adopt_openmp(library):
            return


if module is not None:
    _adopt_openmp()
