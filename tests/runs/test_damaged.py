"""Damaged input is read, or refused in one line that tells where and what: a table of the smallest cases."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import elman
from elman import tasks
from elman.core import settings
from elman.core.errors import ConfigError, DataError, DivergedError, ElmanError, nearest
from elman.core.run_config import DataSettings
from elman.data import columns, formats
from elman.data import times as timestamps
from elman.inputs.base import beside
from elman.inputs.signals import audio, images
from elman.metrics import forecasting
from elman.plots import figures
from elman.tasks import dataset
from elman.tasks.forecast import frequencies
from elman.tasks.forecast.stream import _observation
from elman.training import resolve

DIGITS = "9" * 5000
DEEP = "[" * 3000 + "]" * 3000


def rows(count: int = 30, **fields: object) -> str:
    """JSON lines of these fields; a tuple's values take turns."""
    told = [
        {
            name: value[row % len(value)] if isinstance(value, tuple) else value
            for name, value in fields.items()
        }
        for row in range(count)
    ]
    return "".join(json.dumps(each) + "\n" for each in told)


def refusal(path: Path, task: str | None = None, **options: object) -> str:
    """What is told of data that cannot be learnt from, its folder left out."""
    with pytest.raises(ElmanError) as caught:
        learn(path, task, **options)
    return str(caught.value).replace(f"{path.parent}/", "")


def learn(path: Path, task: str | None, **options: object) -> None:
    """All that a training does with its data before the first step."""
    run, _ = resolve.resolve(str(path), task, None, {"hidden": 3, "valid": 0.0, "test": 0.0, **options})
    parts = dataset.load_parts(run)
    tasks.get(run.task).prepare(parts.train, run).encode(parts.train)


# One table a format: what the file holds, the task, and what is told.

JSON = [
    (
        '{"series": [1, ' + "9" * 400 + '], "label": "a"}\n',
        None,
        "a.jsonl:1: expected at most 300 digits, got a whole number of 400 digits",
    ),
    (
        '{"n": ' + DIGITS + "}\n",
        None,
        "a.jsonl:1: expected at most 300 digits, got a whole number of 5,000 digits",
    ),
    (
        '{"text": ' + DEEP + "}\n",
        None,
        "a.jsonl:1: expected a record, got lists or objects nested more than 60 deep",
    ),
    (
        '{"text": ' + "[" * 80 + "]" * 80 + "}\n",
        None,
        "a.jsonl:1: expected a record, got lists or objects nested more than 60 deep",
    ),
    ("{}\n", None, "a.jsonl:1: an object without a key; fill it in, or leave the line out"),
    (
        rows(path="a\0b.wav", label=("x", "y")),
        "classify",
        r"a\x00b.wav (named in a.jsonl:1): cannot be read: embedded null byte; check the path and the disk",
    ),
    (
        rows(path="a" * 300 + ".wav", label=("x", "y")),
        "classify",
        "(named in a.jsonl:1): cannot be read: File name too long; check the path and the disk",
    ),
    (
        rows(path="a\0b.npy", label=("x", "y")),
        "classify",
        "a name that no file can have (embedded null byte); check the path",
    ),
    (
        rows(series=[1e39, 2.0], label=("x", "y")),
        "classify",
        "a.jsonl:1: expected a number, got inf at step 1, channel 1; "
        "fill it, or set signal.missing = carry to go on with the value before",
    ),
]


@pytest.mark.parametrize(("text", "task", "message"), JSON)
def test_json_lines(tmp_path, text, task, message):
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    assert refusal(path, task).endswith(message)


def test_a_key_that_one_line_lacks_is_a_missing_number(tmp_path):
    path = tmp_path / "a.jsonl"
    text = "".join(json.dumps({"a": i / 2, "b": i % 3, "c": "xy"[i % 2]}) + "\n" for i in range(12))
    path.write_text(text + '{"a": 1.0, "c": "x"}\n')
    records = formats.read(str(path))
    assert columns.infer_columns(records, DataSettings(), lambda value: True).input == columns.ALL


