"""What the data suggest is followed where a user has set nothing, and is told with its reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import pytest

import elman
from elman.core import run_config
from elman.core.errors import ElmanError
from elman.core.run_config import RunConfig
from elman.tasks import registry
from elman.tasks.base import Choice
from elman.tasks.caption import recipe as caption
from elman.tasks.classify import recipe
from elman.tasks.classify.recipe import ClassifyFacts
from elman.tasks.classify.settings import ClassifyConfig
from elman.tasks.draw import recipe as draw
from elman.tasks.forecast import recipe as forecast
from elman.tasks.language import recipe as language
from elman.tasks.recognize import recipe as recognize
from elman.tasks.tag import recipe as tag
from elman.tasks.translate import recipe as translate

SERIES = ClassifyFacts("series", 200, 427, "", 0, classes=True, streams=False)
WORDS = ClassifyFacts("text", 5_000, 10, "word", 9_000, classes=True, streams=False)
NAMES = ClassifyFacts("text", 18_000, 7, "char", 60, classes=True, streams=False)
DNA = ClassifyFacts("text", 2_500, 60, "char", 8, classes=True, streams=False)
SOUND = ClassifyFacts("sound", 2_700, 43, "", 0, classes=True, streams=False)
PICTURES = ClassifyFacts("picture", 60_000, 28, "", 0, classes=True, streams=False)
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


def chosen(data: ClassifyFacts, run: RunConfig[ClassifyConfig] | None = None) -> dict[str, object]:
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


@pytest.mark.parametrize("section", ["network", "training"])
def test_a_settings_file_for_the_network_or_the_training_says_all(table, tmp_path, capsys, section):
    settings = tmp_path / "s.toml"
    settings.write_text(f"[{section}]\n" + {"network": "hidden = 9\n", "training": "lr = 0.1\n"}[section])
    assert not elman.explain(table, config=settings).choices
    assert elman_cli(["train", str(table), "--config", str(settings), "--explain"]) == 0
    assert "the settings file says all" in capsys.readouterr().out
    settings.write_text("[data]\nvalid = 0.2\n")
    assert elman.explain(table, config=settings).choices


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


MANY = (60, 1_500, 40_000)
LONG = forecast.SeriesFacts(1, 8_000, 8_000, 24, 24)
PAIRS = translate.PairFacts(29_000, spaced=True, target_spaced=True, target_words=9_000)
PHONEMES = translate.PairFacts(120_000, spaced=False, target_spaced=True, target_words=70)
SERIES_OF = [LONG, LONG._replace(count=400, shortest=700, windows=300_000), LONG._replace(season=1)]


def of_tasks() -> Iterator[tuple[str, list[Choice]]]:
    """The choices of the other tasks, for each kind of data that their recipes tell apart."""
    runs = {name: RunConfig.of({}, registry.get(name).Config) for name in registry.TASKS}
    for count in MANY:
        yield "tag", list(tag.choices(count, runs["tag"]))
        yield "caption", list(caption.choices("picture", count))
        yield "language", list(language.choices(10_000 * count, runs["language"]))
        for kind in ("notes", "strokes", "values"):
            yield "draw", list(draw.choices(kind, count))
        for kind in ("sound", "series", "picture"):
            yield "recognize", list(recognize.choices(kind, count, runs["recognize"]))
        for pairs in (PAIRS, PHONEMES, PAIRS._replace(spaced=None)):
            yield "translate", list(translate.choices(pairs._replace(count=count)))
    yield "language", list(language.choices(1_000_000, RunConfig.of({}, registry.get("language").Config)))
    for known in SERIES_OF:
        yield "forecast", list(forecast.choices(known, runs["forecast"]))


@pytest.mark.parametrize(("task", "choices"), list(of_tasks()))
def test_each_choice_of_every_task_is_a_setting_with_a_reason(task, choices):
    assert len({choice.setting for choice in choices}) == len(choices)
    assert all(choice.reason for choice in choices)
    run = RunConfig.of({}, registry.get(task).Config)
    run.but({choice.setting: choice.value for choice in choices})  # within bounds


def settings(choices: Iterable[Choice]) -> dict[str, object]:
    return {choice.setting: choice.value for choice in choices}


def test_a_season_is_read_at_once_where_there_are_seasons_enough():
    usual_forecast = RunConfig.of({}, registry.get("forecast").Config)
    found = settings(forecast.choices(LONG, usual_forecast))
    assert (found["forecast.patch"], found["forecast.context"], found["forecast.lags"]) == (24, 336, "none")
    many = settings(forecast.choices(SERIES_OF[1]._replace(horizon=48), usual_forecast))
    assert (many["forecast.patch"], many["forecast.context"], many["forecast.lags"]) == (24, 168, "24,168")
    assert many["forecast.learn_every"] == 4
    assert not settings(forecast.choices(LONG._replace(shortest=300), usual_forecast))
    assert not settings(forecast.choices(LONG._replace(season=1), usual_forecast))
    own = RunConfig.of({"forecast": {"context": 100}}, registry.get("forecast").Config)
    assert not settings(forecast.choices(LONG, own))
    steps = RunConfig.of({"forecast": {"model": "autoregressive"}}, registry.get("forecast").Config)
    assert not settings(forecast.choices(LONG, steps))


def test_pairs_are_read_by_what_they_are_written_in():
    assert settings(translate.choices(PAIRS))["data.unit"] == "bpe"
    assert settings(translate.choices(PHONEMES))["translate.target_unit"] == "word"
    assert "data.unit" not in settings(translate.choices(PAIRS._replace(count=400)))
    found = translate.facts(["ab", "b"], ["A B", "B A"], 2)
    assert found == translate.PairFacts(2, False, True, 2)
    assert translate.facts([[1.0]], ["a"], 1).spaced is None


def test_what_streams_is_not_looked_at_as_a_whole():
    forward = {"bidirectional": False}
    tagger = RunConfig.of({"tag": forward}, registry.get("tag").Config)
    assert "tag.output" not in settings(tag.choices(2_000, tagger))
    recogniser = RunConfig.of({"recognize": forward}, registry.get("recognize").Config)
    assert "signal.level" not in settings(recognize.choices("sound", 2_000, recogniser))
    assert "signal.normalise" not in settings(recognize.choices("series", 2_000, recogniser))


def test_a_tied_embedding_is_as_wide_as_the_output():
    tied = RunConfig.of({"language": {"tie": True}}, registry.get("language").Config)
    found = settings(language.choices(1_000_000, tied))
    assert found["network.hidden"] == 384
    assert not {"network.embedding", "training.calibrate"} & found.keys()


def test_recipes_are_found_in_the_data(tmp_path):
    table = tmp_path / "hours.csv"
    rows = (f"2024-{1 + i // 672:02d}-{1 + i // 24 % 28:02d} {i % 24:02d}:00,{i % 24}" for i in range(6_000))
    table.write_text("time,value\n" + "\n".join(rows) + "\n")
    with pytest.raises(ElmanError):  # months have gaps; `prepare` says so, not the recipe
        elman.train(str(table), task="forecast", quiet=True, out=tmp_path / "run")
    table.write_text("time,value\n" + "\n".join(f"{i},{i % 24}" for i in range(100)) + "\n")
    assert elman.explain(str(table), task="forecast", season=24).choices == []
    words = tmp_path / "t.conll"
    words.write_text("a\tX\nb\tY\n\n" * 50)
    assert settings(elman.explain(str(words), task="tag").choices)["tag.char_hidden"] == 100
