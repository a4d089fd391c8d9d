"""The contract of tasks, and what is special to each. A new task joins by its name and records here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import elman
from conftest import TINY, lines
from elman import tasks
from elman.core.records import Batch, Record, Seq
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.nn import parameters
from elman.runs.folder import RunFolder
from elman.tasks import base, evaluation
from elman.tasks.abilities import Calibratable, ComputesWeights, Predictor, PredictsRecords
from elman.tasks.base import Purpose
from elman.tasks.language.task import Language
from elman.training import calibration, optimizers

REVIEWS = ("good", "a bad one", "not bad", "so good it was", "dull", "what a bad bad film", "fine", "oh no")


def tagged(line: str) -> Record:
    """A sentence of which each word's tag is the length of the word before it."""
    words = line.split()
    return Record({"tokens": words, "tags": [str(len(word)) for word in ["", *words[:-1]]]}, "a line")


def film(number: int) -> np.ndarray:
    """Up to three frames of 12 x 10 pixels, with a square that moves."""
    frames = np.full((1 + number % 3, 12, 10, 3), 255, np.uint8)
    for step, frame in enumerate(frames):
        frame[number : number + 3, step : step + 3] = (30 * number, 0, 200)
    return frames


def zigzag(number: int) -> np.ndarray:
    """Some moves of a pen, which is lifted in the middle and at the end."""
    steps = np.array([[1 + number % 3, (-1) ** step, 0] for step in range(4 + number)], np.float32)
    steps[[2, -1], 2] = 1
    return steps


def letters(text: str) -> np.ndarray:
    """Features [T, 6] of a text: the bits of each letter, for four or five steps."""
    steps = [4 + place % 2 for place in range(len(text))]
    codes = np.array([[ord(letter) >> bit & 1 for bit in range(6)] for letter in text])
    return np.repeat(codes, steps, axis=0).astype(np.float32)


