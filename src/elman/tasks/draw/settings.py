"""The settings that only drawing has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.settings import Settings, option


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
        "type of a step: strokes (dx, dy, pen up), notes (0 or 1 each) or values; auto: inferred",
        choices=("auto", "strokes", "notes", "values"),
    )
    start: str = option(
        "auto",
        "condition that a sequence starts from; auto: the text or class in the data, if there is one",
        choices=("auto", "none", "class", "text"),
    )
    free: float = option(
        0.1,
        "share of training sequences without the condition, so that the model also draws without one",
        low=0,
        below=1,
    )
    mixture: int = option(20, "mixture components (strokes, values)", low=1)
    least: float = option(
        0.02, "minimum standard deviation of a component, relative to the data's (strokes, values)", above=0
    )
    chord: int = option(
        64, "hidden units that model dependence between the notes of a frame; 0: independent notes", low=0
    )
    keys: int = option(1, "keys that training transposes to, such as 12 (notes)", low=1)
    lowest: int = option(21, "MIDI number of the lowest note; 21 is a piano's lowest", low=0, high=127)
    rate: float = option(4.0, "frames per second in MIDI files", above=0)
    window: int = option(10, "mixture components of the attention window over a text", low=1)
    feed: bool = option(True, "feed the window's last output to the first layer (Graves 2013; slower)")
