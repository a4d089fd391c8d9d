"""The forecasting task: parts in time, every origin, both models from training to the command line."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import StopAfter

import elman
from elman import cli, tasks
from elman.core.errors import ConfigError, DataError, RunError, TaskError
from elman.core.records import Record, Seq
from elman.core.run_config import DataSettings, RunConfig
from elman.data import batching
from elman.metrics.forecasting import LEVELS
from elman.runs.folder import RunFolder
from elman.tasks import evaluation
from elman.tasks.base import Purpose
from elman.tasks.forecast.result import draw
from elman.tasks.forecast.task import Forecast, _joined
from elman.tasks.forecast.windows import RollingWindows
from elman.training import optimizers, session

MODELS = ("quantiles", "autoregressive")
COUNTS = {"model": "autoregressive", "distribution": "negative_binomial", "scale": "size"}
QUICK = {"hidden": 12, "epochs": 2, "batch_size": 16, "threads": 1, "lr": 0.01}


@pytest.fixture(autouse=True)
def _plain(plain):
    pass


def wave(step: int, name: str = "") -> float:
    """A season of 6 steps on a slow rise, and a little that repeats less simply."""
    return 20 + 0.05 * step + 5 * math.sin(2 * math.pi * step / 6) + (step * step % 7) / 7 + len(name)


def rows(count: int = 120, names: str = "a", **columns: object) -> list[Record]:
    """Days of one or more series; a column may be a function of the step."""
    made = []
    for step in range(count):
        for name in names:
            day = np.datetime64("2024-01-01") + step
            beside = {key: value(step) if callable(value) else value for key, value in columns.items()}
            fields = {"id": name, "ds": str(day), "y": f"{wave(step, name):.4f}"} | beside
            made.append(Record(fields, f"f.csv:{len(made) + 2}"))
    return made


def run_of(own: dict | None = None, **tables: dict) -> RunConfig:
    own = {"horizon": 6, "context": 18, "season": 6} | (own or {})
    defaults = {"network": {"hidden": 12}, "data": {"valid": 0.1, "test": 0.1}}
    return RunConfig.of({**defaults, **tables, "forecast": own}, Forecast.Config)


def made(own: dict | None = None, records: list[Record] | None = None, **tables: dict):
    run = run_of(own, **tables)
    parts = Forecast.split(records or rows(), run.data)
    task = Forecast.prepare(parts.train, run)
    uses = (Purpose.TRAIN, Purpose.VALID, Purpose.TEST)
    return task, [task.encode(part, use) if part else None for part, use in zip(parts, uses, strict=True)]


def horizons(windows: RollingWindows) -> set[int]:
    return {step for _, at in windows.places.tolist() for step in range(at, at + windows.horizon)}


def test_parts_are_cut_in_time_and_contexts_reach_back():
    _, (train, valid, test) = made()
    assert horizons(train) == set(range(24, 96))
    assert horizons(valid) == set(range(96, 108))
    assert horizons(test) == set(range(108, 120))
    assert len(test) == 12 - 6 + 1  # every origin
    first = test[0].data
    values = torch.tensor([wave(step, "a") for step in range(108 - 24, 108 + 6)])
    torch.testing.assert_close(first[:, 0], values - values[23], rtol=1e-4, atol=2e-4)
    assert torch.equal(test[0].target, first[-6:, 0])


def test_autoregression_is_taught_in_the_context_too_but_not_scored_there():
    _, (train, valid, _) = made({"model": "autoregressive"})
    assert train[0].target.shape == valid[0].target.shape == (18 + 6,)
    assert not train[0].target.isnan().any()
    assert valid[0].target.isnan().tolist() == [True] * 18 + [False] * 6


def test_steps_in_place_of_shares_and_every_nth_origin():
    _, (train, valid, test) = made({"valid_steps": 20, "test_steps": 30, "score_every": 5, "learn_every": 3})
    assert valid.places[:, 1].tolist() == [70, 75, 80]
    assert test.places[:, 1].tolist() == [90, 95, 100, 105, 110]
    assert train.places[:, 1].tolist() == list(range(24, 65, 3))


def test_few_windows_come_again_until_they_make_an_epoch():
    task, (train, valid, _) = made()
    assert len(train) == 2010  # 67 origins, 30 times
    assert len(np.unique(train.places[:, 1])) == 67
    assert len(valid) == 7
    parts = Forecast.split(rows(), task._run.data)
    assert len(task.encode(parts.train, Purpose.PREDICT)) == 1


def test_start_and_end_leave_out_what_is_beyond():
    _, (train, _, test) = made({"start": "2024-01-11", "end": "2024-03-31"})
    assert max(horizons(test)) == 80
    assert train.tracks[0].series.values[0] == pytest.approx(wave(10, "a"), abs=1e-3)


@pytest.mark.parametrize("own", [{}, {"model": "autoregressive"}, {"standardise": True}, {"scale": "mean"}])
@pytest.mark.parametrize("offset", [1e5, -1e8, 1e11])
def test_windows_are_the_same_near_any_offset(own, offset):
    """As a counter is that has run for long: what differs is not lost in the float32 of what does not."""
    (_, (train, _, test)) = made(own, rows(y=lambda step: f"{wave(step):.4f}"))
    _, (far, _, far_test) = made(own, rows(y=lambda step: f"{wave(step) + offset:.4f}"))
    for near, other in ((train[7], far[7]), (test[3], far_test[3])):
        torch.testing.assert_close(other.data, near.data, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(other.target, near.target, rtol=1e-4, atol=1e-4, equal_nan=True)


def test_one_wild_value_does_not_blur_the_others():
    _, (near, _, _) = made(records=rows(y=lambda step: f"{wave(step):.4f}"))
    _, (other, _, _) = made(records=rows(y=lambda step: f"{1e12 if step == 100 else wave(step):.4f}"))
    torch.testing.assert_close(other[5].data, near[5].data)


def test_an_unseen_series_is_centred_by_its_past_alone():
    task, _ = made({"standardise": True})
    both = [
        rows(names="b", y=lambda step, jump=jump: str(wave(step) + jump * (step > 60))) for jump in (0, 1e3)
    ]
    near, far = (task.encode(records, Purpose.SCORE) for records in both)
    assert torch.equal(near[0].data[:24], far[0].data[:24])
    assert near.tracks[0].centre == far.tracks[0].centre
    values = np.array([wave(step) for step in range(24)])
    assert near.tracks[0].centre == pytest.approx(values.mean())


def test_a_series_that_never_changes_has_scores_that_are_said(tmp_path, capsys):
    table = tmp_path / "f.csv"
    table.write_text("ds,y\n" + "".join(f"{np.datetime64('2024-01-01') + day},5\n" for day in range(120)))
    run = tmp_path / "run"
    assert call(capsys, "train", table, "--task", "forecast", "--epochs", 1, "--out", run)[0] == 0
    code, out, _ = call(capsys, "backtest", run)
    assert (code, "nan: these data do not define mase, owa, which divide by" in out) == (0, True)
    (future,) = elman.load(run).forecast()
    assert future.median == pytest.approx([5] * 7, abs=1)


def test_a_picture_has_a_title_dates_and_no_gap():
    figure_module = pytest.importorskip("matplotlib.figure")
    task, _ = made()
    windows = task.encode(rows(), Purpose.PREDICT)
    (future,) = task.futures(windows, evaluation.predict(task, task.build().eval(), windows))
    figure = figure_module.Figure()
    draw(figure, [future])
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Forecast of a: 6 steps from 2024-04-30"
    assert axes.get_xlabel() == "ds"
    history, median = axes.lines
    assert [line.get_xdata()[at] for line, at in ((history, -1), (median, 0))] == [
        np.datetime64("2024-04-29")
    ] * 2
    assert history.get_ydata()[-1] == median.get_ydata()[0] == future.past[-1]
    assert median.get_xdata()[-1] == np.datetime64("2024-05-05")
    assert axes.get_ylim()[1] > np.nanmax(history.get_ydata())  # where the legend is
    long = replace(future, title=f"Forecast of {'a' * 50}: 24 steps from 2024-01-13 12:00:00 Europe/Berlin")
    figure = figure_module.Figure()
    draw(figure, [long])
    assert figure.axes[0].get_title(loc="left") == long.title


def test_columns_are_forecast_jointly():
    """Each column's network sees the past of all, and which one it is of, and none of their future."""
    records = [
        Record(
            {"ds": str(np.datetime64("2024-01-01") + step), "a": f"{wave(step)}", "b": f"{1e6 + step % 4}"},
            "f.csv:2",
        )
        for step in range(120)
    ]
    task, (_, _, test) = made(None, records, data={"valid": 0.1, "test": 0.1, "target": "a,b"})
    assert "'a', 'b', forecast jointly" in task.describe()["columns"]
    layout = task.outline.layout
    assert (layout.known, layout.past) == (4 + 2, 2)
    first, second = test[0].data, test[len(test) // 2].data
    assert (first[:, 6:8].unique(dim=0).tolist(), second[:, 6:8].unique(dim=0).tolist()) == (
        [[1, 0]],
        [[0, 1]],
    )
    assert torch.equal(first[:, 8:], second[:, 8:])
    assert first[: layout.origin, 9].unique().shape == (4,)
    assert (first[layout.origin :, 8:] == 0).all()
    windows = task.encode(records, Purpose.PREDICT)
    made_ = task.futures(windows, evaluation.predict(task, task.build().eval(), windows))
    assert [future.name for future in made_] == ["a", "b"]
    with pytest.raises(TaskError, match="a joint forecast"):
        task.streamer(task.build())


def test_a_season_that_is_longer_than_the_series_is_none():
    records = [
        Record({"ds": f"2024-01-01 00:00:{step:02}", "y": f"{step % 7}"}, "f.csv:2") for step in range(60)
    ]
    task = Forecast.prepare(records, run_of({"horizon": 0, "context": 0, "season": 0}))
    assert (task.outline.season, task.outline.layout.lags) == (1, ())


def test_known_cells_of_the_future_must_be_filled_in():
    ahead = rows(126, price=lambda step: step, y=lambda step: str(step % 5) if step < 120 else "")
    task, _ = made({"known": "price"}, rows(price=lambda step: step))
    assert len(task.encode(ahead, Purpose.PREDICT)) == 1
    empty = [
        Record({**record.fields, "price": ""}, record.where) if place == 123 else record
        for place, record in enumerate(ahead)
    ]
    with pytest.raises(DataError, match="no 'price' for 2024-05-03 of series 'a'; fill it in"):
        task.encode(empty, Purpose.PREDICT)


@pytest.mark.parametrize("mean", [30, 10**6, 10**8])
def test_counts_of_any_size_are_covered_as_the_intervals_say(mean):
    """The first network knows how far counts spread: its shape is that of the training part."""
    random = np.random.default_rng(1)
    counts = random.poisson(random.gamma(5, mean / 5, 400)).tolist()
    task, (_, _, test) = made({**COUNTS, "samples": 200}, rows(400, y=lambda step: str(counts[step])))
    assert task.outline.dispersion == pytest.approx(0.2, rel=0.2)
    network = task.build().eval()
    forecast = _joined(test, evaluation.predict(task, network, test))
    assert test.scores(forecast)["coverage_80"] == pytest.approx(0.8, abs=0.08)
    losses = task.loss(network(batching.collate(test[:9]).seq)[0], batching.collate(test[:9]))
    assert float(losses.nats) / losses.count == pytest.approx(math.log(mean), abs=1.5)


@pytest.mark.parametrize(
    ("mean", "shape", "wrong"), [(1, 0.2, 6.0), (1000, 0, 8.0), (10**6, 0.2, -3.0), (10**8, 0.2, 3.0)]
)
def test_how_far_counts_spread_is_fitted_to_the_validation_part(mean, shape, wrong):
    random = np.random.default_rng(2)
    rates = random.gamma(1 / shape, mean * shape, 900) if shape else np.full(900, mean)
    counts = random.poisson(rates).tolist()
    task, (_, valid, test) = made({**COUNTS, "samples": 200}, rows(900, y=lambda step: str(counts[step])))
    network = task.build().eval()

    def covered(network) -> float:
        """By a value that was drawn between each count and the next one: a count is hit by many paths."""
        at = np.random.default_rng(3).random(test.actual.shape)
        low, high = (
            np.stack([np.quantile(paths + random.random(paths.shape), level, 1) for paths in drawn(network)])
            for level in (0.1, 0.9)
        )
        return float(((test.actual + at >= low) & (test.actual + at <= high)).mean())

    def drawn(network):
        for example in test:
            yield network.paths(example.data[:, None], 200, torch.Generator().manual_seed(1))[..., 0].numpy()

    with torch.no_grad():
        network.output.bias[1] += wrong
    off = abs(covered(network) - 0.8)
    assert off > 0.05
    assert f"{-wrong:+.0f}"[0] in task.fit_last(network, valid)
    assert abs(covered(network) - 0.8) < min(0.08, off)
    assert task.fit_last(network, valid) == ""  # what is right stays as it is


def test_quantiles_of_the_whole_horizon_are_not_fitted_again():
    task, (_, valid, _) = made()
    assert task.fit_last(task.build().eval(), valid) == ""


@pytest.mark.parametrize("model", MODELS)
def test_a_forecast_and_a_stream_are_moved_by_an_offset(model):
    found = []
    for offset in (0, 10**8):
        records = rows(y=lambda step, offset=offset: f"{wave(step) + offset:.4f}")
        task, _ = made({"model": model, "samples": 10}, records)
        torch.manual_seed(3)
        network = task.build().eval()
        windows = task.encode(records, Purpose.PREDICT)
        (future,) = task.futures(windows, evaluation.predict(task, network, windows))
        streamer = task.streamer(network)
        ends = streamer.ends(None)
        data = ends.encoder.encode([(record.fields["ds"], record.fields["y"]) for record in records])
        raw, _ = streamer.run(Seq(data[:, None]), streamer.start(None))
        said = [ends.decoder.decode(one) for one in raw[:, 0]][-1]
        assert said.times == future.times
        np.testing.assert_allclose(said.numbers[:, 1:], future.forecast.quantiles, rtol=0, atol=1e-3)
        found.append(future.forecast.quantiles - offset)
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)


