"""The settings of captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.config import option
from elman.wording import Writing


@dataclass(frozen=True, kw_only=True)
class CaptionConfig(Writing):
    """What only captions have."""

    section = "caption"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:shapes", "unit": "word"},
        "signal": {"vector": True},
        "network": {"cell": "gru", "hidden": 128, "dropout": 0.1},
        "training": {"batch_size": 16, "epochs": 20, "lr": 0.004, "warmup": 0.05, "ema": 0.997},
    }

    feed: bool = option(False, "a step also sees what the one before looked at (input feeding; slower)")
    channels: int = option(
        48, "channels of the convolution's first block; each later one doubles them", low=1
    )
    blocks: int = option(3, "blocks of the convolution; each halves height and width", low=1, high=8)
    depth: int = option(1, "residual units of a block but the first; each has two convolutions", low=1)
    shift: float = option(0.05, "most of a side that training moves a picture by", low=0, below=1)
    zoom: float = option(0.05, "most that training makes a picture larger or smaller by", low=0, below=1)
    turn: float = option(0.0, "most degrees that training turns a picture by", low=0, high=180)
    flip: bool = option(False, "training mirrors half of the pictures; not where left and right are told")
    brightness: float = option(0.03, "deviation of the light that training adds, in shares of white", low=0)
    bidirectional: bool = option(True, "layers over films and features also read from the end to the start")
