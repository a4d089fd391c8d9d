"""The table of kernels, and the choice among them: the first that serves runs. Which, `explain` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.nn.kernels.dispatch import (
        VARIABLE,
        advance,
        case_of,
        choose,
        explain,
        force,
        get,
        names,
        scan,
        step,
        stepper,
        through,
    )

__all__ = [
    "VARIABLE",
    "advance",
    "case_of",
    "choose",
    "explain",
    "force",
    "get",
    "names",
    "scan",
    "step",
    "stepper",
    "through",
]

__getattr__ = lazy_names(
    __name__,
    {
        "VARIABLE": "elman.nn.kernels.dispatch",
        "advance": "elman.nn.kernels.dispatch",
        "case_of": "elman.nn.kernels.dispatch",
        "choose": "elman.nn.kernels.dispatch",
        "explain": "elman.nn.kernels.dispatch",
        "force": "elman.nn.kernels.dispatch",
        "get": "elman.nn.kernels.dispatch",
        "names": "elman.nn.kernels.dispatch",
        "scan": "elman.nn.kernels.dispatch",
        "step": "elman.nn.kernels.dispatch",
        "stepper": "elman.nn.kernels.dispatch",
        "through": "elman.nn.kernels.dispatch",
    },
)
