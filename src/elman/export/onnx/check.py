"""Whether a graph says what its network says: random input of many sizes, whole and cut in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from elman.errors import TaskError
from elman.export.base import Named, Piece, Sizes
from elman.export.onnx.graph import LENGTHS, NEXT, OnnxGraph

CLOSE = 1e-5
"""What an output may differ by, absolutely and in parts of itself."""

SIZES = (1, 1), (2, 3), (7, 4), (16, 2)
"""Steps and sequences that are tried."""


class Session:
    """A graph in ONNX Runtime, on one thread.

    Args:
        data: the file, or its path.
    """

    def __init__(self, data: bytes | str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # not that states and lengths may be left out
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        found = (*self._session.get_inputs(), *self._session.get_overridable_initializers())
        self.inputs = {one.name for one in found}
        self.outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, given: Named) -> Named:
        """What it gives out, for what of `given` it has an input for."""
        arrays = {name: tensor.numpy() for name, tensor in given.items() if name in self.inputs}
        found = self._session.run(None, arrays)
        return {
            name: torch.from_numpy(np.asarray(array)) for name, array in zip(self.outputs, found, strict=True)
        }


class Trial(NamedTuple):
    """One comparison.

    Args:
        about: what is compared, in words.
        lengths: [B], of sequences of which no more counts.
        got: what the graph says.
        expected: what the network says.
    """

    about: str
    lengths: Tensor
    got: Named
    expected: Named


@torch.no_grad()
def check(piece: Piece, graph: OnnxGraph, data: bytes) -> float:
    """The greatest difference of a graph from its network.

    Raises:
        TaskError: an output is missing, or differs by more than `CLOSE`; where it does is told.
    """
    session, generator = Session(data), torch.Generator().manual_seed(1)
    worst = 0.0
    for steps, batch in SIZES:
        lengths = torch.randint(1, steps + 1, (batch,), generator=generator)
        lengths[0] = steps
        sizes = Sizes(steps, lengths)
        for trial in _trials(piece, graph, session, sizes, generator):
            worst = max(worst, _compare(piece, graph, trial))
    return worst


def _trials(
    piece: Piece, graph: OnnxGraph, session: Session, sizes: Sizes, generator: torch.Generator
) -> Iterator[Trial]:
    given = piece.example(sizes, generator)
    about = f"T = {sizes.steps}, B = {sizes.batch}"
    full = torch.full_like(sizes.lengths, sizes.steps)
    if graph.streams and not piece.whole:
        expected = piece.says(given, None)
        yield Trial(f"{about}, whole", full, session(given), expected)
        cuts = torch.randint(sizes.steps + 1, (3,), generator=generator).unique().tolist()
        yield Trial(f"{about}, cut at {cuts}", full, _in_pieces(session, graph, given, cuts), expected)
        return
    ragged = LENGTHS in session.inputs
    lengths = sizes.lengths if ragged else None
    told = {LENGTHS: lengths} if lengths is not None else {}
    yield Trial(about, sizes.lengths, session({**given, **told}), piece.says(given, lengths))
    states = {
        name: torch.randn(len(start), sizes.batch, start.shape[1], generator=generator)
        for name, start in graph.states.items()
    }
    given = {**states, **given}
    expected = piece.says(given, lengths)
    yield Trial(f"{about}, from a state", sizes.lengths, session({**given, **told}), expected)
    if ragged:
        yield Trial(f"{about}, without lengths", full, session(given), piece.says(given, None))


def _in_pieces(session: Session, graph: OnnxGraph, given: Named, cuts: Sequence[int]) -> Named:
    """What is said of inputs that come in pieces: outputs in step joined, of others the last."""
    timed = [name for name in given if name not in graph.beside]
    places = sorted({0, *cuts, len(given[timed[0]])})
    state: Named = {}
    said: list[Named] = []
    for start, end in pairwise(places):
        some = {name: given[name][start:end] for name in timed}
        others = {name: given[name] for name in graph.beside}
        said.append(session({**others, **some, **state}))
        state = {name: said[-1][NEXT + name] for name in graph.states}
    joined = {name: torch.cat([one[name] for one in said]) for name in graph.in_step}
    return {**said[-1], **joined}


def _compare(piece: Piece, graph: OnnxGraph, trial: Trial) -> float:
    """The greatest difference of a trial."""
    worst = 0.0
    for name, expected in trial.expected.items():
        key = name if name in trial.got else NEXT + name
        if key not in trial.got:
            raise failed(piece, name, "no such output", trial.about)
        got = trial.got[key]
        if got.shape != expected.shape:
            raise failed(piece, name, f"the shape {list(got.shape)} for {list(expected.shape)}", trial.about)
        off = _off(got, expected, trial, name in graph.in_step)
        worst = max(worst, float(off.max()) if off.numel() else 0.0)
        if not worst <= CLOSE:
            place = np.unravel_index(int(off.nan_to_num(torch.inf).argmax()), off.shape)
            got_there = f"off by {off[place]:.2g} at {[int(one) for one in place]}"
            raise failed(piece, name, got_there, trial.about)
    return worst


def _off(got: Tensor, expected: Tensor, trial: Trial, in_step: bool) -> Tensor:
    """How far numbers are off, over what they may be off for; nothing beyond a length."""
    if not expected.is_floating_point():
        return (got != expected).double()
    off = (got.double() - expected.double()).abs() / (1 + expected.double().abs())
    if in_step:
        lengths = trial.expected.get("frames", trial.lengths)
        times = torch.arange(len(off))[:, None]
        off = off.where((times < lengths)[..., None], 0)
    return off


def failed(piece: Piece, name: str, got: str, about: str) -> TaskError:
    """What to raise for a graph that says something else than its network."""
    where = f"check of {piece.name + ' ' if piece.name else ''}output {name!r} ({about})"
    expected = f"the network's numbers to {CLOSE:g}"
    remedy = "nothing was written; tell Elman's authors, with the run's config.toml"
    return TaskError(where, got, expected=expected, remedy=remedy)
