"""Exports: what ONNX Runtime, a C compiler and torch make of a network is what the network says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tasks import RECORDS, film

import elman
from elman import cli, export, tasks
from elman.core import optional
from elman.core.errors import ElmanError, TaskError
from elman.core.records import Record, Seq
from elman.core.run_config import RunConfig
from elman.exporters import torch_program
from elman.exporters.c import c99 as in_c
from elman.exporters.graph import ExportedGraph, Sizes, on_cpu
from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.recurrent import Recurrent
from elman.runs.stand_in import stand_in
from elman.tasks import evaluation
from elman.tasks.abilities import ComputesWeights
from elman.tasks.base import Purpose
from elman.tasks.graphs import described, pieces

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from elman.exporters import onnx as in_onnx  # noqa: E402, it needs both
from elman.exporters.onnx import check as onnx_check  # noqa: E402, it needs both

COMPILER = in_c.compiler()
compiled = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")

CELLS = ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before")
ONE_WAY = {
    "language": {},
    "classify": {"bidirectional": False},
    "tag": {"bidirectional": False},
    "recognize": {"bidirectional": False},
    "label": {"bidirectional": False},
    "forecast": {"model": "autoregressive"},
    "draw": {"mixture": 2},
}
"""Tasks that can stream, with what they need for it."""


def network(name: str, hidden: int = 8, **tables: dict[str, Any]) -> torch.nn.Module:
    """A network of a task, its weights moved from where they started."""
    kind = tasks.get(name)
    net = {"hidden": hidden, **tables.pop("network", {})}
    task = kind.prepare(RECORDS[name], RunConfig.of({"network": net, **tables}, kind.Config))
    torch.manual_seed(0)
    made = task.build()
    if isinstance(task, ComputesWeights):
        task.store(made, task.encode(RECORDS[name], Purpose.TRAIN))
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.05 * torch.randn_like(weight)) if weight.requires_grad else None
    return made.eval()


def in_runtime(made: torch.nn.Module, *, streams: bool = False) -> list[Any]:
    """The graphs of a network, which are checked as they are made."""
    return [in_onnx.made(piece, {}, streams=streams) for piece in pieces(made, streams=streams)]


def said_by(model: Any, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return in_onnx.OnnxSession(model.data)(given)


@pytest.fixture(autouse=True)
def _plain(plain: None) -> None:
    """Every test here has one thread and known random numbers."""


# ONNX


def test_every_network_of_a_task_is_described():
    assert {type(network(name)) for name in tasks.TASKS} <= set(described())


@pytest.mark.parametrize("name", tasks.TASKS)
def test_every_task_is_written_as_onnx(name):
    found = in_runtime(network(name))
    assert found
    for one in found:
        onnx.checker.check_model(one.model, full_check=True)
        assert one.off <= 1e-5


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_cells_layers_and_directions(cell, layers, bidirectional, monkeypatch):
    long(monkeypatch)
    made = network(
        "classify",
        # Relu's states have no bound: with an orthogonal matrix rounding alone grows with 1,000 steps.
        network={"cell": cell, "layers": layers, "init_gain": 0.9 if cell == "rnn_relu" else 1.0},
        classify={"bidirectional": bidirectional},
    )
    (one,) = in_runtime(made)
    assert one.off <= 1e-5
    kinds = [node.op_type for node in one.model.graph.node]
    own = {"rnn": "RNN", "rnn_relu": "RNN", "lstm": "LSTM"}.get(cell, "GRU")
    assert kinds.count(own) == layers
    assert "Scan" not in kinds


@pytest.mark.parametrize("cell", [name for name in registry.names() if name not in CELLS])
def test_a_list_of_operations_is_a_scan(cell):
    (one,) = in_runtime(network("classify", network={"cell": cell, "layers": 2}))
    assert one.off <= 1e-5
    assert "Scan" in [node.op_type for node in one.model.graph.node]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "beyond",
    [
        {"layer_norm": True},
        {"layers": 3, "residual": True},
        {"layers": 3, "skip": True, "learn_initial": True},
        {"layers": 2, "layer_norm": True, "learn_initial": True},
    ],
    ids=lambda beyond: "-".join(beyond),
)
def test_what_layers_have_beyond_torch(cell, beyond):
    for way in (True, False):
        (one,) = in_runtime(
            network("classify", network={"cell": cell, **beyond}, classify={"bidirectional": way})
        )
        assert one.off <= 1e-5


@pytest.mark.parametrize("pool", ["last", "mean", "max", "attention", "mean_max"])
def test_pools_whole_and_streaming(pool):
    for way in (True, False):
        made = network("classify", classify={"pool": pool, "bidirectional": way})
        assert in_runtime(made)[0].off <= 1e-5
    assert in_runtime(made, streams=True)[0].off <= 1e-5


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("classify", {"classify": {"frame": 3, "hop": 2}}),
        ("classify", {"data": {"ngrams": 3}}),
        ("classify", {"data": {"unit": "word", "char_ngrams": 4}}),
        ("recognize", {"recognize": {"frame": 4, "hop": 2}}),
        ("label", {}),
        ("tag", {"tag": {"char_hidden": 0}}),
        ("language", {"language": {"tie": True}}),
        *(("forecast", {"forecast": {"scale": scale, "patch": 2}}) for scale in ("last", "mean", "size")),
        ("forecast", {"forecast": {"model": "autoregressive", "distribution": "gaussian"}}),
        ("forecast", {"forecast": {"model": "autoregressive", "distribution": "student_t"}}),
        *(
            ("translate", {"translate": {"attention": look, "feed": feed, "bidirectional": look != "dot"}})
            for look in ("additive", "general", "dot", "none")
            for feed in (True, False)
        ),
        *(
            ("recall", {"recall": {"rule": rule, "update": update}})
            for rule in ("hebb", "storkey", "pseudo_inverse", "modern", "trained")
            for update in ("synchronous", "asynchronous")
        ),
        *(
            ("draw", {"draw": {"start": start, "feed": feed, "mixture": 2}, "network": {"layers": 2}})
            for start in ("none", "class", "text")
            for feed in (True, False)
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value),
)
def test_what_tasks_may_be_made_of(name, tables):
    assert all(one.off <= 1e-5 for one in in_runtime(network(name, **tables)))


@pytest.mark.parametrize("scale", ["last", "mean", "size"])
def test_a_forecast_is_of_a_window_less_its_last_value(scale):
    """As `about` says; of a counter beyond 2**30 float32 leaves nothing else."""
    (piece,) = pieces(network("forecast", forecast={"scale": scale}), streams=False)
    assert piece.about().get("offset", "") == ("" if scale == "size" else "last known value")
    (window,) = piece.example(Sizes(4, torch.tensor([4, 4])), torch.Generator().manual_seed(1)).values()
    origin = piece.about()["before"] + piece.about()["context"]
    last = window[origin - 1, :, 0].clone()
    whole = piece.reference({"input": window}, None)["forecast"]
    window[:, :, 0] -= last
    less = piece.reference({"input": window}, None)["forecast"] + last[:, None]
    assert torch.allclose(whole, less, atol=1e-4) == (scale != "size")


def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are tried with up to 1,000 steps."""
    monkeypatch.setattr(onnx_check, "SIZES", ((1, 2), (2, 2), (333, 2), (1000, 3)))


