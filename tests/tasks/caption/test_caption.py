"""Captions: pictures, films and features to words; what is special to them."""

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
from elman.core.errors import DataError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data import batching, formats
from elman.inputs import Image as inputs_Image
from elman.inputs import RawValue, Signal
from elman.nn.convolution import Convolution, disturbed, map_size
from elman.tasks import evaluation
from elman.tasks.base import Purpose
from elman.tasks.caption.network import Still
from elman.tasks.caption.task import Caption
from elman.tasks.seq2seq.translator import Translator
from elman.training import optimizers

COLORS = {"red": (220, 20, 20), "green": (20, 180, 40), "blue": (30, 40, 230), "white": (255, 255, 255)}
SIZE = 12
LEARNT = {"hidden": 64, "channels": 16, "blocks": 2, "epochs": 15, "batch_size": 8, "lr": 0.005, "threads": 1}


def picture(grey: int, color: str, low: bool) -> np.ndarray:
    """[12, 12, 3]: a bar on grey, high or low."""
    pixels = np.full((SIZE, SIZE, 3), grey, np.uint8)
    pixels[slice(7, 11) if low else slice(1, 5)] = COLORS[color]
    return pixels


SCENES = [(grey, color, low) for grey in range(60, 180, 20) for color in COLORS for low in (True, False)]
RECORDS = [
    Record(
        {"picture": picture(*scene), "caption": f"a {scene[1]} bar {'below' if scene[2] else 'above'}"},
        f"n {i}",
    )
    for i, scene in enumerate(SCENES)
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the scenes, each in two rows: two captions are right for it."""
    folder = tmp_path_factory.mktemp("scenes")
    rows = ["path\tcaption"]
    for grey, color, low in SCENES:
        name, where = f"{grey}-{color}-{low:d}.png", "below" if low else "above"
        Image.fromarray(picture(grey, color, low)).save(folder / name)
        rows += [f"{name}\ta {color} bar {where}", f"{name}\t{where} is a {color} bar"]
    (folder / "scenes.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "scenes.tsv"


@pytest.fixture(scope="module")
def trained(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learnt them, for reading only."""
    out = tmp_path_factory.mktemp("caption") / "run"
    elman.train(manifest, out=out, quiet=True, valid=0.1, test=0.3, **LEARNT)
    return out


def made(records: list[Record], **tables: dict) -> Caption:
    settings = {"network": {"hidden": 16}, "caption": {"channels": 8}}
    merged = {name: {**settings.get(name, {}), **tables.get(name, {})} for name in {*settings, *tables}}
    torch.manual_seed(0)
    return Caption.prepare(records, RunConfig.of(merged, Caption.Config))


def write(folder: Path, rows: str) -> list[Record]:
    (folder / "list.csv").write_text(rows, encoding="utf-8")
    return formats.read(str(folder / "list.csv"))


def test_the_task_is_guessed_from_pictures_with_captions():
    assert tasks.guess("sample", formats.read("sample:shapes")[0]) == "caption"
    assert tasks.guess("table", Record({"path": "a.png", "caption": "a cat"}, "t.csv:2")) == "caption"
    assert tasks.guess("table", Record({"path": "a.png", "label": "cat"}, "t.csv:2")) == "classify"


def test_columns_are_found_in_any_order():
    seen = RECORDS[0].fields["picture"]
    found = made([Record({"caption": "a cat", "path": seen}, "x")]).columns
    assert (found.input, found.target) == ("path", "caption")
    found = made([Record({"id": "7", "image": seen, "text": "a cat"}, "x")]).columns
    assert (found.input, found.target) == ("image", "text")
    said = {"caption": "a cat", "near": seen, "far": seen}
    found = made([Record(said, "x")], data={"input": "far"}).columns
    assert (found.input, found.target) == ("far", "caption")


def test_pictures_are_told_apart(trained):
    results = json.loads((trained / "results.json").read_text())
    scores = results["scores"]["test"]
    assert scores["model"]["exact_match"] > 0.6 > scores["most frequent caption"]["exact_match"]
    assert list(scores) == ["model", "nearest training picture", "most frequent caption"]
    assert next(iter(scores["model"])) == "bleu"
    assert scores["model"]["bleu_1"] >= scores["model"]["bleu_2"] >= scores["model"]["bleu_3"]
    assert results["figures"] == ["attention"]
    assert (trained / "attention.png").stat().st_size > 0
    assert "(right: " in results["sample"]


def test_predictions_are_added_to_the_manifest(trained, manifest):
    out = io.StringIO()
    elman.load(trained).write_predictions(manifest, out)
    head, first, *_ = out.getvalue().splitlines()
    assert head == "path\tcaption\tprediction\tlogp"
    assert first.startswith("60-red-1.png\ta red bar below\t")
    path = str(manifest.parent / "60-red-1.png")
    (answer,) = elman.load(trained).predict([path])
    assert first.split("\t")[2] == answer["prediction"]
    assert elman.load(trained).predict([Path(path)]) == [answer]


def test_a_single_path_is_not_read_as_many(trained):
    for use in (elman.load(trained).predict, elman.load(trained).translate):
        with pytest.raises(
            DataError, match=r"^values: expected several, got one, 'a.png'; put it into a list$"
        ):
            use("a.png")


def test_several_captions_with_where_each_word_looked(trained, manifest):
    model = elman.load(trained)
    ((best, second),) = model.translate([str(manifest.parent / "100-blue-0.png")], beam=4, count=2)
    assert best.score >= second.score
    assert best.text != second.text
    assert best.map == map_size(SIZE, SIZE, 2) == (3, 3)
    assert best.attention.shape == (len(best.symbols), 9)
    np.testing.assert_allclose(best.attention.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(best.source, picture(100, "blue", False))
    assert " ".join(best.symbols[:-1]) == best.text


def test_a_caption_begins_as_it_is_asked_to(trained, manifest):
    ((line,),) = elman.load(trained).translate([str(manifest.parent / "100-blue-0.png")], prefix="above is")
    assert line.text.startswith("above is")


def test_every_caption_is_learnt_from_and_each_is_right():
    records = [
        Record({"picture": RECORDS[0].fields["picture"], "captions": ["one two three four", "five"]}, "a:1"),
        Record({"picture": RECORDS[1].fields["picture"], "captions": ["six six"]}, "a:2"),
    ]
    task = made(records)
    examples = task.encode(records)
    assert [example.text for example in examples] == ["one two three four", "five", "six six"]
    assert examples[0].data is examples[1].data
    said = ["five", "no matter", "six six"]
    assert task.wording.scores(examples, said)["exact_match"] == 1
    assert task.wording.scores(examples, ["no", "five", "six six"])["exact_match"] == 0.5


def test_all_captions_of_a_picture_stay_on_one_side(manifest):
    records = formats.read(str(manifest))
    run = RunConfig.of({"data": {"valid": 0.3, "test": 0.3}}, Caption.Config)
    parts = Caption.split(records, run.data)
    paths = [{record.fields["path"] for record in part} for part in parts]
    assert all(paths)
    assert not paths[0] & paths[1]
    assert not paths[0] & paths[2]
    assert not paths[1] & paths[2]


@pytest.mark.parametrize("attention", ["general", "none"])
@pytest.mark.parametrize("feed", [True, False])
def test_eight_pictures_are_learnt_by_heart(attention, feed):
    records = RECORDS[:40:5]
    task = made(records, caption={"attention": attention, "feed": feed, "shift": 0.0, "zoom": 0.0})
    network, batch = task.build(), batching.collate(task.encode(records))
    assert isinstance(network.source, Still)
    optimizer = optimizers.optimizer(network, RunConfig.of({}, Caption.Config).training)
    optimizers.set_rate(optimizer, 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = task.objective(network(batch.seq)[0], batch)
        (loss.nats / loss.count).backward()
        optimizers.gradient_norm(network.parameters(), 1.0)
        optimizer.step()
    scores = evaluation.evaluate(task, network.eval(), task.encode(records)).scores
    assert scores["exact_match"] == 1
    figures = task.findings(
        task.encode(records), evaluation.predict(task, network, task.encode(records))
    ).figures
    assert list(figures) == ([] if attention == "none" else ["attention"])


def test_pictures_beside_others_get_what_they_get_alone():
    task = made(RECORDS[:6])
    assert isinstance(task, Translator)
    network, examples = task.build().eval(), task.encode(RECORDS[:6], Purpose.PREDICT)
    together = evaluation.predict(task, network, examples)
    alone = [evaluation.predict(task, network, [example])[0] for example in examples]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_the_nearest_picture_and_the_most_frequent_caption():
    train = [RECORDS[0], RECORDS[0], RECORDS[41]]
    task = made(train)
    near = np.clip(RECORDS[41].fields["picture"].astype(int) + 3, 0, 255).astype(np.uint8)
    held = [Record({"picture": near, "caption": RECORDS[41].fields["caption"]}, "near")]
    told = task.baselines(task.encode(train), {"test": task.encode(held)})["test"]
    assert told["nearest training picture"]["exact_match"] == 1
    assert told["most frequent caption"]["exact_match"] == 0


def test_bleu_of_shorter_grams():
    task = made(RECORDS[:2])
    held = task.encode(RECORDS[:1])  # a red bar below
    told = task.wording.shorter_bleus(held, ["a red spot below"])
    assert told["bleu_1"] == pytest.approx(100 * 3 / 4)
    assert told["bleu_2"] == pytest.approx(100 * (3 / 4 * 1 / 3) ** 0.5)


def test_features_are_one_step_or_several(tmp_path):
    np.save(tmp_path / "one.npy", np.arange(5.0))
    np.save(tmp_path / "two.npy", np.arange(10.0).reshape(2, 5))
    records = write(tmp_path, "features,caption\none.npy,a vector\ntwo.npy,a longer one\n")
    task = made(records)
    assert isinstance(task.input, Signal)
    assert [list(example.data.shape) for example in task.encode(records)] == [[1, 5], [2, 5]]
    outputs = evaluation.predict(task, task.build().eval(), task.encode(records, Purpose.PREDICT))
    (example, _), (line, _) = task.encode(records), outputs
    assert task.translation(line, records[0], example).source == ["1"]


def test_a_film_is_a_folder_a_list_or_an_array(tmp_path):
    frames = np.stack([picture(60, color, True) for color in ("red", "green", "blue")])
    (tmp_path / "film").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "film" / f"{number}.png")
    paths = [f"film/{number}.png" for number in range(3)]
    where = f"{tmp_path}/list.jsonl:1"
    values = [RawValue(frames, where), RawValue(paths, where), RawValue("film", where)]
    member = inputs_Image.learn(values[:1], RunConfig.of({}, Caption.Config))
    assert member.film
    for value in values:
        assert inputs_Image.reads(value)
        assert torch.equal(member.encode(value), torch.from_numpy(frames.reshape(3, -1)))
    records = [Record({"video": raw.value, "caption": "it moves"}, where) for raw in values]
    task = made(records)
    outputs = evaluation.predict(task, task.build().eval(), task.encode(records, Purpose.PREDICT))
    assert all(output.attention.shape[1] == 3 for output in outputs)


def test_grey_is_colour_and_sizes_are_brought_to_one(tmp_path):
    grey = np.arange(96, dtype=np.uint8).reshape(8, 12)
    run = RunConfig.of({}, Caption.Config)
    member = inputs_Image.learn([RawValue(grey, "x")], run)
    pixels = member.pixels(member.encode(RawValue(grey, "x")))
    np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, 2))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(
        member.pixels(member.encode(RawValue("grey.png", f"{tmp_path}/l.csv:2"))), pixels
    )
    sized = inputs_Image.learn([RawValue(grey, "x")], RunConfig.of({"signal": {"size": 6}}, Caption.Config))
    assert sized.encode(RawValue(RECORDS[0].fields["picture"], "y")).shape == (1, 6 * 6 * 3)
    assert sized.about() == "pictures of 6 x 6 pixels"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "no.png,a cat",
            "{tmp}/no.png (named in {tmp}/list.csv:3): cannot be read: No such file or directory",
        ),
        ("text.png,a cat", "{tmp}/text.png (named in {tmp}/list.csv:3): expected one of .png"),
        ("good.png,", "{tmp}/list.csv:3: expected a text, got an empty caption; leave the line out"),
        (
            "wide.png,a cat",
            "{tmp}/list.csv:3: expected 12 x 12, as the others have, got a picture of 12 x 20",
        ),
        ("a cat,a cat", "{tmp}/list.csv:3: expected a picture, got 'a cat', which names none"),
        ("good.png,a a a a a a", "{tmp}/list.csv:3: expected at most 5, got a target of 6 symbols"),
        ("film,a cat", "{tmp}/list.csv:3: expected a picture, got a film"),
    ],
)
def test_faults_are_told_with_their_place(tmp_path, rows, message):
    Image.fromarray(RECORDS[0].fields["picture"]).save(tmp_path / "good.png")
    Image.fromarray(np.zeros((12, 20, 3), np.uint8)).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "film").mkdir()
    records = write(tmp_path, f"path,caption\ngood.png,a cat\n{rows}\n")
    with pytest.raises(elman.errors.DataError) as caught:
        made(records, caption={"longest": 5}).encode(records)
    assert str(caught.value).startswith(message.format(tmp=tmp_path))


