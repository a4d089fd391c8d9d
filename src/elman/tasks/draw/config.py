"""The settings that only drawing has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.config import Settings, option


@dataclass(frozen=True, kw_only=True)
class DrawConfig(Settings):
    """What only drawing has."""

    section = "draw"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:curves", "valid": 0.1, "test": 0.1},
        "network": {"hidden": 256, "dropout": 0.1},
        "training": {"batch_size": 32, "epochs": 20, "lr": 0.004, "ema": 0.99, "warmup": 0.05, "clip": 5.0},
    }

    kind: str = option(
        "auto",
        "what a step is: strokes are dx, dy, pen up; notes 0 or 1 each; auto: by the data",
        choices=("auto", "strokes", "notes", "values"),
    )
    start: str = option(
        "auto",
        "what a sequence starts from beside nothing; auto: the text or class in the data, if there is one",
        choices=("auto", "none", "class", "text"),
    )
    free: float = option(
        0.1, "share of training that does not see what it starts from, to draw without it", low=0, below=1
    )
    mixture: int = option(20, "Gaussians of a mixture (strokes, values)", low=1)
    least: float = option(
        0.02, "least deviation of a Gaussian, in deviations of the data (strokes, values)", above=0
    )
    chord: int = option(
        64, "hidden units by which notes of one frame depend on each other; 0: each for itself", low=0
    )
    keys: int = option(1, "neighbouring keys that training transposes to, such as 12 (notes)", low=1)
    lowest: int = option(21, "MIDI number of the first note; 21 is the lowest of a piano", low=0, high=127)
    rate: float = option(4.0, "frames of notes a second, in MIDI", above=0)
    window: int = option(10, "bumps of the window over a text", low=1)
    feed: bool = option(True, "the first layer knows what the window saw a step before (Graves 2013; slower)")
