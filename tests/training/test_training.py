"""Training: it learns, stops, resumes to the bit, survives a kill, and says what went wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import elman
from conftest import TINY, lines
from elman.core.errors import ConfigError, DataError, DivergedError, RunError
from elman.runs.folder import METRICS, RunFolder
from elman.training import metrics_log, session

UNTIMED = [column for column in metrics_log.COLUMNS if column not in ("seconds", "symbols_per_second")]


def numbers(run: Path) -> list[dict[str, str]]:
    return [{column: row[column] for column in UNTIMED} for row in metrics_log.read(run / METRICS)]


def assert_same(one: Path, other: Path) -> None:
    weights = [load_file(run / "model.safetensors") for run in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert numbers(one) == numbers(other)
    scores = [json.loads((run / "results.json").read_text())["scores"] for run in (one, other)]
    assert scores[0] == scores[1]


class StopAfter:
    """In the place of Ctrl-C: seen once it was looked at that many times."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def seen(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def stopped_and_resumed(monkeypatch, text: Path, out: Path, stops: list[int], **options) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(session, "GracefulStop", lambda: StopAfter(stops[0]))
        elman.train(text, out=out, quiet=True, **options)
    assert not RunFolder(out).finished
    for stop in stops[1:]:
        with monkeypatch.context() as patch:
            patch.setattr(session, "GracefulStop", lambda stop=stop: StopAfter(stop))
            elman.train(resume=out, quiet=True)
    elman.train(resume=out, quiet=True)
    assert RunFolder(out).finished


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cell": "gru", "layers": 2, "dropout": 0.3, "ema": 0.9, "schedule": "plateau"},
        {"cell": "rnn", "optimizer": "sgd", "accumulate": 3, "variational": True, "dropout": 0.2},
        {"unit": "word", "weight_dropout": 0.3, "embedding_dropout": 0.1, "learn_initial": True},
        {"layer_norm": True, "recurrent_dropout": 0.2, "precision": "bfloat16", "optimizer": "adam"},
        {"zoneout": 0.2, "projection": 5, "layers": 2, "residual": True, "learn_initial": True},
    ],
    ids=["plain", "gru-ema-plateau", "rnn-sgd-accumulate", "word", "layer-norm-bf16", "zoneout-projection"],
)
def test_stopped_twice_and_resumed_is_never_stopped_to_the_bit(monkeypatch, tmp_path, text, options):
    options = TINY | {"epochs": 2} | options
    elman.train(text, out=tmp_path / "whole", quiet=True, **options)
    stopped_and_resumed(monkeypatch, text, tmp_path / "cut", [3, 12], **options)
    assert_same(tmp_path / "whole", tmp_path / "cut")


WHOLE = {"task": "classify", "lr": 0.02, "batch_size": 8, "dropout": 0.3, "symbol_dropout": 0.1}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ema": 0.9, "schedule": "plateau", "accumulate": 3, "embedding_dropout": 0.1, "smoothing": 0.1},
        {"valid": 0.0, "layers": 2, "variational": True, "pool": "attention", "class_weights": "balanced"},
    ],
    ids=["plain", "ema-accumulate", "no-validation"],
)
def test_whole_sequences_stopped_in_an_epoch_are_never_stopped_to_the_bit(
    monkeypatch, tmp_path, table, options
):
    options = TINY | WHOLE | options
    elman.train(table, out=tmp_path / "whole", quiet=True, **options)
    stopped_and_resumed(monkeypatch, table, tmp_path / "cut", [2, 3], **options)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_disturbed_series_stopped_and_resumed(monkeypatch, tmp_path):
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    series = generator.normal(0, 1, (60, 9, 2)) + labels[:, None, None]
    np.savez(tmp_path / "s.npz", x=series, y=labels, lengths=3 + np.arange(60) % 7)
    disturbed = {"noise": 0.2, "scaling": 0.1, "mask_steps": 0.3, "mask_features": 0.3}
    options = TINY | {"dropout": 0.2} | disturbed
    elman.train(tmp_path / "s.npz", out=tmp_path / "whole", quiet=True, **options)
    stopped_and_resumed(monkeypatch, tmp_path / "s.npz", tmp_path / "cut", [3, 7], **options)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_the_best_epoch_is_that_of_the_watched_score(tmp_path, table):
    options = TINY | WHOLE | {"epochs": 40, "early_stop": 3, "schedule": "constant", "valid": 0.3}
    model = elman.train(table, out=tmp_path / "run", quiet=True, **options)
    rows = [row for row in metrics_log.read(tmp_path / "run" / METRICS) if row["valid_score"]]
    best = max(range(len(rows)), key=lambda i: (float(rows[i]["valid_score"]), -float(rows[i]["valid_loss"])))
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["training"]["finished"]
    assert len(rows) == best + 1 + 3 < 40
    scores = results["scores"]["valid"]["model"]
    assert scores["accuracy"] == pytest.approx(float(rows[best]["valid_score"]))
    assert scores["loss"] == pytest.approx(float(rows[best]["valid_loss"]))
    assert model.config.training.early_stop == 3


