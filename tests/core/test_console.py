"""What a training reports: in a notebook a bar of HTML, drawn not too often and taken away at the end."""

from __future__ import annotations

import io
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import elman
from conftest import TINY
from elman.core import console
from elman.core.console import LineReporter, NotebookReporter


class Display:
    """Stands for IPython's display and the handle that it returns."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, what: Any, *, display_id: bool) -> Display:
        assert display_id
        return self.update(what)

    def update(self, what: Any) -> Display:
        self.shown.append(what._repr_html_())
        return self


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Display:
    """As if this was the kernel of a notebook."""
    display, ipython, shows = Display(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    shows.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shows)
    return display


def test_a_notebook_has_a_bar(notebook):
    assert isinstance(console.shown(), NotebookReporter)
    assert isinstance(console.shown(io.StringIO()), LineReporter)


@pytest.mark.parametrize("shell", [None, SimpleNamespace()])
def test_a_terminal_with_ipython_and_a_program_that_imports_it_have_none(notebook, monkeypatch, shell):
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    assert not isinstance(console.shown(), NotebookReporter)


def test_the_bar_moves_is_escaped_and_goes(notebook):
    bar = console.shown()
    bar.step(1, 4, "loss <b>")
    bar.step(2, 4, "at once after it, so nothing is drawn")
    bar.step(4, 4, "the last is always drawn")
    bar.close()
    first, last, gone = notebook.shown
    assert '<progress value="1" max="4"' in first
    assert "loss &lt;b&gt;" in first
    assert 'value="4"' in last
    assert gone == ""


def test_a_bar_that_never_began_leaves_nothing(notebook):
    console.shown().close()
    assert notebook.shown == []


def test_a_training_in_a_notebook_draws_it_and_prints_lines(notebook, text, tmp_path, capsys):
    elman.train(text, out=tmp_path / "run", **TINY)
    assert "<progress" in notebook.shown[0]
    assert notebook.shown[-1] == ""
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("epoch 2/2") for line in lines)
    assert not any(line.startswith("step ") for line in lines)
