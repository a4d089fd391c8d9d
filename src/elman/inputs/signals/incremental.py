"""Incremental encoders of signals: series step by step, sound by its samples.

Scales are those of the training part. Slopes look ahead: their steps come as many steps later, or at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import DataError
from elman.core.records import Sound
from elman.core.run_config import SignalSettings
from elman.data.formats.base import exact
from elman.inputs.incremental import IncrementalEncoder
from elman.inputs.signals import audio

_REACH = 2
"""Steps to each side over which `audio.deltas` finds a slope."""

_WHERE = "a piece of a signal"


class _SignalsLast(NamedTuple):
    last: list[float]


class _SignalKept(NamedTuple):
    kept: list[float]
    some: bool


class _SignalsScaled(NamedTuple):
    source: dict[str, Any]
    before: list[float] | None
    kept: list[Any]
    given: Annotated[int, ("minimum", 0)]


class StepSource(ABC):
    """What comes -> steps of numbers [n, F], before they are scaled."""

    @abstractmethod
    def encode(self, chunk: Any) -> np.ndarray:
        """The steps that a piece makes whole.

        Raises:
            DataError: it cannot be read; nothing is taken then.
        """

    @abstractmethod
    def flush(self) -> np.ndarray:
        """The steps that were buffered."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What is kept, in terms of JSON."""

    @abstractmethod
    def restore(self, content: dict[str, Any]) -> None:
        """Keep what `content` gave."""

    @abstractmethod
    def check_one(self, x: Any) -> Any:
        """A piece that holds one step at most, if x is such.

        Raises:
            DataError: it holds more.
        """


@final
class RowSource(StepSource):
    """Steps as they are: numbers, or vectors [F].

    Args:
        width: F.
        carry: whether a missing number is taken as the one before; else it is an error.
    """

    def __init__(self, width: int, carry: bool) -> None:
        self._width, self._carry = width, carry
        self._last = np.zeros(width)

    def check_one(self, x: Any) -> Any:
        """See `Source`: a number, or a vector."""
        size = np.size(x)
        if size != self._width:
            remedy = "feed(...) takes several steps"
            raise DataError("a step of a signal", f"{size} numbers", expected=str(self._width), remedy=remedy)
        return x

    def encode(self, chunk: Any) -> np.ndarray:
        """See `Source`: [n, F]; or [n] of one channel, or [F]."""
        try:
            rows = exact(chunk)
        except (TypeError, ValueError, OverflowError) as error:
            remedy = "give numbers, and every step as many"
            raise DataError(_WHERE, f"no numbers ({error})", remedy=remedy) from error
        if getattr(chunk, "dtype", None) == np.uint8:
            rows = rows / np.float32(255)  # of a picture, as `elman.inputs.signals.images` reads it
        if rows.ndim < 2:
            rows = rows.reshape(-1, self._width) if rows.size % self._width == 0 else rows[None]
        if rows.ndim != 2 or rows.shape[1] != self._width:
            raise DataError(_WHERE, f"shape {list(rows.shape)}", expected=f"[n, {self._width}]")
        bad = ~np.isfinite(rows)
        if bad.any():
            rows = self._mended(rows, bad)
        self._last = rows[-1] if len(rows) else self._last
        return rows

    def _mended(self, rows: np.ndarray, bad: np.ndarray) -> np.ndarray:
        if not self._carry:
            step, channel = np.argwhere(bad)[0]
            got = f"{rows[step, channel]} at its step {step + 1}, channel {channel + 1}"
            remedy = "fill it, or train with signal.missing = carry"
            raise DataError(_WHERE, got, expected="a number", remedy=remedy)
        mended = np.concatenate([self._last[None], rows])
        for row in range(1, len(mended)):
            mended[row] = np.where(bad[row - 1], mended[row - 1], mended[row])
        return mended[1:]

    def flush(self) -> np.ndarray:
        """See `Source`: nothing is buffered."""
        self._last = np.zeros(self._width)
        return np.zeros((0, self._width), np.float32)

    def content(self) -> dict[str, Any]:
        return {"last": self._last.tolist()}

    def restore(self, content: dict[str, Any]) -> None:
        last = json_schema.build(_SignalsLast, content).last
        self._last = np.array(last).reshape(self._width)


