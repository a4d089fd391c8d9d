"""Work that ends early where nobody waits for it any more: long loops look here, between their pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class NobodyWaits(BaseException):
    """Raised in work whose requester has gone. Not an Exception: handlers of errors let it through."""


_WANTED: ContextVar[Callable[[], bool] | None] = ContextVar("_WANTED", default=None)


@contextmanager
def as_long_as(wanted: Callable[[], bool]) -> Iterator[None]:
    """Let work go on only as long as `wanted()`, which is asked at each `look` in this thread."""
    token = _WANTED.set(wanted)
    try:
        yield
    finally:
        _WANTED.reset(token)


def look() -> None:
    """See that somebody still waits for what is computed here; to be called between pieces of long work.

    Raises:
        NobodyWaits: nobody does.
    """
    wanted = _WANTED.get()
    if wanted is not None and not wanted():
        raise NobodyWaits
