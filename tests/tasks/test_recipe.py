"""What the data suggest is followed where a user has set nothing, and is told with its reasons."""

from __future__ import annotations

import math

import pytest

import elman
from elman.core import run_config
from elman.core.run_config import RunConfig
from elman.tasks import registry
from elman.tasks.classify import recipe
from elman.tasks.classify.recipe import Facts
from elman.tasks.classify.settings import ClassifyConfig

SERIES = Facts("series", 200, 427, "", 0, classes=True, streams=False)
WORDS = Facts("text", 5_000, 10, "word", 9_000, classes=True, streams=False)
NAMES = Facts("text", 18_000, 7, "char", 60, classes=True, streams=False)
DNA = Facts("text", 2_500, 60, "char", 8, classes=True, streams=False)
SOUND = Facts("sound", 2_700, 43, "", 0, classes=True, streams=False)
PICTURES = Facts("picture", 60_000, 28, "", 0, classes=True, streams=False)
KINDS = [
    SERIES,
    SERIES._replace(steps=24),
    WORDS,
    NAMES,
    DNA,
    SOUND,
    PICTURES,
    SERIES._replace(count=90_000),
    WORDS._replace(count=40),
]


def usual() -> RunConfig[ClassifyConfig]:
    return RunConfig.of({}, ClassifyConfig)


def chosen(data: Facts, run: RunConfig[ClassifyConfig] | None = None) -> dict[str, object]:
    return {choice.setting: choice.value for choice in recipe.choices(data, run or usual())}


@pytest.mark.parametrize("data", KINDS)
def test_each_choice_is_a_setting_that_is_chosen_once_with_a_reason(data):
    choices = list(recipe.choices(data, usual()))
    assert len({choice.setting for choice in choices}) == len(choices)
    assert all(choice.reason for choice in choices)
    run = usual().but({choice.setting: choice.value for choice in choices})  # within bounds
    assert run.network != usual().network


@pytest.mark.parametrize("data", KINDS)
def test_training_is_neither_endless_nor_nothing(data):
    found = chosen(data)
    steps = found["training.epochs"] * math.ceil(data.count / found["training.batch_size"])
    assert 40 <= steps <= 20_000


def test_kinds_of_data_have_recipes_of_their_own():
    assert chosen(SERIES)["signal.kernels"] > 0
    assert chosen(SERIES)["classify.pool"] == "mean"
    assert "signal.kernels" not in chosen(SERIES._replace(streams=True))
    assert chosen(SERIES._replace(steps=24))["classify.frames"] == 32
    assert chosen(SERIES._replace(steps=24))["classify.pool"] == "max"
    assert chosen(DNA)["classify.frame"] == 8
    assert chosen(WORDS)["data.char_ngrams"] == 6
    assert chosen(NAMES)["data.ngrams"] == 3
    assert chosen(SOUND)["signal.level"] is True
    assert chosen(SERIES)["data.valid"] == 0
    assert "data.valid" not in chosen(PICTURES)


def test_what_a_user_set_is_not_gone_against():
    framed = RunConfig.of({"classify": {"frame": 2}}, ClassifyConfig)
    assert "classify.frames" not in chosen(SERIES, framed)
    stopping = RunConfig.of({"training": {"early_stop": 3}}, ClassifyConfig)
    assert "data.valid" not in chosen(SERIES, stopping)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "waves.csv"
    rows = [[f"{math.sin(t * (1 + n % 2) + n):.3f}" for t in range(20)] + [f"k{n % 2}"] for n in range(40)]
    names = [*(f"t{t}" for t in range(20)), "kind"]
    path.write_text("\n".join(",".join(row) for row in [names, *rows]) + "\n")
    return path


def test_a_run_is_trained_as_explained(table, tmp_path):
    told = elman.explain(table, hidden=8)
    model = elman.train(table, out=tmp_path / "run", hidden=8, epochs=1, quiet=True)
    assert {"network.cell", "classify.frames"} <= {choice.setting for choice in told.choices}
    assert [choice.setting for choice in told.kept] == ["network.hidden"]
    assert model.config.but({"training.epochs": told.run.training.epochs}).network == told.run.network
    assert model.config.options == told.run.options
    assert model.config.network.hidden == 8
    assert "recipe: " in (model.path / "train.log").read_text()


def test_explain_prints_settings_that_a_file_may_hold(table, tmp_path, capsys):
    assert elman_cli(["train", str(table), "--hidden", "8", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "hidden = 8  # set by you" in out
    assert not (tmp_path / "runs").exists()
    settings = tmp_path / "s.toml"
    settings.write_text(out)
    again = elman.explain(table, config=settings)
    assert not again.choices
    assert again.run.network == elman.explain(table, hidden=8).run.network


def test_a_task_without_a_recipe_says_so(tmp_path, capsys):
    text = tmp_path / "t.txt"
    text.write_text("to be or not to be\n" * 200)
    assert elman_cli(["train", str(text), "--task", "language", "--explain"]) == 0
    assert "Nothing is chosen from the data: the task language" in capsys.readouterr().out


def test_resuming_chooses_nothing(table, tmp_path):
    model = elman.train(table, out=tmp_path / "run", hidden=8, epochs=1, cell="lstm", quiet=True)
    before = (model.path / "config.toml").read_text()
    again = elman.train(resume=model.path, epochs=2, quiet=True)
    assert again.config.network == model.config.network
    assert before.split("[training]")[0] == (model.path / "config.toml").read_text().split("[training]")[0]


def test_every_task_answers(tmp_path):
    for kind in registry.TASKS.values():
        run = RunConfig.of({}, kind.Config)
        assert run.given == frozenset()
        assert RunConfig.of({"training": {"lr": 0.1}}, kind.Config).given == {"training.lr"}


def elman_cli(words: list[str]) -> int:
    from elman.cli import main

    try:
        main(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_value_is_written_as_toml():
    assert run_config.toml_value(True) == "true"
    assert run_config.toml_value('a"b') == '"a\\"b"'
