"""Every numeric option of every command, with numbers that nobody means: it works, or says so in one line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from elman import cli
from elman.cli import commands
from elman.core.errors import ElmanError
from elman.diagnostics.memory_tests import survey
from elman.diagnostics.report import inspection
from elman.runs import load as loading
from elman.training import resolve
from fuzz import trained

ODD = (
    "0",
    "-1",
    "1e30",
    "nan",
    "inf",
    "-inf",
    str(10**20),
    "",
    "1e3",
    "2.5",
    "1.0e999",
    "1e-320",
    "9" * 5000,
)
NEVER = ("nan", "inf", "-inf", "", "1.0e999")
"""What no option takes."""

TEXT = "the cat\n"
MODELS = {
    "sample": ("language", "draw"),
    "complete": ("language",),
    "translate": ("translate",),
    "forecast": ("forecast",),
    "predict": ("translate",),
    "eval": ("translate",),
    "inspect": ("language",),
    "serve": ("language",),
}
TASKS = {task for known in MODELS.values() for task in known}


class BegunError(BaseException):
    """The work would begin now."""


def begin(*_, **__):
    raise BegunError


class Enough(io.StringIO):
    """Standard output whose reader goes when it has seen some of it."""

    def write(self, text: str) -> int:
        if self.tell() > 100_000:
            raise BrokenPipeError
        return super().write(text)


def numeric() -> list[tuple[str, str, bool]]:
    """Command, option, and whether it is a whole number, of all that the parser knows."""
    found = []
    for command in cli.COMMANDS:
        for argument in commands.app[command].assemble_argument_collection():
            kinds = str(argument.hint)
            names = [name for name in argument.names if name.startswith("--")]
            if names and ("int" in kinds or "float" in kinds):
                found.append((command, names[0], "float" not in kinds))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a small model of each task lies, trained already."""
    folder = tmp_path_factory.mktemp("models")
    for task in TASKS:
        trained.model_of(task, folder)
    return folder


@pytest.fixture
def shortened(folder, monkeypatch):
    """Work that takes long is not begun, a model is loaded once, and the reader of what is written goes."""
    monkeypatch.setattr(survey, "run", begin)
    monkeypatch.setattr(inspection, "inspect", begin)
    monkeypatch.setattr(resolve, "resolve", begin)
    models = {trained.run_of(task, folder): trained.model_of(task, folder) for task in TASKS}
    monkeypatch.setattr(loading, "load", lambda path, **_: models[path])
    server = pytest.importorskip("elman.server.app")
    monkeypatch.setattr(server, "serve", begin)
    monkeypatch.setattr(sys, "stdout", Enough())
    monkeypatch.setattr(commands.os, "dup2", lambda *_: None)


def words(command: str, option: str, folder: Path) -> list[list[str]]:
    """What stands before the option, for each kind of model that the command is for."""
    if command not in MODELS:
        return [[command]]
    found = []
    for task in MODELS[command]:
        before = [command, str(trained.run_of(task, folder))]
        before += ["-"] if command == "predict" else []
        before += [trained.source(task, folder)] if command == "eval" else []
        found.append(before + (["--port=0"] if command == "serve" and option != "--port" else []))
    return found


@pytest.mark.parametrize(("command", "option", "whole"), numeric())
def test_a_number_that_nobody_means_is_taken_or_refused_in_a_line(
    command, option, whole, folder, shortened, monkeypatch, capsys
):
    for before in words(command, option, folder):
        for value in ODD:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
            code = None
            try:
                code = cli.run([*before, f"{option}={value}"])
            except BegunError:
                code = 0
            told = capsys.readouterr().err.splitlines()
            where = f"{command} {option}={value[:20]}"
            assert code in (0, 2), where
            refused = [line for line in told if line.startswith("elman: ")]
            assert code == 0 or (refused and len(refused[-1]) < 400), (where, told)
            assert "Traceback" not in "".join(told), where
            if value in NEVER or (whole and value in ("2.5", "1e-320")):
                assert code == 2, f"{where} was taken"


def test_the_numbers_of_options_are_found():
    found = {(command, option) for command, option, _ in numeric()}
    assert {("serve", "--port"), ("serve", "--seconds"), ("train", "--lr"), ("sample", "--seed")} <= found
    assert len(found) > 70


@pytest.mark.parametrize("option", ["--lengths", "--seeds"])
@pytest.mark.parametrize("value", ["0", "-1", str(10**20), "nan", "2.5", "", "1,,2", "9" * 5000])
def test_lists_of_numbers_too(option, value, capsys, tmp_path):
    beside = [] if option == "--lengths" else ["--lengths=10"]
    words = ["probe", "--cell=rnn", "--steps=1", f"--out={tmp_path}", *beside]
    code = cli.run([*words, f"{option}={value}"])
    assert code == 2 or (option, value) == ("--seeds", "0")
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("value", [-1, 10**20, 10**400, 2.5, float("nan"), float("inf"), True, "5", None])
def test_numbers_in_python_too(value, folder):
    """Calls of a model refuse them by one of Elman's own errors."""
    models = {task: trained.model_of(task, folder) for task in ("language", "draw", "translate", "forecast")}
    rows = trained.records_of("forecast", folder)
    calls = {
        "horizon": lambda: models["forecast"].futures(rows, horizon=value),
        "length": lambda: models["language"].sample("the", value),
        "words": lambda: models["language"].complete("the c", value),
        "top_k": lambda: models["language"].sample("the", 3, top_k=value),
        "seed": lambda: models["language"].sample("the", 3, seed=value),
        "count": lambda: models["draw"].draw(value, length=2),
        "steps": lambda: models["draw"].draw(1, length=value),
        "n_best": lambda: models["translate"].translate(["the"], count=value),
        "beam": lambda: models["translate"].translate(["the"], beam=value),
    }
    fine = {"seed": (None, True, 10**20), "beam": (None,), "top_k": (10**20,)}
    for name, ask in calls.items():
        if value in (True, None) or value in fine.get(name, ()):
            continue
        with pytest.raises(ElmanError):
            ask()
