"""Write docs/command-line.md from the help of every command, or check that it is up to date (--check)."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from rich.console import Console

from elman.cli import COMMANDS, app

PAGE = Path(__file__).parent.parent / "docs" / "command-line.md"
WIDTH = 100

HEAD = """\
# The command line

This page is the help of every command, as `elman COMMAND --help` shows it. `make docs` writes it.

A command ends with exit code 0 when all went well, 2 for input that it cannot use (told in one line on
standard error), and 130 when Ctrl-C stopped it.
"""


def text() -> str:
    """The page as it should be."""
    parts = [HEAD, _section("elman", [])]
    parts += [_section(f"elman {name}", [name]) for name in COMMANDS]
    return "\n".join(parts)


def _section(title: str, command: list[str]) -> str:
    return f"## {title}\n\n```text\n{help_text(command)}\n```\n"


def help_text(command: list[str], width: int = WIDTH) -> str:
    """A command's help at a fixed width, without colour."""
    # rich asks these before what it is told.
    environment = {name: os.environ.pop(name, None) for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE")}
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    try:
        app.help_print(command, console=console)
    finally:
        os.environ.update({name: value for name, value in environment.items() if value is not None})
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def main() -> int:
    """Write or check; 1 if the page is out of date."""
    if sys.argv[1:] not in ([], ["--check"]):
        print("usage: command_line.py [--check]", file=sys.stderr)
        return 2
    if not sys.argv[1:]:
        PAGE.write_text(text(), encoding="utf-8", newline="\n")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text():
        return 0
    print(f"{PAGE.name} is out of date: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
