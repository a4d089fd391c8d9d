"""Mutations that know what they damage: JSON, TOML, tables, arrays, sound, pictures, weights."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from fuzz import odd
from fuzz.mutations import Mutation, mutated

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_MARK = "@@{}@@"
_SEPARATORS = b"\t", b",", b";", b":", b" "
_INTEGERS = (0, 1, 2, 3, 7, 8, 16, 255, 65535, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


# Trees of JSON


def _nodes(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree: what holds it, and under which key."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            found.append((holder, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def _changed_node(rng: Random, tree: list[Any]) -> None:
    """Change one place of a tree, in place."""
    nodes = _nodes(tree)
    holder, key = rng.choice(nodes)
    match rng.randrange(10):
        case 0 if holder is not tree:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice((*odd.TEXTS, key + "s", key.upper()))] = holder.pop(key)
        case 2:
            holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, _nested(holder[key], 500)))
        case 3:
            other, place = rng.choice(nodes)
            holder[key] = json.loads(json.dumps(other[place]))
        case 4 if isinstance(holder[key], list) and holder[key]:
            holder[key] = holder[key] * rng.choice((2, 3, 100))
        case 5 if isinstance(holder[key], str):
            holder[key] = rng.choice(
                (holder[key] * 400, holder[key][:1], holder[key] + rng.choice(odd.TEXTS))
            )
        case 6:
            holder[key] = _MARK.format(rng.randrange(len(odd.RAW)))
        case _:
            holder[key] = rng.choice(odd.VALUES)


def json_text(rng: Random, data: bytes, other: bytes) -> bytes:
    """A JSON text of which one value, or some, are others."""
    try:
        tree = [json.loads(data)]
    except (ValueError, RecursionError):
        return data
    for _ in range(rng.choice((1, 1, 2))):
        _changed_node(rng, tree)
    return _dumped(rng, tree[0])


def _dumped(rng: Random, value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    except (ValueError, RecursionError):
        return b"[" * 2000
    for number, raw in enumerate(odd.RAW):
        text = text.replace(f'"{_MARK.format(number)}"', raw)
    return text.encode("utf-8", "surrogatepass")


def json_line(rng: Random, data: bytes, other: bytes) -> bytes:
    """Lines of JSON, one of them damaged."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place] = json_text(rng, lines[place], other)
    return b"\n".join(lines)


def json_lines(rng: Random, data: bytes, other: bytes) -> bytes:
    """Lines of JSON, all of them damaged in the same field."""
    try:
        rows = [json.loads(line) for line in data.splitlines()]
        key = rng.choice(list(rows[0]))
    except (ValueError, RecursionError, TypeError, IndexError):
        return data
    value, few = (
        rng.choice(
            (*odd.VALUES, "@@drop@@", _MARK.format(rng.randrange(len(odd.RAW)))),
        ),
        rng.random() < 0.3,
    )
    for row in rows:
        if isinstance(row, dict) and not (few and rng.random() < 0.5):
            row.pop(key, None) if value == "@@drop@@" else row.update({key: value})
    return b"\n".join(_dumped(rng, row) for row in rows)


# Lines of text


def any_number(rng: Random, data: bytes, other: bytes) -> bytes:
    """A number of a text changed."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(odd.RAW).encode() + data[one.end() :]


def line_moved(rng: Random, data: bytes, other: bytes) -> bytes:
    """A line left out, doubled, moved, emptied, or of another text."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    line = lines.pop(place)
    match rng.randrange(6):
        case 0:
            lines[place:place] = [line, line]
        case 1:
            lines.insert(rng.randrange(len(lines) + 1), line)
        case 2:
            lines.insert(place, b"")
        case 3:
            lines[place:place] = [line, rng.choice(other.split(b"\n"))]
        case 4:
            lines.insert(place, b"" if not line else line[: rng.randrange(len(line))])
    return b"\n".join(lines)