@pytest.mark.parametrize("name", tasks.TASKS)
def test_time_is_dynamic_from_1_to_1000(name, monkeypatch):
    long(monkeypatch)
    for one in in_runtime(network(name)):
        assert one.off <= 1e-5
    if name in ONE_WAY:
        for one in in_runtime(network(name, **{name: ONE_WAY[name]}), streams=True):
            assert one.off <= 1e-5


def test_lengths_and_state_may_be_left_out():
    made = network("language")
    (one,) = in_runtime(made)
    symbols = torch.randint(5, (6, 2))
    with torch.no_grad():
        scores, (h, c) = made(Seq(symbols))
        later, _ = made(Seq(symbols), (h, c))
    first = said_by(one, {"input": symbols})
    torch.testing.assert_close(first["scores"], scores, atol=1e-5, rtol=1e-5)
    state = {"h": first["next_h"], "c": first["next_c"]}
    torch.testing.assert_close(
        said_by(one, {"input": symbols, **state})["scores"], later, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("name", ONE_WAY)
def test_streaming_is_the_whole(name):
    assert all(one.off <= 1e-5 for one in in_runtime(network(name, **{name: ONE_WAY[name]}), streams=True))


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 11), max_size=6),
    cell=st.sampled_from(["lstm", "gru"]),
    layers=st.integers(1, 3),
    normed=st.booleans(),
)
def test_any_cutting_of_a_stream_is_the_whole(cuts, cell, layers, normed):
    made = network("language", hidden=5, network={"cell": cell, "layers": layers, "layer_norm": normed})
    (one,) = in_runtime(made, streams=True)
    session, symbols = in_onnx.OnnxSession(one.data), torch.randint(5, (12, 2))
    with torch.no_grad():
        expected, _ = made(Seq(symbols))
    state, got = {}, []
    for start, end in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), 12], strict=True):
        said = session({"input": symbols[start:end], **state})
        state = {name.removeprefix("next_"): value for name, value in said.items() if "next_" in name}
        got.append(said["scores"])
    close = 1e-4 if normed else 1e-5  # five units that are normalised: a last bit grows from step to step
    torch.testing.assert_close(torch.cat(got), expected, atol=close, rtol=close)