def test_without_a_validation_part_the_last_weights_are_kept(tmp_path, table):
    options = TINY | WHOLE | {"valid": 0.0, "ema": 0.0}
    elman.train(table, out=tmp_path / "run", quiet=True, **options)
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert list(results["scores"]) == ["test"]
    assert results["data"]["validation part"] == "none"
    assert not any(row["valid_loss"] for row in metrics_log.read(tmp_path / "run" / METRICS))
    last = load_file(tmp_path / "run/checkpoints/last.safetensors")
    kept = load_file(tmp_path / "run/model.safetensors")
    assert all(torch.equal(kept[name], last[f"network.{name}"]) for name in kept)


def test_nothing_held_out_is_nothing_scored(tmp_path, table):
    elman.train(table, out=tmp_path / "run", quiet=True, **TINY | WHOLE | {"valid": 0.0, "test": 0.0})
    assert json.loads((tmp_path / "run/results.json").read_text())["scores"] == {}
    assert "neither a validation nor a test part" in (tmp_path / "run/README.md").read_text()


def test_parts_from_files_of_their_own(tmp_path, table):
    head, *rows = table.read_text().splitlines()
    for name, some in (("train", rows[:70]), ("valid", rows[70:78]), ("test", rows[78:])):
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *some]) + "\n")
    own = {"valid_path": str(tmp_path / "valid.csv"), "test_path": str(tmp_path / "test.csv")}
    elman.train(tmp_path / "train.csv", out=tmp_path / "run", quiet=True, **TINY | WHOLE | own)
    data = json.loads((tmp_path / "run/results.json").read_text())["data"]
    sizes = [data[f"{part} part"].split(" ")[0] for part in ("training", "validation", "test")]
    assert sizes == ["70", "8", "12"]
    scores = json.loads((tmp_path / "run/results.json").read_text())["scores"]["test"]
    again = elman.load(tmp_path / "run").evaluate(tmp_path / "test.csv")
    assert again["model"] == pytest.approx(scores["model"])
    assert again["majority class"] == pytest.approx(scores["majority class"])


def test_batches_whose_gradients_make_one_step(tmp_path, table):
    options = TINY | WHOLE | {"epochs": 1, "accumulate": 4, "valid": 0.0, "test": 0.0}
    elman.train(table, out=tmp_path / "run", quiet=True, **options)
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["training"]["steps"] == 3  # 90 examples are 12 batches


def test_a_task_that_cannot_be_calibrated_says_so_before_it_trains(tmp_path):
    np.savez(tmp_path / "s.npz", x=np.random.default_rng(0).normal(size=(40, 5)), y=np.arange(40) / 7)
    options = TINY | {"kind": "value", "calibrate": True}
    message = "training.calibrate: true for the prediction of a value; leave it false"
    with pytest.raises(ConfigError, match=message):
        elman.train(tmp_path / "s.npz", out=tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()


def test_it_learns_and_beats_the_unigram(run: Path):
    scores = json.loads((run / "results.json").read_text())["scores"]
    for part in ("valid", "test"):
        assert scores[part]["model"]["bits_per_char"] < scores[part]["unigram"]["bits_per_char"] - 0.3


def test_a_run_folder_is_complete_and_holds_no_pickle(run: Path):
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith("tensorboard/")} == {
        "README.md",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "config.toml",
        "curves.png",
        "metrics.csv",
        "model.safetensors",
        "results.json",
        "train.log",
        "vocab.json",
    }
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert sum(bool(row["valid_loss"]) for row in rows) == TINY["epochs"]
    card = (run / "README.md").read_text()
    assert "| model " in card
    assert "| unigram " in card


def test_resuming_what_is_done_changes_nothing(tmp_path, text):
    elman.train(text, out=tmp_path / "run", quiet=True, **TINY)
    before = (tmp_path / "run/model.safetensors").read_bytes(), (tmp_path / "run/metrics.csv").read_bytes()
    elman.train(resume=tmp_path / "run", quiet=True)
    assert before == (
        (tmp_path / "run/model.safetensors").read_bytes(),
        (tmp_path / "run/metrics.csv").read_bytes(),
    )


