"""Layers one above the other, in one direction or both: what all networks and steppers run."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import Result, ScanJob, Weights

V = TypeVar("V")


class StackOptions(NamedTuple):
    """How layers stand together, and what is dropped in training.

    Args:
        layers: L, one above the other.
        directions: 2 where each layer also runs from the end to the start.
        merge: the two directions side by side ("concat") or added ("sum").
        dropout, variational, recurrent_dropout, zoneout, residual, skip: see `Recurrent`.
        training: whether to drop at all.
        kernel: the name of the kernel to use; None: the fastest that serves.
    """

    layers: int
    directions: int = 1
    merge: str = "concat"
    dropout: float = 0.0
    variational: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    residual: bool = False
    skip: bool = False
    training: bool = False
    kernel: str | None = None


class StackInput(NamedTuple):
    """What all layers run over.

    Args:
        x: [T, B, F].
        states: for run layer * D + direction, S tensors [B, H] to start from; with a projection the first is
            [B, P].
        lengths: [B] int64 on the CPU, or None.
        reset: [T, B] bool, or None; see `ScanJob`.
        every: give every state of the last layer at all steps, not the hidden one alone.
    """

    x: Tensor
    states: Sequence[tuple[Tensor, ...]]
    lengths: Tensor | None = None
    reset: Tensor | None = None
    every: bool = False


def scan_layers(
    cell: Cell, weights: Callable[[int], Weights], options: StackOptions, given: StackInput
) -> tuple[tuple[Tensor, ...], list[tuple[Tensor, ...]]]:
    """Run a cell over time in layers and directions.

    Args:
        cell: of all layers.
        weights: of run layer * D + direction, asked once a call in the order of the runs.
        options: how the layers stand together.
        given: what they run over.

    Returns:
        The outputs (y,), y [T, B, D * H]; with `every` the last layer's other states too. And for each run
        S tensors [B, H], the state after each sequence's last step.
    """
    scan = _Scan(cell, weights, options, given)
    if options.layers == options.directions == 1:  # of which a single step is, whose every microsecond counts
        ys, state = scan.run(0, given.x, given.every)
        return ys, [state]
    last: list[tuple[Tensor, ...]] = []
    others: list[Tensor] = []

    def run(layer: int, x: Tensor) -> Tensor:
        ys, after = scan.layer(layer, x)
        last.extend(after)
        others[:] = ys[1:]
        return ys[0]

    def between(x: Tensor) -> Tensor:
        return dropout(x, options.dropout, options.variational, options.training)

    y = stack_layers(
        options.layers, given.x, run, between=between, residual=options.residual, skip=options.skip
    )
    return (y, *others), last


def stack_layers(
    layers: int,
    x: V,
    run: Callable[[int, V], V],
    *,
    residual: bool = False,
    skip: bool = False,
    between: Callable[[V], V] | None = None,
    join: Callable[[list[V]], V] | None = None,
    add: Callable[[Any, Any], V] = operator.add,
) -> V:
    """What layers one above the other give.

    Args:
        layers: L.
        x: what enters the first one, such as [T, B, F] or [B, F].
        run: what a layer, by its number from 0, gives of what enters it.
        residual: each layer beyond the first adds its input, as it was before `between`, to its output.
        skip: every layer sees `x` too, and the output is that of all layers side by side.
        between: what becomes of a layer's output before the next one, such as dropout; None: nothing.
        join: values side by side; None: tensors along their last axis.
        add: the sum of two values.
    """
    outs: list[V] = []  # torch.compile does not trace list[V]()
    first, join = x, join or _side_by_side
    for layer in range(layers):
        entering = between(x) if layer and between else x
        y = run(layer, join([first, entering]) if layer and skip else entering)
        x = add(x, y) if layer and residual else y
        outs.append(x)
    return join(outs) if skip and layers > 1 else x


def dropout(x: Tensor, p: float, variational: bool, training: bool) -> Tensor:
    """Drop a share p of the features, and scale the others by 1 / (1 - p).

    Args:
        x: [T, B, F].
        p: the share, from 0 to below 1.
        variational: one mask [B, F] for all steps (Gal and Ghahramani 2016), not one at every step.
        training: whether to drop at all.

    Returns:
        [T, B, F].
    """
    if not (training and p):
        return x
    return x * F.dropout(torch.ones_like(x[:1]), p) if variational else F.dropout(x, p)


def hidden_mask(h: Tensor, p: float, training: bool) -> Tensor | None:
    """A mask of recurrent dropout, one for all steps (Gal and Ghahramani 2016).

    Args:
        h: [B, H], the hidden state that it will stand before.
        p: the share that is dropped, from 0 to below 1; the others are scaled by 1 / (1 - p).
        training: whether to drop at all.

    Returns:
        [B, H], or None where nothing is dropped.
    """
    return F.dropout(torch.ones_like(h), p) if training and p else None


class _Scan(NamedTuple):
    """The arguments of `scan_layers`."""

    cell: Cell
    weights: Callable[[int], Weights]
    options: StackOptions
    given: StackInput

    def layer(self, layer: int, x: Tensor) -> tuple[tuple[Tensor, ...], list[tuple[Tensor, ...]]]:
        """One layer: its states at all steps, the directions merged, and the last ones of each direction."""
        options, every = self.options, self.given.every and layer == self.options.layers - 1
        if options.directions == 1:
            ys, last = self.run(layer, x, every)
            return ys, [last]
        there, last = self.run(2 * layer, x, every)
        back, first = self.run(2 * layer + 1, x, every)
        merge = _side_by_side if options.merge == "concat" else _added
        return tuple(merge(list(pair)) for pair in zip(there, back, strict=True)), [last, first]

    def run(self, run: int, x: Tensor, every: bool) -> Result:
        """One layer in one direction."""
        options, given, state = self.options, self.given, self.given.states[run]
        job = ScanJob(
            x,
            state,
            self.weights(run),
            given.lengths,
            run % options.directions == 1,
            hidden_mask(state[0], options.recurrent_dropout, options.training),
            given.reset,
            _zone(len(x), state, options) if options.zoneout else None,
            every,
        )
        return dispatch.scan(self.cell, job, options.kernel)


def _zone(steps: int, state: tuple[Tensor, ...], options: StackOptions) -> tuple[Tensor | float, ...]:
    """What each state keeps of its last value: drawn anew in training, its expectation otherwise."""
    if not options.training:
        return (options.zoneout,) * len(state)
    return tuple(s.new_empty(steps, *s.shape).bernoulli_(options.zoneout) for s in state)


def _side_by_side(values: list[Any]) -> Any:
    return torch.cat(values, -1)


def _added(values: list[Tensor]) -> Tensor:
    return values[0] + values[1]
