"""What a step is: a move of a pen, a frame of notes, or any numbers; how it is read, and what follows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import DataError, RunError, nearest
from elman.core.records import RawValue, Seq
from elman.core.run_config import SignalSettings
from elman.data.formats.base import exact, float32, read_array
from elman.inputs.base import beside, named_in
from elman.nn.mixture_densities import END, PEN_STATES, UP, Gaussians, MixtureScale, StepDistribution
from elman.nn.readers import InputLayer
from elman.tasks.draw.baselines import Baseline, Frequencies, GaussianSteps, RandomWalk
from elman.tasks.draw.features import FrameFeatures, Moves, NumberFeatures
from elman.tasks.draw.heads import ChordHead, Head, NotesHead, PenHead, ValuesHead
from elman.tasks.draw.result import Curve, GeneratedSequence, PianoRoll, Sketch
from elman.tasks.draw.settings import DrawConfig

_SMALLEST, _TINY = 1e-6, 1e-30
"""What a channel that never changes is divided by, so that it stays small; and the least of one that does."""

_FAR = 100
"""Deviations from 0 beyond which values are given less their mean, which float32 would round."""

_PLACES = 1000
"""Deviations from 0 beyond which moves of a pen are its places."""


class StepType(ABC):
    """One kind of step of C columns."""

    name: ClassVar[str]
    channels: int
    before: Tensor
    """[C], what stands before the first step."""
    after: Tensor
    """[C], what follows the last step: not-a-number where nothing is to be predicted."""

    @classmethod
    @abstractmethod
    def fits(cls, sequences: Sequence[np.ndarray]) -> bool:
        """Whether these sequences [T, C] look like it."""

    @classmethod
    @abstractmethod
    def learn(cls, sequences: Sequence[np.ndarray], options: DrawConfig) -> Self:
        """The kind with what it must know of the training part."""

    @classmethod
    @abstractmethod
    def restore(cls, content: Mapping[str, Any], options: DrawConfig) -> Self:
        """The kind that gave `content`."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What was learnt, in terms of JSON."""

    @abstractmethod
    def about(self) -> str:
        """It in words."""

    @abstractmethod
    def check(self, steps: np.ndarray, where: str) -> None:
        """See that steps [T, C] are of this kind.

        Raises:
            DataError: they are not; with the first fault.
        """

    @abstractmethod
    def reader(self, signal: SignalSettings) -> InputLayer:
        """A fresh first layer for a network."""

    @abstractmethod
    def head(self, size: int, options: DrawConfig) -> Head:
        """A fresh last layer for features of that size."""

    @abstractmethod
    def counted(self, targets: Tensor) -> Tensor:
        """Which of the targets [..., C] are steps, [...]: neither padding nor an end."""

    @abstractmethod
    def ends(self, step: Tensor) -> Tensor:
        """Which of the steps [B, C] are an end and no step any more, [B]."""

    @property
    def offset(self) -> list[float]:
        """What is taken off each channel before the network sees it, in float64; nothing where that is 0."""
        return []

    @abstractmethod
    def baselines(self) -> Mapping[str, Baseline]:
        """Trivial predictors by their names."""

    @abstractmethod
    def drawing(self, steps: np.ndarray, start: str, window: np.ndarray | None) -> GeneratedSequence:
        """Steps [T, C] as something to be looked at."""

    def centred(self, steps: np.ndarray) -> Tensor:
        """Steps [T, C] as the network counts: less the offset, then rounded to float32."""
        return torch.from_numpy(float32(steps))

    def in_units(self, distribution: StepDistribution) -> StepDistribution:
        """A distribution that the network gives, in the data's own units."""
        return distribution

    def following(self, seq: Seq) -> Tensor:
        """What follows each row of data [T, B, C], of which `before` is the first: the next, or `after`."""
        lengths = seq.lengths if seq.lengths is not None else torch.full((seq.data.shape[1],), len(seq.data))
        values = torch.cat([seq.data[1:], seq.data[:1]])
        steps, last = torch.arange(len(values))[:, None], lengths - 1
        values = values.masked_fill((steps >= last)[..., None].to(values.device), float("nan"))
        ends = (steps == last)[..., None].to(values.device)
        return values.where(~ends, self.after.to(values))


