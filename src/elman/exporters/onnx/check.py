"""Whether a graph says what its network says: random input of many sizes, whole and cut in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from elman.core.errors import TaskError
from elman.exporters.graph import LENGTHS, NEXT, ExportedGraph, Named, Sizes
from elman.exporters.onnx.graph import OnnxGraph
from elman.nn.masks import step_mask

CLOSE = 1e-5
"""What an output may differ by, absolutely and in parts of itself."""

_LAST_BIT, _TIMES = 6e-8, 10
"""A network whose own numbers move by much when the last bit of its weights does, as where few units are
normalised or a state is chaotic, cannot be met closer: this many times that movement is allowed."""

SIZES = (1, 1), (2, 3), (7, 4), (16, 2)
"""Steps and sequences that are tried."""

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
"""What ONNX Runtime calls the types of our inputs."""


class OnnxSession:
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
        self.inputs = {one.name: _TYPES[one.type] for one in found}
        self.outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, given: Named) -> Named:
        """Run the graph on what of `given` it has an input for; bytes of pictures become numbers."""
        arrays = {
            name: tensor.numpy().astype(self.inputs[name], casting="same_kind", copy=False)
            for name, tensor in given.items()
            if name in self.inputs
        }
        found = self._session.run(None, arrays)
        return {
            name: torch.from_numpy(np.asarray(array)) for name, array in zip(self.outputs, found, strict=True)
        }


class CheckCase(NamedTuple):
    """One comparison.

    Args:
        about: what is compared, in words.
        lengths: [B], of sequences of which no more counts.
        got: what the graph says.
        given: the inputs of both.
        passed: the lengths [B] that the network got; None: none.
    """

    about: str
    lengths: Tensor
    got: Named
    given: Named
    passed: Tensor | None


@torch.no_grad()
def check(piece: ExportedGraph, graph: OnnxGraph, data: bytes) -> float:
    """Return the greatest difference of a graph from its network.

    Raises:
        TaskError: an output is missing, or differs by more than `CLOSE`, with the place.
    """
    session, generator = OnnxSession(data), torch.Generator().manual_seed(1)
    worst = 0.0
    for steps, batch in SIZES:
        lengths = torch.randint(1, steps + 1, (batch,), generator=generator)
        lengths[0] = steps
        sizes = Sizes(steps, lengths)
        for trial in _trials(piece, graph, session, sizes, generator):
            worst = max(worst, _compare(piece, graph, trial))
    return worst


def _trials(
    piece: ExportedGraph, graph: OnnxGraph, session: OnnxSession, sizes: Sizes, generator: torch.Generator
) -> Iterator[CheckCase]:
    given = piece.example(sizes, generator)
    about = f"T = {sizes.steps}, B = {sizes.batch}"
    full = torch.full_like(sizes.lengths, sizes.steps)
    if graph.streams and not piece.whole:
        yield CheckCase(f"{about}, whole", full, session(given), given, None)
        cuts = torch.randint(sizes.steps + 1, (3,), generator=generator).unique().tolist()
        yield CheckCase(f"{about}, cut at {cuts}", full, _in_pieces(session, graph, given, cuts), given, None)
        return
    ragged = LENGTHS in session.inputs
    lengths = sizes.lengths if ragged else None
    passed = {LENGTHS: lengths} if lengths is not None else {}
    yield CheckCase(about, sizes.lengths, session({**given, **passed}), given, lengths)
    states = {
        name: torch.rand(len(start), sizes.batch, start.shape[1], generator=generator)
        for name, start in graph.states.items()
    }
    given = {**states, **given}
    yield CheckCase(f"{about}, from a state", sizes.lengths, session({**given, **passed}), given, lengths)
    if ragged:
        yield CheckCase(f"{about}, without lengths", full, session(given), given, None)


def _in_pieces(session: OnnxSession, graph: OnnxGraph, given: Named, cuts: Sequence[int]) -> Named:
    """Return the outputs for inputs in pieces: those per step concatenated, of others the last."""
    timed = [name for name in given if name not in graph.beside]
    places = sorted({0, *cuts, len(given[timed[0]])})
    state: Named = {}
    outputs: list[Named] = []
    for start, end in pairwise(places):
        some = {name: given[name][start:end] for name in timed}
        others = {name: given[name] for name in graph.beside}
        outputs.append(session({**others, **some, **state}))
        state = {name: outputs[-1][NEXT + name] for name in graph.states}
    joined = {name: torch.cat([one[name] for one in outputs]) for name in graph.in_step}
    return {**outputs[-1], **joined}


def _compare(piece: ExportedGraph, graph: OnnxGraph, trial: CheckCase) -> float:
    """Return the greatest difference of a trial."""
    expected = piece.reference(trial.given, trial.passed)
    got = {name: _found(piece, trial, name, value) for name, value in expected.items()}
    off = {name: _off(got[name], value, graph, trial, expected) for name, value in expected.items()}
    worst = {name: float(each.max()) for name, each in off.items() if each.numel()}
    if max(worst.values()) <= CLOSE:
        return max(worst.values())
    moved = _moved(piece).reference(trial.given, trial.passed)
    for name, each in worst.items():
        own = _off(moved[name], expected[name], graph, trial, expected)
        if not each <= max(CLOSE, _TIMES * float(own.max())):
            place = np.unravel_index(int(off[name].nan_to_num(torch.inf).argmax()), off[name].shape)
            there = f"off by {off[name][place]:.2g} at {[int(one) for one in place]}"
            raise failed(piece, name, there, trial.about)
    return max(worst.values())


def _found(piece: ExportedGraph, trial: CheckCase, name: str, expected: Tensor) -> Tensor:
    """Return what a graph gives for an output of its network."""
    key = name if name in trial.got else NEXT + name
    if key not in trial.got:
        raise failed(piece, name, "no such output", trial.about)
    got = trial.got[key]
    if got.shape != expected.shape:
        raise failed(piece, name, f"the shape {list(got.shape)} for {list(expected.shape)}", trial.about)
    return got


def _moved(piece: ExportedGraph) -> ExportedGraph:
    """Return the same with the last bit of its weights moved."""
    other, generator = deepcopy(piece), torch.Generator().manual_seed(1)
    for module in [one for one in vars(other).values() if isinstance(one, nn.Module)]:
        for weight in module.parameters():
            signs = torch.rand(weight.shape, generator=generator) < 0.5
            weight.mul_(torch.where(signs, 1 + _LAST_BIT, 1 - _LAST_BIT))
    return other


def _off(got: Tensor, expected: Tensor, graph: OnnxGraph, trial: CheckCase, outputs: Named) -> Tensor:
    """Return how far numbers are off, over the tolerance; nothing beyond a length."""
    if not expected.is_floating_point():
        return (got != expected).double()
    off = (got.double() - expected.double()).abs() / (1 + expected.double().abs())
    if any(expected is outputs[name] for name in graph.in_step if name in outputs):
        off = off.where(step_mask(off, outputs.get("frames", trial.lengths))[..., None], 0)
    return off


def failed(piece: ExportedGraph, name: str, got: str, about: str) -> TaskError:
    """Return the error to raise for a graph whose outputs differ from its network's."""
    where = f"check of {piece.name + ' ' if piece.name else ''}output {name!r} ({about})"
    expected = f"the network's numbers to {CLOSE:g}"
    remedy = "nothing was written; tell Elman's authors, with the run's config.toml"
    return TaskError(where, got, expected=expected, remedy=remedy)
