"""The memories as networks: what is stored stands in their weights, and a recall is a call of theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from elman.core.records import Seq, State
from elman.core.run_config import NetworkSettings, RunConfig
from elman.nn import encoder, hopfield
from elman.nn.hopfield import AssociativeMemory, Asynchronous, Modern, RecallTrace, Synchronous
from elman.tasks.recall.settings import MODERN, TRAINED, RecallConfig

_RULES = {"hebb": hopfield.hebb, "storkey": hopfield.storkey, "pseudo_inverse": hopfield.pseudo_inverse}
STILL = 0.01
"""A trained network has come to rest when none of its numbers moves by more in a step."""


class Store(nn.Module, ABC):
    """A network that patterns are stored in: `network(seq, state) -> (recall, state)`.

    A sequence is one step, the pattern to start from; the state is where a recall has come to, and goes on.

    Args:
        count: P, how many patterns there are.
        size: N, how many numbers a pattern has.
    """

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.patterns = nn.Parameter(torch.zeros(count, size), requires_grad=False)

    @torch.no_grad()
    def store(self, patterns: Tensor) -> None:
        """Take in patterns [P, N], and compute from them all weights that are not learnt."""
        self.patterns.copy_(patterns)
        self.compute()

    @abstractmethod
    def compute(self) -> None:
        """Compute all weights that are not learnt from the patterns."""

    @abstractmethod
    def forward(self, seq: Seq, state: State | None = None) -> tuple[RecallTrace, State]:
        """What becomes of patterns [1, B, N]; and the state to go on from."""


@final
class Computed(Store):
    """A memory whose weights are a formula of its patterns.

    Args:
        count: P.
        size: N.
        options: the settings.
        seed: of the orders in which units are updated.
    """

    def __init__(self, count: int, size: int, options: RecallConfig, seed: int) -> None:
        super().__init__(count, size)
        self._options, self._seed = options, seed
        if options.rule != MODERN:
            self.weights = nn.Parameter(torch.zeros(size, size), requires_grad=False)

    @property
    def iterations(self) -> int:
        """Most steps of a recall."""
        return self._options.iterations

    def compute(self) -> None:
        """The weights, by the rule; the modern memory has none but the patterns."""
        if self._options.rule != MODERN:
            self.weights.copy_(_RULES[self._options.rule](self.patterns))

    def forward(self, seq: Seq, state: State | None = None) -> tuple[RecallTrace, State]:
        """See the class above."""
        start = seq.data[-1] if state is None else state[0][0]
        found = hopfield.recall(self.memory(), start, self._options.iterations)
        return found, (found.final.unsqueeze(0),)

    def memory(self) -> AssociativeMemory:
        """What runs from a damaged pattern to a whole one."""
        options = self._options
        if options.rule == MODERN:
            return Modern(self.patterns, options.beta)
        if options.update == "synchronous":
            return Synchronous(self.weights)
        return Asynchronous(self.weights, self._seed)


@final
class Attractor(Store):
    """Recurrent layers that read their last output, and learn to complete a damaged pattern.

    h_t = cell(y_(t-1), h_(t-1)), y_t = tanh(V h_t + c), from y_0, the damaged pattern, and h_0 = 0. In
    training patterns are damaged anew in each batch, by up to twice the shares of the settings.

    Args:
        count: P.
        size: N.
        options: the settings.
        config: those of the layers.
    """

    def __init__(self, count: int, size: int, options: RecallConfig, config: NetworkSettings) -> None:
        super().__init__(count, size)
        self._options = options
        self.recurrent = encoder.layers(config, size)
        self.output = nn.Linear(self.recurrent.output_size, size)

    @property
    def iterations(self) -> int:
        """Steps of a recall."""
        return self._options.iterations

    def compute(self) -> None:
        """Nothing: its weights are learnt."""

    def forward(self, seq: Seq, state: State | None = None) -> tuple[RecallTrace, State]:
        """See the class above."""
        said, inner = (seq.data[-1], None) if state is None else (state[0][0], state[1:])
        if self.training and state is None:
            said = self._damaged(said)
        states = [said]
        for _ in range(self._options.iterations):
            hidden, inner = self.recurrent(Seq(states[-1].unsqueeze(0)), inner)
            states.append(self.output(hidden.data[0]).tanh())
        found = torch.stack(states)
        moves = (found.detach().diff(dim=0).abs().amax(2) > STILL).int()
        steps = (moves * torch.arange(1, len(states), device=moves.device)[:, None]).amax(0)
        energies = found.new_empty(0, found.shape[1])
        return RecallTrace(found, energies, steps, moves[-1] == 0), (found[-1:], *(inner or ()))

    def _damaged(self, patterns: Tensor) -> Tensor:
        """Patterns [B, N] damaged, each by shares of its own."""
        options, column = self._options, (len(patterns), 1)
        place = torch.rand_like(patterns)
        flip = 2 * options.flip * torch.rand(column, device=patterns.device)
        erase = 2 * options.erase * torch.rand(column, device=patterns.device)
        noise = 2 * options.jitter * torch.rand(column, device=patterns.device)
        kept = torch.where(place < flip, -patterns, patterns).masked_fill(place > 1 - erase, 0)
        return kept + noise * torch.randn_like(kept)


def made(count: int, size: int, options: RecallConfig, run: RunConfig[RecallConfig]) -> Store:
    """The network that the settings ask for, without patterns."""
    if options.rule == TRAINED:
        return Attractor(count, size, options, run.network)
    return Computed(count, size, options, run.training.seed)


def memory_of(patterns: Tensor, options: RecallConfig, seed: int) -> AssociativeMemory:
    """The memory that a computed network of patterns [P, N] would be."""
    network = Computed(len(patterns), patterns.shape[1], options, seed)
    network.store(patterns)
    return network.memory()