@final
class Strokes(StepType):
    """Moves of a pen: dx, dy, and 1 where the pen is lifted after the move.

    dx and dy are divided by one deviation, so that a drawing keeps its shape.
    """

    name = "strokes"
    channels = 3
    before = torch.tensor([0.0, 0.0, END])
    after = torch.tensor([0.0, 0.0, END])

    def __init__(self, deviation: float, options: DrawConfig) -> None:
        self._scale = MixtureScale(torch.zeros(2), torch.full((2,), deviation), options.least)

    @classmethod
    def fits(cls, sequences: Sequence[np.ndarray]) -> bool:
        return all(steps.shape[1] == 3 and _binary(steps[:, 2]) for steps in sequences) and not all(
            map(_binary, sequences)
        )

    @classmethod
    def learn(cls, sequences: Sequence[np.ndarray], options: DrawConfig) -> Self:
        moves = np.concatenate([steps[:, :2] for steps in sequences]).astype(np.float64)
        mean, deviation = moves.mean(0), _deviation(moves)
        if (np.abs(mean) > _PLACES * deviation)[deviation > 0].any():
            got = f"moves about {mean[0]:g}, {mean[1]:g} that differ by {deviation.max():.3g}"
            remedy = "give the differences of the places, or set draw.kind = values"
            raise DataError("strokes", got, expected="dx, dy from a point to the next", remedy=remedy)
        return cls(max(float(np.sqrt((moves**2).mean())), _TINY) if moves.any() else _SMALLEST, options)

    @classmethod
    def restore(cls, content: Mapping[str, Any], options: DrawConfig) -> Self:
        return cls(json_schema.build(_Deviation, content).deviation, options)

    def content(self) -> dict[str, Any]:
        return {"deviation": float(self._scale.deviation[0])}

    def about(self) -> str:
        return f"strokes: dx, dy, pen up; dx and dy deviate by {float(self._scale.deviation[0]):.4g}"

    def check(self, steps: np.ndarray, where: str) -> None:
        _check_columns(steps, self.channels, where, "3 (dx, dy, pen up)")
        _check_binary(steps[:, 2:], where, "the pen in column 3 is lifted or not", first=3)

    def reader(self, signal: SignalSettings) -> InputLayer:
        """See `Kind`: dx, dy, and which state the pen is in."""
        return Moves(2 + PEN_STATES, signal.noise, self._scale)

    def head(self, size: int, options: DrawConfig) -> Head:
        return PenHead(size, options.mixture, self._scale)

    def counted(self, targets: Tensor) -> Tensor:
        return targets[..., 2] <= UP  # false of not-a-number

    def ends(self, step: Tensor) -> Tensor:
        return step[:, 2] == END

    def baselines(self) -> Mapping[str, Baseline]:
        least = float(self._scale.deviation[0]) * self._scale.least
        return {
            "random walk by pen": RandomWalk(least, by_pen=True),
            "random walk": RandomWalk(least, by_pen=False),
        }

    def drawing(self, steps: np.ndarray, start: str, window: np.ndarray | None) -> GeneratedSequence:
        """See `Kind`; an end is a pen that is lifted."""
        return Sketch(np.minimum(steps, np.array([np.inf, np.inf, UP], steps.dtype)), start, window)


@final
class Music(StepType):
    """Frames of notes, 1 where a note sounds.

    Args:
        notes: how many there are.
        options: the settings.
    """

    name = "notes"

    def __init__(self, notes: int, options: DrawConfig) -> None:
        self.channels, self._options = notes, options
        self.before, self.after = torch.zeros(notes), torch.full((notes,), float("nan"))

    @classmethod
    def fits(cls, sequences: Sequence[np.ndarray]) -> bool:
        return all(steps.shape[1] > 1 and _binary(steps) for steps in sequences)

    @classmethod
    def learn(cls, sequences: Sequence[np.ndarray], options: DrawConfig) -> Self:
        return cls(sequences[0].shape[1], options)

    @classmethod
    def restore(cls, content: Mapping[str, Any], options: DrawConfig) -> Self:
        return cls(json_schema.build(_StepTypesNotes, content).notes, options)

    def content(self) -> dict[str, Any]:
        return {"notes": self.channels}

    def about(self) -> str:
        return f"frames of {self.channels} notes"

    def check(self, steps: np.ndarray, where: str) -> None:
        _check_columns(steps, self.channels, where, f"{self.channels} notes, as the others have")
        _check_binary(steps, where, "a note is on or off")

    def reader(self, signal: SignalSettings) -> InputLayer:
        return FrameFeatures(self.channels, signal.noise)

    def head(self, size: int, options: DrawConfig) -> Head:
        if options.chord:
            return ChordHead(size, self.channels, options.chord)
        return NotesHead(size, self.channels)

    def counted(self, targets: Tensor) -> Tensor:
        return ~targets[..., 0].isnan()

    def ends(self, step: Tensor) -> Tensor:
        """See `Kind`: there is no end."""
        return torch.zeros(len(step), dtype=torch.bool, device=step.device)

    def baselines(self) -> Mapping[str, Baseline]:
        return {
            "notes repeat": Frequencies(after=True),
            "notes' frequencies": Frequencies(after=False),
        }

    def drawing(self, steps: np.ndarray, start: str, window: np.ndarray | None) -> GeneratedSequence:
        return PianoRoll(steps, start, window, self._options.lowest, self._options.rate)