def test_training_leaves_the_callers_random_numbers_and_threads_alone(tmp_path, text):
    torch.manual_seed(5)
    expected, threads = torch.randn(3), torch.get_num_threads()
    torch.manual_seed(5)
    elman.train(text, out=tmp_path / "run", quiet=True, **TINY)
    assert torch.equal(torch.randn(3), expected)
    assert torch.get_num_threads() == threads


def test_calibration_is_fitted_on_the_validation_part_and_told(tmp_path, text):
    options = TINY | {"lr": 0.05, "epochs": 8, "hidden": 48}
    model = elman.train(text, out=tmp_path / "run", quiet=True, calibrate=True, **options)
    scores = json.loads((tmp_path / "run/results.json").read_text())["scores"]
    plain = elman.train(text, out=tmp_path / "plain", quiet=True, **options)
    before = json.loads((tmp_path / "plain/results.json").read_text())["scores"]
    assert scores["test"]["model, uncalibrated"] == before["test"]["model"]
    assert scores["valid"]["model"]["loss"] < scores["valid"]["model, uncalibrated"]["loss"]
    ratio = plain.network.output.weight / model.network.output.weight
    assert ratio.std() < 1e-4
    assert 0.8 <= ratio.mean() <= 1.6


def test_early_stopping(tmp_path, text):
    options = TINY | {"epochs": 60, "early_stop": 2, "lr": 0.05, "hidden": 64, "schedule": "constant"}
    elman.train(text, out=tmp_path / "run", quiet=True, **options)
    results = json.loads((tmp_path / "run/results.json").read_text())
    losses = [
        float(row["valid_loss"]) for row in metrics_log.read(tmp_path / "run" / METRICS) if row["valid_loss"]
    ]
    assert results["training"]["finished"]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 3
    assert results["scores"]["valid"]["model"]["loss"] == pytest.approx(min(losses))


def test_a_loss_that_is_not_finite_is_told_with_its_step(tmp_path, text):
    options = TINY | {"lr": 1e30, "clip": 0.0, "cell": "rnn_relu", "warmup": 0.0}
    with pytest.raises(
        DivergedError, match=r"step \d+: expected a finite one, got a gradient norm of (nan|inf): .+; lower"
    ):
        elman.train(text, out=tmp_path / "run", quiet=True, **options)


def test_other_data_than_before_are_refused(monkeypatch, tmp_path, text):
    with monkeypatch.context() as patch:
        patch.setattr(session, "GracefulStop", lambda: StopAfter(3))
        elman.train(text, out=tmp_path / "run", quiet=True, **TINY)
    text.write_text(lines(149))
    with pytest.raises(
        RunError, match=r"text.txt: other data than the run began with; put the data back as they were"
    ):
        elman.train(resume=tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "language"}, "resume: data, task, out or config beside it; a run keeps its data"),
        ({"hidden": 4}, "hidden: a setting that a run keeps when it is resumed; train a new run"),
        ({"batch_size": 4}, "batch_size: a setting that a run keeps"),
        ({"epochs": 1}, "epochs: expected more than the . that are done, got 1"),
        ({"lr": -1}, "training.lr: expected a value above 0"),
    ],
)
def test_a_resumed_run_keeps_its_data_and_network(run: Path, options, message):
    with pytest.raises(ConfigError, match=message):
        elman.train(resume=run, **options)


def test_a_finished_run_goes_on_as_if_it_had_never_stopped(tmp_path, text):
    steady = TINY | {"schedule": "constant", "warmup": 0.0, "quiet": True}
    elman.train(text, out=tmp_path / "whole", **steady | {"epochs": 3})
    elman.train(text, out=tmp_path / "run", **steady | {"epochs": 1})
    elman.train(resume=tmp_path / "run", epochs=3, quiet=True)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert RunFolder(tmp_path / "run").config.training.epochs == 3
    assert "changed: epochs 1 -> 3" in (tmp_path / "run/train.log").read_text()


def test_a_run_that_ended_early_goes_on_where_that_is_asked_for(tmp_path, text):
    options = TINY | {"epochs": 60, "early_stop": 1, "lr": 0.05, "hidden": 64, "schedule": "constant"}
    model = elman.train(text, out=tmp_path / "run", quiet=True, **options)
    done = RunFolder(model.path).results.training.epochs
    elman.train(resume=model.path, epochs=int(done) + 2, early_stop=0, quiet=True)
    assert RunFolder(model.path).results.training.epochs == done + 2


