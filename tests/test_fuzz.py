"""Fuzzing in its short form: inputs that failed once, and a few hundred new ones of each kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch

from elman.core import digests, tensor_file
from elman.core.errors import DataError, RunError
from elman.data.formats import FORMATS
from fuzz import cases, mutations, structure
from fuzz.base import LONGEST, REFUSED, TAKEN, Input, Kind, WrongError, made, sealed, tried
from fuzz.kinds import KINDS
from fuzz.pool import campaign, emptied
from fuzz.readers import READERS
from fuzz.seeds import SEEDS
from fuzz.shrink import shrunk

ROOT = Path(__file__).parent.parent

# The campaign itself


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What failed of each kind, in a process of its own."""
    told = tmp_path_factory.mktemp("fuzz") / "failed.json"
    asked = ["--replay", "--workers", "1", "--json", str(told)]
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", *asked],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(Path(sys.modules["elman"].__file__ or "").parent.parent)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert told.exists(), done.stderr
    return json.loads(told.read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_no_input_is_a_fault_of_ours(kind, failed):
    assert failed[kind] == []


# What it is made of


def test_every_format_has_data_to_damage():
    assert set(SEEDS) == set(FORMATS)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_the_data_are_taken_as_they_are(reader, tmp_path):
    for number, seed in enumerate(SEEDS[reader.name]):
        for task in seed.tasks or ("",):
            depth = "loss" if task else "read"
            about = {"source": seed.source, "task": task, "options": dict(seed.options), "depth": depth}
            emptied(tmp_path / "x")
            outcome = tried(reader, Input(seed.files, about), tmp_path / "x")
            assert (number, task, outcome) == (number, task, outcome.__class__(TAKEN))


@pytest.mark.parametrize("name", ["table", "arrays", "requests"])
def test_an_input_is_a_function_of_its_number(name):
    kind = KINDS[name]
    assert made(kind, 7) == made(kind, 7)
    assert len({str(made(kind, seed)) for seed in range(50)}) > 25


@pytest.mark.parametrize("name", structure.KNOWN)
def test_mutations_take_whatever_there_is(name):
    for seed in range(300):
        rng = Random(seed)
        data = rng.choice((b"", b"\0", b"a,b\n1,2", b'{"a": [1]}', rng.randbytes(60), b"\n\n"))
        assert isinstance(mutations.mutated(rng, data, b"a", structure.of(name)), bytes)


class _LoudError(DataError):
    """What errors do not let through: a message as it is, of any length and lines."""

    def __str__(self) -> str:
        return self.got


class _Letters(Kind):
    """What fails in the way that a letter of its input says."""

    name, group, seconds = "letters", "readers", 0.2

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        return Input({"a": bytes([rng.choice(b"....vlowmhk")])})

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        text = given.files["a"].decode()
        if "k" in text:
            os._exit(9)
        while "h" in text:
            pass
        if "m" in text:
            bytearray(1 << 40)
        if "w" in text:
            raise WrongError("other numbers")
        if "v" in text:
            raise ValueError(text)
        if "l" in text:
            raise _LoudError("a", "x" * (LONGEST + 1))
        if "o" in text:
            raise _LoudError("a", "two\nlines")


@pytest.mark.parametrize(
    ("letter", "status"),
    [(".", TAKEN), ("v", "traceback"), ("l", "message"), ("o", "message"), ("w", "wrong"), ("h", "hang")],
)
def test_what_comes_of_an_input(letter, status, tmp_path):
    assert tried(_Letters(), Input({"a": letter.encode()}), tmp_path).status == status


def test_a_refusal_of_one_line_is_none_of_them(tmp_path):
    class Refusing(_Letters):
        def run(self, given: Input, folder: Path) -> None:
            raise DataError("a", "b")

    outcome = tried(Refusing(), Input({}), tmp_path)
    assert outcome.status == REFUSED
    assert not outcome.failed


def test_workers_outlive_what_they_try():
    kind = _Letters()
    tally = campaign(kind, 0, 60, 60.0, 2)
    expected = [made(kind, seed).files["a"].decode() for seed in range(60)]
    counts = {"traceback": "v", "wrong": "w", "hang": "h", "memory": "m", "crash": "k", TAKEN: "."}
    assert tally.inputs == 60
    assert {status: tally.counts[status] for status in counts} == {
        status: expected.count(letter) for status, letter in counts.items()
    }
    assert tally.counts["message"] == expected.count("l") + expected.count("o")


def test_what_is_sealed_is_taken_for_what_was_written(tmp_path):
    path, text = tmp_path / "a.safetensors", digests.sealed('{"a": 1}')
    tensor_file.save(path, {"x": torch.zeros(4)}, {})
    data = path.read_bytes()
    changed = data[:-1] + b"\x3f"
    path.write_bytes(changed)
    with pytest.raises(RunError, match="digest"):
        tensor_file.load(path)
    path.write_bytes(sealed(path.name, changed))
    assert tensor_file.load(path)[0]["x"][-1] == 0.5
    assert sealed("a.json", text.replace("1", "2", 1).encode()) == digests.sealed('{"a": 2}').encode()


def test_a_killed_training_is_resumed_to_the_bit(tmp_path):
    kind = KINDS["kills"]
    kind.prepare(tmp_path / "seeds")
    for number, stops in enumerate(([["saved", 1]], [["event", 25], ["event", 40]], [["full", 100]])):
        (tmp_path / str(number)).mkdir()
        kind.run(Input({}, {"task": "language", "stops": stops}), tmp_path / str(number))


def test_an_input_is_made_small(tmp_path):
    kind, given = _Letters(), Input({"a": b"." * 500 + b"v" + b"." * 300, "b": b"x" * 50})

    def fails(one: Input) -> bool:
        return "a" in one.files and tried(kind, one, tmp_path).status == "traceback"

    assert dict(shrunk(kind, given, fails, 10.0).files) == {"a": b"v"}


def test_a_case_is_kept_as_it_was(tmp_path):
    given = Input({"a.txt": b"text\n", "b": b"\xff\0"}, {"task": "tag"})
    outcome = tried(_Letters(), Input({"a": b"v"}), tmp_path)
    path = cases.save("letters", given, outcome, 3, tmp_path)
    assert path is not None
    assert cases.load(path) == ("letters", given)
    assert list(cases.paths(tmp_path)) == [path]
