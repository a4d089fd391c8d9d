"""Surveys of memory: from Python and from the command line, kept in a folder and gone on with."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
import torch

from elman import cli
from elman.core.errors import ConfigError, RunError
from elman.diagnostics.memory_tests import survey as memory_tests_survey
from elman.diagnostics.memory_tests import trial
from elman.diagnostics.memory_tests.problems import PROBLEMS
from elman.diagnostics.memory_tests.settings import TrialSettings
from elman.diagnostics.memory_tests.survey import Survey, SurveyResult
from elman.diagnostics.memory_tests.trial import Trial

EFFORT = TrialSettings(parameters=200, steps=4, batch=4, every=2)
SURVEY = Survey(problem="order", cells=("rnn", "gru"), lengths=(14, 12), effort=EFFORT)
QUICK = ["--problem", "order", "--cell", "rnn,gru", "--lengths", "14,12", "--parameters", "200"]
QUICK += ["--steps", "4", "--batch", "4", "--every", "2"]
pytestmark = pytest.mark.usefixtures("plain")


def made(cell: str, length: int, loss: float, seed: int = 1) -> Trial:
    return Trial("adding", cell, length, seed, EFFORT, 3, 200, loss, 4, 0.1)


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    code = cli.run([str(argument) for argument in ("probe", *arguments)])
    return code, *capsys.readouterr()


def test_a_survey_makes_each_attempt_and_keeps_it(tmp_path):
    found = memory_tests_survey.run(SURVEY, tmp_path)
    names = [(each.cell, each.length) for each in found.attempts]
    assert names == [("rnn", 12), ("gru", 12), ("rnn", 14), ("gru", 14)]
    for each in found.attempts:
        again, _ = trial.run_trial(PROBLEMS["order"], each.cell, each.length, EFFORT)
        assert replace(again, seconds=0) == replace(each, seconds=0)
    kept = memory_tests_survey.read(tmp_path)
    assert [replace(each, seconds=0) for each in kept] == [replace(e, seconds=0) for e in found.attempts]
    rows = list(csv.DictReader((tmp_path / "attempts.csv").open()))
    assert [float(each["loss"]) for each in rows] == [each.loss for each in found.attempts]
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["reach"] == {"rnn": 0, "gru": 0}
    assert [each["hidden"] for each in results["attempts"]] == [each.hidden for each in found.attempts]
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_the_networks_are_kept(tmp_path):
    found = memory_tests_survey.run(replace(SURVEY, seeds=(2,)), tmp_path)
    for each in found.attempts:
        _, network = trial.run_trial(PROBLEMS["order"], each.cell, each.length, EFFORT, seed=2)
        loaded = memory_tests_survey.network(tmp_path, each).state_dict()
        for name, value in network.state_dict().items():
            torch.testing.assert_close(loaded[name], value, rtol=0, atol=0)
    with pytest.raises(RunError, match="no such file"):
        memory_tests_survey.network(tmp_path, replace(found.attempts[0], seed=3))


def test_what_was_made_with_the_same_settings_is_not_made_again(tmp_path, monkeypatch):
    tried = []
    attempt = trial.run_trial

    def counted(problem, cell, length, effort, **options):
        tried.append((cell, length, options["seed"]))
        if len(tried) == 2:
            raise KeyboardInterrupt
        return attempt(problem, cell, length, effort, **options)

    monkeypatch.setattr(trial, "run_trial", counted)
    with pytest.raises(KeyboardInterrupt):
        memory_tests_survey.run(SURVEY, tmp_path)
    assert [each.cell for each in memory_tests_survey.read(tmp_path)] == ["rnn"]
    assert json.loads((tmp_path / "results.json").read_text())["attempts"][0]["length"] == 12
    tried[:] = [("", 0, 0)] * 2
    told = []
    memory_tests_survey.run(SURVEY, tmp_path, tell=told.append)
    assert tried[2:] == [("gru", 12, 1), ("rnn", 14, 1), ("gru", 14, 1)]
    assert len(told) == 4
    memory_tests_survey.run(SURVEY, tmp_path)
    assert len(tried) == 5
    other = replace(SURVEY, effort=replace(EFFORT, lr=0.02))
    memory_tests_survey.run(other, tmp_path)
    assert len(tried) == 9
    assert len(memory_tests_survey.read(tmp_path)) == 8


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(memory_tests_survey.run(replace(SURVEY, lengths=(12,))).attempts) == 2
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_is_kept_and_drawn(tmp_path):
    effort = TrialSettings(lr=1e6, steps=40, every=5)
    survey = Survey(cells=("rnn_relu",), lengths=(400,), effort=effort)
    (before,) = memory_tests_survey.run(survey, tmp_path).attempts
    (after,) = memory_tests_survey.run(survey, tmp_path).attempts
    assert before.loss == after.loss or before.loss != before.loss
    assert before.steps == after.steps < 40
    assert json.loads((tmp_path / "results.json").read_text())["attempts"][0]["loss"] is None


def test_how_far_a_cell_remembers():
    survey = Survey(cells=("gru", "rnn", "lstm"), lengths=(40, 10, 20), seeds=(1, 2, 3), effort=EFFORT)
    lost, good = 0.17, 0.0009
    losses = {
        "gru": {10: [good] * 3, 20: [good, lost, good], 40: [good, lost, lost]},
        "rnn": {10: [lost] * 3, 20: [good] * 3, 40: [lost] * 3},
        "lstm": {10: [good] * 3, 20: [0.0011] * 3},
    }
    attempts = tuple(
        made(cell, length, loss, seed)
        for cell, lengths in losses.items()
        for length, each in lengths.items()
        for seed, loss in enumerate(each, 1)
    )
    found = SurveyResult(survey, attempts)
    assert [found.reach(cell) for cell in survey.cells] == [20, 0, 10]
    assert len(found.table()) == 24
    assert [len(axes.patches) for axes in found.plot().axes] == [0, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"problem": "coppy"}, "probe: unknown problem 'coppy'; did you mean 'copy'?"),
        ({"cells": ()}, "cells: expected one or more, each once, got none"),
        ({"lengths": (50, 50)}, "lengths: expected one or more, each once, got 50, 50"),
        ({"lengths": (5,)}, "lengths: expected at least 10, got 5"),
        ({"seeds": (-1,)}, "seeds: expected a number from 0 to 9223372036854775807, got -1"),
    ],
)
def test_a_survey_that_cannot_be(options, message):
    with pytest.raises(ConfigError) as caught:
        Survey(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("order,rnn", "ordre,rnn", "probe: unknown problem 'ordre'; did you mean 'order'?"),
        ("loss", "los", "'loss'"),
        (",200,4,4,", ",200,4,-4,", "probe.batch: expected a value at least 1, got -4"),
        (",200,4,4,", ",200,4,0.5,", "probe.batch: expected a whole number, got 0.5"),
        (",200,4,4,", ",200,four,4,", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_damaged_table_is_told(tmp_path, old, new, what):
    memory_tests_survey.run(replace(SURVEY, cells=("rnn",), lengths=(12,)), tmp_path)
    path = tmp_path / "attempts.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(RunError) as caught:
        memory_tests_survey.run(SURVEY, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path}:2: expected the columns problem, cell, length, seed, about_parameters")
    assert message.endswith(f"got a damaged row ({what}); delete it")


def test_the_command_prints_a_table(capsys, tmp_path):
    code, out, err = call(capsys, *QUICK, "--seeds", "1,2", "--out", tmp_path)
    head, *rows, rnn, gru, kept = out.splitlines()
    assert code == 0
    assert head.split() == ["cell", "length", "seed", "loss", "trivial", "solved", "at", "step", "seconds"]
    assert [tuple(line.split()[:3]) for line in rows] == [
        (cell, length, seed) for length in ("12", "14") for cell in ("rnn", "gru") for seed in "12"
    ]
    assert all("1.386     not solved" in line for line in rows)
    assert (rnn, gru) == tuple(f"{cell} remembers for none of these lengths" for cell in ("rnn", "gru"))
    assert kept == f"kept in {tmp_path}"
    assert "step 2/4  rnn 12: loss " in err
    names = {f"order-{'-'.join(line.split()[:3])}.safetensors" for line in rows}
    assert {path.name for path in tmp_path.iterdir()} == {
        "attempts.csv", "memory.png", "results.json", *names
    }  # fmt: skip
    again = call(capsys, *QUICK, "--seeds", "1,2", "--out", tmp_path)
    assert (again[1], again[2]) == (out, "")


def test_the_command_tells_when_a_problem_is_solved(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--steps", 300, "--every", 50, "--parameters", 1_500, "--lr", 0.02, "--no-chrono"]
    code, out, _ = call(capsys, "--problem", "order", "--cell", "gru", "--lengths", 10, *options)
    assert code == 0
    assert int(out.splitlines()[1].split()[5]) in range(50, 300)
    assert out.splitlines()[2:] == ["gru remembers for 10 steps", "kept in runs/probe-order"]
    assert json.loads((tmp_path / "runs/probe-order/results.json").read_text())["settings"]["chrono"] is False


def test_an_interrupted_command_tells_where_things_are(capsys, tmp_path, monkeypatch):
    attempt = trial.run_trial

    def interrupted(problem, cell, *rest, **options):
        if cell == "gru":
            raise KeyboardInterrupt
        return attempt(problem, cell, *rest, **options)

    monkeypatch.setattr(trial, "run_trial", interrupted)
    code, out, err = call(capsys, *QUICK, "--out", tmp_path)
    assert code == 130
    assert [line.split()[0] for line in out.splitlines()] == ["cell", "rnn", "kept"]
    assert err.endswith("elman: interrupted\n")
    assert len(memory_tests_survey.read(tmp_path)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cell", "rnn,,gru"], "--cell: expected names with commas between, got 'rnn,,gru'"),
        (
            ["--cell", "grou"],
            "cell: unknown name 'grou'; did you mean 'gru'? for a cell of your own: --import FILE.py",
        ),
        (
            ["--lengths", "50,1e2"],
            "--lengths: expected whole numbers with commas between, such as 50,100, got '50,1e2'",
        ),
        (["--lengths", "9"], "lengths: expected at least 10, got 9"),
        (["--problem", "ading"], "probe: unknown problem 'ading'; did you mean 'adding'?"),
        (["--steps", "0"], "probe.steps: expected a value at least 1, got 0"),
    ],
)
def test_bad_arguments_of_the_command(capsys, tmp_path, arguments, message):
    assert call(capsys, *arguments, "--out", tmp_path / "out") == (2, "", f"elman: {message}\n")
    assert not (tmp_path / "out").exists()
