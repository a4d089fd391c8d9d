"""Networks as programs of torch.export: dense sequences, with the state as inputs and outputs."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from elman.core.errors import TaskError
from elman.exporters.graph import ExportedGraph, Named, Sizes, refused

CLOSE = 1e-5
_TRACED, _TRIED = Sizes(5, torch.tensor([5, 5, 5])), Sizes(9, torch.tensor([9, 9]))
"""What a program is made from, and what it is tried on."""


class TorchProgram(NamedTuple):
    """A program.

    Args:
        name: what it is called, where a network needs several.
        data: the file, a .pt2.
        free: which of time and batch may have any size.
        off: the greatest difference from the network.
    """

    name: str
    data: bytes
    free: tuple[str, ...]
    off: float


class _Traced(nn.Module):
    """A network that is called with tensors by place, and gives them so."""

    def __init__(self, network: nn.Module, piece: ExportedGraph, names: list[str]) -> None:
        super().__init__()
        self.network, self._piece, self._names = network, piece, names

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(self._piece.reference(dict(zip(self._names, given, strict=True)), None).values())


def trace_program(network: nn.Module, piece: ExportedGraph) -> TorchProgram:
    """Trace one of a network's graphs; time and batch are of any size if torch can trace that.

    Raises:
        TaskError: torch cannot trace it, or the program says something else than the network.
    """
    generator = torch.Generator().manual_seed(1)
    given, other = (piece.example(sizes, generator) for sizes in (_TRACED, _TRIED))
    traced = _Traced(network, piece, list(given)).eval()
    program = _program(traced, piece, given)
    free = _free(program)
    file = io.BytesIO()
    try:
        torch.export.save(program, file, extra_files={"names": " ".join(given)})
        file.seek(0)
        loaded = torch.export.load(file).module()
        off = _off(traced, loaded, other if len(free) == 2 else given)
    except (RuntimeError, AssertionError) as error:
        got = f"a program that fails ({' '.join(str(error).split())[:200]})"
        raise refused("the network to torch", got, remedy="export it to ONNX") from error
    return TorchProgram(piece.name, file.getvalue(), free, off)


def _program(traced: _Traced, piece: ExportedGraph, given: Named) -> Any:
    arguments = tuple(given.values())
    sizes = tuple(dict.fromkeys(range(min(2, one.ndim)), Dim.AUTO) for one in arguments)
    reasons = []
    with torch.no_grad():
        for shapes in (sizes, None):
            try:
                return torch.export.export(traced, arguments, dynamic_shapes=shapes and (shapes,))
            except Exception as error:  # torch raises many kinds, and each says that it cannot be traced
                reasons.append(" ".join(str(error).split())[:200])
    part = f"{piece.name or 'the network'} to torch"
    raise refused(part, f"a step that torch cannot trace ({reasons[-1]})", remedy="export it to ONNX")


def _free(program: Any) -> tuple[str, ...]:
    """Return those of T and B that are symbolic in the shape of the first input."""
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder"]
    first = shapes[-len(program.graph_signature.user_inputs)]
    names = ("T", "B")[-min(2, len(first)) :] if len(first) > 1 else ("B",)
    return tuple(name for name, size in zip(names, first, strict=False) if not str(size).isdigit())


@torch.no_grad()
def _off(traced: _Traced, program: Any, given: Named) -> float:
    worst = 0.0
    for got, expected in zip(program(*given.values()), traced(*given.values()), strict=True):
        off = (got.double() - expected.double()).abs() / (1 + expected.double().abs())
        worst = max(worst, float(off.max()))
        if not worst <= CLOSE:
            expected_words = f"the network's numbers to {CLOSE:g}"
            raise TaskError("check of the program", f"off by {worst:.2g}", expected=expected_words)
    return worst
