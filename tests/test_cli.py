"""The command line as a user meets it: what it prints, its exit codes, and one clear line for bad input."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from conftest import lines
from elman import cli

QUICK = ["--hidden", "16", "--epochs", "1", "--batch-size", "4", "--bptt", "16", "--threads", "1"]


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    code = cli.run([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_train_sample_complete_eval(capsys, monkeypatch, tmp_path, text):
    run = tmp_path / "run"
    code, out, err = call(capsys, "train", text, "--out", run, *QUICK, "--set", "language.preview=20")
    assert (code, out) == (0, "")
    for words in (
        "task language, guessed from",
        "baseline unigram, valid part:",
        "epoch 1/1  train loss",
        f" s: {run}",
    ):
        assert words in err
    code, out, _ = call(capsys, "sample", run, "--prompt", "the c", "--length", 30, "--seed", 1)
    assert code == 0
    assert out.startswith("the c")
    assert len(out) == len("the c") + 30 + 1
    assert call(capsys, "sample", run, "--prompt", "the c", "--length", 30, "--seed", 1)[1] == out
    monkeypatch.setattr(sys, "stdin", io.StringIO("the c\n\nthe ~ c\nthe dog\n"))
    code, out, err = call(capsys, "complete", run, "--count", 3)
    rows = [line.split("\t") for line in out.split("\n")[:-1]]
    assert code == 0
    assert [len(row) for row in rows] == [6, 6, 1, 6]
    assert all(word.startswith("c") for word in rows[0][::2])
    assert all(0 < float(probability) <= 1 for probability in rows[0][1::2])
    assert "'~' (U+007E)" in err
    code, out, _ = call(capsys, "eval", run, text)
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[2:]][:2] == ["model", "unigram"]


@pytest.mark.parametrize("unit", ["byte", "word", "bpe"])
def test_every_unit_trains_writes_and_completes(capsys, monkeypatch, tmp_path, unit):
    (tmp_path / "text.txt").write_text(lines(200) + "naïve café\n" * 3, encoding="utf-8")
    run = tmp_path / "run"
    code, _, err = call(
        capsys, "train", tmp_path / "text.txt", "--out", run, *QUICK, "--unit", unit, "--lr", "0.01"
    )
    assert code == 0, err
    code, out, _ = call(capsys, "sample", run, "--prompt", "the", "--length", 20, "--seed", 3)
    assert code == 0
    assert out.startswith("the")
    assert "<unk>" not in out
    monkeypatch.setattr(sys, "stdin", io.StringIO("the c\n"))
    out = call(capsys, "complete", run)[1]
    assert all(word.startswith("c") for word in out.strip("\n").split("\t")[::2])


def test_init_writes_what_train_reads(capsys, tmp_path, text):
    assert call(capsys, "init", tmp_path / "e.toml")[0] == 0
    assert call(capsys, "init", tmp_path / "e.toml")[0] == 2
    code, _, err = call(
        capsys, "train", text, "--config", tmp_path / "e.toml", "--out", tmp_path / "run", *QUICK
    )
    assert code == 0, err
    assert "hidden = 16  # units of a layer" in (tmp_path / "run/config.toml").read_text()


def test_runs_are_numbered(capsys, monkeypatch, tmp_path, text):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call(capsys, "train", text, *QUICK)[0] == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"text", "text-2"}


def test_lists(capsys):
    assert "sample:python-docs" in call(capsys, "samples")[1]
    native, aten, loop = call(capsys, "kernels", "gru_reset_before")[1].splitlines()
    assert native.startswith("native   refuses: ")
    assert aten == "aten     refuses: torch has no fused 'gru_reset_before'"
    assert loop.startswith("loop     runs: native refuses: ")
    assert loop.endswith("; aten refuses: torch has no fused 'gru_reset_before'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], 'Unknown command "trian". Did you mean "train"?'),
        (["train", "--hiden", "3"], "Unknown option: --hiden. Did you mean --hidden?"),
        (["train", "--hidden", "x"], 'Invalid value for --hidden: unable to convert "x" into int.'),
        (["train", "--hidden", "0"], "network.hidden: expected a value at least 1, got 0"),
        (["train", "--cell", "gur"], "cell: unknown name 'gur'; did you mean 'gru'?"),
        (["train", "--task", "langage"], "--task: 'langage'; did you mean 'language'?"),
        (["train", "--set", "language.tye=true"], "language.tye: an unknown setting; did you mean 'tie'?"),
        (["train", "--config", "{tmp}/no.toml"], "no.toml: no such file; elman init writes one"),
        (["train", "--resume", "{tmp}", "--lr", "1"], "--resume: expected none, got other options beside it"),
        (["train", "--device", "cuda:99"], "training.device: expected one of auto, cpu"),
        (["train", "{tmp}/none.txt"], "none.txt"),
        (["train", "sample:python-dosc"], "did you mean 'sample:python-docs'?"),
        (["train", "{tmp}/binary.txt"], "binary"),
        (["train", "{tmp}/latin.txt"], "--encoding"),
        (["train", "{tmp}/empty.txt"], "empty"),
        (["train", "{tmp}/one.txt"], "one.txt: expected enough for a train part, got 1 characters"),
        (["train", "{tmp}/short.txt"], "training part: expected at least one window of 64, got"),
        (["train", "{tmp}/long.txt", "--out", "{tmp}/one.txt/run"], "cannot be written: Not a directory"),
        (["train", "{tmp}/long.txt", "--set", "language.tie=1"], "language.tie: expected true or false"),
        (["train", "--embedding", "8", "--set", "language.tie=true"], "network.embedding: expected 256 as"),
        (["train", "--resume", "{tmp}/none"], "none: expected a run folder, got no such folder"),
        (["sample", "{tmp}"], "expected a run folder, got a folder without config.toml"),
        (["sample", "{run}", "--prompt", "a é"], "'é' (U+00E9) at line 1, column 3"),
        (["sample", "{run}", "--temperature", "-1"], "temperature"),
        (["sample", "{run}", "--top-p", "2"], "top_p"),
        (["complete", "{run}", "--count", "0"], "count: expected at least 1, got 0"),
        (["eval", "{run}", "{tmp}/none.txt"], "none.txt"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(capsys, monkeypatch, tmp_path, run, arguments, message):
    (tmp_path / "binary.txt").write_bytes(b"abc\0def" * 100)
    (tmp_path / "latin.txt").write_bytes("naïve\n".encode("latin-1") * 100)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "one.txt").write_text("x")
    (tmp_path / "short.txt").write_text("a short text of fifty-three characters and no more.")
    (tmp_path / "long.txt").write_text(lines(100))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("the c\n"))
    code, _, err = call(capsys, *(argument.format(tmp=tmp_path, run=run) for argument in arguments))
    assert code == 2
    last = err.rstrip("\n").split("\n")[-1]
    assert last.startswith("elman: ")
    assert message in last
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "model.safetensors").unlink(), "model.safetensors: no such file"),
        (lambda run: cut(run / "model.safetensors"), "model.safetensors: damaged or cut short"),
        (lambda run: (run / "model.safetensors").write_bytes(b""), "model.safetensors: damaged or cut short"),
        (lambda run: (run / "vocab.json").unlink(), "vocab.json: no such file"),
        (lambda run: cut(run / "vocab.json"), "vocab.json"),
        (lambda run: edit(run, "format = 1", "format = 2"), "a run of format 2; update Elman"),
        (lambda run: edit(run, "hidden = 16", "hidden = 17"), "weights that do not fit the settings"),
        (
            lambda run: edit(run, "hidden = 16", "hidden = 'x'"),
            "network.hidden: expected a whole number, got 'x'",
        ),
        (lambda run: edit(run, "hidden = 16", "hidden = "), "config.toml: no TOML"),
        (lambda run: edit(run, 'task = "language"', 'task = "langage"'), "did you mean 'language'?"),
    ],
    ids=[
        "no-weights",
        "cut",
        "empty",
        "no-vocab",
        "cut-vocab",
        "newer",
        "other-size",
        "bad-value",
        "toml",
        "task",
    ],
)
def test_a_damaged_run_is_told_in_one_line(capsys, tmp_path, run, spoil, message):
    import shutil

    shutil.copytree(run, tmp_path / "run")
    spoil(tmp_path / "run")
    code, _, err = call(capsys, "sample", tmp_path / "run")
    assert code == 2
    assert err.count("\n") == 1
    assert message in err


def test_a_damaged_checkpoint_is_told_and_the_model_stays(capsys, tmp_path, run):
    import shutil

    shutil.copytree(run, tmp_path / "run")
    before = (run / "model.safetensors").read_bytes()
    cut(tmp_path / "run/checkpoints/last.safetensors")
    code, _, err = call(capsys, "train", "--resume", tmp_path / "run")
    assert code == 2
    assert "last.safetensors: damaged or cut short" in err
    assert (tmp_path / "run/model.safetensors").read_bytes() == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(run: Path, old: str, new: str) -> None:
    text = (run / "config.toml").read_text()
    assert old in text
    (run / "config.toml").write_text(text.replace(old, new))


def test_a_run_from_another_device_loads(tmp_path, run):
    import shutil

    from elman import load

    shutil.copytree(run, tmp_path / "run")
    edit(tmp_path / "run", 'device = "auto"', 'device = "cuda:3"')
    assert load(tmp_path / "run", device="cpu").sample(length=3, seed=1)


def test_results_are_plain_json(run):
    assert set(json.loads((run / "results.json").read_text())) >= {"data", "training", "scores", "baselines"}
