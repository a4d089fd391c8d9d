"""Files and folders as people have them, from the path to the task, the columns and the parts."""

from __future__ import annotations

import io
import json
import wave

import numpy as np
import pytest

import elman
from elman.core import notes
from elman.core.errors import DataError, DataWarning
from elman.core.run_config import RunConfig
from elman.data import formats
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


def test_rows_that_end_early_are_series(tmp_path):
    def line(place: int, steps: int) -> str:
        return ",".join([f"H{place}", *map(str, range(steps)), *[""] * (30 - steps)])

    head = ",".join(f"V{place}" for place in range(1, 32))
    ragged = text_file(tmp_path / "a.csv", [head, *(line(place, 20 + place) for place in range(8))])
    assert resolved(ragged)[1] == "forecast"
    even = text_file(tmp_path / "b.csv", [head, *(line(place, 30) for place in range(8))])
    assert resolved(even)[1] != "forecast"


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


# Rows and cells


def noted(path, **options) -> tuple[dataset.Loaded, list[str]]:
    told: list[str] = []
    with notes.forward(told.append):
        return loaded(path, **options), told


def test_units_below_the_head_and_a_total_at_the_end_are_left_out(tmp_path):
    rows = [f"{i},{20 + i % 5}.5,{50 + i % 3}" for i in range(20)]
    path = text_file(tmp_path / "rows.csv", ["time,temp,hum", "s,degC,", *rows, "Total,430,1019"])
    found, told = noted(path)
    assert len(found.records) == 20
    assert told == [f"{path}:2: units ('s', ...), left out", f"{path}:23: a total ('Total'), left out"]
    with pytest.raises(DataError, match="'s'"):
        elman.train(path, strict=True, out=tmp_path / "run", quiet=True, **TINY)


@pytest.mark.parametrize(
    "lines",
    [
        ["text,label", "units,kinds", "so good,1", "so bad,0", "so so,1", "well,0"],  # texts are no units
        ["name,a", "Total,1", "Total,2", "x,3", "y,4", "Total,5"],  # of some rows
        ["kind,a", "x,1", "y,2", "z,3", "x,4", "sum of all,5"],
    ],
)
def test_rows_like_these_are_data(tmp_path, lines):
    assert len(formats.read(text_file(tmp_path / "rows.csv", lines))) == len(lines) - 1


@pytest.mark.parametrize("sign", ["|", ";", ", "])
def test_several_labels_in_a_cell(tmp_path, sign):
    kinds = [["war"], ["love", "fun"], ["fun", "war"], ["love"], ["sad", "love", "fun"], ["sad"]]
    rows = [f'a film {i},"{sign.join(kinds[i % 6])}"' for i in range(60)]
    path = text_file(tmp_path / "rows.csv", ["text,genres", *rows])
    model = elman.train(path, out=tmp_path / "run", quiet=True, **TINY)
    assert model.task.target.classes == ["fun", "love", "sad", "war"]
    assert f"as several labels with {sign.strip()!r} between them" in model.task.describe()["columns"]
    whole = elman.train(path, kind="class", out=tmp_path / "one", quiet=True, **TINY)
    assert len(whole.task.target.classes) == 6


@pytest.mark.parametrize("labels", [("Korea, South", "Chad"), ("a|b", "c|d"), ("x; y; z", "w")])
def test_a_sign_within_the_names_of_classes_separates_nothing(tmp_path, labels):
    rows = [f'a place {i},"{labels[i % 2]}"' for i in range(20)]
    found = loaded(text_file(tmp_path / "rows.csv", ["text,label", *rows]))
    assert found.columns.wanted(found.records[0]) == labels[0]


# JSON


TABLE = [["a film", "x"], ["a play", "y"], ["an opera", "x"], ["a song", "y"]]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (TABLE, ("1", "2")),
        ([["text", "label"], *TABLE], ("text", "label")),
        ({"columns": ["text", "label"], "index": [0, 1, 2, 3], "data": TABLE}, ("text", "label")),
        (
            {"result": {"rows": [dict(zip(("text", "label"), row, strict=True)) for row in TABLE]}},
            ("text", "label"),
        ),
        ([{"doc": {"text": text}, "label": label} for text, label in TABLE], ("doc.text", "label")),
    ],
)
def test_tables_as_json_has_them(tmp_path, value, names):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(value))
    found = formats.read(str(path))
    assert formats.find(str(path)).name == "jsonlines"
    assert [tuple(record.fields.items()) for record in found] == [
        tuple(zip(names, row, strict=True)) for row in TABLE
    ]


