"""Streams: any cutting gives the whole; forks, files and many at once too; what cannot stream says so."""

from __future__ import annotations

import io
import json
import math
import signal
import subprocess
import sys
import wave as wavefile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_tasks import RECORDS
from torch import Tensor, nn

import elman
from elman import tasks
from elman.cli import run as command
from elman.core.errors import DataError, ElmanError, RunError, TaskError
from elman.core.graceful_stop import GracefulStop
from elman.core.records import Record, Seq, Sound
from elman.core.run_config import RunConfig
from elman.inputs import RawValue, Signal, Text
from elman.inputs.incremental import FrameBuffer
from elman.inputs.text.vocab import WordVocab
from elman.nn import ctc, framing
from elman.nn.framing import framed
from elman.streaming import Stream, StreamFactory, Streams
from elman.streaming.base import Streaming
from elman.streaming.state_pool import StatePool
from elman.tasks import evaluation
from elman.tasks.base import Purpose, Task
from elman.tasks.draw.step_types import StepType
from elman.tasks.forecast.task import Forecast

load_module = import_module("elman.runs.load")
stream_command = import_module("elman.cli.stream")  # a function has its name in elman.cli
TEXT = "so good it was,  a bad film's end:\n'not' so \tfine \n"
FORWARD = {
    "language": {},
    "classify": {"classify": {"bidirectional": False}},
    "tag": {"tag": {"bidirectional": False, "output": "softmax"}},
    "recognize": {"recognize": {"bidirectional": False}},
    "label": {"label": {"bidirectional": False, "lag": 2}},
    "draw": {"draw": {"start": "class"}},
    "forecast": {},
}
CELLS = ("rnn", "lstm", "gru")

quickly = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@dataclass(frozen=True)
class Untrained:
    """A model of random weights."""

    network: nn.Module
    task: Task
    config: RunConfig

    @property
    def learnt(self) -> str:
        return self.task.to_text()

    def able(self, ability: type) -> str:
        return tasks.able(ability)

    def stream(self, begin: Any = None) -> Stream:
        source = StreamFactory(self)
        return Stream(source, source.fresh(begin))


def made(name: str, records: list[Record] | None = None, **tables: dict[str, Any]) -> Untrained:
    """An untrained model that can stream, with weights that are not too small to tell steps apart."""
    kind = tasks.get(name)
    merged = {"network": {"hidden": 12}} | FORWARD.get(name, {})
    for section, table in tables.items():
        merged[section] = {**merged.get(section, {}), **table}
    run = RunConfig.of(merged, kind.Config)
    torch.manual_seed(0)
    task = kind.prepare(records or RECORDS[name], run)
    network = task.build().eval()
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.4)
    return Untrained(network.requires_grad_(False), task, run)


def told(output: Any) -> Tensor:
    """The numbers of an output."""
    if isinstance(output, Tensor):
        return output
    for field in ("logp", "nats", "numbers"):
        if hasattr(output, field):
            return getattr(output, field)
    raise AssertionError(output)


def close(mine: list[Any], whole: Tensor, bound: float = 2e-6) -> None:
    found = torch.stack([told(one).double() for one in mine])
    assert found.shape == whole.shape
    assert relative(found, whole) <= bound


def relative(found: Tensor, whole: Tensor) -> float:
    """The greatest difference, in parts of the largest number if that is above 1."""
    return float((found.double() - whole.double()).abs().max()) / max(1.0, float(whole.abs().max()))


def pieces(value: Any, cuts: list[int]) -> Iterator[Any]:
    """A value cut into pieces of these lengths, again and again."""
    start, turn = 0, 0
    while start < len(value):
        end = start + cuts[turn % len(cuts)]
        yield value[start:end]
        start, turn = end, turn + 1


def through(stream: Stream, value: Any, cuts: list[int], path: Path | None = None) -> list[Any]:
    """All outputs, with a fork after every piece, or a file where a path is given."""
    outputs = []
    for piece in pieces(value, cuts):
        outputs += stream.feed(piece)
        if path is None:
            stream = stream.fork()
        else:
            stream.save(path)
            stream = Stream(stream._source, stream._source.load(path))
    return outputs + stream.finish()


