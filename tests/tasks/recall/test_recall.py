"""Associative memory as a task: files of patterns, every rule, what is told, saved, resumed and drawn."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import elman
from elman import tasks
from elman.core.errors import ConfigError, DataError
from elman.core.graceful_stop import GracefulStop
from elman.core.records import Record, Seq
from elman.core.run_config import RunConfig
from elman.data import formats
from elman.nn.hopfield import Asynchronous, Synchronous
from elman.runs.folder import METRICS, RunFolder
from elman.tasks.base import Purpose
from elman.tasks.recall import queries
from elman.tasks.recall.networks import Attractor, Computed
from elman.tasks.recall.task import Recall
from elman.training import metrics_log, session

COMPUTED = ("hebb", "storkey", "pseudo_inverse", "modern")
RULES = (*COMPUTED, "trained")
QUICK = {"hidden": 48, "epochs": 8, "iterations": 5, "draws": 2, "threads": 1, "lr": 0.01, "repeat": 48}
"""A memory that is trained in some seconds; the others take no time."""


def bits(count: int = 5, size: int = 40, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (count, size))


def table(path: Path, rows: np.ndarray) -> Path:
    """A CSV file of patterns, each with a name before it, below a head."""
    lines = [["name", *(f"x{place}" for place in range(rows.shape[1]))]]
    lines += [[f"p{number}", *map(str, row)] for number, row in enumerate(rows)]
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    return path


def made(records: list[Record], **options) -> Recall:
    run = RunConfig.of({"recall": options}, Recall.Config)
    return Recall.prepare(records, run)


def fault(records: list[Record], **options) -> str:
    with pytest.raises(DataError) as caught:
        made(records, **options).encode(records)
    return str(caught.value)


def listed(*patterns: object) -> list[Record]:
    return [Record({"pattern": pattern}, f"f.jsonl:{i}") for i, pattern in enumerate(patterns, 1)]


def pair(first: dict, second: dict) -> list[Record]:
    return [Record(first, "t.csv:1"), Record(second, "t.csv:2")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return table(tmp_path / "patterns.csv", bits())


@pytest.fixture(scope="module", params=RULES)
def run(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each rule that has stored five patterns, for reading only."""
    folder = tmp_path_factory.mktemp(request.param)
    path = table(folder / "patterns.csv", bits())
    elman.train(path, task="recall", out=folder / request.param, quiet=True, rule=request.param, **QUICK)
    return folder / request.param


# A run, from the file to the answers


def test_every_rule_recalls_a_few_random_patterns(run):
    scores = json.loads((run / "results.json").read_text())["scores"]
    assert list(scores) == ["test"]  # nothing validates, unless it is asked for
    test = scores["test"]
    assert list(test) == ["model", "nearest stored pattern", "the damaged pattern itself"]
    assert test["model"]["recalled"] >= 0.8
    assert test["nearest stored pattern"]["recalled"] >= test["model"]["recalled"]
    assert test["the damaged pattern itself"] == {
        "recalled": 0.0,
        "overlap": pytest.approx(0.7),
        "bit_accuracy": pytest.approx(0.85),
        "loss": pytest.approx(0.15),
    }
    model = elman.load(run)
    assert model.evaluate(run.parent / "patterns.csv")["model"]["recalled"] >= 0.8
    assert repr(model) == f"Model({run.name}: recall{', 1 x gru 48' if run.name == 'trained' else ''})"


def test_answers_tell_the_pattern_its_name_overlap_energy_and_steps(run, tmp_path):
    asked = bits().astype(object)
    asked[:, :3] = 1 - asked[:, :3]
    asked[:, 10:16] = ""  # not known
    out = io.StringIO()
    elman.load(run).write_predictions(table(tmp_path / "damaged.csv", asked), out)
    (tmp_path / "answers.csv").write_text(out.getvalue())
    answers = [record.fields for record in formats.read(str(tmp_path / "answers.csv"))]
    assert [json.loads(answer["prediction"]) for answer in answers] == bits().tolist()
    assert [answer["pattern"] for answer in answers] == [f"p{number}" for number in range(5)]
    assert [answer["number"] for answer in answers] == ["1", "2", "3", "4", "5"]
    assert {answer["overlap"] for answer in answers} == {"1.0"}
    assert all(int(answer["steps"]) >= 1 for answer in answers)
    assert ("energy" in answers[0]) == (run.name != "trained")


