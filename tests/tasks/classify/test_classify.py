"""Classification: every kind of answer, what is told of it, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import elman
from elman.core.errors import ConfigError, DataError, RunError, TaskError
from elman.core.records import Example, Record
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.tasks import evaluation
from elman.tasks.base import Purpose
from elman.tasks.classify.targets import NumberTarget, OneClass, Several
from elman.tasks.classify.task import Classify
from elman.training import calibration

TEXTS = ("good", "a bad one", "not bad", "so good it was", "dull", "what a bad bad film", "fine", "oh no")


def records(labels: list[Any], values: list[Any] | None = None) -> list[Record]:
    read = values or [TEXTS[i % len(TEXTS)] for i in range(len(labels))]
    pairs = zip(read, labels, strict=True)
    return [Record({"text": text, "label": label}, f"t.csv:{i}") for i, (text, label) in enumerate(pairs, 2)]


def run(**tables: dict) -> RunConfig:
    return RunConfig.of({"network": {"hidden": 12}, **tables}, Classify.Config)


def prepared(labels: list[Any], values: list[Any] | None = None, **own: Any) -> Classify:
    torch.manual_seed(0)
    return Classify.prepare(records(labels, values), run(classify=own))


def baselines(
    task: Classify, train: Sequence[Example], held: Sequence[Example]
) -> dict[str, dict[str, float]]:
    return task.baselines(train, {"test": held})["test"]


# Which kind of answer


@pytest.mark.parametrize(
    ("labels", "own", "kind"),
    [
        (list("abab"), {}, OneClass),
        ([1, 2, 1, 2], {}, OneClass),
        ([True, False, True, False], {}, OneClass),
        ([["a"], ["a", "b"], [], ["b"]], {}, Several),
        (["a|b", "", "a", "b"], {"separator": "|"}, Several),
        ([str(i + 0.5) for i in range(30)], {}, NumberTarget),
        ([i * i for i in range(30)], {}, NumberTarget),
        ([str(i % 25) for i in range(100)], {}, OneClass),
        ([str(i % 5) for i in range(100)], {"kind": "value"}, NumberTarget),
        ([i + 0.5 for i in range(30)] * 2, {"kind": "class"}, OneClass),
    ],
)
def test_the_kind_of_answer_is_guessed_or_told(labels, own, kind):
    assert isinstance(prepared(labels, **own).target, kind)


def test_classes_are_in_the_order_of_numbers_then_names():
    assert prepared([10, 9, 10, 9, "b", "a", "a", "b"]).target.content()["classes"] == ["9", "10", "a", "b"]


# One class


def test_what_is_found_is_told():
    assert prepared(list("abab")).describe() == {
        "columns": "'text' is read, 'label' is predicted (guessed; --input and --target set them)",
        "input": "text, 9 symbols of the unit word",
        "target": "one of 2 classes: a, b",
    }


def test_weights_and_smoothing_are_in_the_objective_alone():
    task = prepared(list("aaab") * 2, class_weights="balanced", smoothing=0.2)
    scores = torch.randn(8, 2)
    batch = batching.collate(task.encode(records(list("aaab") * 2)))
    weights = torch.tensor([8 / 2 / 6, 8 / 2 / 2])
    expected = F.cross_entropy(scores, batch.targets, weights, reduction="sum", label_smoothing=0.2)
    assert float(task.objective(scores, batch).nats) == pytest.approx(float(expected))
    assert float(task.loss(scores, batch).nats) == pytest.approx(
        float(F.cross_entropy(scores, batch.targets, reduction="sum"))
    )
    assert task.loss(scores, batch).count == 8


def test_scores_of_classes_by_hand():
    target = prepared(list("abab")).target
    outputs = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    scores = target.scores(outputs, torch.tensor([0, 1, 1, 1]))
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert 0 < scores["calibration_error"] < 1
    assert target.surprise(outputs, torch.tensor([0, 1, 1, 1])) == pytest.approx(
        -(math.log(0.9) + math.log(0.4) + math.log(0.8) + math.log(0.7)) / 4
    )


def test_the_answer_has_the_class_and_all_probabilities():
    task = prepared(list("abab"))
    record = records(["a"])[0]
    assert task.answer(torch.tensor([0.25, 0.75]), record) == {
        "prediction": "b",
        "probability": 0.75,
        "probabilities": {"a": 0.25, "b": 0.75},
    }


def test_findings_are_each_class_and_pictures():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    task = prepared(list("abab"))
    examples = task.encode(records(list("abab")))
    outputs = [torch.tensor([0.9, 0.1])] * 4
    findings = task.findings(examples, outputs)
    assert findings.tables["classes"] == [
        ["class", "precision", "recall", "F1", "examples"],
        ["a", 0.5, 1.0, pytest.approx(2 / 3), 2],
        ["b", 0.0, 0.0, 0.0, 2],
    ]
    for name in ("confusion", "calibration"):
        figure = Figure()
        findings.figures[name](figure)
        assert figure.axes
    figure = Figure()
    findings.figures["confusion"](figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["2", "2"]


def test_a_confusion_of_very_many_classes_is_not_drawn():
    labels = [f"c{i % 61}" for i in range(122)]
    task = prepared(labels)
    examples = task.encode(records(labels))
    assert set(task.findings(examples, [torch.full((61,), 1 / 61)] * 122).figures) == {"calibration"}


def test_softened_scores_are_calibrated():
    task = prepared(list("abab"))
    network = task.build()
    with torch.no_grad():
        network.output.weight *= 30
    either = (torch.tensor(0), torch.tensor(1))  # so that it cannot be right to be sure
    examples = [Example(e.data, target) for e in task.encode(records(list("ab"))) for target in either]
    before = evaluation.evaluate(task, network, examples).scores["loss"]
    temperature = calibration.best_temperature(task, network, examples)
    task.soften(network, temperature)
    assert temperature > 1
    assert evaluation.evaluate(task, network, examples).scores["loss"] < before


# Several classes


@pytest.mark.parametrize(
    ("labels", "own"),
    [
        (["a;b", "b", "", "c ; a", "c", "b"], {"separator": ";"}),
        ([["a", "b"], ["b"], [], ["c", "a"], ["c"], ["b"]], {}),
    ],
)
def test_several_labels(labels, own):
    task = prepared(labels, **own)
    assert task.target.about() == "any of 3 classes: a, b, c"
    examples = task.encode(records(labels))
    assert [example.target.tolist() for example in examples] == [
        [[1, 1, 0]], [[0, 1, 0]], [[0, 0, 0]], [[1, 0, 1]], [[0, 0, 1]], [[0, 1, 0]],
    ]  # fmt: skip
    batch = batching.collate(examples)
    scores = torch.randn(6, 3)
    expected = F.binary_cross_entropy_with_logits(scores, batch.targets[0], reduction="sum")
    assert float(task.loss(scores, batch).nats) == pytest.approx(float(expected))
    outputs = evaluation.evaluate(task, task.build(), examples).outputs
    assert [output.shape for output in outputs] == [(3,)] * 6
    told = evaluation.evaluate(task, task.build(), examples).scores
    assert list(told) == ["macro_f1", "micro_f1", "subset_accuracy", "loss"]


def test_scores_of_several_by_hand():
    target = prepared([["a", "b"], ["b"], ["a"], []]).target
    truth = torch.tensor([[[1.0, 1.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    outputs = torch.tensor([[0.9, 0.9], [0.9, 0.9], [0.2, 0.1]])
    scores = target.scores(outputs, truth)
    # a: found 1, guessed 2, there 2; b: found 2, guessed 2, there 2
    assert scores["macro_f1"] == pytest.approx((0.5 + 1) / 2)
    assert scores["micro_f1"] == pytest.approx(2 * 3 / 8)
    assert scores["subset_accuracy"] == pytest.approx(1 / 3)
    answer = target.answer(torch.tensor([0.75, 0.25]))
    assert answer == {"prediction": ["a"], "probabilities": {"a": 0.75, "b": 0.25}}


def test_smoothing_of_several_goes_towards_one_half():
    task = prepared([["a"], ["a", "b"], ["b"]], smoothing=0.2)
    batch = batching.collate(task.encode(records([["a"], ["b"]])))
    scores = torch.randn(2, 2)
    smooth = batch.targets[0] * 0.8 + 0.1
    expected = F.binary_cross_entropy_with_logits(scores, smooth, reduction="sum")
    assert float(task.objective(scores, batch).nats) == pytest.approx(float(expected))


# A number


def test_a_number_is_predicted_in_its_own_unit():
    labels = [str(1000 + 10 * i) for i in range(40)]
    task = prepared(labels, kind="value")
    examples = task.encode(records(labels))
    output = task.predict(task.build(), batching.collate(examples[:1]), torch.zeros(1, 2))[0]
    assert float(output[0]) == pytest.approx(1195)
    deviation = np.std([1000 + 10 * i for i in range(40)])
    assert float(output[1]) == pytest.approx(deviation * (math.log(2) + 1e-3), rel=1e-5)
    batch = batching.collate(examples)
    loss = task.loss(torch.zeros(40, 2), batch)
    normal = torch.distributions.Normal(output[0], output[1])
    assert float(loss.nats) == pytest.approx(-float(normal.log_prob(batch.targets).sum()), rel=1e-5)
    answer = task.answer(output, records(["1"])[0])
    assert answer == {"prediction": pytest.approx(1195), "deviation": pytest.approx(float(output[1]))}


def test_scores_of_numbers_by_hand():
    target = prepared(["1", "2", "3"], kind="value").target
    outputs = torch.tensor([[1.0, 1.0], [3.0, 0.1], [4.0, 2.0]])
    scores = target.scores(outputs, torch.tensor([1.0, 2.0, 6.0]))
    assert scores["mae"] == pytest.approx(1)
    assert scores["r2"] == pytest.approx(1 - 5 / 14)
    assert scores["coverage_95"] == pytest.approx(2 / 3)


def test_the_same_number_everywhere_is_no_fault():
    task = prepared([5.0] * 6, kind="value")
    examples = task.encode(records([5.0] * 6))
    assert math.isfinite(evaluation.evaluate(task, task.build(), examples).scores["loss"])
    assert all(math.isfinite(row["mae"]) for row in baselines(task, examples, examples).values())


# Baselines


def test_baselines_learn_what_is_linear():
    labels = ["good" if i % 3 else "bad" for i in range(60)]
    texts = [f"{'xyz'[i % 3]} {label}" + " or so" * (i % 2) for i, label in enumerate(labels)]
    task = prepared(labels, texts)
    examples = task.encode(records(labels, texts))
    rows = baselines(task, examples[:40], examples[40:])
    assert list(rows) == ["majority class", "logistic regression on 1- to 4-grams"]
    held = labels[40:]
    assert rows["majority class"]["accuracy"] == held.count("good") / len(held)
    assert rows["logistic regression on 1- to 4-grams"]["accuracy"] == 1
    assert rows["majority class"]["loss"] > rows["logistic regression on 1- to 4-grams"]["loss"] > 0


def test_positions_serve_where_all_are_of_one_length():
    texts = ["".join("ab"[(i >> bit) % 2] for bit in range(6)) for i in range(64)]
    labels = [text[2] for text in texts]
    task = Classify.prepare(records(labels, texts), run(data={"unit": "char"}))
    examples = task.encode(records(labels, texts))
    rows = baselines(task, examples[::2], examples[1::2])
    assert rows["logistic regression on positions"]["accuracy"] == 1


def test_a_number_has_the_mean_and_a_ridge():
    series = [np.full((3, 1), i, np.float32) for i in range(40)]
    labels = [2.0 * i + 1 for i in range(40)]
    task = prepared(labels, series, kind="value")
    examples = task.encode(records(labels, series))
    rows = baselines(task, examples, examples)
    name = "ridge regression on last value, mean, deviation, extremes"
    assert list(rows) == ["mean", name]
    assert rows["mean"]["mae"] == pytest.approx(20)
    assert rows["mean"]["r2"] == pytest.approx(0, abs=1e-6)
    assert rows[name]["mae"] < 1


def test_shapes_have_a_baseline_and_so_has_the_nearest_example(plain):
    labels, series = list("ab") * 32, waves(64)
    task = prepared(labels[:48], series[:48])
    train, held = (task.encode(records(labels[a:b], series[a:b])) for a, b in ((0, 48), (48, 64)))
    rows = baselines(task, train, held)
    assert rows["logistic regression on random convolutions"]["accuracy"] >= 0.9
    assert baselines(task, train, train)["nearest neighbour"]["accuracy"] == 1


def test_several_have_baselines_too():
    labels = [["a"], ["a", "b"], ["b"], []] * 10
    texts = [f"{' '.join(label)} text" for label in labels]
    task = prepared(labels, texts)
    examples = task.encode(records(labels, texts))
    rows = baselines(task, examples, examples)
    assert rows["logistic regression on 1- to 4-grams"]["subset_accuracy"] == 1


# The network


@pytest.mark.parametrize("pool", ["last", "mean", "max", "attention", "mean_max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_learns_ragged_series_with_every_pooling(plain, pool, bidirectional):
    generator = np.random.default_rng(0)
    signs = [1 if i % 2 else -1 for i in range(24)]
    series = [
        (generator.normal(0, 0.3, (4 + i % 9, 2)) + sign).astype(np.float32) for i, sign in enumerate(signs)
    ]
    task = prepared([str(sign) for sign in signs], series, pool=pool, bidirectional=bidirectional)
    network, batch = task.build(), batching.collate(task.encode(records([str(s) for s in signs], series)))
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(40):
        optimizer.zero_grad()
        task.objective(network(batch.seq)[0], batch).nats.backward()
        optimizer.step()
    scores = network.eval()(batch.seq)[0]
    assert (scores.argmax(-1) == batch.targets).all()


@pytest.mark.parametrize(
    ("own", "frame", "steps"),
    [
        ({"frame": 3}, "frames of 3 steps every 3", 3),
        ({"frame": 4, "hop": 2}, "frames of 4 steps every 2", 3),
        ({"frames": 4}, "frames of 8 steps every 2", 1),
    ],
)
def test_frames_are_fewer_steps_and_kept(plain, own, frame, steps):
    series = [np.random.default_rng(i).normal(size=(8, 2)).astype(np.float32) for i in range(4)]
    task = prepared(list("abab"), series, **own)
    assert task.describe()["input"].endswith(frame)
    again = Classify.restore(task.to_text(), run(classify=own), "vocab.json")
    network, examples = task.build().eval(), task.encode(records(list("abab"), series))
    assert network.encoder.read(batching.collate(examples).seq).data.shape[0] == steps
    other = again.build().eval()
    other.load_state_dict(network.state_dict())
    seq = batching.collate(examples).seq
    assert torch.equal(network(seq)[0], other(seq)[0])


def waves(count: int) -> list[np.ndarray]:
    """Noise of another level each, in every second of which a short wave stands anywhere."""
    generator, found = np.random.default_rng(0), []
    for place in range(count):
        series = generator.normal(0, 0.3, 70 + place % 7) + generator.normal()
        if place % 2:
            start = generator.integers(50)
            series[start : start + 16] += 2 * np.sin(np.arange(16))
        found.append(series[:, None].astype(np.float32))
    return found


def test_kernels_find_a_shape_wherever_it_stands(plain):
    tables = {"signal": {"kernels": 200}, "classify": {"frames": 8, "pool": "mean"}}
    labels, series = list("ab") * 32, waves(64)
    torch.manual_seed(0)
    task = Classify.prepare(records(labels[:48], series[:48]), run(**tables))
    network, batch = task.build(), batching.collate(task.encode(records(labels[:48], series[:48])))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        task.objective(network(batch.seq)[0], batch).nats.backward()
        optimizer.step()
    held = batching.collate(task.encode(records(labels[48:], series[48:])))
    again = Classify.restore(task.to_text(), run(**tables), "vocab.json")
    other = again.build().eval()
    other.load_state_dict(network.eval().state_dict())
    assert torch.equal(other(held.seq)[0], network(held.seq)[0])
    assert (network(held.seq)[0].argmax(-1) == held.targets).float().mean() >= 0.9


def test_kernels_do_not_stream(plain):
    own = {"classify": {"bidirectional": False}, "signal": {"kernels": 100}}
    task = Classify.prepare(records(list("abab"), waves(4)), run(**own))
    with pytest.raises(TaskError, match=r"signal\.kernels = 100.*looks at the whole"):
        task.streamer(task.build()).ends(None)


@pytest.mark.parametrize("labels", [list("abab"), [["a"], ["b"], ["a", "b"], []], [0.5, 1.5, 2.5, 3.0]])
def test_mixed_pairs_are_learnt_by_their_shares(plain, labels):
    kind = {"kind": "value"} if isinstance(labels[0], float) else {}
    task = prepared(labels, mixup=0.4, **kind)
    network, batch = task.build().train(), batching.collate(task.encode(records(labels)))
    mixed = network(batch.seq)[0]
    assert 0.5 <= float(mixed.share) <= 1
    loss = task.objective(mixed, batch)
    others = batching.collate(task.encode([records(labels)[i] for i in mixed.order.tolist()]))
    mine, theirs = (task.target.objective(mixed.scores, b.targets).nats for b in (batch, others))
    expected = mixed.share * mine + (1 - mixed.share) * theirs
    torch.testing.assert_close(loss.nats, expected)
    assert loss.count == 4
    assert isinstance(network.eval()(batch.seq)[0], torch.Tensor)


def test_a_network_of_zeros_says_all_alike():
    task = prepared(list("abab"))
    network = task.build()
    torch.nn.init.zeros_(network.output.weight)
    scores = evaluation.evaluate(task, network, task.encode(records(list("abab")))).scores
    assert scores["loss"] == pytest.approx(math.log(2))


# What is refused


@pytest.mark.parametrize(
    ("labels", "own", "message"),
    [
        (
            ["a", "a", "b"],
            {},
            "t.csv:4: expected two classes or more, each with two examples or more, "
            "got the only example to learn 'b' from; "
            "give more data, join the class with another, or name the right column with --target",
        ),
        (
            ["a", "a", "a"],
            {},
            "t.csv:2: expected two classes or more, each with two examples or more, got 1 class; "
            "give more data, join the class with another, or name the right column with --target",
        ),
        (["a", " ", "b"], {}, "t.csv:3: expected one, got no label; fill it in, or leave the row out"),
        (["a", None, "b"], {}, "t.csv:3: expected one, got no label; fill it in, or leave the row out"),
        (
            ["1.5", "many", "2.5"],
            {"kind": "value"},
            't.csv:3: expected a number, got "many"; mend it, or set classify.kind = class',
        ),
        (
            ["1.5", "nan", "2.5"],
            {"kind": "value"},
            't.csv:3: expected a number, got "nan"; mend it, or set classify.kind = class',
        ),
        (
            ["a|b", "a", "a"],
            {"separator": "|"},
            "t.csv:2: expected two classes or more, each with two examples or more, "
            "got the only example to learn 'b' from; "
            "give more data, join the class with another, or name the right column with --target",
        ),
        (
            ["", "", ""],
            {"separator": "|"},
            "t.csv:2: expected some, got no label in any row; set data.target",
        ),
    ],
)
def test_labels_that_cannot_be_learnt_are_told(labels, own, message):
    with pytest.raises(DataError) as caught:
        prepared(labels, **own)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("labels", "own", "asked", "message"),
    [
        (
            list("abab"),
            {},
            "c",
            "t.csv:2: expected one of the 2 labels of the training part, got the label 'c'; known: a, b",
        ),
        (
            ["dog", "cat"] * 2,
            {},
            "dgo",
            "t.csv:2: expected one of the 2 labels of the training part, got the label 'dgo'; "
            "did you mean 'dog'?",
        ),
        (
            [["a"], ["a"]],
            {},
            ["a", "z"],
            "t.csv:2: expected one of the 1 labels of the training part, got the label 'z'; known: a",
        ),
    ],
)
def test_a_label_never_learnt_is_told_at_evaluation(labels, own, asked, message):
    with pytest.raises(DataError) as caught:
        prepared(labels, **own).encode(records([asked]))
    assert str(caught.value) == message


def test_labels_are_not_looked_at_where_they_are_not_asked_for():
    (example,) = prepared(list("abab")).encode([Record({"text": "good"}, "p:1")], Purpose.PREDICT)
    assert example.target.numel() == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"columns": {"input": "text", "target": "y", "guessed": false}}']
)
def test_a_damaged_file_is_told(text):
    with pytest.raises(
        RunError, match=r"^vocab.json: damaged \(.*\); restore the file from a copy of the run"
    ):
        Classify.restore(text, run(), "vocab.json")


def test_an_unknown_pooling_is_told():
    with pytest.raises(ConfigError) as caught:
        run(classify={"pool": "sum"})
    assert str(caught.value) == (
        "classify.pool: expected one of last, mean, max, attention, mean_max, got 'sum'"
    )


# A model in the hand


@pytest.fixture
def model(classifier: Path) -> elman.Model:
    return elman.load(classifier)


def test_it_learns(model):
    scores = model.evaluate(model.config.data.path)
    assert scores["model"]["accuracy"] > 0.95 > scores["majority class"]["accuracy"]
    assert set(scores) == {"model", "majority class", "logistic regression on 1- to 4-grams"}


def test_predictions_of_values_are_in_their_order(model):
    values = ["it was bad in place 5", "good", "it was good in place 6", "poor"]
    answers = model.predict(values)
    assert [answer["prediction"] for answer in answers] == ["no", "yes", "yes", "no"]
    for value, answer in zip(values, answers, strict=True):
        (alone,) = model.predict([value])
        assert alone["prediction"] == answer["prediction"]
        assert alone["probability"] == pytest.approx(answer["probability"], abs=2e-6)
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    json.dumps(answers)


def test_a_run_is_complete(model):
    results = json.loads((model.path / "results.json").read_text())
    assert set(results["scores"]) == {
        "test"
    }  # so few examples are learnt from, and none is spared to validate
    assert list(results["findings"]) == ["classes, test part"]
    assert {"confusion.png", "calibration.png", "curves.png"} <= {path.name for path in model.path.iterdir()}
    card = (model.path / "README.md").read_text()
    assert "### Classes, test part" in card
    assert "![confusion](confusion.png)" in card
    assert "elman predict run FILE" in card


def test_unknown_words_are_told_by_their_endings(plain, tmp_path):
    stems = [a + b + c for a in "bdfgklmn" for b in "aeiou" for c in "prstvx"]
    rows = [f"it was {stem}{('less', 'ful')[i % 2]},{i % 2}" for i, stem in enumerate(stems)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    settings = {"unit": "word", "min_count": 2, "hidden": 8, "epochs": 3, "lr": 0.02, "symbol_dropout": 0.1}
    options = {"task": "classify", "quiet": True, "char_ngrams": 4, "threads": 1, **settings}
    model = elman.train(tmp_path / "t.csv", out=tmp_path / "run", **options)
    results = json.loads((tmp_path / "run/results.json").read_text())["scores"]["test"]
    assert results["model"]["accuracy"] == 1
    assert results["logistic regression on 1- to 4-grams"]["accuracy"] < 0.8  # it sees "it was <unk>"
    again = elman.load(tmp_path / "run")
    for own in (model, again):
        answers = own.predict(["it was zozoless", "it was zozoful", "yes , it was a joyful day"])
        assert [answer["prediction"] for answer in answers] == ["0", "1", "1"]


# What training does beside the loss


def said(**options: Any) -> tuple[Classify, Any, Any]:
    """A task, what its network says of a batch in training, and the batch."""
    torch.manual_seed(0)
    task = prepared(list("abab"), **options)
    batch = batching.collate(task.encode(records(list("abab"))))
    scores, _ = task.build().train()(batch.seq)
    return task, scores, batch


def test_mixed_sequences_are_between_two(plain):
    task, scores, batch = said(mixup=0.4)
    assert 0.5 <= scores.share <= 1
    own = F.cross_entropy(scores.scores, batch.targets, reduction="sum")
    other = F.cross_entropy(scores.scores, batch.targets[scores.order], reduction="sum")
    expected = scores.share * own + (1 - scores.share) * other
    torch.testing.assert_close(task.objective(scores, batch).nats, expected)


def test_an_adversary_makes_it_worse_within_its_reach(plain):
    task, scores, batch = said(adversarial=0.1)
    plainly = task.target.objective(scores.scores, batch.targets).nats
    total = task.objective(scores, batch).nats
    assert total - plainly > plainly  # the second term is the loss where it is worse
    moved = []
    task.objective(scores._replace(again=lambda vectors: moved.append(vectors) or scores.scores), batch)
    reach = (moved[0] - scores.vectors).square().sum((0, 2)).sqrt()
    torch.testing.assert_close(reach, 0.1 * scores.vectors.square().sum((0, 2)).sqrt())


def test_neither_is_there_when_it_predicts(plain):
    torch.manual_seed(0)
    task = prepared(list("abab"), mixup=0.4, adversarial=0.1)
    batch = batching.collate(task.encode(records(list("abab"))))
    assert isinstance(task.build().eval()(batch.seq)[0], torch.Tensor)
