"""The samples that are made up: dates to be translated."""

from __future__ import annotations

import re
from datetime import date

import pytest

from elman import formats
from elman.formats.samples import dates


def spelt(year, month, day):
    """All ways in which a date may be written."""
    at = date(year, month, day)
    return [dates.written(at, notation) for notation in dict.fromkeys(dates.notations(at))]


def test_dates_are_many_and_no_text_comes_twice():
    records = formats.read("sample:dates")
    texts = [record.fields["date"] for record in records]
    assert len(records) == len(set(texts)) == 4000
    assert all(list(record.fields) == ["date", "iso"] for record in records)
    assert len({record.fields["iso"] for record in records}) > 3500
    found = [date.fromisoformat(record.fields["iso"]) for record in records]
    assert (min(found).year, max(found).year) == (1900, 2099)
    assert (records[0].where, records[-1].where) == ("sample:dates/1", "sample:dates/4000")


def test_every_notation_of_a_date_occurs():
    def shape(text):
        return re.sub(r"[A-Za-z]+", "a", re.sub(r"\d+", "0", text))

    there = {shape(record.fields["date"]) for record in formats.read("sample:dates")}
    assert {shape(text) for text in spelt(1987, 3, 3)} <= there


def test_no_text_stands_for_two_dates():
    """Whatever the case of its letters; on days that may be taken for months, and years for others."""
    stands: dict[str, str] = {}
    for year in (*range(1900, 2100, 9), 1950, 1999, 2000, 2004, 2005, 2010, 2011, 2049, 2050):
        for month in range(1, 13):
            for day in (1, 2, 3, 10, 11, 12, 20, 21, 28):
                iso = date(year, month, day).isoformat()
                for text in spelt(year, month, day):
                    assert stands.setdefault(text.casefold(), iso) == iso, text


@pytest.mark.parametrize(
    ("day", "texts"),
    [
        (
            (1987, 3, 3),
            [
                *("3 March 1987", "Mar. 3, 1987", "3.3.1987", "03/03/87", "3.III.1987", "1987-W10-2"),
                *("Tuesday, 3rd of March 1987", "the third of March, nineteen eighty-seven", "3 March '87"),
            ],
        ),
        ((2005, 1, 1), ["2004-W53-6", "2005-001", "January first, two thousand and five", "1/1/05"]),
        ((2004, 12, 31), ["the 366th day of 2004", "December the thirty-first, two thousand and four"]),
        ((1900, 5, 22), ["May 22nd, 1900", "May 22, 1900", "May twenty-second, nineteen hundred"]),
        ((2030, 10, 30), ["October thirtieth, twenty thirty", "30 X 2030", "the 303rd day of 2030"]),
        ((1907, 4, 12), ["12th of April 1907", "April the twelfth, nineteen oh seven", "19070412"]),
        ((2013, 8, 11), ["Sun, Aug 11th, 2013", "August eleventh, twenty thirteen", "2013. VIII. 11."]),
    ],
)
def test_how_a_date_is_written(day, texts):
    assert set(texts) <= set(spelt(*day))


def test_two_digits_are_a_year_of_1950_to_2049():
    assert "1/2/50" in spelt(1950, 1, 2)
    assert "1/2/49" in spelt(2049, 1, 2)
    assert "1/2/49" not in spelt(1949, 1, 2)
    assert "1/2/50" not in spelt(2050, 1, 2)