def test_predictions_come_in_the_order_of_what_was_asked(run):
    model, asked = elman.load(run), [list(map(float, row)) for row in bits(9, seed=2)]
    answers = model.predict(asked)
    alone = [answer for value in asked for answer in model.predict([value])]
    for answer, other in zip(answers, alone, strict=True):
        told = {name: other[name] for name in ("prediction", "pattern", "number", "steps")}
        assert answer | told == answer
        assert answer["overlap"] == pytest.approx(other["overlap"], abs=1e-3)


def test_the_patterns_are_among_the_weights(run):
    assert torch.equal(elman.load(run).network.patterns, torch.from_numpy(bits()).float() * 2 - 1)


@pytest.mark.parametrize("rule", COMPUTED)
def test_a_memory_that_is_computed_is_done_at_once(rule, file, tmp_path):
    run = tmp_path / "run"
    elman.train(file, task="recall", out=run, quiet=True, rule=rule, **QUICK)
    assert RunFolder(run).finished
    facts = json.loads((run / "results.json").read_text())["training"]
    assert (facts["steps"], facts["network"]) == (0, "computed from the training part")
    assert metrics_log.read(run / METRICS) == []
    assert not (run / "curves.png").exists()
    assert "epochs" not in (run / "README.md").read_text()
    before = (run / "model.safetensors").read_bytes()
    elman.train(resume=run, quiet=True)
    assert (run / "model.safetensors").read_bytes() == before
    (run / "checkpoints/last.safetensors").unlink()  # as if it had been stopped before it began
    elman.train(resume=run, quiet=True)
    assert (run / "model.safetensors").read_bytes() == before


def test_a_memory_that_is_trained_resumes_to_the_bit(monkeypatch, file, tmp_path):
    class StopAfter(GracefulStop):
        """An interrupt that is seen from the n-th time on that it is asked for."""

        left = 3

        @property
        def seen(self) -> bool:
            self.left -= 1
            return self.left <= 0

        @seen.setter
        def seen(self, value: bool) -> None:
            pass

    options = QUICK | {"rule": "trained", "valid": 0.1, "erase": 0.1, "jitter": 0.1, "ema": 0.9}
    elman.train(file, task="recall", out=tmp_path / "whole", quiet=True, **options)
    with monkeypatch.context() as patch:
        patch.setattr(session, "GracefulStop", StopAfter)
        elman.train(file, task="recall", out=tmp_path / "cut", quiet=True, **options)
    assert not RunFolder(tmp_path / "cut").finished
    elman.train(resume=tmp_path / "cut", quiet=True)
    assert RunFolder(tmp_path / "cut").finished
    whole, cut = (tmp_path / name / "model.safetensors" for name in ("whole", "cut"))
    assert whole.read_bytes() == cut.read_bytes()


