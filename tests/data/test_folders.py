"""Folders as people download them: which files they stand for, and which part each is."""

from __future__ import annotations

from pathlib import Path

import pytest

from elman.data import formats
from elman.data.formats import folders
from elman.training import resolve

ROWS = "text,label\n" + "".join(f"so {'good' if i % 2 else 'bad'} {i},{i % 2}\n" for i in range(20))


@pytest.fixture
def make(tmp_path):
    """Makes files with rows in them, and gives their folder."""

    def put(*names: str) -> str:
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(ROWS)
        return str(tmp_path / "set")

    return put


ABOUT = ("README.md", "dataset_info.json", ".gitattributes", "LICENSE")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.csv", "valid.csv", "test.csv"], ["train.csv", "valid.csv", "test.csv"]),
        (["train.csv", "dev.csv"], ["train.csv", "dev.csv", ""]),
        (["wiki.train.tokens", "wiki.test.tokens"], ["wiki.train.tokens", "", "wiki.test.tokens"]),
        (["data/train-0.csv", "data/train-1.csv", "data/test-0.csv"], ["train-*.csv", "", "test-0.csv"]),
        (["train/a/1.txt", "test/a/1.txt"], ["train", "", "test"]),
        (["train.csv", "test.csv", "other.csv"], None),
        (["a/1.txt", "b/1.txt"], None),
        (["train.csv"], None),
    ],
)
def test_parts_by_names(make, names, expected):
    found = folders.parts(make(*names, *ABOUT))
    assert (found and [Path(path).name for path in found]) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["metadata.csv", "1.wav", "2.wav"], ["metadata.csv"]),
        (["rows.csv"], ["rows.csv"]),
        (["data/a.csv", "data/b.csv"], ["a.csv", "b.csv"]),
        (["a.csv", "b.jsonl"], []),
        (["a.txt", "b.txt"], []),
        (["pos/1.csv", "neg/1.csv"], []),
    ],
)
def test_files_beside_what_tells_about_them(make, names, expected):
    found = folders.files(make(*names, *ABOUT))
    assert [Path(path).name for path in found] == expected


def test_several_files_are_read_behind_each_other(make):
    folder = make("data/a.csv", "data/b.csv", "README.md")
    assert formats.find(folder).name == "table"
    records = formats.read(folder)
    assert len(records) == len(formats.read(f"{folder}/data/*.csv")) == 40
    assert [Path(record.where).name for record in records[19:21]] == ["a.csv:21", "b.csv:2"]
    assert formats.exists(f"{folder}/data/*.csv")
    assert not formats.exists(f"{folder}/data/*.tsv")
    assert formats.find(folder, ("text",)).name == "text"


def test_parts_of_a_folder_become_settings(make):
    folder = make("train.csv", "valid.csv", "README.md")
    run, choice = resolve.resolve(folder, None, None, {})
    assert [run.data.path, run.data.valid_path] == [f"{folder}/train.csv", f"{folder}/valid.csv"]
    assert choice.name == "classify"
    assert choice.words.endswith(f"; in {folder}: train.csv to learn from, valid.csv to validate")


def guessed(path: Path, text: str) -> str:
    path.write_text(text)
    return resolve.resolve(str(path), None, None, {})[1].name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("date,text,label\n" + "2024-01-02,what a very good film,1\n" * 9, "classify"),
        ("date,temp\n" + "".join(f"01/{day:02}/2023,{day}.5\n" for day in range(1, 25)), "forecast"),
        (
            "id,time,x,y,label\n" + "".join(f"{i // 9},{i % 9},1,2,{i // 9 % 2}\n" for i in range(36)),
            "classify",
        ),
        ("sentence_id,word,tag\n" + "1,a,D\n1,film,N\n2,so,A\n2,bad,A\n", "tag"),
        ("source,target\n" + "one two,eins zwei\n" * 3, "translate"),
    ],
)
def test_the_guess_looks_at_more_than_names(tmp_path, text, expected):
    assert guessed(tmp_path / "rows.csv", text) == expected


def test_an_error_after_a_guess_names_other_tasks(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "date,temp\n" + "".join(f"2024-01-{day:02},{day % 3}\n" for day in (1, 2, 3, 9, 10, 20, 21))
    )
    run, choice = resolve.resolve(str(path), None, None, {})
    assert choice.words.startswith(f"task forecast, guessed from {path} (format table, with a header ")
    error = resolve.with_others(resolve.DataError(path, "bad", remedy="mend it"), run.data, "forecast")
    assert str(error).startswith(
        f"{path}: bad; mend it; task forecast was guessed; other tasks read the data: elman train "
    )
    assert "--task translate" in str(error)
