"""Cells and tasks of one's own on the command line: a file, a module or a plugin is imported first."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from elman.cli.commands import run
from elman.core import plugins
from elman.core.errors import ConfigError
from elman.nn.cells import registry

CELL = """
from elman import cells
from elman.nn.cells.rnn import RNNEquations


class Own(RNNEquations):
    name = "{name}"


cells.register("{name}", Own())
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file that registers the cell `zigzag`; it is forgotten afterwards, as in a process that ended."""
    path = tmp_path / "own_cells.py"
    path.write_text(CELL.format(name="zigzag"))
    monkeypatch.setattr(registry, "_REGISTERED", {})
    yield path
    sys.modules.pop("own_cells", None)


def forgotten() -> None:
    registry._REGISTERED.clear()
    sys.modules.pop("own_cells", None)


def test_a_run_with_a_cell_of_ones_own_is_used_in_another_process(own, tmp_path, capsys):
    text = tmp_path / "a.txt"
    text.write_text("one two three\n" * 40)
    out = str(tmp_path / "run")
    trained = ["train", str(text), "--cell", "zigzag", "--hidden", "8", "--steps", "3", "--out", out]
    assert run([*trained, "--import", str(own)]) == 0
    forgotten()
    capsys.readouterr()
    assert run(["sample", out, "--length", "3"]) == 2
    assert "--import" in capsys.readouterr().err
    assert run([f"--import={own}", "sample", out, "--length", "3"]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0\n", "ZeroDivisionError"),
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        (None, "no file"),
    ],
)
def test_what_cannot_be_imported_is_told_in_one_line(tmp_path, capsys, text, said):
    path = tmp_path / "faulty_cells.py"
    if text is not None:
        path.write_text(text)
    assert run(["kernels", "--import", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_plugins_that_are_installed_are_found(tmp_path, monkeypatch):
    (tmp_path / "own_plugin.py").write_text(CELL.format(name="plugged"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_REGISTERED", {})
    entry = metadata.EntryPoint("own", "own_plugin", plugins.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == plugins.GROUP else [])
    plugins.import_installed.cache_clear()
    try:
        assert registry.get("plugged").name == "plugged"
        with pytest.raises(ConfigError, match="--import"):
            registry.get("none_of_that_name")
    finally:
        plugins.import_installed.cache_clear()
        sys.modules.pop("own_plugin", None)
