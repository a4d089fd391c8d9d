"""A trained network for others: ONNX, a C file, or a program of torch.export. Nothing unchecked is written."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from elman import files
from elman.errors import TaskError
from elman.export.base import Piece, on_cpu
from elman.export.networks import pieces
from elman.model import Model

__all__ = ["Exported", "onnx"]

_NEEDED = ("onnx", "onnxruntime")


class Exported(NamedTuple):
    """A file that was written.

    Args:
        path: where.
        size: in bytes.
        off: the greatest difference from the network that the check found.
    """

    path: Path
    size: int
    off: float


def onnx(model: Model, out: str | Path | None = None, *, streaming: bool = False) -> list[Exported]:
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
    target = _onnx()
    name = "streaming.onnx" if streaming else "model.onnx"
    path = model.path / name if out is None else Path(out)
    made = [
        target.made(piece, notes(model, piece, streaming), streams=streaming)
        for piece in _pieces(model, streaming)
    ]
    return [_written(_path(path, one.name), one.data, one.off) for one in made]


def notes(model: Model, piece: Piece, streaming: bool) -> dict[str, str]:
    """What goes with a graph: which task, what was learnt of the data, settings, and what `piece` tells."""
    return {
        "elman": version("elman"),
        "task": model.config.task,
        "graph": piece.name or model.config.task,
        "streaming": json.dumps(streaming),
        "about": json.dumps(piece.about()),
        "vocab": model.task.to_text(),
        "config": model.config.to_toml(),
    }


def _pieces(model: Model, streaming: bool) -> list[Piece]:
    on_cpu(model.network)
    return pieces(model.network, streams=streaming)


def _path(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}.{name}{path.suffix}") if name else path


def _written(path: Path, data: bytes, off: float) -> Exported:
    files.write_bytes(path, data)
    return Exported(path, len(data), off)


def _onnx() -> Any:
    missing = [name for name in _NEEDED if not find_spec(name)]
    if missing:
        got = f"{' and '.join(missing)} not installed"
        raise TaskError("export to ONNX", got, remedy="pip install 'elman[onnx]'")
    return import_module("elman.export.onnx")
