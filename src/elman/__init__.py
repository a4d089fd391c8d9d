"""Elman: recurrent neural networks on PyTorch. The public names, nothing else.

A name is imported when it is first asked for, so that `import elman` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman import cells, errors, export, nn
    from elman.acceleration import Acceleration, accelerate
    from elman.batch import Seq
    from elman.inspection import inspect
    from elman.model import Model, load
    from elman.recurrent import Recurrent
    from elman.training import train

    __version__: str

__all__ = [
    "Acceleration",
    "Model",
    "Recurrent",
    "Seq",
    "__version__",
    "accelerate",
    "cells",
    "errors",
    "export",
    "inspect",
    "load",
    "nn",
    "train",
]

_PLACES = {
    "Acceleration": "elman.acceleration",
    "Model": "elman.model",
    "Recurrent": "elman.recurrent",
    "Seq": "elman.batch",
    "accelerate": "elman.acceleration",
    "inspect": "elman.inspection",
    "load": "elman.model",
    "train": "elman.training",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    if name == "__version__":
        return import_module("importlib.metadata").version("elman")
    if name in __all__:
        return import_module(f"elman.{name}")
    raise AttributeError(f"module 'elman' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
