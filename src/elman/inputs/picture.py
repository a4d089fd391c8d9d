"""Pictures and films whose pixels stay where they are, for a convolution: a step is a whole frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor

from elman import pictures, schema
from elman.config import Run
from elman.errors import DataError, TaskError
from elman.formats.base import unreadable
from elman.inputs.base import Input, Raw, Reader, beside, named_in
from elman.intake import Intake

_LONGEST_PATH = 1024
_CHANNELS = 3


_Pixels = Annotated[int, ("minimum", 1), ("maximum", 1 << 15)]


class _Learnt(NamedTuple):
    film: bool
    height: _Pixels
    width: _Pixels


@final
class Picture(Input):
    """A picture, which has one step, or a film, which has one a frame; grey is as much red, green and blue.

    Args:
        film: whether the values are films.
        height, width: of a frame, in pixels.
        run: the settings.
    """

    name = "picture"

    def __init__(self, film: bool, height: int, width: int, run: Run) -> None:
        self.film, self.height, self.width = film, height, width
        self._size = (run.signal.size, run.signal.size) if run.signal.size else None

    @classmethod
    def takes(cls, value: Any) -> bool:
        """Whether that is a picture or the frames of a film, in an array or in files."""
        return _kind(Raw(value, "")) != ""

    @classmethod
    def reads(cls, raw: Raw) -> bool:
        """Whether the value is one that it takes, its paths being meant from the place that names them."""
        return _kind(raw) != ""

    @classmethod
    def learn(cls, values: Sequence[Raw], run: Run) -> Self:
        """The kind and the size of the first one."""
        film = _kind(values[0]) == "film"
        _, height, width, _ = _frames(values[0], film, cls(film, 0, 0, run)._size).shape
        return cls(film, height, width, run)

    @classmethod
    def restore(cls, content: dict[str, Any], run: Run, where: object) -> Self:
        """The input of the kind and size in `content`."""
        with schema.rebuilding(where, "a damaged input"):
            return cls(*schema.build(_Learnt, content), run)

    @property
    def kind(self) -> str:
        """A picture, or the frames of a film."""
        return "frames" if self.film else "picture"

    def content(self) -> dict[str, Any]:
        """Kind and size."""
        return {"film": self.film, "height": self.height, "width": self.width}

    def about(self) -> str:
        """The kind and size."""
        return f"{'films' if self.film else 'pictures'} of {self.height} x {self.width} pixels"

    def parse(self, line: str) -> str:
        """The path that the line is."""
        return line

    def encode(self, raw: Raw) -> Tensor:
        """The pixels [T, H * W * 3] uint8 of a value; T = 1 of a picture."""
        frames = _frames(raw, self.film, self._size)
        if frames.shape[1:3] != (self.height, self.width):
            raise DataError(
                raw.where,
                f"a picture of {frames.shape[1]} x {frames.shape[2]} pixels",
                expected=f"{self.height} x {self.width}, as the others have",
                remedy="set signal.size, to which all are brought",
            )
        return torch.from_numpy(np.array(frames).reshape(len(frames), -1))

    def pixels(self, data: Tensor) -> np.ndarray:
        """The first frame of what `encode` gave, [H, W, 3] uint8."""
        return data[0].view(self.height, self.width, _CHANNELS).numpy()

    def reader(self) -> Pixels:
        """Pixels as numbers."""
        return Pixels(self.height, self.width)

    def intake(self) -> Intake:
        """There is none: a picture has one step."""
        raise TaskError("a stream of pictures", "a task that reads whole ones", expected="series or sound")


@final
class Pixels(Reader):
    """Pixels [T, B, H * W * 3] uint8 as numbers from -1 to 1, of the same shape."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__(height * width * _CHANNELS)
        self.shape = height, width, _CHANNELS

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See the class."""
        return data.float() / 127.5 - 1

    def planes(self, data: Tensor) -> Tensor:
        """The numbers of [T, B, H * W * 3] pixels as a convolution takes them: [T, B, 3, H, W]."""
        return self(data).unflatten(2, self.shape).movedim(4, 2)


def _kind(raw: Raw) -> str:
    """Whether a value is a `picture` or a `film`; empty if it is neither."""
    value = raw.value
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        if value.ndim == 2 or (value.ndim == 3 and value.shape[2] == _CHANNELS):
            return "picture"
        return "film" if value.ndim in (3, 4) else ""
    if isinstance(value, list | tuple):
        return "film" if value and all(map(_is_name, value)) else ""
    if not isinstance(value, str):
        return ""
    if _is_name(value):
        return "picture"
    return "film" if 0 < len(value) < _LONGEST_PATH and os.path.isdir(beside(raw.where, value)) else ""  # noqa: PTH112, a name that is too long is none


def _is_name(value: Any) -> bool:
    """Whether that is the name of a picture's file."""
    return (
        isinstance(value, str)
        and len(value) < _LONGEST_PATH
        and Path(value).suffix.lower() in pictures.SUFFIXES
    )


def _frames(raw: Raw, film: bool, size: tuple[int, int] | None) -> np.ndarray:
    """The frames [T, H, W, 3] uint8 of a value."""
    kind = _kind(raw)
    if kind != ("film" if film else "picture"):
        got = f"a {kind}" if kind else _words(raw.value)
        expected = "a film: a folder, or the paths, of its frames" if film else "a picture"
        raise DataError(raw.where, got, expected=expected)
    try:
        if isinstance(raw.value, np.ndarray):
            return _colored(raw.value if film else raw.value[None], size)
        if not film:
            return pictures.read(beside(raw.where, raw.value), size, color=True)[None]
        return pictures.read_frames(_paths(raw), size, color=True)
    except DataError as error:
        raise named_in(raw.where, error) from error


def _words(value: Any) -> str:
    known = ", ".join(pictures.SUFFIXES)
    return f"{value!r}, which names none ({known})" if isinstance(value, str) else type(value).__name__


def _paths(raw: Raw) -> list[Path]:
    """The frames in a list of paths, or in a folder in the order of their names."""
    if not isinstance(raw.value, str):
        return [beside(raw.where, path) for path in raw.value]
    folder = beside(raw.where, raw.value)
    try:
        found = sorted(path for path in folder.iterdir() if _is_name(path.name))
    except OSError as error:
        raise unreadable(folder, error) from error
    if found:
        return found
    raise DataError(raw.where, f"a folder without a picture: {folder}", expected="the frames of a film")


def _colored(frames: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Frames [T, H, W] or [T, H, W, 3] in colour and of a size."""
    if size is not None:
        frames = np.stack([pictures.resize(frame, size) for frame in frames])
    return np.repeat(frames[..., None], _CHANNELS, 3) if frames.ndim == 3 else frames