@final
class Values(StepType):
    """Any numbers, each channel with mean 0 and deviation 1 to the network.

    Args:
        scale: of the channels, less the offset.
        offset: [C] float64, what is taken off before values are rounded to float32; 0 of what lies near 0.
    """

    name = "values"

    def __init__(self, scale: MixtureScale, offset: np.ndarray) -> None:
        self.channels, self._scale, self._offset = len(scale.centre), scale, offset
        self.before, self.after = scale.centre, torch.full_like(scale.centre, float("nan"))

    @classmethod
    def fits(cls, sequences: Sequence[np.ndarray]) -> bool:
        return True

    @classmethod
    def learn(cls, sequences: Sequence[np.ndarray], options: DrawConfig) -> Self:
        steps = np.concatenate(sequences).astype(np.float64)
        off = steps - steps[0]  # exactly 0 where nothing changes
        mean, wide = steps[0] + off.mean(0), _deviation(steps)
        deviation = np.where(off.any(0), wide.clip(min=_TINY), _SMALLEST)
        offset = np.where(np.abs(mean) > _FAR * deviation, mean, 0.0)
        centre, deviation = (torch.tensor(part).float() for part in (mean - offset, deviation))
        return cls(MixtureScale(centre, deviation, options.least), offset)

    @classmethod
    def restore(cls, content: Mapping[str, Any], options: DrawConfig) -> Self:
        learnt = json_schema.build(_StepTypesSpread, content)
        if len(learnt.centre) != len(learnt.deviation) or min(learnt.deviation, default=0.0) <= 0:
            raise ValueError(f"{len(learnt.centre)} channels with {len(learnt.deviation)} deviations above 0")
        offset = np.array(learnt.offset or [0.0] * len(learnt.centre))
        if len(offset) != len(learnt.centre):
            raise ValueError(f"{len(learnt.centre)} channels with {len(offset)} offsets")
        scale = MixtureScale(torch.tensor(learnt.centre), torch.tensor(learnt.deviation), options.least)
        return cls(scale, offset)

    def content(self) -> dict[str, Any]:
        scale = {"centre": self._scale.centre.tolist(), "deviation": self._scale.deviation.tolist()}
        return {**scale, "offset": self._offset.tolist()} if self._offset.any() else scale

    def about(self) -> str:
        return f"{self.channels} values"

    def check(self, steps: np.ndarray, where: str) -> None:
        _check_columns(steps, self.channels, where, f"{self.channels}, as the others have")

    def reader(self, signal: SignalSettings) -> InputLayer:
        return NumberFeatures(self.channels, signal.noise, self._scale)

    def head(self, size: int, options: DrawConfig) -> Head:
        return ValuesHead(size, options.mixture, self._scale)

    def counted(self, targets: Tensor) -> Tensor:
        return ~targets[..., 0].isnan()

    def ends(self, step: Tensor) -> Tensor:
        """See `Kind`: there is no end."""
        return torch.zeros(len(step), dtype=torch.bool, device=step.device)

    def baselines(self) -> Mapping[str, Baseline]:
        least = self._scale.deviation * self._scale.least
        return {
            "line from the step before": GaussianSteps(least, after=True),
            "one Gaussian": GaussianSteps(least, after=False),
        }

    def drawing(self, steps: np.ndarray, start: str, window: np.ndarray | None) -> GeneratedSequence:
        return Curve(steps + self._offset if self._offset.any() else steps, start, window)

    def centred(self, steps: np.ndarray) -> Tensor:
        return torch.from_numpy(float32(steps - self._offset if self._offset.any() else steps))

    def in_units(self, distribution: StepDistribution) -> StepDistribution:
        """See `StepType`; in float64, where an offset is added."""
        if not self._offset.any():
            return distribution
        assert isinstance(distribution, Gaussians)
        offset = torch.from_numpy(self._offset).to(distribution.mean.device)
        return Gaussians(
            distribution.logits.double(), distribution.mean.double() + offset, distribution.std.double()
        )

    @property
    def offset(self) -> list[float]:
        return self._offset.tolist() if self._offset.any() else []


