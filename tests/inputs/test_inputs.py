"""Inputs: a raw value becomes a sequence, the same after saving; what is broken is told with its place."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elman import inputs
from elman.core.errors import ConfigError, DataError, RunError, VocabError
from elman.core.run_config import RunConfig
from elman.core.settings import Settings
from elman.inputs import RawValue
from elman.inputs.signals.signal_input import Signal
from elman.inputs.text.text_input import Text
from elman.nn.augmentation import SignalAugmentation
from elman.nn.embedding import Embedding


class Own(Settings):
    """No settings of its own."""

    section = "own"


def run(**tables: dict) -> RunConfig:
    return RunConfig.of(tables, Own)


def raws(*values: Any) -> list[RawValue]:
    return [RawValue(value, f"t.csv:{line}") for line, value in enumerate(values, 2)]


def learnt(*values: Any, **tables: dict) -> inputs.Input:
    return inputs.learn(raws(*values), run(**tables))


def encoded(member: inputs.Input, value: Any, where: str = "t.csv:9") -> torch.Tensor:
    return member.encode(RawValue(value, where))


def series(steps: int, channels: int) -> np.ndarray:
    return np.random.default_rng(steps).normal(3, 2, (steps, channels)).astype(np.float32)


def wav(path: Path, seconds: float = 0.3, rate: int = 8000) -> Path:
    samples = (8000 * np.sin(np.arange(int(seconds * rate)) / 5)).astype("<i2").tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    path.write_bytes(head + b"data" + struct.pack("<I", len(samples)) + samples)
    return path


def restored(member: inputs.Input, **tables: dict) -> inputs.Input:
    content = json.loads(json.dumps(inputs.to_content(member)))
    return inputs.restore(content, run(**tables), "vocab.json")


# Text


@pytest.mark.parametrize(
    ("unit", "length"), [("char", 10), ("byte", 11), ("word", 2), ("auto", 2), ("bpe", 0)]
)
def test_units_of_text(unit, length):
    tables = {"data": {"unit": unit, "vocab_size": 280 if unit == "bpe" else 0}}
    member = learnt(*["the cat sat", "on the mat", "a café there"] * 20, **tables)
    assert isinstance(member, Text)
    symbols = encoded(member, "café there")
    assert symbols.dtype == torch.int64
    assert symbols.shape == (length or len(symbols),)
    assert member.about() == f"text, {len(member.vocab):,} symbols of the unit {member.vocab.unit}"
    assert torch.equal(encoded(restored(member, **tables), "café there"), symbols)


def test_the_unit_is_guessed_by_spaces():
    assert "of the unit char" in learnt("ACGT", "GGA", "new york", data={"unit": "auto"}).about()
    assert "of the unit word" in learnt("a b", "GGA", "new york", data={"unit": "auto"}).about()


def test_the_first_word_is_that_word_anywhere():
    member = learnt("the cat", "a the", data={"unit": "word"})
    assert encoded(member, "the cat")[0] == encoded(member, "a the")[1]


def test_small_letters():
    member = learnt("The Cat", "the cat", data={"lower": True})
    assert torch.equal(encoded(member, "THE CAT"), encoded(member, "the cat"))


@pytest.mark.parametrize("unit", ["char", "byte", "word", "bpe"])
def test_an_empty_text_is_one_symbol(unit):
    member = learnt(*["the cat", "on the mat"] * 10, data={"unit": unit, "vocab_size": 280 * (unit == "bpe")})
    assert encoded(member, "").shape == (1,)


def test_symbols_never_seen_are_unknown():
    member = learnt("abc", "cab")
    assert isinstance(member, Text)
    assert encoded(member, "añb").tolist()[1] == member.vocab.unknown


def test_an_embedding_disturbs_only_in_training(plain):
    member = learnt("abcdefgh", network={"hidden": 16, "embedding_dropout": 0.5, "symbol_dropout": 0.5})
    reader = member.reader()
    assert isinstance(reader, Embedding)
    assert reader.width == 16
    symbols = encoded(member, "abcdefgh" * 20)[:, None]
    assert (reader(symbols) == 0).all(-1).any()
    reader.eval()
    assert torch.equal(reader(symbols), reader.weight[symbols])


def test_a_text_may_be_no_number():
    with pytest.raises(DataError) as caught:
        encoded(learnt("abc", "cab"), 5)
    assert str(caught.value) == "t.csv:9: expected a text, got int in the input column"


# Series


@pytest.mark.parametrize("how", ["auto", "channel", "sequence", "all", "none"])
def test_scales(how):
    values = [series(steps, 3) * [1, 5, 100] for steps in (9, 4, 6)]
    tables = {"signal": {"normalise": how}}
    member = learnt(*values, **tables)
    features = torch.cat([encoded(member, value) for value in values])
    if how in ("auto", "channel"):
        torch.testing.assert_close(features.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
        torch.testing.assert_close(features.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    elif how == "all":
        assert abs(float(features.mean())) < 1e-5
        assert float(features.std(correction=0)) == pytest.approx(1, abs=1e-4)
    elif how == "sequence":
        one = encoded(member, values[1])
        torch.testing.assert_close(one.std(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    else:
        torch.testing.assert_close(encoded(member, values[0]), torch.from_numpy(values[0]).float())
    assert torch.equal(encoded(restored(member, **tables), values[2]), encoded(member, values[2]))


@pytest.mark.parametrize("how", ["channel", "sequence", "all"])
@pytest.mark.parametrize(("offset", "factor"), [(1e8, 1), (-3e10, 1), (0, 1e-9), (0, 1e12)])
def test_what_differs_is_seen_near_any_offset_and_at_any_scale(how, offset, factor):
    values = [series(steps, 2).astype(np.float64) for steps in (9, 4, 6)]
    tables = {"signal": {"normalise": how}}
    near, far = learnt(*values, **tables), learnt(*(offset + factor * value for value in values), **tables)
    for value in values:
        moved = offset + factor * value
        torch.testing.assert_close(encoded(far, moved), encoded(near, value), rtol=1e-4, atol=1e-4)
        if how != "sequence":
            streamed = far.incremental_encoder().encode(moved)
            torch.testing.assert_close(streamed, encoded(near, value), rtol=1e-4, atol=1e-4)


def test_a_channel_that_never_changes_stays_small():
    value = np.stack([np.arange(5.0), np.full(5, 7.0)], 1)
    assert encoded(learnt(value), value)[:, 1].tolist() == [0] * 5
    again = encoded(learnt(value, signal={"normalise": "sequence"}), value)
    assert again[:, 1].tolist() == [0] * 5
    constant = np.full((1000, 1), 0.1)  # whose mean is not 0.1 where it is summed up
    assert encoded(learnt(constant), constant).unique().tolist() == [0]
    assert encoded(learnt(constant), constant + 1)[0].tolist() == [1]


@pytest.mark.parametrize("value", [[1, 2.5, 3], [[1, 2], [3, 4]], np.arange(4.0), np.ones((2, 3)), [1]])
def test_what_a_series_may_be(value):
    member = learnt(value)
    assert member.about().startswith("series, ")
    features = encoded(member, value)
    assert features.ndim == 2
    assert features.dtype == torch.float32


def test_a_series_in_a_file(tmp_path):
    np.save(tmp_path / "a.npy", series(4, 2))
    member = inputs.learn(
        [RawValue("a.npy", f"{tmp_path / 'list.csv'}:2")], run(signal={"normalise": "none"})
    )
    assert torch.equal(encoded(member, str(tmp_path / "a.npy")), torch.from_numpy(series(4, 2)))


def test_numbers_as_text_are_numbers():
    member = learnt([1.0, 2.0, 3.0], signal={"normalise": "none"})
    assert encoded(member, member.parse("1.5, 2;3 4e1")).tolist() == [[1.5], [2], [3], [40]]
    assert member.parse("a.npy") == "a.npy"
    with pytest.raises(DataError) as caught:
        encoded(member, member.parse("1, two"), "line 3")
    assert str(caught.value) == "line 3: expected a series, as before, got a str"


def test_differences_and_level():
    value = [[1.0, 2.0], [4.0, 8.0], [5.0, 4.0]]
    member = learnt(value, signal={"normalise": "none", "differences": True, "level": True})
    assert encoded(member, value).tolist() == [[-3, -2, 0, 0], [0, 4, 3, 6], [1, 0, 1, -4]]
    assert member.reader().width == 4
    assert member.about() == "series, 2 numbers a step"


def test_missing_numbers_are_told_or_carried():
    value = [[np.nan, 1.0], [2.0, np.nan], [np.inf, 5.0]]
    with pytest.raises(DataError) as caught:
        learnt([[1.0, 2.0]], [[1.0, 2.0], [1.0, np.nan]])
    assert str(caught.value) == (
        "t.csv:3: expected a number, got nan at step 2, channel 2; "
        "fill it, or set signal.missing = carry to go on with the value before"
    )
    member = learnt(value, signal={"missing": "carry", "normalise": "none"})
    assert encoded(member, value).tolist() == [[0, 1], [2, 1], [2, 5]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            [[1.0, 2.0, 3.0]],
            "t.csv:9: expected 2, as in the others, got 3 numbers a step; "
            "give all sequences the same channels, pictures the same size (signal.size or height)",
        ),
        ([[1.0, 2.0], [3.0]], "t.csv:9: no series ("),
        (np.ones((0, 2)), "t.csv:9: expected [T] or [T, C], T > 0, got an array of shape [0, 2]"),
        (np.ones((2, 2, 2)), "t.csv:9: expected [T] or [T, C], T > 0, got an array of shape [2, 2, 2]"),
        ("some text", "t.csv:9: expected a series, as before, got a str"),
        (None, "t.csv:9: expected a series, as before, got a NoneType"),
    ],
)
def test_a_broken_series_is_told(value, message):
    with pytest.raises(DataError) as caught:
        encoded(learnt([[1.0, 2.0], [3.0, 4.0]]), value)
    assert str(caught.value).startswith(message)


def test_files_of_arrays_that_are_none(tmp_path):
    member = learnt([1.0, 2.0])
    where = str(tmp_path / "list.csv") + ":4"
    (tmp_path / "no.npy").write_text("abcdef")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name, got in (
        ("no", "expected a NumPy array (.npy), got a file that begins"),
        ("objects", "pickled"),
        ("none", "no such file"),
    ):
        with pytest.raises(DataError, match=name) as caught:
            encoded(member, f"{name}.npy", where)
        assert str(caught.value).startswith(f"{tmp_path / name}.npy (named in {where}): ")
        assert got in str(caught.value)


# Sound, pictures and films


def test_sound_that_a_manifest_names_is_beside_it(tmp_path, monkeypatch):
    wav(tmp_path / "a.wav")
    wav(tmp_path / "b.wav", rate=16000)
    where = str(tmp_path / "list.tsv") + ":2"
    member = inputs.learn([RawValue("a.wav", where)], run(signal={"rate": 8000, "bands": 20}))
    assert member.about() == "sound as logmel, 20 numbers a step"
    features = encoded(member, "b.wav", where)
    assert features.shape == encoded(member, "a.wav", where).shape
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    assert torch.equal(encoded(member, "b.wav", "elsewhere/list.tsv:2"), features)
    few = inputs.learn([RawValue("a.wav", where)], run(signal={"sound": "mfcc"}))
    assert encoded(few, "a.wav", where).shape[1] == 13


def test_a_file_beside_the_manifest_comes_before_one_where_we_are(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    np.save(tmp_path / "set/a.npy", np.ones(3))
    np.save(tmp_path / "a.npy", np.ones(7))
    monkeypatch.chdir(tmp_path)
    assert len(encoded(learnt([1.0]), "a.npy", "set/list.csv:2")) == 3


def test_a_wav_that_is_none(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound at all, but text")
    with pytest.raises(DataError) as caught:
        inputs.learn([RawValue("a.wav", f"{tmp_path / 'list.tsv'}:3")], run())
    assert str(caught.value).startswith(f"{tmp_path / 'a.wav'} (named in {tmp_path / 'list.tsv'}:3): ")
    assert "expected a WAV file (RIFF....WAVE)" in str(caught.value)
    with pytest.raises(DataError) as caught:
        inputs.learn([RawValue(str(tmp_path / "a.wav"), str(tmp_path / "a.wav"))], run())
    assert str(caught.value).startswith(f"{tmp_path / 'a.wav'}: ")


def picture(height: int, width: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), np.uint8)


@pytest.mark.parametrize(
    ("how", "shape", "expected"),
    [
        ("rows", (6, 4), (6, 4)),
        ("pixels", (6, 4), (24, 1)),
        ("rows", (6, 4, 3), (6, 12)),
        ("pixels", (6, 4, 3), (24, 3)),
    ],
)
def test_pictures_by_rows_and_by_pixels(how, shape, expected):
    value, tables = picture(*shape), {"signal": {"picture": how}}
    member = learnt(value, **tables)
    features = encoded(member, value)
    assert features.shape == expected
    assert float(features.mean()) == pytest.approx(0, abs=1e-5)
    assert float(features.std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert member.about() == f"pictures by {how}, {expected[1]} numbers a step"
    assert torch.equal(encoded(restored(member, **tables), value), features)


def test_pictures_of_all_sizes_are_brought_to_one():
    pytest.importorskip("PIL")
    member = learnt(picture(9, 5), picture(6, 8), signal={"size": 4})
    assert encoded(member, picture(3, 11)).shape == (4, 4)
    with pytest.raises(
        DataError,
        match=r"t.csv:3: expected 5, as in the others, got 8 numbers a step; .*signal.size or height",
    ):
        learnt(picture(9, 5), picture(6, 8))


def test_files_of_pictures_and_films_of_them(tmp_path):
    image = pytest.importorskip("PIL.Image")
    paths = []
    for number in range(3):
        paths.append(f"{number}.png")
        image.fromarray(picture(4, 5)).save(tmp_path / paths[-1])
    where = f"{tmp_path / 'list.jsonl'}:1"
    assert encoded(inputs.learn([RawValue("0.png", where)], run()), "1.png", where).shape == (4, 5)
    film = inputs.learn([RawValue(paths, where)], run())
    assert film.about() == "films by frames, 20 numbers a step"
    assert encoded(film, paths[:2], where).shape == (2, 20)
    with pytest.raises(DataError, match=r"9.png \(named in .*list.jsonl:1\): .*no such file|9.png"):
        encoded(film, ["0.png", "9.png"], where)


# Training


@pytest.mark.parametrize("setting", ["noise", "scaling", "mask_steps", "mask_features"])
def test_training_disturbs_and_nothing_else_does(plain, setting):
    reader = learnt(series(8, 6), signal={setting: 0.5}).reader()
    assert isinstance(reader, SignalAugmentation)
    data = torch.randn(8, 3, 6)
    changed = reader(data)
    assert changed.shape == data.shape
    assert not torch.equal(changed, data)
    assert torch.equal(reader.eval()(data), data)


def test_masks_are_one_stretch_of_steps_and_one_of_features(plain):
    data = torch.ones(40, 200, 20)
    for setting, axis, size in (("mask_steps", 2, 40), ("mask_features", 0, 20)):
        masked = (learnt(series(4, 20), signal={setting: 0.5}).reader()(data) == 0).movedim(1, 0)
        line = masked.all(axis) if axis == 2 else masked.all(1)
        assert torch.equal(line, masked.any(axis) if axis == 2 else masked.any(1))
        ends = (line[:, 1:] & ~line[:, :-1]).sum(1) + line[:, 0]
        assert ends.max() <= 1
        assert 0.15 < line.double().mean() < 0.35
        assert line.sum(1).max() <= size / 2 + 1


def test_scaling_is_one_factor_a_channel_of_a_sequence(plain):
    data = torch.randn(5, 4, 3).abs() + 1
    factors = learnt(series(4, 3), signal={"scaling": 0.3}).reader()(data) / data
    assert factors.std(0).max() < 1e-5
    assert factors[0, :, 0].unique().numel() == 4


# The family


def test_what_no_input_reads():
    assert inputs.takes("text")
    assert inputs.takes([1.0])
    assert not inputs.takes(5)
    assert not inputs.takes(["some", "words"])
    assert not inputs.takes([])
    with pytest.raises(DataError) as caught:
        learnt(5)
    assert str(caught.value) == (
        "t.csv:2: expected a text, numbers, or the path of a sound or a picture, "
        "got an input of the type int; name the column with --input"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"input": "smell"}, 'vocab.json: an unknown input "smell"; known: picture, signal, text'),
        (
            {"input": "signal", "kind": "series"},
            "vocab.json: a damaged input ('mean'); restore the file from a copy of the run",
        ),
        (
            {"input": "signal", "kind": "dance", "mean": [], "deviation": [], "width": 1},
            "vocab.json: an input of the kind 'dance'; update Elman",
        ),
    ],
)
def test_a_damaged_input_is_told(content, message):
    with pytest.raises(RunError) as caught:
        inputs.restore(content, run(), "vocab.json")
    assert str(caught.value) == message


def test_identity_is_that_of_values():
    assert inputs.identity("a") == inputs.identity("a") != inputs.identity("b")
    assert inputs.identity(np.ones(3)) == inputs.identity(np.ones(3)) != inputs.identity(np.zeros(3))
    assert inputs.identity([1, 2]) != inputs.identity([1, 3])


def test_a_signal_is_learnt_from_all_its_values():
    assert isinstance(learnt([0.0], [10.0]), Signal)
    assert encoded(learnt([0.0], [10.0]), [5.0]).tolist() == [[0.0]]


# N-grams


def test_vectors_of_n_grams_are_added_where_they_end(plain):
    member = learnt("abab", "cab", "dd", data={"unit": "char", "ngrams": 3})
    assert (
        member.about() == "text, 5 symbols of the unit char, 1 2-grams, 0 3-grams"
    )  # "ab" alone comes twice
    reader = member.reader().eval()
    with torch.no_grad():
        reader.ngrams.weight[1] = 7.0
    data = torch.stack([encoded(member, text) for text in ("cabd", "baba")], 1)
    added = reader(data) - torch.nn.functional.embedding(data, reader.weight)
    assert (added[..., 0] / 7).round().T.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0]]
    short = encoded(member, "a")[:, None]
    torch.testing.assert_close(reader(short), torch.nn.functional.embedding(short, reader.weight))


def test_n_grams_come_back_from_a_file(plain):
    member = learnt("abab", "cab", "abd abd", data={"unit": "char", "ngrams": 4})
    again = restored(member, data={"unit": "char", "ngrams": 4})
    assert again.about() == member.about()
    weights = member.reader().state_dict()
    reader, other = member.reader(), again.reader()
    for own in (reader, other):
        own.load_state_dict({name: torch.ones_like(value) for name, value in weights.items()})
    data = encoded(member, "abdab")[:, None]
    assert torch.equal(reader.eval()(data), other.eval()(data))


def test_too_long_n_grams_are_told():
    texts = [f"{i} {i + 1} {i + 2}" for i in range(3000)]
    with pytest.raises(ConfigError, match=r"data.ngrams: expected fewer for 3,003 symbols, got 6"):
        learnt(*texts, data={"unit": "word", "ngrams": 6})


# N-grams of characters


SPELLED = {"unit": "word", "min_count": 2, "char_ngrams": 4}


def test_words_come_with_their_characters():
    member = learnt("a sad film", "so sadly a film", data=SPELLED)
    assert (
        member.about() == "text, 3 symbols of the unit word, 3 n-grams of characters"
    )  # " sa", "sad", " sad"
    data = encoded(member, "film sadness ?")
    assert data.shape == (3, 21)
    assert data[:, 0].tolist() == [2, 0, 0]
    assert (data[:, 1:] > 0).sum(1).tolist() == [6, 9, 3]  # with a space on each side
    assert data[2, 1:4].tolist() == [2, 1, 2]  # no text had a question mark
    assert encoded(member, "").shape == (1, 21)
    ends = encoded(member, "s" + "o" * 30 + "ly")[0, 1:]
    assert ends[:3].tolist() == encoded(member, "so")[0, 1:4].tolist()
    assert ends[-3:].tolist() == encoded(member, "sadly")[0, 5:8].tolist()


def test_a_word_has_the_vectors_of_its_characters_n_grams(plain):
    member = learnt("sad film", "sadly film", data=SPELLED)  # that repeat: _sa sad _sad
    reader = member.reader().eval()
    own, known = reader.weight.detach(), reader.spelled
    with torch.no_grad():
        known.weight[1:] = torch.tensor([1.0, 10.0, 100.0])[:, None]
    data = encoded(member, "sadness sand film")[:, None]
    added = (reader(data) - own[data[..., 0].long()])[:, 0, 0]
    torch.testing.assert_close(added, torch.tensor([111 / 3**0.5, 1.0, 0.0]))
    padded = torch.nn.functional.pad(data, (0, 0, 0, 0, 0, 2))
    torch.testing.assert_close(reader(padded)[:3], reader(data))


def test_training_leaves_out_n_grams_of_characters():
    member = learnt("sad film", "sadly film", data=SPELLED, network={"symbol_dropout": 0.5})
    reader = member.reader().train()
    with torch.no_grad():
        reader.weight.zero_()
        reader.spelled.weight[1:] = 1.0
    said = reader(encoded(member, "sad " * 2000)[:, None])[:, 0, 0]
    counts = (said * said).round().long().bincount(minlength=4) / len(said)  # n of n: n / sqrt(n)
    torch.testing.assert_close(counts, torch.tensor([1, 3, 3, 1]) / 8, atol=0.05, rtol=0)


def test_n_grams_of_characters_come_back_from_a_file(plain):
    member = learnt("a sad film", "so sadly a film", data=SPELLED)
    again = restored(member, data=SPELLED)
    assert again.about() == member.about()
    data = encoded(member, "a sadder film")
    assert torch.equal(data, encoded(again, "a sadder film"))
    reader, other = member.reader().eval(), again.reader().eval()
    torch.nn.init.normal_(reader.spelled.weight)
    other.load_state_dict(reader.state_dict())
    assert torch.equal(reader(data[:, None]), other(data[:, None]))


@pytest.mark.parametrize(("unit", "longest", "got"), [("char", 5, "5 for the unit char"), ("word", 2, "2")])
def test_n_grams_of_characters_are_of_words(unit, longest, got):
    with pytest.raises(ConfigError, match=f"data.char_ngrams: expected 0, or .* 3 or more, got {got}"):
        learnt("a film", "a book", data={"unit": unit, "char_ngrams": longest})


def test_too_long_n_grams_of_characters_are_told():
    with pytest.raises(ConfigError, match=r"data.char_ngrams: expected fewer for 29 symbols, got 13"):
        learnt("abcdefghijklmnopqrstuvwxy z", data={"unit": "word", "char_ngrams": 20})


def test_half_a_character_is_told_with_its_place():
    member = learnt("a sad film", "so sadly a film", data=SPELLED)
    with pytest.raises(VocabError, match=r"t.csv:9: .*U\+D800"):
        encoded(member, "a \ud800 film")
