"""Numbers in time: series, sound, pictures read by rows or pixels, and the frames of a film."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError, RunError, TaskError
from elman.core.records import RawValue, Sound
from elman.core.run_config import RunConfig, SignalSettings
from elman.data.formats.base import exact, float32, read_array
from elman.inputs.base import Input, beside, named_in
from elman.inputs.file_cache import once
from elman.inputs.signals import audio, images
from elman.inputs.signals.incremental import RowSource, SignalEncoder, samples
from elman.nn import random_kernels
from elman.nn.augmentation import SignalAugmentation
from elman.nn.random_kernels import KernelBank, RandomKernels
from elman.nn.readers import InputLayer


class ChannelScale(NamedTuple):
    """What is taken off each channel, and what it is divided by: two lists of a number each, or of one."""

    mean: list[float]
    deviation: list[float]

    def of(self, features: np.ndarray) -> np.ndarray:
        """Features [T, F] scaled: float64."""
        return (features - np.array(self.mean)) / np.array(self.deviation)


class ChannelMoments:
    """Means and sums of squared deviations of channels, sequence by sequence (Chan et al. 1983).

    Each sequence is taken less its first step, so that neither a large offset nor a small scale costs digits,
    and that a channel that never changes has the deviation 0, exactly.
    """

    def __init__(self) -> None:
        self._steps, self._mean, self._squares = 0, np.zeros(1), np.zeros(1)

    def add(self, features: np.ndarray) -> None:
        """Count a sequence [T, F]."""
        exact = features.astype(np.float64)
        off, steps = exact - exact[0], self._steps + len(exact)
        own = off.mean(0)
        between = exact[0] + own - self._mean if self._steps else np.zeros(1)
        self._mean = self._mean + between * (len(exact) / steps) if self._steps else exact[0] + own
        apart = between * between * (self._steps * len(exact) / steps)
        self._squares = self._squares + ((off - own) ** 2).sum(0) + apart
        self._steps = steps

    def scale(self) -> ChannelScale:
        """The means, and the standard deviations: 1 where nothing changes."""
        deviation = np.sqrt(self._squares / max(1, self._steps))
        return ChannelScale(self._mean.tolist(), np.where(deviation > 0, deviation, 1.0).tolist())


class _SignalInputLearnt(NamedTuple):
    kind: str
    width: Annotated[int, ("minimum", 1), ("maximum", 1 << 24)]
    mean: list[float]
    deviation: list[Annotated[float, ("exclusiveMinimum", 0)]]
    rate: Annotated[int, ("minimum", 0), ("maximum", 1 << 24)] = 0
    kernels: KernelBank | None = None


@final
class Signal(Input):
    """A sequence of steps of features, standardised as `signal.normalise` says.

    Args:
        kind: which of `KINDS` the raw values are.
        width: features of a step as the file has them.
        scale: of the channels; nothing is done where it is empty.
        run: the settings.
        rate: samples a second that a sound must have; 0: any.
        bank: the convolutions that the steps are read by, if they are.
    """

    name = "signal"

    def __init__(
        self,
        kind: str,
        width: int,
        scale: ChannelScale,
        run: RunConfig,
        rate: int = 0,
        bank: KernelBank | None = None,
    ) -> None:
        self._kind, self._width, self._scale, self._run = kind, width, scale, run
        self._settings, self._rate, self._bank = run.signal, rate, bank

    @classmethod
    def takes(cls, value: Any) -> bool:
        """Whether that is an array, a sound, a list of numbers or pictures, or the path of one."""
        return kind_of(value) != ""

    @classmethod
    def learn(cls, values: Sequence[RawValue], run: RunConfig) -> Self:
        """The kind of the values, the width of a step, and the scale of the channels."""
        kind = kind_of(values[0].value)
        rate = _whole(kind, values[0], run.signal, 0)[1] if kind == "sound" and not run.signal.rate else 0
        moments, width = ChannelMoments(), 0
        how = run.signal.normalise
        how = ("all" if kind in ("picture", "frames") else "channel") if how == "auto" else how
        for raw in values:
            features = _read(kind, raw, run.signal, rate)
            width = width or features.shape[1]
            _check_width(features, width, raw.where)
            moments.add(features.reshape(-1, 1) if how == "all" else features)
        scale = ChannelScale([], []) if how in ("sequence", "none") else moments.scale()
        plain = cls(kind, width, scale, run, rate)
        if kind != "series" or not run.signal.kernels:
            return plain
        bank = random_kernels.learn(_EncodedValues(plain, values), run.signal.kernels, run.training.seed)
        return cls(kind, width, scale, run, rate, bank)

    @classmethod
    def restore(cls, content: dict[str, Any], run: RunConfig, where: object) -> Self:
        """The input with the kind and scale in `content`."""
        with json_schema.rebuilding(where, "a damaged input"):
            scale = ChannelScale(content["mean"], content["deviation"])
            learnt = json_schema.build(_SignalInputLearnt, content)
            _check_scale(scale, learnt.width)
            if learnt.kernels is not None:
                learnt.kernels.check(_features(learnt.width, run.signal))
        if learnt.kind not in KINDS:
            raise RunError(where, f"an input of the kind {learnt.kind!r:.60}", remedy="update Elman")
        return cls(learnt.kind, learnt.width, scale, run, learnt.rate, learnt.kernels)

    @property
    def kind(self) -> str:
        """Which of `KINDS`."""
        return self._kind

    def content(self) -> dict[str, Any]:
        """Kind, width, rate, scale, and the convolutions that it is read by."""
        known = {"kind": self._kind, "width": self._width, "rate": self._rate, **self._scale._asdict()}
        return known if self._bank is None else {**known, "kernels": self._bank._asdict()}

    @property
    def seconds(self) -> float:
        """How long a step is; 0 where that is not known."""
        return audio.HOP if self._kind == "sound" else 0.0

    def about(self) -> str:
        """The kind, and how wide a step is."""
        return f"{KINDS[self._kind].about(self._settings)}, {self._width} numbers a step"

    def parse(self, line: str) -> str | list[float]:
        """A path; or, of a series, numbers with commas, semicolons or spaces between them."""
        if self._kind != "series" or kind_of(line) == "series":
            return line
        try:
            return [float(number) for number in re.split(r"[\s,;]+", line.strip())]
        except ValueError:
            return line

    def encode(self, raw: RawValue) -> Tensor:
        """The features [T, F] of a value, scaled, with differences and slopes as the settings say."""
        features = _read(self._kind, raw, self._settings, self._rate)
        _check_width(features, self._width, raw.where)
        if self._settings.normalise == "sequence":
            own = ChannelMoments()
            own.add(features)
            features = own.scale().of(features)
        elif self._scale.mean:
            features = self._scale.of(features)
        if self._settings.differences:
            features = np.concatenate([features, np.diff(features, axis=0, prepend=features[:1])], 1)
        parts = [torch.from_numpy(np.ascontiguousarray(float32(features)))]
        for _ in range(self._settings.deltas):
            parts.append(audio.deltas(parts[-1]))
        return _finite(torch.cat(parts, 1), raw.where)

    def reader(self) -> InputLayer:
        """The features, or what convolutions find in them; disturbed in training, as the settings say."""
        plain = SignalAugmentation(_features(self._width, self._settings), self._settings)
        return plain if self._bank is None else RandomKernels(self._bank, plain)

    def incremental_encoder(self) -> SignalEncoder:
        """Steps, scaled, as they come; sound by its samples, pictures by their rows; see `Input`."""
        settings = self._settings
        if settings.normalise == "sequence" or settings.level or self._bank is not None:
            wrong = (
                "signal.normalise = sequence" if settings.normalise == "sequence" else "signal.level = true"
            )
            wrong = wrong if self._bank is None else f"signal.kernels = {settings.kernels}"
            remedy = "train with signal.level = false, signal.kernels = 0 and signal.normalise = channel"
            raise TaskError("a stream of a signal", f"{wrong}, which looks at the whole", remedy=remedy)
        rate = settings.rate or self._rate
        source = (
            samples(rate, self._width, settings)
            if self._kind == "sound"
            else RowSource(self._width, settings.missing == "carry")
        )
        return SignalEncoder(source, *self._scale, settings)

    @property
    def rate(self) -> int:
        """Samples a second of the sound that it reads; 0 if it does not read sound."""
        return (self._settings.rate or self._rate) if self._kind == "sound" else 0


class _EncodedValues(Sequence[Tensor]):
    """Values as an input encodes them, each when it is asked for."""

    def __init__(self, member: Signal, values: Sequence[RawValue]) -> None:
        self._member, self._values = member, values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: Any) -> Any:
        return self._member.encode(self._values[place])


class SignalKind(NamedTuple):
    """One kind of raw value: in words, and how its features are read, with the rate that a sound has, else 0.

    A sound must have the rate that it is read with, if that is not 0.
    """

    about: Callable[[SignalSettings], str]
    read: Callable[[RawValue, SignalSettings, int], tuple[np.ndarray, int]]


def _series(raw: RawValue, settings: SignalSettings, rate: int) -> tuple[np.ndarray, int]:
    value = read_array(_path(raw)) if isinstance(raw.value, str) else raw.value
    try:
        series = exact(value)
    except (TypeError, ValueError, OverflowError) as error:
        remedy = "give numbers, and every step as many"
        raise DataError(raw.where, f"no series ({error})", remedy=remedy) from error
    if series.ndim == 1:
        series = series[None] if settings.vector else series[:, None]
    if series.ndim != 2 or not series.size:
        raise DataError(raw.where, f"an array of shape {list(series.shape)}", expected="[T] or [T, C], T > 0")
    bad = ~np.isfinite(series)
    if bad.any() and settings.missing == "error":
        step, channel = np.argwhere(bad)[0]
        got = f"{series[step, channel]} at step {step + 1}, channel {channel + 1}"
        remedy = "fill it, or set signal.missing = carry to go on with the value before"
        raise DataError(raw.where, got, expected="a number", remedy=remedy)
    return _carried(series) if bad.any() else series, 0


def _carried(series: np.ndarray) -> np.ndarray:
    """Each missing value as the one before it in its channel; 0 where there is none."""
    last = np.where(np.isfinite(series), np.arange(len(series))[:, None], -1)
    np.maximum.accumulate(last, axis=0, out=last)
    taken = np.take_along_axis(series, np.maximum(last, 0), 0)
    return np.where(last >= 0, taken, 0)


def _heard(raw: RawValue) -> tuple[Tensor, int]:
    """The samples [N] of a sound and its rate."""
    if not isinstance(raw.value, Sound):
        try:
            return audio.read(_path(raw))
        except DataError as error:
            raise named_in(raw.where, error) from error
    samples, rate = raw.value
    if samples.ndim != 1 or not samples.size:
        raise DataError(raw.where, f"samples of shape {list(samples.shape)}", expected="[N], N > 0")
    scale = 32768 if samples.dtype == np.int16 else 1
    return torch.from_numpy(samples.astype(np.float32) / scale), rate


def _sound(raw: RawValue, settings: SignalSettings, expected: int) -> tuple[np.ndarray, int]:
    samples, own = _heard(raw)
    _check_rate(own, expected, raw.where)
    rate = settings.rate or own
    if rate != own:
        try:
            samples = audio.resample(samples, own, rate)
        except ConfigError as error:
            raise DataError(raw.where, str(error)) from error
    if settings.sound == "mfcc":
        features = audio.mfcc(samples, rate, count=min(13, settings.bands), bands=settings.bands)
    else:
        features = audio.log_mel(samples, rate, bands=settings.bands)
    return features.numpy(), own


def _picture(raw: RawValue, settings: SignalSettings, rate: int) -> tuple[np.ndarray, int]:
    picture = images.read(_path(raw)) if isinstance(raw.value, str) else np.asarray(raw.value)
    if settings.height:
        picture = images.to_height(picture, settings.height)
    elif settings.size:
        picture = images.resize(picture, (settings.size, settings.size))
    return _READ_BY[settings.picture](picture), 0


_READ_BY = {"rows": images.rows, "columns": images.columns, "pixels": images.pixels}


def _frames(raw: RawValue, settings: SignalSettings, rate: int) -> tuple[np.ndarray, int]:
    size = (settings.size, settings.size) if settings.size else None
    if isinstance(raw.value, np.ndarray):
        return images.frames(raw.value, size), 0
    paths = [beside(raw.where, path) for path in raw.value]
    return images.frames(images.read_frames(paths, size)), 0


KINDS: dict[str, SignalKind] = {
    "series": SignalKind(lambda settings: "series", _series),
    "sound": SignalKind(lambda settings: f"sound as {settings.sound}", _sound),
    "picture": SignalKind(lambda settings: f"pictures by {settings.picture}", _picture),
    "frames": SignalKind(lambda settings: "films by frames", _frames),
}


def kind_of(value: Any) -> str:
    """Return the kind of a raw value, which may be a path that is not read; "" for none."""
    if isinstance(value, Sound):
        return "sound"
    if isinstance(value, np.ndarray):
        return _pictured(value.shape) if value.dtype == np.uint8 else "series"
    if isinstance(value, list | tuple) and value:
        pictured = isinstance(value[0], str) and Path(value[0]).suffix.lower() in images.SUFFIXES
        return "frames" if pictured else "" if isinstance(value[0], str) else "series"
    if isinstance(value, str):
        suffix = Path(value).suffix.lower() if len(value) < 4096 else ""
        return next((kind for kind, suffixes in _SUFFIXES.items() if suffix in suffixes), "")
    return ""


def _pictured(shape: tuple[int, ...]) -> str:
    """Bytes are [H, W] or [H, W, 3] of a picture, or [T, H, W] or [T, H, W, 3] of a film, or a series."""
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 3):
        return "picture"
    return "frames" if len(shape) in (3, 4) else "series"


_SUFFIXES = {"sound": audio.SUFFIXES, "picture": images.SUFFIXES, "series": (".npy",)}


def _read(kind: str, raw: RawValue, settings: SignalSettings, rate: int) -> np.ndarray:
    """The features [T, F] of a raw value that must be of the kind and, if it is not 0, of the rate."""
    features, own = _whole(kind, raw, settings, rate)
    _check_rate(own, rate, raw.where)  # of a file that was read before
    return features - features.mean() if settings.level else features


def _whole(kind: str, raw: RawValue, settings: SignalSettings, rate: int) -> tuple[np.ndarray, int]:
    """The features [T, F] of a raw value as they are read, and the rate that a sound has."""
    found = kind_of(raw.value)
    if found != kind:
        raise DataError(raw.where, f"a {found or type(raw.value).__name__}", expected=f"a {kind}, as before")
    try:
        if (files := _files(raw)) is None:
            return KINDS[kind].read(raw, settings, rate)
        return once((files, kind, settings), lambda: KINDS[kind].read(raw, settings, rate))
    except DataError as error:
        raise named_in(raw.where, error) from error


def _finite(features: Tensor, where: str) -> Tensor:
    """The features [T, F], seen to be what float32 holds.

    Raises:
        DataError: one is not, its number being too large or too far from the others.
    """
    bad = ~features.isfinite()
    if bad.any():
        step, feature = bad.nonzero()[0].tolist()
        got = f"a number that is too large at step {step + 1}, feature {feature + 1}"
        raise DataError(where, got, expected="what float32 holds", remedy="mend it, or divide all of them")
    return features


def _files(raw: RawValue) -> Path | tuple[Path, ...] | None:
    """Return the file or files that a value names; None if it is not a name."""
    if isinstance(raw.value, str):
        return _path(raw)
    if isinstance(raw.value, list | tuple) and isinstance(raw.value[0], str):
        return tuple(beside(raw.where, path) for path in raw.value)
    return None


def _path(raw: RawValue) -> Path:
    return beside(raw.where, raw.value)


def _features(width: int, settings: SignalSettings) -> int:
    """Return how many features a step of `width` numbers has, with differences and slopes."""
    return width * (1 + settings.differences) * (1 + settings.deltas)


def _check_scale(scale: ChannelScale, width: int) -> None:
    """A ValueError where there are not as many numbers as channels, or one for all, or none."""
    if len(scale.mean) != len(scale.deviation) or len(scale.mean) not in (0, 1, width):
        raise ValueError(f"{len(scale.mean)} means and {len(scale.deviation)} deviations of {width} channels")


def _check_rate(own: int, rate: int, where: str) -> None:
    if rate and own != rate:
        remedy = f"set signal.rate={rate}, to which all are brought, in training"
        raise DataError(where, f"sound of {own} Hz", expected=f"{rate} Hz, as the others have", remedy=remedy)


def _check_width(features: np.ndarray, width: int, where: str) -> None:
    if features.shape[1] != width:
        raise DataError(
            where,
            f"{features.shape[1]} numbers a step",
            expected=f"{width}, as in the others",
            remedy="give all sequences the same channels, pictures the same size (signal.size or height)",
        )