def test_what_cannot_be_described_is_told(tmp_path):
    records = write(tmp_path, "path,caption\na cat,a cat\n")
    with pytest.raises(elman.errors.DataError, match="expected one with what is described"):
        made(records)
    with pytest.raises(elman.errors.DataError, match="--task translate reads texts"):
        made(records, data={"input": "path"})
    with pytest.raises(elman.errors.DataError, match="int in column 'caption'"):
        made([Record({"picture": RECORDS[0].fields["picture"], "caption": 5}, "a:1")])
    (tmp_path / "film").mkdir()
    records = write(tmp_path, "path,caption\nfilm,a cat\n")
    with pytest.raises(elman.errors.DataError, match="a folder without a picture"):
        made(records)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 16), (32, 32)])
@pytest.mark.parametrize("blocks", [1, 3])
def test_the_size_of_a_map(size, blocks):
    maps = Convolution(4, blocks, 2)(torch.zeros(2, 3, *size))
    assert maps.shape == (2, 4 << (blocks - 1), *map_size(*size, blocks))


NONE = {"shift": 0.0, "zoom": 0.0, "turn": 0.0, "flip": False, "brightness": 0.0}


def test_noise_moves_a_film_as_one():
    torch.manual_seed(1)
    frames = torch.rand(1, 64, 3, 9, 9)
    film = frames.repeat(2, 1, 1, 1, 1)
    assert torch.equal(disturbed(film, **NONE), film)
    moved = disturbed(film, **{**NONE, "shift": 0.2, "turn": 20.0, "zoom": 0.1, "brightness": 0.1})
    assert moved.shape == film.shape
    assert torch.equal(moved[0], moved[1])
    assert not torch.isclose(moved, film).all()


def test_half_of_the_pictures_are_mirrored():
    torch.manual_seed(1)
    pictures = torch.rand(1, 64, 3, 8, 8)
    seen = disturbed(pictures, **{**NONE, "flip": True})
    same = torch.isclose(seen, pictures, atol=1e-4).flatten(2).all(2)[0]
    mirrored = torch.isclose(seen, pictures.flip(4), atol=1e-4).flatten(2).all(2)[0]
    assert (same ^ mirrored).all()
    assert 10 < mirrored.sum() < 54


def test_a_shift_is_no_more_than_is_asked_for():
    """A light in the middle of 21 pixels may move by two of them, and does."""
    torch.manual_seed(1)
    pictures = torch.zeros(1, 200, 1, 21, 21)
    pictures[..., 10, 10] = 1
    seen = disturbed(pictures, **{**NONE, "shift": 2 / 21})[0, :, 0]
    places = torch.arange(21.0)
    rows = (seen.sum(2) * places).sum(1) / seen.sum((1, 2))
    columns = (seen.sum(1) * places).sum(1) / seen.sum((1, 2))
    for found in (rows, columns):
        assert 1.5 < (found - 10).abs().max() <= 2.001
