"""Tables become regular series: columns guessed or said, and every fault told with its line."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
import pytest

from elman.core.errors import ConfigError, DataError
from elman.core.records import Record
from elman.data import formats
from elman.tasks.forecast import column_roles, covariates, resampling, series
from elman.tasks.forecast.frequencies import DAY, FixedSpan


def table(text: str) -> list[Record]:
    """Records as a CSV file has them."""
    head, *rows = [[cell.strip() for cell in line.split(",")] for line in text.strip().splitlines()]
    return [Record(dict(zip(head, row, strict=True)), f"f.csv:{n}") for n, row in enumerate(rows, start=2)]


def read(text: str, *, fill: bool = False, **said: Sequence[str] | str) -> list[series.Series]:
    records = table(text)
    return series.read(records, column_roles.find(records, **said), fill=fill)[0]  # pyrefly: ignore


LONG = """
unique_id, ds, y, price, colour
b, 2024-01-01, 1, 9, red
a, 2024-01-01, 5, 7, blue
b, 2024-01-02, , 9, red
b, 2024-01-03, 3, 8, red
a, 2024-01-02, 6, 7, blue
"""


def test_long_rows_are_sorted_into_series():
    b, a = read(LONG, known=["price"], static=["colour"])
    assert (b.name, b.length, a.name, a.length) == ("b", 3, "a", 2)
    np.testing.assert_array_equal(b.values, [1, math.nan, 3])
    assert b.extras == {"price": ["9", "9", "8"], "colour": ["red"] * 3}
    assert np.diff(b.times).tolist() == [DAY, DAY]
    assert (b.where, a.where) == ("f.csv:2", "f.csv:3")


def test_columns_are_guessed_and_said():
    found = column_roles.find(table(LONG))
    assert found.words() == "times in 'ds', values in 'y', series named by 'unique_id'"
    assert column_roles.ColumnRoles.of(found.to_json()) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date, a, b\n2024-01-01, 1, 2\n2024-01-02, 3, 4", "times in 'date', values in 'a', 'b'"),
        ("date, b, y\n2024-01-01, 1, 2\n2024-01-02, 3, 4", "times in 'date', values in 'y'"),
        ("YEAR, SPOTS\n1700, 5\n1701, 11", "times in 'YEAR', values in 'SPOTS'"),
        (", time, gas\n1, 1960, 160.1\n2, 1960.25, 129.7", "times in 'time', values in 'gas'"),
        ("t, n, s\n2024-01-01, 3, x\n2024-01-01, 4, y", "times in 't', values in 'n', series named by 's'"),
        ("date, rain, sky\n2024-01-01, 3, wet\n2024-01-02, 4, dry", "times in 'date', values in 'rain'"),
    ],
)  # fmt: skip
def test_guesses(text, words):
    assert column_roles.find(table(text)).words() == words


def test_a_wide_table_has_a_series_a_column():
    a, b = read("date, a, b\n2024-01-01, 1, \n2024-01-02, 3, 4")
    assert (a.name, a.values.tolist()) == ("a", [1, 3])
    assert (b.name, b.values.tolist(), b.length) == ("b", [4], 1)  # it begins with its first value
    (only,) = read("date, a, b\n2024-01-01, 1, \n2024-01-02, 3, 4", values=["a"], past=["b"])
    assert (only.name, only.extras) == ("", {"b": [None, "4"]})


def test_a_row_may_be_a_series():
    head = "id, " + ", ".join(f"v{n}" for n in range(1, 11))
    short, long = read(f"{head}\nH1, 1, 2, 3, , 5, , , , ,\nH2, {', '.join('1234567890')}")
    assert (short.name, short.length, long.length) == ("H1", 5, 10)
    assert math.isnan(short.values[3])
    with pytest.raises(DataError, match=r"f.csv:2: a series without a value"):
        read(f"{head}\nH1{', ' * 10}\nH2, {', '.join('1234567890')}", form="rows")


def test_rows_after_the_last_value_are_the_future():
    (one,) = read("ds, y, sale\n2024-01-01, 1, 0\n2024-01-02, 2, 1\n2024-01-03, , 1", known=["sale"])
    assert (one.length, len(one.times), one.extras["sale"]) == (2, 3, ["0", "1", "1"])


def test_typed_values_are_read_as_well():
    rows = [{"t": dt.datetime(2024, 1, day), "n": float(day) if day != 2 else None} for day in (1, 2, 3)]
    records = [Record(row, f"f.parquet:{n}") for n, row in enumerate(rows, start=1)]
    (one,), frequency = series.read(records, column_roles.find(records))
    assert frequency == FixedSpan(DAY)
    np.testing.assert_array_equal(one.values, [1, math.nan, 3])


def test_the_sunspots_are_there():
    records = formats.read("sample:sunspots")
    (one,), _ = series.read(records, column_roles.find(records))
    assert (one.length, one.values[0], one.values[-1]) == (309, 5, 2.9)


def test_left_out_times_can_be_filled():
    (one,) = read("ds, y\n2024-01-01, 1\n2024-01-02, 2\n2024-01-04, 4\n2024-01-05, 5", fill=True)
    np.testing.assert_array_equal(one.values, [1, 2, math.nan, 4, 5])


def test_one_wrong_time_does_not_fill_all_memory():
    text = "ds, y\n2024-01-01 00:00:00, 1\n2024-01-01 00:00:01, 2\n2094-01-01 00:00:02, 3"
    with pytest.raises(
        DataError, match=r"in 1000 steps at least, got 2094.* after 2024.*, 2,209,075,201 steps"
    ):
        read(text, fill=True)


def test_a_part_in_time():
    (one,) = read("ds, y\n2024-01-01, 1\n2024-01-02, 2\n2024-01-03, 3\n2024-01-04, 4")
    part = series.between(one, "2024-01-02", "2024-01-03")
    assert (part.values.tolist(), part.length) == ([2, 3], 2)
    with pytest.raises(DataError, match=r"forecast.end: expected a time as the data have, got '17'"):
        series.between(one, "", "17")
    with pytest.raises(DataError, match=r"has no value between forecast.start and forecast.end"):
        series.between(one, "2025-01-01", "")


FAULTS = [
    ("ds, y\n2024-01-02, 1\n2024-01-01, 2", 3, "expected times in order, got 2024-01-01 after 2024-01-02"),
    ("ds, y\n2024-01-01, 1\n2024-01-01, 2", 3, "expected one, got a second row for 2024-01-01"),
    (
        "ds, y\n2024-01-01, 1\n2024-01-02, 2\n2024-01-04, 2\n2024-01-05, 2",
        4,
        "expected 2024-01-03, got 2024-01-04 after 2024-01-02; add the rows with an empty value",
    ),
    (
        "id, ds, y\na, 2024-01-01, 1\nb, 2024-01-01, 1\nb, 2024-01-02, 1\na, 2024-01-02, 1\na, 2024-01-04, 1",
        6,
        "expected 2024-01-03, got 2024-01-04 after 2024-01-02 in series 'a'",
    ),
    (
        "ds, y\n2024-01-01 00:00, 1\n2024-01-01 01:00, 2\n2024-01-01 02:00, 2\n2024-01-01 02:30, 2",
        5,
        "expected a step of 1 hour, as most are, got 2024-01-01 02:30:00 after 2024-01-01 02:00:00",
    ),
    (
        "ds, y\n2024-01-01, 1\n2024-01-02, two\n2024-01-03, 2",
        3,
        "expected a number, got 'two' in column 'y'; leave the cell empty where a value is missing",
    ),
    ("ds, y\n2024-01-01, 1\n2024-01-02, inf\n2024-01-03, 2", 3, "expected a number, got 'inf' in column 'y'"),
    ("ds, y\n2024-01-01, 1\n2024-01-02, 2\nsoon, 2", 4, "got the time 'soon'; write dates as 2012-01-31"),
    ("ds, y\n2024-01-01, 1", 2, "expected at least two, from which the step is seen, got one time"),
    ("a, b\nx, y\nz, w", 2, "no column of times among 'a', 'b'; name it: --time COLUMN"),
    (
        "ds, b\n2024-01-01, y\n2024-01-02, w",
        2,
        "no column of numbers among 'b'; name it: --target COLUMN",
    ),
    ("id, ds, y\na, 2024-01-01, \na, 2024-01-02, \nb, 2024-01-02, 3", 2, "series 'a' without a value"),
]


@pytest.mark.parametrize(("text", "line", "message"), FAULTS)
def test_what_is_wrong_is_told_with_its_line(text, line, message):
    with pytest.raises(DataError) as raised:
        read(text)
    assert str(raised.value).startswith(f"f.csv:{line}: ")
    assert message in str(raised.value)


def test_a_column_that_is_not_there_and_one_that_changes():
    with pytest.raises(DataError, match=r"f.csv:2: no column 'pric'; did you mean 'price'"):
        read(LONG, known=["pric"])
    with pytest.raises(DataError, match=r"f.csv:5: expected '9', as in its first row, got '8' in static"):
        read(LONG, static=["price"])


def test_numbers_are_standardised_and_texts_one_hot():
    number = covariates.learn("price", ["1", None, "3"], "f.csv:2")
    assert number.encode(["3", None, 5], "f.csv:2")[:, 0].tolist() == [1, 0, 3]
    text = covariates.learn("sky", ["wet", "dry", None], "f.csv:2")
    assert text.encode(["dry", "wet", "snow", None], "f").tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    with pytest.raises(DataError, match=r"f.csv:9: expected a number, got 'x' in column 'price'"):
        number.encode(["x"], "f.csv:9")
    with pytest.raises(DataError, match="101 different texts in column 'name'"):
        covariates.learn("name", [f"n{i}" for i in range(101)], "f.csv:2")


@pytest.mark.parametrize("word", ["NaN", "NA", "null", "n/a", "<NA>", "None", "#N/A", math.nan, None, ""])
def test_words_for_a_missing_number_are_none(word):
    coding = covariates.learn("price", ["1", word, "3"], "f.csv:2")
    assert (coding.kinds, coding.mean, coding.std) == ((), 2, 1)
    assert coding.encode(["3", word], "f.csv:2").tolist() == [[1], [0]]
    assert math.isnan(series.number(word, "f.csv:2", "y"))
    assert covariates.learn("country", ["NA", "DE"], "f.csv:2").kinds == ("DE", "NA")


def test_a_wide_table_with_the_day_first_is_not_read_sideways():
    head = ",".join(["date", *(f"s{place}" for place in range(10))])
    lines = [f"{day:02}/01/2023," + ",".join(["1", "2"] * 5) for day in range(1, 20)]
    found = read("\n".join([head, *lines, ""]))
    assert [one.name for one in found] == [f"s{place}" for place in range(10)]
    assert found[0].length == 19
    with pytest.raises(DataError, match="the time 'KW 1'"):
        read("\n".join([head, *(f"KW {row},{line[11:]}" for row, line in enumerate(lines, 1)), ""]))


def test_times_that_jitter_are_brought_to_steps_by_a_setting():
    random = np.random.default_rng(2)
    hours = np.arange(40) * 3_600_000 + random.integers(-400_000, 400_000, 40)
    hours = np.delete(hours, 7)
    moments = [np.datetime64("2024-01-01T12:00:00.000") + int(hour) for hour in hours]
    text = "ds,y\n" + "".join(f"{moment},{place}\n" for place, moment in enumerate(moments))
    with pytest.raises(DataError, match=r"--set forecast.resample='1 hour'"):
        read(text)
    records = table(text)
    found, frequency = series.read(records, column_roles.find(records), resample="1 hour")
    assert frequency == FixedSpan(DAY // 24)
    assert (found[0].length, np.flatnonzero(np.isnan(found[0].values)).tolist()) == (40, [7])
    assert frequency.show(found[0].times[0]) == "2024-01-01 12:00:00"
    (half,), _ = series.read(records, column_roles.find(records), resample="2h")
    assert half.values[1] in (1.5, 2, 2.5)  # of those within an hour of it


@pytest.mark.parametrize(("text", "dated", "words"), [
    ("10min", True, "10 minutes"), ("1 hour", True, "1 hour"), ("h", True, "1 hour"),
    ("2 days", True, "2 days"), ("0.004", False, "1/250"), ("1/3", False, "1/3"), ("10", False, "10"),
])  # fmt: skip
def test_steps_to_resample_to(text, dated, words):
    assert resampling.step(text, dated=dated).words == words
    with pytest.raises(ConfigError, match=r"forecast\.resample: expected a"):
        resampling.step(text, dated=not dated)