def test_parts_that_are_not_asked_for():
    parts = Forecast.split(rows(), DataSettings(valid=0.0, test=0.0))
    assert (parts.valid, parts.test) == ([], [])
    task = Forecast.prepare(parts.train, run_of(data={"valid": 0.0, "test": 0.0}))
    assert max(horizons(task.encode(parts.train, Purpose.TRAIN))) == 119


def test_standardised_by_the_training_part_alone():
    task, (_, _, test) = made({"standardise": True})
    values = np.array([wave(step, "a") for step in range(96)])
    mean, std = task.outline.standards["a"]
    assert (mean, std) == pytest.approx((values.mean(), values.std()), rel=1e-4)
    assert float(test[0].data[0, 0]) == pytest.approx((wave(84, "a") - wave(107, "a")) / std, rel=1e-3)
    lasts = (np.array([wave(origin - 1, "a") for origin in test.places[:, 1]]) - mean) / std
    outputs = [torch.full((6, 1 + len(LEVELS)), 0.5 - last) for last in lasts]
    scores = task.scores(test, outputs, 1.0, 1)
    assert next(iter(scores)) == "mse"
    expected = np.mean(((test.actual - mean) / std - 0.5) ** 2)
    assert scores["mse"] == pytest.approx(expected, rel=1e-4)


