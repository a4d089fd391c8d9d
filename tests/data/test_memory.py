"""Data in memory: frames, records, arrays, data sets are trained from, predicted for, answered in kind."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

import elman
from elman.core.errors import DataError
from elman.core.records import Sound
from elman.data.memory import records, source

TINY = {"steps": 3, "hidden": 8, "threads": 1, "quiet": True}
TEXTS = [f"{'good' if i % 2 else 'bad'} film {i}" for i in range(80)]
LABELS = ["pos" if i % 2 else "neg" for i in range(80)]
COLUMNS = {"text": TEXTS, "label": LABELS}
X = np.random.default_rng(0).normal(size=(80, 12, 2)).astype(np.float32)


class Pairs(torch.utils.data.Dataset):
    """Sequences of different lengths, each with its class."""

    def __len__(self) -> int:
        return 80

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(X[place][: 8 + place % 5]), place % 2


def frame(library: str, columns: dict) -> object:
    module = pytest.importorskip(library)
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> elman.Model:
    return elman.train(COLUMNS, out=tmp_path_factory.mktemp("memory") / "run", valid=0.1, **TINY)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_data_frame_is_learnt_and_answered_in_kind(tmp_path, library):
    trained = elman.train(frame(library, COLUMNS), out=tmp_path / "run", **TINY)
    assert trained.config.task == "classify"
    asked = frame(library, {"text": TEXTS[:3], "prediction": ["old", "ones", "go"]})
    told = trained.predict(asked)
    assert type(told) is type(asked)
    names = told.column_names if library == "pyarrow" else list(told.columns)
    assert sorted(names) == ["prediction", "probabilities", "probability", "text"]
    expected = [answer["prediction"] for answer in trained.predict(TEXTS[:3])]
    assert told["prediction"].to_pylist() if library == "pyarrow" else list(told["prediction"]) == expected


def test_a_frame_keeps_its_index(model):
    pandas = pytest.importorskip("pandas")
    told = model.predict(pandas.DataFrame({"text": TEXTS[:2]}, index=[7, 3]))
    assert told.index.tolist() == [7, 3]
    assert told.loc[7, "prediction"] == model.predict(TEXTS[:1])[0]["prediction"]


def test_times_and_names_of_an_index_are_columns(tmp_path):
    pandas = pytest.importorskip("pandas")
    days = pandas.date_range("2023-01-01", periods=60)
    values = np.sin(np.arange(60.0))
    first = {"time": "2023-01-01 00:00:00"}
    for data, fields in (
        (pandas.DataFrame({"y": values}, index=days), first | {"y": 0.0}),
        (pandas.Series(values, index=days), first | {"value": 0.0}),
        (pandas.Series(values, index=days, name="y"), first | {"y": 0.0}),
        (pandas.DataFrame({"time": values}, index=days), {"time of the index": first["time"], "time": 0.0}),
        (pandas.DataFrame({"y": values}, index=days.to_period("D")), {"time": "2023-01-01", "y": 0.0}),
        (pandas.DataFrame({"y": [0.0]}, index=pandas.Index(["a"], name="shop")), {"shop": "a", "y": 0.0}),
        (pandas.DataFrame({"y": [0.0]}, index=["row"]), {"y": 0.0}),
        (pandas.Series(["a text"]), {"text": "a text"}),
    ):
        assert records.records(data)[0].fields == fields
    pairs = pandas.MultiIndex.from_product([["a"], days], names=["shop", None])
    assert records.records(pandas.DataFrame({"y": values}, index=pairs))[0].fields == (
        {"shop": "a", **first, "y": 0.0}
    )
    for data in (pandas.DataFrame({"y": values}, index=days), pandas.Series(values, index=days)):
        model = elman.train(data, out=tmp_path / str(data.ndim), **TINY)
        assert model.task.Config.section == "forecast"
        assert len(model.forecast(data)) == 1


def test_other_tasks_are_named_as_python_names_them(tmp_path):
    rows = [{"text": "so good", "label": "a"}] * 9
    with pytest.raises(DataError, match=r"task classify was guessed; other tasks .*: task='language'"):
        elman.train(rows, out=tmp_path / "run", quiet=True)


def test_what_is_no_frame_is_answered_in_kind_too(model):
    answers = model.predict(TEXTS[:2])
    assert model.predict([{"text": text} for text in TEXTS[:2]]) == answers
    told = model.predict({"text": TEXTS[:2]})
    assert told["text"] == TEXTS[:2]
    assert told["prediction"] == [answer["prediction"] for answer in answers]
    assert set(model.evaluate(COLUMNS)) > {"model"}
    with pytest.raises(
        DataError, match="values: expected a list of values, or a data frame, got a value of the"
    ):
        model.predict(5)


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ((X, np.arange(80) % 2), {"series", "label"}),
        ({"x": X, "y": np.arange(80) % 2}, {"x", "y"}),
        (Pairs(), {"series", "label"}),
        (list(zip(TEXTS, LABELS, strict=True)), {"text", "label"}),
        (
            [dict(zip(COLUMNS, row, strict=True)) for row in zip(TEXTS, LABELS, strict=True)],
            {"text", "label"},
        ),
    ],
)
def test_arrays_records_and_data_sets_are_learnt(tmp_path, data, fields):
    assert set(records.records(data)[0].fields) == fields
    trained = elman.train(data, out=tmp_path / "run", **TINY)
    assert trained.config.task == "classify"
    assert trained.path == tmp_path / "run"


def test_texts_are_a_language_model_s_and_a_series_is_forecast(tmp_path):
    assert elman.train(TEXTS * 20, task="language", out=tmp_path / "text", **TINY).sample("good", 3)
    days = {
        "day": [datetime.date(2020, 1, 1) + datetime.timedelta(d) for d in range(90)],
        "y": np.arange(90) % 7.0,
    }
    trained = elman.train(days, out=tmp_path / "days", **TINY)
    assert trained.config.task == "forecast"
    assert trained.forecast(days)[0].times[0] == "2020-03-31"
    assert set(trained.backtest(days)) > {"model"}
    assert elman.train(np.arange(90) % 7.0, task="forecast", out=tmp_path / "plain", **TINY).forecast()


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (5, "got a int"),
        (object(), "got a object"),
        (b"x", "got a bytes"),
        ([object()], "got a list of object"),
        ([], "expected a row at least, got an empty list"),
        ({"a": 1}, "expected columns of one length, got a dict of a: no column"),
        ({"a": [1], "b": [1, 2]}, "a dict of a: 1, b: 2"),
        ((X, [1]), "got 80 sequences and 1 labels"),
    ],
)
def test_anything_else_is_refused_by_its_type(data, got):
    with pytest.raises(DataError, match=got):
        elman.train(data)


def test_values_are_as_files_have_them():
    pandas = pytest.importorskip("pandas")
    assert records.plain(pandas.Timestamp("2020-01-02 03:04")) == "2020-01-02 03:04:00"
    assert [records.plain(value) for value in (float("nan"), pandas.NaT, pandas.NA, np.float32(2))] == [
        None
    ] * 3 + [2.0]
    assert records.plain(np.array(["a", "b"])) == ["a", "b"]
    sound = records.plain({"array": np.zeros(4), "sampling_rate": 8000, "path": None})
    assert isinstance(sound, Sound)
    assert sound.rate == 8000


def test_a_run_of_data_in_memory_goes_on_when_they_are_given_again(tmp_path, monkeypatch):
    run = elman.train(COLUMNS, out=tmp_path / "run", **TINY).path
    monkeypatch.setattr(source, "_held", {})
    with pytest.raises(DataError, match=r"memory of another process; give them again: elman\.train"):
        elman.train(resume=run, steps=5, quiet=True)
    assert Path(elman.train(COLUMNS, resume=run, steps=5, quiet=True).path) == run


def test_what_training_printed_can_be_had_as_values(model):
    assert set(model.scores) == {"valid", "test"}
    assert "accuracy" in model.scores["test"]["model"]
    assert [row["step"] for row in model.history][-1] == 3
    assert model.history[-1]["valid_loss"] > 0
    (row,) = model.predict_proba(TEXTS[:1])
    assert sum(row.values()) == pytest.approx(1, abs=1e-5)
    assert model.predict_proba({"text": TEXTS[:1]}) == [row]
    assert "<th>accuracy</th>" in model._repr_html_()
