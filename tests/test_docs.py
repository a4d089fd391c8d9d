"""What the pages say holds: their Python runs and prints what they show, their links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from elman import tasks
from elman.tasks import registry

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TESTED_ELSEWHERE = {"adding-a-cell.md"}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """Language, text and first line of each fenced block."""
    text = page.read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]


RUNNABLE = [
    page
    for page in PAGES
    if page.name not in TESTED_ELSEWHERE and any(language == "python" for language, _, _ in blocks(page))
]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_python_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch):
    """The Python blocks of a page run in order; a `text` block shows what the one before it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "TASKS", dict(tasks.TASKS))  # what a page adds is gone after it
    torch.set_num_threads(1)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    found = blocks(page)
    for (language, code, line), after in zip(found, [*found[1:], ("", "", 0)], strict=True):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # The empty lines give a traceback the page's own line numbers.
            exec(compile("\n" * (line - 1) + code, page, "exec"), module.__dict__)
        assert printed.getvalue() == (after[1] if after[0] == "text" else ""), f"{page.name}:{line}"


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in a link."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        path, _, anchor = (match[1] or match[2]).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {path}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor}"


def test_every_page_is_named_in_the_index():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES if page.name != "index.md" and f"({page.name})" not in index]


def test_command_line_page_is_up_to_date():
    script = ROOT / "scripts" / "command_line.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
