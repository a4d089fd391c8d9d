"""Completion on a terminal: keys go in, suggestions follow, and the terminal is left as it was."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

termios = pytest.importorskip("termios")

from elman.cli.typeahead import completed  # noqa: E402


@pytest.mark.parametrize(
    ("line", "word", "after"),
    [
        ("", "the", "the "),
        ("the ca", "cat", "the cat "),
        ("the ", "cat", "the cat "),
        ("(ca", "cat", "(cat "),
        ("don'", "don't", "don't "),
    ],
)
def test_a_word_is_completed(line, word, after):
    assert completed(line, word) == after


class Terminal:
    """A terminal as a person sees it: what a program has drawn on it."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def wait_for(self, shown: Callable[[list[str]], bool]) -> list[str]:
        """What is shown once it is so."""
        deadline = time.monotonic() + 60
        while not shown(self.lines):
            assert time.monotonic() < deadline, self.lines
            if select.select([self.ours], [], [], 1)[0]:
                self.stream.feed(os.read(self.ours, 4096))
        return self.lines


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    os.close(terminal.ours)
    os.close(terminal.theirs)


def start(terminal: Terminal, *command: str) -> subprocess.Popen[bytes]:
    place = {"stdin": terminal.theirs, "stdout": terminal.theirs, "stderr": subprocess.STDOUT}
    quiet = {**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1"}  # nobody answers where the cursor is
    return subprocess.Popen([sys.executable, *command], env=quiet, **place)


def test_typing_shows_words_and_tab_takes_the_first(run: Path, terminal: Terminal):
    before = termios.tcgetattr(terminal.theirs)
    process = start(terminal, "-m", "elman", "complete", str(run), "--count", "3")
    assert "Tab takes the first word" in terminal.wait_for(lambda lines: "%" in lines[2])[0]
    terminal.press("the d")
    lines = terminal.wait_for(lambda lines: lines[1] == "> the d" and lines[2].startswith("  d"))
    first = lines[2].split()[0]
    terminal.press("\t")
    terminal.wait_for(
        lambda lines: lines[1] == f"> the {first}" and terminal.screen.cursor.x == 7 + len(first)
    )
    terminal.press("\x7f\x7f~")
    terminal.wait_for(lambda lines: lines[1] == f"> the {first[:-1]}~")
    terminal.press("\x1b[A")
    terminal.press("\x15\r")
    terminal.wait_for(lambda lines: lines[1] == ">" and lines[2] == ">")
    terminal.press("\x04")
    assert process.wait(60) == 0
    assert termios.tcgetattr(terminal.theirs) == before


TYPE = """
from elman.cli.typeahead import typed
typed(lambda line: [("日本", 0.5), (f"word{len(line)}", 0.25)])
"""


def test_wide_characters_and_long_lines_keep_the_cursor_in_place(terminal: Terminal):
    process = start(terminal, "-c", TYPE)
    terminal.press("日本")
    lines = terminal.wait_for(lambda lines: "word2" in lines[2])
    assert [line.index("%") for line in lines[1:3]] == [26, 28]  # 日本 fills four columns, in two characters
    assert terminal.screen.cursor.x == 6
    terminal.press("x" * 100)
    lines = terminal.wait_for(lambda lines: "word102" in lines[3])
    assert terminal.screen.cursor.y == 1
    assert "".join(lines[:2]).count("x") == 100
    terminal.press("\x04")
    assert process.wait(60) == 0


def test_control_c_ends_typing(terminal: Terminal):
    process = start(terminal, "-c", TYPE)
    terminal.press("abc")
    terminal.wait_for(lambda lines: "word3" in lines[2])
    terminal.press("\x03")
    assert process.wait(60) == -signal.SIGINT
    terminal.wait_for(lambda lines: any("KeyboardInterrupt" in line for line in lines))