def test_a_classifier_of_a_stream_says_after_every_step_what_it_would_of_the_steps_so_far():
    made = network("classify", classify={"bidirectional": False})
    (piece,), (one,) = pieces(made, streams=True), in_runtime(made, streams=True)
    data = piece.example(Sizes(7, torch.tensor([7, 7])), torch.Generator().manual_seed(1))["input"]
    session, state = in_onnx.OnnxSession(one.data), {}
    for end in range(1, 8):
        said = session({"input": data[end - 1 : end], **state})
        state = {name.removeprefix("next_"): value for name, value in said.items() if "next_" in name}
        with torch.no_grad():
            expected, _ = made(Seq(data[:end]))
        torch.testing.assert_close(said["scores"], expected, atol=1e-5, rtol=1e-5)


class Leaky(Cell):
    """A cell of one's own."""

    gates, states, name = 1, 1, "leaky"

    def pointwise(self, wx, uh, state):
        return (0.5 * state[0] + 0.5 * torch.tanh(wx + uh.cumsum(-1)),)


def test_what_cannot_be_told_is_refused_by_name(monkeypatch):
    with pytest.raises(TaskError, match="export of the recurrent layers: expected layers that read forward"):
        in_runtime(network("classify"), streams=True)
    with pytest.raises(TaskError, match=r"export of the task: .*looks at a whole source"):
        in_runtime(network("translate"), streams=True)
    made = network("language")
    made.recurrent.cell = Leaky()
    with pytest.raises(
        TaskError, match=r"a list of operations, got the cell 'leaky': it has no Tensor.cumsum"
    ):
        in_runtime(made)
    with pytest.raises(TaskError, match="class Linear, which no one has described"):
        pieces(torch.nn.Linear(2, 2), streams=False)
    with pytest.raises(TaskError, match="float64"):
        on_cpu(network("language").double())


@pytest.mark.parametrize("setting", [{"zoneout": 0.1}, {"projection": 3}], ids=str)
@pytest.mark.parametrize("name", tasks.TASKS)
def test_what_onnx_and_c_lack_is_refused_by_name_and_written_by_torch(name, setting):
    (key, value), *_ = setting.items()
    made = network(name, network={"cell": "lstm", **setting})
    if not any(isinstance(module, Recurrent) for module in made.modules()):
        pytest.skip("no recurrent layers")
    with pytest.raises(TaskError, match=rf"{key}={value}; train without network.{key}, or use --torch"):
        in_runtime(made)
    if name == "language":
        with pytest.raises(TaskError, match=f"{key}={value}"):
            in_c.generate(pieces(made, streams=True)[0], "net", "", "0")
    if name in ("language", "classify", "tag"):
        (piece,) = pieces(made, streams=False)
        assert torch_program.trace_program(made, piece).off <= 1e-5


def test_a_graph_that_says_something_else_is_not_written(run, tmp_path, monkeypatch):
    model = elman.load(run, device="cpu")
    kind = type(pieces(model.network, streams=False)[0])
    reference = kind.reference

    def off(self, given, lengths):
        return {name: value + 1e-3 for name, value in reference(self, given, lengths).items()}

    monkeypatch.setattr(kind, "reference", off)
    with pytest.raises(TaskError, match=r"check of output 'scores' \(T = 1, B = 1\): .*off by"):
        export.to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    if COMPILER:
        with pytest.raises(TaskError, match=r"check of the C file: .*off by"):
            export.to_c(model, tmp_path / "model.c")


