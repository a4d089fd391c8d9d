"""Elman: recurrent neural networks on PyTorch. The public names, nothing else.

A name is imported when it is first asked for, so that `import elman` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman import nn
    from elman.core import errors
    from elman.core.records import Seq
    from elman.data.samples.registry import samples
    from elman.diagnostics.memory_tests.survey import probe
    from elman.diagnostics.report.inspection import inspect
    from elman.nn import cells
    from elman.nn.kernels.answers import kernels
    from elman.nn.recurrent import Recurrent
    from elman.nn.torch_compat.accelerate import Acceleration, accelerate
    from elman.runs import export
    from elman.runs.load import load
    from elman.tasks.model import Model
    from elman.training.callbacks import Callback
    from elman.training.train import explain, train

    __version__: str

__all__ = [
    "Acceleration",
    "Callback",
    "Model",
    "Recurrent",
    "Seq",
    "__version__",
    "accelerate",
    "cells",
    "errors",
    "explain",
    "export",
    "inspect",
    "kernels",
    "load",
    "nn",
    "probe",
    "samples",
    "train",
]

_PLACES = {
    "Acceleration": "elman.nn.torch_compat.accelerate",
    "Callback": "elman.training.callbacks",
    "Model": "elman.tasks.model",
    "Recurrent": "elman.nn.recurrent",
    "Seq": "elman.core.records",
    "accelerate": "elman.nn.torch_compat.accelerate",
    "explain": "elman.training.train",
    "inspect": "elman.diagnostics.report.inspection",
    "kernels": "elman.nn.kernels.answers",
    "load": "elman.runs.load",
    "probe": "elman.diagnostics.memory_tests.survey",
    "samples": "elman.data.samples.registry",
    "train": "elman.training.train",
}

_MODULES = {
    "cells": "elman.nn.cells",
    "errors": "elman.core.errors",
    "export": "elman.runs.export",
    "nn": "elman.nn",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    if name == "__version__":
        return import_module("importlib.metadata").version("elman")
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'elman' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
