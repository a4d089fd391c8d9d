"""Whatever comes over a network: no text of it is taken for the path of a file."""

from __future__ import annotations

import base64
import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core import json_schema
from elman.core.errors import DataError, TaskError
from elman.core.records import Sound
from elman.inputs import payloads

PATHS = (
    "/etc/passwd",
    "secret.npy",
    "../a.wav",
    "C:\\a.png",
    "picture.png",
    "folder/",
    "frames.gif",
    "..",
    "~",
)
TEXTS = ("text", "tokens")
NUMBERS = [kind for kind in payloads.KINDS if kind not in TEXTS]

leaves = st.one_of(st.sampled_from(PATHS), st.text(max_size=8), st.integers(-9, 300), st.none(), st.floats())
names = st.sampled_from(["wav", "samples", "pcm", "rate", "file", "pixels", "path"])
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)


def read(kind: str, sent: Any, steps: int = 1000) -> Any:
    return payloads.decode_payload(
        kind, json_schema.validate(payloads.schema(kind, steps), sent), "value 1", steps
    )


@pytest.mark.parametrize("kind", NUMBERS)
@given(sent=values)
@settings(max_examples=150, deadline=None)
def test_no_text_reaches_a_task_that_reads_no_texts(kind, sent):
    try:
        found = read(kind, sent)
    except DataError:
        return
    if isinstance(found, str):
        assert kind == "pattern"
        assert set(found) <= set("#.?")
    else:
        assert isinstance(found, np.ndarray | Sound)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("path", PATHS)
def test_paths_are_refused(kind, path):
    if kind == "pattern" and path == "..":
        return  # a pattern of two, of which nothing is on
    for sent in (path, [path], [[path]], [path, 1.0], {"file": path}, {"wav": path}, {"path": path}):
        with pytest.raises(DataError):
            read(kind, sent)


def test_texts_and_tokens_stay_as_they_are():
    assert read("text", "a.png") == "a.png"
    assert read("tokens", ["/etc/passwd", "b"]) == ["/etc/passwd", "b"]
    with pytest.raises(DataError, match="at most 1,000"):
        read("text", "a" * 1001)
    with pytest.raises(DataError):
        read("text", ["a"])


def test_series_and_steps_are_arrays():
    assert np.array_equal(read("series", [1, None, 2.5]), [1, np.nan, 2.5], equal_nan=True)
    assert read("series", [[1, 2], [3, 4]]).shape == (2, 2)
    assert read("steps", [[1, 2, 0]]).dtype == np.float32
    with pytest.raises(DataError, match="rows of different lengths"):
        read("series", [[1, 2], [3]])
    with pytest.raises(DataError, match="at most 1,000"):
        read("series", [0] * 1001)


def test_a_pattern_may_be_spelled():
    assert read("pattern", "##.?") == "##.?"
    assert read("pattern", [[1, None], [0, 1]]).shape == (2, 2)


def wav(samples: np.ndarray, rate: int) -> str:
    body = samples.astype("<i2").tobytes()
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16
    )
    return base64.b64encode(head + struct.pack("<4sI", b"data", len(body)) + body).decode()


def test_sound_comes_as_a_wav_file_as_bytes_or_as_numbers():
    wave = (1000 * np.sin(np.arange(800))).astype(np.int16)
    pcm = base64.b64encode(wave.tobytes()).decode()
    as_file, as_bytes = read("sound", {"wav": wav(wave, 8000)}), read("sound", {"pcm": pcm, "rate": 8000})
    as_numbers = read("sound", {"samples": (wave / 32768).tolist(), "rate": 8000})
    assert as_file.rate == as_bytes.rate == as_numbers.rate == 8000
    assert np.array_equal(as_bytes.samples, wave)
    assert np.allclose(as_file.samples, wave / 32768)
    assert np.allclose(as_numbers.samples, wave / 32768)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"wav": "AAAA"}, "a WAV file"),
        ({"wav": wav(np.zeros(800), 100)}, "100 samples a second"),
        ({"wav": wav(np.zeros(88_000), 8000)}, "11.0 s of sound"),
        ({"pcm": "AAA=", "rate": 8000}, ""),
        ({"pcm": "AAAB", "rate": 8000}, "3 bytes"),
        ({"pcm": "A", "rate": 8000}, "no base64"),
        ({"samples": [0.1], "rate": 1}, "at least 1000"),
        ({"samples": [1e300], "rate": 8000}, "not finite"),
    ],
)
def test_sound_that_is_none_is_refused(sent, words):
    if not words:
        assert len(read("sound", sent).samples) == 1
        return
    with pytest.raises(DataError, match=words):
        read("sound", sent)


def file(picture: Any, form: str = "PNG") -> dict[str, str]:
    out = io.BytesIO()
    picture.save(out, form)
    return {"file": base64.b64encode(out.getvalue()).decode()}


def test_a_picture_comes_as_a_file_or_as_pixels():
    images = pytest.importorskip("PIL.Image")
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(read("picture", file(images.fromarray(pixels))), pixels)
    assert np.array_equal(read("picture", {"pixels": pixels.tolist()}), pixels)
    assert read("picture", {"pixels": [[[1, 2, 3]]]}).shape == (1, 1, 3)
    assert read("frames", [{"pixels": pixels.tolist()}] * 2).shape == (2, 3, 4)
    with pytest.raises(DataError, match="rows of different lengths"):
        read("picture", {"pixels": [[1, 2], [3]]})
    with pytest.raises(DataError, match="at most 255"):
        read("picture", {"pixels": [[256]]})


def test_a_small_file_with_a_huge_picture_is_refused_before_it_is_opened():
    images = pytest.importorskip("PIL.Image")
    with pytest.raises(DataError, match="a picture of 9000 x 9000 pixels"):
        read("picture", file(images.new("1", (9000, 9000))))
    with pytest.raises(DataError, match="times the other"):
        read("picture", file(images.new("1", (4000, 2))))


def test_a_file_that_is_another_format_is_refused():
    images = pytest.importorskip("PIL.Image")
    with pytest.raises(DataError, match="no picture"):
        read("picture", file(images.new("RGB", (4, 4)), "EPS"))
    with pytest.raises(DataError, match="no picture"):
        read("picture", {"file": base64.b64encode(b"/etc/passwd").decode()})


def test_what_cannot_be_sent_is_told():
    with pytest.raises(TaskError, match="a model that reads 'smells'"):
        payloads.schema("smells", 3)
