"""What a command prints can be had as a value: each beside the call that returns the same."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import elman
from conftest import TINY
from elman.cli import commands
from elman.core.errors import ConfigError
from elman.core.formatting import html_table
from elman.nn.kernels.answers import KernelAnswer
from elman.nn.kernels.native import extension
from elman.runs.folder import RunFolder
from elman.tasks.draw.result import Drawings, Sketch
from elman.tasks.forecast.result import Forecasts
from elman.tasks.results import History, RunResults
from elman.tasks.scoreboard import RunScores, ScoreTable
from elman.tasks.seq2seq.result import GeneratedText, Translations

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; the lines of its standard output."""

    def run(*tokens: str) -> list[str]:
        assert commands.run(list(tokens)) == 0
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run of the task forecast, for reading only; its series have names to be escaped."""
    folder = tmp_path_factory.mktemp("forecaster")
    rows = [
        f"{name},2020-01-{day:02},{day % 7 + k}"
        for k, name in enumerate([HOSTILE, "b"])
        for day in range(1, 32)
    ]
    (folder / "series.csv").write_text("\n".join(["shop,ds,y", *rows]) + "\n", encoding="utf-8")
    options = {"horizon": 3, "context": 5, "learn_every": 4, "epochs": 1, "hidden": 4}
    elman.train(folder / "series.csv", task="forecast", out=folder / "run", quiet=True, **options)
    return folder / "run"


def test_samples(printed):
    assert printed("samples") == [f"{name:<24} {about}" for name, about in elman.samples().items()]
    assert "sample:sunspots" in elman.samples()


@pytest.mark.parametrize("asked", [[], ["projected"], ["normed", "zoned"]])
def test_kernels(printed, asked):
    found = elman.kernels("gru", **dict.fromkeys(asked, True))
    lines = printed("kernels", "gru", *(f"--{name}" for name in asked))
    assert lines == [f"{one.kernel:<8} {one.answer}" for one in found]
    assert all(isinstance(one, KernelAnswer) for one in found)
    assert sum(one.runs for one in found) == 1


def test_train_and_its_model_card(classifier):
    model = elman.load(classifier)
    results = model.results
    assert isinstance(results, RunResults)
    assert results == RunFolder(classifier).results
    assert results.training.finished
    card = (classifier / "README.md").read_text(encoding="utf-8")
    assert all(f"- {name}: {words}" in card for name, words in results.data.items())
    assert isinstance(model.scores, RunScores)
    assert model.scores == results.scores
    assert isinstance(model.history, History)
    assert model.history[-1]["step"] == results.training.steps


def test_eval(printed, classifier):
    data = str(classifier.parent / "films.csv")
    found = elman.load(classifier).evaluate(data)
    assert isinstance(found, ScoreTable)
    assert printed("eval", str(classifier), data) == found.lines()
    assert json.loads(json.dumps(found)) == found


def test_predict(printed, classifier, tmp_path):
    data = tmp_path / "new.csv"
    data.write_text("text\nit was good\nit was dull\n", encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO("\n".join(printed("predict", str(classifier), str(data))))))
    model = elman.load(classifier)
    found = model.predict([row["text"] for row in rows])
    assert [one["prediction"] for one in found] == [row["prediction"] for row in rows]
    chances = model.predict_proba([row["text"] for row in rows])
    assert [max(one, key=one.__getitem__) for one in chances] == [row["prediction"] for row in rows]


def test_forecast_and_backtest(printed, forecaster):
    model = elman.load(forecaster)
    found = model.forecast()
    assert isinstance(found, Forecasts)
    assert printed("forecast", str(forecaster)) == found.to_csv().splitlines()
    rows = found.table()
    assert len(rows) == 2 * 3
    assert rows[0]["series"] == HOSTILE
    assert rows[0]["q0.5"] == rows[0]["median"]
    table = model.backtest()
    assert isinstance(table, ScoreTable)
    assert printed("backtest", str(forecaster)) == table.lines()


def test_probe(printed, tmp_path):
    options = {"parameters": 200, "steps": 20, "batch": 4, "every": 10}
    found = elman.probe("order", cells=["rnn"], lengths=[12], seeds=[1, 2], out=tmp_path / "a", **options)
    asked = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    lines = printed(
        *("probe", "--problem", "order", "--cell", "rnn", "--lengths", "12", "--seeds", "1,2"),
        *("--out", str(tmp_path / "b"), *asked),
    )
    assert [line.split()[:4] for line in lines[1:3]] == [
        [one.cell, str(one.length), str(one.seed), f"{one.loss:.4g}"] for one in found.attempts
    ]
    assert found.reach("rnn") == 0
    assert "<td>rnn</td>" in found._repr_html_()
    with pytest.raises(ConfigError, match="unknown setting"):
        elman.probe(step=3)


def test_inspect(printed, classifier, tmp_path):
    found = elman.inspect(elman.load(classifier), examples=4)
    lines = printed("inspect", str(classifier), "--examples", "4", "--out", str(tmp_path / "page"))
    said = [found.warning] * bool(found.warning) + [f"{one.name}: {one.text}" for one in found.verdicts]
    assert lines[:-1] == said
    assert all(f"<td>{one.name}</td>" in found._repr_html_() for one in found.verdicts)


def test_what_notebooks_show_is_escaped(forecaster):
    model = elman.load(forecaster)
    shown = [model.forecast(), model.forecast()[0], model.results, model.history, model, model.backtest()]
    shown += [Translations([[GeneratedText(HOSTILE, -1.0, -1.0, [], [], None)]])]
    for one in shown:
        text = one._repr_html_()
        assert "<table>" in text
        assert "<img" not in text
    assert "&lt;img" in model.forecast()._repr_html_()
    assert html_table([[HOSTILE], [HOSTILE]], HOSTILE).count("&lt;img") == 3


def test_drawings_are_shown_as_pictures(tmp_path):
    import numpy as np

    made = Drawings([Sketch(np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 1.0]]), HOSTILE)])
    assert made._repr_html_().startswith("<svg")
    made.save(tmp_path / "one.svg")
    assert (tmp_path / "one.svg").read_text(encoding="utf-8") == made._repr_html_()


def test_a_run_that_was_not_scored_has_no_results(run, tmp_path):
    model = elman.load(run)
    assert model.results is not None
    assert elman.Model(tmp_path, model.config, model.task, model.network).results is None


def test_a_long_history_is_shown_by_its_last_rows():
    rows = History({"step": float(step), "train_loss": 1.5, "valid_loss": None} for step in range(50))
    shown = rows._repr_html_()
    assert "the last 20 of 50 rows" in shown
    assert "<td>49</td>" in shown
    assert "valid_loss" not in shown
    assert History([])._repr_html_()


def test_a_training_without_native_kernels_says_so_once(text, tmp_path, monkeypatch):
    from elman.nn.kernels import dispatch
    from elman.nn.kernels.native import kernel
    from elman.training import slow_kernels

    words = "they were not built; install them"
    for module in (kernel, slow_kernels):
        monkeypatch.setattr(module, "missing", words)
    monkeypatch.setattr(kernel, "module", None)
    dispatch._preferred.cache_clear()
    try:
        elman.train(text, out=tmp_path / "run", quiet=True, **TINY)
        own = elman.train(text, out=tmp_path / "own", quiet=True, **(TINY | {"cell": "mgu"}))
        elman.train(text, out=tmp_path / "half", quiet=True, **(TINY | {"precision": "bfloat16"}))
    finally:
        dispatch._preferred.cache_clear()
    (line,) = [line for line in (tmp_path / "run" / "train.log").read_text().splitlines() if words in line]
    assert "recurrent layers take about 1 to 3 times as long" in line
    assert "about 3 to 10 times" in (own.path / "train.log").read_text()
    assert words not in (tmp_path / "half" / "train.log").read_text()  # which they would not serve


@pytest.mark.skipif(extension.missing is not None, reason="the native kernels are not built")
def test_a_training_with_them_says_nothing(run):
    assert "native kernels" not in (run / "train.log").read_text()
