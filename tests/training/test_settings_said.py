"""Settings that do nothing are said, unknown ones are told where they are, and advice is given once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import elman
from conftest import TINY, films, lines
from elman.cli.commands import run as command
from elman.core.errors import ConfigError
from elman.core.run_config import DataSettings, RunConfig
from elman.tasks import registry
from elman.training.advice import Epoch, advise
from elman.training.setting_reads import SettingReads
from elman.training.unused import unused


def notes(run: Path) -> list[str]:
    said = (run / "train.log").read_text().splitlines()
    return [line.partition("note: ")[2].partition(" has no effect: ")[0] for line in said if "note: " in line]


@pytest.fixture
def files(tmp_path) -> Path:
    (tmp_path / "text.txt").write_text(lines(60))
    (tmp_path / "films.csv").write_text(films(60))
    (tmp_path / "days.csv").write_text("t,y\n" + "".join(f"{day},{10 + day % 7}\n" for day in range(120)))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("text.txt", {"task": "language", "input": "a", "target": "b", "group": "c"}, "input target group"),
        ("text.txt", {"task": "language", "ngrams": 3, "noise": 0.1}, "ngrams noise"),
        ("text.txt", {"task": "language", "momentum": 0.5, "patience": 3}, "momentum patience"),
        ("text.txt", {"task": "language", "optimizer": "sgd", "momentum": 0.5, "beta2": 0.9}, "beta2"),
        ("text.txt", {"task": "language", "schedule": "plateau", "patience": 3, "final_lr": 0.5}, "final-lr"),
        ("films.csv", {"task": "classify", "noise": 0.3, "masks": 2}, "noise masks"),
        ("films.csv", {"task": "classify", "bptt": 64, "char_ngrams": 4, "symbol_dropout": 0.1}, ""),
        ("films.csv", {"task": "classify", "bptt": 64, "steps": 3, "epochs": 7}, "epochs"),
        ("days.csv", {"task": "forecast", "bptt": 64, "embedding": 3, "lower": True}, "embedding lower"),
        ("days.csv", {"task": "forecast", "bptt": 64, "samples": 50, "patch": 2}, "samples"),
        ("sample:patterns", {"task": "recall", "bptt": 64, "dropout": 0.3}, "dropout"),
    ],
)
def test_what_has_no_effect_is_said_and_nothing_else(files, name, options, expected):
    usual = RunConfig.of({}, registry.get(options["task"]).Config)
    plain = {"threads": 1, "epochs": usual.training.epochs, "steps": 2} | options
    source = name if ":" in name else files / name
    elman.train(source, out=files / "run", quiet=True, **plain)
    said = {words.split()[0].removeprefix("--") for words in notes(files / "run")}
    assert said - {"epochs"} | (said & set(expected.split())) == set(expected.split())


def test_a_section_is_as_it_was_when_it_is_watched_no_more():
    data = DataSettings(lower=True)
    reads = SettingReads(data)
    assert data.lower
    assert vars(data)["unit"] == "char"
    assert data.but(valid=0.1).group == ""
    reads.end()
    assert reads.seen == {"data.lower", "data.group", "data.valid", "data.test"}
    assert type(data) is DataSettings
    assert data == DataSettings(lower=True)


def test_every_setting_that_needs_another_names_one_of_its_section():
    for kind in registry.TASKS.values():
        for section in RunConfig.of({}, kind.Config).sections:
            for field in fields(section):
                needs, among = field.metadata["needs"]
                for other in needs:
                    (choices,) = (f.metadata["choices"] for f in fields(section) if f.name == other)
                    assert set(among) <= set(choices), (section.section, field.name)


def test_nothing_is_said_of_settings_as_they_usually_are():
    for kind in registry.TASKS.values():
        assert list(unused(RunConfig.of({}, kind.Config), (), continuous=True)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--learning-rate 0.1", "--learning-rate: an unknown option; did you mean 'lr'? --lr, in [training]"),
        ("--batch 3", "--batch: an unknown option; did you mean 'batch_size'?"),
        (
            "--task language --horizon 3",
            "horizon: an unknown setting; a setting of the task forecast, not of",
        ),
        (
            "--task language --class-weights x",
            "class_weights: an unknown setting; a setting of the task label or classify, not of language",
        ),
        ("--task language --set training.context=3", "training.context: an unknown setting; a setting of"),
        (
            "--task language --set training.hidden=3",
            "training.hidden: an unknown setting; it is network.hidden",
        ),
        ("--task forecast --horizon x", "forecast.horizon: expected a whole number, got 'x'"),
        ("--task forecast --horizon", "--horizon: expected a value, got nothing after it"),
    ],
)
def test_a_setting_that_is_not_there_is_told_where_it_is(capsys, files, arguments, message):
    assert command(["train", str(files / "days.csv"), *arguments.split()]) == 2
    assert capsys.readouterr().err.startswith(f"elman: {message}")


def test_a_task_s_own_settings_are_options(monkeypatch, files):
    monkeypatch.chdir(files)
    common = ["--steps", "2", "--hidden", "8", "--threads", "1"]
    assert command(["train", "days.csv", "--task", "forecast", "--horizon=3", "--no-linear", *common]) == 0
    options = elman.load("runs/days").config.options
    assert (options.horizon, options.linear) == (3, False)
    assert command(["train", "films.csv", "--task", "classify", "--bidirectional", "false", *common]) == 0
    assert not elman.load("runs/films").config.options.bidirectional


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lerning_rate": 0.1}, "lerning_rate: an unknown setting; "),
        ({"bidirectional": False}, "a setting of the task .*not of language; leave it out"),
        ({"threads": 1024}, "training.threads: expected at most"),
    ],
)
def test_python_is_told_the_same(files, options, message):
    with pytest.raises(ConfigError, match=message):
        elman.train(files / "text.txt", task="language", quiet=True, **options)


def test_advice_knows_what_is_set():
    steep = [Epoch(1.0, {}, 60.0, 70.0, 3, 0.0)]
    assert "--clip 1" in next(advise(steep, last=False))
    assert "--clip" not in next(advise(steep, last=False, clip=1.0))
    learning = [Epoch(loss, {"loss": loss}, 1.0, 1.0, 1, 0.0) for loss in (3.0, 2.0)]
    assert next(advise(learning, last=True, go_on="elman train --resume R")).endswith("--resume R")


def test_advice_of_a_kind_is_given_once_and_a_line_has_one_unit(files):
    options = TINY | {"epochs": 8, "hidden": 64, "lr": 0.05, "schedule": "constant"}
    (files / "text.txt").write_text(lines(30))
    elman.train(files / "text.txt", task="language", out=files / "run", quiet=True, valid=0.2, **options)
    said = (files / "run/train.log").read_text()
    kinds = [
        line.partition("advice: ")[2].partition(":")[0] for line in said.splitlines() if "advice: " in line
    ]
    assert len(kinds) == len(set(kinds))
    assert "train loss " in said
    assert "  valid loss " in said
