"""Mutations of bytes that know nothing of what the bytes mean."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutation = Callable[[Random, bytes, bytes], bytes]
"""Random numbers, what is to be damaged, and other content of the same kind -> what came of it."""

MOST = 1 << 18
"""Bytes that a mutation may make of its input."""


def _place(rng: Random, data: bytes) -> int:
    return rng.randrange(len(data) + 1)


def _range(rng: Random, data: bytes) -> tuple[int, int]:
    """Where a piece of `data` begins and ends; most pieces are short."""
    start = _place(rng, data)
    return start, min(len(data), start + rng.choice((1, 1, 2, 4, 16, 64, 1024)))


def flip_bit(rng: Random, data: bytes, other: bytes) -> bytes:
    """One bit turned round."""
    found = bytearray(data)
    if found:
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def set_byte(rng: Random, data: bytes, other: bytes) -> bytes:
    """One byte changed, often to one that means something."""
    found = bytearray(data)
    if found:
        odd = rng.choice((0, 9, 10, 13, 32, 34, 39, 44, 45, 48, 57, 0x7F, 0x80, 0xC0, 0xED, 0xFF))
        found[rng.randrange(len(found))] = rng.choice((odd, rng.randrange(256)))
    return bytes(found)


def delete(rng: Random, data: bytes, other: bytes) -> bytes:
    """A piece left out."""
    start, end = _range(rng, data)
    return data[:start] + data[end:]


def insert(rng: Random, data: bytes, other: bytes) -> bytes:
    """Some bytes put in."""
    place = _place(rng, data)
    return data[:place] + rng.randbytes(rng.choice((1, 1, 2, 4, 16))) + data[place:]


def truncate(rng: Random, data: bytes, other: bytes) -> bytes:
    """The end cut off."""
    return data[: _place(rng, data)]


def behead(rng: Random, data: bytes, other: bytes) -> bytes:
    """The begin cut off."""
    return data[_place(rng, data) :]


def duplicate(rng: Random, data: bytes, other: bytes) -> bytes:
    """A piece that stands there twice, or very often."""
    start, end = _range(rng, data)
    times = rng.choice((1, 1, 2, 10, 1000))
    piece = data[start:end]
    return data[:end] + piece * min(times, MOST // (len(piece) + 1)) + data[end:]


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    """The begin of one, the end of another."""
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def graft(rng: Random, data: bytes, other: bytes) -> bytes:
    """A piece of another put in."""
    place, (start, end) = _place(rng, data), _range(rng, other)
    return data[:place] + other[start:end] + data[place:]


def swap(rng: Random, data: bytes, other: bytes) -> bytes:
    """Two pieces in each other's place."""
    (a, b), (c, d) = sorted((_range(rng, data), _range(rng, data)))
    return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def zero(rng: Random, data: bytes, other: bytes) -> bytes:
    """A piece all zeros, or all ones."""
    start, end = _range(rng, data)
    return data[:start] + rng.choice((b"\0", b"\xff")) * (end - start) + data[end:]


def number(rng: Random, data: bytes, other: bytes) -> bytes:
    """A binary number of the head changed to one that is out of bounds."""
    size = rng.choice((1, 2, 4, 8))
    if len(data) < size:
        return data
    place = rng.randrange(min(len(data), 128) - size + 1)
    value = rng.choice((0, 1, 2, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1))
    told = (value % (1 << 8 * size)).to_bytes(size, "little")
    return data[:place] + rng.choice((told, told[::-1])) + data[place + size :]


BYTES: tuple[Mutation, ...] = (
    *(flip_bit, set_byte, delete, insert, truncate, behead, duplicate),
    *(splice, graft, swap, zero, number),
)
"""All of them."""


def mutated(rng: Random, data: bytes, other: bytes, known: tuple[Mutation, ...] = ()) -> bytes:
    """`data` after one to three mutations: more often of those that know what it is, where there are any."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        family = known if known and rng.random() < 0.65 else BYTES
        data = rng.choice(family)(rng, data, other)[:MOST]
    return data
