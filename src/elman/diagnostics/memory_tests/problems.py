"""The classic tests of memory: problems made anew at every step, whose answer lies a known time back.

Each has a trivial loss, that of the best answer without a look at the sequence. It knows recurrent layers and
no task.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core.errors import ConfigError, nearest
from elman.diagnostics.memory_tests import groups

SYMBOLS = 8
"""Of copy memory and sequential recall."""

_RECALLED = 10
"""Symbols that copy memory keeps."""
_SOLVED_NUMBERS, _SOLVED_CLASSES = 0.006, 0.02
"""Shares of the trivial loss below which a problem is solved: an error of 0.001 of the adding problem, and
about 99 answers of 100 where they are classes."""


class ProblemBatch(NamedTuple):
    """Sequences [T, B, F], and the answers at their last S steps: [S, B] classes, or [S, B, 1] numbers."""

    inputs: Tensor
    answers: Tensor


@dataclass(frozen=True)
class Problem:
    """One of the tests.

    Args:
        name: in the table.
        about: what there is to remember, in a line.
        features: F of an input.
        outputs: scores that a network gives at a step; 1 for a number.
        draw: length, batch and generator -> sequences.
        trivial: the loss of the best answer without a look at the sequence, a mean over the answers.
    """

    name: str
    about: str
    features: int
    outputs: int
    draw: Callable[[int, int, torch.Generator], ProblemBatch]
    trivial: float

    @property
    def solved_below(self) -> float:
        """The loss below which it counts as solved."""
        return self.trivial * (_SOLVED_NUMBERS if self.outputs == 1 else _SOLVED_CLASSES)

    def loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Return the squared error of numbers, or the cross-entropy in nats of classes, as a mean."""
        if self.outputs == 1:
            return F.mse_loss(outputs, answers)
        return F.cross_entropy(outputs.flatten(0, 1), answers.flatten())


def _adding(length: int, batch: int, generator: torch.Generator) -> ProblemBatch:
    half = length // 2
    numbers = torch.rand(length, batch, generator=generator)
    first = torch.randint(half, (batch,), generator=generator)
    second = half + torch.randint(length - half, (batch,), generator=generator)
    marks, column = torch.zeros(length, batch), torch.arange(batch)
    marks[first, column] = marks[second, column] = 1
    return ProblemBatch(torch.stack([numbers, marks], -1), (numbers * marks).sum(0)[None, :, None])


def _copy(length: int, batch: int, generator: torch.Generator) -> ProblemBatch:
    symbols_shown = torch.randint(SYMBOLS, (_RECALLED, batch), generator=generator)
    blank, now = SYMBOLS, SYMBOLS + 1
    symbols = torch.full((length + 2 * _RECALLED, batch), blank)
    symbols[:_RECALLED] = symbols_shown
    symbols[-_RECALLED - 1] = now
    return ProblemBatch(F.one_hot(symbols, SYMBOLS + 2).float(), symbols_shown)


def _order(length: int, batch: int, generator: torch.Generator) -> ProblemBatch:
    symbols = torch.randint(4, (length, batch), generator=generator)
    marks, column = torch.randint(2, (2, batch), generator=generator), torch.arange(batch)
    spans = ((length // 10, length // 5), (length // 2, 3 * length // 5))
    for mark, (start, end) in zip(marks, spans, strict=True):
        symbols[torch.randint(start, max(start + 1, end), (batch,), generator=generator), column] = 4 + mark
    return ProblemBatch(F.one_hot(symbols, 6).float(), (2 * marks[0] + marks[1])[None])


def _parity(length: int, batch: int, generator: torch.Generator) -> ProblemBatch:
    bits = torch.randint(2, (length, batch), generator=generator)
    return ProblemBatch(2 * bits[..., None].float() - 1, bits.cumsum(0) % 2)


def _recall(length: int, batch: int, generator: torch.Generator) -> ProblemBatch:
    symbols_shown = torch.randint(SYMBOLS, (length // 2, batch), generator=generator)
    symbols = torch.cat([symbols_shown, torch.full_like(symbols_shown, SYMBOLS)])
    return ProblemBatch(F.one_hot(symbols, SYMBOLS + 1).float(), symbols_shown)


def _group(name: str, about: str) -> Problem:
    """Words of a group, letter by letter."""
    size = groups.SIZES[name]

    def draw(length: int, batch: int, generator: torch.Generator) -> ProblemBatch:
        letters, products = groups.words(name, length, batch, generator)
        return ProblemBatch(F.one_hot(letters, size).float(), products)

    return Problem(name, about, size, size, draw, math.log(size))


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem(
            "adding",
            "the sum of the two numbers that were marked (Hochreiter & Schmidhuber 1997)",
            2,
            1,
            _adding,
            1 / 6,
        ),
        Problem(
            "copy",
            "ten symbols of eight, repeated after a number of blanks (Arjovsky, Shah & Bengio 2016)",
            SYMBOLS + 2,
            SYMBOLS,
            _copy,
            math.log(SYMBOLS),
        ),
        Problem(
            "order",
            "which of two symbols came first and which second, among others (Hochreiter & Schmidhuber 1997)",
            6,
            4,
            _order,
            math.log(4),
        ),
        Problem(
            "parity",
            "whether the bits so far have an odd sum, at every step",
            1,
            2,
            _parity,
            math.log(2),
        ),
        Problem(
            "recall",
            "half of the sequence, symbols of eight, repeated in the other half",
            SYMBOLS + 1,
            SYMBOLS,
            _recall,
            math.log(SYMBOLS),
        ),
        _group("modulo5", "the sum modulo 5 of the digits so far, at every step"),
        _group("s5", "the product of the permutations of five so far, at every step (Merrill et al. 2024)"),
        _group("a5", "the product of the even permutations of five so far, at every step"),
    )
}
"""Name -> test of memory."""


def get(name: str) -> Problem:
    """Return the problem of that name.

    Raises:
        ConfigError: there is none; it tells the nearest one.
    """
    if name not in PROBLEMS:
        raise ConfigError("probe", f"unknown problem {name!r}", remedy=nearest(name, PROBLEMS))
    return PROBLEMS[name]
