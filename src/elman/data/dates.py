"""One date as people write it: year first, day or month first, with the name of a month, with a zone or none.

What a text does not tell by itself, whether 01/02/2023 is in January or in February, is left to whoever reads
the whole column.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

DAY = 86_400_000_000
"""Microseconds of a day."""

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day-first", "month-first", "year-first"

_EPOCH = dt.date(1970, 1, 1).toordinal()
_PIVOT = 69
"""Of a year of two digits: from here on it is one of the 1900s, as POSIX has it."""

_MONTHS = (
    "january januar janvier enero gennaio januari janeiro",
    "february februar fevrier febrero febbraio februari fevereiro",
    "march marz maerz mars marzo maart marco",
    "april avril abril aprile",
    "may mai mayo maggio mei maio",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august aout agosto augustus",
    "september septembre septiembre settembre setembro",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dicembre dezembro",
)
_LATIN = (
    "stycznia styczen leden ledna tammikuu tammikuuta ianuarie ocak gener",
    "lutego luty unor unora helmikuu helmikuuta februarie subat febrer",
    "marca marzec brezen brezna maaliskuu maaliskuuta martie mart marcius",
    "kwietnia kwiecien duben dubna huhtikuu huhtikuuta aprilie nisan aprilis",
    "maja maj kveten kvetna toukokuu toukokuuta mayis majus maig",
    "czerwca czerwiec cerven cervna kesakuu kesakuuta iunie haziran junius",
    "lipca lipiec cervenec cervence heinakuu heinakuuta iulie temmuz julius",
    "sierpnia sierpien srpen srpna elokuu elokuuta agustos augusti augusztus",
    "wrzesnia wrzesien zari syyskuu syyskuuta septembrie eylul szeptember",
    "pazdziernika pazdziernik rijen rijna lokakuu lokakuuta octombrie ekim",
    "listopada listopad listopadu marraskuu marraskuuta noiembrie kasim",
    "grudnia grudzien prosinec prosince joulukuu joulukuuta decembrie aralik desember",
)
_CYRILLIC = (
    "январь января янв січень січня",
    "февраль февраля фев лютий лютого",
    "март марта мар березень березня",
    "апрель апреля апр квітень квітня",
    "май мая травень травня",
    "июнь июня июн червень червня",
    "июль июля июл липень липня",
    "август августа авг серпень серпня",
    "сентябрь сентября сен вересень",
    "октябрь октября окт жовтень жовтня",
    "ноябрь ноября ноя листопад листопада",
    "декабрь декабря грудень",
)
_FULL_NAMES = [f"{latin} {cyrillic}".split() for latin, cyrillic in zip(_LATIN, _CYRILLIC, strict=True)]
"""Names that are known whole alone: Polish, Czech, Finnish, Romanian, Turkish, Hungarian, Russian, ..."""

_OFFSETS = {
    **dict.fromkeys(("WET",), "+00:00"),
    **dict.fromkeys(("BST", "CET", "MEZ", "WEST"), "+01:00"),
    **dict.fromkeys(("CEST", "MESZ", "EET", "SAST"), "+02:00"),
    **dict.fromkeys(("EEST", "MSK"), "+03:00"),
    **dict.fromkeys(("JST", "KST"), "+09:00"),
    **dict.fromkeys(("EST", "CDT"), "-05:00"),
    **dict.fromkeys(("MST", "PDT"), "-07:00"),
    **dict.fromkeys(("AEST",), "+10:00"),
    **dict.fromkeys(("AEDT",), "+11:00"),
    **dict.fromkeys(("EDT",), "-04:00"),
    **dict.fromkeys(("MDT",), "-06:00"),
    **dict.fromkeys(("PST",), "-08:00"),
}
"""What abbreviations of zones stand for that mean one; CST and IST mean several."""

_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

_CLOCK = re.compile(
    r"""(?:[Tt,:]|\s)\s*(?P<hour>\d{1,2})
    (?:[:h]?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?)?
    (?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?
    (?:\s?(?P<offset>[Zz]|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?))?
    (?:\s?\[?(?P<name>[A-Za-z]+(?:/[A-Za-z0-9_+-]+)*)\]?)?""",
    re.VERBOSE,
)
_NAME = r"(?P<name>[^\W\d_]{3,})\.?"
_DAY_NUMBER = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
        r"(?P<a>\d{1,2})(?P<sep>[-/.])\s?(?P<b>\d{1,2})(?P=sep)\s?(?P<c>\d{4}|\d{2})",
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?=T)",
        r"(?P<y>\d{4})[-/ ]?[qQ](?P<q>[1-4])",
        r"[qQ](?P<q>[1-4])[-/ ]?(?P<y>\d{4})",
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?![\d-])",
        r"(?P<m>\d{1,2})[-/.](?P<y>\d{4})(?!\d)",
        rf"{_DAY_NUMBER}[-/ ]?\s?(?:de )?{_NAME}(?: de)?[-/ ,]?\s?(?P<year>\d{{4}}|\d{{2}})(?!\d)",
        rf"{_NAME}[-/ ]?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,\s?|[-/ ])(?P<year>\d{{4}})(?!\d)",
        rf"{_NAME}[-/ ,]?\s?'?(?P<year>\d{{4}}|\d{{2}})(?!\d)",
        rf"(?P<year>\d{{4}})[-/ ]?{_NAME}(?:[-/ ]{_DAY_NUMBER})?",
    )
)
_WEEKDAY = re.compile(r"([A-Za-z]{3,9})\.?,?\s+(?=\S)")


class WrittenDate(NamedTuple):
    """A date and time of day as a text has them.

    Args:
        numbers: year, month and day; or, where their order is open, the three in the order of the text.
        open: whether it is.
        clock: microseconds since midnight.
        zone: "", an offset such as "Z" or "+02:00", or a name such as "Europe/Berlin".
        dotted: whether points stand between the numbers, as they do where the day comes first.
    """

    numbers: tuple[int, int, int]
    open: bool = False
    clock: int = 0
    zone: str = ""
    dotted: bool = False

    def orders(self) -> tuple[str, ...]:
        """The orders in which the numbers are a date."""
        return tuple(order for order in _ORDERS if self.day(order) is not None)

    def day(self, order: str) -> int | None:
        """The day since 1970, the numbers of an open date being in that order; None: there is none."""
        year, month, day = _ORDERS[order](*self.numbers) if self.open else self.numbers  # else of one order
        try:
            return dt.date(year, month, day).toordinal() - _EPOCH
        except ValueError:
            return None


_ORDERS = {
    DAY_FIRST: lambda a, b, c: (_year(c), b, a),
    MONTH_FIRST: lambda a, b, c: (_year(c), a, b),
    YEAR_FIRST: lambda a, b, c: (_year(a) if c < 100 else 0, b, c),
}


@lru_cache(1 << 16)
def parse(text: str) -> WrittenDate | None:
    """The date that a text is; None if it is none.

    Raises:
        ValueError: it has the form of a date, but there is no such day or time.
    """
    text = text.strip()
    if ("T" in text[:9] and "W" in text[:9]) or "-W" in text[:7]:
        return _of(dt.datetime.fromisoformat(text), text)
    text = _without_weekday(text)
    for form in _FORMS:
        if (match := form.match(text)) is not None:
            found = _date(match.groupdict())
            rest = text[match.end() :]
            if found is not None and not rest:
                return _checked(found)
            if found is not None and (clock := _CLOCK.fullmatch(rest)) is not None:
                return _checked(_with_clock(found, clock))
    return None


def of(moment: dt.date) -> WrittenDate:
    """What a date or a datetime of Python says."""
    if not isinstance(moment, dt.datetime):
        return WrittenDate((moment.year, moment.month, moment.day))
    return _of(moment, "")


def _of(moment: dt.datetime, text: str) -> WrittenDate:
    clock = moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)
    offset = moment.utcoffset()
    zone = "" if offset is None else getattr(moment.tzinfo, "key", "") or show_offset(offset)
    zone = "Z" if text.upper().endswith("Z") else zone
    numbers = moment.year, moment.month, moment.day
    return WrittenDate(numbers, False, clock // dt.timedelta(microseconds=1), zone)


def show_offset(offset: dt.timedelta) -> str:
    """An offset from UTC as "+02:00"."""
    minutes = offset // dt.timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _date(found: dict[str, str | None]) -> WrittenDate | None:
    if (first := found.get("a")) is not None:
        numbers = int(first), int(str(found["b"])), int(str(found["c"]))
        return WrittenDate(numbers, True, dotted=found["sep"] == ".")
    if (name := found.get("name")) is not None:
        month = _month(name)
        numbers = _year(int(str(found["year"]))), month, int(found.get("day") or 1)
        return WrittenDate(numbers) if month else None
    month = 3 * int(str(found["q"])) - 2 if found.get("q") else int(str(found["m"]))
    return WrittenDate((int(str(found["y"])), month, int(found.get("d") or 1)))


def _checked(found: WrittenDate) -> WrittenDate:
    """Check that the day exists in one of the orders, and raise its error otherwise."""
    if found.open:
        if not found.orders():
            raise ValueError("there is no such day, whichever number is the month")
    else:
        dt.date(*found.numbers)
    return found


def _with_clock(found: WrittenDate, clock: re.Match[str]) -> WrittenDate:
    hour, half = int(clock["hour"]), (clock["half"] or "").lower()
    if clock["minute"] is None and not half and clock[0][0] not in "Tt ":
        raise ValueError("no time of day")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("hour must be in 1..12")
        hour = hour % 12 + 12 * (half == "p")
    minute, second = int(clock["minute"] or 0), int(clock["second"] or 0)
    part = int((clock["part"] or "").ljust(6, "0")[:6] or 0)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second + part):
        raise ValueError("there is no such time of day")
    moment = ((hour * 60 + minute) * 60 + second) * 1_000_000 + part
    return found._replace(clock=moment, zone=_zone(clock["offset"] or "", clock["name"] or ""))


def _zone(offset: str, name: str) -> str:
    """The name of a zone, which knows the changes of its clocks, before an offset."""
    if name and name.upper() not in ("UTC", "GMT", "Z"):
        return name if offset else _OFFSETS.get(name.upper(), name)
    if not offset:
        return name
    return "Z" if offset in "Zz" else f"{offset[:3]}:{offset[3:].replace(':', '')[:2] or '00'}"


def _plain(name: str) -> str:
    """A name in small letters without marks; of the letters of Turkish and Polish those of English."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(_LETTERS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


_LETTERS = str.maketrans("ıł", "il")


def _without_weekday(text: str) -> str:
    if (match := _WEEKDAY.match(text)) is not None:
        name = match[1].lower()
        if any(day.startswith(name) for day in _WEEKDAYS) and not _month(name):
            return text[match.end() :]
    return text


def _year(year: int) -> int:
    return year if year > 99 else year + (1900 if year >= _PIVOT else 2000)


@lru_cache(1 << 10)
def _month(name: str) -> int:
    """The number of a month by its name or three letters of it at least; 0: none, or of several."""
    for number, names in enumerate(_FULL_NAMES, 1):
        if name.lower() in names or _plain(name) in names:
            return number
    plain = _plain(name)
    found = {
        number
        for number, names in enumerate(_MONTHS, 1)
        if any(full.startswith(plain) for full in names.split())
    }
    return found.pop() if len(found) == 1 and len(plain) > 2 else 0
