"""A line that is typed on a terminal, with suggestions under it that change with every key."""

from __future__ import annotations

import codecs
import os
import re
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_END, _TAB, _ENTER, _DELETE, _CLEAR = "\x04", "\t", "\r\n", "\x7f\b", "\x15"
_SEQUENCE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O.)?")
"""What an arrow or a function key sends; it changes nothing."""

Suggest = Callable[[str], list[tuple[str, float]]]


def typed(suggest: Suggest) -> None:
    """Read keys until Ctrl-D, and show what `suggest` says of the line so far.

    Tab takes the first suggestion, Enter starts a new line, Ctrl-U clears the line. Keys that come in while
    suggestions are sought are all taken in before the next ones are.
    """
    line, words = "", suggest("")
    with _keys() as keys:
        _draw(line, words)
        for text in keys:
            for key in text:
                if key == _END:
                    _draw(line, [])
                    sys.stdout.write("\n")
                    return
                line = _after(line, key, words)
            words = suggest(line)
            _draw(line, words)


def completed(line: str, word: str) -> str:
    """The line with its last word, begun or yet to begin, in full as `word`, and a space after it."""
    begun = re.search(r"[\w']*$", line)
    assert begun is not None
    head = line[: begun.start()] if word.startswith(begun[0]) else line
    return f"{head}{word} "


def _after(line: str, key: str, words: list[tuple[str, float]]) -> str:
    """The line after one key."""
    if key in _ENTER:
        sys.stdout.write(f"\r\x1b[J> {line}\n")
        return ""
    if key in _DELETE:
        return line[:-1]
    if key == _CLEAR:
        return ""
    if key == _TAB:
        return completed(line, words[0][0]) if words else line
    return line + key if key.isprintable() else line


def _draw(line: str, words: list[tuple[str, float]]) -> None:
    """Draw the line and the suggestions below it, and leave the cursor at the line's end."""
    rows = [f"  {word:<20} {probability:6.1%}" for word, probability in words]
    below = "".join(f"\n{row}" for row in rows)
    up = f"\x1b[{len(rows)}A" if rows else ""
    sys.stdout.write(f"\r\x1b[J> {line}{below}{up}\r\x1b[{2 + len(line)}C")
    sys.stdout.flush()


@contextmanager
def _keys() -> Iterator[Iterator[str]]:
    """What is typed, key by key or as much as has come; the terminal is as it was afterwards."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield _read(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _read(terminal: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(terminal, 4096):
        while select.select([terminal], [], [], 0)[0]:
            data += os.read(terminal, 4096)
        yield _SEQUENCE.sub("", decoder.decode(data))
