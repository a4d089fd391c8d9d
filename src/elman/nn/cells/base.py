"""The contract of a cell: one time step as a formula, without parameters of its own.

Independent of time, batch layout, kernel, layer and direction: its caller passes the products W x and U h.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from elman.core.errors import ConfigError
from elman.nn.formula.evaluation import evaluated
from elman.nn.formula.listing import listed


class Learnt(NamedTuple):
    """A parameter of a cell's own beside its products' weights.

    Args:
        name: of the parameter; that of layer 0 is called `name_l0`.
        low, high: it starts uniform from low to high; None: all at low.
        scalar: one number for all units, not one for each.
    """

    name: str
    low: float = 0.0
    high: float | None = None
    scalar: bool = False


class Recur(Protocol):
    """The recurrent product of some gates: `U[first:last] h + b[first:last]`, normalised if the layer is.

    Attributes:
        learnt: the cell's own parameters, in its order: [H] each, or [] of a scalar.
    """

    learnt: tuple[Tensor, ...]

    def __call__(self, h: Tensor, first_gate: int = 0, last_gate: int | None = None) -> Tensor:
        """The product for gates `first_gate` to before `last_gate` (None: to the last).

        Args:
            h: [B, H].

        Returns:
            [B, (last_gate - first_gate) * H].
        """
        ...


@dataclass(frozen=True)
class Cell(ABC):
    """One step of a recurrent network: `state = f(W x + b, U h + b', state)`.

    A new cell sets `name`, `gates` and `states`, and implements `pointwise`; or `step`, where it has other
    products than `U h`, or parameters of its own. That is all it needs.

    Attributes:
        gates: G, how many gates the products W x and U h have, H wide each.
        recurrent_gates: how many U h has, where they are not as many; None: G.
        learnt: parameters of its own, which `step` finds in `recur.learnt`.
        states: S, how many tensors [B, H] the state has; the first, the hidden state, is the output.
        gate_names: of the G gates, in the order of the weights; none where they have no names.
        keeps: the one of `opened` that says which share of its memory a unit keeps; "" where none does.
        writes: the gate that says which share of what is new a unit takes; "" where none does. Without one
            that keeps, the rest is kept.
    """

    gates: ClassVar[int]
    states: ClassVar[int]
    recurrent_gates: ClassVar[int | None] = None
    learnt: ClassVar[tuple[Learnt, ...]] = ()
    gate_names: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[str] = ""
    writes: ClassVar[str] = ""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name in the table of cells, by which kernels know it."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Gates of W x, gates of U h, and states."""
        return self.gates, self.gates if self.recurrent_gates is None else self.recurrent_gates, self.states

    def parameters(self, features: int, hidden: int) -> int:
        """How many numbers a layer learns in one direction, its biases among them.

        Args:
            features: F.
            hidden: H.
        """
        gates, recurrent, _ = self.sizes
        own = sum(1 if scalar else hidden for scalar in self.learnt_scalars)
        return gates * hidden * (features + 1) + recurrent * hidden * (hidden + 1) + own

    @property
    def learnt_scalars(self) -> tuple[bool, ...]:
        """Of each parameter of its own, whether it is one number for all units."""
        return tuple(own.scalar for own in self.learnt)

    @property
    def timed(self) -> bool:
        """Whether a gate says how long a unit keeps, so that it can start with a time (`remember`)."""
        return bool(self.keeps or self.writes)

    def pointwise(self, wx: Tensor, uh: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The algebra between the products, element by element.

        Args:
            wx: [B, G * H], the input product with its bias, gate after gate.
            uh: [B, G * H], the recurrent product with its bias.
            state: S tensors [B, H] before the step.

        Returns:
            S tensors [B, H] after it.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither pointwise nor step")

    def opened(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> dict[str, Tensor]:
        """How far each gate is open, for those who look inside: name -> [..., H] from 0 to 1.

        They are those of `gate_names` that the step makes a sigmoid of.

        Args:
            wx: [..., G * H].
            state: S tensors [..., H].
            recur: as `step` has it.
        """
        formula = listed(self, state[0].shape[-1]).formula
        if formula is None:
            return {}
        values = evaluated(formula, wx, state, recur, recur.learnt)
        return {self.gate_names[gate]: values[value] for gate, value in formula.opened(len(self.gate_names))}

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Recur) -> tuple[Tensor, ...]:
        """One step with its recurrent product; a cell with other products than `U h` overrides this.

        Args:
            wx: [B, G * H].
            state: S tensors [B, H].
            recur: gives the recurrent product of a [B, H].

        Returns:
            S tensors [B, H].
        """
        return self.pointwise(wx, recur(state[0]), state)

    def recurrent(self, w_hh: Tensor) -> Tensor:
        """The recurrent weights as they enter the products, made from those that are learnt.

        Args:
            w_hh: [G * H, H].

        Returns:
            The same shape; `w_hh` itself, where nothing is made of it.
        """
        return w_hh

    @property
    def entering_scalars(self) -> tuple[bool, ...]:
        """Of each of what `entering` makes, whether it is one number for all units."""
        return self.learnt_scalars

    def entering(self, own: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What `step` finds in `recur.learnt`, made once a call from the parameters that are learnt.

        Args:
            own: [H] each, or [] of a scalar.

        Returns:
            As `entering_scalars` says; `own` itself, where nothing is made of it.
        """
        return own

    def decay(self, own: tuple[Tensor, ...]) -> Tensor | None:
        """The share of its state that each unit keeps at a step, where its own parameters say it.

        Args:
            own: what `entering` made.

        Returns:
            [H], from 0 to 1; None where they do not say it.
        """
        return None

    @torch.no_grad()
    def initialise(self, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> None:
        """Fill the weights in place: each gate's U orthogonal (Saxe et al. 2014), W normal, no bias.

        W ~ N(0, 1 / F) (LeCun et al. 1998): inputs of variance 1 give products of variance 1.

        Args:
            w_ih: [G * H, F].
            w_hh: [G * H, H].
            b_ih: [G * H], or None.
            b_hh: [G * H], or None.
        """
        nn.init.normal_(w_ih, std=w_ih.shape[1] ** -0.5)
        for gate in w_hh.split(len(w_ih) // self.gates):
            nn.init.orthogonal_(gate)
        for bias in (b_ih, b_hh):
            if bias is not None:
                nn.init.zeros_(bias)

    @torch.no_grad()
    def initialise_own(self, own: tuple[Tensor, ...]) -> None:
        """Fill the cell's own parameters in place, as `learnt` says.

        Args:
            own: [H] each, or [] of a scalar.
        """
        for parameter, (_, low, high, _) in zip(own, self.learnt, strict=True):
            nn.init.uniform_(parameter, low, low if high is None else high)

    @torch.no_grad()
    def remember(self, b_ih: Tensor, b_hh: Tensor, steps: int) -> None:
        """Have units keep for so long at first: up to `steps` steps, in place (chrono initialisation).

        b_keep = log(u), u ~ U(1, steps - 1), and b_write = -b_keep where there is such a gate: with no input
        a unit keeps the share u / (1 + u) of its memory at a step, which is a memory of 1 + u steps.

        Args:
            b_ih: [G * H].
            b_hh: [G * H].
            steps: at least 3.

        Raises:
            ConfigError: the cell has no gate that keeps.

        Source: Tallec and Ollivier (2018).
        """
        if not self.timed:
            raise ConfigError("memory", f"the cell {self.name}", expected="a cell with a gate that keeps")
        share = torch.empty(len(b_ih) // self.gates).uniform_(1, steps - 1).log()
        for name, sign in ((self.keeps, 1), (self.writes, -1)):
            if name:
                at = self.gate_names.index(name)
                b_ih.chunk(self.gates)[at].copy_(sign * share)
                if len(b_hh) == len(b_ih):
                    b_hh.chunk(self.gates)[at].zero_()
