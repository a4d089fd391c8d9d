"""Incremental encoders: pieces of any length become whole steps, and an incomplete rest is kept back.

What an encoder keeps is bounded, whatever comes, and can be saved and restored. Independent of networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, NamedTuple, final

import torch
from torch import Tensor

from elman.core import json_schema


class IncrementalEncoder(ABC):
    """What comes -> steps, in pieces of any length; however it is cut, the steps are those of the whole."""

    @abstractmethod
    def encode_step(self, x: Any) -> Any:
        """The one step that x is: the number of a symbol, or features [...]; None where one is not whole yet.

        Raises:
            DataError: it is none, or more than one, or a part of one is buffered; nothing is taken then.
        """

    @abstractmethod
    def encode(self, chunk: Any) -> Tensor:
        """The steps [n, ...] that a piece makes whole; n may be 0.

        Raises:
            DataError: it cannot be read; nothing is taken then.
        """

    @abstractmethod
    def flush(self) -> Tensor:
        """The steps [n, ...] that were buffered, the sequence being at its end."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What is kept, in terms of JSON."""

    @abstractmethod
    def restore(self, content: dict[str, Any]) -> None:
        """Keep what `content` gave.

        Raises:
            DataError, ValueError, TypeError: it gave no such thing.
        """


class _Framed(NamedTuple):
    """What `Frames` keep, in terms of JSON."""

    steps: dict[str, Any]
    kept: list[Any] | None
    whole: bool
    skipped: Annotated[int, ("minimum", 0)]
    some: bool


@final
class FrameBuffer(IncrementalEncoder):
    """Steps side by side in frames, each beginning `hop` steps after the one before.

    A sequence of n steps has 1 + ceil((n - size) / hop) frames, the last one filled up, as `framing.framed`
    says: with zeros, or of symbols with -1.

    Args:
        steps: where steps come from.
        size: steps of a frame.
        hop: steps from the start of a frame to that of the next.
    """

    def __init__(self, steps: IncrementalEncoder, size: int, hop: int) -> None:
        self._steps, self._size, self._hop = steps, size, hop
        self._kept: Tensor | None = None
        self._skipped = 0  # steps that lie between two frames and are still to come
        self._some = False

    def encode_step(self, x: Any) -> Tensor | None:
        """See `IncrementalEncoder`: x is one of the steps of which frames are made."""
        step = self._steps.encode_step(x)
        if step is None:
            return None
        frames = self._framed(torch.as_tensor(step)[None])
        return frames[0] if len(frames) else None

    def encode(self, chunk: Any) -> Tensor:
        return self._framed(self._steps.encode(chunk))

    def flush(self) -> Tensor:
        frames = self._framed(self._steps.flush())
        kept = frames.new_empty(0) if self._kept is None else self._kept
        beyond = len(kept) - self._skipped - (self._size - self._hop if self._some else 0)
        if beyond > 0:
            filled = frames.new_full(frames.shape[1:], 0 if frames.is_floating_point() else -1)
            filled[: len(kept)] = kept
            frames = torch.cat([frames, filled[None]])
        self._kept, self._skipped, self._some = None, 0, False
        return frames

    def content(self) -> dict[str, Any]:
        kept = None if self._kept is None or not len(self._kept) else self._kept
        return {
            "steps": self._steps.content(),
            "kept": None if kept is None else kept.tolist(),
            "whole": kept is not None and not kept.is_floating_point(),
            "skipped": self._skipped,
            "some": self._some,
        }

    def restore(self, content: dict[str, Any]) -> None:
        found = json_schema.build(_Framed, content)
        self._steps.restore(found.steps)
        kind = torch.int64 if found.whole else torch.float32
        self._kept = None if found.kept is None else torch.tensor(found.kept, dtype=kind)
        self._skipped, self._some = found.skipped, found.some
        if self._skipped > self._hop or len(found.kept or ()) > self._size:
            raise ValueError(f"{self._skipped} steps to skip, {len(found.kept or ())} kept")

    def _framed(self, fresh: Tensor) -> Tensor:
        skipped = min(self._skipped, len(fresh))
        self._skipped -= skipped
        fresh = fresh[skipped:]
        kept = fresh if self._kept is None else torch.cat([self._kept, fresh])
        if len(kept) < self._size:
            self._kept = kept
            return fresh.new_zeros(0, self._size, *fresh.shape[1:])
        frames = kept.unfold(0, self._size, self._hop).movedim(-1, 1)
        gone = len(frames) * self._hop
        self._skipped += max(0, gone - len(kept))
        self._kept, self._some = kept[gone:].clone(), True
        return frames
