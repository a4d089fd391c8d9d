"""Numbers that are written with commas."""

from __future__ import annotations

import io

import pytest

from elman.core import notes
from elman.data.formats import decimals
from elman.data.formats.base import ReadingHints
from elman.data.formats.table import Table

COMMA, POINT = decimals.COMMA, decimals.POINT


def column(*cells: str, delimiter: str = ";", said: str = "auto"):
    found, guessed = decimals.kinds([[cell] for cell in cells], delimiter, said)
    return [decimals.plain(cell, found.get(0, "")) for cell in cells], guessed


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (("3,14", "2", "", "-0,5"), ["3.14", "2", "", "-0.5"]),
        (("1.234,5", "1.000"), ["1234.5", "1000"]),
        (("1 234,56", "12,5"), ["1234.56", "12.5"]),
        (("0,123", "0,456"), ["0.123", "0.456"]),
        (("NA", "1,5"), ["NA", "1.5"]),
        (("1,234.5", "12"), ["1234.5", "12"]),
        (("1,234,567", "3.5"), ["1234567", "3.5"]),
        (("3,14", "2.5"), ["3,14", "2.5"]),  # in neither of the ways alone
        (("3,14", "about 2"), ["3,14", "about 2"]),
        (("1,2", "so good"), ["1,2", "so good"]),
    ],
)
def test_a_column_tells_by_itself(cells, read):
    for delimiter in (";", ",", "\t"):
        assert column(*cells, delimiter=delimiter) == (read, False)


def test_what_may_be_both_is_as_the_separator_suggests_and_guessed():
    assert column("1,234", "5,678") == (["1.234", "5.678"], True)
    assert column("1,234", "5,678", delimiter="\t") == (["1234", "5678"], True)
    assert column("1,234", said="point") == (["1234"], False)
    assert column("1,234", said="comma", delimiter=",") == (["1.234"], False)
    assert column("3,14", said="point") == (["3,14"], False)


def test_columns_that_tell_prevail_for_those_that_do_not():
    rows = [["1,234", "0,5"], ["2,000", "7,25"]]
    assert decimals.kinds(rows, "\t", "auto") == ({0: COMMA, 1: COMMA}, True)
    assert decimals.kinds([["1,234", "1,000.5"]], ";", "auto") == ({0: POINT, 1: POINT}, True)


def test_a_table_is_read_as_numbers_and_written_as_it_was(tmp_path):
    path, told, out = tmp_path / "f.csv", list[str](), io.StringIO()
    path.write_text("a;b;c\n1,5;x, y;1\n2,25;z;2\n")
    with notes.forward(told.append):
        records = list(Table().read(str(path), "utf-8"))
    assert [record.fields["a"] for record in records] == ["1.5", "2.25"]
    assert [record.fields["b"] for record in records] == ["x, y", "z"]
    assert told == [f"{path}: commas in 'a' stand before fractions"]
    Table().write([(record, {"p": "q"}) for record in records], out)
    assert out.getvalue() == "a;b;c;p\n1,5;x, y;1;q\n2,25;z;2;q\n"


def test_a_guess_is_said_with_its_cure(tmp_path):
    path, told = tmp_path / "f.csv", list[str]()
    path.write_text("a;b\n1,234;x\n2,345;z\n")
    with notes.forward(told.append):
        records = list(Table(ReadingHints()).read(str(path), "utf-8"))
    assert records[0].fields["a"] == "1.234"
    assert told == [
        f"{path}: commas in 'a' stand before fractions (guessed; if they are not: --decimal point)"
    ]
    assert next(Table(ReadingHints(decimal="point")).read(str(path), "utf-8")).fields["a"] == "1234"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_commas_within_numbers_separate_no_cells(tmp_path, delimiter):
    path = tmp_path / "f.csv"
    path.write_text("\n".join(delimiter.join(("1,5", "2,5", "0,25")) for _ in range(4)))
    assert next(Table().read(str(path), "utf-8")).fields == {"1": "1.5", "2": "2.5", "3": "0.25"}
