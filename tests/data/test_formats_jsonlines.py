"""JSON lines and Parquet."""

import datetime
import gzip
import io
import re
import sys
from decimal import Decimal

import pytest

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data import formats


def fault(source):
    with pytest.raises(DataError) as caught:
        formats.read(str(source))
    return str(caught.value)


# JSON lines


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.jsonl"


def test_objects_as_they_are(path):
    path.write_text(
        '{"text": "é", "n": 1}\r\n\n  {"tokens": ["a", "b"], "n": null, "x": 1.5}', encoding="utf-8"
    )
    assert formats.read(str(path)) == [
        Record({"text": "é", "n": 1}, f"{path}:1"),
        Record({"tokens": ["a", "b"], "n": None, "x": 1.5}, f"{path}:3"),
    ]


def test_gzip(tmp_path):
    path = tmp_path / "rows.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert formats.read(str(path))[0].fields == {"a": 1}


def test_character_that_ends_no_line(path):
    path.write_text('{"a": "\u2028"}\n', encoding="utf-8")
    assert formats.read(str(path))[0].fields == {"a": "\u2028"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": }\n', ":2: not valid JSON: Expecting value at column 7; write one object a line"),
        ("[\n", ":1: not valid JSON: Expecting value at column 2; write one object a line"),
        *(
            (text, f':1: expected an object, such as {{"text": "...", "label": "..."}}, got {got}')
            for text, got in (("[1]", "a list"), ('"a"', "text"), ("1.5", "a number"), ("null", "null"))
        ),
        ("\n\n", ": no record in it (format jsonlines)"),
        ("", ": the file is empty; name a file that holds text"),
    ],
)
def test_broken_lines(path, text, message):
    path.write_text(text)
    assert fault(path) == f"{path}{message}"


def test_objects_come_back_with_the_answer(path):
    path.write_text('{"text": "é", "tokens": ["a"], "deep": {"b": [1]}}\n', encoding="utf-8")
    out = io.StringIO()
    rows = [(record, {"prediction": "x"}) for record in formats.read(str(path))]
    formats.FORMATS["jsonlines"].write(rows, out)
    assert out.getvalue() == '{"text": "é", "tokens": ["a"], "deep": {"b": [1]}, "prediction": "x"}\n'


# JSON


@pytest.mark.parametrize(
    "text",
    [
        '[\n {"text": "a", "y": 1},\n {"text": "b", "y": 2}\n]\n',
        '{"text": "a", "y": 1}\n{"text": "b", "y": 2}\n',
        '{"version": "1.1", "data": [{"text": "a", "y": 1}, {"text": "b", "y": 2}]}',
        '{"text": {"0": "a", "1": "b"}, "y": {"0": 1, "1": 2}}',
        '{"text": ["a", "b"], "y": [1, 2]}',
    ],
)
def test_json_of_records(tmp_path, text):
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert formats.find(str(path)).name == "jsonlines"
    found = formats.read(str(path))
    assert [dict(record.fields) for record in found] == [{"text": "a", "y": 1}, {"text": "b", "y": 2}]
    assert found[1].where in (f"{path}:item 2", f"{path}:2")


@pytest.mark.parametrize("text", ['{"name": "x", "on": {"a": 1}}', "[1, 2]", '{"a": [1, 2], "b": [1]}', "{"])
def test_json_of_another_kind_is_text(tmp_path, text):
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert formats.find(str(path)).name == "text"
    with pytest.raises(DataError):
        formats.read(str(path), name="jsonlines")


def test_an_array_with_a_fault_is_told_with_its_line(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1},\n {"a":,}]')
    assert fault(path) == f"{path}:2: not valid JSON: Expecting value at column 7; mend the file"


# Parquet


@pytest.fixture
def save(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def put(**columns):
        parquet.write_table(pyarrow.table(columns), path := tmp_path / "rows.parquet")
        return str(path)

    return put


def test_columns_of_parquet(save):
    path = save(text=["é", None], n=[1, 2], x=[0.5, None], tokens=[["a"], []])
    assert formats.find(path).name == "parquet"
    assert formats.read(path) == [
        Record({"text": "é", "n": 1, "x": 0.5, "tokens": ["a"]}, f"{path}:row 1"),
        Record({"text": None, "n": 2, "x": None, "tokens": []}, f"{path}:row 2"),
    ]


def test_dates_are_text(save):
    pyarrow = pytest.importorskip("pyarrow")
    path = save(
        day=[datetime.date(2020, 1, 2)],
        at=pyarrow.array([datetime.datetime(2020, 1, 2, 3, 4)], pyarrow.timestamp("us")),
        fine=pyarrow.array([1_577_934_245_000_000_001], pyarrow.timestamp("ns")),
        price=[Decimal("1.50")],
    )
    assert formats.read(path)[0].fields == {
        "day": "2020-01-02",
        "at": "2020-01-02 03:04:00",
        "fine": "2020-01-02 03:04:05",
        "price": 1.5,
    }


def test_broken_parquet(save):
    path = save(n=[1, 2])
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"PAR1 cut off")
    assert re.fullmatch(rf"{path}: no Parquet file: [^\n]+; write it again", fault(path))
    path = save(n=[])
    assert fault(path) == f"{path}: no record in it (format parquet)"


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1")
    assert fault(path) == f"{path}: a Parquet file, which pyarrow reads; pip install 'elman[parquet]'"
