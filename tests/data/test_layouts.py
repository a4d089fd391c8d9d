"""Files and folders as people have them, from the path to the task, the columns and the parts."""

from __future__ import annotations

import numpy as np
import pytest

import elman
from elman.core.errors import DataError, DataWarning
from elman.core.run_config import RunConfig
from elman.data.columns import ALL
from elman.tasks import dataset
from elman.training import resolve
from tests.conftest import TINY

CITIES = ("Köln", "Łódź", "Oslo")


def resolved(path, **options) -> tuple[RunConfig, str]:
    run, choice = resolve.resolve(str(path), None, None, options)
    return run, choice.name


def loaded(path, **options) -> dataset.Loaded:
    return dataset.load(resolved(path, **options)[0])


def text_file(path, lines) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


# Tables called .txt


@pytest.mark.parametrize(
    ("lines", "columns_of"),
    [
        ([f"name{i}\t{'ab'[i % 2]}" for i in range(20)], ("1", "2")),
        ([f"{i / 2:8.3f}  {i % 7:5d}   {i % 3}" for i in range(20)], (ALL, "3")),
        ([f"{i / 2},{i % 7},{i % 3}" for i in range(20)], (ALL, "3")),
    ],
)
def test_a_text_with_the_columns_of_a_table_is_one(tmp_path, lines, columns_of):
    run, task = resolved(text_file(tmp_path / "rows.txt", lines))
    assert task == "classify"
    chosen = dataset.load(run).columns
    assert (chosen.input, chosen.target) == columns_of


@pytest.mark.parametrize(
    "lines",
    [
        ["A tale of two\tcities", "with a tab here\tand there", "and none here"],
        ["1 2 3", "is no table", "4 5 6"],
        ["one\t", "two\t", "three\t"],
    ],
)
def test_other_texts_stay_texts(tmp_path, lines):
    assert resolved(text_file(tmp_path / "tale.txt", lines))[1] == "language"


def test_tokens_with_tags_of_spans_are_known_in_a_text(tmp_path):
    lines = ["EU B-ORG", "rejects O", "", "Peter B-PER", "Blackburn I-PER", ""] * 3
    assert resolved(text_file(tmp_path / "train.txt", lines))[1] == "tag"


# Folders


def competition(folder) -> str:
    rows = [f"{i},so {'good' if i % 2 else 'bad'} a film {i * 7 % 31}" for i in range(60)]
    text_file(
        folder / "train.csv", ["id,review,sentiment", *(f"{row},{i % 2}" for i, row in enumerate(rows[:40]))]
    )
    text_file(folder / "test.csv", ["id,review", *rows[40:]])
    text_file(folder / "sample_submission.csv", ["id,sentiment", *(f"{i},0" for i in range(40, 60))])
    return str(folder)


def test_a_test_file_without_the_target_is_for_predicting(tmp_path):
    folder = competition(tmp_path / "set")
    run, task = resolved(folder)
    assert (task, run.data.test_path) == ("classify", f"{folder}/test.csv")
    with pytest.warns(DataWarning, match="no column 'sentiment' to test on; a share of "):
        parts = dataset.load_parts(run)
    assert len(parts.test) > 0
    assert len(parts.train) + len(parts.valid) + len(parts.test) == 40


def test_a_test_file_without_the_target_is_refused_by_strict(tmp_path):
    run, _ = resolved(competition(tmp_path / "set"), strict=True)
    assert len(dataset.load_parts(run).test) == 20  # whoever scores them tells what they lack


def test_a_folder_for_each_class_in_each_part(tmp_path):
    for part in ("train", "test"):
        for kind in ("pos", "neg"):
            for number in range(6):
                text_file(tmp_path / "set" / part / kind / f"{number}.txt", [f"a {kind} film {number}"])
    text_file(tmp_path / "set" / "README", ["about"])
    run, task = resolved(tmp_path / "set")
    assert task == "classify"
    parts = dataset.load_parts(run)
    assert {record.fields["label"] for record in parts.train} == {"pos", "neg"}
    assert len(parts.test) == 12


def test_files_of_other_columns_are_not_read_behind_each_other(tmp_path):
    text_file(tmp_path / "set" / "a.csv", ["text,label", "so good,1", "so bad,0"])
    text_file(tmp_path / "set" / "b.csv", ["name,price", "x,1"])
    with pytest.raises(DataError, match="columns name, price; name one of the files"):
        loaded(tmp_path / "set")


