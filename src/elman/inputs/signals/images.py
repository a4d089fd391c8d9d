"""Pictures as sequences: a file becomes an array; rows, pixels or the frames of a film become steps in time.

Files are read by Pillow, which is an extra. Independent of tensors, models and tasks.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elman.core import optional
from elman.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL import Image


SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
"""The ends of the names of pictures, in lower case."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What a file may hold, whatever its name; some of Pillow's other formats run programs."""

MOST_PIXELS = 1 << 26
"""Default limit of a picture's pixels: a small file can contain a huge picture."""

_REMEDY = "check the path, make the file anew, or leave it out"


def read(path: str | Path, size: tuple[int, int] | None = None, color: bool | None = None) -> np.ndarray:
    """Read a picture, upright, with transparent parts shown on white; of several, the first.

    Args:
        path: the file.
        size: the height and width to resize it to; None: as it is.
        color: True for three channels, False for grey (0.299 R + 0.587 G + 0.114 B);
            None: as the file has it.

    Returns:
        uint8, [H, W] if grey, else [H, W, 3].

    Raises:
        DataError: the file cannot be read or is damaged, or Pillow is not installed.
        ConfigError: a size is below 1.
    """
    path = Path(path)
    pixels = _opened(path, path, color)
    return pixels if size is None else resize(pixels, size)


def decode(content: bytes, where: str, *, most: int, color: bool | None = None) -> np.ndarray:
    """The picture in the bytes of a file, as `read` gives it.

    Args:
        content: the bytes, which may come from anybody.
        where: what to call them in an error.
        most: pixels that it may have; a small file can hold a huge picture.
        color: as `read` has it.

    Raises:
        DataError: as `read`; or it has more pixels.
    """
    return _opened(BytesIO(content), where, color, most)


def read_frames(
    paths: Sequence[str | Path], size: tuple[int, int] | None = None, color: bool | None = None
) -> np.ndarray:
    """Read pictures as the frames of a film.

    Args:
        paths: at least one, in the order of time.
        size: the height and width to resize them to; None: as they are, all alike.
        color: as `read` has it.

    Returns:
        uint8, [T, H, W] or [T, H, W, 3].

    Raises:
        DataError: a picture cannot be read or has another shape than the first, or there is none.
        ConfigError: a size is below 1.
    """
    if not paths:
        raise DataError("frames of a film", "no picture", expected="one or more")
    pictures = [read(path, size, color) for path in paths]
    for picture, path in zip(pictures, paths, strict=True):
        check_shape(picture, pictures[0].shape, path)
    return np.stack(pictures)


def check_shape(picture: np.ndarray, shape: tuple[int, ...], where: object) -> None:
    """Check that a picture has the shape that the others have.

    Args:
        picture: [H, W] or [H, W, C].
        shape: what it should be.
        where: whose picture it is, for the error.

    Raises:
        DataError: its shape is another.
    """
    if picture.shape != shape:
        raise DataError(
            where,
            _shape(picture.shape),
            expected=f"{_shape(shape)}, as the others have",
            remedy="set the size, and whether in colour, to which all are brought",
        )


