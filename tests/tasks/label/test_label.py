"""Answers at each step of a signal: long tables, masks, lags, scores, guesses and errors."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import elman
from elman.core.errors import DataError, TaskError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data import formats
from elman.data.batching import IGNORED
from elman.tasks import dataset, evaluation, registry
from elman.tasks.base import Purpose
from elman.tasks.label.step_scores import edit_score
from elman.tasks.label.task import Label

SMALL = {"hidden": 8, "layers": 1, "epochs": 2, "batch_size": 4, "quiet": True}


def table(path: Path, cell, count: int = 12, steps: int = 10, head: str = "series,time,x,z,target") -> Path:
    """A long table of numbers whose target at each step `cell` tells of the series and the step."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(head.split(","))
        for name in range(count):
            for step in range(steps):
                swing = math.sin(name + step / 2)
                rows.writerow([f"s{name}", step, round(swing, 3), step * name % 5, cell(name, step)])
    return path


def side(name: int, step: int) -> str:
    return "up" if math.sin(name + step / 2) > 0 else "down"


def number(name: int, step: int) -> float:
    return round(math.sin(name + step / 2) * 3 + 0.125, 3)


def test_a_target_that_changes_within_a_series_is_one_of_steps(tmp_path):
    found = formats.read(str(table(tmp_path / "t.csv", side)))
    name, why = registry.choose("table", list(found))
    assert (name, why) == ("label", "'target' changes from row to row of a sequence, beside numbers")
    same = formats.read(str(table(tmp_path / "s.csv", lambda name, step: "ab"[name % 2])))
    assert registry.choose("table", list(same))[0] == "classify"
    dated = "item,date,x,z,y"
    forecast = formats.read(str(table(tmp_path / "f.csv", number, head=dated)))
    days = [
        Record(dict(r.fields) | {"date": f"2024-01-{int(r.fields['date']) + 1:02}"}, r.where)
        for r in forecast
    ]
    assert registry.choose("table", days)[0] != "label"


def test_lists_in_step_are_known():
    assert Label.matches(Record({"inputs": [[1, 2], [3, 4]], "target": [0, 1]}, "r"))
    assert not Label.matches(Record({"inputs": [[1, 2], [3, 4]], "target": "a"}, "r"))
    assert not Label.matches(Record({"inputs": [[1, 2], [3, 4]], "target": [0, 1, 1]}, "r"))


@pytest.mark.parametrize(("cell", "metric"), [(side, "accuracy"), (number, "rmse")])
def test_a_long_table_is_learnt_and_each_row_is_answered(cell, metric, tmp_path):
    path = table(tmp_path / "t.csv", cell)
    model = elman.train(path, out=tmp_path / "run", **SMALL)
    assert model.config.task == "label"
    assert model.task.selection_metric == metric
    with (tmp_path / "out.csv").open("w") as out:
        model.write_predictions(path, out)
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [(row["series"], row["time"]) for row in rows][:11] == [
        *(("s0", str(i)) for i in range(10)),
        ("s1", "0"),
    ]
    if metric == "accuracy":
        assert {row["prediction"] for row in rows} <= {"up", "down"}
    else:
        assert all(float(r["low_95"]) < float(r["prediction"]) < float(r["high_95"]) for r in rows)
    assert (tmp_path / "run/sequence.png").exists()


def test_rows_need_no_order_and_no_target_to_be_answered(tmp_path):
    path = table(tmp_path / "t.csv", side)
    model = elman.train(path, out=tmp_path / "run", **SMALL)
    head, *rows = path.read_text().splitlines()
    other = [",".join(row.split(",")[:-1]) for row in rows[::-1]]
    (tmp_path / "o.csv").write_text("\n".join([head.rpartition(",")[0], *other]))
    straight, turned = (list(model.answers(model.records(str(p)))) for p in (path, tmp_path / "o.csv"))
    assert turned[-1][1] == straight[0][1]


