"""Reports on what models remember: for every task, with the right words, and whole on the disk."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_tasks import RECORDS

import elman
from conftest import TINY, lines
from elman import tasks
from elman.cli import run as command
from elman.core import optional
from elman.core.errors import ConfigError, DataError, RunError, TaskError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.data.batching import IGNORED, edge
from elman.diagnostics import ContextCurve, GradientFlow, Probes
from elman.diagnostics.report import inspection
from elman.diagnostics.report.inspection import Inspection, inspect
from elman.nn import ctc
from elman.nn.cells.rnn import RNNEquations
from elman.plots import figures, html_report
from elman.tasks import dataset
from elman.tasks.abilities import ComputesWeights, EdgeLoss, NamesSteps, ShowsEvidence
from elman.tasks.base import Purpose, Task
from elman.tasks.model import Model

pytestmark = pytest.mark.usefixtures("plain")
VARIANTS = [
    *((name, {}) for name in tasks.TASKS),
    ("recall", {"recall": {"rule": "trained"}}),
    ("tag", {"tag": {"output": "crf", "bidirectional": False}}),
    ("forecast", {"forecast": {"model": "autoregressive"}}),
]


def made(name: str, **tables: dict) -> tuple[Model, Task]:
    kind = tasks.get(name)
    run = RunConfig.of({"network": {"hidden": 12, "layers": 2}, **tables}, kind.Config)
    task = kind.prepare(RECORDS[name], run)
    network = task.build()
    with torch.no_grad():  # where it starts from zero, nothing would flow back
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight) if weight.requires_grad else 0
    if isinstance(task, ComputesWeights):
        task.store(network, task.encode(RECORDS[name], Purpose.TRAIN))
    return Model(Path("runs/one"), run, task, network.eval()), task


def batch_of(name: str, **tables: dict):
    model, task = made(name, **tables)
    batch = batching.collate(task.encode(RECORDS[name]))
    return task, model.network(batch.seq)[0], batch


def names(found: Inspection) -> list[str]:
    return [verdict.name for verdict in found.verdicts]


def exhibits(found: Inspection) -> dict[str, html_report.Figure]:
    return {one.name: one for section in found.sections for one in section.exhibits}


@pytest.mark.parametrize(("name", "tables"), VARIANTS, ids=lambda value: str(value))
def test_every_task_has_a_report(name, tables, monkeypatch):
    model, task = made(name, **tables)
    monkeypatch.setattr(dataset, "records", lambda *_: RECORDS[name])
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    found = inspect(model, "data", examples=6)
    text = html_report.to_html(found.page)
    for section in found.sections:
        assert bool(section.exhibits or section.tables) != bool(section.missing)
        assert section.title in text
        for one in section.exhibits:
            rows = one.found.table()
            assert rows
            assert all(row.keys() == rows[0].keys() for row in rows)
            assert one.found.plot().axes
            assert f'src="{one.name}.svg" alt="' in text
    recurrent = name != "recall" or bool(tables)
    assert bool(found.measured.tracks) == recurrent
    assert len(found.page.overview) == recurrent + len(found.measured.tracks)
    assert found.verdicts
    assert isinstance(task, ShowsEvidence) == (name in ("tag", "translate", "caption", "recognize"))
    shown = {"attention", "alignment", "transitions"} & set(exhibits(found))
    assert bool(shown) == (name in ("translate", "caption", "recognize") or "tag" in tables)
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_vanishing_run_is_called_so(tmp_path, text):
    options = TINY | {"cell": "rnn", "hidden": 32, "bptt": 200, "epochs": 1}
    found = inspect(elman.train(text, out=tmp_path / "run", quiet=True, **options), text)
    assert names(found)[0] == "vanishing"
    assert found.verdicts[0].bad
    assert "--cell lstm or gru" in found.verdicts[0].text
    assert "exploding" not in names(found)
    assert "healthy" not in names(found)
    (flow,) = found.measured.flow.flows
    held = {cell: fresh.flows[0].half_life for cell, fresh in found.measured.fresh.items()}
    assert flow.half_life < 3 < held["lstm"]
    assert held["rnn"] < held["gru"] < held["lstm"]


def test_an_exploding_run_is_called_so(tmp_path, text, monkeypatch):
    start = RNNEquations.initialise

    def large(self, w_ih, w_hh, b_ih, b_hh):
        start(self, w_ih, w_hh, b_ih, b_hh)
        w_hh.mul_(4)

    monkeypatch.setattr(RNNEquations, "initialise", torch.no_grad()(large))
    options = TINY | {"cell": "rnn", "hidden": 64, "bptt": 100, "epochs": 1, "clip": 0.0, "lr": 0.001}
    found = inspect(elman.train(text, out=tmp_path / "run", quiet=True, **options), text)
    assert names(found)[0] == "exploding"
    assert found.verdicts[0].bad
    assert "--clip 1" in found.verdicts[0].text
    assert "vanishing" not in names(found)
    assert "healthy" not in names(found)
    assert found.measured.dynamics.each[0].regime == "exploding"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_nothing_bad_is_said_of_a_healthy_run(tmp_path, text, cell):
    options = TINY | {"cell": cell, "hidden": 32, "bptt": 64, "epochs": 4}
    found = inspect(elman.train(text, out=tmp_path / "run", quiet=True, **options), text)
    assert names(found)[0] == "healthy"
    assert not any(verdict.bad for verdict in found.verdicts)
    assert "memory horizon" in found.verdicts[0].text


def test_what_a_report_holds(run):
    found = inspect(elman.load(run))
    kinds = {name: type(one.found) for name, one in exhibits(found).items()}
    assert kinds["gradients"] is GradientFlow
    assert kinds["probes"] is Probes
    assert kinds["context"] is ContextCurve
    assert set(exhibits(found)["fresh-1"].found.flows) == {
        "this model (lstm)",
        *("fresh rnn", "fresh lstm", "fresh gru"),
    }
    told = {one.mark: one.probe for one in exhibits(found)["probes"].found.each}
    assert told["letters of the word so far"].score > 0.5 > told["letters of the word so far"].chance
    assert exhibits(found)["states-1"].found.symbols[:2] != ()
    assert found.page.facts["sequences"].startswith("32 of ")


def test_context_of_a_language_model_is_what_it_loses_from_there(run, tmp_path):
    (tmp_path / "short.txt").write_text(lines(9))
    model = elman.load(run)
    found = inspect(model, tmp_path / "short.txt", examples=2)
    curve = exhibits(found)["context"].found
    (whole,) = model.task.encode([Record({"text": lines(9)}, "t")])
    with torch.no_grad():
        scores, _ = model.network(batching.collate([replace(whole, data=whole.data[62:64])]).seq)
    size = curve.lengths[-1]
    assert size == 64
    expected = -scores[-1, 0].log_softmax(-1)[whole.target[63]]
    assert float(curve.losses[1, 0]) == pytest.approx(float(expected), rel=1e-4)


def test_the_report_is_written_whole_or_not_at_all(run, tmp_path, monkeypatch):
    found = inspect(elman.load(run), examples=2)
    out = tmp_path / "deep" / "report"
    found.write(out)
    there = {path.name for path in out.iterdir()}
    assert "index.html" in there
    assert {f"{name}.{kind}" for name in exhibits(found) for kind in ("svg", "csv")} < there
    with (out / "gradients.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    median = found.measured.flow.flows[0].median
    assert [float(row["median"]) for row in rows] == pytest.approx(median.tolist(), rel=1e-5)
    first = {path.name: path.read_bytes() for path in out.iterdir()}

    def stop(path, figure):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(figures, "write_figure", stop)
        with pytest.raises(KeyboardInterrupt):
            found.write(out)
    assert [path.name for path in out.parent.iterdir()] == ["report"]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    (out / "extra.txt").write_text("x")
    found.write(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert [path.name for path in out.parent.iterdir()] == ["report"]


def test_the_command_says_where_and_what(capsys, run, tmp_path):
    out = tmp_path / "report"
    assert command(["inspect", str(run), "--out", str(out), "--examples", "2"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == str(out / "index.html")
    first, second = told.out.splitlines()[:2]
    assert first.startswith("This model is worse than its best baseline")
    assert second.startswith(("healthy: ", "vanishing: "))
    for words in ("gradients through time\n", "the same of a fresh gru\n", "drawing "):
        assert words in told.err


def fails(capsys, *arguments: object) -> str:
    assert command(["inspect", *map(str, arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()[-1]


def test_what_cannot_be_inspected(capsys, run, classifier, tmp_path, monkeypatch):
    assert "no such folder" in fails(capsys, tmp_path / "nothing")
    assert "no such file" in fails(capsys, run, tmp_path / "nothing.txt")
    (tmp_path / "table.csv").write_text("n,label\n3,yes\n4,no\n")
    assert "table.csv" in fails(capsys, classifier, tmp_path / "table.csv")
    (tmp_path / "file").write_text("x")
    assert fails(capsys, run, "--out", tmp_path / "file").endswith(
        "expected a folder to write, got a file; name another one with --out"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    assert "holds something else than a report" in fails(capsys, run, "--out", tmp_path / "full")
    films = classifier.parent / "films.csv"
    assert "no column 'labl' to mark by; did you mean 'label'?" in fails(
        capsys, classifier, films, "--mark", "labl"
    )
    assert "at least 1" in fails(capsys, run, "--examples", "0")
    (tmp_path / "marks.csv").write_text("odd\n1\n0\n")
    assert "marks.csv: expected " in fails(capsys, run, "--marks", tmp_path / "marks.csv")
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    assert fails(capsys, run).endswith("matplotlib is not installed; pip install 'elman[plot]'")
    assert list(tmp_path.glob(".*")) == []


def test_sequences_of_one_step_are_refused(classifier, tmp_path):
    (tmp_path / "words.csv").write_text("text,label\n" + "good,yes\nbad,no\n" * 4)
    with pytest.raises(DataError, match="expected some of two steps or more, got sequences of one step"):
        inspect(elman.load(classifier), tmp_path / "words.csv")


def test_without_examples_there_is_nothing_to_inspect(run):
    with pytest.raises(ConfigError, match="at least 1"):
        inspect(elman.load(run), examples=0)


def test_a_column_of_the_data_marks_steps(monkeypatch):
    model, _ = made("tag", network={"hidden": 12})
    records = [
        replace(one, fields={**one.fields, "short": [len(word) < 4 for word in one.fields["tokens"]]})
        for one in RECORDS["tag"] * 4
    ]
    monkeypatch.setattr(dataset, "records", lambda *_: records)
    found = inspect(model, "data", mark=("short", "tags"))
    told = {one.mark: one.probe for one in exhibits(found)["probes"].found.each}
    assert told["short"].score > 0.9 > told["short"].chance
    assert told["tags"].score <= 1


def test_a_table_marks_the_steps_of_a_text(run, tmp_path):
    text = lines(40)
    (tmp_path / "text.txt").write_text(text)
    rows = [f"{int(character in 'aeiou')},{place}" for place, character in enumerate(text)]
    (tmp_path / "marks.csv").write_text("\n".join(["vowel,place", *rows]) + "\n")
    found = inspect(elman.load(run), tmp_path / "text.txt", mark=["vowel"], marks_file=tmp_path / "marks.csv")
    told = {one.mark: one.probe for one in exhibits(found)["probes"].found.each}
    assert "place" not in told
    assert told["vowel"].score > told["vowel"].chance + 0.05
    (tmp_path / "marks.csv").write_text("vowel\n1\n0\n")
    with pytest.raises(DataError, match="got 2 rows; give a row for each symbol"):
        inspect(elman.load(run), tmp_path / "text.txt", marks_file=tmp_path / "marks.csv")


def test_only_the_edge_of_targets_is_left():
    targets = torch.tensor([[1, 2, IGNORED], [3, IGNORED, IGNORED], [4, 5, 6]])
    assert edge(targets, last=True).tolist() == [[IGNORED] * 3, [IGNORED] * 3, [4, 5, 6]]
    assert edge(targets[:2], last=True).tolist() == [[IGNORED, 2, IGNORED], [3, IGNORED, IGNORED]]
    assert edge(targets, last=False).tolist() == [[1, 2, IGNORED], [IGNORED] * 3, [IGNORED, IGNORED, 6]]
    numbers = torch.tensor([[[1.0, 2.0]], [[3.0, torch.nan]], [[torch.nan, torch.nan]]])
    assert edge(numbers, last=True)[1, 0, 0] == 3
    assert edge(numbers, last=True).isnan().sum() == 5


@pytest.mark.parametrize("last", [True, False])
def test_the_end_of_a_field_is_the_marginal_of_its_tag(last):
    task, scores, batch = batch_of("tag", tag={"output": "crf"})
    assert isinstance(task, EdgeLoss)
    marginals = scores.crf.marginals(scores.emissions, batch.seq.lengths)
    kept = edge(batch.targets, last=last)
    expected = -marginals[kept != IGNORED].gather(1, kept[kept != IGNORED][:, None]).log().sum()
    torch.testing.assert_close(task.ending(scores, batch, last=last), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["tag", "forecast", "translate", "caption"])
@pytest.mark.parametrize("last", [True, False])
def test_the_end_is_a_part_of_the_loss(name, last):
    tables = {"tag": {"output": "softmax"}} if name == "tag" else {}
    task, scores, batch = batch_of(name, **tables)
    part = task.ending(scores, batch, last=last).detach()
    assert 0 < float(part) < float(task.loss(scores, batch).nats.detach())
    if name in ("translate", "caption"):
        kept = batch.targets != IGNORED
        logp = scores.decoder.output(scores.teacher_force(batch.targets)).log_softmax(-1)
        each = -logp.gather(2, batch.targets.clamp(min=0)[..., None])[..., 0] * kept
        wanted = edge(batch.targets, last=last) != IGNORED
        torch.testing.assert_close(part, each[wanted].sum().detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("last", [True, False])
def test_the_end_of_an_alignment_is_its_last_frame(last):
    task, scores, batch = batch_of("recognize")
    counts = (batch.targets != IGNORED).sum(0)
    starts, ends = ctc.align(*scores, batch.targets, counts)
    total = 0.0
    for b, length in enumerate(scores.lengths.tolist()):
        frame = length - 1 if last else 0
        inside = [s for s in range(int(counts[b])) if starts[s, b] <= frame < ends[s, b]]
        label = int(batch.targets[inside[0], b]) if inside else scores.scores.shape[2] - 1
        total -= float(scores.scores[frame, b].detach().log_softmax(-1)[label])
    assert float(task.ending(scores, batch, last=last).detach()) == pytest.approx(total, rel=1e-4)


def test_symbols_are_what_was_read():
    for name in ("language", "classify", "translate"):
        _, task = made(name)
        assert isinstance(task, NamesSteps)
        example = task.encode(RECORDS[name])[0]
        field = {"language": "text", "classify": "text", "translate": "source"}[name]
        assert "".join(task.symbols(example)).strip() in RECORDS[name][0].fields[field]
        assert len(task.symbols(example)) == len(example.data)
    _, task = made("tag")
    words = [word.replace("c", "\ufffd") for word in RECORDS["tag"][0].fields["tokens"]]  # of one word alone
    assert task.symbols(task.encode(RECORDS["tag"])[0]) == words


def test_a_drawing_that_is_cut_keeps_its_start():
    _, task = made("draw", draw={"start": "class"})
    example = task.encode(RECORDS["draw"])[0]
    cut = task.tail(example, 2)
    assert cut.data[:, :-1].tolist() == example.data[-2:, :-1].tolist()
    assert cut.data[0, -1] == example.data[0, -1] > 0
    torch.testing.assert_close(cut.target, example.target[-2:], equal_nan=True)
    whole = task.tail(example, 100)
    assert torch.equal(whole.data, example.data)


def test_a_report_is_refused_without_matplotlib(run, tmp_path, monkeypatch):
    found = inspect(elman.load(run), examples=1)
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    with pytest.raises(TaskError, match="matplotlib is not installed"):
        found.write(tmp_path / "report")
    assert not (tmp_path / "report").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="got a file"):
        found.write(tmp_path / "file")


def test_the_order_of_sections_is_that_of_the_table(run):
    found = inspect(elman.load(run), examples=1)
    assert len(found.sections) == len(inspection.SECTIONS)
    assert [section.title for section in found.sections[:2]] == [
        "Scores and mistakes",
        "Gradients through time",
    ]
