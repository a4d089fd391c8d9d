"""Recognition: what is read, the network, the search, times, errors, and a training from end to end."""

from __future__ import annotations

import csv
import io
import itertools
import json
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch

import elman
from conftest import TINY
from elman import cli, inputs, tasks
from elman.core.errors import ConfigError, DataError, TaskError
from elman.core.records import Record, Seq, Sound
from elman.core.run_config import RunConfig
from elman.data import batching
from elman.data.samples import morse
from elman.inputs import RawValue
from elman.metrics import edit_distance
from elman.nn import ctc
from elman.nn.framing import Frame
from elman.tasks.abilities import HasBeam
from elman.tasks.base import Purpose
from elman.tasks.recognize import error_rates
from elman.tasks.recognize.network import RecognizeNetwork, at_other_speed
from elman.tasks.recognize.task import Recognize
from elman.tasks.recognize.transcript import FrameTimes, Transcript, pieces, transcripts

TONES = {"a": 500, "b": 900, "c": 1400, " ": 0}
RATE = 4000


def tones(text: str, rate: int = RATE) -> np.ndarray:
    """A tone of a tenth of a second for each letter, with half as much silence after it."""
    time = np.arange(rate // 10) / rate
    parts = [np.zeros(rate // 20)]
    for letter in text:
        parts += [0.5 * np.sin(2 * np.pi * TONES[letter] * time), np.zeros(rate // 20)]
    return np.concatenate(parts).astype(np.float32)


def write_wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


TEXTS = ("a b", "bc", "cab", "b ca", "ab", "c a", "ba c", "cc", "a a", "bab", "cb a", "ac")


def records(*more: Record) -> list[Record]:
    made = [
        Record({"audio": Sound(tones(text), RATE), "text": text}, f"l.tsv:{i}")
        for i, text in enumerate(TEXTS, 2)
    ]
    return [*made, *more]


def prepared(**tables) -> Recognize:
    torch.manual_seed(0)
    run = RunConfig.of(
        {"network": {"hidden": 12, "layers": 1}, "signal": {"bands": 8}, **tables}, Recognize.Config
    )
    return Recognize.prepare(records(), run)


def outputs(task, scores):
    """What is predicted of scores [T, V + 1] of one sequence."""
    network = task.build()
    batch = batching.collate(task.encode(records()[:1], Purpose.PREDICT))
    lengths = torch.tensor([len(scores)])
    return task.predict(network, batch, type(network(batch.seq)[0])(scores[:, None], lengths))[0]


def spoken(task: Recognize, path: str, sure: float = 8.0) -> torch.Tensor:
    """Scores [T, V + 1] of a path of letters; _ is a blank."""
    numbers = [
        len(task.vocab) if letter == "_" else int(task.vocab.encode(letter, strict=True)[0])
        for letter in path
    ]
    return sure * torch.nn.functional.one_hot(torch.tensor(numbers), len(task.vocab) + 1).float()


# What is read


def test_what_is_guessed_and_told():
    task = prepared()
    assert task.describe() == {
        "columns": "'audio' is read, 'text' is predicted (guessed; --input and --target set them)",
        "input": "sound as logmel, 8 numbers a step, 2 steps a frame, a frame every 2",
        "texts": "5 symbols of the unit char, and the blank",
        "search": "a beam of 1",
    }
    assert task.selection_metric == "symbol_error_rate"
    assert Recognize.matches(Record({"wav": "a.wav", "transcript": "yes"}, "t"))
    assert Recognize.matches(records()[0])
    assert not Recognize.matches(Record({"path": "a.wav", "label": "yes"}, "t"))
    assert not Recognize.matches(Record({"text": "a.wav", "label": "yes"}, "t"))
    assert not Recognize.matches(Record({"text": "good", "series": [1.0, 2.0]}, "t"))


def test_texts_are_read_as_they_are_compared():
    task = prepared(data={"lower": True})
    record = Record({"audio": Sound(tones("a b"), RATE), "text": "  A \n b "}, "l.tsv:9")
    (example,) = task.encode([record])
    assert task.vocab.decode(example.target.tolist()) == "a b"
    assert example.text == "a b"


def test_a_number_that_is_dictated_is_a_text():
    (example,) = prepared().encode([Record({"audio": Sound(tones("a b"), RATE), "text": 35}, "l.tsv:9")])
    assert example.text == "35"
    assert example.target.tolist() == [0, 0]  # unknown


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"text": "a" * 30},
            "l.tsv:99: expected 59 or more, for 30 symbols and 29 blanks between equal ones",
        ),
        ({"text": "ab" * 15}, "l.tsv:99: expected 30 or more, for 30 symbols, got 9 frames; leave the line"),
        ({"text": "  "}, "l.tsv:99: expected a text, got an empty text; leave the line out"),
        ({"text": 1.5}, "l.tsv:99: expected a text, got float in column 'text'; name the column of texts"),
        (
            {"audio": Sound(tones("a", 8000), 8000)},
            "l.tsv:99: expected 4000 Hz, as the others have, got sound of 8000 Hz; set signal.rate=4000",
        ),
        (
            {"audio": Sound(np.zeros((2, 2)), 4000)},
            "l.tsv:99: expected [N], N > 0, got samples of shape [2, 2]",
        ),
        ({"audio": 5}, "l.tsv:99: expected a sound, as before, got a int"),
    ],
)
def test_what_cannot_be_recognised_is_told(fields, message):
    good = {"audio": Sound(tones("a"), RATE), "text": "a"}
    with pytest.raises(DataError) as caught:
        prepared().encode([Record({**good, **fields}, "l.tsv:99")])
    assert str(caught.value).startswith(message)


def test_a_target_is_not_looked_at_where_it_is_predicted():
    (example,) = prepared().encode([Record({"audio": Sound(tones("a"), RATE)}, "x")], Purpose.PREDICT)
    assert example.target.numel() == 0


def test_a_file_that_is_no_sound_is_told(tmp_path):
    (tmp_path / "a.wav").write_text("not sound, but text")
    (tmp_path / "l.tsv").write_text("path\ttext\na.wav\tyes\n")
    with pytest.raises(DataError) as caught:
        elman.train(tmp_path / "l.tsv", task="recognize", out=tmp_path / "run", quiet=True, valid=0, test=0)
    where = f"{tmp_path / 'a.wav'} (named in {tmp_path / 'l.tsv'}:2): expected a WAV file"
    assert str(caught.value).startswith(where)


def test_nothing_to_recognise_is_told():
    run = RunConfig.of({}, Recognize.Config)
    with pytest.raises(DataError) as caught:
        Recognize.prepare([Record({"a": "one", "b": "two"}, "t.csv:2")], run)
    assert str(caught.value) == (
        "t.csv:2: expected one with the audio, such as the path of a sound file, and one with its text, "
        "got columns 'a', 'b'; name them with --input and --target"
    )
    run = RunConfig.of({"data": {"input": "a"}}, Recognize.Config)
    with pytest.raises(DataError, match=r"expected the path of a sound, .* got 'one'; name the column"):
        Recognize.prepare([Record({"a": "one", "b": "two"}, "t.csv:2")], run)


def signal(value, **settings):
    run = RunConfig.of({"signal": {"normalise": "none", **settings}}, Recognize.Config)
    member = inputs.Signal.learn([RawValue(value, "t:1")], run)
    restored = inputs.restore(inputs.to_content(member), run, "t")
    encoded = member.encode(RawValue(value, "t:1"))
    assert torch.equal(encoded, restored.encode(RawValue(value, "t:1")))
    assert encoded.shape[1] == member.reader().width
    return encoded


def test_a_strip_of_pixels_is_read_by_columns():
    strip = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50
    assert torch.equal(signal(strip), torch.tensor([[0, 150], [50, 200], [100, 250]]) / 255)


def test_strips_are_brought_to_one_height():
    pytest.importorskip("PIL")
    strips = [np.zeros((20, 50), np.uint8), np.zeros((8, 40, 3), np.uint8)]
    assert [list(signal(strip, height=10).shape) for strip in strips] == [[25, 10], [50, 30]]


def test_slopes_stand_beside_the_features():
    ramp = np.arange(12, dtype=np.float32)[:, None] ** 2
    features = signal(ramp, deltas=2)
    assert features.shape == (12, 3)
    torch.testing.assert_close(features[4:8, 1], 2 * torch.arange(4.0, 8.0))
    torch.testing.assert_close(features[4:8, 2], torch.full((4,), 2.0))


def test_a_sound_in_the_hand_is_a_file_of_it(tmp_path):
    samples = tones("abc")
    write_wav(tmp_path / "a.wav", samples)
    read = signal(str(tmp_path / "a.wav"), bands=8)
    whole = Sound((samples * 32767).astype(np.int16), RATE)
    torch.testing.assert_close(signal(whole, bands=8), read)
    assert inputs.identity(whole) != inputs.identity(replaced(whole))


def replaced(sound: Sound) -> Sound:
    samples = sound.samples.copy()
    samples[len(samples) // 2] += 1
    return sound._replace(samples=samples)


# The network


def test_frames_are_counted_as_they_are_made():
    for frame in (Frame(), Frame(2, 2), Frame(5, 2), Frame(3, 1)):
        for steps in range(1, 12):
            run = RunConfig.of(
                {
                    "network": {"hidden": 4, "layers": 1},
                    "recognize": {"frame": frame.size, "hop": frame.hop},
                },
                Recognize.Config,
            )
            member = inputs.Signal.learn([RawValue(np.zeros((steps, 2), np.float32), "t")], run)
            network = RecognizeNetwork(member.reader(), 3, run.network, run.options)
            said, _ = network(Seq(torch.zeros(steps, 1, 2), torch.tensor([steps])))
            assert said.lengths.tolist() == [len(said.scores)] == [frame.frames(steps)]


def test_a_network_of_one_direction_gives_the_whole_piece_by_piece():
    run = RunConfig.of(
        {"network": {"hidden": 6, "layers": 2}, "recognize": {"bidirectional": False, "frame": 2}},
        Recognize.Config,
    )
    value = np.random.default_rng(0).random((12, 3), np.float32)
    member = inputs.Signal.learn([RawValue(value, "t")], run)
    network = RecognizeNetwork(member.reader(), 4, run.network, run.options).eval()
    data = torch.from_numpy(value)[:, None]
    whole, _ = network(Seq(data))
    first, state = network(Seq(data[:4]))
    second, _ = network(Seq(data[4:]), state)
    torch.testing.assert_close(torch.cat([first.scores, second.scores]), whole.scores)


def test_another_speed_is_the_same_sequence_in_other_steps():
    torch.manual_seed(0)
    lengths = torch.tensor([40, 25, 1])
    data = torch.zeros(40, 3, 2)
    for column, length in enumerate(lengths.tolist()):
        data[:length, column] = torch.linspace(0, 1, length)[:, None]
        data[length:, column] = 99
    made, other = at_other_speed(Seq(data, lengths), 0.2)
    assert ((other >= lengths * 0.8 - 0.5) & (other <= lengths * 1.2 + 0.5)).all()
    assert other.tolist() != lengths.tolist()
    for column, length in enumerate(other.tolist()):
        even = torch.linspace(0, 1, length) if length > 1 else torch.zeros(1)
        torch.testing.assert_close(made[:length, column], even[:, None].expand(-1, 2), atol=1e-5, rtol=1e-5)


def test_what_became_too_fast_for_its_text_is_left_out_of_the_objective():
    task = prepared()
    batch = batching.collate(task.encode(records()[:2]))
    said, _ = task.build()(batch.seq)
    short = said._replace(lengths=torch.tensor([2, int(said.lengths[1])]))
    alone = said._replace(scores=said.scores[:, 1:], lengths=said.lengths[1:])
    own = replace(batch, targets=batch.targets[:, 1:])
    assert task.objective(short, batch).nats.item() == pytest.approx(task.loss(alone, own).nats.item())
    assert task.objective(short, batch).count == 2
    assert not task.loss(short, batch).nats.isfinite()
    none = task.objective(said._replace(lengths=torch.tensor([1, 1])), batch)
    assert (none.nats.item(), none.count) == (0, 0)
    none.nats.backward()


# The search


def test_greedy_and_beam_and_what_they_never_write():
    task = prepared()
    scores = spoken(task, "aa_a_bb cc")
    scores[:, task.vocab.unknown] = 20
    for width in (1, 4):
        output = outputs(task.with_beam(width), scores)
        assert task.answer(output, records()[0])["prediction"] == "aab c"
    assert isinstance(task, HasBeam)


def test_probabilities_are_of_the_text_by_all_its_paths():
    task = prepared()
    scores = spoken(task, "a_b_", sure=2)
    for width in (1, 8):
        output = outputs(task.with_beam(width), scores)
        nats = ctc.loss(
            scores.index_fill(1, torch.tensor([0]), -torch.inf)[:, None],
            torch.tensor([4]),
            torch.tensor(output.symbols)[:, None],
            torch.tensor([len(output.symbols)]),
        )
        assert output.logp == pytest.approx(-float(nats))


def test_a_beam_of_no_width_is_told():
    with pytest.raises(ConfigError, match=r"recognize.beam: expected a value at least 1, got 0"):
        prepared().with_beam(0)


def test_known_words_and_a_word_list_bound_the_beam(tmp_path):
    (tmp_path / "words.txt").write_text("cab\nba\n", encoding="utf-8")
    path = str(tmp_path / "words.txt")
    listed = prepared(recognize={"beam": 20, "word_list": path})
    scores = spoken(prepared(), "c_b_ _a_a", sure=3)
    assert task_text(prepared(recognize={"beam": 20}), scores) == "cb aa"
    assert task_text(listed, scores) == "cab ba"
    known = prepared(recognize={"beam": 20, "words": "known"})
    assert set(task_text(known, scores).split()) <= {word for text in TEXTS for word in text.split()}
    again = Recognize.restore(listed.to_text(), listed._run, "v")
    assert task_text(again, scores) == "cab ba"
    assert again.describe()["search"] == "a beam of 20, 2 words"
    with pytest.raises(DataError, match=r"none.txt: no such file or folder"):
        prepared(recognize={"word_list": str(tmp_path / "none.txt")})


def task_text(task: Recognize, scores: torch.Tensor) -> str:
    return task.answer(outputs(task, scores), records()[0])["prediction"]


def test_an_n_gram_model_and_bonuses_turn_the_scale():
    plain = prepared(recognize={"beam": 30})
    scores = spoken(plain, "c_b")  # which is heard a little better than the more frequent a
    scores[2, plain.vocab.encode("a")[0]] = 7.9
    assert task_text(plain, scores) == "cb"
    taught = prepared(recognize={"beam": 30, "ngram": 3, "ngram_weight": 1.0})
    assert taught.describe()["search"] == "a beam of 30, an n-gram model of order 3"
    assert task_text(Recognize.restore(taught.to_text(), taught._run, "v"), scores) == "ca"
    scores = spoken(plain, "a_", sure=0.1)
    many = prepared(recognize={"beam": 30, "symbol_bonus": 5.0})
    assert len(outputs(many, scores).symbols) == 2
    spaced = outputs(prepared(recognize={"beam": 30, "word_bonus": 9.0}), scores)
    assert plain.vocab.encode(" ")[0] in spaced.symbols


@pytest.mark.parametrize("unit", ["char", "byte", "word", "bpe"])
def test_each_unit_writes_texts_and_their_words(unit):
    task = prepared(data={"unit": unit}, recognize={"words": "known", "beam": 4, "ngram": 2})
    example = task.encode(records()[3:4])[0]
    blank = len(task.vocab)
    path = [number for symbol in example.target.tolist() for number in (symbol, blank)]
    scores = 20 * torch.nn.functional.one_hot(torch.tensor(path), blank + 1).float()
    answer = task.answer(outputs(task, scores), records()[0])
    assert answer["prediction"] == "b ca"


# Times


def test_words_and_symbols_have_times():
    one = Transcript([0] * 4, 0.0, torch.tensor([1, 2, 4, 7]), torch.tensor([2, 4, 6, 8]), torch.zeros(9, 5))
    clock = FrameTimes(Frame(3, 2), 0.01)
    told = pieces(["b", " ", "c", "a"], one, clock, words=True)
    assert [piece.text for piece in told] == ["b", "ca"]
    assert [(piece.start, piece.end) for piece in told] == [
        pytest.approx((0.02, 0.05)),
        pytest.approx((0.08, 0.17)),
    ]
    steps = pieces(["b", " ", "c", "a"], one, FrameTimes(Frame(3, 2), 0.0), words=False)
    assert [tuple(piece) for piece in steps] == [("b", 2, 5), (" ", 4, 9), ("c", 8, 13), ("a", 14, 17)]
    subwords = pieces([" b", " c", "a"], replace_spans(one), clock, words=True)
    assert [piece.text for piece in subwords] == ["b", "ca"]


def replace_spans(one: Transcript) -> Transcript:
    return one._replace(symbols=[0] * 3, starts=one.starts[:3], ends=one.ends[:3])


def test_an_empty_text_has_no_times():
    (one,) = transcripts(torch.zeros(3, 1, 4), torch.tensor([3]), [[]])
    assert pieces([], one, FrameTimes(Frame(), 0.0), words=True) == []
    assert one.shares.shape == (3, 1)


def test_edits_are_the_fewest():
    assert edit_distance.edits("kitten", "sitting") == [*zip("kitten", "sittin", strict=True), ("", "g")]
    assert edit_distance.edits("", "ab") == [("", "a"), ("", "b")]
    assert edit_distance.edits(["a", "b"], ["b"]) == [("a", ""), ("b", "b")]
    random = np.random.default_rng(0)
    for _ in range(30):
        a, b = ("".join("abc"[i] for i in random.integers(0, 3, random.integers(0, 8))) for _ in range(2))
        wrong = sum(x != y for x, y in edit_distance.edits(a, b))
        assert wrong == edit_distance.edit_distances([(a, b)])[0]


def test_rates_are_those_of_jiwer():
    jiwer = pytest.importorskip("jiwer")
    right = ["the cat sat", "a", "on the mat", "yes no"]
    said = ["the bat sat on", "a", "", "yes  no"]
    plain = [error_rates.plain(text, lower=False) for text in said]
    told = error_rates.rates(right, plain, unit="char")
    assert told["word_error_rate"] == pytest.approx(jiwer.wer(right, plain))
    assert told["symbol_error_rate"] == pytest.approx(jiwer.cer(right, plain))
    assert told["exact_match"] == 0.5


def test_confusions_and_errors_of_lines():
    right, said = ["aab", "cab", "b"], ["acb", "cab", ""]
    assert error_rates.confusions(right, said, unit="char")[1:] == [("a", "c", 1), ("b", "∅", 1)]
    assert error_rates.errors(right, said, unit="char") == [1, 0, 1]
    assert error_rates.confusions(["a b"], ["a c"], unit="word")[1:] == [("b", "c", 1)]


# Morse


def test_morse_is_keyed_as_the_code_says():
    assert len(set(morse.CODE.values())) == len(morse.CODE) == 36
    assert morse._marks("ET A").tolist() == [1, -3, 3, -7, 1, -1, 3]
    paris = morse._marks("PARIS PARIS")
    assert np.abs(paris)[: len(paris) // 2 + 1].sum() == 50


def test_morse_sounds_where_there_is_a_mark():
    found = list(morse.rows())
    assert len(found) == morse.COUNT
    for _, fields in found[:20]:
        sound = fields["audio"]
        assert (sound.rate, sound.samples.dtype) == (morse.RATE, np.int16)
        edge = int(0.14 * morse.RATE)
        loud = np.abs(sound.samples.astype(int))
        assert loud[:edge].mean() < loud[edge:-edge].mean()
        assert set(fields["text"]) <= {*morse.CODE, " "}
    again = next(itertools.islice(morse.rows(), 7, None))[1]["audio"]
    assert np.array_equal(again.samples, found[7][1]["audio"].samples)


# From end to end


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that learnt three tones, with files of them beside it."""
    folder = tmp_path_factory.mktemp("tones")
    with (folder / "train.tsv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter="\t")
        rows.writerow(["path", "transcript"])
        for number, text in enumerate(TEXTS * 3):
            write_wav(folder / f"{number}.wav", tones(text))
            rows.writerow([f"{number}.wav", text])
    options = TINY | {"hidden": 24, "layers": 1, "epochs": 30, "lr": 0.02, "bands": 8, "weight_noise": 0.01}
    options |= {"speed": 0.1, "valid": 0.0, "test": 0.2, "ema": 0.0, "split": "order"}
    elman.train(folder / "train.tsv", out=folder / "run", quiet=True, **options)
    return folder


def test_it_learns_is_guessed_and_reports(trained):
    results = json.loads((trained / "run/results.json").read_text())
    assert results["training"]["task"] == "recognize"
    scores = results["scores"]["test"]
    assert scores["model"]["symbol_error_rate"] < 0.1
    assert set(scores) == {"model", "nearest training sequence", "most frequent text"}
    assert (trained / "run/alignment.png").exists()


def test_times_are_those_of_the_tones(trained):
    model = elman.load(trained / "run")
    ((answer),) = model.predict([Sound(tones("cab"), RATE)])
    assert answer["prediction"] == "cab"
    assert list(answer) == ["prediction", "logp", "seconds"]
    for place, (letter, start, end) in enumerate(answer["seconds"]):
        assert letter == "cab"[place]
        assert 0.15 * place - 0.05 <= start < end <= 0.15 * place + 0.35


def test_predictions_of_files_by_the_command_line(trained, capsys):
    assert cli.run(["predict", str(trained / "run"), str(trained / "1.wav"), "--beam", "4"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["audio"], told["prediction"]) == (str(trained / "1.wav"), "bc")
    assert cli.run(["predict", str(trained / "run"), str(trained / "train.tsv")]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter="\t"))
    assert len(rows) == 36
    assert json.loads(rows[0]["seconds"].replace('""', '"'))[0][0] == "a"
    assert cli.run(["eval", str(trained / "run"), str(trained / "train.tsv"), "--beam", "2"]) == 0
    assert "symbol error rate" in capsys.readouterr().out


def test_only_what_is_searched_has_a_beam(classifier, capsys):
    assert cli.run(["predict", str(classifier), "-", "--beam", "4"]) == 2
    told = "elman: task 'classify': expected recognize, got a task that does not search with a beam"
    assert capsys.readouterr().err.startswith(told)
    with pytest.raises(TaskError):
        elman.load(classifier).with_beam(2)


def test_it_is_in_the_table():
    assert tasks.get("recognize") is Recognize