def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a picture to a height and width, each new pixel a weighted mean of those it covers (bilinear).

    Args:
        picture: uint8, [H, W] or [H, W, 3].
        size: the new height and width.

    Returns:
        uint8, [height, width] or [height, width, 3].

    Raises:
        ConfigError: a size is below 1.
        DataError: Pillow is not installed, or the picture is no such array.
    """
    if min(size) < 1:
        raise ConfigError("size", f"{size[0]} x {size[1]}", expected="1 x 1 or more")
    _check(picture, 2)
    if picture.shape[:2] == size:
        return picture
    _require("resize")
    from PIL import Image

    image = Image.fromarray(picture)
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def to_height(picture: np.ndarray, height: int) -> np.ndarray:
    """Bring a picture to a height, its width in proportion, at least 1 (bilinear, as `resize`).

    Args:
        picture: uint8, [H, W] or [H, W, 3].
        height: the new height.

    Returns:
        uint8, [height, W'] or [height, W', 3].

    Raises:
        ConfigError: a height below 1.
        DataError: Pillow is not installed, or the picture is no such array.
    """
    _check(picture, 2)
    return resize(picture, (height, max(1, round(picture.shape[1] * height / picture.shape[0]))))


def rows(picture: np.ndarray) -> np.ndarray:
    """A picture read row by row, from the top.

    Args:
        picture: uint8, [H, W] or [H, W, C].

    Returns:
        [H, W * C] float32 in [0, 1].

    Raises:
        DataError: the picture is no such array.
    """
    _check(picture, 2)
    return _unit(picture).reshape(len(picture), -1)


def columns(picture: np.ndarray) -> np.ndarray:
    """A picture read column by column, from the left, as a line of writing is.

    Args:
        picture: uint8, [H, W] or [H, W, C].

    Returns:
        [W, H * C] float32 in [0, 1].

    Raises:
        DataError: the picture is no such array.
    """
    _check(picture, 2)
    return _unit(picture).swapaxes(0, 1).reshape(picture.shape[1], -1)


def pixels(picture: np.ndarray) -> np.ndarray:
    """A picture read pixel by pixel, from the left of the top row.

    Args:
        picture: uint8, [H, W] or [H, W, C].

    Returns:
        [H * W, C] float32 in [0, 1], C = 1 if grey.

    Raises:
        DataError: the picture is no such array.
    """
    _check(picture, 2)
    return _unit(picture).reshape(picture.shape[0] * picture.shape[1], -1)


def frames(film: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """A film read frame by frame.

    Args:
        film: uint8, [T, H, W] or [T, H, W, C].
        size: the height and width to resize each frame to, which takes C = 3 or none; None: as they are.

    Returns:
        [T, H * W * C] float32 in [0, 1].

    Raises:
        DataError: the film is no such array.
        ConfigError: a size is below 1.
    """
    _check(film, 3)
    film = film if size is None else np.stack([resize(frame, size) for frame in film])
    return _unit(film).reshape(len(film), -1)


def _opened(file: Path | BytesIO, where: object, color: bool | None, most: int = MOST_PIXELS) -> np.ndarray:
    _require(where)
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > most:
                got = f"a picture of {image.height} x {image.width} pixels"
                raise DataError(where, got, expected=f"at most {most:,}")
            return _pixels(ImageOps.exif_transpose(image), color)
    except DataError:
        raise
    except Image.UnidentifiedImageError as error:
        raise DataError(
            where, "no picture", expected=f"one of {', '.join(SUFFIXES)}", remedy=_REMEDY
        ) from error
    except Exception as error:  # Pillow raises all kinds over damaged bytes
        got = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise DataError(where, got, remedy=_REMEDY) from error


def _pixels(image: Image.Image, color: bool | None) -> np.ndarray:
    """uint8, [H, W] if grey, else [H, W, 3], of a picture in any of Pillow's modes."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel, of which Pillow's own conversion keeps no more than 255
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return np.asarray(image.convert("RGB" if color or (color is None and not grey) else "L"))


def _require(where: object) -> None:
    got = "a picture, which takes Pillow, and that is not installed"
    optional.require("PIL", "image", where, got=got, error=DataError)


def _check(array: np.ndarray, axes: int) -> None:
    """Check that an array is uint8 and has these axes, or one more for channels."""
    if array.dtype != np.uint8 or array.ndim not in (axes, axes + 1) or not array.size:
        shape = "[H, W] or [H, W, C]" if axes == 2 else "[T, H, W] or [T, H, W, C]"
        remedy = "give what `read` returns; values that are not pixels can be given as a series"
        got = f"{array.dtype} {list(array.shape)}"
        raise DataError("picture", got, expected=f"uint8 {shape}", remedy=remedy)


def _unit(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) / 255


def _shape(shape: tuple[int, ...]) -> str:
    colors = f" in {shape[2]} channels" if len(shape) > 2 else " in grey"
    return f"{shape[0]} x {shape[1]} pixels{colors}"