def test_missing_targets_are_masked(tmp_path):
    path = table(tmp_path / "t.csv", lambda name, step: side(name, step) if step == 9 else "")
    model = elman.train(path, task="label", out=tmp_path / "run", **SMALL)
    (example, *_) = model.task.encode(model.records(str(path)))
    assert (example.target[:-1] == IGNORED).all()
    assert example.target[-1] >= 0
    numbers = table(tmp_path / "n.csv", lambda name, step: number(name, step) if step % 3 else "")
    model = elman.train(numbers, out=tmp_path / "other", **SMALL)
    (example, *_) = model.task.encode(model.records(str(numbers)))
    assert example.target.isnan().tolist() == [step % 3 == 0 for step in range(10)]


def made(records: list[Record], **options) -> Label:
    torch.manual_seed(1)
    run = RunConfig.of({"network": {"hidden": 8}, "label": options}, Label.Config)
    return Label.prepare(records, run)


RECORDS = [
    Record(
        {
            "inputs": np.random.default_rng(i).normal(size=(6 + i, 2)),
            "target": [number(i, s) for s in range(6 + i)],
        },
        "r",
    )
    for i in range(4)
]


def test_a_lag_delays_targets_and_answers_every_step():
    task = made(RECORDS, lag=3, bidirectional=False)
    (example,) = task.encode(RECORDS[:1])
    assert len(example.data) == len(example.target) == 9
    assert example.target[:3].isnan().all()
    torch.testing.assert_close(example.target[3:], torch.tensor(RECORDS[0].fields["target"]))
    assert (example.data[5] == example.data[6:]).all()
    network = task.build().eval()
    (output,) = evaluation.predict(task, network, task.encode(RECORDS[:1], Purpose.PREDICT))
    assert len(output) == 6
    other = dict(RECORDS[0].fields) | {"inputs": RECORDS[0].fields["inputs"] * ([[1.0]] * 4 + [[5.0]] * 2)}
    (moved,) = evaluation.predict(task, network, task.encode([Record(other, "r")], Purpose.PREDICT))
    assert torch.equal(moved[0], output[0])  # the first answer sees its own and three later steps
    assert not torch.equal(moved[1], output[1])


def test_pieces_are_learnt_from_and_whole_sequences_scored():
    task = made(RECORDS, window=4)
    pieces, whole = task.encode(RECORDS, Purpose.TRAIN), task.encode(RECORDS)
    assert [len(piece.data) for piece in pieces] == [4, 2, 4, 3, 4, 4, 4, 4, 1]
    assert torch.equal(torch.cat([p.data for p in pieces]), torch.cat([w.data for w in whole]))
    assert torch.equal(torch.cat([p.target for p in pieces]), torch.cat([w.target for w in whole]))


def test_the_largest_target_bounds_the_others():
    (example,) = made(RECORDS, most=1.5).encode(RECORDS[:1])
    assert float(example.target.max()) == 1.5


def test_scores_of_numbers_leave_out_what_is_missing():
    task = made(RECORDS)
    truth = [torch.tensor([1.0, torch.nan, 3.0]), torch.tensor([2.0])]
    outputs = [torch.tensor([[1.0, 1], [9, 1], [1, 1]]), torch.tensor([[2.5, 0.1]])]
    scores = task.target.scores(outputs, truth)
    assert scores["rmse"] == pytest.approx(math.sqrt((4 + 0.25) / 3))
    assert scores["rmse_last"] == pytest.approx(math.sqrt((4 + 0.25) / 2))
    assert scores["mae"] == pytest.approx(2.5 / 3)
    assert scores["nse"] == pytest.approx(1 - 4.25 / 2)
    assert scores["coverage_95"] == pytest.approx(1 / 3)


def test_the_edit_score_counts_segments():
    right = np.array([0, 0, 1, 1, 2])
    assert edit_score([(right, np.array([0, 1, 1, 2, 2]))]) == 1
    assert edit_score([(right, np.array([0, 1, 0, 1, 2]))]) == pytest.approx(1 - 2 / 5)
    assert edit_score([(right, right), (right, np.array([1, 1, 1, 1, 1]))]) == pytest.approx((1 + 1 / 3) / 2)


