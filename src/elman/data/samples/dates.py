"""Dates as people and programs write them, each with the same date as ISO 8601 has it: a small translation.

No text stands for two dates: month before day only between slashes, day before month only between dots; of
two digits for a year, 50 to 99 are of the last century and 00 to 49 of this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from random import Random
from typing import Any

COUNT = 4000
"""How many records there are, no two of the same text."""

FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)
SHORT = range(1950, 2050)
"""The years that two digits may stand for."""

NOTATIONS = {
    **dict.fromkeys(
        (
            *("{d} {March} {y}", "{d} {Mar} {y}", "{d} {Mar_} {y}", "{th} {March} {y}", "{th} {Mar} {y}"),
            *("{th} of {March} {y}", "the {th} of {March}, {y}", "the {th} of {March} {y}"),
            *(
                "{March} {d}, {y}",
                "{Mar} {d}, {y}",
                "{Mar_} {d}, {y}",
                "{March} {th}, {y}",
                "{March} {d} {y}",
            ),
            *("{Tuesday}, {d} {March} {y}", "{Tuesday}, {March} {d}, {y}", "{Tuesday}, {th} of {March} {y}"),
            *(
                "{Tue} {d} {Mar} {y}",
                "{Tue}, {dd} {Mar} {y}",
                "{Tue} {Mar} {dd} {y}",
                "{Tue}, {Mar} {th}, {y}",
            ),
            *("{dd}-{Mar}-{y}", "{y} {March} {d}", "{y}-{Mar}-{dd}"),
            *("{d}.{m}.{y}", "{dd}.{mm}.{y}", "{d}. {m}. {y}", "{m}/{d}/{y}", "{mm}/{dd}/{y}"),
            *("{y}-{mm}-{dd}", "{y}/{mm}/{dd}", "{y}.{mm}.{dd}", "{y}{mm}{dd}", "{Tue} {y}-{mm}-{dd}"),
        ),
        3,
    ),
    **dict.fromkeys(
        (
            *("{d} {III} {y}", "{d}.{III}.{y}", "{y}. {III}. {d}."),
            *("{m}/{d}/{yy}", "{mm}/{dd}/{yy}", "{d}.{m}.{yy}", "{dd}.{mm}.{yy}", "{d} {Mar} {yy}"),
            *("{d} {March} '{yy}", "{March} {d}, '{yy}", "{dd}-{Mar}-{yy}", "{th} of {March} '{yy}"),
            *("the {third} of {March}, {words}", "{March} the {third}, {words}", "{March} {third}, {words}"),
            *("{third} of {March} {y}", "{Tuesday} the {third} of {March}, {words}"),
        ),
        2,
    ),
    **dict.fromkeys(("{week}", "{y}-{day}", "day {n} of {y}", "the {nth} day of {y}"), 1),
}
"""How a date may be written, the names standing for those of 3 March 1987, a Tuesday, and how often."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_ONES = (
    *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
    *("eighteenth", "nineteenth", "twentieth"),
)


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each date its number and the fields `date`, as somebody wrote it, and `iso`."""
    random, seen = Random(1987), set[str]()
    while len(seen) < COUNT:
        day = date.fromordinal(FIRST.toordinal() + _below(random, LAST.toordinal() - FIRST.toordinal() + 1))
        text = _in_case(written(day, _drawn(random, day)), _below(random, 20))
        if text not in seen:
            seen.add(text)
            yield str(len(seen)), {"date": text, "iso": day.isoformat()}


def written(day: date, notation: str) -> str:
    """A date from 1900 to 2099 in one of `NOTATIONS` that serves its year."""
    return notation.format_map(_parts(day))


def notations(day: date) -> list[str]:
    """Those of `NOTATIONS` that serve the year of a date, each as often as it is to be drawn."""
    served = [notation for notation in NOTATIONS if day.year in SHORT or "{yy}" not in notation]
    return [notation for notation in served for _ in range(NOTATIONS[notation])]


def _drawn(random: Random, day: date) -> str:
    served = notations(day)
    return served[_below(random, len(served))]


def _below(random: Random, count: int) -> int:
    """A number from 0 to count - 1, by what every version of Python draws alike."""
    return int(random.random() * count)


def _in_case(text: str, draw: int) -> str:
    """In capitals once in twenty times, in small letters once."""
    return text.upper() if draw == 0 else text.lower() if draw == 1 else text


def _parts(day: date) -> dict[str, str]:
    """What the names in `NOTATIONS` stand for."""
    month, weekday, number = _MONTHS[day.month - 1], _DAYS[day.weekday()], day.timetuple().tm_yday
    year, week, place = day.isocalendar()
    return {
        "d": f"{day.day}",
        "dd": f"{day.day:02}",
        "th": _ordinal(day.day),
        "third": _ordinal_word(day.day),
        "m": f"{day.month}",
        "mm": f"{day.month:02}",
        "March": month,
        "Mar": month[:3],
        "Mar_": month if len(month) == 3 else f"{month[:3]}.",
        "III": _ROMAN[day.month - 1],
        "Tue": weekday[:3],
        "Tuesday": weekday,
        "y": f"{day.year}",
        "yy": f"{day.year % 100:02}",
        "words": _year(day.year),
        "day": f"{number:03}",
        "n": f"{number}",
        "nth": _ordinal(number),
        "week": f"{year}-W{week:02}-{place}",
    }


def _ordinal(number: int) -> str:
    teen = number // 10 % 10 == 1
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _ordinal_word(number: int) -> str:
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    return "thirtieth" if number == 30 else f"{_TENS[number // 10]}-{_ORDINALS[number % 10 - 1]}"


def _year(year: int) -> str:
    """A year in words: nineteen hundred, nineteen oh seven, two thousand and seven, twenty seventeen."""
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return "two thousand" + (f" and {_ONES[rest]}" if rest else "")
    after = _below_hundred(rest) if rest >= 10 else f"oh {_ONES[rest]}" if rest else "hundred"
    return f"{_below_hundred(century)} {after}"


def _below_hundred(number: int) -> str:
    if number < len(_ONES):
        return _ONES[number]
    return "-".join(filter(None, (_TENS[number // 10], _ONES[number % 10])))
