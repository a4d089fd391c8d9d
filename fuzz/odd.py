"""Values that programs stumble over: for JSON, for cells of tables, for settings."""

from __future__ import annotations

from typing import Any

DIGITS = "9" * 5000
"""More digits than Python makes a number of."""

RAW = (
    *(
        DIGITS,
        "-" + "9" * 400,
        "1" + "0" * 308,
        "1e999",
        "-1e999",
        "1e308",
        "1.7976931348623157e308",
        "1e-400",
    ),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "-0",
        "18446744073709551616",
        "9223372036854775807",
        "2147483648",
        "00",
        "1.",
    ),
    *(
        "[" * 3000 + "]" * 3000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "[" * 100_000,
        '"\\ud800"',
        '"\\u0000"',
        "tru",
        "",
    ),
)
"""What may stand in a JSON text, or nearly."""

TEXTS = (
    *(
        "",
        " ",
        "a",
        "\0",
        "a\0b.wav",
        "/",
        ".",
        "..",
        "/dev/null",
        "x" * 300,
        "x" * 5000 + ".wav",
        "a/" * 3000,
    ),
    *(
        "{a}",
        "{}",
        "{0}",
        "{a.b}",
        "%s",
        "%(a)s",
        "nan",
        "inf",
        "-inf",
        "null",
        "None",
        "true",
        "<unk>",
        "-",
        "_",
    ),
    *(
        "\ud800",
        "\u2028",
        "\u00a0",
        "é",
        "e\u0301",
        "👩‍👩‍👧",
        "\u202e",
        "１２",
        "١",
        "1_000",
        "0x10",
        "1,5",
        "1e5",
        '"',
        "'",
    ),
    *("\x1b[31m", "a\rb", "a\nb", "\t", "\v", "\x85", "#", ";", "|", "\ufeff", "İ", "ß", "Σ"),
)
"""Texts: of no length, too long, with what other programs take for something else."""

DATES = (
    *(
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "10000-01-01",
        "0000-01-01",
        "2024-02-30",
        "2024-13-01",
    ),
    *(
        "2024-01-01T24:00:00",
        "2024-01-01T00:00:60",
        "1e20",
        "-1",
        "2024-W60",
        "99999999999999999999",
        "2024-01-01+99:99",
    ),
    *("9999-12-31", "0001-01-01", "1970-01-01T00:00:00.999999999Z", "31/12/9999", "1677-09-21", "2262-04-12"),
)
"""Dates at the ends of calendars and beyond."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**53, 2**63, 2**64, 10**30, 1e20, 1e308, 5e-324, -0.0, 0.5),
    *(
        [],
        [[]],
        [1],
        [1, "a"],
        [None],
        [[1, 2], [3]],
        [{}],
        [[[[1]]]],
        {},
        {"a": 1},
        {"": []},
        [0] * 5000,
        ["a"] * 300,
    ),
    *TEXTS,
    *DATES,
)
"""Values for any place of a JSON tree."""

CELLS = (*TEXTS, *DATES, *RAW)
"""Texts for a cell of a table."""

ENCODINGS = (
    *(
        "utf-8",
        "latin-1",
        "utf-16",
        "utf-32",
        "ascii",
        "cp1252",
        "gb18030",
        "utf-8-sig",
        "shift-jis",
        "koi8-r",
        "utf-7",
    ),
    *(
        "punycode",
        "idna",
        "hex",
        "rot13",
        "base64",
        "zlib",
        "bz2",
        "uu",
        "undefined",
        "unicode_escape",
        "palmos",
    ),
    *(
        "raw_unicode_escape",
        "charmap",
        "quopri",
        "",
        " ",
        "a\0b",
        "x" * 1000,
        "utf_8\n",
        "ÜTF-8",
        "hz",
        "iso2022_jp",
    ),
)
"""Encodings, those of no text among them."""

SCALARS = (
    *(
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "true",
        "false",
        '""',
        '"a"',
        '"\\u0000"',
        "[]",
        "{}",
        "''",
    ),
    *(
        DIGITS,
        "9223372036854775807",
        "-9223372036854775809",
        "100000",
        "200000000",
        "1e-320",
        "1979-05-27T07:32:00Z",
    ),
    *(
        "[" * 3000,
        "[" * 400 + "]" * 400,
        "{a=" * 300 + "1" + "}" * 300,
        '"' + "x" * 5000 + '"',
        "[1, 'a']",
        "0x10",
        '"{a}"',
    ),
)
"""Values of a TOML setting, and what is none."""
