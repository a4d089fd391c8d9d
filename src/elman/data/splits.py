"""Records -> parts to learn from, to choose by, and to be scored on: the same every time, without a leak.

It knows neither files nor tensors. A random part is drawn by a hash of what is read, so that two records with
the same input never stand on two sides, and a record added to the data moves hardly another one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from hashlib import sha256
from math import inf
from typing import Any

from elman.core.errors import ConfigError, DataError
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data.cells import is_number

Key = Callable[[Record], bytes]


def split_records(
    records: Sequence[Record], data: DataSettings, key: Key, answer: Callable[[Record], Any] | None = None
) -> tuple[list[Record], list[Record], list[Record]]:
    """The records that train, validate and test, in the shares and by the way that `data` says.

    Args:
        records: all of them, in the order of the file.
        data: shares `valid` and `test`, the way `split`, and the column `group`.
        key: what of a record must not stand on two sides: its input, as bytes.
        answer: the class or the number to predict, whose values stratified parts share alike; or None.

    Raises:
        ConfigError: parts are to be stratified, and there is no such answer.
        DataError: a record lacks the column `group`; or no record is left for a part that was asked for.
    """
    whole = _grouped(data.group, records[0]) if data.group else key
    if data.split == "stratified":
        names = _stratified(records, data, whole, answer)
    else:
        names = _WAYS[data.split](records, data, whole)
    parts: dict[str, list[Record]] = {"train": [], "valid": [], "test": []}
    for record, name in zip(records, names, strict=True):
        parts[name].append(record)
    for name, share in (("train", 1.0), ("valid", data.valid), ("test", data.test)):
        if share and not parts[name]:
            raise DataError(
                data.path,
                f"{len(records)} records, none for the part {name}",
                expected=f"enough for shares of {data.valid:g} and {data.test:g}",
                remedy=f"give more data, or set data.{name} to 0" if name != "train" else "give more data",
            )
    return parts["train"], parts["valid"], parts["test"]


def _random(records: Sequence[Record], data: DataSettings, key: Key) -> list[str]:
    """By a hash of the key, as near to the shares as whole keys allow: the lowest ones test.

    A key so large that it would take a part further from its share goes to the training part; but a part that
    no key fits gets the smallest.
    """
    keys = [sha256(key(record)).digest() for record in records]
    counts: dict[bytes, int] = defaultdict(int)
    for digest in keys:
        counts[digest] += 1
    place: dict[bytes, str] = {}
    for name, share in (("test", data.test), ("valid", data.valid)):
        wanted = round(share * len(records))
        left = sorted(digest for digest in counts if digest not in place)
        taken = list(_filled(left, counts, wanted))
        if wanted and left and not taken:
            taken = [min(left, key=counts.__getitem__)]
        place |= dict.fromkeys(taken, name)
    return [place.get(digest, "train") for digest in keys]


def _filled(digests: Sequence[bytes], counts: Mapping[bytes, int], wanted: int) -> Iterator[bytes]:
    """The first of the digests with `wanted` records or so, without those that would overshoot too far."""
    for digest in digests:
        if wanted <= 0:
            return
        if counts[digest] <= 2 * wanted:
            wanted -= counts[digest]
            yield digest


def _stratified(
    records: Sequence[Record], data: DataSettings, key: Key, answer: Callable[[Record], Any] | None
) -> list[str]:
    """Keys in the order of their first answer, and by their hash within it: each n-th, as the shares say."""
    if answer is None:
        expected = "a task with a class or a number for each record"
        raise ConfigError("data.split", "'stratified'", expected=expected, remedy="use random")
    keys = [sha256(key(record)).digest() for record in records]
    counts, rank = Counter(keys), {}
    for digest, record in zip(keys, records, strict=True):
        rank.setdefault(digest, (*_rank(answer(record)), digest))
    place: dict[bytes, str] = {}
    for name, share in (("test", data.test), ("valid", data.valid)):
        left = sorted((digest for digest in counts if digest not in place), key=rank.__getitem__)
        # From half a step on, so that a class of half a step's records already has one of them.
        total, seen, taken = sum(map(counts.__getitem__, left)), 0.0, 0
        for digest in left:
            seen += counts[digest] * share * len(records) / total
            if seen >= taken + 0.5:
                place[digest] = name
                taken += counts[digest]
    return [place.get(digest, "train") for digest in keys]


def _rank(answer: Any) -> tuple[float, str]:
    """Where an answer stands among others: numbers by their size, before classes by their names."""
    return (float(answer), "") if is_number(answer) else (inf, str(answer))


def _every(records: Sequence[Record], data: DataSettings, key: Key) -> list[str]:
    """Each n-th record of a file tests, n = 1 / test; of the others, each n-th validates, n likewise."""
    test, valid = (round(1 / share) if share else 0 for share in (data.test, data.valid))
    seen: dict[str, int] = defaultdict(int)
    left: dict[str, int] = defaultdict(int)
    names = []
    for record in records:
        file = record.where.rsplit(":", 1)[0]
        seen[file] += 1
        if test and seen[file] % test == 0:
            names.append("test")
            continue
        left[file] += 1
        names.append("valid" if valid and left[file] % valid == 0 else "train")
    return names


def _order(records: Sequence[Record], data: DataSettings, key: Key) -> list[str]:
    """As they come: first what is learnt from, then what validates, then what tests."""
    count = len(records)
    test, valid = round(data.test * count), round(data.valid * count)
    return ["train"] * (count - valid - test) + ["valid"] * valid + ["test"] * test


_WAYS = {"random": _random, "every": _every, "order": _order}


def _grouped(setting: str, first: Record) -> Key:
    """The column `group` as a key; of several, the first one."""
    column = setting if setting in first.fields else setting.split(",")[0].strip()

    def key(record: Record) -> bytes:
        if column not in record.fields:
            known = ", ".join(record.fields)
            raise DataError(record.where, f"no column {column!r}", remedy=f"data.group is one of: {known}")
        value: Hashable = record.fields[column]
        return repr(value).encode()

    return key