def test_json_lines_are_not_taken_for_a_table_for_their_commas(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(rows(ds="2020-01-01", y=0, k=[0]))
    assert formats.find(str(path), ("table", "jsonlines")).name == "jsonlines"


@pytest.mark.parametrize(
    "name",
    [
        "punycode",
        "idna",
        "rot13",
        "base64",
        "hex",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "a\0b",
    ],
)
def test_codecs_that_are_no_encodings_of_text(tmp_path, name):
    path = tmp_path / "a.txt"
    path.write_text("some text\n" * 9)
    with pytest.raises(DataError, match=r"^encoding: "):
        formats.read(str(path), name)


def test_a_number_of_a_word_has_as_many_digits_as_it_needs(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text("9" * 4400 + "\tw" + "\t_" * 8 + "\n\n")
    told = refusal(path, "tag")
    assert told.startswith("a.conllu:1: expected 1, a range or an empty node, got the ID '999")
    assert len(told) < 500
    series = tmp_path / "a.ts"
    series.write_text("@dimensions " + DIGITS + "\n@data\n1:2\n")
    assert refusal(series).startswith("a.ts:1: expected a number of channels, got @dimensions 999")


# Sizes before memory


def npy(shape: str, data: bytes = b"\0" * 8) -> bytes:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def packed(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, data in members.items():
            made.writestr(f"{name}.npy", data)
    return file.getvalue()


def stored(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


X = stored(np.zeros((30, 5), np.float32))

ARRAYS = [
    (
        "a.npy",
        npy("(1000000000000,)"),
        "a.npy: a damaged NumPy file: 8 bytes in place of 4,000,000,000,000 for float32 [1000000000000]; "
        "write it again",
    ),
    (
        "a.npz",
        packed(x=npy("(1000000, 1000000)")),
        "a.npz:x: a damaged NumPy file: "
        "8 bytes in place of 4,000,000,000,000 for float32 [1000000, 1000000]; "
        "write it again",
    ),
    (
        "a.npz",
        packed(x=X, y=stored(np.array([b"a\xff"] * 30))),
        "a.npz: y of texts that are not Unicode; store them as text, of dtype str",
    ),
    (
        "a.npz",
        packed(x=X, y=stored(np.array([0x7FFFFFFF] * 30, np.uint32).view("<U1"))),
        "a.npz: y of texts that are not Unicode; store them as text, of dtype str",
    ),
    (
        "a.npz",
        packed(x=X, y=stored(np.zeros(30, [("a", "f4")]))),
        "a.npz: expected numbers or text, got y of [('a', '<f4')]",
    ),
    (
        "a.npz",
        packed(x=stored(np.float32(2)), lengths=stored(np.array([1]))),
        "a.npz: expected [N, T] or [N, T, C], or `lengths` beside it, got x of shape []",
    ),
    (
        "a.npz",
        packed(x=stored(np.float32(2)), y=stored(np.array(["a"]))),
        "a.npz: expected [N, T] or [N, T, C], or `lengths` beside it, got x of shape []",
    ),
    (
        "a.npz",
        packed(x=b"no array"),
        "a.npz:x: a damaged NumPy file: "
        "the magic string is not correct; expected b'\\x93NUMPY', got b'no arr'; "
        "write it again",
    ),
]


@pytest.mark.parametrize(("name", "data", "message"), ARRAYS)
def test_arrays(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / name, "classify") == message


def test_a_small_gzip_file_does_not_fill_all_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("elman.data.formats.packed._LEAST_UNPACKED", 1000)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(data := gzip.compress(b"a" * 100_000))
    with pytest.raises(DataError) as caught:
        formats.read(str(path))
    got = f"{len(data):,} bytes that unpack to more than {100 * len(data):,}"
    assert str(caught.value) == f"{path}: {got}; if that is right, unpack it with gunzip"


def test_a_small_picture_does_not_fill_all_memory(tmp_path):
    pytest.importorskip("PIL")

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    path = tmp_path / "a.png"
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")))
    with pytest.raises(DataError, match=r"a\.png: .*pixels"):
        images.read(path)


def wav(rate: int, samples: np.ndarray) -> bytes:
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, rate, 0, 4, 32)
    return head + b"data" + struct.pack("<I", len(data)) + data


def test_sound_of_a_rate_or_a_loudness_that_nobody_has():
    with pytest.raises(DataError) as caught:
        audio.decode(wav(2_147_483_647, np.zeros(100)), "a.wav")
    assert str(caught.value).startswith(
        "a.wav: expected from 1 to 1,000,000 samples a second, got 2,147,483,647 Hz; convert it"
    )
    with pytest.raises(DataError) as caught:
        audio.decode(wav(8000, np.array([0, 1e30, 0])), "a.wav")
    assert str(caught.value) == (
        "a.wav: expected samples from -1 to 1, got 1e+30 at sample 2; make the file anew"
    )
    samples, _ = audio.decode(wav(8000, np.full(100, 0.5)), "a.wav")
    with pytest.raises(ConfigError, match=r"^rate and to: expected rates of a larger common divisor"):
        audio.resample(samples, 999_999, 16_000)


# Names and settings


def test_names_that_no_file_can_have(tmp_path):
    for name in ("a\0b.txt", "\ud800.txt", "a" * 5000):
        assert beside(f"{tmp_path}/a.csv:1", name) == tmp_path / name
        with pytest.raises(ElmanError):
            formats.read(name)
        with pytest.raises(ElmanError):
            resolve.resolve(name, None, None, {})


SETTINGS = [
    ("hidden = " + DIGITS, "a.toml: not valid TOML: a whole number of more than 64 bits"),
    ("x = " + DEEP, "a.toml: not valid TOML: values nested too deep"),
    ("task = 8", "a.toml: task: expected the name of a task, got 8"),
    ("task = ['tag']", "a.toml: task: expected the name of a task, got ['tag']"),
    ("[network]\nhidden = 0x" + "f" * 4000, "a.toml: not valid TOML: a whole number of more than 64 bits"),
    (
        '[data]\npath = "a\\u0000b"',
        r"'a\x00b': a name that no file can have (embedded null byte); check the path",
    ),
]


@pytest.mark.parametrize(("text", "message"), SETTINGS)
def test_settings(tmp_path, text, message):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ElmanError) as caught:
        resolve.resolve(None, None, path, {})
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(message)
    assert settings.parse_override(f"data.input={DEEP}") == {"data": {"input": DEEP}}


# Times and numbers in time


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9" * 30, 10**400]
)
def test_times_beyond_the_calendar(time):
    dated = str(time).startswith(("0", "9999-"))
    cells = [time, "2024-01-01T00:30Z"] if dated else [1, time]
    with pytest.raises(DataError, match=r"^row 1: expected (a time in the years 1 to 9999|a number from)"):
        timestamps.read(cells, lambda row: "row 1")


def test_steps_beyond_the_calendar_are_told():
    (last,) = timestamps.read(["9999-12-31"], str).values
    days = frequencies.FixedSpan(frequencies.DAY)
    assert [days.show(time) for time in days.after(last, np.arange(2))] == ["9999-12-31", "10000-01-01"]


def test_steps_that_are_too_short_or_too_many_to_count():
    assert frequencies.find([np.array([0.0, 1e-300, 2e-300])], dated=False) is None
    assert frequencies.NumericSteps(parts=10**9).between(np.array([0.0, 1e18])).tolist() == [0, 10**18]


def test_a_long_cell_is_told_from_a_date_at_once():
    assert not timestamps.is_time("9" * 70_000 + "x")


FORECASTS = [
    (
        "".join(json.dumps({"ds": f"2020-01-{1 + d:02}", "y": 1, "id": [d]}) + "\n" for d in range(20)),
        "a.jsonl:1: expected the name of a series, got [0] in column 'id'",
    ),
    (
        "".join(json.dumps({"t": d, "y": 1e300 if d == 9 else d % 5}) + "\n" for d in range(60)),
        "a.jsonl:1: expected what float32 holds, got 1e+300 among the values; mend it, or divide all values",
    ),
]


@pytest.mark.parametrize(("text", "message"), FORECASTS)
def test_forecasts(tmp_path, text, message):
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    assert refusal(path, "forecast", horizon=2, context=4) == message


def test_a_series_that_never_changes_has_no_overall_score():
    never = {"smape": 0.0, "mase": float("nan")}
    assert np.isnan(forecasting.owa({"smape": 1.0, "mase": 1.0}, never))


@pytest.mark.parametrize("line", ["3\r0", "1," + "0" * 131_073])
def test_an_observation_that_is_no_csv(line):
    with pytest.raises(
        DataError, match=r"^an observation: expected a number, or time and number, got no CSV"
    ):
        _observation(line)


# Texts of users


def test_texts_of_the_data_are_no_templates(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.jsonl"
    strokes = [[[1, row % 3, 0], [2, 3, 0], [0, 1, 1]] for row in range(30)]
    path.write_text(
        "".join(
            json.dumps({"strokes": s, "label": ["{a}", "~$\\frac$"][i % 2]}) + "\n"
            for i, s in enumerate(strokes)
        )
    )
    elman.train(path, task="draw", out=tmp_path / "run", hidden=3, epochs=1, valid=0.3, test=0.2, quiet=True)
    assert '--start "{a}"' in (tmp_path / "run" / "README.md").read_text()


def test_a_formula_in_a_picture_is_a_text():
    assert figures.literal("$x$") == r"\$x\$"
    assert figures.literal("a\ud800b") == "a?b"
    assert len(figures.literal("x" * 70_000)) <= 70


def test_messages_are_short_and_of_one_line():
    error = DataError(
        "a\nb", "x" * 70_000, expected="y" * 70_000, remedy=nearest("z" * 70_000, ["a" * 70_000])
    )
    assert len(str(error)) < 2000
    assert str(error).startswith("a\\nb: expected yyy")
    assert len(str(error).splitlines()) == 1
    assert error.got == "x" * 70_000


def test_a_loss_that_is_not_finite_ends_training(tmp_path):
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("text,y\n" + "".join(f"text {i},{i / 7}\n" for i in range(40)))
    other.write_text("text,y\n" + "".join(f"text {i},{1e30 + i}\n" for i in range(9)))
    with pytest.raises(DivergedError, match=r"a loss of inf on the validation part"):
        elman.train(
            path, task="classify", out=tmp_path / "run", valid_path=str(other), hidden=3, epochs=1, quiet=True
        )


def test_a_label_with_half_a_character_is_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(rows(40, text=("a", "b", "c", "d", "e", "f", "g"), label=("x", "\ud800")))
    model = elman.train(path, task="classify", out=tmp_path / "run", hidden=3, epochs=1, quiet=True)
    assert "\ud800" in model.task.target.classes
    assert "\ud800" in elman.load(tmp_path / "run").task.target.classes
