"""Translation: what is read and written, settings, errors, and the command line."""

from __future__ import annotations

import io
import json
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import elman
from elman import cli, inputs
from elman.core.errors import ConfigError, DataError, RunError, TaskError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.tasks import evaluation
from elman.tasks.base import Purpose
from elman.tasks.seq2seq.translator import Translator, search
from elman.tasks.translate.task import Translate

WORDS = ("one two", "two three one", "three", "one one", "two two three", "three two one")
QUICK = {"input_dropout": 0.0, "threads": 1, "quiet": True}


def turned(text: str) -> str:
    return " ".join(reversed(text.upper().split()))


def records(texts=WORDS, **more) -> list[Record]:
    return [
        Record({"source": text, "target": turned(text), **more}, f"p:{line}")
        for line, text in enumerate(texts, start=2)
    ]


def prepared(rows=None, **tables):
    run = RunConfig.of({"network": {"hidden": 12}, **tables}, Translate.Config)
    return Translate.prepare(rows or records(), run)


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt to make capitals."""
    folder = tmp_path_factory.mktemp("translator")
    with (folder / "p.en").open("w") as source, (folder / "p.up").open("w") as target:
        for letters in product("abcdef", repeat=3):
            source.write("".join(letters) + "\n")
            target.write("".join(letters).upper() + "\n")
    out = folder / "run"
    said = {"hidden": 32, "batch_size": 16, "lr": 0.02, "epochs": 12, "dropout": 0.0, "ema": 0.0, **QUICK}
    elman.train(folder / "p", task="translate", input="en", target="up", unit="char", out=out, **said)
    return out


def test_columns_are_guessed_by_their_names_and_said():
    task = prepared(records(id="7"))
    assert task.describe()["columns"].startswith("'source' is read, 'target' is predicted (guessed")
    named = prepared(records(), data={"input": "target", "target": "source"})
    assert named.columns.input == "target"
    assert "guessed" not in named.describe()["columns"]
    with pytest.raises(DataError, match=r"p:2: no column 'sauce'; did you mean 'source'"):
        prepared(data={"input": "sauce"})
    with pytest.raises(DataError, match="one column, 'text'"):
        Translate.prepare([Record({"text": "a"}, "p:1")], RunConfig.of({}, Translate.Config))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"source": "one", "target": " "},
            r"^p:9: expected a text, got an empty target; leave the line out$",
        ),
        ({"source": "", "target": "x"}, r"^p:9: expected a text, got an empty source; leave the line out$"),
        ({"source": "one", "target": 3}, r"^p:9: expected a text, got int in column 'target'"),
        ({"source": "one"}, r"^p:9: no column 'target'"),
        ({"source": "one " * 40, "target": "x"}, r"^p:9: expected at most 20, got a source of \d+ symbols"),
        ({"source": "one", "target": "x " * 40}, r"^p:9: expected at most 20, got a target of \d+ symbols"),
    ],
)
def test_records_that_cannot_be(fields, message):
    task = prepared(translate={"longest": 20}, data={"unit": "word"})
    with pytest.raises(DataError, match=message):
        task.encode(
            [Record({"source": "one", "target": "ONE", **fields} if len(fields) > 1 else fields, "p:9")]
        )


def test_long_ones_can_be_cut():
    task = prepared(translate={"longest": 3, "overlong": "cut"}, data={"unit": "word"})
    (example,) = task.encode([Record({"source": "one " * 9, "target": "ONE " * 9}, "p:9")])
    assert (len(example.data), len(example.target)) == (3, 4)


@pytest.mark.parametrize("unit", ["auto", "char", "byte", "word"])
def test_units_of_both_sides(unit):
    task = prepared(data={"unit": unit}, translate={"target_unit": "char"})
    assert task.wording.vocab.unit == "char"
    assert isinstance(task.input, inputs.Text)
    assert task.input.vocab.unit == ("bpe" if unit == "auto" else unit)
    other = prepared(data={"unit": unit})
    assert other.wording.vocab.unit == task.input.vocab.unit


def test_one_vocabulary_and_its_vectors_for_both_sides():
    task = prepared(data={"unit": "char"}, translate={"shared": True})
    network = task.build()
    assert network.encoder.reader is network.decoder.embedding
    assert task.wording.vocab.pieces == task.input.vocab.pieces
    series = [Record({"x": np.zeros((3, 2)), "text": "a b"}, "p:1")]
    with pytest.raises(
        ConfigError, match=r"translate.shared: true, beside sources that are not text \(p:1\); leave it false"
    ):
        prepared(series, data={"input": "x", "target": "text"}, translate={"shared": True})


@pytest.mark.parametrize("attention", ["additive", "dot", "general", "none"])
@pytest.mark.parametrize("feed", [True, False])
def test_each_attention_learns(attention, feed):
    both = attention != "dot"
    settings = {"attention": attention, "feed": feed, "bidirectional": both}
    task = prepared(data={"unit": "word"}, network={"hidden": 32, "dropout": 0.0}, translate=settings)
    torch.manual_seed(0)
    network, examples = task.build(), task.encode(records())
    batch, optimizer = batching.collate(examples), torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = task.objective(network(batch.seq)[0], batch)
        (loss.nats / loss.count).backward()
        optimizer.step()
    found = evaluation.evaluate(task, network, examples)
    assert found.scores["exact_match"] == 1
    assert (found.outputs[0].attention is None) == (attention == "none")


@pytest.mark.parametrize(
    ("settings", "unit", "expected"),
    [
        ({}, "word", False),
        ({}, "byte", True),
        ({"attention": "none"}, "word", True),
        ({"replace_unknown": False}, "word", True),
    ],
)
def test_unknown_words_are_not_written_where_the_source_has_none_for_them(settings, unit, expected):
    task = prepared(data={"unit": unit}, translate={"target_unit": "word", **settings})
    network, batch = task.build().eval(), batching.collate(task.encode(records()))
    unknown = task.wording.vocab.unknown
    with torch.no_grad():
        network.decoder.output.bias[unknown] = 50
        (reading, _) = network(batch.seq)
    lines = task.predict(network, batch, reading)
    assert all(unknown not in line.symbols for line in lines) == expected


def test_series_are_sources_too():
    rows = [
        Record({"x": np.full((length, 2), length, np.float32), "text": "ab" * length}, f"p:{length}")
        for length in range(1, 6)
    ]
    task = prepared(rows, data={"input": "x", "target": "text", "unit": "char"})
    network, examples = task.build().eval(), task.encode(rows)
    scores = evaluation.evaluate(task, network, examples).scores
    assert "loss" in scores
    assert set(task.baselines(examples, {"test": examples})["test"]) == {"nearest training source"}
    found = search(task, network, task.encode(rows, Purpose.PREDICT), task.usual())
    told = task.translation(found[2][0], rows[2], examples[2])
    assert list(told.source) == ["1", "2", "3"]


def test_a_model_in_the_hand(translator, tmp_path):
    model = elman.load(translator)
    assert isinstance(model.task, Translator)
    found = model.translate(["abc", "fed"], count=3)
    assert [several[0].text for several in found] == ["ABC", "FED"]
    assert [len(several) for several in found] == [3, 3]
    best = found[0][0]
    assert best.symbols == ["A", "B", "C", "■"]
    assert best.source == ["a", "b", "c"]
    assert best.attention.shape == (4, 3)
    assert best.attention.argmax(1)[:3].tolist() == [0, 1, 2]
    assert best.logp < 0
    assert model.translate(["abc"], prefix="F")[0][0].text.startswith("F")
    drawn = [model.translate(["abc"], temperature=3.0, seed=1, count=8)[0] for _ in range(2)]
    assert [one.text for one in drawn[0]] == [one.text for one in drawn[1]]
    assert [answer["prediction"] for answer in model.predict(["bad", "cab"])] == ["BAD", "CAB"]
    with pytest.raises(ConfigError, match="count: expected at most the width, 2, got 3"):
        model.translate(["abc"], beam=2, count=3)


def test_only_translators_translate(classifier):
    with pytest.raises(TaskError, match="expected translate or caption, got a task that does not translate"):
        elman.load(classifier).translate(["good"])


def told(capsys, monkeypatch, stdin: str, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    code = cli.run([str(argument) for argument in ("translate", *arguments)])
    return code, *capsys.readouterr()


def test_a_filter_keeps_lines_in_their_places(capsys, monkeypatch, translator):
    assert told(capsys, monkeypatch, "abc\n\nfed\r\ncab", translator) == (0, "ABC\n\nFED\nCAB\n", "")
    assert told(capsys, monkeypatch, "", translator) == (0, "", "")
    many = "".join(f"{a}{b}{a}\n" for a in "abcdef" for b in "abcdef") * 4
    assert told(capsys, monkeypatch, many, translator)[1] == many.upper()


def test_a_line_that_cannot_be_read_leaves_the_others(capsys, monkeypatch, translator):
    code, out, err = told(capsys, monkeypatch, f"abc\n{'a' * 600}\nfed\n", translator)
    assert (code, out) == (0, "ABC\n\nFED\n")
    assert err.startswith("elman: line 2: expected at most 500, got a source of 600 symbols")


def test_several_for_each_line(capsys, monkeypatch, translator):
    code, out, _ = told(capsys, monkeypatch, "abc\nfed\n", translator, "--n-best", 2)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [row[0] for row in rows] == ["1", "1", "2", "2"]
    assert [row[2] for row in rows[::2]] == ["ABC", "FED"]
    assert float(rows[0][1]) > float(rows[1][1])


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib draws")
def test_a_picture_of_where_symbols_came_from(capsys, monkeypatch, translator, tmp_path):
    picture = tmp_path / "looks.png"
    assert told(capsys, monkeypatch, "abc\nfed\n", translator, "--attention", picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, _, err = told(capsys, monkeypatch, "abc\n", translator, "--attention", tmp_path / "looks.doc")
    assert code == 2
    assert "a picture of kind 'doc'" in err


def test_damaged_runs_are_told(translator, tmp_path):
    for file in translator.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    content = json.loads((tmp_path / "vocab.json").read_text())
    del content["target"]["longest"]
    (tmp_path / "vocab.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match="damaged"):
        elman.load(tmp_path)


def test_report_shows_scores_by_length_and_attention(translator):
    report = (translator / "README.md").read_text()
    assert "Score by length" in report
    if find_spec("matplotlib"):
        assert "![attention](attention.png)" in report
