"""Pictures and films whose pixels stay where they are, for a convolution: a step is a whole frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, final

import numpy as np
import torch
from torch import Tensor

from elman.core import json_schema
from elman.core.errors import DataError, TaskError
from elman.core.records import RawValue
from elman.core.run_config import RunConfig
from elman.data.formats.base import unreadable
from elman.inputs.base import Input, beside, named_in
from elman.inputs.incremental import IncrementalEncoder
from elman.inputs.signals import images
from elman.nn.readers import CHANNELS, PixelInput

_LONGEST_PATH = 1024

_Pixels = Annotated[int, ("minimum", 1), ("maximum", 1 << 15)]


class _ImageLearnt(NamedTuple):
    film: bool
    height: _Pixels
    width: _Pixels


@final
class Image(Input):
    """A picture, which has one step, or a film, which has one a frame; grey is as much red, green and blue.

    Args:
        film: whether the values are films.
        height, width: of a frame, in pixels.
        run: the settings.
    """

    name = "picture"

    def __init__(self, film: bool, height: int, width: int, run: RunConfig) -> None:
        self.film, self.height, self.width = film, height, width
        self._size = (run.signal.size, run.signal.size) if run.signal.size else None

    @classmethod
    def takes(cls, value: Any) -> bool:
        """Whether that is a picture or the frames of a film, in an array or in files."""
        return _kind(RawValue(value, "")) != ""

    @classmethod
    def reads(cls, raw: RawValue) -> bool:
        """Whether the value is one that it takes, its paths being meant from the place that names them."""
        return _kind(raw) != ""

    @classmethod
    def learn(cls, values: Sequence[RawValue], run: RunConfig) -> Self:
        """The kind and the size of the first one."""
        film = _kind(values[0]) == "film"
        _, height, width, _ = _frames(values[0], film, cls(film, 0, 0, run)._size).shape
        return cls(film, height, width, run)

    @classmethod
    def restore(cls, content: dict[str, Any], run: RunConfig, where: object) -> Self:
        """The input of the kind and size in `content`."""
        with json_schema.rebuilding(where, "a damaged input"):
            return cls(*json_schema.build(_ImageLearnt, content), run)

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

    def encode(self, raw: RawValue) -> Tensor:
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
        return data[0].view(self.height, self.width, CHANNELS).numpy()

    def reader(self) -> PixelInput:
        """Pixels as numbers."""
        return PixelInput(self.height, self.width)

    def incremental_encoder(self) -> IncrementalEncoder:
        """There is none: a picture has one step."""
        raise TaskError("a stream of pictures", "a task that reads whole ones", expected="series or sound")


def _kind(raw: RawValue) -> str:
    """Whether a value is a `picture` or a `film`; empty if it is neither."""
    value = raw.value
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        if value.ndim == 2 or (value.ndim == 3 and value.shape[2] == CHANNELS):
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
        and Path(value).suffix.lower() in images.SUFFIXES
    )


def _frames(raw: RawValue, film: bool, size: tuple[int, int] | None) -> np.ndarray:
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
            return images.read(beside(raw.where, raw.value), size, color=True)[None]
        return images.read_frames(_paths(raw), size, color=True)
    except DataError as error:
        raise named_in(raw.where, error) from error


def _words(value: Any) -> str:
    known = ", ".join(images.SUFFIXES)
    return f"{value!r}, which names none ({known})" if isinstance(value, str) else type(value).__name__


def _paths(raw: RawValue) -> list[Path]:
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
        frames = np.stack([images.resize(frame, size) for frame in frames])
    return np.repeat(frames[..., None], CHANNELS, 3) if frames.ndim == 3 else frames
