"""Completion on a terminal: keys go in, suggestions follow, and the terminal is left as it was."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

termios = pytest.importorskip("termios")

from elman.live import completed  # noqa: E402


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


class Screen:
    """What a program has written to its terminal."""

    def __init__(self, terminal: int) -> None:
        self.terminal, self.text = terminal, ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the pattern is there; what comes up to its end is then forgotten."""
        deadline = time.monotonic() + 60
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < deadline, self.text
            if select.select([self.terminal], [], [], 1)[0]:
                self.text += os.read(self.terminal, 4096).decode()
        self.text = self.text[found.end() :]
        return found


def test_typing_shows_words_and_tab_takes_the_first(run: Path):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "elman", "complete", str(run), "--count", "3"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT)
    screen = Screen(ours)
    screen.wait_for("Tab takes the first word")
    screen.wait_for("%")
    os.write(ours, b"the d")
    first = screen.wait_for(r"> the d\r\n  (d\w*) +\d")[1]
    os.write(ours, b"\t")
    screen.wait_for(f"> the {first} \r\n")
    os.write(ours, b"\x7f\x7f~")
    screen.wait_for("~")
    os.write(ours, b"\x1b[A")
    os.write(ours, b"\x15\n\x04")
    assert process.wait(60) == 0
    assert termios.tcgetattr(theirs) == before
    os.close(theirs)
    os.close(ours)
