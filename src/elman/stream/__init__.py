"""Streams: a trained model that goes on as data come in, with a state and no more in memory.

One stream, or many side by side that are computed together. Any cutting of a sequence into pieces gives what
the whole gives, to rounding.
"""

from elman.stream.base import Saved, Source, Trained
from elman.stream.many import Streams
from elman.stream.one import Stream

__all__ = ["Saved", "Source", "Stream", "Streams", "Trained"]
