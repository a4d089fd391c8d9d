"""The smallest input that still fails for the same reason: delta debugging (Zeller and Hildebrandt 2002)."""

from __future__ import annotations

import time
from collections.abc import Callable

from fuzz.base import Input, Kind


def shrunk(kind: Kind, given: Input, fails: Callable[[Input], bool], seconds: float) -> Input:
    """`given` with as little in it as can be found in that time."""
    until = time.monotonic() + seconds
    if not fails(given):
        return given
    for name in sorted(given.files, key=lambda one: len(given.files[one])):
        given = _without(kind, given, name, fails, until)
    return given


def _without(kind: Kind, given: Input, name: str, fails: Callable[[Input], bool], until: float) -> Input:
    """Less of one file, or none of it, or more of what it was before it was damaged."""

    def with_content(content: bytes | None) -> Input:
        rest = {each: data for each, data in given.files.items() if each != name}
        return Input(rest if content is None else {**rest, name: content}, given.about)

    def still(content: bytes | None) -> bool:
        return time.monotonic() < until and fails(with_content(content))

    if len(given.files) > 1 and still(None):
        return with_content(None)
    before, content = kind.original(given, name), given.files[name]
    if before is not None and before != content and still(before):
        return with_content(before)
    if before is not None and len(before) == len(content):
        return with_content(_reverted(content, before, still))
    return with_content(_cut(content, still))


def _cut(data: bytes, still: Callable[[bytes], bool]) -> bytes:
    """As few bytes as will do: pieces are left out, ever smaller ones."""
    size = max(1, len(data) // 2)
    while size:
        place = 0
        while place < len(data):
            less = data[:place] + data[place + size :]
            if still(less):
                data = less
            else:
                place += size
        size //= 2
    return data


def _reverted(data: bytes, before: bytes, still: Callable[[bytes], bool]) -> bytes:
    """As few bytes that differ as will do."""
    size = max(1, len(data) // 2)
    while size:
        for place in range(0, len(data), size):
            other = data[:place] + before[place : place + size] + data[place + size :]
            if other != data and still(other):
                data = other
        size //= 2
    return data