def test_without_onnx_the_extra_is_named(run, monkeypatch):
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    with pytest.raises(TaskError, match=r"onnx and onnxruntime not installed; pip install 'elman\[onnx\]'"):
        export.to_onnx(elman.load(run, device="cpu"))


def test_metadata_tell_what_is_in_the_file(run, tmp_path):
    model = elman.load(run, device="cpu")
    (one,) = export.to_onnx(model, tmp_path)
    session = onnxruntime.InferenceSession(str(one.path))
    notes = session.get_modelmeta().custom_metadata_map
    assert notes["task"] == "language"
    assert notes["elman"] == elman.__version__
    assert notes["vocab"] == model.task.to_text()
    assert "hidden = 16" in notes["config"]


def test_a_tagger_brings_its_field():
    (piece,) = pieces(network("tag", tag={"output": "crf"}), streams=False)
    field = piece.about()["crf"]
    assert len(field["transitions"]) == len(field["start"]) == len(field["end"])
    assert json.loads(json.dumps(field)) == field


@pytest.mark.parametrize("bidirectional", [False, True])
def test_kernels_of_whole_series_are_in_a_graph_and_in_no_step(bidirectional):
    generator = torch.Generator().manual_seed(0)
    rows = [
        Record({"series": torch.randn(40 + i, 2, generator=generator).numpy(), "label": "ab"[i % 2]}, "l")
        for i in range(8)
    ]
    tables = {"classify": {"frames": 5, "bidirectional": bidirectional}, "signal": {"kernels": 300}}
    task = tasks.get("classify").prepare(rows, RunConfig.of(tables, tasks.get("classify").Config))
    made = task.build().eval()
    assert in_runtime(made)  # its numbers are compared with the network's
    if not bidirectional:
        with pytest.raises(TaskError, match="export the whole to ONNX"):
            in_runtime(made, streams=True)
        with pytest.raises(TaskError, match="export the whole to ONNX"):
            in_c.generate(pieces(made, streams=True)[0], "net", "", "0")


# 8 bits


def test_8_bits_are_smaller_and_scored(classifier, tmp_path):
    model = elman.load(classifier, device="cpu")
    found = export.to_int8(model, tmp_path)
    assert sum(one.size for one in found.files) < found.before
    assert set(found.scores) == {"model", "int8"}
    assert found.scores["int8"]["loss"] == pytest.approx(found.scores["model"]["loss"], abs=0.05)
    assert found.scores["int8"]["loss"] != found.scores["model"]["loss"]


@pytest.mark.parametrize("field", ["frames", "picture"])
@pytest.mark.parametrize("name", ["caption", "classify"])
def test_what_sees_pictures_is_scored_in_8_bits(name, field):
    """Pixels are bytes; the graphs take numbers."""
    target = "caption" if name == "caption" else "label"
    records = [
        Record({field: film(i) if field == "frames" else film(i)[0], target: "ab"[i % 2]}, f"line {i}")
        for i in range(8)
    ]
    kind = tasks.get(name)
    task = kind.prepare(records, RunConfig.of({"network": {"hidden": 8}}, kind.Config))
    made = task.build().eval()
    small = [
        in_onnx.OnnxSession(in_onnx.quantised(one.model).SerializeToString()) for one in in_runtime(made)
    ]
    found = stand_in(pieces(made, streams=False), small)
    assert found is not None
    held = task.encode(records)
    ours, theirs = (evaluation.evaluate(task, network, held).scores for network in (made, found))
    assert theirs.keys() == ours.keys()
    assert theirs["loss"] == pytest.approx(ours["loss"], abs=0.05)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_every_task_has_8_bits(name):
    made = network(name, network={"cell": "lstm"})
    for piece, one in zip(pieces(made, streams=False), in_runtime(made), strict=True):
        session = in_onnx.OnnxSession(in_onnx.quantised(one.model).SerializeToString())
        sizes = Sizes(5, torch.tensor([5, 5]))
        said = session(piece.example(sizes, torch.Generator().manual_seed(1)))
        assert all(bool(value.isfinite().all()) for value in said.values())


