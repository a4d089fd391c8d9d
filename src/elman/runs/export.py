"""A trained network for others: ONNX, a C file, a program of torch.export. Nothing is written unchecked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from elman.core import atomic_files, optional
from elman.exporters import torch_program
from elman.exporters.c import c99
from elman.exporters.graph import ExportedGraph, on_cpu
from elman.runs.stand_in import stand_in
from elman.tasks import evaluation
from elman.tasks.base import Purpose, Scores
from elman.tasks.graphs import pieces
from elman.tasks.model import Model

_NEEDED = ("onnx", "onnxruntime")


class Exported(NamedTuple):
    """A file that was written.

    Args:
        path: where.
        size: in bytes.
        off: the greatest difference from the network that the check found, absolute or in parts of a number;
            None where nothing could be run.
        notes: what else there is to know, in words.
    """

    path: Path
    size: int
    off: float | None
    notes: str = ""


class Quantised(NamedTuple):
    """Files in 8 bits.

    Args:
        files: what was written.
        before: bytes that the same take in single precision.
        scores: on data, of the model and of what was written; none where the task is not scored so.
    """

    files: list[Exported]
    before: int
    scores: dict[str, Scores]


def to_onnx(model: Model, out: str | Path | None = None, *, streaming: bool = False) -> list[Exported]:
    """Write a model's network as ONNX: a file, or where it has several graphs one for each.

    Args:
        model: what `elman.load` gave, on the CPU.
        out: the file; that of a graph with a name has it before the suffix. None: in the run's folder.
        streaming: sequences come in pieces, and all that is carried over is a state.

    Raises:
        TaskError: a part of the network has no place in ONNX or does not stream; onnx or onnxruntime is
            missing; or ONNX Runtime says something else of random input than the network.
        RunError: the file cannot be written.
    """
    made = _made(model, streaming)
    path = _out(model, out, "streaming.onnx" if streaming else "model.onnx")
    return [_written(_path(path, one.name), one.data, one.off) for one in made]


def to_int8(
    model: Model,
    out: str | Path | None = None,
    *,
    streaming: bool = False,
    data: str | None = None,
) -> Quantised:
    """Write a model's network as ONNX with weights in 8 bits, and say what that costs.

    Products and LSTMs are computed in whole numbers; GRU and RNN stay as they are, for ONNX Runtime has none.

    Args:
        model, out, streaming: as `to_onnx` takes them; by default the file is called int8.onnx.
        data: what to score on, all of it; None: the test part of the data that the model learnt from.

    Raises:
        TaskError: as `to_onnx`.
        DataError: the data cannot be read.
    """
    target, made = _onnx(), _made(model, streaming)
    path = _out(model, out, "int8.onnx")
    small = [target.quantised(one.model).SerializeToString() for one in made]
    other = (
        None if streaming else stand_in(_pieces(model, streaming), [target.OnnxSession(one) for one in small])
    )
    scores = {} if other is None else _scored(model, other, data)
    written = [_written(_path(path, one.name), bytes_, None) for one, bytes_ in zip(made, small, strict=True)]
    return Quantised(written, sum(len(one.data) for one in made), scores)


def to_c(model: Model, out: str | Path | None = None) -> list[Exported]:
    """Write a model's network as C99: one step of one sequence, with all weights, and a header.

    Args:
        model: what `elman.load` gave, on the CPU.
        out: the file NAME.c, beside which NAME.h is put; all names in it begin with NAME. None: model.c in
            the run's folder.

    Returns:
        The source and the header; how far they are off is not known where there is no C compiler.

    Raises:
        TaskError: a part of the network needs more than a step; or the file, compiled, says something else.
        RunError: a file cannot be written.
    """
    path = _out(model, out, "model.c")
    piece = next((one for one in _all(model) if not one.whole), _all(model)[0])
    about = f"Task {model.config.task}, from the run {model.path.name}."
    made = c99.generate(piece, path.stem, about.replace("*/", "* /"), version("elman"))
    compiler = c99.compiler()
    off = None if compiler is None else c99.check(piece, made, compiler)
    notes = "" if compiler else "no C compiler is here to check it"
    texts = (f"{made.name}.c", made.source), (f"{made.name}.h", made.header)
    return [_written(path.with_name(name), text.encode(), off)._replace(notes=notes) for name, text in texts]


def to_torch(model: Model, out: str | Path | None = None) -> list[Exported]:
    """Write a model's network as programs, for `torch.export.load` where `elman` was imported.

    Args:
        model: what `elman.load` gave, on the CPU.
        out: the file, as of `to_onnx`; None: model.pt2 in the run's folder.

    Raises:
        TaskError: torch cannot trace the network, or the program says something else.
        RunError: the file cannot be written.
    """
    path = _out(model, out, "model.pt2")
    made = [torch_program.trace_program(model.network, piece) for piece in _pieces(model, False)]
    return [
        _written(_path(path, one.name), one.data, one.off)._replace(notes=_sizes(one.free)) for one in made
    ]


def _sizes(free: Sequence[str]) -> str:
    return f"any {' and '.join(free)}" if free else "of the sizes that it was made with alone"


def _all(model: Model) -> list[ExportedGraph]:
    return _pieces(model, True)


def _pieces(model: Model, streaming: bool) -> list[ExportedGraph]:
    on_cpu(model.network)
    return pieces(model.network, streams=streaming)


def _made(model: Model, streaming: bool) -> list[Any]:
    target = _onnx()
    return [
        target.made(piece, _notes(model, piece, streaming), streams=streaming)
        for piece in _pieces(model, streaming)
    ]


def _notes(model: Model, piece: ExportedGraph, streaming: bool) -> dict[str, str]:
    """Return the notes of a graph: its task, what was learnt of the data, settings, and `piece`'s own."""
    return {
        "elman": version("elman"),
        "task": model.config.task,
        "graph": piece.name or model.config.task,
        "streaming": json.dumps(streaming),
        "about": json.dumps(piece.about()),
        "vocab": model.task.to_text(),
        "config": model.config.to_toml(),
    }


def _scored(model: Model, other: nn.Module, data: str | None) -> dict[str, Scores]:
    """Return the scores of the model, and of the module that replaces its network."""
    examples = model.task.encode(model.part(Purpose.TEST, data), Purpose.SCORE if data else Purpose.TEST)
    both = {"model": model.network, "int8": other}
    return {name: evaluation.evaluate(model.task, network, examples).scores for name, network in both.items()}


def _out(model: Model, out: str | Path | None, name: str) -> Path:
    """Return the file to write; a folder takes one of the usual name."""
    path = model.path if out is None else Path(out)
    return path / name if path.is_dir() else path


def _path(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}.{name}{path.suffix}") if name else path


def _written(path: Path, data: bytes, off: float | None) -> Exported:
    atomic_files.write_bytes(path, data)
    return Exported(path, len(data), off)


def _onnx() -> Any:
    missing = [name for name in _NEEDED if not optional.is_installed(name)]
    for name in missing:
        optional.require(name, "onnx", "export to ONNX", got=f"{' and '.join(missing)} not installed")
    return import_module("elman.exporters.onnx")
