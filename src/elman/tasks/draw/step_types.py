"""What a step is: a move of a pen, a frame of notes, or any numbers; how it is read, and what follows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import json_schema
from elman.core.errors import DataError, RunError, nearest
from elman.core.records import RawValue, Seq
from elman.core.run_config import SignalSettings
from elman.data.formats.base import float32, read_array
from elman.inputs.base import beside, named_in
from elman.nn.mixture_densities import END, PEN_STATES, UP, MixtureScale
from elman.nn.readers import InputLayer
from elman.tasks.draw.baselines import Baseline, Frequencies, GaussianSteps, RandomWalk
from elman.tasks.draw.heads import ChordHead, Head, NotesHead, PenHead, ValuesHead
from elman.tasks.draw.result import Curve, GeneratedSequence, PianoRoll, Sketch
from elman.tasks.draw.settings import DrawConfig

_SMALLEST = 1e-6
"""The least deviation that values are divided by: a channel that never changes stays small."""


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

    @abstractmethod
    def baselines(self) -> Mapping[str, Baseline]:
        """Trivial predictors by their names."""

    @abstractmethod
    def drawing(self, steps: np.ndarray, start: str, window: np.ndarray | None) -> GeneratedSequence:
        """Steps [T, C] as something to be looked at."""

    def following(self, seq: Seq) -> Tensor:
        """What follows each row of data [T, B, C], of which `before` is the first: the next, or `after`."""
        lengths = seq.lengths if seq.lengths is not None else torch.full((seq.data.shape[1],), len(seq.data))
        values = torch.cat([seq.data[1:], seq.data[:1]])
        steps, last = torch.arange(len(values))[:, None], lengths - 1
        values = values.masked_fill((steps >= last)[..., None].to(values.device), float("nan"))
        ends = (steps == last)[..., None].to(values.device)
        return values.where(~ends, self.after.to(values))


class _Features(InputLayer):
    """What the first layer reads of a step, disturbed in training as `signal.noise` says."""

    def __init__(self, width: int, noise: float) -> None:
        super().__init__(width)
        self._noise = noise

    def _disturbed(self, data: Tensor) -> Tensor:
        return data + self._noise * torch.randn_like(data) if self.training and self._noise else data


class Scaled(_Features):
    """Values [T, B, C] with their centre taken off, divided by their deviation."""

    centre: Tensor
    deviation: Tensor

    def __init__(self, width: int, noise: float, scale: MixtureScale) -> None:
        super().__init__(width, noise)
        self.register_buffer("centre", scale.centre, persistent=False)
        self.register_buffer("deviation", scale.deviation, persistent=False)

    def _scaled(self, data: Tensor) -> Tensor:
        return self._disturbed((data - self.centre) / self.deviation)


@final
class Moves(Scaled):
    """Moves of a pen: dx and dy scaled, and which state the pen is in."""

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, 2 + 3] of [T, B, 3]."""
        states = F.one_hot(data[..., 2].long(), PEN_STATES).to(data)
        return torch.cat([self._scaled(data[..., :2]), states], -1)


@final
class NumberFeatures(Scaled):
    """Any numbers, scaled."""

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, C], the same shape as came in."""
        return self._scaled(data)


@final
class FrameFeatures(_Features):
    """Frames of notes as they are."""

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, C], the same shape as came in."""
        return self._disturbed(data)


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
        return cls(max(float(np.sqrt((moves**2).mean())), _SMALLEST), options)

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
        scale: of the channels.
    """

    name = "values"

    def __init__(self, scale: MixtureScale) -> None:
        self.channels, self._scale = len(scale.centre), scale
        self.before, self.after = scale.centre, torch.full_like(scale.centre, float("nan"))

    @classmethod
    def fits(cls, sequences: Sequence[np.ndarray]) -> bool:
        return True

    @classmethod
    def learn(cls, sequences: Sequence[np.ndarray], options: DrawConfig) -> Self:
        steps = np.concatenate(sequences).astype(np.float64)
        centre, deviation = (torch.tensor(part).float() for part in (steps.mean(0), steps.std(0)))
        return cls(MixtureScale(centre, deviation.clamp(min=_SMALLEST), options.least))

    @classmethod
    def restore(cls, content: Mapping[str, Any], options: DrawConfig) -> Self:
        learnt = json_schema.build(_StepTypesSpread, content)
        if len(learnt.centre) != len(learnt.deviation) or min(learnt.deviation, default=0.0) <= 0:
            raise ValueError(f"{len(learnt.centre)} channels with {len(learnt.deviation)} deviations above 0")
        return cls(MixtureScale(torch.tensor(learnt.centre), torch.tensor(learnt.deviation), options.least))

    def content(self) -> dict[str, Any]:
        return {"centre": self._scale.centre.tolist(), "deviation": self._scale.deviation.tolist()}

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
        return Curve(steps, start, window)


KINDS: dict[str, type[StepType]] = {member.name: member for member in (Strokes, Music, Values)}
"""In this order they are asked whether data are of them."""


class _Deviation(NamedTuple):
    deviation: Annotated[float, ("exclusiveMinimum", 0)]


class _StepTypesNotes(NamedTuple):
    notes: Annotated[int, ("minimum", 1), ("maximum", 100_000)]


class _StepTypesSpread(NamedTuple):
    centre: list[float]
    deviation: list[float]


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
    """The steps [T, C] float32 of a value; [T] is one channel.

    Raises:
        DataError: it holds no such numbers, one of them is none, or there is no step.
    """
    value = raw.value
    if not readable(value):
        expected = "a list of steps, an array, or the path of a .npy file"
        raise DataError(raw.where, repr(value)[:60], expected=expected)
    try:
        array = read_array(beside(raw.where, value)) if isinstance(value, str) else value
        steps = float32(array)
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
