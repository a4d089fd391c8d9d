"""Drawing: strokes, notes and values, from nothing, a class or a text; what is special to it."""

from __future__ import annotations

import io
import json
import math
import re
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import elman
from elman import cli, tasks
from elman.core import interruption
from elman.core.errors import ConfigError, DataError, TaskError
from elman.core.records import Record, Seq
from elman.core.run_config import RunConfig
from elman.data import batching, formats
from elman.decoding.options import SamplingOptions
from elman.nn import encoder
from elman.nn.mixture_densities import END
from elman.nn.recurrent import Recurrent
from elman.tasks import evaluation
from elman.tasks.base import Purpose
from elman.tasks.draw import result
from elman.tasks.draw.network import DrawNetwork, generate
from elman.tasks.draw.result import Curve, PianoRoll, Sketch
from elman.tasks.draw.task import Draw

SQUARE = [[0, 0, 0], [10, 0, 0], [0, 10, 0], [-10, 0, 0], [0, -10, 1]]
CROSS = [[0, 0, 0], [10, 10, 1], [-10, 0, 0], [10, -10, 1]]
TINY = {"hidden": 24, "mixture": 3, "threads": 1, "lr": 0.01, "batch_size": 8}


def shaken(steps: list[list[float]], seed: int) -> list[list[float]]:
    """Strokes by an unsteady hand."""
    noise = np.random.default_rng(seed).normal(size=(len(steps), 2)) * 0.4
    return [[x + dx, y + dy, pen] for (x, y, pen), (dx, dy) in zip(steps, noise.tolist(), strict=True)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSON lines of squares and crosses."""
    path = tmp_path_factory.mktemp("strokes") / "shapes.jsonl"
    rows = [
        {"strokes": shaken(SQUARE if i % 2 else CROSS, i), "label": "square" if i % 2 else "cross"}
        for i in range(120)
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(file: Path) -> Path:
    """A run that learnt them, for reading only."""
    out = file.parent / "run"
    elman.train(file, out=out, quiet=True, epochs=25, valid=0.1, test=0.2, **TINY)
    return out


def test_a_drawing_ends_when_nobody_waits_for_it(trained):
    with pytest.raises(interruption.NobodyWaits), interruption.as_long_as(lambda: False):
        elman.load(trained).draw(2, length=5)


def made(records: list[Record], **tables: dict) -> Draw:
    settings = {"network": {"hidden": 12}, "draw": {"mixture": 3}}
    merged = {name: {**settings.get(name, {}), **tables.get(name, {})} for name in {*settings, *tables}}
    torch.manual_seed(0)
    return Draw.prepare(records, RunConfig.of(merged, Draw.Config))


def strokes(count: int = 6, **fields: object) -> list[Record]:
    return [Record({"strokes": np.array(shaken(SQUARE, i)), **fields}, f"d.jsonl:{i}") for i in range(count)]


def frames(*pieces: list[list[int]]) -> list[Record]:
    return [Record({"notes": np.array(piece)}, f"case {i}") for i, piece in enumerate(pieces, 1)]


def network_of(task: Draw) -> DrawNetwork:
    torch.manual_seed(0)
    return task.build().eval()


# What it learns


def test_squares_and_crosses_are_learnt(trained):
    scores = json.loads((trained / "results.json").read_text())["scores"]["test"]
    assert list(scores) == ["model", "random walk by pen", "random walk"]
    nats = [row["nats_per_step"] for row in scores.values()]
    assert nats[0] < nats[1] - 1
    assert nats[1] < nats[2]
    assert (trained / "drawings.png").stat().st_size > 0


@pytest.mark.parametrize(("start", "steps", "lifts"), [("square", 5, 1), ("cross", 4, 2)])
def test_a_class_is_drawn_when_it_is_asked_for(trained, start, steps, lifts):
    made = elman.load(trained).draw(8, start=start, temperature=0.3, seed=1)
    assert all(isinstance(one, Sketch) for one in made)
    right = [len(one.steps) == steps and one.steps[:, 2].sum() == lifts for one in made]
    assert sum(right) >= 7
    best = made[right.index(True)]
    expected = np.array(SQUARE if start == "square" else CROSS)[:, :2]
    assert np.abs(best.steps[:, :2] - expected).max() < 3
    assert best.start == start


def test_without_a_start_something_is_drawn_too(trained):
    made = elman.load(trained).draw(20, seed=3)
    assert {len(one.steps) for one in made} <= {*range(1, 401)}
    assert len({len(one.steps) for one in made}) > 1


def test_the_same_seed_draws_the_same(trained):
    model = elman.load(trained)
    first, again, other = (model.draw(start="cross", seed=seed)[0].steps for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_it_goes_on_from_a_prefix(trained, tmp_path):
    model, begun = elman.load(trained), np.array(SQUARE[:3], np.float32)
    (drawing,) = model.draw(prefix=begun, start="square", temperature=0, seed=1)
    np.testing.assert_array_equal(drawing.steps[:3], begun)
    assert len(drawing.steps) == 5
    np.save(tmp_path / "begun.npy", begun)
    (again,) = model.draw(prefix=str(tmp_path / "begun.npy"), start="square", temperature=0, seed=1)
    np.testing.assert_array_equal(again.steps, drawing.steps)


def test_how_surprising_each_drawing_is(trained, file):
    model = elman.load(trained)
    out = io.StringIO()
    model.write_predictions(file, out)
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    records = formats.read(str(file))
    total = evaluation.evaluate(model.task, model.network, model.task.encode(records)).scores
    steps = sum(answer["steps"] for answer in answers)
    assert steps == sum(len(record.fields["strokes"]) for record in records)
    assert -sum(answer["logp"] for answer in answers) / steps == pytest.approx(
        total["nats_per_step"], abs=1e-3
    )
    (odd,) = model.predict([[[0, 0, 0], [90, -80, 1], [40, 7, 1]]])
    assert odd["prediction"] > 10 * max(answer["prediction"] for answer in answers)


# Exactly


def test_the_loss_is_the_surprise_of_each_step_and_of_the_end_over_the_steps():
    records = strokes(3)
    task = made(records)
    network, examples = network_of(task), task.encode(records)
    nats = 0.0
    with torch.no_grad():
        for example in examples:
            said, _ = network(Seq(example.data[:, None]))
            nats += float(said.nats(example.target[:, None]).sum())
            assert example.target[-1].tolist() == [0, 0, END]
            np.testing.assert_array_equal(example.target[:-1], example.data[1:])
    steps = sum(len(example.data) - 1 for example in examples)
    scores = evaluation.evaluate(task, network, examples).scores
    assert scores["nats_per_step"] == pytest.approx(nats / steps, rel=1e-5)


@pytest.mark.parametrize("unit", [0.01, 1000.0])
def test_nats_are_in_the_units_of_the_data(unit):
    """In units a times smaller a step of two numbers is ln a + ln a nats more surprising."""
    plain = strokes(6)
    scaled = [Record({"strokes": r.fields["strokes"] * [unit, unit, 1]}, r.where) for r in plain]
    found = []
    for records in (plain, scaled):
        task = made(records)
        examples = task.encode(records)
        rows = task.baselines(examples, {"test": examples})["test"]
        model = evaluation.evaluate(task, network_of(task), examples).scores["nats_per_step"]
        found.append([model, *(row["nats_per_step"] for row in rows.values())])
    for mine, theirs in zip(*found, strict=True):
        assert theirs - mine == pytest.approx(2 * math.log(unit), abs=1e-3)


def test_the_random_walk_is_a_gaussian_and_the_pens_frequencies():
    records = strokes(9)
    task = made(records)
    examples = task.encode(records)
    told = task.baselines(examples, {"test": examples})["test"]["random walk"]["nats_per_step"]
    moves = torch.from_numpy(np.concatenate([r.fields["strokes"][:, :2] for r in records]))
    deviation = math.sqrt(float((moves.float() ** 2).mean()))
    wide = torch.cov(moves.t(), correction=0) + torch.eye(2) * (0.02 * deviation) ** 2
    surprise = -torch.distributions.MultivariateNormal(moves.mean(0), wide).log_prob(moves).sum()
    counts = torch.tensor([4 * 9, 9, 9]) + 1.0  # each has four points, one that is lifted, and an end
    pen = -(torch.tensor([4 * 9, 9, 9]) * (counts / counts.sum()).log()).sum()
    assert told == pytest.approx(float(surprise + pen) / 45, rel=1e-6)


def test_notes_repeat_and_frequencies():
    piece = [[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 0]]
    records = frames(piece, piece)
    task = made(records)
    assert task.describe()["steps"] == "frames of 3 notes, of column 'notes'"
    examples = task.encode(records[:1])
    told = task.baselines(examples, {"test": examples})["test"]
    often = torch.tensor([4 / 6, 4 / 6, 1 / 6])
    nats = -torch.where(torch.tensor(piece) > 0, often, 1 - often).log().sum() / 4
    assert told["notes' frequencies"]["nats_per_step"] == pytest.approx(float(nats), rel=1e-6)
    assert told["notes repeat"]["nats_per_step"] < float(nats)


def test_a_frame_counts_all_its_notes_and_the_first_comes_from_nothing():
    records = frames([[1, 0], [0, 1], [1, 1]], [[0, 0], [1, 0]])
    task = made(records, draw={"chord": 0})
    network, examples = network_of(task), task.encode(records)
    assert examples[0].data[0].tolist() == [0, 0]
    nats, count = 0.0, 0
    with torch.no_grad():
        for record, example in zip(records, examples, strict=True):
            said, _ = network(Seq(example.data[:, None]))
            notes = torch.from_numpy(record.fields["notes"]).float()
            chances = said.logits[: len(notes), 0].sigmoid()
            nats -= float(torch.where(notes > 0, chances, 1 - chances).log().sum())
            count += len(notes)
    scores = evaluation.evaluate(task, network, examples).scores
    assert scores["nats_per_step"] == pytest.approx(nats / count, rel=1e-5)


TEXTS = ["ab", "cab", "b", "abba"]
FOUND = {
    "strokes": strokes(4),
    "class": [Record({**record.fields, "label": "xy"[i % 2]}, "d") for i, record in enumerate(strokes(4))],
    "text": [Record({**record.fields, "text": TEXTS[i]}, "d") for i, record in enumerate(strokes(4))],
    "notes": frames([[1, 0], [0, 1], [1, 1]], [[0, 0], [1, 0]]),
    "values": [Record({"series": np.sin(np.arange(7.0) + i)}, "d") for i in range(4)],
}
CASES = [
    *((name, {}) for name in FOUND),
    ("notes", {"draw": {"chord": 0}}),
    ("text", {"draw": {"feed": False}}),
    ("text", {"network": {"layers": 3, "skip": True}}),
    ("class", {"network": {"layers": 2, "residual": True, "cell": "gru"}}),
    ("strokes", {"network": {"layers": 2, "skip": True, "learn_initial": True}}),
]


@pytest.mark.parametrize(("name", "tables"), CASES)
def test_step_by_step_it_is_the_whole(name, tables):
    """What the stepper says of each step, and the whole cut in two, is what the network says of all."""
    task = made(FOUND[name], **tables)
    network = network_of(task)
    (example,) = task.encode(FOUND[name][:1])
    data, channels = example.data[:, None], task.kind.channels
    codes = data[..., -1].long() if task.start.columns else torch.zeros(1, 1).long()
    with torch.no_grad():
        whole, _ = network(Seq(data))
        first, state = network(Seq(data[:2])) if name != "text" else (None, None)
        advance = network.advance(network.begin(codes))
        stepped = [advance(step[..., :channels])[0] for step in data]
        targets = example.target[:, None].nan_to_num(0.0)
        expected = whole.nats(targets)
        found = torch.stack([said.nats(target) for said, target in zip(stepped, targets, strict=True)])
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        if state is not None:
            second, _ = network(Seq(data[2:]), state)
            pieces = torch.cat([first.nats(targets[:2]), second.nats(targets[2:])])
            torch.testing.assert_close(pieces, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "tables"), CASES)
def test_a_drawing_made_step_by_step_is_as_likely_as_the_network_says(name, tables):
    """At temperature 0 each step is the likeliest after those before it, read again at once."""
    task = made(FOUND[name], **tables)
    network = network_of(task)
    value = {"class": "y", "text": "cab"}.get(name, "")
    (drawing,) = task.draw(network, count=1, length=9, start=value, prefix=None, temperature=0.0, seed=1)
    rows = torch.cat([task.kind.before[None], torch.from_numpy(drawing.steps)])[:, None]
    codes = task.start.codes(value or None, "x")[:, None]
    with torch.no_grad():
        features, _, looks = network.body(Seq(network.reader(rows)), network.begin(codes))
        likeliest = network.head(features).sample(torch.Generator(), 0.0)[:-1, 0]
    width = 2 if name in ("strokes", "class", "text") else task.kind.channels
    torch.testing.assert_close(likeliest[:, :width], rows[1:, 0, :width], atol=1e-3, rtol=1e-4)
    if looks is not None:
        np.testing.assert_allclose(drawing.window, looks[:-1, 0].numpy(), atol=1e-5)


def test_drawing_keeps_nothing_but_the_state():
    task = made(FOUND["notes"])
    steps = generate(
        network_of(task),
        torch.zeros(1, 2).long(),
        task.kind.before[None, None].expand(1, 2, 2),
        temperature=1.0,
        generator=torch.Generator().manual_seed(1),
    )
    with torch.inference_mode():
        drawn = torch.stack([step for step, _ in islice(steps, 2000)])
    assert drawn.shape == (2000, 2, 2)
    assert not drawn.requires_grad


@pytest.mark.parametrize("extra", [{}, {"residual": True}, {"skip": True}, {"layer_norm": True}])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_layers_a_step_at_a_call(cell, extra):
    torch.manual_seed(0)
    layers = Recurrent(cell, 5, 7, layers=3, **extra).eval()
    x, state = torch.randn(6, 2, 5), tuple(torch.randn(3, 2, 7) for _ in range(layers.cell.states))
    with torch.no_grad():
        whole, _ = layers(Seq(x), state)
        step = encoder.stepper(layers, state)
        torch.testing.assert_close(torch.stack([step(each) for each in x]), whole.data, atol=1e-5, rtol=1e-4)


def test_backward_layers_cannot_be_stepped():
    layers = Recurrent("gru", 5, 7, bidirectional=True)
    with pytest.raises(ConfigError, match="bidirectional=True; run it on whole sequences"):
        encoder.stepper(layers, layers.initial(1))


# Starts


def test_some_starts_are_hidden_while_it_learns():
    records = FOUND["class"]
    task = made(records, draw={"free": 0.5})
    network = task.build().train()
    torch.manual_seed(0)
    *_, vector = network.begin(torch.tensor([[1] * 400]))
    hidden = (vector == 0).all(-1).sum()
    assert 150 < hidden < 250
    *_, vector = network.eval().begin(torch.tensor([[1] * 400]))
    assert (vector != 0).any(-1).all()


def test_a_text_is_told_from_classes_by_its_column():
    assert made(FOUND["text"]).describe()["start"] == "a text of 4 characters, up to 4 long, of column 'text'"
    assert made(FOUND["text"], draw={"start": "class"}).start.names() == ["ab", "abba", "b", "cab"]
    assert made(FOUND["text"], draw={"start": "none"}).describe()["start"] == "nothing"
    assert made(FOUND["class"], draw={"start": "text"}).describe()["start"].startswith("a text of 3 char")


def test_a_hidden_start_reads_no_text():
    task = made(FOUND["text"])
    network = network_of(task)
    steps = task.encode(FOUND["text"][3:])[0].data[:, None, :3]
    with torch.no_grad():
        none = network.window(steps, torch.zeros(4, 1).long())
        some = network.window(steps, task.start.codes("abba", "x")[:, None])
    assert not none.any()
    assert some.shape == (6, 1, 4)
    assert some.any()


# Music


def test_transposed_music_is_the_same_in_another_key():
    records = frames([[0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]])
    task = made(records, draw={"keys": 5})
    examples = task.encode(records, Purpose.TRAIN)
    assert len(examples) == 4  # up by one, down by two, and its own; the sixth note is the last
    own = task.encode(records)[0]
    assert sorted(int(example.target[0].nonzero()[0]) for example in examples) == [0, 1, 2, 3]
    for example in examples:
        shift = int(example.target[0].nonzero()[0]) - 2
        assert torch.equal(example.target[:2].roll(-shift, 1), own.target[:2])
        assert torch.equal(example.data[1:], example.target[:2])
    told = task.baselines(examples, {"test": [own]})["test"]
    assert told == task.baselines([own], {"test": [own]})["test"]


def test_keys_are_for_music():
    task = made(strokes(4), draw={"keys": 3})
    with pytest.raises(ConfigError, match=r"draw\.keys: expected frames of notes, got 3 for strokes"):
        task.build()


def test_music_as_midi(tmp_path):
    mido = pytest.importorskip("mido")
    steps = np.zeros((4, 88))
    steps[0:2, 39], steps[2, 41], steps[1:4, 0] = 1, 1, 1
    result.save(tmp_path / "a.mid", [PianoRoll(steps, rate=2.0), PianoRoll(steps[:1], rate=2.0)])
    read = mido.MidiFile(tmp_path / "a.mid")
    time, found = 0.0, []
    for message in read:
        time += message.time
        if not message.is_meta:
            found.append((round(time, 3), message.type, message.note))
    assert found == [
        (0.0, "note_on", 60),
        (0.5, "note_on", 21),
        (1.0, "note_off", 60),
        (1.0, "note_on", 62),
        (1.5, "note_off", 62),
        (2.0, "note_off", 21),
        (4.0, "note_on", 60),
        (4.5, "note_off", 60),
    ]


def test_notes_beyond_midi(tmp_path):
    steps = np.zeros((1, 128))
    steps[0, 127] = 1
    with pytest.raises(TaskError, match="MIDI: expected notes up to 127, got note 148; train with a lower"):
        PianoRoll(steps).changes()


# What is shown


def test_strokes_are_lines_of_points():
    lines = Sketch(np.array(CROSS, float)).lines()
    assert [line.tolist() for line in lines] == [[[0, 0], [10, 10]], [[0, 10], [10, 0]]]


def test_an_svg_file_of_drawings(tmp_path):
    sketches = [Sketch(np.array(CROSS, float), "a < b"), Sketch(np.array([[3.0, 4.0, 1.0]]))]
    result.save(tmp_path / "x.svg", sketches)
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    paths = root.findall(f"{name}g/{name}path")
    assert paths[0].find(f"{name}title").text == "a < b"
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", paths[0].get("d"))]
    assert (min(numbers), max(numbers)) == (pytest.approx(14.4), pytest.approx(105.6))
    assert paths[0].get("d").count("M") == 2
    assert paths[1].get("d") == "M180.0 60.0L180.0 60.0"  # a dot


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize(
    "drawing",
    [
        Sketch(np.array(CROSS, float), "cross"),
        PianoRoll(np.eye(5)),
        Curve(np.random.default_rng(1).random((9, 2))),
    ],
)
def test_pictures_by_matplotlib(tmp_path, drawing, suffix):
    result.save(tmp_path / f"x{suffix}", [drawing, drawing])
    assert (tmp_path / f"x{suffix}").stat().st_size > 500


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_steps_that_are_written_can_be_read(tmp_path, suffix):
    sketches = [Sketch(np.array(CROSS, np.float32), "cross"), Sketch(np.array(SQUARE, np.float32), "square")]
    result.save(tmp_path / f"x{suffix}", sketches)
    records = formats.read(str(tmp_path / f"x{suffix}"))
    assert [record.fields["label"] for record in records] == ["cross", "square"]
    task = made(records)
    for record, sketch in zip(records, sketches, strict=True):
        np.testing.assert_array_equal(task.columns.read(record), sketch.steps)


def test_a_preview_in_braille():
    assert Sketch(np.array(SQUARE, float)).text() == ["⡏⠉⠉⠉⠉⠉⠉⠉⠉⢹", *["⡇⠀⠀⠀⠀⠀⠀⠀⠀⢸"] * 3, "⣇⣀⣀⣀⣀⣀⣀⣀⣀⣸"]
    piece = np.zeros((2, 88))
    piece[0, [39, 43]] = 1
    assert PianoRoll(piece).text() == ["C4 E4 | -"]
    assert Curve(np.array([[0.0], [1.0]])).text() == ["▁█"]
    assert len(result.beside([Sketch(np.array(SQUARE, float))] * 2).splitlines()) == 5


def test_no_file_of_another_kind(tmp_path):
    with pytest.raises(TaskError, match=r"expected one of .svg, .png, .pdf, .mid, .midi, .npz, .jsonl"):
        result.save(tmp_path / "x.gif", [PianoRoll(np.eye(3))])
    with pytest.raises(TaskError, match="expected frames of notes, got drawings that are not music"):
        result.save(tmp_path / "x.mid", [Sketch(np.array(CROSS))])


# From the command line


def run_cli(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.run([str(word) for word in words])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_draws(trained, tmp_path, capsys):
    out = tmp_path / "x.svg"
    said = run_cli(capsys, "sample", trained, "--count", 3, "--start", "cross", "--seed", 1, "--out", out)
    assert said == (0, f"wrote {out}\n", "")
    assert out.read_text().count("<path") == 3
    code, lines, _ = run_cli(capsys, "sample", trained, "--start", "cross", "--seed", 1, "--length", 2)
    row = json.loads(lines)
    assert (code, row["label"], len(row["strokes"])) == (0, "cross", 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--start", "crss"], "elman: start: unknown class 'crss'; did you mean 'cross'?"),
        (["--prompt", "The"], "elman: --prompt: not for {run}, which draws; leave it out"),
        (["--count", "0"], "elman: count: expected at least 1, got 0"),
        (["--temperature", "-1"], "elman: temperature: expected at least 0, got -1.0"),
        (
            ["--prefix", "no.npy"],
            "elman: no.npy (named in prefix): no such file or folder",
        ),
    ],
)
def test_what_cannot_be_drawn_is_told(trained, capsys, words, message):
    code, _, error = run_cli(capsys, "sample", trained, *words)
    assert code == 2
    assert error.startswith(message.format(run=trained))


def test_a_language_model_does_not_draw(run, capsys):
    code, _, error = run_cli(capsys, "sample", run, "--start", "cross")
    assert (code, error) == (2, f"elman: --start: not for {run}, which writes; leave it out\n")
    with pytest.raises(TaskError, match="expected draw, got a task that does not draw; use elman sample"):
        elman.load(run).draw()


# Data


def test_the_task_is_guessed_from_what_can_only_be_drawn(tmp_path):
    assert tasks.guess("sample", formats.read("sample:curves")[0]) == "draw"
    assert tasks.guess("sample", formats.read("sample:chords")[0]) == "draw"
    np.savez(tmp_path / "a.npz", x=np.array(SQUARE + CROSS), lengths=[5, 4])
    assert tasks.guess("arrays", formats.read(str(tmp_path / "a.npz"))[0]) == "draw"
    np.savez(tmp_path / "b.npz", x=np.random.default_rng(1).random((4, 6, 2)), y=list("abab"))
    assert tasks.guess("arrays", formats.read(str(tmp_path / "b.npz"))[0]) == "classify"


def test_a_manifest_of_files(tmp_path):
    for name, steps in (("a", SQUARE), ("b", CROSS)):
        np.save(tmp_path / f"{name}.npy", np.array(steps))
    (tmp_path / "list.csv").write_text("path,label\na.npy,square\nb.npy,cross\n")
    records = formats.read(str(tmp_path / "list.csv"))
    task = made(records)
    assert task.describe()["start"] == "one of 2 classes, of column 'label'"
    assert [len(example.data) for example in task.encode(records)] == [6, 5]


def test_values_of_any_kind():
    task = made(FOUND["values"])
    assert task.describe()["steps"] == "1 values, of column 'series'"
    examples = task.encode(FOUND["values"])
    told = task.baselines(examples, {"test": examples})["test"]
    assert told["line from the step before"]["loss"] < told["one Gaussian"]["loss"]
    (curve,) = task.draw(network_of(task), count=1, length=5, start="", prefix=None, temperature=1.0, seed=1)
    assert isinstance(curve, Curve)
    assert curve.steps.shape == (5, 1)


def curves(offset: float) -> list[Record]:
    random = np.random.default_rng(0)
    rounds = random.normal(size=(30, 12, 2)).cumsum(1).round(2) * 4
    return [Record({"series": offset + one}, f"c:{place}") for place, one in enumerate(rounds)]


@pytest.mark.parametrize("offset", [2.0**20, 2.0**30])
def test_values_far_from_0_are_drawn_as_those_near_it(offset):
    """As coordinates of a map are: float32 would leave nothing of what differs."""
    found = []
    for records in (curves(0), curves(offset)):
        task = made(records)
        examples = task.encode(records)
        task = Draw.restore(task.to_text(), task._run, "vocab.json")
        network = network_of(task)
        batch = batching.collate(examples)
        nats = task.loss(network(batch.seq)[0], batch).nats.item()
        options = {"count": 2, "length": 6, "start": "", "temperature": 0.7, "seed": 1}
        prefix = records[0].fields["series"][:5]
        drawn = np.stack([one.steps for one in task.draw(network, prefix=prefix, **options)])
        stream = task.streamer(network)
        ends, state = stream.ends(None), stream.start(None)
        said, state = stream.run(Seq(ends.encoder.encode(prefix)[:, None]), state)
        following = ends.decoder.decode(said[-1, 0]).following
        mean = following.mean.numpy()
        composed = next(stream.compose(state, torch.Generator().manual_seed(1), SamplingOptions()))
        base = task.baselines(examples, {"test": examples})["test"]["one Gaussian"]["loss"]
        found.append((nats, drawn, mean, said[..., -1].numpy(), composed.numpy(), base))
    (near, far) = found
    for one, other, moved in zip(near, far, (0, offset, offset, 0, offset, 0), strict=True):
        np.testing.assert_allclose(np.asarray(other) - moved, one, rtol=2e-4, atol=2e-4)
    assert far[1].dtype == np.float64


def test_values_that_differ_little_are_told_apart():
    small = [Record({"series": 1e-9 * one.fields["series"]}, one.where) for one in curves(0)]
    losses = []
    for records, unit in ((curves(0), 1.0), (small, 1e-9)):
        task = made(records)
        examples = task.encode(records)
        batch = batching.collate(examples)
        loss = task.loss(network_of(task)(batch.seq)[0], batch)
        losses.append(loss.nats.item() / loss.count - 2 * math.log(unit))
    assert losses[1] == pytest.approx(losses[0], abs=1e-3)


def test_places_of_a_pen_are_no_moves():
    places = [
        Record({"strokes": [[1e6 + x, 2e6 + x * x, float(x == 8)] for x in range(9)]}, f"p:{place}")
        for place in range(4)
    ]
    with pytest.raises(
        DataError, match=r"strokes: expected dx, dy from a point to the next, got moves about 1e"
    ):
        made(places)


NAN = float("nan")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([[0, 0, 0], [1, NAN, 1]], "bad:1: expected a number, got nan at step 2, column 2"),
        ([[0, 0, 0], [float("inf"), 1, 1]], "bad:1: expected a number, got inf at step 2, column 1"),
        ([[0, 0], [1, 1]], "bad:1: expected 3 (dx, dy, pen up), got 2 columns"),
        ([[0, 0, 0], [5, 5, 0.5]], "bad:1: expected 0 or 1, got 0.5 at step 2, column 3"),
        ([], "bad:1: a drawing without any step; leave it out"),
        ([[0, 0, 0], [1, 1]], "bad:1: no sequence of steps ("),
        ("a house", "bad:1: expected a list of steps, an array, or the path of a .npy file, got 'a house'"),
        ([[[1, 2, 0]]], "bad:1: expected steps [T, C], got an array of shape [1, 1, 3]"),
    ],
)
def test_a_broken_drawing_is_told_with_its_place(steps, message):
    task = made(strokes(4))
    with pytest.raises(DataError) as caught:
        task.encode([Record({"strokes": steps}, "bad:1")])
    assert str(caught.value).startswith(message)


def test_broken_drawings_among_those_to_learn_from():
    records = [*strokes(3), Record({"strokes": [[1, 2]]}, "bad:7")]
    with pytest.raises(DataError, match=r"bad:7: expected 3, got 2 columns"):
        made(records)
    with pytest.raises(DataError, match=r"bad:7: expected 3 \(dx, dy, pen up\), got 2 columns"):
        made(records, draw={"kind": "strokes"})


def test_notes_are_on_or_off():
    task = made(frames([[1, 0], [0, 1]]))
    with pytest.raises(DataError, match=r"bad: expected 0 or 1, got 0.5 at step 1, column 2; a note is on"):
        task.encode([Record({"notes": [[0, 0.5]]}, "bad")])
    with pytest.raises(DataError, match=r"bad: expected 2 notes, as the others have, got 3 columns"):
        task.encode([Record({"notes": [[0, 1, 0]]}, "bad")])


def test_lengths_that_do_not_add_up(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array(SQUARE), lengths=[3, 3])
    with pytest.raises(DataError, match="2 lengths that sum to 6"):
        formats.read(str(tmp_path / "a.npz"))


def test_starts_that_are_missing_or_unknown():
    task = made(FOUND["class"])
    drawing = FOUND["class"][0].fields["strokes"]
    for fields, message in (
        ({"strokes": drawing, "label": "z"}, "r: unknown class 'z'; known: x, y"),
        ({"strokes": drawing, "label": ""}, "r: nothing in column 'label'; fill it, or leave the line out"),
        ({"strokes": drawing, "lable": "x"}, "r: no column 'label'; did you mean 'lable'?"),
    ):
        with pytest.raises(DataError) as caught:
            task.encode([Record(fields, "r")])
        assert str(caught.value) == message
    assert len(task.encode([Record({"strokes": drawing}, "r")], Purpose.PREDICT)) == 1
    with pytest.raises(DataError, match="'x' for a model that starts from nothing; train with a class"):
        made(strokes(4)).start.codes("x", "start")
    with pytest.raises(DataError, match="expected a class, got no column to start from"):
        made(strokes(4), draw={"start": "class"})


def test_texts_that_cannot_be_written():
    task = made(FOUND["text"])
    with pytest.raises(elman.errors.VocabError, match="start"):
        task.start.codes("abQ", "start")
    long = Record({"strokes": CROSS, "text": "abcabc"}, "r")
    with pytest.raises(DataError, match="r: expected a step at least for each character, got a text of 6"):
        task.encode([long])
