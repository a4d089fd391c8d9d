"""The most wrong answers of each task: what is listed is wrong, the worst first, and says what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_tasks import RECORDS, made

import elman
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.runs.folder import RunFolder
from elman.tasks import evaluation, mistakes
from elman.tasks import registry as tasks
from elman.tasks.abilities import ComputesWeights, ShowsMistakes, largest
from elman.tasks.base import Purpose
from elman.tasks.classify import mistakes as classify_mistakes
from elman.tasks.classify.settings import ClassifyConfig
from elman.tasks.classify.targets import NumberTarget, OneClass, Several

HEADS = {
    "classify": ["where", "read", "answer", "right", "probability", "of the right one"],
    "tag": ["where", "read", "answer", "right", "wrong tags", "words"],
    "translate": ["where", "read", "answer", "right", "symbol error rate", "probability"],
    "caption": ["where", "answer", "right", "symbol error rate", "probability"],
    "recognize": ["where", "answer", "right", "errors", "probability"],
    "label": ["where", "answer", "right", "wrong steps", "steps", "at step"],
    "forecast": ["read", "answer", "right", "mean error", "of its usual change"],
    "recall": ["answer", "right", "overlap", "steps"],
}


@pytest.mark.parametrize(
    "name", [name for name, kind in tasks.TASKS.items() if issubclass(kind, ShowsMistakes)]
)
def test_a_fresh_network_makes_mistakes_of_every_task_that_has_some(name):
    task = made(name, **({"recall": {"flip": 0.45}} if name == "recall" else {}))
    network, held = task.build().eval(), task.encode(RECORDS[name], Purpose.SCORE)
    if isinstance(task, ComputesWeights):
        task.store(network, task.encode(RECORDS[name], Purpose.TRAIN))
    outputs = evaluation.evaluate(task, network, held).outputs
    rows = mistakes.table(task, held, outputs, RECORDS[name])
    assert rows[0] == HEADS[name]
    assert 1 < len(rows) <= 9
    answer = rows[0].index("answer")
    assert all(row[answer] != row[answer + 1] for row in rows[1:])
    if rows[0][0] == "where":
        assert {row[0] for row in rows[1:]} <= {record.where for record in RECORDS[name]}


def test_every_task_that_predicts_records_shows_some():
    assert set(HEADS) == {name for name, kind in tasks.TASKS.items() if issubclass(kind, ShowsMistakes)}


def test_the_surest_wrong_class_comes_first():
    target = OneClass(["a", "b", "c"], [], RunConfig.of({}, ClassifyConfig).options)
    outputs = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.4, 0.35, 0.25]])
    found = classify_mistakes.worst(target, outputs, torch.tensor([0, 0, 0, 1]), most=2)
    assert [(one.place, one.answer, one.right) for one in found] == [(2, "b", "a"), (1, "b", "a")]
    assert found[0].numbers["probability"] == pytest.approx(0.9)
    assert found[0].numbers["of the right one"] == pytest.approx(0.05)


def test_several_classes_and_numbers_have_theirs():
    several = Several(["a", "b"], RunConfig.of({}, ClassifyConfig).options)
    outputs, truth = torch.tensor([[0.9, 0.9], [0.1, 0.4], [0.9, 0.2]]), torch.tensor([[[1, 0.0]]] * 3)
    found = classify_mistakes.worst(several, outputs, truth, most=8)
    assert [(one.place, one.answer, one.right) for one in found] == [(1, "none", "a"), (0, "a, b", "a")]
    number = classify_mistakes.worst(
        NumberTarget(0.0, 1.0), torch.tensor([[1.0, 0.5], [9.0, 0.5]]), torch.tensor([1.0, 2.0]), most=8
    )
    assert [(one.place, one.answer, one.right, one.numbers["error"]) for one in number] == [
        (1, "9.000", "2.000", 7.0)
    ]


def test_forecasts_that_are_told_do_not_overlap():
    task = made("forecast")
    held = task.encode(RECORDS["forecast"], Purpose.SCORE)
    outputs = evaluation.evaluate(task, task.build().eval(), held).outputs
    found = task.mistakes(held, outputs, 8)
    origins = sorted(held.places[one.place][1] for one in found)
    assert len(held) > len(found) > 1
    assert np.diff(origins).min() >= held.horizon
    sizes = [one.numbers["of its usual change"] for one in found]
    assert sizes == sorted(sizes, reverse=True)


def test_the_largest_leave_out_what_is_right():
    assert largest([0.0, 3.0, 1.0, 3.0, 0.0], 2) == [1, 3]
    assert largest([0.0], 2) == []


def test_what_is_right_is_no_table_and_long_texts_are_cut(classifier):
    task = made("classify")
    held = task.encode(RECORDS["classify"])
    right = [torch.nn.functional.one_hot(example.target, 2).double() for example in held]
    assert mistakes.table(task, held, right) == []
    long = [
        replace(record, fields={**record.fields, "text": "word " * 200}) for record in RECORDS["classify"]
    ]
    rows = mistakes.table(task, task.encode(long), [1 - output for output in right])
    assert all(len(str(cell)) < 100 for row in rows for cell in row)


def test_a_run_keeps_them_and_its_card_and_report_show_them(tmp_path):
    rows = [f"{'ab'[i % 2]}{i},{'yes' if i % 3 else 'no'}" for i in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    model = elman.train(
        tmp_path / "data.csv", task="classify", out=tmp_path / "run", hidden=4, epochs=1, quiet=True
    )
    results = RunFolder(tmp_path / "run").results
    assert results is not None
    table = results.findings["most wrong, test part"]
    assert table[0] == HEADS["classify"]
    text = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "### Most wrong, test part" in text
    line = int(table[1][0].rpartition(":")[2])
    assert (tmp_path / "data.csv").read_text().splitlines()[line - 1].startswith(f"{table[1][1]},")
    found = elman.inspect(model, examples=4)
    (section,) = [one for one in found.sections if one.title == "Scores and mistakes"]
    assert [one.rows for one in section.tables if one.title == "Most wrong, test part"] == [table]
    other = elman.inspect(model, tmp_path / "data.csv", examples=4)
    assert any(one.title.startswith("Most wrong of ") for one in other.sections[0].tables)


def test_a_record_of_a_folder_is_named_by_its_last_parts():
    task = made("classify")
    records = [replace(one, where=f"/far/away/{i}/film.csv:{i}") for i, one in enumerate(RECORDS["classify"])]
    held = task.encode(records)
    wrong = [1 - torch.nn.functional.one_hot(example.target, 2).double() for example in held]
    assert mistakes.table(task, held, wrong, records)[1][0] in {f"{i}/film.csv:{i}" for i in range(8)}
    assert isinstance(records[0], Record)