# Series


def test_rows_under_years_are_series_with_the_names_before_them(tmp_path):
    head = ["Country Name,Country Code,Indicator Name,Indicator Code,", *map(str, range(1960, 1990))]
    rows = [
        f"{city},C{i},Income,I.{i}," + ",".join(str(100 + i + t * t % 7) for t in range(30))
        for i, city in enumerate(CITIES)
    ]
    lines = [head[0] + ",".join(head[1:]), *rows]
    run, task = resolved(text_file(tmp_path / "world.csv", lines))
    assert task == "forecast"
    assert len(dataset.load(run).records) == 3


@pytest.mark.parametrize("names", ["rec_no,step", "sample_number,time", "engine name,cycle"])
def test_groups_by_other_names(tmp_path, names):
    rows = [f"{i},{t},{(i + t) % 5}.5,{i % 2}.25,{'ab'[i % 2]}" for i in range(8) for t in range(6)]
    found = loaded(text_file(tmp_path / "long.csv", [f"{names},x,y,state", *rows]))
    assert found.table.group == (names.split(",")[0],)
    assert len(found.records) == 8


def test_a_group_of_two_columns(tmp_path):
    cells = [(s, r, t) for s in range(4) for r in range(3) for t in range(6)]
    rows = [f"{s},{r},{t / 10},{(s + t) % 5}.5,{'ab'[(s + r) % 2]}" for s, r, t in cells]
    found = loaded(text_file(tmp_path / "long.csv", ["subject,trial,time,ax,label", *rows]))
    assert found.table.group == ("subject", "trial")
    assert len(found.records) == 12


def test_dates_and_times_of_day_in_two_columns_are_refused_with_the_cure(tmp_path):
    rows = [f"2024-01-{1 + i // 24:02},{i % 24:02}:00,{i % 7}.5" for i in range(72)]
    run, task = resolved(text_file(tmp_path / "air.csv", ["Date,Time,CO", *rows]))
    assert task == "forecast"
    with pytest.raises(DataError, match="expected one column of times, got dates in 'Date' and times of day"):
        elman.train(run.data.path, out=tmp_path / "run", quiet=True, **TINY)


# Columns


def test_columns_are_guessed_once_from_all_records(tmp_path):
    """The first rows alone look like texts with two labels of 0 and 1 each."""
    rows = [f"text number {i},{i % 2},{i // 2 % 2 if i < 36 else 2}" for i in range(40)]
    path = text_file(tmp_path / "rows.csv", ["text,a,b", *rows])
    whole = loaded(path)
    options = TINY | {"split": "order", "valid": 0.05, "test": 0.05}
    model = elman.train(path, task="classify", out=tmp_path / "run", quiet=True, **options)
    assert model.task.roles == whole.columns.roles() == {"input": ("text",), "target": ("a",)}


def test_lists_of_labels_in_cells(tmp_path):
    rows = [f"a film {i},\"['{'ab'[i % 2]}', 'c']\"" for i in range(12)]
    found = loaded(text_file(tmp_path / "rows.csv", ["text,labels", *rows]))
    assert found.columns.wanted(found.records[1]) == ["b", "c"]


def test_input_and_output_are_a_pair(tmp_path):
    rows = [f"word {i},{i} drow" for i in range(12)]
    run, task = resolved(text_file(tmp_path / "rows.csv", ["input,output", *rows]))
    chosen = dataset.load(run).columns
    assert (task, chosen.input, chosen.target) == ("translate", "input", "output")


def test_y_beside_x_and_z_is_a_coordinate(tmp_path):
    rows = [f"{i % 3}.5,{i % 5}.25,{i % 7}.125,{'ab'[i % 2]}" for i in range(20)]
    chosen = loaded(text_file(tmp_path / "rows.csv", ["x,y,z,gesture", *rows])).columns
    assert (chosen.input, chosen.target) == (ALL, "gesture")


def test_a_column_of_fractions_beside_classes_is_a_number(tmp_path):
    rows = [f"{i % 5}.25,{'ab'[i % 2]}" for i in range(20)]
    found = loaded(text_file(tmp_path / "rows.csv", ["height,kind", *rows]))
    assert (found.columns.input, found.columns.target) == (ALL, "kind")
    np.testing.assert_array_equal(found.columns.read(found.records[1]), [1.25])
