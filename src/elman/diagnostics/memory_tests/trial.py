"""Train a network on one memory problem until it is solved or the steps are used up."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elman.core import json_schema
from elman.core.errors import ConfigError
from elman.core.records import Seq
from elman.diagnostics.memory_tests.problems import PROBLEMS, Problem, ProblemBatch
from elman.diagnostics.memory_tests.settings import TrialSettings
from elman.nn.cells import registry
from elman.nn.recurrent import Recurrent

_HELD = 500
"""Sequences that a network is scored on."""

_SEED = 1_000_003
_SHORTEST, _LONGEST = 10, 1_000_000


class TrialNetwork(nn.Module):
    """A recurrent layer and a linear one: scores at the last S steps.

    Args:
        problem: what is asked.
        cell: its name.
        hidden: H.
        memory: steps that units keep at first (see `Recurrent`), where the cell has a gate that keeps.
    """

    def __init__(self, problem: Problem, cell: str, hidden: int, *, memory: int = 0) -> None:
        super().__init__()
        memory = memory if registry.get(cell).timed else 0
        self.recurrent = Recurrent(cell, problem.features, hidden, memory=memory)
        self.output = nn.Linear(hidden, problem.outputs)

    def forward(self, drawn: ProblemBatch) -> Tensor:
        """Scores [S, B, outputs] at the steps that are answered."""
        hidden, _ = self.recurrent(Seq(drawn.inputs))
        return self.output(hidden.data[-len(drawn.answers) :])


@dataclass(frozen=True)
class Trial:
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
    effort: TrialSettings
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
    own = registry.get(cell)

    def count(hidden: int) -> int:
        return own.parameters(problem.features, hidden) + (hidden + 1) * problem.outputs

    above = next(hidden for hidden in itertools.count(1) if count(hidden) >= parameters)
    return min(max(1, above - 1), above, key=lambda hidden: abs(count(hidden) - parameters))


def checked(length: int) -> int:
    """The length, if sequences may be as short as that.

    Raises:
        ConfigError: it is too short for the problems, or longer than any network is tried on.
    """
    if length < _SHORTEST:
        raise ConfigError("lengths", str(length), expected=f"at least {_SHORTEST}")
    if length > _LONGEST:
        raise ConfigError("lengths", json_schema.shown(length), expected=f"at most {_LONGEST:,}")
    return length


def new(problem: Problem, cell: str, length: int, effort: TrialSettings, *, seed: int = 1) -> TrialNetwork:
    """The network with which an `attempt` begins."""
    steps = len(problem.draw(checked(length), 1, torch.Generator()).inputs)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        hidden = hidden_for(cell, problem, effort.parameters)
        return TrialNetwork(problem, cell, hidden, memory=steps if effort.chrono else 0)


def run_trial(
    problem: Problem,
    cell: str,
    length: int,
    effort: TrialSettings,
    *,
    seed: int = 1,
    tell: Callable[[int, float], None] | None = None,
) -> tuple[Trial, TrialNetwork]:
    """Train a network on a problem until it is solved, or as long as the effort lasts.

    Args:
        problem: from `PROBLEMS`.
        cell: its name.
        length: of the sequences.
        effort: the training budget.
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
    return Trial(problem.name, cell, length, seed, effort, hidden, parameters, loss, step, seconds), network


def _steps(
    network: TrialNetwork, problem: Problem, length: int, effort: TrialSettings, seed: int
) -> Iterator[int]:
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
