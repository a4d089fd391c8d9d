"""Cells as lists: traced once for each hidden size, and refused in words where a list cannot say them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from elman.nn.formula.evaluation import evaluated
from elman.nn.formula.operations import Formula
from elman.nn.formula.tracing import StandIn, StepTrace, UnlistedError

MOST_STATES = 4


class Listable(Protocol):
    """What is asked of a cell."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Gates, recurrent gates and states."""
        ...

    @property
    def entering_scalars(self) -> tuple[bool, ...]:
        """For each of what its own parameters enter a step as, whether it is one number for all units."""
        ...

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Any, /) -> tuple[Tensor, ...]:
        """One step."""
        ...


class Listing(NamedTuple):
    """What tracing came to: a formula, or why there is none."""

    formula: Formula | None
    refusal: str | None


def listed(cell: Any, hidden: int) -> Listing:
    """The list of a cell's step.

    Args:
        cell: a `Cell`.
        hidden: H, which a step may read from the shapes that it sees.
    """
    try:
        hash(cell)
    except TypeError:
        return Listing(None, "its fields cannot be hashed, and the list is made once for each cell")
    return _listed(cell, hidden)


class _Asked:
    """The products of a step as a cell asks for them, on stand-ins or on tensors."""

    def __init__(self, last_gate: int, product: Any, learnt: tuple[Any, ...]) -> None:
        self._last, self._product, self.learnt = last_gate, product, learnt

    def __call__(self, h: Any, first_gate: int = 0, last_gate: int | None = None) -> Any:
        return self._product(h, first_gate, self._last if last_gate is None else last_gate)


@lru_cache(1024)
def _listed(cell: Listable, hidden: int) -> Listing:
    gates, recurrent, states = cell.sizes
    if states > MOST_STATES:
        return Listing(None, f"it has up to {MOST_STATES} states, not {states}")
    trace = StepTrace(hidden)
    learnt = tuple(
        StandIn(trace, [trace.list.source("learnt", place)], () if scalar else (hidden,))
        for place, scalar in enumerate(cell.entering_scalars)
    )
    before = tuple(trace.wide("state", index, index + 1) for index in range(states))
    try:
        after = cell.step(trace.wide("input", 0, gates), before, _Asked(recurrent, trace.recur, learnt))  # pyrefly: ignore
        formula = trace.formula(after, (gates, recurrent, states, len(learnt)))
    except UnlistedError as refusal:
        return Listing(None, str(refusal))
    except Exception as error:  # whatever a user's step does to what is no tensor
        return Listing(
            None, f"its step does not run on stand-ins: {type(error).__name__}: {error}".split("\n")[0]
        )
    return Listing(formula, None) if _holds(cell, formula, hidden) else Listing(None, _OTHER)


_OTHER = "its step gives other numbers than what it wrote down: it keeps something, or reads the batch"


@torch.no_grad()
def _holds(cell: Listable, formula: Formula, hidden: int) -> bool:
    """Whether the list gives the step's numbers."""
    draw = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    u = some(formula.recurrent_gates * hidden, 1) * 0.5
    wx = some(2, formula.gates * hidden)
    state = tuple(some(2, hidden) for _ in range(formula.states))
    learnt = tuple(some(*(() if scalar else (hidden,))) for scalar in cell.entering_scalars)

    def product(h: Tensor, first: int, last: int) -> Tensor:
        return h.mean(-1, keepdim=True) * u[first * hidden : last * hidden, 0] + h.repeat(1, last - first)

    expected = cell.step(wx, state, _Asked(formula.recurrent_gates, product, learnt))
    values = evaluated(formula, wx, state, product, learnt)
    found = [values[result] for result in formula.results]
    return all(
        torch.allclose(a.expand_as(b), b, rtol=1e-9, atol=1e-9, equal_nan=True)
        for a, b in zip(found, expected, strict=True)
    )
