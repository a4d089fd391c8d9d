"""Times are read in every usual form, their frequency is found, and the next ones follow."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.tasks.forecast import frequencies, timestamps
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


def test_an_offset_makes_it_universal_time():
    times = timestamps.read(["2024-01-01T01:00+01:00", "2024-01-01T02:00+01:00"], row)
    assert FixedSpan(HOUR).show(times.values[0]) == "2024-01-01 00:00:00"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["2012-01-01", "2012-02-30"], r"f.csv:3: expected a date \(day is out of range for month\), got"),
        (["2012-01-01", "17"], r"f.csv:3: expected a date, got the time '17'"),
        (["1", "2012-01-01"], r"f.csv:3: expected a number, as above it, got the time '2012-01-01'"),
        (["1", "x"], r"f.csv:3: expected a number, as above it, got the time 'x'"),
        (["2012-01-01", "01/02/2012"], r"f.csv:3: expected a date \(day and month are ambiguous\)"),
        (["2012-01-01", ""], r"f.csv:3: expected a date .* got the time ''"),
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
