"""Streams: a trained model that goes on as data come in, with a state and no more in memory.

One stream, or many side by side that are computed together. Any cutting of a sequence into pieces gives what
the whole gives, to rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.streaming.saved import StreamFactory, StreamState, Trained
    from elman.streaming.stream import Stream
    from elman.streaming.streams import Streams

__all__ = [
    "Stream",
    "StreamFactory",
    "StreamState",
    "Streams",
    "Trained",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Stream": "elman.streaming.stream",
        "StreamFactory": "elman.streaming.saved",
        "StreamState": "elman.streaming.saved",
        "Streams": "elman.streaming.streams",
        "Trained": "elman.streaming.saved",
    },
)
