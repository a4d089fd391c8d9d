"""The command line as a user meets it: what it prints, its exit codes, and one clear line for bad input."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from conftest import lines
from elman import cli, tasks
from elman.tasks import dataset
from elman.training import resolve

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


def test_train_predict_eval_of_a_table(capsys, monkeypatch, tmp_path, table):
    run = tmp_path / "run"
    code, out, err = call(capsys, "train", table, "--task", "classify", "--out", run, *QUICK, "--lr", "0.02")
    assert (code, out) == (0, "")
    for words in (
        "task classify\n",
        f"data {table}: 81 examples (",
        "columns: 'text' is read, 'label' is predicted (guessed; --input and --target set them)\n",
        "input: text, ",
        "target: one of 2 classes: no, yes\n",
        "baseline majority class, test part: ",
        "accuracy",
    ):
        assert words in err
    code, out, _ = call(capsys, "eval", run, table)
    assert code == 0
    head, rule, *rows = out.splitlines()
    assert head.split(" | ")[0].strip() == "| films.csv"
    assert [name.strip() for name in head.strip("|").split("|")][1:] == [
        "accuracy", "macro f1", "calibration error", "loss",
    ]  # fmt: skip
    assert len({len(line) for line in (head, rule, *rows)}) == 1
    assert [row.split("|")[1].strip() for row in rows[:2]] == ["model", "majority class"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("it was good in place 4\n\nbad\n"))
    code, out, _ = call(capsys, "predict", run, "-")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["text"] for answer in answers] == ["it was good in place 4", "", "bad"]
    assert all(set(answer["probabilities"]) == {"no", "yes"} for answer in answers)


def test_predictions_stand_in_the_columns_of_the_table(capsys, tmp_path, classifier):
    code, out, _ = call(capsys, "predict", classifier, classifier.parent / "films.csv")
    head, *rows = csv.reader(io.StringIO(out))
    assert code == 0
    assert head == ["text", "label", "prediction", "probability", "probabilities"]
    given = list(csv.reader((classifier.parent / "films.csv").open()))[1:]
    assert [row[:2] for row in rows] == given
    assert sum(row[1] == row[2] for row in rows) > 0.95 * len(rows)
    for row in rows:
        assert json.loads(row[4])[row[2]] == float(row[3]) == max(json.loads(row[4]).values())

    (tmp_path / "texts.tsv").write_text("id\ttext\n7\tso bad\n8\tit was good, in place 4\n")
    out = call(capsys, "predict", classifier, tmp_path / "texts.tsv")[1]
    head, *rows = (line.split("\t") for line in out.splitlines())
    assert head == ["id", "text", "prediction", "probability", "probabilities"]
    assert [row[:3] for row in rows] == [["7", "so bad", "no"], ["8", "it was good, in place 4", "yes"]]

    (tmp_path / "texts.jsonl").write_text('{"text": "so bad", "n": 1}\n{"text": "so good", "n": 2}\n')
    out = call(capsys, "predict", classifier, tmp_path / "texts.jsonl")[1]
    assert [(row["n"], row["prediction"]) for row in map(json.loads, out.splitlines())] == [
        (1, "no"),
        (2, "yes"),
    ]


def test_lines_of_a_text_file_are_answered(capsys, tmp_path, classifier):
    (tmp_path / "some.txt").write_text("it was bad\n\nit was good, in place 8\n")
    code, out, _ = call(capsys, "predict", classifier, tmp_path / "some.txt")
    told = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["text"], row["prediction"]) for row in told] == [
        ("it was bad", "no"), ("it was good, in place 8", "yes"),
    ]  # fmt: skip


def test_a_table_without_a_head_is_answered_without_one(capsys, monkeypatch, tmp_path):
    rows = [f"{i % 2},{i % 2}.5,{i % 7},{i / 3:.3f}" for i in range(60)]
    (tmp_path / "waves.csv").write_text("\n".join(rows) + "\n")
    code, _, err = call(capsys, "train", tmp_path / "waves.csv", "--out", tmp_path / "run", *QUICK)
    assert code == 0, err
    assert "task classify, guessed from" in err
    assert "columns: all other columns are read, a step each, '1' is predicted (guessed;" in err
    out = call(capsys, "predict", tmp_path / "run", tmp_path / "waves.csv")[1]
    assert [row[:4] for row in csv.reader(io.StringIO(out))] == [row.split(",") for row in rows]
    with_label = [row[4:] for row in csv.reader(io.StringIO(out))]
    (tmp_path / "new.csv").write_text("".join(row.split(",", 1)[1] + "\n" for row in rows))
    out = call(capsys, "predict", tmp_path / "run", tmp_path / "new.csv")[1]
    assert [row[3:] for row in csv.reader(io.StringIO(out))] == with_label
    monkeypatch.setattr(sys, "stdin", io.StringIO("1.5,5,0.333\n1.5 five 0.333\n"))
    one, other = map(json.loads, call(capsys, "predict", tmp_path / "run", "-")[1].splitlines())
    assert set(one) == {"prediction", "probability", "probabilities"}
    assert other["error"] == (
        "line 2: expected series, 1 numbers a step, got a column 'series' of another kind"
    )


def test_standard_input_in_another_format(capsys, monkeypatch, classifier):
    given = io.TextIOWrapper(io.BytesIO(b'{"text": "so bad"}\n{"text": "so good"}\n'))
    monkeypatch.setattr(sys, "stdin", given)
    code, out, _ = call(capsys, "predict", classifier, "-", "--format", "jsonlines")
    assert code == 0
    assert [json.loads(line)["prediction"] for line in out.splitlines()] == ["no", "yes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "{tmp}/films.csv", "--task", "clasify"], "--task: 'clasify'; did you mean 'classify'?"),
        (
            ["train", "{tmp}/films.csv", "--input", "txt"],
            "films.csv:2: no column 'txt'; did you mean 'text'?",
        ),
        (
            ["train", "{tmp}/films.csv", "--target", "lable"],
            "films.csv:2: no column 'lable'; did you mean 'label'?",
        ),
        (
            ["train", "{tmp}/films.csv", "--group", "who"],
            "films.csv:2: no column 'who'; data.group is one of: text, label",
        ),
        (
            ["train", "{tmp}/films.csv", "--split", "evry"],
            "data.split: expected one of random, stratified, every, order",
        ),
        (
            ["train", "{tmp}/films.csv", "--set", "classify.pool=sum"],
            "classify.pool: expected one of last, mean, max, attention, mean_max, got 'sum'",
        ),
        (["train", "{tmp}/films.csv", "--valid", "0.6", "--test", "0.5"], "data.valid + data.test"),
        (
            ["train", "{tmp}/few.csv", "--valid", "0.1"],
            "few.csv: expected enough for shares of 0.1 and 0.1, got 4 records, none for the part valid; "
            "give more data, or set data.valid to 0",
        ),
        (["train", "{tmp}/films.csv", "--valid-path", "{tmp}/none.csv"], "none.csv: no such file or folder"),
        (["train", "{tmp}/empty.csv"], "empty.csv: the file is empty"),
        (["train", "{tmp}/head.csv"], "head.csv: "),
        (["train", "{tmp}/folder", "--task", "classify"], "folder: "),
        (
            ["train", "{tmp}/text.txt", "--task", "classify"],
            "text.txt:1: expected one to read and one to predict, got columns 'text'; name the column",
        ),
        (
            ["train", "{tmp}/films.csv", "--format", "tabel"],
            "data.format: unknown format 'tabel'; did you mean",
        ),
        (["predict", "{run}", "{tmp}/none.csv"], "none.csv: no such file or folder"),
        (
            ["predict", "{run}", "{tmp}/columns.csv"],
            "columns.csv:2: no column 'text'; did you mean 'texts'?",
        ),
        (
            ["eval", "{run}", "{tmp}/other.csv", "--strict"],
            "other.csv:3: expected one of the 2 labels of the training part, got the label '17'; "
            "known: no, yes",
        ),
        (["eval", "{run}", "{tmp}/columns.csv"], "columns.csv:2: no column 'text'; did you mean 'texts'?"),
        (
            ["predict", "{language}", "{tmp}/films.csv"],
            "task 'language': expected tag, label, draw, translate, caption, recognize, recall or classify, "
            "got a task that does not predict; use elman sample ",
        ),
        (
            ["sample", "{run}"],
            "task 'classify': expected language, got a task that does not write; use elman predict ",
        ),
    ],
)
def test_bad_input_for_a_classifier(
    capsys, monkeypatch, tmp_path, table, run, classifier, arguments, message
):
    (tmp_path / "few.csv").write_text("text,label\na b,x\nc d,y\ne f,x\ng h,y\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "head.csv").write_text("text,label\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text(lines(9))
    (tmp_path / "columns.csv").write_text("texts,id\nso good,1\nso bad,2\n")
    (tmp_path / "other.csv").write_text("text,label\nso good,yes\nso bad,17\n")
    monkeypatch.chdir(tmp_path)
    places = {"tmp": tmp_path, "run": classifier, "language": run}
    code, out, err = call(capsys, *(argument.format(**places) for argument in arguments))
    assert (code, out) == (2, "")
    *before, last = err.splitlines()  # what was guessed is said before anything can fail
    assert len(before) <= 1
    assert all(line.startswith("task ") and ", guessed from " in line for line in before)
    assert last.startswith("elman: ")
    assert message in last
    assert not (tmp_path / "runs").exists()


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
    assert "hidden = 16  # hidden units per layer" in (tmp_path / "run/config.toml").read_text()


def test_runs_are_numbered(capsys, monkeypatch, tmp_path, text):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call(capsys, "train", text, *QUICK)[0] == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"text", "text-2"}


def test_lists(capsys):
    assert "sample:python-docs" in call(capsys, "samples")[1]
    native, aten, loop = call(capsys, "kernels", "gru_reset_before")[1].splitlines()
    assert native == "native   runs: the fastest"
    assert aten == "aten     refuses: torch has no fused 'gru_reset_before'"
    assert loop == "loop     could run"
    native, _, loop = call(capsys, "kernels", "gru_reset_before", "--device", "cuda")[1].splitlines()
    assert native.startswith("native   refuses: ")
    assert loop.startswith("loop     runs: native refuses: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], 'Unknown command "trian". Did you mean "train"?'),
        (["train", "--hiden", "3"], "--hiden: an unknown option; did you mean --hidden?"),
        (["train", "--hidden", "x"], 'Invalid value for --hidden: expected a whole number, got "x"'),
        (["train", "--hidden", "0"], "network.hidden: expected a value at least 1, got 0"),
        (["train", "--cell", "gur"], "cell: unknown name 'gur'; did you mean 'gru'?"),
        (["train", "--task", "langage"], "--task: 'langage'; did you mean 'language'?"),
        (["train", "--set", "language.tye=true"], "language.tye: an unknown setting; did you mean 'tie'?"),
        (["train", "--config", "{tmp}/no.toml"], "no.toml: no such file; elman init writes one"),
        (["train", "x", "--resume", "{tmp}"], "--resume: data, --task, --out, --config or"),
        (["train", "--device", "cuda:99"], "training.device: expected one of auto, cpu"),
        (["train", "{tmp}/none.txt"], "none.txt"),
        (["train", "sample:python-dosc"], "did you mean 'sample:python-docs'?"),
        (["train", "{tmp}/binary.txt"], "binary"),
        (["train", "{tmp}/latin.txt", "--encoding", "utf-8"], "such as --encoding latin-1"),
        (["train", "{tmp}/empty.txt"], "empty"),
        (["train", "{tmp}/one.txt"], "one.txt: expected enough for a train part, got 1 characters"),
        (["train", "{tmp}/short.txt"], "training part: expected at least one window of 64, got"),
        (["train", "{tmp}/long.txt", "--out", "{tmp}/one.txt/run"], "cannot be written: Not a directory"),
        (["train", "{tmp}/long.txt", "--set", "language.tie=1"], "language.tie: expected true or false"),
        (["train", "--embedding", "8", "--set", "language.tie=true"], "network.embedding: expected 384 as"),
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
        (lambda run: edit(run, "hidden = 16", "hidden = "), "config.toml: not valid TOML"),
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


@pytest.mark.parametrize("task", ["language", "classify", "tag", "forecast", "caption"])
def test_the_file_of_init_can_be_trained_from(tmp_path, task):
    call_init = cli.run(["init", str(tmp_path / "all.toml"), "--task", task])
    assert call_init == 0
    run, _ = resolve.resolve(None, None, tmp_path / "all.toml", {})
    assert run.task == task
    parts = dataset.load_parts(run)
    assert parts.train
    assert tasks.get(task).matches(parts.train[0])
