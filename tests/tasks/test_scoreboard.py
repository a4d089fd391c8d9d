"""The verdict on a model beside its baselines, told first wherever scores are; and tables for notebooks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import elman
from elman.cli import commands
from elman.runs.folder import RunFolder
from elman.tasks.base import RISING
from elman.tasks.scoreboard import RunScores, ScoreTable


def table(model: dict[str, float], **others: dict[str, float]) -> ScoreTable:
    return ScoreTable({"model": model, **others}, "the test part")


@pytest.mark.parametrize(
    ("score", "mine", "best", "words"),
    [
        ("accuracy", 0.4, 0.5, "worse than"),
        ("accuracy", 0.5, 0.5, "no better than"),
        ("accuracy", 0.50001, 0.50002, "no better than"),
        ("accuracy", 0.6, 0.5, ""),
        ("mase", 1.63, 0.98, "worse than"),
        ("mase", 0.98, 1.63, ""),
        ("perplexity", 120.0, 90.0, "worse than"),
        ("word_error_rate", 0.2, 0.2, "no better than"),
        ("bleu", 12.0, 15.0, "worse than"),
        ("recalled", 0.9, 1.0, "worse than"),
    ],
)
def test_a_verdict_knows_which_way_a_score_is_better(score, mine, best, words):
    worse = best / 2 if score in RISING else best * 2
    verdict = table({score: mine}, bad={score: worse}, good={score: best}).verdict
    assert verdict is not None
    assert verdict.better == (not words)
    assert bool(verdict.warning) == bool(words)
    assert words in verdict.text
    assert "good" in verdict.text


def test_a_verdict_is_one_sentence_with_both_numbers_and_the_name():
    found = table({"accuracy": 0.41, "loss": 0.1}, a={"accuracy": 0.2}, b={"accuracy": 0.5}).verdict
    assert found is not None
    assert (found.baseline, found.best) == ("b", 0.5)
    assert found.text == (
        "This model is worse than its best baseline on the test part: accuracy 0.410, b 0.500 "
        "(more is better)."
    )


def test_other_rows_of_the_model_are_no_baselines_and_what_is_undefined_is_not_compared():
    calibrated = {"model, uncalibrated": {"accuracy": 0.9}}
    assert ScoreTable({"model": {"accuracy": 0.1}, **calibrated}).verdict is None
    found = table({"r2": math.nan, "mae": 2.0}, mean={"r2": math.nan, "mae": 1.0}).verdict
    assert found is not None
    assert (found.score, found.better) == ("mae", False)
    assert table({"coverage_95": 0.5}, mean={"coverage_95": 0.95}).verdict is None
    assert table({}, mean={"mae": 1.0}).verdict is None


def test_the_last_part_decides():
    bad, good = {"model": {"mae": 2.0}, "mean": {"mae": 1.0}}, {"model": {"mae": 1.0}, "mean": {"mae": 2.0}}
    for parts, better in (({"valid": bad, "test": good}, True), ({"valid": good, "test": bad}, False)):
        verdict = RunScores(parts).verdict
        assert verdict is not None
        assert verdict.better == better
    assert RunScores({}).verdict is None


def test_tables_of_notebooks_escape_what_users_named():
    html = table({"accuracy": 0.5}, **{"<script>alert(1)</script>": {"accuracy": 0.75}})._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<td>0.750</td>" in html


@pytest.fixture
def hopeless(tmp_path: Path) -> Path:
    """A run whose model has learnt nothing, on labels that a linear model reads off."""
    rows = [f"{'good' if i % 2 else 'bad'} {i},{'yes' if i % 2 else 'no'}" for i in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    options: dict[str, Any] = {"hidden": 4, "epochs": 1, "lr": 1e-7, "threads": 1, "quiet": True}
    elman.train(tmp_path / "labels.csv", task="classify", out=tmp_path / "run", **options)
    return tmp_path / "run"


def test_all_that_shows_scores_says_first_that_a_model_is_no_better(hopeless, capsys):
    model = elman.load(hopeless)
    verdict = model.scores.verdict
    assert verdict is not None
    assert not verdict.better
    card = (hopeless / "README.md").read_text(encoding="utf-8").splitlines()
    assert card[2] == f"**{verdict.warning}**"
    log = [line.split("  ", 1)[1] for line in (hopeless / "train.log").read_text().splitlines()]
    assert log[log.index(verdict.warning) + 1].startswith("| ")
    results = RunFolder(hopeless).results
    assert results is not None
    assert results.verdict == verdict
    data = hopeless.parent / "labels.csv"
    assert commands.run(["eval", str(hopeless), str(data)]) == 0
    shown, found = capsys.readouterr(), model.evaluate(data)
    assert shown.err.splitlines()[-1] == found.warning
    assert "labels.csv" in found.warning
    assert shown.out.splitlines() == found.lines()


def test_a_report_says_it_first(hopeless, capsys):
    assert commands.run(["inspect", str(hopeless), "--examples", "4"]) == 0
    warning = elman.load(hopeless).scores.verdict.warning
    assert capsys.readouterr().out.splitlines()[0] == warning
    page = (hopeless / "inspect" / "index.html").read_text(encoding="utf-8")
    assert page.index(f'<p class="warning">{warning}</p>') < page.index("<dl>") < page.index("<section")


def test_a_good_model_has_no_warning(classifier):
    model = elman.load(classifier)
    rows = {"model": {"accuracy": 0.99}, "majority class": {"accuracy": 0.5}}
    assert RunScores({"test": rows}).verdict.warning == ""
    verdict = model.scores.verdict
    assert (f"**{verdict.text}**" in (classifier / "README.md").read_text()) == (not verdict.better)
