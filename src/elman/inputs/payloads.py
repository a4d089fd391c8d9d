"""Values that come over a network, from JSON to what tasks read: texts, tokens, arrays, sounds, pictures.

A task takes a text for the path of a file where it learnt from files. Here a text stays one only for tasks
that read texts; everything else becomes an array or a `Sound`, so that nothing that was sent names a file.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from elman.core.errors import DataError, TaskError
from elman.core.json_schema import Schema
from elman.core.records import Sound
from elman.data.formats.base import exact, float32
from elman.inputs.signals import audio, images

_RATES = (1_000, 192_000)
_SIDE, _RATIO = 4_096, 64
"""Most pixels of a picture's side, and how many times the other it may be."""
_NUMBERS: Schema = {"type": "array", "minItems": 1, "items": {"type": "number"}}
_GAPPED: Schema = {"type": ["number", "null"]}
_BYTES: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9+/]*={0,2}$"}
_DOTS = re.compile(r"[#.?]{2,}")


class PayloadKind(NamedTuple):
    """One kind of value: its schema, with a limit of steps, and how it becomes what tasks read."""

    schema: Callable[[int], Schema]
    read: Callable[[Any, str, int], Any]


def schema(kind: str, steps: int) -> Schema:
    """How a value of a kind is written in JSON.

    Args:
        kind: what a task says that it reads.
        steps: most steps that a sequence may have.

    Raises:
        TaskError: values of this kind cannot be sent.
    """
    return _kind(kind).schema(steps)


def decode_payload(kind: str, sent: Any, where: str, steps: int) -> Any:
    """What a task reads, made of a value that its schema describes.

    Raises:
        DataError: bytes that are none, a picture or a sound that is damaged or too large.
        TaskError: values of this kind cannot be sent.
    """
    return _kind(kind).read(sent, where, steps)


def _kind(kind: str) -> PayloadKind:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise TaskError("the model", f"a model that reads {kind!r}", expected=f"one that reads {known}")
    return KINDS[kind]


def _same(sent: Any, where: str, steps: int) -> Any:
    return sent


def _text(steps: int) -> Schema:
    return {"type": "string", "maxLength": steps, "description": "a text"}


def _tokens(steps: int) -> Schema:
    listed = {"type": "array", "minItems": 1, "maxItems": steps, "description": "a list of tokens"}
    token = {"type": "string", "minLength": 1, "maxLength": 1000}
    return {"anyOf": [_text(steps), listed | {"items": token}]}


def _series(steps: int) -> Schema:
    """[T] or [T, C]; null is a missing number."""
    step = {"anyOf": [_GAPPED, _NUMBERS | {"items": _GAPPED, "maxItems": 10_000}]}
    about = "numbers, one for each step, or a list of as many for each step; null where one is missing"
    return {"type": "array", "minItems": 1, "maxItems": steps, "items": step, "description": about}


def _rows(steps: int) -> Schema:
    """[T, C]."""
    row = _NUMBERS | {"maxItems": 10_000}
    return {"type": "array", "minItems": 1, "maxItems": steps, "items": row, "description": "rows of numbers"}


def _array(sent: Any, where: str, steps: int) -> np.ndarray:
    try:
        return exact(np.array(sent, np.float64))  # null becomes not-a-number; what is too large, infinite
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(where, "rows of different lengths", expected="as many numbers in each") from error


def _pattern(steps: int) -> Schema:
    """[N], [H, W] or a text of # and ., with ? or null where nothing is known."""
    spelled = {"type": "string", "pattern": "^[#.?]{2,}$", "maxLength": steps, "description": "a text of #.?"}
    return {"anyOf": [spelled, _series(steps)]}


def _read_pattern(sent: Any, where: str, steps: int) -> Any:
    if isinstance(sent, str):
        assert _DOTS.fullmatch(sent), "the schema lets no other text through"
        return sent
    return _array(sent, where, steps)


