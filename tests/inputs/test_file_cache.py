"""Files that are read once in a training, whatever uses them."""

import csv
import json
import threading
import wave
from collections import Counter

import numpy as np
import pytest

import elman
from elman.inputs import file_cache
from elman.inputs.file_cache import once, reading_once
from elman.inputs.signals import audio

OPTIONS = {
    "hidden": 4,
    "layers": 1,
    "epochs": 1,
    "batch_size": 8,
    "threads": 1,
    "device": "cpu",
    "valid": 0.2,
    "test": 0.2,
    "bands": 6,
    "seed": 3,
}
COUNT = 40


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A table of sound files with a class and a text each."""
    folder, random = tmp_path_factory.mktemp("sounds"), np.random.default_rng(1)
    with (folder / "sounds.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["audio", "label", "text"])
        for number in range(COUNT):
            samples = random.normal(0, 3000, int(random.integers(2400, 4800))).astype("<i2")
            with wave.open(str(folder / f"{number}.wav"), "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(8000)
                sound.writeframes(samples.tobytes())
            rows.writerow([f"{number}.wav", "ab"[number % 2], "ab"[number % 2]])
    return folder / "sounds.csv"


@pytest.fixture
def reads(monkeypatch):
    """How often each sound file was read."""
    counts, read = Counter(), audio.read

    def counted(path):
        counts[str(path)] += 1
        return read(path)

    monkeypatch.setattr(audio, "read", counted)
    return counts


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("classify", {"target": "label", "frames": 5}),
        ("classify", {"target": "label", "rate": 4000, "level": True, "sound": "mfcc"}),
        ("recognize", {"target": "text"}),
    ],
)
def test_a_training_reads_each_file_once(sounds, tmp_path, monkeypatch, reads, task, more):
    options = OPTIONS | more | {"task": task, "input": "audio", "quiet": True}
    one = elman.train(sounds, out=tmp_path / "one", **options)
    assert len(reads) == COUNT
    assert set(reads.values()) == {1}
    assert file_cache._KEPT.get() is None
    reads.clear()
    monkeypatch.setattr("elman.training.train.reading_once", lambda: reading_once(0))
    many = elman.train(sounds, out=tmp_path / "many", **options)
    assert reads.total() > COUNT + 10
    results = [json.loads((model.path / "results.json").read_text()) for model in (one, many)]
    for part in ("data", "scores", "findings"):
        assert results[0][part] == results[1][part]
    files = [(model.path / "model.safetensors").read_bytes() for model in (one, many)]
    assert files[0] == files[1]


def made(key, size=8):
    """What is made of a key, and the keys of which something was made."""
    done = []

    def make():
        done.append(key)
        return np.zeros(size, np.uint8), len(done)

    return make, done


def test_what_has_no_room_is_made_each_time():
    (small, smalls), (large, larges) = made("small", 60), made("large", 50)
    with reading_once(100):
        for _ in range(2):
            once("small", small)
            once("large", large)
    assert (len(smalls), len(larges)) == (1, 2)


def test_nothing_is_kept_outside_and_of_before():
    make, done = made("a")
    once("a", make)
    for _ in range(2):
        with reading_once():
            once("a", make)
            once("a", make)
    once("a", make)
    assert len(done) == 4


def test_another_thread_keeps_nothing_of_this_one():
    make, done = made("a")
    with reading_once():
        once("a", make)
        thread = threading.Thread(target=once, args=("a", make))
        thread.start()
        thread.join()
    assert len(done) == 2