def test_a_report_has_recall_by_damage_and_pictures(file, tmp_path):
    elman.train(file, task="recall", out=tmp_path / "run", quiet=True, rule="hebb", **QUICK)
    results = json.loads((tmp_path / "run/results.json").read_text())
    head, *rows = results["findings"]["recall by damage, test part"]
    assert head[0] == "share"
    assert [row[0] for row in rows] == ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    assert rows[0][1:] == [1.0, 1.0, 1.0, 1.0]
    assert rows[5][1] < rows[1][1]
    assert results["figures"] == ["recall", "energy", "basin", "capacity"]
    for name in results["figures"]:
        assert (tmp_path / f"run/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_sample_is_twenty_six_letters_that_pseudo_inverse_holds(tmp_path):
    records = formats.read("sample:patterns")
    letters = np.stack([record.fields["pattern"] for record in records])
    assert letters.shape == (26, 8, 8)
    assert set(np.unique(letters)) == {0, 1}
    assert len({letter.tobytes() for letter in letters}) == 26
    assert tasks.guess("sample", records[0]) == "recall"
    model = elman.train("sample:patterns", out=tmp_path / "run", quiet=True, rule="pseudo_inverse", draws=1)
    answers = model.predict(list(letters))
    assert [answer["pattern"] for answer in answers] == [chr(ord("A") + place) for place in range(26)]
    assert [answer["steps"] for answer in answers] == [0] * 26
    assert np.array_equal([answer["prediction"] for answer in answers], letters)


# The network


@pytest.mark.parametrize("rule", RULES)
def test_a_recall_in_two_calls_is_one_in_a_single_call(rule):
    records = [Record({"pattern": row}, "r") for row in bits(6, 30)]
    whole, half = made(records, rule=rule, iterations=6), made(records, rule=rule, iterations=3)
    networks = [task.build().eval() for task in (whole, half)]
    for task, network in zip((whole, half), networks, strict=True):
        task.store(network, task.encode(records, Purpose.TRAIN))
    networks[1].load_state_dict(networks[0].state_dict())
    seq = Seq(torch.from_numpy(bits(4, 30, seed=3)).float()[None] * 2 - 1)
    with torch.no_grad():
        at_once, _ = networks[0](seq)
        _, state = networks[1](seq)
        later, _ = networks[1](seq, state)
    if rule == "trained":
        torch.testing.assert_close(later.final, at_once.final)
    else:  # a memory that has settled stays; the orders of a second call begin anew
        assert later.settled.all()
        torch.testing.assert_close(networks[1](seq, state)[0].final, later.final)


@pytest.mark.parametrize("run", ["trained"], indirect=True)
def test_a_trained_memory_stays_where_it_has_come_to(run):
    network = elman.load(run).network
    place = torch.rand(network.patterns.shape, generator=torch.Generator().manual_seed(1))
    seq, state = Seq(network.patterns.where(place > 0.1, -network.patterns)[None]), None
    with torch.no_grad():
        for _ in range(5):  # five times as long as it has learnt to run
            found, state = network(seq, state)
    assert torch.equal(found.final.sign(), network.patterns)
    assert (found.states[0] - found.final).abs().max() < 0.2


def test_what_is_learnt_by_gradient_and_what_is_not():
    records = [Record({"pattern": row}, "r") for row in bits()]
    computed = made(records, rule="hebb").build()
    assert isinstance(computed, Computed)
    assert not any(parameter.requires_grad for parameter in computed.parameters())
    trained = made(records, rule="trained").build()
    assert isinstance(trained, Attractor)
    learnt = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    assert "patterns" not in learnt
    assert "output.weight" in learnt


def test_units_are_updated_as_the_settings_say():
    records = [Record({"pattern": row}, "r") for row in bits()]
    for update, kind in (("asynchronous", Asynchronous), ("synchronous", Synchronous)):
        network = made(records, rule="hebb", update=update).build()
        assert isinstance(network, Computed)
        assert isinstance(network.memory(), kind)


# Cues


def test_cues_are_damaged_as_the_settings_say_and_the_same_for_a_seed():
    records = [Record({"pattern": row}, "r") for row in bits(6, 40)]
    task = made(records, flip=0.1, erase=0.2, draws=3)
    found = task.encode(records, Purpose.TEST)
    scored = [cue for cue in found if cue.scored]
    assert len(scored) == 18
    for cue in scored:
        assert int((cue.data[0] == -cue.whole).sum()) == 4
        assert int((cue.data[0] == 0).sum()) == 8
        assert torch.equal(cue.target, cue.whole)
    assert len(found) - 18 == 11 * 18  # six shares flipped, five erased
    again = task.encode(records, Purpose.TEST)
    assert all(torch.equal(a.data, b.data) for a, b in zip(found, again, strict=True))
    other = task.encode(records, Purpose.VALID)
    assert not all(torch.equal(a.data, b.data) for a, b in zip(found, other, strict=True))


def test_of_many_patterns_some_are_asked_for(monkeypatch):
    monkeypatch.setattr(queries, "_MOST", 10)
    records = [Record({"pattern": row}, "r") for row in bits(25, 30)]
    scored = [cue for cue in made(records, draws=4).encode(records) if cue.scored]
    assert [cue.name for cue in scored] == ["1", "4", "6", "9", "12", "14", "17", "20", "22", "25"]


def test_only_the_damage_of_the_settings_is_scored():
    records = [Record({"pattern": row}, "r") for row in bits(4, 40)]
    task = made(records, flip=0.1)
    held = task.encode(records, Purpose.TEST)
    rows = task.baselines(task.encode(records, Purpose.TRAIN), {"test": held})["test"]
    assert rows["the damaged pattern itself"]["bit_accuracy"] == pytest.approx(0.9)


# Files


@pytest.mark.parametrize(
    ("records", "shape", "low", "high", "name"),
    [
        (listed([0, 1, 1], [1, 0, 1]), (3,), 0, 1, ""),
        (listed([[-1, 1], [1, 1]], [[1, 1], [-1, 1]]), (2, 2), -1, 1, ""),
        (listed("##..", ".#.#"), (4,), 0, 1, ""),
        (pair({"series": np.float32([[2], [5]])}, {"series": np.float32([5, 2])}), (2,), 2, 5, ""),
        (pair({"a": "0", "b": "1", "id": "x"}, {"a": "1", "b": "1", "id": "y"}), (2,), 0, 1, "id"),
        (pair({"1": "ann", "2": "1", "3": "0"}, {"1": "bob", "2": "1", "3": "1"}), (2,), 0, 1, "1"),
    ],
    ids=["list", "rows", "spelled", "series", "columns", "first column"],
)  # fmt: skip
def test_patterns_of_every_kind(records, shape, low, high, name):
    layout = made(records, rule="hebb").layout
    assert (layout.shape, layout.low, layout.high, layout.name) == (shape, low, high, name)
    for record in records:
        pattern = layout.encode(record, whole=True)
        assert set(pattern.tolist()) <= {-1.0, 1.0}
        told = layout.decode(pattern)
        again = Record({"pattern": told}, "again")
        assert torch.equal(layout.encode(again, whole=True), pattern)


def test_pictures_become_black_and_white_for_bits_and_stay_grey_for_others(tmp_path):
    generator = np.random.default_rng(1)
    for number in range(3):
        pixels = generator.integers(0, 256, (6, 5), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    records = formats.read(str(tmp_path), among=Recall.formats)
    cut, grey = made(records, rule="pseudo_inverse").layout, made(records, rule="modern").layout
    assert (cut.shape, cut.low, cut.high, cut.bits) == ((6, 5), 0, 255, True)
    assert not grey.bits
    pixels = np.asarray(Image.open(tmp_path / "0.png"))
    half = torch.from_numpy(pixels > 127).flatten()
    assert torch.equal(cut.encode(records[0], whole=True) > 0, half)
    scaled = grey.encode(records[0], whole=True)
    told = np.array(grey.decode(scaled))
    np.testing.assert_allclose(told, pixels, atol=1e-3)


def test_a_npy_file_has_a_pattern_in_each_row(tmp_path):
    np.save(tmp_path / "p.npy", bits().astype(np.float32))
    np.savez(tmp_path / "p.npz", x=bits().reshape(5, 8, 5))
    table(tmp_path / "p.csv", bits())
    stored = [
        elman.train(
            tmp_path / name, task="recall", out=tmp_path / name[2:], quiet=True, **QUICK
        ).network.patterns
        for name in ("p.npy", "p.npz", "p.csv")
    ]
    assert torch.equal(stored[0], stored[1])
    assert torch.equal(stored[0], stored[2])


def test_real_numbers_are_recalled_by_the_modern_memory(tmp_path):
    rows = np.random.default_rng(3).normal(10, 4, (30, 20)).round(3)
    path = table(tmp_path / "real.csv", rows)
    options = {"beta": 30.0, "flip": 0.0, "jitter": 0.1, "draws": 2, "threads": 1}
    model = elman.train(path, task="recall", out=tmp_path / "run", quiet=True, **options)
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["scores"]["test"]["model"]["recalled"] > 0.98
    assert results["scores"]["test"]["the damaged pattern itself"]["recalled"] < 0.1
    (answer,) = model.predict([[*rows[7][:12], *[None] * 8]])
    assert answer["pattern"] == "p7"
    np.testing.assert_allclose(answer["prediction"], rows[7], atol=0.01)


# Faults


@pytest.mark.parametrize("rule", ["hebb", "modern"])
@pytest.mark.parametrize(
    ("records", "said"),
    [
        (listed([0, 1, 1], [1, 0]), "f.jsonl:2: expected 3, as the first pattern has, got 2 numbers"),
        (listed([[0, 1], [1, 1]], [0, 1, 1]), "f.jsonl:2: expected 2 x 2, as the first pattern has, got 3"),
        (listed([0, 1, 1]), "f.jsonl:1: expected two or more, each a row or a picture, got 1 pattern"),
        (listed([0, 1, float("nan")], [1, 0, 1]), "f.jsonl:1: expected a number, got nan at place 3"),
        (listed([0, 1, 1], [1, None, 0]), "f.jsonl:2: expected a number, got nan at place 2"),
        (listed([0, 1, 1], [1, 0, float("inf")]), "f.jsonl:2: expected a number, got inf at place 3"),
        (listed([1, 1], [1, 1]), "sample:patterns: expected patterns of two values or more, got 1"),
        (listed([0, 1], ["a", "b"]), "f.jsonl:2: expected numbers, got no pattern"),
        (listed([0, 1], "hello"), "f.jsonl:2: expected numbers, the path of a picture, or a text of # and ."),
        (pair({"a": "0", "b": "1"}, {"a": "1", "b": "x"}), "t.csv:2: expected a number, got 'x' in column"),
        ([Record({"text": "good", "label": "y"}, "t.csv:1")] * 2, "t.csv:1: expected a column a number"),
    ],
)  # fmt: skip
def test_patterns_that_cannot_be_stored(records, said, rule):
    assert fault(records, rule=rule).startswith(said)


def test_a_third_value_is_told_where_it_is_and_what_takes_it():
    records = listed([0, 1, 1, 0], [0.5, 0, 1, 1], [1, 1, 0, 0])
    for rule in ("hebb", "storkey", "pseudo_inverse"):
        assert fault(records, rule=rule) == (
            "f.jsonl:2: expected 0 or 1, got 0.5 at place 1; recall.rule = modern takes real numbers"
        )
    assert not made(records, rule="modern").layout.bits


def test_real_numbers_for_a_rule_of_bits():
    assert fault(listed([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]), rule="hebb") == (
        "sample:patterns: expected two, such as 0 and 1, got 6 different numbers; "
        "recall.rule = modern takes real numbers"
    )


def test_patterns_without_their_names_are_scored_too():
    task = made(pair({"name": "a", "pattern": [0, 1, 1]}, {"name": "b", "pattern": [1, 0, 1]}), draws=1)
    scored = [cue for cue in task.encode(listed([0, 1, 1], [1, 1, 0])) if cue.scored]
    assert [cue.name for cue in scored] == ["1", "2"]


def test_what_is_asked_must_be_of_the_size_that_is_stored(file, tmp_path):
    model = elman.train(file, task="recall", out=tmp_path / "run", quiet=True, rule="hebb", **QUICK)
    with pytest.raises(DataError, match="value 2: expected 40, as the first pattern has, got 39 numbers"):
        model.predict([[0.0] * 40, [0.0] * 39])
    with pytest.raises(DataError, match="value 1: expected 0 or 1, got 7 at place 3"):
        model.predict([[0, 1, 7, *[0] * 37]])
    with pytest.raises(DataError, match="inf at place 1"):
        model.predict([[float("inf"), *[0] * 39]])
    np.save(tmp_path / "several.npy", bits().astype(np.float32))
    with pytest.raises(DataError, match=r"got 5 x 40 numbers; store several patterns in a .npz or a table"):
        model.write_predictions(tmp_path / "several.npy", io.StringIO())


def test_columns_that_are_named_must_be_there():
    records = listed([0, 1], [1, 0])
    run = RunConfig.of({"data": {"input": "patern"}}, Recall.Config)
    with pytest.raises(DataError, match="no column 'patern'; did you mean 'pattern'"):
        Recall.prepare(records, run)


def test_more_damage_than_there_is_pattern_is_an_error():
    with pytest.raises(ConfigError, match=r"recall.flip \+ recall.erase: expected at most 1, got 0.7 \+ 0.4"):
        made(listed([0, 1], [1, 0]), flip=0.7, erase=0.4)
