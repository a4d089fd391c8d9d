"""Settings: checked, told apart from what is unknown, and the same after a round trip through TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.core import settings
from elman.core.errors import ConfigError
from elman.core.run_config import RunConfig
from elman.tasks.language.settings import LanguageConfig
from elman.training import resolve


def of(tables: dict) -> RunConfig:
    return RunConfig.of(tables, LanguageConfig)


def test_written_settings_are_read_back():
    run = of({"data": {"path": 'a "quoted"\\ path\n', "unit": "bpe"}, "training": {"lr": 1e-5, "epochs": 3}})
    assert of(tomllib.loads(run.to_toml())) == run


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_path_survives_toml(path):
    run = of({"data": {"path": path}})
    assert of(tomllib.loads(run.to_toml())).data.path == path


def test_every_setting_is_explained():
    for line in of({}).to_toml().splitlines():
        if " = " in line and not line.startswith(("format", "task")):
            assert len(line.split("  # ", 1)[1]) > 5


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"netwrk": {}}, "config: [netwrk]: an unknown section; did you mean 'network'?"),
        ({"network": {"hiden": 3}}, "network.hiden: an unknown setting; did you mean 'hidden'?"),
        ({"language": {"tye": True}}, "language.tye: an unknown setting; did you mean 'tie'?"),
        ({"network": 3}, "config: network: expected a section [network], got 3"),
        ({"network": {"hidden": 0}}, "network.hidden: expected a value at least 1, got 0"),
        ({"network": {"hidden": True}}, "network.hidden: expected a whole number, got True"),
        ({"network": {"dropout": 1.0}}, "network.dropout: expected a value at least 0 and below 1, got 1.0"),
        ({"training": {"lr": "fast"}}, "training.lr: expected a number, got 'fast'"),
        ({"training": {"lr": float("nan")}}, "training.lr: expected a number, got nan"),
        (
            {"training": {"optimizer": "adm"}},
            "training.optimizer: expected one of adamw, adam, sgd, got 'adm'",
        ),
        (
            {"data": {"valid": 0.6, "test": 0.5}},
            "data.valid + data.test: expected less than 1, got 0.6 + 0.5; leave some to learn",
        ),
    ],
)
def test_a_bad_value_is_named(tables, message):
    with pytest.raises(ConfigError) as caught:
        of(tables)
    assert str(caught.value) == message


def test_later_settings_prevail(tmp_path: Path):
    file = tmp_path / "e.toml"
    file.write_text('[network]\nhidden = 8\nlayers = 3\ncell = "gru"\n[data]\npath = "sample:python-docs"\n')
    run, choice = resolve.resolve(
        None, None, file, {"hidden": 9, "layers": 4}, ["network.layers=5", "data.unit=word"]
    )
    assert (run.network.hidden, run.network.layers, run.network.cell, run.data.unit) == (9, 5, "gru", "word")
    assert choice.words.startswith("task language, guessed from sample:python-docs (format sample): ")
    assert choice.guessed


def test_a_task_s_own_settings_have_their_names_too():
    assert resolve.resolve(None, None, None, {"tie": True})[0].options == LanguageConfig(tie=True)


def test_a_path_is_kept_absolute(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, _ = resolve.resolve("a.txt", "language", None, {})
    assert run.data.path == str(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, "langage", None, {}, ()), "--task: 'langage'; did you mean 'language'?"),
        ((None, None, None, {"hiden": 1}, ()), "hiden: an unknown setting; did you mean 'hidden'?"),
        (
            (None, None, None, {}, ["lr=3"]),
            "--set: expected section.key=value, such as training.lr=0.01, got 'lr=3'",
        ),
    ],
)
def test_what_the_user_says_is_checked(arguments, message):
    with pytest.raises(ConfigError) as caught:
        resolve.resolve(*arguments)
    assert str(caught.value) == message


def test_a_missing_or_broken_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none.toml: no such file; elman init writes one"):
        settings.read_tables(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[network\nhidden = 3")
    with pytest.raises(ConfigError, match=r"bad.toml: not valid TOML: .* \(at line 1, column 9\)"):
        settings.read_tables(tmp_path / "bad.toml")


def test_a_newer_config_file_is_refused(tmp_path: Path):
    (tmp_path / "new.toml").write_text("format = 99")
    with pytest.raises(ConfigError, match="format: expected 1, got 99; update Elman"):
        resolve.resolve(None, None, tmp_path / "new.toml", {})