def test_a_diverged_run_goes_on_with_another_rate(tmp_path, text):
    options = TINY | {"lr": 1e30, "clip": 0.0, "cell": "rnn_relu", "warmup": 0.0}
    with pytest.raises(DivergedError, match=r"set --clip 1: elman train --resume \S+ --lr 2.5e\+29$"):
        elman.train(text, out=tmp_path / "run", quiet=True, **options)
    elman.train(resume=tmp_path / "run", lr=0.001, clip=1.0, quiet=True)
    assert RunFolder(tmp_path / "run").finished


@pytest.mark.parametrize("steps", [3, 30])
def test_as_many_steps_as_are_asked_for(tmp_path, text, steps):
    model = elman.train(text, out=tmp_path / "run", quiet=True, **TINY | {"steps": steps})
    assert RunFolder(model.path).results.training.steps == steps
    elman.train(resume=model.path, steps=steps + 5, quiet=True)
    assert RunFolder(model.path).results.training.steps == steps + 5


def test_a_run_is_not_overwritten(run: Path, text: Path):
    before = (run / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match="holds a run already; elman train --resume"):
        elman.train(text, out=run, quiet=True, **TINY)
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("x", "text.txt: expected enough for a train part, got 1 characters; give more text"),
        (
            "x" * 60,
            "training part: expected at least one window of 64, got 53 symbols; give more text or a smaller",
        ),
    ],
)
def test_too_little_text_writes_nothing(tmp_path, content, message):
    (tmp_path / "text.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        elman.train(tmp_path / "text.txt", out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_told_and_the_checkpoint_stays_whole(monkeypatch, tmp_path, text):
    with monkeypatch.context() as patch:
        patch.setattr(session, "GracefulStop", lambda: StopAfter(3))
        elman.train(text, out=tmp_path / "run", quiet=True, **TINY)
    whole = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")}

    def full(path: Path, data: bytes) -> int:
        path.open("wb").write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(RunError, match="cannot be written: No space left on device; free some space"):
            elman.train(resume=tmp_path / "run", quiet=True)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")} == whole
    assert not list((tmp_path / "run").rglob(".*"))
    elman.train(text, out=tmp_path / "other", quiet=True, **TINY)
    elman.train(resume=tmp_path / "run", quiet=True)
    assert_same(tmp_path / "run", tmp_path / "other")


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "elman", "train", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


SMALL = ["--hidden", "32", "--batch-size", "4", "--bptt", "16", "--threads", "1", "--ema", "0.9"]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_and_resumed_is_never_stopped_to_the_bit(tmp_path, text):
    options = [*SMALL, "--epochs", "4", "--checkpoint-minutes", "0.0005"]
    process = start(str(text), "--out", str(tmp_path / "killed"), *options)
    wait_for(tmp_path / "killed/checkpoints/last.safetensors", process)
    process.kill()
    process.communicate()
    assert not RunFolder(tmp_path / "killed").finished
    elman.train(resume=tmp_path / "killed", quiet=True)
    same = TINY | {"hidden": 32, "epochs": 4, "lr": 0.004, "ema": 0.9}
    elman.train(text, out=tmp_path / "whole", quiet=True, **same)
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_ctrl_c_saves_evaluates_and_says_how_to_resume(tmp_path, text):
    process = start(str(text), "--out", str(tmp_path / "run"), *SMALL, "--epochs", "400")
    wait_for(tmp_path / "run/checkpoints/last.safetensors", process)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert f"go on with: elman train --resume {tmp_path / 'run'}" in said
    assert "| model " in said
    assert elman.load(tmp_path / "run").sample(length=5, seed=1)


def two_processes(text: Path, folder: Path, *steps: str) -> list[dict[str, torch.Tensor]]:
    folder.mkdir()
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command += [str(script), str(text), str(folder), *steps]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=alone)
    assert done.returncode == 0, done.stderr
    return [load_file(folder / f"{rank}.safetensors") for rank in (0, 1)]


def test_two_processes_see_different_data_and_end_with_the_same_weights(tmp_path, text):
    one, other = two_processes(text, tmp_path / "whole")
    assert not set(one.pop("seen").flatten().tolist()) & set(other.pop("seen").flatten().tolist())
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert RunFolder(tmp_path / "whole/run").finished
    assert elman.load(tmp_path / "whole/run").sample(length=5, seed=1)
    two_processes(text, tmp_path / "cut", "9")
    assert_same(tmp_path / "whole/run", tmp_path / "cut/run")


def test_calibration_needs_a_validation_part(tmp_path, table):
    options = TINY | {"valid": 0.0, "calibrate": True}
    with pytest.raises(ConfigError, match=r"training.calibrate: true without a validation part"):
        elman.train(table, task="classify", out=tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()