def test_nested_objects_come_back_as_they_were(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"doc": {"text": "a", "n": {"m": 1}}, "label": "x"}\n')
    (record,) = formats.read(str(path))
    assert dict(record.fields) == {"doc.text": "a", "doc.n.m": 1, "label": "x"}
    out = io.StringIO()
    formats.FORMATS["jsonlines"].write([(record, {"prediction": "y"})], out)
    assert json.loads(out.getvalue()) == {
        "doc": {"text": "a", "n": {"m": 1}},
        "label": "x",
        "prediction": "y",
    }


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"context": "it rains", "question": "is it?", "answers": {"text": ["yes"]}}, "marked in a context"),
        ({"title": "t", "paragraphs": [{"context": "c", "qas": []}]}, "marked in a context"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "lists of messages"),
        ({"text": "Bob ran", "label": [[0, 3, "PER"]]}, "spans by the places of their characters"),
    ],
)
def test_what_no_task_learns_is_refused_with_the_cure(tmp_path, record, message):
    path = text_file(tmp_path / "rows.jsonl", [json.dumps(record)] * 9)
    with pytest.raises(DataError, match=f"expected a layout that a task learns, got .*{message}.*; write "):
        resolved(path)


def test_parts_in_one_json_file_are_refused_with_the_cure(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(
        json.dumps({"train": [{"text": "a", "label": "x"}], "test": [{"text": "b", "label": "x"}]})
    )
    with pytest.raises(DataError, match=r"lists of records in 'train', 'test'; write each to a file"):
        resolved(path)


def test_an_instruction_is_answered_by_its_output(tmp_path):
    rows = [{"instruction": f"say {i}", "input": "", "output": f"{i} it is"} for i in range(12)]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    run, task = resolved(path)
    chosen = dataset.load(run).columns
    assert (task, chosen.input, chosen.target) == ("translate", "instruction", "output")


# Recordings in a folder beside their table


def recordings(folder, names) -> None:
    folder.mkdir(parents=True)
    for place, name in enumerate(names):
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(np.full(8000, 100 * place, "<i2").tobytes())


def test_ljspeech(tmp_path):
    recordings(tmp_path / "lj" / "wavs", [f"LJ-{i}.wav" for i in range(12)])
    lines = [f"LJ-{i}|Said {i}, as printed.|said {i} as read" for i in range(12)]
    text_file(tmp_path / "lj" / "metadata.csv", lines)
    run, task = resolved(tmp_path / "lj")
    found = dataset.load(run)
    assert (task, found.columns.input, found.columns.target) == ("recognize", "path", "text")
    assert found.records[3].fields == {
        "path": "wavs/LJ-3.wav",
        "transcript": "Said 3, as printed.",
        "text": "said 3 as read",
    }
    elman.train(tmp_path / "lj", out=tmp_path / "run", quiet=True, valid=0.1, test=0.1, **TINY)


def test_common_voice(tmp_path):
    recordings(tmp_path / "cv" / "clips", [f"{i}.wav" for i in range(12)])
    rows = [f"id{i % 3}\t{i}.wav\tsaid {i}\t2\t" for i in range(12)]
    head = "client_id\tpath\tsentence\tup_votes\tage"
    text_file(tmp_path / "cv" / "train.tsv", [head, *rows[:9]])
    text_file(tmp_path / "cv" / "test.tsv", [head, *rows[9:]])
    text_file(tmp_path / "cv" / "other.tsv", [head, *rows[9:]])
    run, task = resolved(tmp_path / "cv")
    assert (task, run.data.test_path) == ("recognize", str(tmp_path / "cv" / "test.tsv"))
    found = dataset.load(run)
    assert (found.columns.input, found.columns.target) == ("path", "sentence")
    elman.train(tmp_path / "cv", out=tmp_path / "run", quiet=True, valid=0.2, **TINY)