cuttings = st.lists(st.integers(1, 60), min_size=1, max_size=8)
layers = st.tuples(
    st.sampled_from(CELLS), st.integers(1, 3), st.sampled_from(["", "residual", "skip", "layer_norm"])
)


def network_of(shape: tuple[str, int, str]) -> dict[str, Any]:
    cell, count, extra = shape
    return {"cell": cell, "layers": count} | ({extra: True} if extra else {})


def of_language(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    text = TEXT * 6 + "that mat sat to the end"
    symbols = torch.from_numpy(model.task.vocab.encode(text)).long()[:, None]
    whole = model.network(Seq(symbols))[0].log_softmax(-1)[:, 0]
    return text, lambda outputs, bound: close(outputs, whole, bound)


def of_tag(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    (example,) = model.task.encode([model.task.record(TEXT * 6, "text")], Purpose.PREDICT)
    whole = model.network(Seq(example.data[:, None]))[0].emissions.log_softmax(-1)[:, 0]

    def check(outputs: list[Any], bound: float) -> None:
        assert [output.token for output in outputs] == (TEXT * 6).split()
        close(outputs, whole, bound)

    return TEXT * 6, check


def of_classify(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    examples = model.task.encode([model.task.record(TEXT * 6, "text")], Purpose.PREDICT)
    whole = evaluation.predict(model.task, model.network, examples)[0]
    return TEXT * 6, lambda outputs, bound: close(outputs[-1:], whole[None], bound)


def of_label(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    value = np.concatenate([record.fields["inputs"] for record in RECORDS["label"]])
    (example,) = model.task.encode([model.task.record(value, "value")], Purpose.PREDICT)
    scores = model.network(Seq(example.data[:, None].to(dtype(model))))[0][:, 0]
    whole = model.task.target.outputs(scores)[len(example.data) - len(value) :]

    def check(outputs: list[Any], bound: float) -> None:
        assert len(outputs) == len(value)
        close(outputs, whole, bound)

    return value, check


def of_recognize(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    value = np.concatenate([record.fields["features"] for record in RECORDS["recognize"]])
    (example,) = model.task.encode([model.task.record(value, "value")], Purpose.PREDICT)
    said, lengths = model.network(Seq(example.data[:, None].to(dtype(model))))[0]
    said[..., model.task.vocab.unknown] = -torch.inf
    text = model.task.vocab.decode(ctc.greedy(said, lengths)[0]).strip()

    def check(outputs: list[Any], _: float) -> None:
        assert text
        assert outputs[-1].final
        assert outputs[-1].text == "".join(output.text for output in outputs[:-1]).strip() == text

    return value, check


def of_draw(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    value = np.concatenate([record.fields["strokes"] for record in RECORDS["draw"]])
    data = torch.cat([model.task.kind.before[None], torch.from_numpy(value)])[:, None]
    body = model.network.body(Seq(model.network.reader(data)), model.network.begin(torch.zeros(1, 1).long()))
    whole = model.network.head(body[0][:-1]).nats(data[1:])[:, 0]
    return value, lambda outputs, bound: close(outputs, whole, bound)


def of_forecast(model: Untrained) -> tuple[Any, Callable[[list[Any], float], None]]:
    task = model.task
    assert isinstance(task, Forecast)
    windows = task.encode(RECORDS["forecast"], Purpose.PREDICT)
    (future,) = task.futures(windows, evaluation.predict(task, deepcopy(model.network).float(), windows))
    numbers = np.concatenate([future.forecast.mean[:, None], future.forecast.quantiles], 1)
    value = [(record.fields["ds"], record.fields["y"]) for record in RECORDS["forecast"]]
    if dtype(model) == torch.float64:  # windows are of float32
        numbers = told(model.stream().feed(value)[-1]).numpy()

    def check(outputs: list[Any], bound: float) -> None:
        assert len(outputs) == len(value) - task.outline.layout.origin + 1
        assert outputs[-1].times == list(future.times)
        close(outputs[-1:], torch.from_numpy(numbers)[None], bound)

    return value, check


WHOLE = {
    "language": of_language,
    "tag": of_tag,
    "classify": of_classify,
    "recognize": of_recognize,
    "label": of_label,
    "draw": of_draw,
    "forecast": of_forecast,
}


def dtype(model: Untrained) -> torch.dtype:
    return next(model.network.parameters()).dtype


@pytest.mark.parametrize("name", tasks.TASKS)
def test_every_task_streams_or_says_that_it_does_not(name):
    kind = tasks.get(name)
    task = kind.prepare(RECORDS[name], RunConfig.of({"network": {"hidden": 8}}, kind.Config))
    model = Untrained(task.build().eval(), task, RunConfig.of({}, kind.Config))
    assert isinstance(task, Streaming) == (name in WHOLE)
    if name not in WHOLE:
        with pytest.raises(TaskError, match=f"expected {tasks.able(Streaming)}, got .*use predict"):
            StreamFactory(model)
    elif name in ("classify", "label", "recognize", "tag"):
        with pytest.raises(TaskError, match=rf"train with {name}.bidirectional = false"):
            StreamFactory(model)


@pytest.mark.parametrize("name", WHOLE)
@quickly
@given(shape=layers, cuts=cuttings)
def test_any_cutting_gives_the_whole(name, shape, cuts, tmp_path):
    model = made(name, network=network_of(shape))
    value, check = WHOLE[name](model)
    bound = 1e-6 if name == "recognize" else max(1e-6, 10 * rounding(model, value))  # that tells texts
    check(through(model.stream(), value, [len(value)]), bound)
    check(through(model.stream(), value, cuts), bound)
    check(through(model.stream(), value, [37], tmp_path / "state"), bound)


@pytest.mark.parametrize(
    "extra", [{"zoneout": 0.2}, {"projection": 5}, {"zoneout": 0.2, "projection": 5}], ids=str
)
@pytest.mark.parametrize("name", WHOLE)
def test_with_zoneout_and_projection_it_is_the_whole(name, extra, tmp_path):
    model = made(name, network={"layers": 2, "cell": "lstm", **extra})
    value, check = WHOLE[name](model)
    bound = max(1e-6, 10 * rounding(model, value)) if name != "recognize" else 1e-6
    check(through(model.stream(), value, [len(value)]), bound)
    check(through(model.stream(), value, [5, 1, 19]), bound)
    check(through(model.stream(), value, [37], tmp_path / "state"), bound)
    plain = made(name, network={"layers": 2, "cell": "lstm", **dict.fromkeys(extra, 0)})
    assert StreamFactory(plain).fingerprint() != StreamFactory(model).fingerprint()


def assert_identical(mine: Any, theirs: Any) -> None:
    """The same output to the bit: tensors, and tuples that hold them."""
    assert type(mine) is type(theirs)
    if isinstance(mine, Tensor):
        assert torch.equal(mine, theirs)
    elif isinstance(mine, (list, tuple)):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_identical(one, other)
    elif is_dataclass(mine):
        for field in fields(mine):
            assert_identical(getattr(mine, field.name), getattr(theirs, field.name))
    elif isinstance(mine, np.ndarray):
        np.testing.assert_array_equal(mine, theirs)
    elif isinstance(mine, StepType):  # the head, for values so far from 0
        assert_identical(list(vars(mine).values()), list(vars(theirs).values()))
    elif not isinstance(mine, nn.Module):  # what belongs to the model
        assert mine == theirs


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("cuts", [[37, 1, 2], [300]])
def test_a_saved_stream_goes_on_to_the_bit_in_a_fresh_model(name, cuts, tmp_path):
    model = made(name)
    value, _ = WHOLE[name](model)
    there, fresh = model.stream(), model.stream()
    for piece in pieces(value, cuts):
        assert_identical(fresh.feed(piece), there.feed(piece))
        fresh.save(tmp_path / "state")
        source = StreamFactory(made(name))
        fresh = Stream(source, source.load(tmp_path / "state"))
        assert_identical(fresh.state(), there.state())
        assert fresh.steps == there.steps
    assert_identical(fresh.finish(), there.finish())


# The lines of each task's streams; the last one has no end, as when input is cut inside a word.
LINES = {
    "language": "the cat\nsat there\n\nthe dog",
    "tag": "the cat\nsat there\n\nthe dog",
    "classify": "so good\nbad film\n\nnot so",
    "draw": "1,0,0\n0.5,1,0\n-1,2,1\n0,0,0",
    "forecast": "\n".join(map(str, range(30))),
    "label": "1,0,0\n0.5,1,0\n-1,2,1\n0,0,0",
    "recognize": "0.5,1,0,2,0,1\n-1,2,1,0,3,0\n0.25,0,2,0,0,0\n" * 4 + "1,1,1,0,0,0",
}


@pytest.mark.parametrize(
    ("name", "unit"),
    [*((name, "char") for name in LINES), ("language", "word"), ("language", "bpe"), ("classify", "word")],
)
def test_each_line_is_answered_as_without_the_saving(name, unit, typed, monkeypatch, tmp_path):
    """What the command line says of a line does not depend on where input ended before."""
    tables = {"data": {"unit": unit, "vocab_size": 260}} if name in ("language", "classify") else {}

    def stream(begin: Path | None, start: str | None) -> Any:
        source = StreamFactory(made(name, **tables))
        return nullcontext(Stream(source, source.fresh(start) if begin is None else source.load(begin)))

    monkeypatch.setattr(load_module, "load", lambda *_, **__: SimpleNamespace(stream=stream))
    lines = LINES[name].splitlines(keepends=True)
    whole = typed(LINES[name], "run")
    assert len(whole) >= len(lines)
    assert not [line for line in whole if "error" in line]
    kept, told, end = tmp_path / "state", [], []
    for line in lines:
        answers = typed(line, "run", "--save", str(kept), *(["--from", str(kept)] if kept.exists() else []))
        end = [answer for answer in answers if "end" in answer]
        told += [{**answer, "line": len(told) + 1} for answer in answers if "end" not in answer]
    assert told + end == whole


def rounding(model: Untrained, value: Any) -> float:
    """How far outputs move, in parts of the largest, when the last bit of the weights does."""
    moved = Untrained(deepcopy(model.network), model.task, model.config)
    for weight in moved.network.parameters():
        weight.mul_(1 + 6e-8 * torch.randn_like(weight).sign())
    one, other = (torch.stack([told(said) for said in each.stream().feed(value)]) for each in (model, moved))
    return relative(one, other)


@pytest.mark.parametrize("name", WHOLE)
@quickly
@given(shape=layers, cuts=cuttings)
def test_in_float64_it_is_the_whole_to_1e_12(name, shape, cuts):
    model = made(name, network=network_of(shape))
    model.network.double()
    value, check = WHOLE[name](model)
    check(through(model.stream(), value, cuts), 1e-12)


@pytest.mark.parametrize("unit", ["char", "byte", "word", "bpe"])
@quickly
@given(text=st.text(st.sampled_from("so it'was\n \t.é’"), max_size=60), cuts=cuttings)
def test_every_unit_of_text_is_cut_anywhere(unit, text, cuts):
    model = made("language", data={"unit": unit})
    symbols = torch.from_numpy(model.task.vocab.encode(text)).long()
    outputs = through(model.stream(), text, cuts)
    assert len(outputs) == len(symbols)
    if len(symbols):
        close(outputs, model.network(Seq(symbols[:, None]))[0].log_softmax(-1)[:, 0])


@pytest.mark.parametrize("pool", ["last", "mean", "max", "attention", "mean_max"])
@pytest.mark.parametrize("unit", ["char", "word"])
@quickly
@given(
    text=st.text(st.sampled_from("so it'w \n"), max_size=40),
    cuts=cuttings,
    frame=st.sampled_from([(1, 1), (3, 2), (2, 3)]),
    extra=st.sampled_from([{}, {"residual": True, "layers": 2}, {"skip": True, "layers": 2}]),
)
def test_a_classifier_says_of_what_came_what_it_says_of_the_whole(pool, unit, text, cuts, frame, extra):
    size, hop = frame
    options = {"pool": pool, "frame": size, "hop": hop}
    model = made("classify", data={"unit": unit}, network=extra, classify=options)
    outputs = through(model.stream(), text, cuts)
    examples = model.task.encode([model.task.record(text, "text")], Purpose.PREDICT)
    close(outputs[-1:], evaluation.predict(model.task, model.network, examples)[0][None])


def test_words_with_their_characters_stream():
    model = made("classify", data={"unit": "word", "char_ngrams": 4})
    examples = model.task.encode([model.task.record(TEXT, "text")], Purpose.PREDICT)
    whole = evaluation.predict(model.task, model.network, examples)[0]
    close(through(model.stream(), TEXT, [3, 7])[-1:], whole[None])
    assert model.stream().step("good").shape == whole.shape


def wave(seconds: float) -> np.ndarray:
    time = np.arange(round(8000 * seconds)) / 8000
    return (0.3 * np.sin(2 * np.pi * (300 + 400 * time) * time)).astype(np.float32)


@pytest.mark.parametrize("signal", [{}, {"sound": "mfcc"}, {"deltas": 1}, {"deltas": 2, "differences": True}])
@quickly
@given(count=st.integers(1, 3000), cuts=st.lists(st.integers(1, 900), min_size=1, max_size=6))
def test_features_of_sound_are_those_of_the_whole(signal, count, cuts):
    run = RunConfig.of({"signal": signal}, tasks.get("recognize").Config)
    member = Signal.learn([RawValue(Sound(wave(0.4), 8000), "a wave")], run)
    samples, encoder = wave(0.4)[:count], member.incremental_encoder()
    found = [encoder.encode(piece) for piece in pieces(samples, cuts)]
    for _ in range(2):  # what is kept can be written down
        other = member.incremental_encoder()
        other.restore(json.loads(json.dumps(encoder.content())))
    rows = torch.cat([*found, other.flush()])
    whole = member.encode(RawValue(Sound(samples, 8000), "a piece"))
    torch.testing.assert_close(rows, whole, rtol=1e-4, atol=1e-4)


@quickly
@given(
    steps=st.integers(1, 20),
    size=st.integers(1, 5),
    hop=st.integers(1, 6),
    cuts=st.lists(st.integers(1, 6), min_size=1),
)
def test_frames_are_those_of_the_whole(steps, size, hop, cuts):
    run = RunConfig.of({"signal": {"normalise": "none"}}, tasks.get("classify").Config)
    series = torch.arange(1.0, steps + 1)[:, None]
    encoder = FrameBuffer(
        Signal.learn([RawValue(series.numpy(), "series")], run).incremental_encoder(), size, hop
    )
    found = [encoder.encode(piece) for piece in pieces(series.numpy(), cuts)]
    again = FrameBuffer(
        Signal.learn([RawValue(series.numpy(), "series")], run).incremental_encoder(), size, hop
    )
    again.restore(json.loads(json.dumps(encoder.content())))
    frames = torch.cat([*found, again.flush()])
    whole = framed(Seq(series[:, None]), framing.Frame(size, hop)).data[:, 0]
    assert torch.equal(frames.flatten(1), whole)


@pytest.mark.parametrize("name", WHOLE)
def test_many_streams_are_each_what_it_is_alone(name):
    model = made(name, network={"layers": 2, "cell": "lstm"})
    value, _ = WHOLE[name](model)
    value = [number for _, number in value] if name == "forecast" else value  # of any time
    engine, draws = Streams(model), np.random.default_rng(1)
    keys = [engine.open() for _ in range(11)]
    alone = {key: model.stream() for key in keys}
    for _ in range(4):
        some = draws.permutation(keys)[: draws.integers(1, 12)].tolist()
        given = {key: value[at : at + draws.integers(0, 40)] for key in some for at in [draws.integers(9)]}
        given = {key: piece for key, piece in given.items() if len(piece)}
        same(engine.feed(given), {key: alone[key].feed(piece) for key, piece in given.items()})
    twin = engine.fork(keys[0])
    engine.close(keys[0])
    alone[twin] = alone.pop(keys[0])
    same(engine.finish(alone), {key: stream.finish() for key, stream in alone.items()})
    assert {key: engine.steps(key) for key in alone} == {key: stream.steps for key, stream in alone.items()}
    for key, stream in alone.items():
        torch.testing.assert_close(engine.state(key), stream.state(), rtol=1e-5, atol=1e-6)
    assert len(engine) == 11
    assert keys[0] not in engine


def same(mine: dict[int, list[Any]], theirs: dict[int, list[Any]]) -> None:
    assert mine.keys() == theirs.keys()
    for key, outputs in mine.items():
        assert len(outputs) == len(theirs[key])
        for one, other in zip(outputs, theirs[key], strict=True):
            if hasattr(one, "final"):
                assert one == other
            else:
                torch.testing.assert_close(told(one), told(other), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_fault_of_whatever_kind_is_its_streams_alone(part, monkeypatch):
    model = made("language")
    engine, alone = Streams(model), [model.stream() for _ in range(3)]
    first, bad, last = keys = [engine.open() for _ in range(3)]

    def broken(*_):
        raise OverflowError("too large")

    ends = getattr(engine._open[bad].ends, part)
    for name in ("encode_step", "encode", "flush") if part == "encoder" else ("decode", "flush"):
        monkeypatch.setattr(ends, name, broken)
    for ask, same in ((engine.step, "step"), (engine.feed, "feed")):
        said = ask(dict.fromkeys(keys, "t"))
        assert isinstance(said[bad], OverflowError)
        for key, stream in ((first, alone[0]), (last, alone[2])):
            torch.testing.assert_close(said[key], getattr(stream, same)("t"), rtol=1e-5, atol=1e-5)
    assert isinstance(engine.finish(keys)[bad], OverflowError)


def test_what_cannot_be_computed_together_is_computed_one_by_one(monkeypatch):
    model = made("language")
    engine, alone = Streams(model), model.stream()
    first, bad = keys = [engine.open() for _ in range(2)]
    whole = engine._run

    def run(keys, seq):
        if bad in keys:
            raise OverflowError("too large")
        return whole(keys, seq)

    monkeypatch.setattr(engine, "_run", run)
    said = engine.feed(dict.fromkeys(keys, "the cat"))
    assert isinstance(said[bad], OverflowError)
    torch.testing.assert_close(said[first], alone.feed("the cat"), rtol=1e-5, atol=1e-5)


def test_a_step_that_is_refused_leaves_its_stream_and_the_others_alone():
    engine, alone = Streams(made("language")), made("language").stream()
    first, second = engine.open(), engine.open()
    said = engine.step({first: "two", second: "t"})
    assert isinstance(said[first], DataError)
    assert "one char" in str(said[first])
    close([said[second]], alone.step("t")[None])
    assert (engine.steps(first), engine.steps(second)) == (0, 1)
    close([engine.step({first: "t"})[first]], said[second][None])
    with pytest.raises(TaskError, match="an open stream"):
        engine.step({99: "t"})


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_those_who_step_alone_and_those_who_step_together_keep_their_states(cell, tmp_path):
    model = made("language", network={"cell": cell, "layers": 2})
    engine, draws = Streams(model), np.random.default_rng(2)
    alone = {engine.open(): model.stream() for _ in range(3)}
    for turn in range(60):
        some = draws.permutation(list(alone))[: draws.choice([1, 1, 1, 2, 3])].tolist()
        given = {key: TEXT[draws.integers(len(TEXT))] for key in some}
        said = engine.step(given)
        for key, letter in given.items():
            torch.testing.assert_close(said[key], alone[key].step(letter), rtol=1e-5, atol=1e-5)
        if turn % 7 == 0:
            alone[engine.fork(some[0])] = alone[some[0]].fork()
        elif turn % 7 == 2:
            engine.reset(some[0])
            alone[some[0]].reset()
        elif turn % 7 == 4:
            engine.save(some[0], tmp_path / "kept")
            alone[engine.restore(tmp_path / "kept")] = alone[some[0]].fork()
        elif turn % 7 == 6 and len(alone) > 3:
            engine.close(some[0])
            del alone[some[0]]
    for key, stream in alone.items():
        torch.testing.assert_close(engine.state(key), stream.state(), rtol=1e-5, atol=1e-5)


def test_steps_are_what_a_piece_is():
    model = made("language", network={"cell": "gru"})
    stream = model.stream()
    close([stream.step(letter) for letter in "the cat"], torch.stack(model.stream().feed("the cat")))
    assert stream.steps == 7
    assert [part.shape for part in stream.state()] == [(1, 1, 12)]
    before = [part.clone() for part in stream.state()]
    kept = stream.state()
    stream.step("t")
    assert all(map(torch.equal, before, kept))
    stream.reset()
    assert stream.steps == 0
    close([stream.step("t")], model.stream().step("t")[None])


def test_forks_go_their_own_ways():
    stream = made("language").stream()
    stream.feed("the ")
    twin = stream.fork()
    other = stream.fork().feed("cat")
    stream.feed("dog")
    close(twin.feed("cat"), torch.stack(other))


@pytest.mark.parametrize("x", ["", "ab", None, 1.5, 99, ["a"], -1])
def test_what_is_no_step_is_refused_and_nothing_is_lost(x):
    stream = made("language").stream()
    stream.step("t")
    before = stream.state()
    with pytest.raises(DataError):
        stream.step(x)
    assert stream.steps == 1
    assert all(map(torch.equal, before, stream.state()))


def test_a_saved_stream_is_of_its_model_alone(tmp_path):
    model, other = made("language"), made("language", network={"cell": "gru"})
    stream = model.stream()
    stream.feed("the cat")
    stream.save(tmp_path / "state")
    with pytest.raises(RunError, match="the stream of another model"):
        StreamFactory(other).load(tmp_path / "state")
    content = (tmp_path / "state").read_bytes()
    (tmp_path / "cut").write_bytes(content[:-5])
    with pytest.raises(RunError, match="damaged or cut short"):
        StreamFactory(model).load(tmp_path / "cut")
    with pytest.raises(RunError, match="no such file"):
        StreamFactory(model).load(tmp_path / "none")
    with torch.no_grad():
        next(model.network.parameters()).add_(1e-3)
    with pytest.raises(RunError, match="the stream of another model"):
        StreamFactory(model).load(tmp_path / "state")


def test_text_is_written_and_completed_from_here(run):
    stream = elman.load(run).stream()
    assert len("".join(stream.compose(12, seed=1))) == 12  # from nothing, as after a line's end
    stream.feed("the c")
    first = list(stream.compose(8, seed=3))
    assert first == list(stream.compose(8, seed=3))
    assert stream.steps == 5
    words = elman.load(run).complete("the cat sa")
    assert stream.complete(text="at sa")[0][0].endswith(words[0][0][2:])
    with pytest.raises(ElmanError, match="at least 0"):
        stream.compose(-1)
    deaf = made("classify").stream()
    with pytest.raises(TaskError, match="expected language or draw, got a task that composes nothing"):
        deaf.compose(1)
    with pytest.raises(TaskError, match="expected language, got a task that completes no words"):
        deaf.complete()


def test_steps_are_drawn_from_here():
    stream = made("draw").stream("a")
    stream.feed(RECORDS["draw"][3].fields["strokes"][:2])
    first = list(stream.compose(5, seed=2))
    assert [step.tolist() for step in first] == [step.tolist() for step in stream.fork().compose(5, seed=2)]
    assert stream.steps == 2
    with pytest.raises(DataError):
        made("draw").stream("no such class")


def test_a_forecast_says_what_time_is_missing():
    days = np.datetime64("2024-01-01") + np.arange(60)
    rows = [Record({"ds": str(day), "y": math.sin(i / 2) + i % 7}, f"row {i}") for i, day in enumerate(days)]
    stream = made("forecast", rows).stream()
    with pytest.raises(DataError, match="expected one, for the calendar"):
        stream.step(1.0)
    assert stream.step(("2024-03-01", 1.0)) is None
    assert stream.step({"ds": "2024-03-02", "y": None}) is None
    with pytest.raises(DataError, match=r"expected 2024-03-03"):
        stream.step(("2024-03-04", 1.0))
    assert stream.steps == 2


@pytest.mark.parametrize("setting", [{"normalise": "sequence"}, {"level": True}])
def test_what_needs_the_whole_signal_says_so(setting):
    with pytest.raises(TaskError, match="looks at the whole"):
        made("recognize", signal=setting).stream()


def test_a_field_over_tags_says_that_it_looks_ahead():
    with pytest.raises(TaskError, match=r"train with tag\.output = softmax"):
        made("tag", tag={"output": "crf"}).stream()


def test_a_word_without_an_end_is_bounded():
    stream = made("language", data={"unit": "bpe"}).stream()
    with pytest.raises(DataError, match="characters without the end of a word"):
        stream.feed("x" * 70_000)
    assert isinstance(made("language", data={"unit": "word"}).task.vocab, WordVocab)
    assert stream.feed("x ") != [] or stream.finish()


def test_a_slab_grows_and_gives_places_back():
    slab = StatePool()
    columns = [slab.take((torch.full((2, 1, 3), float(i)),)) for i in range(9)]
    assert slab.capacity == 16
    slab.free(columns[4])
    assert slab.take((torch.ones(4, 1, 3),)) == columns[4]
    (found,) = slab.get(slab.places([columns[8], columns[4]]))
    assert found[:, 0].tolist() == [[8.0] * 3] * 2 + [[0.0] * 3] * 2
    assert found[:, 1].tolist() == [[1.0] * 3] * 4


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., list[Any]]:
    def answered(text: str | bytes, *tokens: str) -> list[Any]:
        (tmp_path / "typed").write_bytes(text.encode() if isinstance(text, str) else text)
        with (tmp_path / "typed").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert command(["stream", *tokens]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return answered


def test_lines_are_answered_one_by_one(run, tmp_path, typed):
    whole = typed("the cat sat.\nthe dog\n", str(run))
    first = typed("the cat sat.\n", str(run), "--save", str(tmp_path / "state"))
    second = typed("the dog\n", str(run), "--from", str(tmp_path / "state"))
    assert whole[0] == first[0]
    assert {**whole[1], "line": 1} == second[0]
    assert 0 < whole[1]["bits_per_char"] < 20
    fresh = typed("the cat sat.\n" * 2, str(run), "--fresh")
    assert {**fresh[0], "line": 2} == fresh[1] != whole[1]


def test_bytes_that_are_no_text_do_not_end_it(run, typed):
    told = typed(b"the \xff cat\r\nthe dog", str(run))
    assert [sorted(set(line) & {"line", "end", "error"}) for line in told[:2]] == [["line"], ["line"]]
    assert told[0]["probabilities"] == typed("the \ufffd cat\n", str(run))[0]["probabilities"]


def test_a_model_that_cannot_stream_is_told_in_one_line(classifier, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("good\n"))
    assert command(["stream", str(classifier)]) == 2
    assert "train with classify.bidirectional = false" in capsys.readouterr().err


def test_an_empty_text_is_an_unknown_symbol():
    run = RunConfig.of({"data": {"unit": "char"}}, tasks.get("classify").Config)
    member = Text.learn([RawValue("abc", "text")], run)
    assert (
        member.incremental_encoder().flush().tolist() == member.encode(RawValue("", "text")).tolist() == [0]
    )


@pytest.mark.parametrize("how", ["interrupt", "hang up"])
def test_it_ends_well_and_keeps_the_stream(run, tmp_path, how):
    kept = tmp_path / "state"
    command = [sys.executable, "-m", "elman", "stream", str(run), "--save", str(kept)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("the cat\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["line"] == 1  # at once, though more is to come
        if how == "interrupt":
            process.send_signal(signal.SIGINT)
        else:
            process.stdout.close()
            process.stdin.write("the dog\n")
            process.stdin.flush()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    assert elman.load(run).stream(kept).steps >= len("the cat\n")


def sound(rate: int) -> Iterator[Any]:
    return stream_command._sound(stream_command._chunks(GracefulStop()), rate)


@pytest.mark.parametrize("head", [b"", b"RIFF....WAVE"])
def test_samples_come_in_place_of_lines(head, monkeypatch, tmp_path):
    """Samples of 16 bits, with the head of a WAV file or without one."""
    samples = (wave(0.2) * 32767).astype("<i2")
    content = samples.tobytes()
    if head:
        with wavefile.open(str(tmp_path / "wave.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(content)
        content = (tmp_path / "wave.wav").read_bytes()
    (tmp_path / "sound").write_bytes(content)
    with (tmp_path / "sound").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        monkeypatch.setattr(stream_command, "_MOST", 99)  # half a sample is left over each time
        assert np.concatenate(list(sound(8000))).tolist() == samples.tolist()
    if head:
        with (tmp_path / "sound").open("rb") as file:
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(DataError, match="1 channel of 16 bits at 16000 Hz"):
                next(sound(16000))