def put(given: list[ExportedGraph], graphs: list[Any]) -> torch.nn.Module:
    """Graphs in a network's place."""
    found = stand_in(given, [in_onnx.OnnxSession(one.data) for one in graphs])
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["language", "classify", "tag", "recognize", "label", "forecast"])
def test_a_graph_in_a_networks_place_has_its_scores(name):
    made = network(name)
    (piece,), (one,) = pieces(made, streams=False), in_runtime(made)
    stand_in = put([piece], [one])
    sizes = Sizes(9, torch.tensor([9, 4]))
    data = piece.example(sizes, torch.Generator().manual_seed(1))["input"]
    lengths = None if name == "forecast" else sizes.lengths
    with torch.no_grad():
        (got, _), (expected, _) = stand_in(Seq(data, lengths)), made(Seq(data, lengths))
    if name == "forecast":
        torch.testing.assert_close(got.scaling, expected.scaling, atol=1e-5, rtol=1e-5)
        got, expected = got.in_units(), expected.in_units()
    assert type(got) is type(expected)
    for mine, theirs in zip(parts(got), parts(expected), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("translate", {"attention": "additive", "feed": True}),
        ("translate", {"attention": "dot", "feed": False, "bidirectional": False}),
        ("translate", {"attention": "none"}),
        ("caption", {}),
    ],
    ids=str,
)
def test_graphs_in_a_writers_place_write_the_same(name, options):
    made = network(name, **{name: options})
    both = pieces(made, streams=False)
    stand_in = put(both, in_runtime(made))
    sizes = Sizes(6, torch.tensor([6, 2, 4]))
    seq = Seq(both[0].example(sizes, torch.Generator().manual_seed(1))["input"], sizes.lengths)
    if name == "caption":
        seq = Seq(seq.data)
    targets = torch.tensor([[1, 2, 0], [2, 1, 3], [-1, 0, 1]])
    with torch.no_grad():
        got, expected = (writes(one(seq)[0], targets) for one in (stand_in, made))
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def writes(reading: Any, targets: torch.Tensor) -> list[torch.Tensor]:
    """All that tasks ask of a reading: teaching, where it looked, the beginning, and steps of a search."""
    rows = torch.tensor([2, 0, 0])
    first, state = reading.start(torch.tensor([1]))
    step = reading.step_fn(rows)
    then, state = step(torch.tensor([1, 2, 0]), tuple(part[:, rows] for part in state))
    last, _ = step(torch.tensor([0, 1, 2]), state)
    taught = reading.decoder.output(reading.teacher_force(targets))
    some = reading.rows(rows[:2]).start()[0]
    return [taught, reading.attention_weights(targets), first, then, last, some]


def parts(scores: Any) -> list[torch.Tensor]:
    return [scores] if isinstance(scores, torch.Tensor) else [s for s in scores if torch.is_tensor(s)]


# C


def c_case(name: str, **tables: Any) -> tuple[ExportedGraph, Any]:
    found = [piece for piece in pieces(network(name, **tables), streams=True) if not piece.whole]
    return found[0], in_c.generate(found[0], "a-net", "A network.", "0")


ZOO = [name for name in registry.names() if name not in CELLS]
C_CASES = [
    *[("language", {"network": {"cell": cell}}) for cell in ZOO],
    ("language", {"network": {"cell": "rhn", "layers": 2, "layer_norm": True}}),
    *[("language", {"network": {"cell": cell, "layers": layers}}) for cell in CELLS for layers in (1, 3)],
    *[
        ("language", {"network": {"cell": cell, "layers": 2, "layer_norm": True, "learn_initial": True}})
        for cell in CELLS
    ],
    ("language", {"network": {"layers": 3, "residual": True}}),
    ("language", {"network": {"layers": 3, "skip": True}}),
    *[
        ("classify", {"classify": {"pool": pool, "bidirectional": False}})
        for pool in ("last", "mean", "max", "attention", "mean_max")
    ],
    ("classify", {"classify": {"frame": 3, "hop": 2, "bidirectional": False}}),
    ("tag", {"tag": {"char_hidden": 0, "bidirectional": False}}),
    ("recognize", {"recognize": {"bidirectional": False}}),
    ("label", {"label": {"bidirectional": False}}),
    ("forecast", {"forecast": {"model": "autoregressive"}}),
    ("draw", {"draw": {"start": "none", "mixture": 2}}),
    ("draw", {"draw": {"start": "class", "mixture": 2}}),
]