KINDS: dict[str, type[StepType]] = {member.name: member for member in (Strokes, Music, Values)}
"""In this order they are asked whether data are of them."""


class _Deviation(NamedTuple):
    deviation: Annotated[float, ("exclusiveMinimum", 0)]


class _StepTypesNotes(NamedTuple):
    notes: Annotated[int, ("minimum", 1), ("maximum", 100_000)]


class _StepTypesSpread(NamedTuple):
    centre: list[float]
    deviation: list[float]
    offset: list[float] | None = None


class Named(NamedTuple):
    """Steps [T, C] and where they came from."""

    steps: np.ndarray
    where: str


def learn(found: Sequence[Named], options: DrawConfig) -> StepType:
    """The kind of some sequences, at least one.

    Raises:
        DataError: one is not like the others.
    """
    sequences = [one.steps for one in found]
    name = options.kind
    if name == "auto":
        name = next(name for name, kind in KINDS.items() if kind.fits(sequences))
    width = 3 if name == Strokes.name else sequences[0].shape[1]
    for steps, where in found:
        _check_columns(steps, width, where, "3 (dx, dy, pen up)" if name == Strokes.name else str(width))
    kind = KINDS[name].learn(sequences, options)
    for steps, where in found:
        kind.check(steps, where)
    return kind


def to_content(kind: StepType) -> dict[str, Any]:
    """The kind in terms of JSON."""
    return {"kind": kind.name, **kind.content()}


def restore(content: Mapping[str, Any], options: DrawConfig, where: object) -> StepType:
    """The kind that `to_content` described.

    Raises:
        RunError: it is unknown.
    """
    content = dict(content)
    name = content.pop("kind", None)
    if name not in KINDS:
        raise RunError(where, f"an unknown kind of steps {name!r:.60}", remedy=nearest(str(name), KINDS))
    return KINDS[name].restore(content, options)


def readable(value: Any) -> bool:
    """Whether a value can be a sequence of steps: an array, a list, or the path of a `.npy` file."""
    if isinstance(value, str):
        return value.lower().endswith(".npy")
    return isinstance(value, list | tuple | np.ndarray)


def read(raw: RawValue) -> np.ndarray:
    """The steps [T, C] of a value, as `exact` has them; [T] is one channel.

    Raises:
        DataError: it holds no such numbers, one of them is none, or there is no step.
    """
    value = raw.value
    if not readable(value):
        expected = "a list of steps, an array, or the path of a .npy file"
        raise DataError(raw.where, repr(value)[:60], expected=expected)
    try:
        array = read_array(beside(raw.where, value)) if isinstance(value, str) else value
        steps = exact(array)
    except DataError as error:
        raise named_in(raw.where, error) from error
    except (TypeError, ValueError, OverflowError) as error:
        remedy = "give numbers, and every step as many"
        raise DataError(raw.where, f"no sequence of steps ({error})", remedy=remedy) from error
    if not steps.size:
        raise DataError(raw.where, "a drawing without any step", remedy="leave it out")
    steps = steps[:, None] if steps.ndim == 1 else steps
    if steps.ndim != 2:
        raise DataError(raw.where, f"an array of shape {list(steps.shape)}", expected="steps [T, C]")
    if not np.isfinite(steps).all():
        step, column = np.argwhere(~np.isfinite(steps))[0]
        got = f"{steps[step, column]} at step {step + 1}, column {column + 1}"
        raise DataError(raw.where, got, expected="a number", remedy="leave the drawing out, or mend it")
    return steps


def _deviation(steps: np.ndarray) -> np.ndarray:
    """The standard deviations [C] of steps [T, C] float64, exactly 0 where nothing changes."""
    off = steps - steps[0]
    widest = np.abs(off).max(0)
    return widest * (off / np.where(widest > 0, widest, 1.0)).std(0)


def _binary(numbers: np.ndarray) -> bool:
    return bool(((numbers == 0) | (numbers == 1)).all())


def _check_columns(steps: np.ndarray, channels: int, where: str, expected: str) -> None:
    if steps.shape[1] != channels:
        raise DataError(where, f"{steps.shape[1]} columns", expected=expected)


def _check_binary(numbers: np.ndarray, where: str, why: str, first: int = 1) -> None:
    wrong = (numbers != 0) & (numbers != 1)
    if wrong.any():
        step, column = np.argwhere(wrong)[0]
        got = f"{numbers[step, column]:g} at step {step + 1}, column {column + first}"
        raise DataError(where, got, expected="0 or 1", remedy=why)
