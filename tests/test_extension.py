"""A task and a cell of a user's own, added as the pages on adding them say, in a package outside Elman."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch

import elman
from conftest import TINY, lines
from elman import cells, cli, tasks
from elman.core.errors import TaskError
from elman.nn.cells import registry as cell_registry
from elman.tasks import registry as task_registry

ROOT = Path(__file__).parent.parent
TASK_PAGE, CELL_PAGE = (ROOT / "docs" / f"adding-a-{name}.md" for name in ("task", "cell"))
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TREE = re.compile(r"^    (\S+)", re.MULTILINE)
TABLE = "The files of a contribution"


def task_files() -> dict[str, str]:
    """The page's task in a folder as one in `elman/tasks` has it: its settings, its network, itself."""
    opening, task, _ = PYTHON.findall(TASK_PAGE.read_text(encoding="utf-8"))
    imports, config, network = re.split(r"(?m)^(?=@dataclass|class CapitalsNetwork)", opening)
    own = "from addition.capitals.settings import CapitalsConfig\n"
    own += "from addition.capitals.network import CapitalsNetwork\n\n\n"
    return {
        "__init__.py": '"""Which letters of a text were capitals."""\n',
        "settings.py": imports + config,
        "network.py": imports + network,
        "task.py": imports + own + task,
    }


def cell_file() -> str:
    """The page's cell, without what the page does with it."""
    (block,) = PYTHON.findall(CELL_PAGE.read_text(encoding="utf-8"))
    return block.partition("cells.register")[0]


@pytest.fixture
def addition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with the task and the cell, each registered in one line; both are gone afterwards."""
    package = tmp_path / "addition"
    (package / "capitals").mkdir(parents=True)
    for name, text in task_files().items():
        (package / "capitals" / name).write_text(text, encoding="utf-8")
    (package / "mgu.py").write_text(cell_file(), encoding="utf-8")
    (package / "__init__.py").write_text(
        '"""A task and a cell."""\n\n'
        "from addition.capitals.task import Capitals\n"
        "from addition.mgu import MGU\n"
        "from elman import cells, tasks\n\n"
        "tasks.register(Capitals)\n"
        'cells.register("mgu_after", MGU())\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(task_registry, "TASKS", dict(task_registry.TASKS))
    monkeypatch.setattr(cell_registry, "_REGISTERED", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.set_num_threads(1)
    import_module("addition")
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "addition"]:
        del sys.modules[name]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that succeeds prints."""
    code = cli.run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_a_task_and_a_cell_from_outside_train_resume_and_score(addition, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("".join(line.capitalize() for line in lines(150).splitlines(True)), encoding="utf-8")
    model = elman.train(text, task="capitals", out=tmp_path / "run", cell="mgu_after", quiet=True, **TINY)
    assert model.network.recurrent.cell.name == "mgu_after"
    scores = model.evaluate(text)
    assert scores["model"]["bits_per_char"] < scores["letter"]["bits_per_char"]
    again = elman.load(tmp_path / "run")
    assert again.evaluate(text)["model"] == scores["model"]
    settings = ["--epochs", 2, "--hidden", 16, "--batch-size", 4, "--bptt", 16, "--threads", 1, "--lr", 0.01]
    run = tmp_path / "by command"
    call(capsys, "train", text, "--task", "capitals", "--cell", "mgu_after", "--out", run, *settings)
    assert "the rain fell" in (run / "train.log").read_text(encoding="utf-8").lower()
    printed = call(capsys, "eval", run, text)
    assert f"{scores['model']['bits_per_char']:.3f}" in printed
    assert "letter" in printed
    call(capsys, "init", tmp_path / "elman.toml", "--task", "capitals")
    assert "[capitals]" in (tmp_path / "elman.toml").read_text(encoding="utf-8")
    resumed = elman.train(resume=run, quiet=True)
    assert resumed.evaluate(text)["model"] == scores["model"]
    with pytest.raises(TaskError, match="a task that needs whole sequences"):
        model.stream()


def test_a_cell_from_outside_streams_and_is_exported(addition, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text(lines(150), encoding="utf-8")
    model = elman.train(text, out=tmp_path / "run", cell="mgu_after", quiet=True, **TINY)
    with model.stream() as stream:
        outputs = stream.feed("the cat")
    assert len(outputs) == len("the cat")
    assert call(capsys, "sample", tmp_path / "run", "--prompt", "the ", "--length", 5).startswith("the ")
    call(capsys, "export", tmp_path / "run", "--torch", "--out", tmp_path / "model.pt2")
    program = torch.export.load(
        tmp_path / "model.pt2"
    )  # which was checked against the model as it was written
    assert program.graph_signature.user_outputs


@pytest.mark.parametrize(("page", "names"), [(TASK_PAGE, tasks.TASKS), (CELL_PAGE, ["rnn", "gru", "lstm"])])
def test_the_files_of_a_contribution_are_what_there_is(page, names):
    """Each member of the family has the files that its page lists, with its name in place of NAME."""
    _, _, listed = page.read_text(encoding="utf-8").partition(TABLE)
    paths = TREE.findall(listed)
    assert len(paths) > 2
    for path in paths:
        for name in names if "NAME" in path else [""]:
            assert (ROOT / path.replace("NAME", name)).exists(), path


def test_cells_are_gone_after_a_test():
    assert "mgu_after" not in cells.names()