@compiled
@pytest.mark.parametrize(
    ("name", "tables"), C_CASES, ids=lambda v: v if isinstance(v, str) else json.dumps(v)
)
def test_c_says_what_the_network_says(name, tables):
    assert COMPILER is not None
    piece, made = c_case(name, **tables)
    assert in_c.check(piece, made, COMPILER) <= 1e-5


@compiled
@pytest.mark.parametrize("name", ["language", "classify", "draw"])
def test_c_is_clean_under_the_sanitizers(name, tmp_path):
    assert COMPILER is not None
    tables = {"classify": {"classify": {"bidirectional": False}}, "draw": {"draw": {"mixture": 2}}}
    piece, made = c_case(name, **tables.get(name, {}))
    sizes = Sizes(6, torch.tensor([6]))
    data = piece.example(sizes, torch.Generator().manual_seed(1))["input"].flatten(1)
    flags = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    found = in_c.run(made, tmp_path, data, COMPILER, flags)
    assert all(bool(value.isfinite().all()) for value in found.values())


CLASSES = """
#include "a_net.h"
#include <stdio.h>
static a_net_state state; static a_net_output out;
int main(void)
{
    float before[3] = {0.0f, 0.0f, 2.0f};
    if (a_net_start_from(&state, 3) == 0 || a_net_start_from(&state, -1) == 0) return 2;
    if (a_net_start_from(&state, 2) || a_net_step(&state, before, &out)) return 3;
    for (int i = 0; i < A_NET_LOGITS; i++) printf("%.9g ", (double)out.logits[i]);
    return 0;
}
"""


@compiled
def test_c_starts_from_a_class(tmp_path):
    piece, made = c_case("draw", draw={"mixture": 2})
    in_c.write(made, tmp_path)
    (tmp_path / "main.c").write_text(CLASSES)
    built = [COMPILER, *in_c.FLAGS, "main.c", "a_net.c", "-o", "main", "-lm"]
    subprocess.run(built, check=True, cwd=tmp_path)
    done = subprocess.run(["./main"], capture_output=True, text=True, cwd=tmp_path, check=True)
    start = {name: value[2:3].transpose(0, 1) for name, value in piece.starts().items()}
    with torch.no_grad():
        expected = piece.reference({"input": torch.tensor([[[0.0, 0.0, 2.0]]]), **start}, None)["logits"]
    got = torch.tensor([float(word) for word in done.stdout.split()])
    torch.testing.assert_close(got, expected.flatten(), atol=1e-5, rtol=1e-5)


@compiled
def test_c_refuses_symbols_and_numbers_that_are_none(tmp_path):
    assert COMPILER is not None
    _, made = c_case("language")
    with pytest.raises(TaskError, match="exit code 1"):
        in_c.run(made, tmp_path, torch.tensor([[1000]]), COMPILER)
    _, made = c_case("recognize", recognize={"bidirectional": False})
    with pytest.raises(TaskError, match="exit code 1"):
        in_c.run(made, tmp_path, torch.full((1, made.graph.input.size), torch.nan), COMPILER)


def test_c_names_what_it_cannot_say():
    for name, tables, words in [
        ("tag", {"tag": {"bidirectional": False}}, "tag.char_hidden=0"),
        ("classify", {}, "bidirectional=false"),
        ("recall", {}, "export the whole to ONNX"),
        ("forecast", {}, "forecast.model=autoregressive"),
        ("draw", {"draw": {"start": "text", "mixture": 2}}, "the window over a text"),
    ]:
        found = pieces(network(name, **tables), streams=True)
        piece = next((one for one in found if not one.whole), found[0])
        with pytest.raises(TaskError, match=words):
            in_c.generate(piece, "net", "", "0")


def test_c_has_no_allocation_and_no_name_but_its_own():
    _, made = c_case("language")
    assert made.name == "a_net"
    for word in ("malloc", "calloc", "realloc", "alloca", "exit("):
        assert word not in made.source
    assert "static const float" in made.source


