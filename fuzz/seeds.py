"""Small data of every format, made here, from which damaged ones come."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fuzz.structure import zipped

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "that", "dog", "log", "while", "bird", "sang", "to")
_COUNT = 24
_SHARES = {"valid": 0.2, "test": 0.2, "split": "every"}


@dataclass(frozen=True)
class Seed:
    """Data that can be read.

    Args:
        files: name -> content.
        source: what is named to read them, within their folder; with a colon, it is the name of a sample.
        tasks: which can learn from them; none, where they are only predicted for.
        options: settings by their bare names.
    """

    files: Mapping[str, bytes]
    source: str
    tasks: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: dict(_SHARES))


def _line(number: int) -> str:
    return " ".join(WORDS[(3 * number + j * j) % len(WORDS)] for j in range(3 + number % 4))


def _label(number: int) -> str:
    return "ab"[number % 2]


def _lines(texts: Iterable[str]) -> bytes:
    return "".join(text + "\n" for text in texts).encode()


def _rows(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return _lines(json.dumps(row) for row in rows)


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    return zipped({f"{name}.npy": _npy(array) for name, array in arrays.items()})


def _waves(count: int = _COUNT, steps: int = 12) -> np.ndarray:
    """[N, T, 2], float32."""
    i, t = np.arange(count)[:, None], np.arange(steps)
    return np.stack([np.sin(t / (1 + i % 2) + 0.01 * i), np.cos(i + t)], -1).astype(np.float32)


def sound(number: int, rate: int = 8000) -> bytes:
    """A tone of an eighth of a second, 16 bits."""
    samples = [int((9000 + number) * math.sin((1 + number % 2) * 0.2 * t)) for t in range(rate // 8)]
    body = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(body),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        2 * rate,
        2,
        16,
        b"data",
        len(body),
    )
    return head + body


def picture(number: int) -> bytes:
    """A PNG, 8 x 6 pixels, with a square."""
    pixels = np.full((6, 8, 3), 255, np.uint8)
    pixels[5, 7] = number
    pixels[number % 3 : number % 3 + 2, number % 5 : number % 5 + 3] = (200, 30 * (number % 2), 0)
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    )
    told = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(told)


def _parquet(columns: Mapping[str, list[Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pyarrow.table(dict(columns)), out, compression="none")
    return out.getvalue()


def _days(count: int = 60) -> list[dict[str, Any]]:
    first = datetime.date(2024, 1, 1)
    return [
        {"day": str(first + datetime.timedelta(i)), "y": round(math.sin(i / 3) + i % 5 / 5, 3)}
        for i in range(count)
    ]


def _csv(rows: list[dict[str, Any]], separator: str = ",") -> bytes:
    return _lines([separator.join(rows[0]), *(separator.join(map(str, row.values())) for row in rows)])


def _idx(axes: int, data: np.ndarray) -> bytes:
    return struct.pack(f">HBB{axes}I", 0, 8, axes, *data.shape) + data.tobytes()


def _table() -> list[Seed]:
    films = [{"text": _line(i), "label": _label(i)} for i in range(_COUNT)]
    values = [{"text": _line(i), "value": round(i / 3 + 0.01, 2)} for i in range(_COUNT)]
    words = [{"source": _line(i), "target": _line(i).upper()} for i in range(_COUNT)]
    sounds = {f"{i}.wav": sound(i) for i in range(8)}
    heard = [{"audio": f"{i}.wav", "text": _label(i)} for i in range(8)]
    seen = [{"picture": f"{i}.png", "caption": _line(i)} for i in range(8)]
    wide = [{"day": row["day"], "a": row["y"], "b": -row["y"]} for row in _days()]
    return [
        Seed({"a.csv": _csv(films)}, "a.csv", ("classify",)),
        Seed({"a.csv": _csv(values)}, "a.csv", ("classify",), _SHARES | {"kind": "value"}),
        Seed({"a.csv.gz": gzip.compress(_csv(films), mtime=0)}, "a.csv.gz", ("classify",)),
        Seed({"a.tsv": _csv(words, "\t")}, "a.tsv", ("translate",)),
        Seed({"a.csv": _csv(_days())}, "a.csv", ("forecast",)),
        Seed({"a.csv": _csv(wide)}, "a.csv", ("forecast",)),
        Seed({"a.csv": _csv(heard), **sounds}, "a.csv", ("recognize",)),
        Seed(
            {"a.csv": _csv(seen), **{f"{i}.png": picture(i) for i in range(8)}},
            "a.csv",
            ("caption",),
            _SHARES | {"channels": 4, "blocks": 1},
        ),
    ]


def _jsonlines() -> list[Seed]:
    strokes = [[[1 + i % 3, (-1) ** step, 0] for step in range(4)] + [[0, 1, 1]] for i in range(_COUNT)]
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {
        ("classify",): [{"text": _line(i), "label": _label(i), "who": i % 3} for i in range(_COUNT)],
        ("translate",): [{"source": _line(i), "target": _line(i)[::-1]} for i in range(_COUNT)],
        ("draw",): [{"strokes": strokes[i], "label": _label(i)} for i in range(_COUNT)],
        ("tag",): [
            {"tokens": _line(i).split(), "tags": [str(len(w)) for w in _line(i).split()]}
            for i in range(_COUNT)
        ],
        ("recall",): [
            {"pattern": [i >> bit & 1 for bit in range(5)], "name": f"n{i}"} for i in range(_COUNT)
        ],
        ("recognize",): [
            {"features": _waves()[i].round(2).tolist(), "text": _label(i)} for i in range(_COUNT)
        ],
        ("label",): [
            {"inputs": _waves()[i].round(2).tolist(), "target": [_label(i + step // 4) for step in range(12)]}
            for i in range(_COUNT)
        ],
    }
    seeds = [Seed({"a.jsonl": _rows(each)}, "a.jsonl", tasks) for tasks, each in rows.items()]
    series = [{"series": _waves()[i, :, 0].round(2).tolist(), "label": i / 2} for i in range(_COUNT)]
    named = [{"id": "ab"[i % 2], "ds": row["day"], "y": row["y"]} for row in _days() for i in range(2)]
    sounds = [{"audio": f"{i}.wav", "label": _label(i)} for i in range(12)]
    notes = [
        {"notes": [[int(t % 4 == i % 4), 0, 1, i % 2] for t in range(9)], "name": _label(i)}
        for i in range(_COUNT)
    ]
    return [
        *seeds,
        Seed({"a.jsonl": _rows(series)}, "a.jsonl", ("classify",), _SHARES | {"kind": "value"}),
        Seed({"a.jsonl": _rows(named)}, "a.jsonl", ("forecast",), {"format": "jsonlines"}),
        Seed({"a.jsonl": _rows(_days())}, "a.jsonl", ("forecast",), {"format": "jsonlines"}),
        Seed({"a.jsonl": _rows(notes)}, "a.jsonl", ("draw",)),
        Seed(
            {"a.jsonl": _rows(sounds), **{f"{i}.wav": sound(i) for i in range(12)}}, "a.jsonl", ("classify",)
        ),
        Seed(
            {"a.jsonl.gz": gzip.compress(_rows(series), mtime=0)},
            "a.jsonl.gz",
            ("classify",),
            _SHARES | {"kind": "value"},
        ),
    ]


def _arrays() -> list[Seed]:
    waves, labels = _waves(), np.arange(_COUNT) % 2
    flat = waves.reshape(-1, 2)
    return [
        Seed({"a.npz": _npz(x=waves, y=labels)}, "a.npz", ("classify",)),
        Seed({"a.npz": _npz(x=flat, lengths=np.full(_COUNT, 12), y=labels)}, "a.npz", ("classify", "draw")),
        Seed(
            {"a.npz": _npz(x=waves, y=np.array([_label(i) for i in range(_COUNT)]))}, "a.npz", ("classify",)
        ),
        Seed({"a.npy": _npy(flat)}, "a.npy", ()),
        Seed({"a.npz": _npz(x=(waves > 0).astype(np.int8))}, "a.npz", ("recall",)),
    ]


def _parquets() -> list[Seed]:
    films = {"text": [_line(i) for i in range(_COUNT)], "label": [_label(i) for i in range(_COUNT)]}
    series = {
        "series": [_waves()[i, :, 0].tolist() for i in range(_COUNT)],
        "label": [i % 2 for i in range(_COUNT)],
    }
    days = _days()
    times = {"ds": [row["day"] for row in days], "y": [row["y"] for row in days]}
    return [
        Seed({"a.parquet": _parquet(films)}, "a.parquet", ("classify",)),
        Seed({"a.parquet": _parquet(series)}, "a.parquet", ("classify",)),
        Seed({"a.parquet": _parquet(times)}, "a.parquet", ("forecast",)),
    ]


def _idxs() -> list[Seed]:
    pixels = (np.arange(_COUNT * 30).reshape(_COUNT, 6, 5) * 7 % 256).astype(np.uint8)
    files = {
        "train-images-idx3-ubyte": _idx(3, pixels),
        "train-labels-idx1-ubyte": _idx(1, (np.arange(_COUNT) % 2).astype(np.uint8)),
    }
    return [Seed(files, "train-images-idx3-ubyte", ("classify", "recall"))]


def _conllu() -> bytes:
    found = []
    for i in range(_COUNT):
        words = enumerate(_line(i).split(), 1)
        found += [
            f"# sent_id = {i}",
            *(f"{n}\t{w}\t{w}\tX{len(w)}\t_\t_\t{n - 1}\troot\t_\t_" for n, w in words),
            "",
        ]
    return _lines(found)


def _conll() -> bytes:
    found = ["-DOCSTART- O", ""]
    for i in range(_COUNT):
        found += [f"{word} {'B-X' if len(word) > 3 else 'O'}" for word in _line(i).split()] + [""]
    return _lines(found)


def _ts() -> bytes:
    head = ["@problemName a", "@timeStamps false", "@univariate false", "@classLabel true a b", "@data"]
    cases = [":".join(",".join(f"{v:.2f}" for v in channel) for channel in wave.T) for wave in _waves()]
    return _lines([*head, *(f"{case}:{_label(i)}" for i, case in enumerate(cases))])


def _classes() -> list[Seed]:
    texts = {f"c/{_label(i)}/{i}.txt": (_line(i) + "\n").encode() for i in range(20)}
    sounds = {f"c/{_label(i)}/{i}.wav": sound(i) for i in range(20)}
    pictures = {f"c/{_label(i)}/{i}.png": picture(i) for i in range(20)}
    arrays = {f"c/{_label(i)}/{i}.npy": _npy(_waves()[i]) for i in range(20)}
    return [
        Seed(files, "c", ("classify",), _SHARES | {"split": "order"})
        for files in (texts, sounds, pictures, arrays)
    ]


def _texts() -> list[Seed]:
    text = _lines(_line(i) for i in range(60))
    return [
        Seed({"a.txt": text}, "a.txt", ("language",)),
        Seed({"a.txt": text}, "a.txt", ("language",), _SHARES | {"unit": "word"}),
        Seed({"a.txt": text}, "a.txt", ("language",), _SHARES | {"unit": "byte"}),
        Seed({"t/a.txt": text, "t/b.txt": text}, "t", ("language",)),
    ]


def _media() -> list[Seed]:
    sounds, pictures = (
        {f"m/{i}.wav": sound(i) for i in range(2)},
        {f"m/{i}.png": picture(i) for i in range(2)},
    )
    return [Seed(sounds, "m", ()), Seed(pictures, "m", ())]


def _melody(number: int) -> bytes:
    """A Standard MIDI File of a few notes, four ticks a beat."""
    track = b"".join(
        bytes([0, 0x90, 60 + (number + step) % 5, 64, 2 + 2 * (step % 2), 0x80, 60 + (number + step) % 5, 0])
        for step in range(6)
    )
    track += b"\x00\xff\x2f\x00"
    return struct.pack(">4sIHHH", b"MThd", 6, 0, 1, 4) + struct.pack(">4sI", b"MTrk", len(track)) + track


_FASTA = _lines(f">s{i} {_label(i)}\n{'ACGT' * (2 + i % 3)}" for i in range(_COUNT))
_COLUMN = _lines(_line(i) for i in range(_COUNT))

SEEDS: dict[str, list[Seed]] = {
    "parallel": [Seed({"p.de": _COLUMN, "p.en": _COLUMN.upper()}, "p", ("translate",))],
    "text": _texts(),
    "sample": [
        Seed({}, f"sample:{name}", (task,))
        for name, task in (("patterns", "recall"), ("sunspots", "forecast"))
    ],
    "series": [Seed({"a.ts": _ts()}, "a.ts", ("classify",))],
    "arrays": _arrays(),
    "idx": _idxs(),
    "fasta": [Seed({"a.fa": _FASTA}, "a.fa", ("classify",))],
    "fasttext": [
        Seed(
            {"a.ft": _lines(f"__label__{_label(i)} {_line(i)}" for i in range(_COUNT))}, "a.ft", ("classify",)
        )
    ],
    "midi": [
        Seed({f"m/{i}.mid": _melody(i) for i in range(_COUNT)}, "m", ("draw",), _SHARES | {"split": "order"})
    ],
    "jsonlines": _jsonlines(),
    "parquet": _parquets(),
    "media": _media(),
    "conllu": [Seed({"a.conllu": _conllu()}, "a.conllu", ("tag",))],
    "conll": [Seed({"a.conll": _conll()}, "a.conll", ("tag",))],
    "table": _table(),
    "classes": _classes(),
    "tokens": [Seed({"a.tok": _COLUMN}, "a.tok", ())],
    "lines": [Seed({"a.txt": _COLUMN}, "a.txt", ())],
}
"""The name of a format -> data of it. A new format joins by being named here."""
