"""Files that were damaged, folders that are locked, what a killed process left: told in one line."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_stream import FORWARD
from test_tasks import RECORDS

import elman
from conftest import TINY, lines
from elman import tasks
from elman.cli import run as command
from elman.core import atomic_files, digests, tensor_file
from elman.core.errors import ConfigError, DataError, DivergedError, ElmanError, RunError
from elman.core.run_config import RunConfig
from elman.runs import folder as runs_folder
from elman.runs import model_card
from elman.runs.folder import LAST, RunFolder
from elman.streaming import Stream, StreamFactory, Streams
from elman.streaming.base import Streaming
from elman.tasks.abilities import ComputesWeights
from elman.tasks.base import Purpose
from elman.tasks.results import RunResults, TrainingFacts
from elman.training import metrics_log

often = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JUNK: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        3,
        2.5,
        1e300,
        10**18,
        10**400,
        "",
        "x",
        "\ud800",
        [],
        {},
        [1],
        ["a"],
        [[1, 2], [3]],
    ),
    *({"a": 1}, float("nan"), float("inf"), "9" * 5000),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each task, with random weights; and a stream's file of those that stream."""
    folder = tmp_path_factory.mktemp("runs")
    for name, kind in tasks.TASKS.items():
        run = RunConfig.of(
            {"network": {"hidden": 6}} | {name: FORWARD.get(name, {}).get(name, {})}, kind.Config
        )
        torch.manual_seed(0)
        task = kind.prepare(RECORDS[name], run)
        network = task.build()
        if isinstance(task, ComputesWeights):
            task.store(network, task.encode(RECORDS[name], Purpose.TRAIN))
        RunFolder(folder / name).create(run, task)
        RunFolder(folder / name).save_weights(network.state_dict(), {"settings": runs_folder.meaning(run)})
        if isinstance(task, Streaming):
            began(elman.load(folder / name, device="cpu"), name).save(folder / name / "stream.safetensors")
    return folder


def began(model: elman.Model, name: str) -> Stream:
    stream = Stream(source := StreamFactory(model), source.fresh(None))
    value = next(iter(RECORDS[name][0].fields.values()))
    stream.feed([1.0] * 12 if name == "forecast" else "one two th" if name == "tag" else value[:7])
    return stream


def copied(runs: Path, name: str, tmp_path: Path) -> Path:
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    return Path(shutil.copytree(runs / name, tmp_path / "copy"))


def fault(do: Callable[[], object]) -> str:
    """What is told of it; nothing, if it can be done."""
    try:
        do()
    except ElmanError as error:
        return str(error)
    return ""


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all that is inside a value."""
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:9]) if isinstance(value, list) else ()
    )
    for key, one in inner:
        yield (*at, key)
        yield from places(one, (*at, key))


def spoilt(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The value with something in it gone, or another."""
    value = json.loads(json.dumps(value))
    *way, key = draw(st.sampled_from(list(places(value))))
    inside = value
    for step in way:
        inside = inside[step]
    if draw(st.integers(0, 2)):
        inside[key] = draw(st.sampled_from(JUNK))
    else:
        del inside[key]
    return value