def test_one_sequence_is_cut_in_time(tmp_path):
    path = table(tmp_path / "t.csv", number, count=1, steps=100)
    kind = registry.get("label")
    run = RunConfig.of({"data": {"path": str(path), "valid": 0.1, "test": 0.2}}, kind.Config)
    with pytest.warns(UserWarning, match="one sequence of 100 steps: its first 70 are learnt from"):
        parts = dataset.load_parts(run)
    assert [len(part[0].fields["series"]) for part in parts] == [70, 10, 20]
    assert parts.test[0].fields["target"][0] == str(number(0, 80))


def test_targets_that_only_fall_are_told_from_the_past(tmp_path):
    path = table(tmp_path / "t.csv", lambda name, step: round(9.5 - step, 1), head="unit,cycle,x,z,rul")
    chosen = elman.explain(str(path))
    assert "label.bidirectional" in str(chosen)
    swings = elman.explain(str(table(tmp_path / "s.csv", number)))
    assert "label.bidirectional" not in str(swings)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"inputs": [[1.0, 2.0]] * 3, "target": [1.5, 2.5]},
            "expected 3, as many as steps that are read, got 2",
        ),
        (
            {"inputs": [[1.0, 2.0]] * 3, "target": "x"},
            "expected a list, with a class or a number for each step",
        ),
        ({"inputs": [[1.0, 2.0]] * 2, "target": [1.5, "x"]}, 'expected a number, got "x"'),
    ],
)
def test_wrong_targets_say_where(fields, words):
    task = made(RECORDS)
    with pytest.raises(DataError, match=f"^line 7: {words}"):
        task.encode([Record(fields, "line 7")])


@pytest.mark.parametrize(
    ("cell", "head", "words"),
    [
        (lambda name, step: "", "series,time,x,z,target", "no target at any step"),
        (lambda name, step: "a", "series,time,x,z,target", "one class, 'a', at all steps"),
    ],
)
def test_targets_of_no_use_say_so(cell, head, words, tmp_path):
    with pytest.raises(DataError, match=words):
        elman.train(table(tmp_path / "t.csv", cell, head=head), task="label", out=tmp_path / "run", **SMALL)


def test_a_time_that_comes_twice_and_a_missing_column_say_so(tmp_path):
    path = table(tmp_path / "t.csv", side)
    text = path.read_text()
    path.write_text(text.replace("s0,3,", "s0,2,", 1))
    with pytest.raises(DataError, match="a second row for '2' of series 's0'"):
        elman.train(path, task="label", group="series", time="time", out=tmp_path / "run", **SMALL)
    path.write_text(text)
    with pytest.raises(DataError, match="no column 'speed'"):
        elman.train(path, task="label", target="speed", out=tmp_path / "other", **SMALL)


def test_arrays_beside_arrays_are_read(tmp_path):
    rows = ["path,target"]
    for name in range(8):
        np.save(tmp_path / f"x{name}.npy", np.random.default_rng(name).normal(size=(9, 2)))
        np.save(tmp_path / f"y{name}.npy", np.arange(9) // 3)
        rows.append(f"x{name}.npy,y{name}.npy")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    model = elman.train(tmp_path / "t.csv", task="label", out=tmp_path / "run", valid=0.2, test=0.2, **SMALL)
    assert model.task.target.classes == ["0", "1", "2"]


def test_a_filter_streams_what_it_predicts(tmp_path):
    path = tmp_path / "t.jsonl"
    records = [{k: np.asarray(v).tolist() for k, v in r.fields.items()} for r in RECORDS * 3]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    options = {"label.bidirectional": False, "label.lag": 2}
    model = elman.train(
        path, out=tmp_path / "run", **SMALL, **{k.split(".")[1]: v for k, v in options.items()}
    )
    assert model.config.task == "label"
    (answer,) = model.predict([records[0]["inputs"]])
    stream = model.stream()
    outputs = [
        *stream.feed(records[0]["inputs"][:4]),
        *stream.feed(records[0]["inputs"][4:]),
        *stream.finish(),
    ]
    np.testing.assert_allclose(
        [float(output[0]) for output in outputs], answer["prediction"], rtol=1e-4, atol=1e-4
    )
    smoother = elman.train(path, out=tmp_path / "both", **SMALL)
    with pytest.raises(TaskError, match=r"label\.bidirectional = false"):
        smoother.stream()
