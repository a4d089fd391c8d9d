"""The classic tests of memory: problems made anew at every step, whose answer lies a known time back.

Each has a trivial loss, that of the best answer without a look at the sequence. It knows recurrent layers and
no task.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import cells
from elman.batch import Seq
from elman.effort import Effort
from elman.errors import ConfigError, nearest
from elman.recurrent import Recurrent

SYMBOLS = 8
"""Of copy memory and sequential recall."""

_RECALLED = 10
"""Symbols that copy memory keeps."""

_HELD = 500
"""Sequences that a network is scored on."""

_SEED = 1_000_003
_SHORTEST = 10
_SOLVED_NUMBERS, _SOLVED_CLASSES = 0.006, 0.02
"""Shares of the trivial loss below which a problem is solved: an error of 0.001 of the adding problem, and
about 99 answers of 100 where they are classes."""


class Drawn(NamedTuple):
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
    draw: Callable[[int, int, torch.Generator], Drawn]
    trivial: float

    @property
    def solved_below(self) -> float:
        """The loss below which it counts as solved."""
        return self.trivial * (_SOLVED_NUMBERS if self.outputs == 1 else _SOLVED_CLASSES)

    def loss(self, said: Tensor, answers: Tensor) -> Tensor:
        """The squared error of numbers, the cross-entropy in nats of classes; a mean over all answers."""
        if self.outputs == 1:
            return F.mse_loss(said, answers)
        return F.cross_entropy(said.flatten(0, 1), answers.flatten())


def _adding(length: int, batch: int, generator: torch.Generator) -> Drawn:
    half = length // 2
    numbers = torch.rand(length, batch, generator=generator)
    first = torch.randint(half, (batch,), generator=generator)
    second = half + torch.randint(length - half, (batch,), generator=generator)
    marks, column = torch.zeros(length, batch), torch.arange(batch)
    marks[first, column] = marks[second, column] = 1
    return Drawn(torch.stack([numbers, marks], -1), (numbers * marks).sum(0)[None, :, None])


def _copy(length: int, batch: int, generator: torch.Generator) -> Drawn:
    told = torch.randint(SYMBOLS, (_RECALLED, batch), generator=generator)
    blank, now = SYMBOLS, SYMBOLS + 1
    symbols = torch.full((length + 2 * _RECALLED, batch), blank)
    symbols[:_RECALLED] = told
    symbols[-_RECALLED - 1] = now
    return Drawn(F.one_hot(symbols, SYMBOLS + 2).float(), told)


def _order(length: int, batch: int, generator: torch.Generator) -> Drawn:
    symbols = torch.randint(4, (length, batch), generator=generator)
    marks, column = torch.randint(2, (2, batch), generator=generator), torch.arange(batch)
    spans = ((length // 10, length // 5), (length // 2, 3 * length // 5))
    for mark, (start, end) in zip(marks, spans, strict=True):
        symbols[torch.randint(start, max(start + 1, end), (batch,), generator=generator), column] = 4 + mark
    return Drawn(F.one_hot(symbols, 6).float(), (2 * marks[0] + marks[1])[None])


def _parity(length: int, batch: int, generator: torch.Generator) -> Drawn:
    bits = torch.randint(2, (length, batch), generator=generator)
    return Drawn(2 * bits[..., None].float() - 1, bits.cumsum(0) % 2)


def _recall(length: int, batch: int, generator: torch.Generator) -> Drawn:
    told = torch.randint(SYMBOLS, (length // 2, batch), generator=generator)
    symbols = torch.cat([told, torch.full_like(told, SYMBOLS)])
    return Drawn(F.one_hot(symbols, SYMBOLS + 1).float(), told)


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
    )
}
"""Name -> test of memory."""


def get(name: str) -> Problem:
    """The problem of that name.

    Raises:
        ConfigError: there is none; it tells the nearest one.
    """
    if name not in PROBLEMS:
        raise ConfigError("probe", f"unknown problem {name!r}", remedy=nearest(name, PROBLEMS))
    return PROBLEMS[name]


class Prober(nn.Module):
    """A recurrent layer and a linear one: scores at the last S steps.

    Args:
        problem: what is asked.
        cell: its name.
        hidden: H.
        memory: steps that units keep at first (see `Recurrent`), where the cell has a gate that keeps.
    """

    def __init__(self, problem: Problem, cell: str, hidden: int, *, memory: int = 0) -> None:
        super().__init__()
        memory = memory if cells.get(cell).keeps else 0
        self.recurrent = Recurrent(cell, problem.features, hidden, memory=memory)
        self.output = nn.Linear(hidden, problem.outputs)

    def forward(self, drawn: Drawn) -> Tensor:
        """Scores [S, B, outputs] at the steps that are answered."""
        hidden, _ = self.recurrent(Seq(drawn.inputs))
        return self.output(hidden.data[-len(drawn.answers) :])


@dataclass(frozen=True)
class Attempt:
    """What a network came to.

    Args:
        problem: its name.
        cell: its name.
        length: of the sequences, as `Problem.draw` takes it.
        seed: of the weights and the sequences.
        effort: how hard it tried.
        hidden: H.
        parameters: how many it has.
        loss: on held-out sequences, when it ended.
        steps: that were made.
        seconds: that they took.
    """

    problem: str
    cell: str
    length: int
    seed: int
    effort: Effort
    hidden: int
    parameters: int
    loss: float
    steps: int
    seconds: float

    @property
    def trivial(self) -> float:
        """The loss without a look at the sequence."""
        return PROBLEMS[self.problem].trivial

    @property
    def solved(self) -> bool:
        """Whether the loss is next to nothing beside the trivial one."""
        return self.loss < PROBLEMS[self.problem].solved_below


def hidden_for(cell: str, problem: Problem, parameters: int) -> int:
    """The H with which a network of that cell has the number of parameters nearest to the one given."""
    gates = cells.get(cell).gates

    def count(hidden: int) -> int:
        return gates * hidden * (problem.features + hidden + 2) + (hidden + 1) * problem.outputs

    above = next(hidden for hidden in itertools.count(1) if count(hidden) >= parameters)
    return min(max(1, above - 1), above, key=lambda hidden: abs(count(hidden) - parameters))


def checked(length: int) -> int:
    """The length, if sequences may be as short as that.

    Raises:
        ConfigError: it is too short for the problems.
    """
    if length < _SHORTEST:
        raise ConfigError("lengths", str(length), expected=f"at least {_SHORTEST}")
    return length


def new(problem: Problem, cell: str, length: int, effort: Effort, *, seed: int = 1) -> Prober:
    """The network with which an `attempt` begins."""
    steps = len(problem.draw(checked(length), 1, torch.Generator()).inputs)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        hidden = hidden_for(cell, problem, effort.parameters)
        return Prober(problem, cell, hidden, memory=steps if effort.chrono else 0)


def attempt(
    problem: Problem,
    cell: str,
    length: int,
    effort: Effort,
    *,
    seed: int = 1,
    tell: Callable[[int, float], None] | None = None,
) -> tuple[Attempt, Prober]:
    """Train a network on a problem until it is solved, or as long as the effort lasts.

    Args:
        problem: from `PROBLEMS`.
        cell: its name.
        length: of the sequences.
        effort: how hard it tries.
        seed: of the weights and the sequences.
        tell: called at each look at the held-out sequences, with the steps made and the loss.

    Raises:
        ConfigError: the cell is unknown, or the length is too short for the problem.
    """
    began = time.perf_counter()
    held = problem.draw(checked(length), _HELD, torch.Generator().manual_seed(seed * _SEED + 1))
    network = new(problem, cell, length, effort, seed=seed)
    loss, step = math.inf, 0
    for step in _steps(network, problem, length, effort, seed):
        if step % effort.every and step < effort.steps:
            continue
        with torch.no_grad():
            loss = float(problem.loss(network(held), held.answers))
        if tell:
            tell(step, loss)
        if loss < problem.solved_below or not math.isfinite(loss):
            break
    hidden, parameters = network.recurrent.hidden_size, sum(p.numel() for p in network.parameters())
    seconds = time.perf_counter() - began
    return Attempt(problem.name, cell, length, seed, effort, hidden, parameters, loss, step, seconds), network


def _steps(network: Prober, problem: Problem, length: int, effort: Effort, seed: int) -> Iterator[int]:
    """Make steps of the optimiser; gives the number of each, counted from 1, once it is made."""
    generator = torch.Generator().manual_seed(seed * _SEED)
    optimizer = torch.optim.Adam(network.parameters(), lr=effort.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, effort.steps, effort.lr / 10)
    for step in range(1, effort.steps + 1):
        drawn = problem.draw(length, effort.batch, generator)
        optimizer.zero_grad()
        problem.loss(network(drawn), drawn.answers).backward()
        nn.utils.clip_grad_norm_(network.parameters(), effort.clip)
        optimizer.step()
        schedule.step()
        yield step