@final
class AudioSource(StepSource):
    """Samples of a sound, of which windows that overlap become steps.

    Args:
        rate: samples a second.
        width: F.
        features: of samples [N]: steps [1 + floor((N - window) / hop), F], one at least.
        window: samples of a window.
        hop: samples from the start of a window to that of the next.
    """

    def __init__(
        self, rate: int, width: int, features: Callable[[Tensor], Tensor], window: int, hop: int
    ) -> None:
        self._rate, self._width, self._features = rate, width, features
        self._window, self._hop = window, hop
        self._kept, self._some = torch.zeros(0), False

    def check_one(self, x: Any) -> Any:
        """See `Source`: samples, such as those of a hop, of which but one window becomes whole."""
        samples = self._read(x)
        steps = 1 + (len(self._kept) + len(samples) - self._window) // self._hop
        if steps > 1:
            got, remedy = f"{len(samples)} samples, {steps} steps", "feed(...) takes as many as there are"
            raise DataError("a step of sound", got, expected=f"at most {self._hop}, a hop", remedy=remedy)
        return x

    def encode(self, chunk: Any) -> np.ndarray:
        """See `Source`: samples [N], floats in [-1, 1] or int16, or a `Sound`."""
        self._kept = torch.cat([self._kept, self._read(chunk)])
        steps = 1 + (len(self._kept) - self._window) // self._hop
        if steps < 1:
            return np.zeros((0, self._width), np.float32)
        used = (steps - 1) * self._hop + self._window
        found = self._features(self._kept[:used]).numpy()
        self._kept, self._some = self._kept[steps * self._hop :].clone(), True
        return found

    def flush(self) -> np.ndarray:
        """See `Source`: a sound shorter than a window is filled up to one; else its end is left out."""
        short = len(self._kept) > 0 and not self._some
        found = self._features(self._kept).numpy() if short else np.zeros((0, self._width), np.float32)
        self._kept, self._some = torch.zeros(0), False
        return found

    def content(self) -> dict[str, Any]:
        return {"kept": self._kept.tolist(), "some": self._some}

    def restore(self, content: dict[str, Any]) -> None:
        kept, self._some = json_schema.build(_SignalKept, content)
        self._kept = torch.tensor(kept, dtype=torch.float32)
        if len(kept) >= self._window + self._hop:
            raise ValueError(f"{len(kept)} samples of a window")

    def _read(self, chunk: Any) -> Tensor:
        samples, rate = chunk if isinstance(chunk, Sound) else (chunk, self._rate)
        if rate != self._rate:
            remedy = "bring it to that rate with elman.inputs.signals.audio.resample"
            raise DataError(_WHERE, f"sound of {rate} Hz", expected=f"{self._rate} Hz", remedy=remedy)
        found = np.asarray(samples)
        scale = 32768 if found.dtype == np.int16 else 1
        if found.ndim != 1 or found.dtype.kind not in "iuf" or not np.isfinite(found).all():
            expected = "[N] finite floats in [-1, 1], or int16"
            raise DataError(_WHERE, f"{list(found.shape)} {found.dtype}", expected=expected)
        return torch.from_numpy(found.astype(np.float32) / np.float32(scale))


def samples(rate: int, width: int, settings: SignalSettings) -> AudioSource:
    """The source of sound whose steps are as the settings say."""
    bands = settings.bands

    def features(sound: Tensor) -> Tensor:
        if settings.sound == "mfcc":
            return audio.mfcc(sound, rate, count=min(13, bands), bands=bands)
        return audio.log_mel(sound, rate, bands=bands)

    return AudioSource(rate, width, features, round(audio.WINDOW * rate), round(audio.HOP * rate))


@final
class SignalEncoder(IncrementalEncoder):
    """Steps scaled, with differences and slopes, as `Signal.encode` makes them of the whole.

    Args:
        source: where steps come from.
        mean, deviation: of the channels; empty: nothing is done.
        settings: of signals.
    """

    def __init__(
        self, source: StepSource, mean: list[float], deviation: list[float], settings: SignalSettings
    ) -> None:
        self._source, self._differences = source, settings.differences
        self._mean, self._deviation = (np.array(part) for part in (mean, deviation))
        self._slopes = settings.deltas
        self._before: np.ndarray | None = None
        self._kept, self._given = torch.zeros(0), 0

    def encode_step(self, x: Any) -> Tensor | None:
        found = self.encode(self._source.check_one(x))
        return found[0] if len(found) else None

    def encode(self, chunk: Any) -> Tensor:
        return self._sloped(self._scaled(self._source.encode(chunk)), end=False)

    def flush(self) -> Tensor:
        found = self._sloped(self._scaled(self._source.flush()), end=True)
        self._before, self._kept, self._given = None, torch.zeros(0), 0
        return found

    def content(self) -> dict[str, Any]:
        return {
            "source": self._source.content(),
            "before": None if self._before is None else self._before.tolist(),
            "kept": self._kept.tolist(),
            "given": self._given,
        }

    def restore(self, content: dict[str, Any]) -> None:
        found = json_schema.build(_SignalsScaled, content)
        self._source.restore(found.source)
        self._before = None if found.before is None else np.array(found.before)
        self._kept, self._given = torch.tensor(found.kept, dtype=torch.float32), found.given
        if self._given > len(found.kept) or len(found.kept) > 4 * _REACH * max(1, self._slopes):
            raise ValueError(f"{self._given} of {len(found.kept)} steps given")

    def _scaled(self, rows: np.ndarray) -> Tensor:
        features = (rows - self._mean) / self._deviation if len(self._mean) else rows
        if self._differences:
            before = features[:1] if self._before is None else self._before[None]
            self._before = features[-1].copy() if len(features) else self._before
            features = np.concatenate([features, np.diff(features, axis=0, prepend=before)], 1)
        return torch.from_numpy(np.ascontiguousarray(features, np.float32))

    def _sloped(self, rows: Tensor, end: bool) -> Tensor:
        """The rows with their slopes, as soon as the steps that these look ahead to have come."""
        if not self._slopes:
            return rows
        kept = torch.cat([self._kept, rows]) if len(self._kept) else rows
        around = _REACH * self._slopes
        last = max(self._given, len(kept) - (0 if end else around))
        parts = [kept]
        for _ in range(self._slopes if len(kept) else 0):
            parts.append(audio.deltas(parts[-1], _REACH))
        gone = max(0, last - around)
        found = torch.cat(parts, 1)[self._given : last]
        self._kept, self._given = kept[gone:].clone(), last - gone
        return found if len(kept) else rows.repeat(1, 1 + self._slopes)