RECORDS = {
    "language": [Record({"text": lines(8)}, "eight lines")],
    "classify": [
        Record({"text": text, "label": "ynyynnyn"[i]}, f"line {i}") for i, text in enumerate(REVIEWS)
    ],
    "tag": [tagged(line) for line in lines(8).splitlines()],
    "forecast": [
        Record({"ds": day, "y": math.sin(day / 3) + day * day % 5 / 5}, f"day {day}") for day in range(47)
    ],
}
RECORDS["translate"] = [
    Record({"source": text, "target": text[::-1].upper()}, f"line {i}") for i, text in enumerate(REVIEWS)
]
RECORDS["caption"] = [
    Record({"frames": film(i), "caption": text}, f"line {i}") for i, text in enumerate(REVIEWS)
]
RECORDS["recall"] = [
    Record({"pattern": [int(letter in text) for letter in "abdfginostuw"], "name": text}, f"line {i}")
    for i, text in enumerate(REVIEWS)
]
RECORDS["draw"] = [Record({"strokes": zigzag(i), "label": "ab"[i % 2]}, f"line {i}") for i in range(8)]
RECORDS["label"] = [
    Record(
        {"inputs": zigzag(i), "target": [None, *("ab"[step // 2 % 2] for step in range(3 + i))]}, f"line {i}"
    )
    for i in range(8)
]
RECORDS["recognize"] = [
    Record({"features": letters(text), "text": text}, f"line {i}") for i, text in enumerate(REVIEWS)
]
WHOLE = [name for name, kind in tasks.TASKS.items() if not kind.continuous]
"""The tasks whose every example is a sequence of its own."""


ALIKE = ("forecast", "recall")
"""Those whose examples are all of one length: windows of series, and damaged patterns."""


def same(mine: object, theirs: object) -> bool:
    """Whether two outputs, tensors in whatever they are held in, are equal to the bit."""
    if isinstance(mine, torch.Tensor):
        return isinstance(theirs, torch.Tensor) and torch.equal(mine, theirs)
    if isinstance(mine, list | tuple):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return mine == theirs


def made(name: str, **tables: dict) -> base.Task:
    kind = tasks.get(name)
    run = RunConfig.of({"network": {"hidden": 24}, **tables}, kind.Config)
    torch.manual_seed(0)
    return kind.prepare(RECORDS[name], run)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_it_overfits_eight_examples(name):
    task = made(name, network={"hidden": 64})
    network, examples = task.build(), task.encode(RECORDS[name])
    if isinstance(task, ComputesWeights):
        task.store(network, task.encode(RECORDS[name], Purpose.TRAIN))
    plan = batching.plan(examples, continuous=task.continuous, batch_size=8, bptt=0, seed=1)
    batch = plan.batch(0, 0)
    config = RunConfig.of({}, tasks.get(name).Config).training
    optimizer = optimizers.optimizer(network, config)
    optimizers.set_rate(optimizer, 0.01)
    for _ in range(250 if parameters.has_trainable(network) else 0):
        optimizer.zero_grad()
        loss = task.objective(network(batch.seq)[0], batch)
        (loss.nats / loss.count).backward()
        optimizers.gradient_norm(network.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        loss = task.loss(network.eval()(batch.seq)[0], batch)
    assert float(loss.nats) / loss.count < 0.15


@pytest.mark.parametrize("extra", [{}, {"zoneout": 0.2, "projection": 7}], ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_a_ragged_batch_is_one_by_one(name, extra):
    task = made(name, network={"hidden": 24, "layers": 2, "cell": "lstm", **extra})
    network, examples = task.build().eval(), task.encode(RECORDS[name])
    assert len({len(example.data) for example in examples}) > 1 or name in ALIKE
    assert isinstance(task, Predictor)
    with torch.no_grad():
        outputs, losses = [], []
        for batch in (batching.collate(examples), *(batching.collate([example]) for example in examples)):
            scores, _ = network(batch.seq)
            outputs.append(task.predict(network, batch, scores))
            losses.append(float(task.loss(scores, batch).nats))
    alone = [output for outputs_of_one in outputs[1:] for output in outputs_of_one]
    torch.testing.assert_close(outputs[0], alone, atol=1e-5, rtol=1e-4)
    assert losses[0] == pytest.approx(sum(losses[1:]), rel=1e-4)


@pytest.mark.parametrize(
    "name", [name for name in WHOLE if name not in ALIKE]
)  # a record is no example there
def test_predictions_come_in_the_order_of_the_examples(name):
    task = made(name)
    assert isinstance(task, PredictsRecords)
    network, records = task.build().eval(), RECORDS[name]
    whole = evaluation.predict(task, network, task.encode(records, Purpose.PREDICT))
    one_by_one = [
        evaluation.predict(task, network, task.encode([record], Purpose.PREDICT)) for record in records
    ]
    torch.testing.assert_close(whole, [output for (output,) in one_by_one], atol=1e-5, rtol=1e-4)
    assert same(evaluation.evaluate(task, network, task.encode(records)).outputs, whole)
    told = [json.dumps(task.answer(output, record)) for output, record in zip(whole, records, strict=True)]
    assert all(len(answer) > len("{}") for answer in told)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_baselines_and_model_are_measured_by_the_same_scores(name):
    task = made(name)
    examples = task.encode(RECORDS[name])
    scores = evaluation.evaluate(task, task.build(), examples).scores
    assert task.selection_metric in scores
    for baseline in task.baselines(examples, {"test": examples})["test"].values():
        assert set(baseline) <= set(scores)
        assert next(iter(baseline)) == next(iter(scores))


def test_scores_that_rise_are_turned_round_and_the_loss_decides_a_tie():
    task = made("classify")
    assert evaluation.goal(task, {"accuracy": 0.9, "loss": 2.0}) < evaluation.goal(
        task, {"accuracy": 0.8, "loss": 1.0}
    )
    assert evaluation.goal(task, {"accuracy": 0.9, "loss": 1.0}) < evaluation.goal(
        task, {"accuracy": 0.9, "loss": 2.0}
    )
    language = made("language")
    assert evaluation.goal(language, {"loss": 1.0}) < evaluation.goal(language, {"loss": 2.0})


def test_an_evaluation_without_predictions_tells_the_loss_alone():
    task = made("classify")
    network, examples = task.build(), task.encode(RECORDS["classify"])
    whole, short = (evaluation.evaluate(task, network, examples, predict=said) for said in (True, False))
    assert short.outputs == []
    assert short.scores == {"loss": whole.scores["loss"]}


@pytest.mark.parametrize("extra", [{}, {"cell": "lstm", "zoneout": 0.2, "projection": 7}], ids=str)
@pytest.mark.parametrize("name", tasks.TASKS)
def test_saved_and_loaded_it_predicts_the_same(name, extra, tmp_path):
    kind = tasks.get(name)
    run = RunConfig.of({"network": {"hidden": 24, **extra}}, kind.Config)
    task = kind.prepare(RECORDS[name], run)
    network = task.build().eval()
    RunFolder(tmp_path).create(run, task)
    RunFolder(tmp_path).save_weights(network.state_dict(), {})
    loaded = RunFolder(tmp_path).load(torch.device("cpu"))
    assert loaded.config == run
    mine = evaluation.evaluate(task, network, task.encode(RECORDS[name]))
    theirs = evaluation.evaluate(loaded.task, loaded.network, loaded.task.encode(RECORDS[name]))
    assert mine.scores == theirs.scores
    assert same(mine.outputs, theirs.outputs)


@pytest.mark.parametrize(
    "name", [name for name, kind in tasks.TASKS.items() if issubclass(kind, Calibratable)]
)
def test_softening_divides_the_scores(name):
    task = made(name)
    assert isinstance(task, Calibratable)
    network = task.build().eval()
    examples = task.encode(RECORDS[name])
    seq = batching.plan(examples, continuous=task.continuous, batch_size=2, bptt=0, seed=1).batch(0, 0).seq
    before = network(seq)[0].detach().clone()
    task.soften(network, 1.25)
    torch.testing.assert_close(network(seq)[0], before / 1.25)


def test_the_best_temperature_has_the_lowest_loss():
    task = made("language")
    network, examples = task.build(), task.encode(RECORDS["language"])
    with torch.no_grad():
        network.output.weight *= 8
    best = calibration.best_temperature(task, network, examples)
    losses = {}
    for hundredths in range(80, 161, 4):
        network_now = task.build()
        network_now.load_state_dict(network.state_dict())
        task.soften(network_now, hundredths / 100)
        losses[hundredths / 100] = evaluation.evaluate(task, network_now, examples).scores["loss"]
    assert abs(min(losses, key=losses.__getitem__) - best) <= 0.04


def test_tasks_are_told_apart_by_name_and_format():
    assert tasks.guess("text", RECORDS["language"][0]) == "language"
    assert tasks.guess("sample", RECORDS["language"][0]) == "language"
    assert tasks.guess("table", RECORDS["classify"][0]) == "classify"
    assert tasks.guess("sample", Record({"syllable": "ka", "script": "kana"}, "s")) == "classify"
    with pytest.raises(elman.errors.TaskError, match="did you mean 'language'"):
        tasks.get("langage")
    with pytest.raises(elman.errors.TaskError) as caught:
        tasks.guess("table", Record({"number": 5}, "t.csv:1"))
    assert str(caught.value) == f"data of format 'table': no task to guess; --task {'|'.join(tasks.TASKS)}"


def test_the_text_is_split_by_characters():
    text = lines(40)
    run = RunConfig.of({"data": {"valid": 0.2, "test": 0.1}}, Language.Config)
    parts = Language.split([Record({"text": text}, "t")], run.data)
    pieces = [records[0].fields["text"] for records in parts]
    assert "".join(pieces) == text
    assert [len(piece) for piece in pieces] == [
        round(len(text) * 0.7),
        round(len(text) * 0.9) - round(len(text) * 0.7),
        len(text) - round(len(text) * 0.9),
    ]


@pytest.mark.parametrize("unit", ["char", "byte", "word", "bpe"])
def test_a_network_that_knows_nothing_scores_the_logarithm(unit):
    kind = tasks.get("language")
    records = [Record({"text": lines(60) + "é"}, "t")]
    task = kind.prepare(
        records, RunConfig.of({"data": {"unit": unit}, "network": {"hidden": 8}}, kind.Config)
    )
    assert isinstance(task, Language)
    network, examples = task.build(), task.encode(records)
    torch.nn.init.zeros_(network.output.weight)
    scores = evaluation.evaluate(task, network, examples).scores
    assert scores["loss"] == pytest.approx(math.log(len(task.vocab)), rel=1e-5)
    assert scores["perplexity"] == pytest.approx(len(task.vocab), rel=1e-4)
    first = len(task.vocab.decode(task.vocab.encode(records[0].fields["text"])[:1]))
    bits = math.log2(len(task.vocab)) * len(examples[0].target) / (len(records[0].fields["text"]) - first)
    assert scores["bits_per_char"] == pytest.approx(bits, rel=1e-5)
    assert next(iter(scores)) == ("perplexity" if unit in ("word", "bpe") else "bits_per_char")


def test_embedding_dropout_drops_whole_symbols():
    task = made("language", network={"hidden": 24, "embedding_dropout": 0.5})
    network = task.build().train()
    vectors = network.embedding(torch.arange(len(task.vocab))[:, None])
    kept = vectors.abs().sum(-1).flatten() > 0
    assert 0 < kept.sum() < len(task.vocab)
    torch.testing.assert_close(vectors[kept, 0], 2 * network.embedding.weight[kept])


def test_tied_weights_are_one_and_survive_saving(tmp_path):
    kind = tasks.get("language")
    run = RunConfig.of({"language": {"tie": True}, "network": {"hidden": 24}}, kind.Config)
    task = kind.prepare(RECORDS["language"], run)
    network = task.build()
    assert network.output.weight is network.embedding.weight
    RunFolder(tmp_path).create(run, task)
    RunFolder(tmp_path).save_weights(network.state_dict(), {})
    loaded = RunFolder(tmp_path).load(torch.device("cpu")).network
    assert loaded.output.weight is loaded.embedding.weight
    assert torch.equal(loaded.embedding.weight, network.embedding.weight)


@pytest.mark.parametrize(
    "options", [{"skip": True}, {"projection": 7}, {"skip": True, "projection": 7}], ids=str
)
def test_tied_weights_are_as_wide_as_what_the_layers_give(options):
    task = made("language", language={"tie": True}, network={"hidden": 24, "layers": 2, **options})
    network = task.build()
    assert network.output.weight is network.embedding.weight
    assert network(batching.collate(task.encode(RECORDS["language"])).seq)[0].shape[-1] == len(task.vocab)
    with pytest.raises(elman.errors.ConfigError, match="what the layers give"):
        made("language", language={"tie": True}, network={"layers": 2, "embedding": 8, **options}).build()


def test_writing_step_by_step_is_reading_the_whole(run: Path):
    model = elman.load(run)
    written = model.sample("the cat", length=25, temperature=0, seed=1)
    ids = torch.from_numpy(model.task.vocab.encode("the cat" + written)).long()[:, None]
    with torch.no_grad():
        scores, _ = model.network(Seq(ids[:-1]))
    unknown = model.task.vocab.unknown
    scores[..., unknown] = -math.inf
    assert torch.equal(scores[len("the cat") - 1 :, 0].argmax(-1), ids[len("the cat") :, 0])


def test_completions_are_the_probabilities_of_the_words(run: Path):
    model = elman.load(run)
    words = model.complete("the dog s", 5)
    assert all(word.startswith("s") for word, _ in words)
    assert [p for _, p in words] == sorted((p for _, p in words), reverse=True)
    assert sum(p for _, p in words) <= 1 + 1e-9
    vocab, (word, probability) = model.task.vocab, words[0]
    ids = torch.from_numpy(vocab.encode("the dog " + word)).long()[:, None]
    with torch.no_grad():
        logits = model.network(Seq(ids))[0][:, 0].double()
    logits[:, vocab.unknown] = -math.inf
    logp = logits.log_softmax(-1)
    begun, spelled = len("the dog s"), len("the dog " + word)
    letters = sum(float(logp[i - 1, ids[i]]) for i in range(begun, spelled))
    ends = [n for n, piece in enumerate(vocab.pieces) if piece and not (piece.isalnum() or piece in b"_'")]
    end = float(logp[-1, ends].exp().sum())
    assert probability == pytest.approx(math.exp(letters) * end, rel=1e-4)


def test_evaluate_beside_baselines_from_the_training_part(run: Path, tmp_path):
    (tmp_path / "other.txt").write_text(lines(20))
    scores = elman.load(run).evaluate(tmp_path / "other.txt")
    assert list(scores)[:2] == ["model", "unigram"]
    assert scores["model"]["bits_per_char"] < scores["unigram"]["bits_per_char"]


def test_state_is_carried_over_windows_of_an_evaluation(run: Path):
    model = elman.load(run)
    examples = model.task.encode([Record({"text": lines(30)}, "t")])
    (example,) = examples
    whole = Batch(Seq(example.data[:, None]), example.target[:, None])
    with torch.no_grad():
        at_once = float(model.task.loss(model.network(whole.seq)[0], whole).nats)
    scored = evaluation.evaluate(model.task, model.network, examples).scores["loss"]
    assert scored == pytest.approx(at_once / len(example.target), rel=1e-5)


def test_a_registered_cell_trains_by_its_name(tmp_path, text):
    from dataclasses import dataclass
    from typing import ClassVar

    from elman import cells
    from elman.nn.cells.base import Cell

    @dataclass(frozen=True)
    class Leaky(Cell):
        """h' = h / 2 + tanh(W x + U h) / 2."""

        gates: ClassVar[int] = 1
        states: ClassVar[int] = 1

        @property
        def name(self) -> str:
            return "leaky"

        def pointwise(self, wx, uh, state):
            return ((state[0] + torch.tanh(wx + uh)) / 2,)

    cells.register("leaky", Leaky())
    model = elman.train(text, out=tmp_path / "run", quiet=True, cell="leaky", **TINY)
    assert model.config.network.cell == "leaky"
    assert elman.load(tmp_path / "run").sample(length=5, seed=1)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_it_does_not_matter_which_part_is_encoded_first(name):
    """No task remembers what it encoded: preview, scores and findings are of the examples they are given."""

    def report(order: tuple[Purpose, ...]) -> list[object]:
        task = made(name)
        before = dict(vars(task))
        parts = {use: task.encode(RECORDS[name], use) for use in order}
        assert vars(task) == before
        network = task.build()
        if isinstance(task, ComputesWeights):
            task.store(network, parts[Purpose.TRAIN])
        network, held = network.eval(), parts[Purpose.VALID]
        judged = evaluation.evaluate(task, network, held)
        findings = task.findings(held, judged.outputs)
        previews = [task.preview(network, held, seed) for seed in (1, 2)]
        previews += [task.preview(network, parts[Purpose.TRAIN], 1), task.preview(network, (), 1)]
        baselines = task.baselines(parts[Purpose.TRAIN], {"valid": held})
        return [judged.scores, findings.tables, sorted(findings.figures), previews, baselines]

    order = (Purpose.TRAIN, Purpose.VALID, Purpose.TEST, Purpose.SCORE)
    torch.manual_seed(3)
    first = report(order)
    torch.manual_seed(3)
    assert report(order[::-1]) == first
