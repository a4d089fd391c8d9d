"""Dates as people write them: one definition, for heads of tables, kinds of columns and times alike."""

from __future__ import annotations

import pytest

from elman.core.errors import DataError
from elman.data import column_kinds, dates, times
from elman.data.formats.base import ReadingHints
from elman.data.formats.table_head import is_head


@pytest.mark.parametrize(
    ("text", "month"),
    [
        *(("5 stycznia 2023", 1), ("12 unora 2023", 2), ("3 března 2023", 3), ("1 kwietnia 2023", 4)),
        *(("7 мая 2023", 5), ("7 июня 2023", 6), ("1 lipca 2023", 7), ("2 ağustos 2023", 8)),
        *(("4 września 2023", 9), ("5 жовтня 2023", 10), ("6 kasım 2023", 11), ("31 prosince 2023", 12)),
        *(("2 maj 2023", 5), ("2 augusti 2023", 8), ("2 desember 2023", 12), ("2 červen 2023", 6)),
        *(("2 červenec 2023", 7), ("2 marraskuuta 2023", 11), ("2 Mar 2023", 3), ("2 szeptember 2023", 9)),
    ],
)
def test_months_of_european_languages(text, month):
    found = dates.parse(text)
    assert found is not None
    assert found.numbers[:2] == (2023, month)


def read(*texts: str):
    return times.read(texts, lambda row: f"f.csv:{row + 2}")


def test_abbreviations_of_zones_are_offsets():
    found = read("2023-03-26 01:00 CET", "2023-03-26 03:00 CEST", "2023-03-26 04:00 CEST")
    hours = (found.values - found.values[0]) // times.SECOND // 3600
    assert hours.tolist() == [0, 1, 2]
    assert found.style.zone == "+02:00"


@pytest.mark.parametrize("zone", ["CST", "XYZT"])
def test_other_abbreviations_are_refused_by_name_with_the_cure(zone):
    with pytest.raises(DataError) as raised:
        read(f"2023-03-26 01:00 {zone}", f"2023-03-26 03:00 {zone}")
    cure = "write offsets such as +02:00, or a name such as Europe/Berlin"
    assert str(raised.value) == f"f.csv:2: the zone {zone!r}, which is not known; {cure}"


@pytest.mark.parametrize("cell", ["2023-01-31", "31.01.2023", "12:30", "12:30:15", "01/31", "20230131"])
def test_what_is_like_a_date_is_so_in_every_place(cell):
    assert times.resembles(cell)
    assert not is_head([cell, "x"], [["b", "y"], ["c", "z"]], ReadingHints())


@pytest.mark.parametrize("cell", ["1.5", "0.25", "7", "about", "v1.2", ""])
def test_what_is_not_is_so_nowhere(cell):
    assert not times.resembles(cell)


def test_numbers_are_no_times_for_their_points():
    from elman.core.records import Record

    rows = [Record({"t": f"{n / 4}", "label": "ab"[n % 2]}, "f") for n in range(1, 20)]
    assert column_kinds.keys(rows, ["t"]) == {}


@pytest.mark.parametrize(
    ("first", "below", "expected"),
    [
        ("country 1960 1961 1962", ["Aruba 5.1 5.3 5.2", "Chad 1.5 1.25 1"], True),
        ("0 1 2 3 4", ["0.5 2 7 1 3", "4 2 9 9 1"], True),
        ("0 1 2 3 4", ["1 2 3 4 5", "2 3 4 5 6"], False),
        ("sku 2020-01 2020-02 2020-03", ["a 5 9 7", "b 7 8 8"], True),
        ("a 3 1 2", ["b 5 6 7", "c 7 8 8"], False),
    ],
)
def test_a_row_that_counts_on_above_rows_that_do_not_is_a_head(first, below, expected):
    assert is_head(first.split(), [row.split() for row in below], ReadingHints()) == expected