def test_units_of_mase_come_from_before_the_part():
    _, (_, valid, test) = made()
    for windows, end in ((valid, 96), (test, 108)):
        past = np.array([round(wave(step, "a"), 4) for step in range(end)])
        assert windows.units == pytest.approx(np.abs(past[6:] - past[:-6]).mean())


def test_channels_are_values_calendar_known_static_and_past():
    records = rows(
        names="ab", price=lambda step: step, sky=lambda step: "wet" if step % 2 else "dry", kind="x"
    )
    task, (_, _, test) = made({"known": "sky", "static": "kind", "past": "price"}, records)
    layout = task.outline.layout
    assert (task.outline.cycles, layout.known, layout.past) == (("week",), 4 + 2 + 1, 1)
    data = test[0].data
    assert data.shape == (layout.origin + 6, layout.channels)
    assert data[:2, 6:8].tolist() == [[1, 0], [0, 1]]  # step 84 is even: dry
    assert (data[:, 8] == 1).all()
    assert (data[layout.origin :, -1] == 0).all()  # the past is not known of the horizon
    assert (data[: layout.origin, -1].diff() > 0).all()


def test_missing_values_are_carried_forward_and_not_scored():
    records = rows(y=lambda step: "" if step in (100, 110) else f"{step}")
    _, (train, _, test) = made(records=records)
    data, target = test[0].data, test[0].target  # the origin is step 108, the window begins at 84
    assert data[100 - 84, :2].tolist() == [99 - 107, 0]
    assert data[101 - 84, :2].tolist() == [101 - 107, 1]
    assert target.isnan().tolist() == [False, False, True, False, False, False]
    assert not any(example.data.isnan().any() for example in train)


