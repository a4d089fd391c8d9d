"""Times are read in every usual form, their frequency is found, and the next ones follow."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.data import times as timestamps
from elman.tasks.forecast import frequencies
from elman.tasks.forecast.frequencies import DAY, HOUR, FixedSpan, Frequency, Months, NumericSteps, Workdays


def row(number: int) -> str:
    return f"f.csv:{number + 2}"


def found(*cells: object) -> tuple[Frequency, np.ndarray]:
    times = timestamps.read(cells, row)
    frequency = frequencies.find([times.values], dated=times.dated)
    assert frequency is not None
    return frequency, times.values


@pytest.mark.parametrize(
    ("cells", "words", "season", "following"),
    [
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00"], "1 hour", 24, ["2016-07-01 02:00:00"]),
        (["2016-07-01T00:00", "2016-07-01T00:15"], "15 minutes", 96, ["2016-07-01 00:30:00"]),
        (["2012/01/01", "2012/01/02"], "1 day", 7, ["2012-01-03", "2012-01-04"]),
        (["20120101", "20120108"], "1 week", 52, ["2012-01-15"]),
        (["2012-01", "2012-02", "2012-03"], "1 month", 12, ["2012-04-01"]),
        (["2011-11-30", "2011-12-31", "2012-01-31"], "1 month", 12, ["2012-02-29", "2012-03-31"]),
        (["2012-Q1", "2012Q2"], "1 quarter", 4, ["2012-07-01"]),
        (["2001-03-05", "2002-03-05"], "1 year", 1, ["2003-03-05"]),
        ([dt.date(2012, 1, day) for day in (6, 9, 10, 11)], "1 workday", 5, ["2012-01-12"]),
        ([dt.datetime(2012, 1, 6, 23), dt.datetime(2012, 1, 7)], "1 hour", 24, ["2012-01-07 01:00:00"]),
        (["1700", "1701", "1702"], "1", 1, ["1703"]),
        ([10, 20, 30], "10", 1, ["40"]),
        (["1949", "1949.08333333333", "1949.16666666667"], "1/12", 12, ["1949.25", "1949.33333"]),
        (["1960", "1960.25"], "1/4", 4, ["1960.5"]),
        ([0.0, 0.01, 0.02], "1/100", 100, ["0.03"]),
    ],
)
def test_frequency_season_and_what_follows(cells, words, season, following):
    frequency, times = found(*cells)
    assert (frequency.words, frequency.season) == (words, season)
    ahead = frequency.after(times[-1], np.arange(1, len(following) + 1))
    assert [frequency.show(time) for time in ahead] == following
    assert frequency.between(times).tolist() == list(range(len(cells)))
    assert frequencies.of(frequency.to_json()) == frequency


def test_workdays_step_over_the_weekend():
    frequency, times = found("2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09")
    assert frequency == Workdays()
    assert frequency.between(times).tolist() == [0, 1, 2, 3]
    ahead = frequency.after(times[-1], np.arange(1, 5))
    assert [frequency.show(time) for time in ahead][-2:] == ["2024-01-12", "2024-01-15"]


def test_a_gap_does_not_change_what_most_steps_are():
    frequency, times = found("2024-01-01", "2024-01-02", "2024-01-05", "2024-01-06", "2024-01-07")
    assert frequency == FixedSpan(DAY)
    assert frequency.between(times).tolist() == [0, 1, 4, 5, 6]


@pytest.mark.parametrize(
    ("cells", "words", "following"),
    [
        (["2024-01-01T01:00+02:00", "2024-01-01T02:00+02:00"], "1 hour", "2024-01-01 03:00:00+02:00"),
        (["2024-01-01T01:00Z", "2024-01-01T02:00Z"], "1 hour", "2024-01-01 03:00:00Z"),
        (
            ["2024-03-09 00:00:00-05:00", "2024-03-10 00:00:00-05:00", "2024-03-11 00:00:00-04:00"],
            "1 day",
            "2024-03-12 00:00:00-04:00",
        ),
        (
            ["2024-03-30 12:00 Europe/Berlin", "2024-03-31 12:00 Europe/Berlin"],
            "1 day",
            "2024-04-01 12:00:00 Europe/Berlin",
        ),
        (
            ["2024-03-31T00:00 Europe/Berlin", "2024-03-31T01:00 Europe/Berlin"],
            "1 hour",
            "2024-03-31 03:00:00 Europe/Berlin",  # the clocks are set forward
        ),
        (
            [f"2024-10-27T{hour}:00 Europe/Berlin" for hour in ("01", "02", "02", "03")],
            "1 hour",
            "2024-10-27 04:00:00 Europe/Berlin",  # the clocks are set back: two o'clock comes twice
        ),
        (
            ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"],
            "1 hour",
            "2024-10-27 03:00:00+01:00",
        ),
    ],
)  # fmt: skip
def test_a_zone_is_kept(cells, words, following):
    times = timestamps.read(cells, row)
    frequency = frequencies.find([times.values], dated=True)
    assert frequency is not None
    assert frequency.words == words
    assert frequency.between(times.values).tolist() == list(range(len(cells)))
    ahead = frequency.after(times.values[-1], np.array([1]))[0]
    assert frequencies.shown(frequency, times.style, ahead) == following


@pytest.mark.parametrize(
    ("cells", "words", "following", "notation"),
    [
        (["30/01/2023", "31/01/2023"], "1 day", "2023-02-01", "day-first"),
        (["30.01.2023", "31.01.2023"], "1 day", "2023-02-01", "day-first"),
        (["1.2.2023", "2.2.2023"], "1 day", "2023-02-03", "day-first"),
        (["01/30/2023 1:00 PM", "01/30/2023 2:00 PM"], "1 hour", "2023-01-30 15:00:00", "month-first"),
        (["1/30/23", "1/31/23"], "1 day", "2023-02-01", "month-first"),
        (["23-01-30", "23-01-31", "23-02-01"], "1 day", "2023-02-02", "year-first"),
        ([f"01/{month:02}/2023" for month in range(1, 13)] + ["01/01/2024"],
         "1 month", "2024-02-01", "day-first"),
        (["30 Jan 2023", "31 Jan 2023"], "1 day", "2023-02-01", "iso"),
        (["Jan 30, 2023", "January 31st, 2023"], "1 day", "2023-02-01", "iso"),
        (["1. März 2023", "2. März 2023"], "1 day", "2023-03-03", "iso"),
        (["Jan-23", "Feb-23"], "1 month", "2023-03-01", "iso"),
        (["Mon, 30 Jan 2023", "Tue, 31 Jan 2023"], "1 day", "2023-02-01", "iso"),
        (["Q1 2023", "Q2 2023"], "1 quarter", "2023-07-01", "iso"),
        (["2023-W05", "2023-W06"], "1 week", "2023-02-13", "iso"),
        (["202211", "202212", "202301"], "1 month", "2023-02-01", "compact"),
        ([20230130, 20230131], "1 day", "2023-02-01", "compact"),
        (["202301302300", "202301310000"], "1 hour", "2023-01-31 01:00:00", "compact"),
        ([1_700_000_000, 1_700_003_600], "1 hour", "1700007200", "seconds"),
        (["1700000000000", "1700000000500"], "500000 microseconds", "1700000001000", "milliseconds"),
        ([1_700_000_000 * 10**9, 1_700_000_060 * 10**9], "1 minute", "1700000120000000000", "nanoseconds"),
    ],
)  # fmt: skip
def test_a_notation_is_told_from_the_column(cells, words, following, notation):
    times = timestamps.read(cells, row)
    frequency = frequencies.find([times.values], dated=times.dated)
    assert frequency is not None
    assert (frequency.words, times.style.notation) == (words, notation)
    ahead = frequency.after(times.values[-1], np.array([1]))[0]
    assert frequencies.shown(frequency, times.style, ahead) == following


def test_a_setting_settles_what_is_ambiguous():
    cells = ["01/02/2023", "02/02/2023"]
    with pytest.raises(DataError, match=r"day and month are ambiguous; .*--dates day-first or .*month-first"):
        timestamps.read(cells, row)
    first = {
        notation: FixedSpan(DAY).show(timestamps.read(cells, row, notation=notation).values[0])
        for notation in ("day-first", "month-first")
    }
    assert first == {"day-first": "2023-02-01", "month-first": "2023-01-02"}
    days = [44927, 44928]
    assert not timestamps.read(days, row).dated
    assert timestamps.read(days, row, name="date").style.words == "excel (guessed; --dates sets it)"
    assert not timestamps.read(days, row, name="date", notation="numbers").dated
    assert FixedSpan(DAY).show(timestamps.read(days, row, notation="excel").values[0]) == "2023-01-01"
    assert FixedSpan(HOUR).show(timestamps.read([44927.5], row, notation="excel").values[0]) == (
        "2023-01-01 12:00:00"
    )


@pytest.mark.parametrize(
    ("name", "cells", "is_so"),
    [
        ("when", ["01/13/2023", "01/14/2023"], True),
        ("when", ["1 May 2023", None, "2 May 2023"], True),
        ("when", ["1700000000", "1700003600"], True),
        ("when", [202301, 202302], True),
        ("date", [44927, 44928], True),
        ("step", [44927, 44928], False),
        ("id", [1, 2, 3], False),
        ("text", ["hello", "01/13/2023 was fine"], False),
        ("empty", [None, ""], False),
    ],
)  # fmt: skip
def test_whether_a_column_holds_times(name, cells, is_so):
    assert timestamps.holds_times(name, cells) is is_so


def test_a_unit_of_numbers_is_a_season_only_of_years():
    hertz, years = np.arange(300) / 250, 1949 + np.arange(300) / 12
    found = [frequencies.find([times], dated=False) for times in (hertz, years)]
    assert [frequencies.season(each, times) for each, times in zip(found, (hertz, years), strict=True)] == [
        1,
        12,
    ]  # pyrefly: ignore
    assert [frequencies.turned(each, times) for each, times in zip(found, (hertz, years), strict=True)] == [
        (),
        ("one",),
    ]  # pyrefly: ignore


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["2012-01-01", "2012-02-30"], r"f.csv:3: expected a date \(day is out of range for month\), got"),
        (["2012-01-01", "17"], r"f.csv:3: expected a date, got the time '17'"),
        (["1", "2012-01-01"], r"f.csv:3: expected a number, as above it, got the time '2012-01-01'"),
        (["1", "x"], r"f.csv:3: expected a number, as above it, got the time 'x'"),
        (["2012-01-01", "01/02/2012"], r"f.csv:3: expected a date, the year first as above it, got"),
        (["13/01/2012", "01/13/2012"], r"f.csv:3: expected a date, day-first as most are, got"),
        (["2012-01-01", "31/02/2012"], r"f.csv:3: expected a date \(there is no such day, whichever"),
        (["2024-01-01T00:00+02:00", "2024-01-01T01:00"], r"f.csv:3: expected one of the zone '\+02:00'"),
        (["2024-01-01T00:00 Mars/Base", "2024-01-01T01:00 Mars/Base"], r"f.csv:2: the zone 'Mars/Base'"),
        (["2012-01-01", ""], r"f.csv:3: expected a date, got the time ''"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_told_with_its_line(cells, message):
    with pytest.raises(DataError, match=message):
        timestamps.read(cells, row)


def test_cycles_turn_once_in_their_time():
    hours = np.arange(14 * 24) * HOUR + found("2024-01-01", "2024-01-02")[1][0]  # a Monday
    cycles = FixedSpan(HOUR).cycles(hours)
    assert set(cycles) == {"day", "week", "year"}
    assert cycles["day"][[0, 12, 24]].tolist() == [0, 0.5, 0]
    assert cycles["week"][[0, 84, 168]].tolist() == [0, 0.5, 0]
    assert cycles["year"][0] == 0
    assert frequencies.turned(FixedSpan(HOUR), hours) == (
        "day",
    )  # the week came round once, the year not yet
    months = Months(1, 1).cycles(timestamps.read(["2024-01", "2024-07"], row).values)
    assert months["year"].tolist() == [0, 0.5]
    assert NumericSteps(1, 12).cycles(np.array([1949.0, 1949.5]))["one"] == pytest.approx([0, 0.5], abs=0.01)


def test_features_are_two_harmonics_of_each_cycle():
    times = np.arange(48) * HOUR
    channels = frequencies.features(FixedSpan(HOUR), times, ("day",))
    angles = 2 * np.pi * np.arange(48) / 24
    expected = np.stack([np.sin(angles), np.sin(2 * angles), np.cos(angles), np.cos(2 * angles)], 1)
    np.testing.assert_allclose(channels, expected, atol=1e-6)
    assert frequencies.features(NumericSteps(), np.arange(3.0), ()).shape == (3, 0)
