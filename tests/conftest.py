"""Small texts and small runs, made once; and what numerical tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import elman
from elman.nn.kernels import dispatch

TINY = {"hidden": 16, "epochs": 2, "batch_size": 4, "bptt": 16, "threads": 1, "lr": 0.01}
"""Settings of a training that takes a second."""

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "that", "dog", "log", "while", "bird", "sang", "to")


def lines(count: int) -> str:
    """Text that is the same each time and repeats itself, but not too simply."""
    return "".join(
        " ".join(WORDS[(3 * i + j * j) % len(WORDS)] for j in range(4 + i % 5)) + ".\n" for i in range(count)
    )


def films(count: int) -> str:
    """A table of ragged texts, of which one word tells the label."""
    words = ("good", "fine", "nice"), ("bad", "dull", "poor")
    rows = [
        f"it was {'so ' * (i % 4)}{words[i % 2][i % 3]} in place {i},{'yes' if i % 2 == 0 else 'no'}"
        for i in range(count)
    ]
    return "\n".join(["text,label", *rows]) + "\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV file of 90 texts with labels."""
    path = tmp_path / "films.csv"
    path.write_text(films(90), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run of the task classify, for reading only."""
    folder = tmp_path_factory.mktemp("classifier")
    (folder / "films.csv").write_text(films(120), encoding="utf-8")
    options = TINY | {"epochs": 16, "lr": 0.03, "batch_size": 16, "unit": "word"}
    elman.train(folder / "films.csv", task="classify", out=folder / "run", quiet=True, **options)
    return folder / "run"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text file of some 4,000 characters."""
    path = tmp_path / "text.txt"
    path.write_text(lines(150), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, for reading only."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(lines(150), encoding="utf-8")
    elman.train(folder / "text.txt", out=folder / "run", quiet=True, **TINY)
    return folder / "run"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, known random numbers, and no kernel forced."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    monkeypatch.setattr(dispatch, "_forced", None)