# torch


@pytest.mark.parametrize("name", ["language", "classify", "tag", "draw"])
def test_programs_of_torch_take_any_sizes(name):
    made = network(name, draw={"start": "none", "mixture": 2}) if name == "draw" else network(name)
    (piece,) = pieces(made, streams=False)
    one = torch_program.trace_program(made, piece)
    assert one.free == ("T", "B")
    assert one.off <= 1e-5


@pytest.mark.parametrize(
    ("name", "tables"),
    [("language", {"network": {"layer_norm": True}}), ("classify", {"data": {"ngrams": 2}})],
)
def test_programs_may_have_the_time_that_they_were_made_with(name, tables):
    made = network(name, **tables)
    (piece,) = pieces(made, streams=False)
    one = torch_program.trace_program(made, piece)
    assert one.free == ("B",)
    assert one.off <= 1e-5


def test_what_torch_cannot_save_is_told(monkeypatch):
    def save(*_: object, **__: object) -> None:
        raise RuntimeError("numel: integer multiplication overflow")  # what some versions say of empty rows

    monkeypatch.setattr(torch.export, "save", save)
    made = network("language")
    (piece,) = pieces(made, streams=False)
    with pytest.raises(TaskError, match=r"a program that fails .*export it to ONNX"):
        torch_program.trace_program(made, piece)


def test_what_torch_cannot_trace_is_told():
    made = network("recall", recall={"rule": "hebb"})
    (piece,) = pieces(made, streams=False)
    with pytest.raises(TaskError, match=r"torch cannot trace .*export it to ONNX"):
        torch_program.trace_program(made, piece)


# The command


def test_the_command_writes_all_of_them(run, tmp_path, capsys):
    for option, files in [
        (["--onnx"], ["model.onnx"]),
        (["--onnx", "--streaming"], ["streaming.onnx"]),
        (["--onnx", "--int8"], ["int8.onnx"]),
        (["--c"], ["model.c", "model.h"]),
        (["--torch"], ["model.pt2"]),
    ]:
        assert cli.run(["export", str(run), *option, "--out", str(tmp_path)]) == 0
        told = capsys.readouterr().out
        for name in files:
            assert (tmp_path / name).stat().st_size > 0
            assert str(tmp_path / name) in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "choose exactly one of --onnx, --c, --torch"),
        (["--onnx", "--c"], "choose exactly one of --onnx, --c, --torch"),
        (["--c", "--int8"], "--int8: without --onnx"),
        (["--onnx", "--data", "x.txt"], "--data: without --int8"),
    ],
)
def test_the_command_says_what_does_not_go_together(run, options, words, capsys):
    assert cli.run(["export", str(run), *options]) == 2
    assert words in capsys.readouterr().err


def test_several_graphs_have_names_before_the_suffix(tmp_path):
    made = network("translate")
    assert [one.name for one in in_runtime(made)] == ["encoder", "decoder"]
    assert export._path(Path("a/model.onnx"), "encoder") == Path("a/model.encoder.onnx")


def test_a_file_that_cannot_be_written_is_told(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ElmanError, match="cannot be written"):
        export.to_c(elman.load(run, device="cpu"), tmp_path / "file" / "model.c")


def test_importing_elman_needs_no_onnx():
    code = "import sys, elman.runs.export; sys.exit('onnx' in sys.modules or 'onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@compiled
def test_the_program_in_the_docs_runs(run, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    model = elman.load(run, device="cpu")
    export.to_c(model, tmp_path / "rhyme.c")
    (tmp_path / "main.c").write_text(source)
    built = [COMPILER, *in_c.FLAGS, "-O3", "main.c", "rhyme.c", "-o", "main", "-lm"]
    subprocess.run(built, check=True, cwd=tmp_path)
    symbols = model.task.vocab.encode("the cat")
    words = [str(symbol) for symbol in symbols.tolist()]
    done = subprocess.run(["./main", *words], capture_output=True, text=True, cwd=tmp_path, check=True)
    with torch.no_grad():
        scores, _ = model.network(Seq(torch.from_numpy(symbols).long()[:, None]))
    assert int(done.stdout) == int(scores[-1, 0].argmax())