def _sound(steps: int) -> Schema:
    rate = {"type": "integer", "minimum": _RATES[0], "maximum": _RATES[1], "description": "samples a second"}
    wav = {"type": "object", "required": ["wav"], "properties": {"wav": _BYTES}}
    numbers = _NUMBERS | {"description": "floats in [-1, 1]"}
    listed = {"samples": numbers, "rate": rate}
    coded = {"pcm": _BYTES | {"description": "16 bits a sample, little-endian, in base64"}, "rate": rate}
    return {
        "anyOf": [
            wav | {"description": "a WAV file in base64"},
            {"type": "object", "required": list(listed), "properties": listed, "description": "samples"},
            {"type": "object", "required": list(coded), "properties": coded, "description": "samples"},
        ]
    }


def _read_sound(sent: dict[str, Any], where: str, steps: int) -> Sound:
    if "wav" in sent:
        samples, rate = audio.decode(_bytes(sent["wav"], where), where)
        sound = Sound(samples.numpy(), rate)
    elif "pcm" in sent:
        content = _bytes(sent["pcm"], where)
        if len(content) % 2 or not content:
            raise DataError(where, f"{len(content)} bytes", expected="2 for each sample, one or more")
        sound = Sound(np.frombuffer(content, "<i2").astype(np.int16), sent["rate"])
    else:
        sound = Sound(float32(_array(sent["samples"], where, steps)), sent["rate"])
    if not _RATES[0] <= sound.rate <= _RATES[1]:
        raise DataError(where, f"{sound.rate} samples a second", expected=f"{_RATES[0]} to {_RATES[1]}")
    seconds, most = len(sound.samples) / sound.rate, steps * audio.HOP
    if seconds > most:
        raise DataError(where, f"{seconds:.1f} s of sound", expected=f"at most {most:g}")
    if sound.samples.dtype != np.int16 and not np.isfinite(sound.samples).all():
        raise DataError(where, "a sample that is not finite", expected="sound")
    return sound


def _picture(steps: int) -> Schema:
    point = {"type": "integer", "minimum": 0, "maximum": 255}
    color = {"type": "array", "minItems": 3, "maxItems": 3, "items": point}
    row = {"type": "array", "minItems": 1, "maxItems": _SIDE, "items": {"anyOf": [point, color]}}
    rows = {"type": "array", "minItems": 1, "maxItems": _SIDE, "items": row}
    file = {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}
    listed = {"type": "object", "required": ["pixels"], "properties": {"pixels": rows}}
    return {
        "anyOf": [
            file | {"description": "a file of a picture (PNG, JPEG, ...) in base64"},
            listed | {"description": "rows of pixels, each 0 to 255 or [red, green, blue]"},
        ]
    }


def _read_picture(sent: dict[str, Any], where: str, steps: int) -> np.ndarray:
    if "file" in sent:
        picture = images.decode(_bytes(sent["file"], where), where, most=_SIDE * _SIDE)
    else:
        try:
            picture = np.array(sent["pixels"], np.uint8)
        except ValueError as error:
            raise DataError(where, "rows of different lengths", expected="as many pixels in each") from error
    high, wide = picture.shape[:2]
    if max(high, wide) > min(_SIDE, _RATIO * min(high, wide)):
        got = f"a picture of {high} x {wide} pixels"
        expected = f"sides of at most {_SIDE}, one at most {_RATIO} times the other"
        raise DataError(where, got, expected=expected)
    return picture


def _frames(steps: int) -> Schema:
    about = "the pictures of a film"
    return {"type": "array", "minItems": 1, "maxItems": steps, "items": _picture(steps), "description": about}


def _read_frames(sent: list[Any], where: str, steps: int) -> np.ndarray:
    found = [_read_picture(one, f"{where}[{place}]", steps) for place, one in enumerate(sent)]
    for place, picture in enumerate(found):
        images.check_shape(picture, found[0].shape, f"{where}[{place}]")
    return np.stack(found)


def _bytes(text: str, where: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise DataError(where, f"no base64 ({error})", expected="bytes in base64") from error


KINDS: dict[str, PayloadKind] = {
    "text": PayloadKind(_text, _same),
    "tokens": PayloadKind(_tokens, _same),
    "series": PayloadKind(_series, _array),
    "steps": PayloadKind(_rows, _array),
    "pattern": PayloadKind(_pattern, _read_pattern),
    "sound": PayloadKind(_sound, _read_sound),
    "picture": PayloadKind(_picture, _read_picture),
    "frames": PayloadKind(_frames, _read_frames),
}