@pytest.mark.parametrize("name", tasks.TASKS)
@often
@given(st.data())
def test_any_damage_to_bytes_is_told(runs, tmp_path, name, data):
    folder = copied(runs, name, tmp_path)
    file = data.draw(
        st.sampled_from(sorted(path.name for path in folder.iterdir() if path.suffix != ".toml"))
    )
    content = bytearray((folder / file).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        content = content[:place]
    (folder / file).write_bytes(content)
    with pytest.raises(RunError, match=file):
        elman.load(folder, device="cpu").stream(folder / "stream.safetensors")


@pytest.mark.parametrize("name", tasks.TASKS)
@often
@given(st.data())
def test_whatever_stands_in_a_vocabulary_is_read_or_told(runs, tmp_path, name, data):
    folder = copied(runs, name, tmp_path)
    content = json.loads(digests.opened((folder / "vocab.json").read_text(), "vocab.json"))
    text = json.dumps(spoilt(content, data.draw), indent=1) + "\n"
    (folder / "vocab.json").write_text(digests.sealed(text))
    assert "\n" not in fault(lambda: elman.load(folder, device="cpu"))


@pytest.mark.parametrize("name", FORWARD)
@often
@given(st.data())
def test_whatever_stands_in_a_streams_file_is_read_or_told(runs, tmp_path, name, data):
    folder = copied(runs, name, tmp_path)
    named, notes = tensor_file.load(folder / "stream.safetensors")
    other = data.draw(st.sampled_from(["notes", "shape", "kind", "gone", "more"]))
    key = data.draw(st.sampled_from(sorted(named)))
    if other == "notes":
        notes = spoilt(notes, data.draw)
    elif other in ("shape", "kind"):
        named[key] = named[key].flatten() if other == "shape" else named[key].int()
    elif other == "gone":
        del named[key]
    else:
        named["more"] = torch.zeros(1)
    tensor_file.save(folder / "stream.safetensors", named, notes)
    model = elman.load(folder, device="cpu")
    told = fault(lambda: model.stream(folder / "stream.safetensors").finish())
    assert "stream.safetensors" in told or (other == "notes" and not told)


def test_files_of_an_older_elman_have_no_digests_and_load(run, tmp_path):
    import safetensors.torch

    folder = Path(shutil.copytree(run, tmp_path / "run"))
    (folder / "vocab.json").write_text(digests.opened((folder / "vocab.json").read_text(), ""))
    named, _ = tensor_file.load(folder / "model.safetensors")
    safetensors.torch.save_file(named, folder / "model.safetensors", {"elman": '{"format": 1}'})
    assert elman.load(folder).sample(length=9, seed=1) == elman.load(run).sample(length=9, seed=1)


@pytest.mark.parametrize("text", ['{"a": 1}\n', '{\n "a": {},\n "b": "é"\n}\n', "plain", "{}", "[1]"])
def test_a_text_that_was_sealed_is_opened_as_it_was(text):
    sealed = digests.sealed(text)
    assert digests.opened(sealed, "x") == text
    assert (sealed != text) == text.startswith('{"') or (sealed != text) == text.startswith("{\n")
    if sealed != text:
        assert json.loads(sealed) == json.loads(text) | {"digest": digests.of(text.encode())}


def test_a_weight_that_is_not_finite_is_told(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    named, notes = tensor_file.load(folder / "model.safetensors")
    named["output.bias"][1] = torch.nan
    tensor_file.save(folder / "model.safetensors", named, notes)
    with pytest.raises(RunError, match=r"model.safetensors: a weight that is not finite, in output.bias"):
        elman.load(folder)


def test_weights_of_another_kind_of_numbers_are_told(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    named, notes = tensor_file.load(folder / "model.safetensors")
    named["output.bias"] = named["output.bias"].view(torch.int32)
    tensor_file.save(folder / "model.safetensors", named, notes)
    with pytest.raises(RunError, match=r"do not fit the settings \(output.bias is torch.int32"):
        elman.load(folder)


def test_settings_that_the_weights_were_not_trained_with_are_told(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace("residual = false", "residual = true"))
    with pytest.raises(RunError, match=r"expected false, as trained, got true for network.residual"):
        elman.load(folder)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("metrics.csv", b"0.0000", b"0.0001"), ("results.json", b'"unigram"', b'"unigran"')],
)
def test_a_damaged_record_is_told_when_the_run_goes_on(run, tmp_path, file, old, new):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    content = (folder / file).read_bytes()
    assert old in content
    (folder / file).write_bytes(content.replace(old, new, 1))
    with pytest.raises(RunError, match=rf"{file}: damaged \(.*\); .*delete it"):
        elman.train(resume=folder, quiet=True)
    (folder / file).unlink()
    elman.train(resume=folder, quiet=True)


@often
@given(st.data())
def test_whatever_stands_in_a_checkpoint_is_taken_or_told(stopped, tmp_path, data):
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    folder = Path(shutil.copytree(stopped, tmp_path / "run"))
    named, notes = tensor_file.load(folder / LAST)
    other = data.draw(st.sampled_from(["notes", "shape", "kind", "gone", "more", "nan"]))
    key = data.draw(st.sampled_from(sorted(named)))
    if other == "notes":
        notes = spoilt(notes, data.draw)
    elif other == "nan":
        named[key] = torch.full_like(named[key], torch.nan if named[key].is_floating_point() else 255)
    elif other == "gone":
        del named[key]
    else:
        more = {"shape": named[key].flatten()[:1], "kind": named[key].double(), "more": torch.zeros(1)}
        named["more" if other == "more" else key] = more[other]
    tensor_file.save(folder / LAST, named, notes)
    assert "\n" not in fault(lambda: elman.train(resume=folder, quiet=True))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has a checkpoint and is at its end."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "text.txt").write_text(lines(20))
    options = TINY | {"hidden": 4, "epochs": 1, "bptt": 8, "tensorboard": False}
    elman.train(folder / "text.txt", out=folder / "run", quiet=True, **options)
    return folder / "run"


def test_a_run_folder_is_trained_in_by_one_process(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    with (
        atomic_files.locked(folder, ()),
        pytest.raises(RunError, match="another training is writing there; wait"),
    ):
        elman.train(resume=folder, quiet=True)
    held = (
        "import sys, pathlib\nfrom elman.core.atomic_files import locked\n"
        f"with locked(pathlib.Path({str(folder)!r}), ()):"
    )
    child = subprocess.Popen([sys.executable, "-c", f"{held}\n print('held', flush=True)\n sys.stdin.read()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="another training is writing there"):
        elman.train(resume=folder, quiet=True)
    child.kill()
    child.wait()
    elman.train(resume=folder, quiet=True)  # the lock went with its process


def test_what_a_killed_process_left_is_taken_away(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    left = [".vocab.json.abcd_123", ".curves.png.zzzzzzzz", f"{Path(LAST).parent}/.last.safetensors.abcdefgh"]
    others = [".mine.txt.abcdefgh", ".vocab.json.abc", f"{Path(LAST).parent}/.vocab.json.abcdefgh"]
    for name in (*left, *others):
        (folder / name).write_text("left")
    elman.train(resume=folder, quiet=True)
    assert [name for name in left if (folder / name).exists()] == []
    assert all((folder / name).exists() for name in others)


def test_a_file_of_a_served_stream_is_nobody_elses(run, tmp_path):
    streams = Streams(elman.load(run))
    streams.save(streams.open(), tmp_path / "mine.safetensors", private=True)
    assert stat.S_IMODE((tmp_path / "mine.safetensors").stat().st_mode) == 0o600
    streams.save(streams.open(), tmp_path / "ours.safetensors")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "ours.safetensors").stat().st_mode) == 0o666 & ~mask


def test_an_error_of_any_kind_is_that_streams_alone(run, monkeypatch):
    streams = Streams(elman.load(run))
    mine, theirs = streams.open(), streams.open()
    taking = streams._open[mine].ends.encoder

    def fail(_: Any) -> Any:
        raise OverflowError("too large")

    monkeypatch.setattr(taking, "encode_step", fail)
    monkeypatch.setattr(taking, "encode", fail)
    said = streams.step({mine: "a", theirs: "t"})
    assert isinstance(said[mine], OverflowError)
    assert isinstance(said[theirs], torch.Tensor)
    fed = streams.feed({mine: "at", theirs: "at"})
    assert isinstance(fed[mine], OverflowError)
    assert len(fed[theirs]) == 2
    assert (streams.steps(mine), streams.steps(theirs)) == (0, 3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--threads", "100000"], "training.threads: expected at most 1,024, got 100000"),
        (["--hidden", "200000000"], "network.hidden: expected at most 100,000, got 200000000"),
        (
            ["--seed", "9" * 20],
            "training.seed: expected at most 10,000,000,000,000, got 99999999999999999999",
        ),
        (["--lr", "inf"], "training.lr: expected a number, got inf"),
        (["--set", f"training.lr={10**400}"], "training.lr: expected a number, got a text of 401 characters"),
    ],
)
def test_settings_have_bounds(capsys, tmp_path, text, given, told):
    assert command(["train", str(text), "--out", str(tmp_path / "run"), *given]) == 2
    assert capsys.readouterr().err.strip().endswith(told)


@pytest.mark.parametrize("given", [["--length", "-3"], ["--length", "9" * 30], ["--seed", "9" * 30]])
def test_numbers_of_a_command_have_bounds(capsys, run, given):
    assert command(["sample", str(run), *given]) == 2
    assert "expected a number from 0 to" in capsys.readouterr().err


def test_a_network_that_needs_more_memory_than_there_is(text, tmp_path):
    with pytest.raises(ConfigError, match="network: more memory than there is"):
        elman.train(text, out=tmp_path / "run", hidden=100_000, layers=900, quiet=True)


def test_a_full_disk_under_tensorboard_is_told(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    board = metrics_log.Board(RunFolder(tmp_path).board, up_to=0)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(board._writer, "add_scalar", full)
    with pytest.raises(RunError, match="tensorboard: cannot be written: No space left on device"):
        board.add({"step": 1, "lr": "0.1"})


def test_weights_that_are_no_longer_finite_are_not_kept(text, tmp_path):
    options = TINY | {"lr": 1e38, "optimizer": "sgd", "clip": 0.0, "epochs": 1}
    with pytest.raises(DivergedError):
        elman.train(text, out=tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run/model.safetensors").exists()


def test_braces_in_a_label_are_text():
    facts: dict[str, Any] = {field.name: 0 for field in fields(TrainingFacts)}
    training = TrainingFacts(**facts | {"task": "classify", "finished": True, "use": ["echo '{a}' {name}"]})
    results = RunResults(data={}, training=training, scores={}, baselines={})
    assert "echo '{a}' films" in model_card.card("films", results)


@pytest.mark.parametrize("name", ["classify", "forecast", "language"])
def test_results_are_written_as_they_were_read(name):
    path = Path(__file__).parent / "old_runs" / name
    text = digests.opened((path / "results.json").read_text(encoding="utf-8"), path)
    results = RunResults.from_text(text)
    assert results.to_text() == text
    assert model_card.card(path.name, results) == (path / "README.md").read_text(encoding="utf-8")


def test_a_whole_score_stays_whole():
    facts = {field.name: 0 for field in fields(TrainingFacts)} | {"finished": True, "use": []}
    facts |= dict.fromkeys(("task", "elman", "torch", "network", "device"), "")
    text = json.dumps({"data": {}, "training": facts, "scores": {}, "baselines": {"test": {"a": {"b": 1}}}})
    assert '"b": 1\n' in RunResults.from_text(text).to_text()


def test_a_number_that_no_float_holds_is_refused_before_it_is_read():
    from elman.core import json_schema

    for large in (10**400, [1, 10**400]):
        kind = (
            {"type": "number"} if isinstance(large, int) else {"type": "array", "items": {"type": "number"}}
        )
        with pytest.raises(DataError, match="expected a number below 1e308"):
            json_schema.validate(kind, large)
    assert np.float64(json_schema.validate({"type": "number"}, 10**300)) == 1e300