def line_ends(rng: Random, data: bytes, other: bytes) -> bytes:
    """Lines that end in another way, or a mark of an encoding before them."""
    match rng.randrange(7):
        case 0:
            return data.replace(b"\n", b"\r")
        case 1:
            return data.replace(b"\n", b"\r\n")
        case 2:
            return data.replace(b"\n", b"\n\n")
        case 3:
            return data.replace(b"\n", b"\n", 1).replace(b"\n", b"\r", rng.randrange(1, 4))
        case 4:
            return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) + data
        case 5:
            return data.rstrip(b"\n")
        case _:
            return data.replace(b"\n", rng.choice((b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8")))


def reencoded(rng: Random, data: bytes, other: bytes) -> bytes:
    """The same text in another encoding."""
    text = data.decode("utf-8", "replace")
    return text.encode(
        rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "gb18030")), "replace"
    )


def cell(rng: Random, data: bytes, other: bytes) -> bytes:
    """A cell of a table changed, left out or doubled: in one row, or its column in all of them."""
    lines = data.split(b"\n")
    separator = max(_SEPARATORS, key=lines[len(lines) // 2].count)
    row = rng.randrange(len(lines))
    column = rng.randrange(lines[row].count(separator) + 1)
    value, kind = rng.choice(odd.CELLS).encode("utf-8", "surrogatepass"), rng.randrange(5)
    if rng.random() < 0.02:
        value = b"x" * 140_000
    chosen = range(rng.choice((0, 1)), len(lines)) if rng.random() < 0.3 else [row]
    for number in chosen:
        cells = lines[number].split(separator)
        if column < len(cells):
            at = {0: [], 1: [cells[column]] * 2, 2: [cells[column], value]}.get(kind, [value])
            cells[column : column + 1] = at
            lines[number] = separator.join(cells)
    return b"\n".join(lines)


def setting(rng: Random, data: bytes, other: bytes) -> bytes:
    """A line of TOML with another value, name or table."""
    lines = data.split(b"\n")
    places = [place for place, line in enumerate(lines) if b"=" in line] or [0]
    place = rng.choice(places)
    name, _, _ = lines[place].partition(b"=")
    value = rng.choice(odd.SCALARS).encode()
    match rng.randrange(6):
        case 0:
            lines[place] = rng.choice(
                (b"[a", b"[[network]]", b"[" + b"a." * 2000 + b"a]", b"[network.hidden]", b'[""]')
            )
        case 1:
            lines.insert(place, rng.choice(other.split(b"\n")))
        case 2:
            name = rng.choice((name.strip() + b"s", b'""', b"a.b.c", b"x" * 3000, b'"{a}"', b"'\xc2\xa0'"))
            lines[place] = name + b" = " + value
        case _:
            lines[place] = name + b"= " + value
    return b"\n".join(lines)


# Arrays


def _npy(descr: str, shape: str, body: bytes, order: str = "False") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body


_DTYPES = (
    *(
        "'<f4'",
        "'<f8'",
        "'<i8'",
        "'|b1'",
        "'|S5'",
        "'<U3'",
        "'<c16'",
        "'<M8[s]'",
        "'<m8[D]'",
        "'|O'",
        "'<f2'",
        "'|V4'",
    ),
    *("[('a', '<f4')]", "'>f8'", "'|u1'", "'<U0'", "'|S0'", "'<f16'", "None", "'" + "x" * 400 + "'"),
)
_SHAPES = (
    *(
        "()",
        "(0,)",
        "(1,)",
        "(3,)",
        "(2, 0)",
        "(0, 5)",
        "(4, 2)",
        "(2, 3, 4)",
        "(1,)*40",
        "(-1,)",
        "(2.0,)",
        "3",
        "None",
    ),
    *(
        "(1099511627776,)",
        "(4294967296, 4294967296)",
        "(1000000, 0)",
        "(0, 1000000000000)",
        "(" + "9" * 30 + ",)",
    ),
    *("(100000, 100000)", "(" + "1, " * 33 + ")", "('a',)", "(True,)"),
)


def npy(rng: Random, data: bytes, other: bytes) -> bytes:
    """An array under another head, or a small odd one."""
    if rng.random() < 0.3:
        return _npy(rng.choice(_DTYPES), rng.choice(_SHAPES), rng.randbytes(rng.choice((0, 8, 64, 96, 400))))
    body = data[10 + int.from_bytes(data[8:10], "little") :]
    descr = re.search(rb"'descr': ('[^']*')", data)
    shape = re.search(rb"'shape': (\([^)]*\))", data)
    first, second = (one[1].decode("latin-1") if one else "()" for one in (descr, shape))
    first = rng.choice(_DTYPES) if rng.random() < 0.5 else first
    second = rng.choice(_SHAPES) if first == (descr and descr[1].decode("latin-1")) else second
    return _npy(first, second, body, rng.choice(("False", "True")))


def npz(rng: Random, data: bytes, other: bytes) -> bytes:
    """An archive of arrays with a member that is damaged, renamed, missing or more."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        EOFError,
        zlib.error,
    ):
        return data
    if not members:
        return data
    name = rng.choice(list(members))
    match rng.randrange(6):
        case 0:
            del members[name]
        case 1:
            new = rng.choice(
                ("y.npy", "x.npy", "lengths.npy", "x", "a", "../x.npy", "x" * 300 + ".npy", ".npy")
            )
            members[new] = members.pop(name)
        case 2:
            members[rng.choice(("y.npy", "lengths.npy", "x_lengths.npy", "label.npy", "z"))] = npy(
                rng, b"", b""
            )
        case 3:
            members[name] = mutated(rng, members[name], other)
        case _:
            members[name] = npy(rng, members[name], other)
    return zipped(members)


def zipped(members: dict[str, bytes]) -> bytes:
    """An archive that is the same each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


# Sound, pictures, tables of pyarrow, weights


def wav(rng: Random, data: bytes, other: bytes) -> bytes:
    """A WAV of which a field of the head is another, or samples are out of bounds."""
    if len(data) < 48:
        return data
    if rng.random() < 0.2:
        values = rng.choice((1e30, float("nan"), float("inf"), -1e38, 1e-40))
        body = struct.pack("<8f", *([0.1] * 7), values) * rng.choice((1, 40))
        return data[:16] + struct.pack("<IHHIIHH4sI", 16, 3, 1, 8000, 32000, 4, 32, b"data", len(body)) + body
    place, code = rng.choice(
        (
            (4, "<I"),
            (16, "<I"),
            (20, "<H"),
            (22, "<H"),
            (24, "<I"),
            (28, "<I"),
            (32, "<H"),
            (34, "<H"),
            (40, "<I"),
        )
    )
    value = rng.choice(_INTEGERS) % (1 << 8 * struct.calcsize(code))
    return data[:place] + struct.pack(code, value) + data[place + struct.calcsize(code) :]


def png(rng: Random, data: bytes, other: bytes) -> bytes:
    """A PNG whose head says other sizes or colours, its checksum right."""
    if len(data) < 33:
        return data
    head = bytearray(data[12:29])
    place = rng.choice((4, 8, 12, 13, 14, 15, 16))
    if place < 12:
        head[place : place + 4] = struct.pack(">I", rng.choice((*_INTEGERS, 30_000, 100_000)))
    else:
        head[place] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    return data[:12] + bytes(head) + struct.pack(">I", zlib.crc32(head)) + data[33:]


def parquet(rng: Random, data: bytes, other: bytes) -> bytes:
    """A table with a column of another type."""
    import pyarrow
    from pyarrow import parquet as target

    try:
        table = target.read_table(pyarrow.BufferReader(data))
        name, count = rng.choice(table.column_names), table.num_rows
        values = rng.choice(
            ([], [1], [None], [[1]], [{"a": 1}], [b"a"], ["a", "b"], [1e308, None], [True], [[["a"]]])
        )
        column = pyarrow.array([values[i % len(values)] for i in range(count)] if values else [None] * count)
        table = table.drop_columns([name]).append_column(rng.choice((name, "", "x" * 300, "a\0")), column)
        table = table.slice(0, rng.choice((0, 1, count, count)))
        out = io.BytesIO()
        target.write_table(table, out)
    except (pyarrow.ArrowException, OSError, IndexError, ValueError, TypeError, KeyError):
        return data
    return out.getvalue()


def weights(rng: Random, data: bytes, other: bytes) -> bytes:
    """A safetensors file whose head is damaged as JSON, its notes too, or a tensor is other numbers."""
    size = int.from_bytes(data[:8], "little")
    head, body = data[8 : 8 + size], data[8 + size :]
    kind = rng.randrange(4)
    if kind == 0:
        head = _notes(rng, head, other)
    elif kind == 1:
        head = json_text(rng, head, other)
    elif kind == 2:
        head = head.replace(
            *rng.choice(((b'"F32"', b'"I32"'), (b'"F32"', b'"BF16"'), (b'"I64"', b'"F64"'), (b"[4", b"[2"))),
            1,
        )
    else:
        place = rng.randrange(max(1, len(body) // 4)) * 4
        value = rng.choice((float("nan"), float("inf"), 1e30, 0.0, -1.0, 1e-45))
        body = body[:place] + struct.pack("<f", value) + body[place + 4 :]
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + body


def _notes(rng: Random, head: bytes, other: bytes) -> bytes:
    """What stands in the notes of a head, damaged as JSON."""
    try:
        tree = json.loads(head)
        notes = json_text(rng, tree["__metadata__"]["elman"].encode(), other)
        tree["__metadata__"]["elman"] = notes.decode("utf-8", "replace")
        return json.dumps(tree).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return head


def in_gzip(inner: tuple[Mutation, ...]) -> Callable[[Random, bytes, bytes], bytes]:
    """Mutations of what is in a gzip."""

    def inside(rng: Random, data: bytes, other: bytes) -> bytes:
        try:
            content = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return data
        return gzip.compress(mutated(rng, content, content, inner), mtime=0)

    return inside


_LINES = any_number, line_moved, line_ends, reencoded
_ROWS = cell, cell, cell, *_LINES
_JSON = json_text, json_text, any_number
_JSON_LINES = json_line, json_line, json_lines, json_lines, *_LINES

KNOWN: dict[str, tuple[Mutation, ...]] = {
    **dict.fromkeys((".csv", ".tsv", ".conll", ".conllu", ".tok", ".ts", ".fa", ".de", ".en"), _ROWS),
    **dict.fromkeys((".txt", ".ft"), _LINES),
    ".toml": (setting, setting, any_number, line_moved),
    ".jsonl": _JSON_LINES,
    ".json": _JSON,
    ".npy": (npy,),
    ".npz": (npz,),
    ".wav": (wav,),
    ".png": (png,),
    ".parquet": (parquet,),
    ".safetensors": (weights,),
    ".csv.gz": (in_gzip(_ROWS),),
    ".jsonl.gz": (in_gzip(_JSON_LINES),),
}
"""The end of a file's name -> what knows how to damage it."""


def of(name: str) -> tuple[Mutation, ...]:
    """The mutations that know a file of that name; none, where nothing is known of it."""
    return next((KNOWN[end] for end in sorted(KNOWN, key=len, reverse=True) if name.endswith(end)), ())
