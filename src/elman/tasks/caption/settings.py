"""The settings of captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.settings import option
from elman.tasks.seq2seq.settings import Seq2SeqSettings


@dataclass(frozen=True, kw_only=True)
class CaptionConfig(Seq2SeqSettings):
    """What only captions have."""

    section = "caption"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:shapes", "unit": "word"},
        "signal": {"vector": True},
        "network": {"cell": "gru", "hidden": 128, "dropout": 0.1},
        "training": {"batch_size": 16, "epochs": 20, "lr": 0.004, "warmup": 0.05, "ema": 0.997},
    }

    feed: bool = option(False, "input feeding: each step also sees the previous attention output (slower)")
    channels: int = option(
        48, "channels of the first convolution block; each later block doubles them", low=1
    )
    blocks: int = option(3, "convolution blocks; each halves height and width", low=1, high=8)
    depth: int = option(1, "residual units per block after the first; each has two convolutions", low=1)
    shift: float = option(
        0.05, "maximum random shift of an image in training, as a share of its side", low=0, below=1
    )
    zoom: float = option(0.05, "maximum random zoom of an image in training", low=0, below=1)
    turn: float = option(0.0, "maximum random rotation of an image in training, in degrees", low=0, high=180)
    flip: bool = option(
        False, "mirror half of the images in training; not if captions mention left and right"
    )
    brightness: float = option(
        0.03, "standard deviation of the random brightness added in training, as a share of white", low=0
    )
    bidirectional: bool = option(True, "read films and features in both directions")