@pytest.mark.parametrize("model", MODELS)
def test_it_overfits_eight_windows(model):
    own = {"model": model, "learn_every": 9, "distribution": "gaussian"}
    task, (train, _, _) = made(own, network={"hidden": 48})
    network = task.build()
    batch = batching.collate(train[:8])
    optimizer = optimizers.optimizer(network, task._run.training)
    optimizers.set_rate(optimizer, 0.01)

    def loss() -> float:
        nats, count = task.loss(network.eval()(batch.seq)[0], batch)
        return float(nats.detach()) / count

    before = loss()
    for _ in range(200):
        optimizer.zero_grad()
        nats, count = task.objective(network.train()(batch.seq)[0], batch)
        (nats / count).backward()
        optimizers.gradient_norm(network.parameters(), 1.0)
        optimizer.step()
    assert loss() < (0.15 if model == "quantiles" else before - 2)


@pytest.mark.parametrize("model", MODELS)
def test_saved_and_loaded_it_predicts_the_same(model, tmp_path):
    records = rows(names="ab", price=lambda step: step)
    task, (_, _, test) = made({"model": model, "known": "price", "standardise": True, "samples": 10}, records)
    network = task.build().eval()
    RunFolder(tmp_path).create(task._run, task)
    RunFolder(tmp_path).save_weights(network.state_dict(), {})
    loaded = RunFolder(tmp_path).load(torch.device("cpu"))
    again = loaded.task.encode(Forecast.split(records, task._run.data).test, Purpose.TEST)
    mine, theirs = (
        evaluation.evaluate(each, net, held)
        for each, net, held in ((task, network, test), (loaded.task, loaded.network, again))
    )
    assert mine.scores == theirs.scores
    assert all(torch.equal(a, b) for a, b in zip(mine.outputs, theirs.outputs, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_it_forecasts_in_the_data_s_own_units(model, tmp_path):
    """A fresh network of quantiles says the last value; every forecast stands where the series ends."""
    task, _ = made({"model": model, "standardise": True, "samples": 10}, rows(names="ab"))
    network = task.build().eval()
    windows = task.encode(rows(names="ab"), Purpose.PREDICT)
    futures = task.futures(windows, evaluation.predict(task, network, windows))
    assert [(future.name, future.times[0], future.times[-1]) for future in futures] == [
        ("a", "2024-04-30", "2024-05-05"),
        ("b", "2024-04-30", "2024-05-05"),
    ]
    assert futures[0].forecast.quantiles.shape == (6, len(LEVELS))
    assert len(futures[0].past) == 120
    if model == "quantiles":
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        (first, _) = task.futures(windows, evaluation.predict(task, network, windows))
        assert first.median == pytest.approx([wave(119, "a")] * 6, abs=1e-3)


def test_horizons_beyond_what_was_learnt():
    task, _ = made()
    with pytest.raises(TaskError, match="--horizon: expected at most 6, as learnt, got 7"):
        task.ahead(7)
    windows = task.ahead(2).encode(rows(), Purpose.PREDICT)
    assert len(task.ahead(2).futures(windows, [torch.zeros(6, 12)])[0].times) == 2
    task, _ = made({"model": "autoregressive", "samples": 10})
    longer = task.ahead(20)
    windows = longer.encode(rows(), Purpose.PREDICT)
    (future,) = longer.futures(windows, evaluation.predict(longer, task.build().eval(), windows))
    assert future.forecast.mean.shape == (20,)


def test_the_future_of_known_columns_must_be_there():
    task, _ = made({"known": "price"}, rows(price="1"))
    ahead = [
        Record(
            {"id": "a", "ds": str(np.datetime64("2024-01-01") + step), "y": "", "price": "2"}, f"f.csv:{step}"
        )
        for step in range(120, 126)
    ]
    windows = task.encode([*rows(price="1"), *ahead], Purpose.PREDICT)
    assert windows.places.tolist() == [[0, 120]]
    with pytest.raises(DataError, match=r"f.csv:2: expected one for each step .* no row for 2024-05-05"):
        task.encode([*rows(price="1"), *ahead[:-1]], Purpose.PREDICT)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (COUNTS | {"scale": "last"}, r"forecast.scale: expected 'size', got 'last' with counts"),
        ({"watch": "mse"}, r"forecast.watch: 'mse' without forecast.standardise"),
        ({"lags": "6,x"}, r"forecast.lags: expected season, none, or steps such as 24,168, got '6,x'"),
        ({"patch": 4}, r"forecast.context: expected a multiple of the patch, got 18 with a patch of 4"),
        ({"model": "quantile"}, r"forecast.model: expected one of quantiles, autoregressive, got 'quantile'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(own, message):
    with pytest.raises(ConfigError, match=message):
        made(own)


def test_series_that_are_too_short_and_values_that_are_no_counts():
    with pytest.raises(
        DataError, match=r"f.csv:2: expected 30: 6 to look back, a context of 18, .* has 28 steps"
    ):
        made(records=rows(40))
    with pytest.raises(DataError, match=r"f.csv:2: expected counts 0, 1, 2, ..., got the value 25.523"):
        made(COUNTS)
    made(COUNTS, rows(y=lambda step: str(step % 5)))
    task, _ = made()
    with pytest.raises(
        DataError, match=r"f.csv:2: no column 'y'; give the columns that the model was trained on"
    ):
        task.encode([Record({"id": "a", "ds": "2024-01-01", "z": "1"}, "f.csv:2")])


def test_facts_tell_what_was_found():
    task, _ = made({"context": 0}, rows(names="ab"))
    assert task.describe() == {
        "columns": "times in 'ds', values in 'y', series named by 'id'",
        "series": "2 of 120 steps, 1 day apart, season 6",
        "windows": "context 18, horizon 6, looking back 6 steps, calendar: week",
    }


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"columns": 3}'])
def test_a_damaged_outline_is_told(text):
    with pytest.raises(RunError, match=r"vocab.json: a damaged outline .*; restore the file from a copy"):
        Forecast.restore(text, run_of(), "vocab.json")


def test_a_cycle_of_another_calendar_is_damage():
    task, _ = made()
    table = json.loads(task.to_text())
    table["cycles"] = ["fortnight"]
    with pytest.raises(RunError, match=r"a damaged outline .*cycles fortnight of another calendar"):
        Forecast.restore(json.dumps(table), run_of(), "vocab.json")


@pytest.mark.parametrize("dispersion", [0.5, 1e6])
def test_any_dispersion_makes_a_network(dispersion):
    """Of counts it is what the shape begins with; other values have none."""
    task, _ = made()
    table = json.loads(task.to_text()) | {"dispersion": dispersion}
    for own in ({}, COUNTS):
        options = {"model": "autoregressive"} | own
        network = Forecast.restore(json.dumps(table), run_of(options), "vocab.json").build()
        assert all(weight.isfinite().all() for weight in network.parameters())


def test_which_data_it_suits():
    assert Forecast.matches(Record({"ds": 1700, "y": 5.0}, "s"))
    assert Forecast.matches(Record({"date": "2024-01-01", "rain": "3", "sky": "wet"}, "s"))
    assert not Forecast.matches(Record({"text": "a good film", "label": "1"}, "s"))
    assert not Forecast.matches(Record({"x1": "1.5", "x2": "2", "label": "0"}, "s"))
    assert tasks.guess("sample", Record({"ds": 1700, "y": 5.0}, "s")) == "forecast"


def test_it_learns_what_no_baseline_knows(tmp_path):
    """Every second step turns the sign of the one before last: no copy of the past is right."""
    path = tmp_path / "turn.csv"
    signs = [1.0, 1.0, -1.0, -1.0] * 100
    path.write_text("t,y\n" + "".join(f"{step},{sign * 3 + 10}\n" for step, sign in enumerate(signs)))
    options = {"horizon": 3, "context": 8, "season": 3, "epochs": 6, "hidden": 16, "batch_size": 16}
    model = elman.train(
        path, task="forecast", out=tmp_path / "run", quiet=True, lr=0.01, threads=1, **options
    )
    scores = model.backtest()
    assert scores["model"]["mase"] < 0.3 * min(scores[name]["mase"] for name in ("seasonal naive", "drift"))
    future = model.forecast()[0]
    assert future.median == pytest.approx([13, 13, 7], abs=0.5)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "waves.csv"
    lines = [f"{r.fields['id']},{r.fields['ds']},{r.fields['y']}\n" for r in rows(names="ab")]
    path.write_text("id,ds,y\n" + "".join(lines))
    return path


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    code = cli.run([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("model", MODELS)
def test_train_forecast_backtest(capsys, tmp_path, table, model):
    run = tmp_path / "run"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in QUICK.items()]
    own = ["--set", f"forecast.model={model}", "--set", "forecast.horizon=6", "--set", "forecast.samples=10"]
    code, _, err = call(capsys, "train", table, "--out", run, *options, *own)
    assert code == 0, err
    assert "task forecast, guessed from" in err
    assert "baseline seasonal naive, valid part:" in err
    results = json.loads((run / "results.json").read_text())
    assert set(results["scores"]["test"]) == {"model", "seasonal naive", "naive", "drift"}
    assert (run / "forecast.png").exists()
    code, out, _ = call(capsys, "forecast", run, "--picture", tmp_path / "picture.svg")
    found = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["id"] for row in found] == ["a"] * 6 + ["b"] * 6
    assert list(found[0])[:5] == ["id", "ds", "mean", "median", "q0.025"]
    assert all(float(row["q0.1"]) <= float(row["median"]) <= float(row["q0.9"]) for row in found)
    assert "<svg" in (tmp_path / "picture.svg").read_text()
    assert call(capsys, "forecast", run, table, "--out", tmp_path / "out.csv")[0] == 0
    assert (tmp_path / "out.csv").read_text() == out
    code, out, _ = call(capsys, "backtest", run)
    assert code == 0
    names = [line.split("|")[1].strip() for line in out.splitlines()[2:]]
    assert names == ["model", "seasonal naive", "naive", "drift"]
    assert call(capsys, "eval", run, table)[0] == 0
    code, _, err = call(capsys, "predict", run, table)
    assert code == 2
    assert "got a task that does not predict; use elman forecast" in err


def test_bad_files_and_wishes_are_one_line(capsys, tmp_path, table):
    run = tmp_path / "run"
    elman.train(table, out=run, quiet=True, horizon=6, **QUICK)
    broken = tmp_path / "broken.csv"
    broken.write_text(table.read_text().replace("b,2024-01-03", "b,2024-01-02"))
    code, out, err = call(capsys, "forecast", run, broken)
    assert (code, out) == (2, "")
    assert err.startswith(f"elman: {broken}:7: expected one, got a second row for 2024-01-02 of series 'b'")
    code, _, err = call(capsys, "forecast", run, "--picture", tmp_path / "a.gif", "--out", tmp_path / "o.csv")
    assert code == 2
    assert "expected one of png, svg, pdf" in err
    with pytest.raises(TaskError, match="expected forecast, got a task that does not forecast"):
        elman.load(language(tmp_path)).forecast()


def language(folder: Path) -> Path:
    (folder / "text.txt").write_text("a small text of no use. " * 30)
    elman.train(
        folder / "text.txt", task="language", out=folder / "text", quiet=True, hidden=8, epochs=1, bptt=16
    )
    return folder / "text"


def test_stopped_and_resumed_is_never_stopped_to_the_bit(monkeypatch, tmp_path, table):
    whole = elman.train(table, out=tmp_path / "whole", quiet=True, horizon=6, **QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(session, "GracefulStop", lambda: StopAfter(5))
        elman.train(table, out=tmp_path / "cut", quiet=True, horizon=6, **QUICK)
    resumed = elman.train(resume=tmp_path / "cut", quiet=True)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
