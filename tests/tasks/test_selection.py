"""Records that cannot be used: what is left out, in order and in number, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import elman
from elman.cli import commands
from elman.core import notes
from elman.core.errors import DataError, DataWarning
from elman.core.records import Record
from elman.data import formats
from elman.data.formats.base import ReadingHints
from elman.tasks import selection

QUICK = {"quiet": True, "epochs": 1, "hidden": 8, "lr": 0.01}
RECORDS = [Record({"n": n}, f"f:{n}") for n in range(10)]


def faults(*places: int) -> dict[int, DataError]:
    return {place: DataError(f"f:{place}", "odd", expected="even") for place in places}


def test_what_is_left_out_is_said_in_order_and_in_number():
    said: list[str] = []
    with notes.forward(said.append):
        kept = selection.usable(RECORDS, faults(7, 1, 5, 3, 9), "in all", strict=False)
        assert selection.usable(RECORDS, {}, "in all", strict=True) == RECORDS
    assert [record.fields["n"] for record in kept] == [0, 2, 4, 6, 8]
    assert said == [
        "left out 5 of 10 records in all: f:1: odd; f:3: odd; f:5: odd; and 2 more (--strict refuses them)"
    ]


@pytest.mark.parametrize(("places", "strict"), [((3,), True), ((9, 2, 3, 4, 5, 6), False)])
def test_the_first_fault_is_raised(places, strict):
    with pytest.raises(DataError) as caught:
        selection.usable(RECORDS, faults(*places), "in all", strict=strict)
    assert str(caught.value) == f"f:{min(places)}: expected even, got odd"


def test_what_cannot_be_learnt_is_found_one_by_one():
    def total(records):
        for record in records:
            if record.fields["n"] in (2, 6):
                raise DataError(f"x.wav (named in {record.where})", "damaged")
        return sum(record.fields["n"] for record in records)

    with pytest.warns(DataWarning, match="left out 2 of 10 records to learn from: x.wav"):
        made, kept = selection.fitted(RECORDS, total, strict=False)
    assert (made, len(kept)) == (37, 8)
    with pytest.raises(DataError, match="damaged"):
        selection.fitted(RECORDS, total, strict=True)

    def never(records):
        raise DataError("f", "no record of it")

    with pytest.raises(DataError, match="no record of it"):
        selection.fitted(RECORDS, never, strict=False)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """The stem of sixty lines in two languages, two without a source, and a file of other lines."""
    numbers = [f"n{n % 7} n{n % 3}" for n in range(60)]
    sources = ["" if n in (10, 30) else text for n, text in enumerate(numbers)]
    (tmp_path / "num.de").write_text("\n".join(sources) + "\n")
    (tmp_path / "num.en").write_text("\n".join(numbers).upper() + "\n")
    (tmp_path / "num.hyp").write_text("a\nb\n")
    return tmp_path / "num"


def test_empty_lines_and_other_files_do_not_stop_a_translation(pairs: Path, capsys):
    stem, run = str(pairs), str(pairs.with_name("run"))
    model = elman.train(stem, task="translate", out=run, **QUICK)
    log = (pairs.with_name("run") / "train.log").read_text()
    assert f"left out {stem}.hyp: 2 lines, not 60 (--strict refuses it)" in log
    assert f"left out 2 of 60 records in all: {stem}:11: an empty source; {stem}:31: an empty source" in log
    out = io.StringIO()
    with pytest.warns(DataWarning, match="records to predict for"):
        model.write_predictions(stem, out)
    lines = out.getvalue().split("\n")[:-1]
    assert len(lines) == 60
    assert (lines[10], lines[30]) == ("", "")
    assert commands.run(["eval", run, stem]) == 0
    assert "elman: left out 2 of 60 records to score" in capsys.readouterr().err
    pairs.with_name("num.hyp").unlink()
    for command in ("eval", "predict"):
        assert commands.run([command, run, stem, "--strict"]) == 2
        assert "num:11: expected a text, got an empty source" in capsys.readouterr().err
    with pytest.raises(DataError, match="an empty source"):
        elman.train(stem, task="translate", strict=True, **QUICK)


def test_a_file_that_is_asked_for_is_not_left_out(pairs: Path):
    for hints in (ReadingHints(strict=True), ReadingHints(names=frozenset({"hyp"}))):
        with pytest.raises(DataError, match=r"num\.de has 60 lines, num\.en 60, num\.hyp 2"):
            formats.read(str(pairs), hints=hints)
    pairs.with_name("num.en").unlink()
    with pytest.raises(DataError, match=r"num\.de has 60 lines, num\.hyp 2"):
        formats.read(str(pairs))


def test_rare_classes_and_missing_labels_are_left_out(tmp_path: Path):
    rows = [f"{word} {n},{label}" for n in range(20) for word, label in (("good", "a"), ("bad", "b"))]
    rows.insert(5, "odd,rare")
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["text,label", *rows, "none,"]) + "\n")
    model = elman.train(path, task="classify", out=tmp_path / "run", **QUICK)
    assert model.task.target.classes == ["a", "b"]
    assert "left out 2 of 42 records in all" in (tmp_path / "run/train.log").read_text()
    with pytest.warns(DataWarning, match="left out 2 of 42 records to score"):
        model.evaluate(path)
    with pytest.raises(DataError, match="got the label 'rare'"):
        model.evaluate(path, strict=True)
    again = elman.load(tmp_path / "run")
    assert again.predict(["good 1"])[0]["prediction"] in ("a", "b")


def test_a_tag_of_the_test_part_alone_is_left_out(tmp_path: Path):
    (tmp_path / "a.conll").write_text("".join(f"a X\nw{n} Y\n\n" for n in range(30)))
    odd = tmp_path / "odd.conll"
    odd.write_text("a X\nb Y\n\nc Z\n\na X\n")
    model = elman.train(tmp_path / "a.conll", test_path=str(odd), out=tmp_path / "run", **QUICK)
    assert f"left out 1 of 3 records to test on: {odd}:4: 'Z'" in (tmp_path / "run/train.log").read_text()
    out = io.StringIO()
    model.write_predictions(odd, out)
    assert [line.split()[0] for line in out.getvalue().split("\n") if line] == ["a", "b", "c", "a"]


def test_json_lines_without_an_answer_keep_their_place(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    rows = [{"source": f"n{n}", "target": f"N{n}"} for n in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = elman.train(path, task="translate", out=tmp_path / "run", **QUICK)
    rows[2]["source"] = " "
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = io.StringIO()
    with pytest.warns(DataWarning):
        model.write_predictions(path, out)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["source"] for row in told] == [row["source"] for row in rows]
    assert [n for n, row in enumerate(told) if row["prediction"] is None] == [2]
