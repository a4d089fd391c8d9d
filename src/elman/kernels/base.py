"""What a kernel is: one layer in one direction over time. It knows a cell by its name and its step alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Cell(Protocol):
    """What a kernel asks of a cell; `elman.cells.base.Cell` fulfils it."""

    @property
    def name(self) -> str:
        """The name by which a kernel knows the algebra."""
        ...

    def step(
        self, wx: Tensor, state: tuple[Tensor, ...], recur: Callable[..., Tensor], /
    ) -> tuple[Tensor, ...]:
        """One step: wx [B, G * H] and S tensors [B, H] -> S tensors [B, H]."""
        ...


class Weights(NamedTuple):
    """What one layer has in one direction, laid out as in torch.

    Args:
        w_ih: [G * H, F].
        w_hh: [G * H, H].
        b_ih: [G * H], or None.
        b_hh: [G * H], or None.
        gain_ih: [G * H], the gains of layer normalisation inside the cell, or None without it.
        gain_hh: [G * H], or None.
    """

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    gain_ih: Tensor | None = None
    gain_hh: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a kernel is asked to do, as far as it may refuse.

    Args:
        cell: the cell's name.
        device: the device's type: "cpu", "cuda".
        dtype: what the products are made in; where autocast is on, autocast's.
        ragged: whether lengths differ.
        normed: whether the cell is layer-normalised inside.
        masked: whether a mask stands on the recurrent path.
        steps: T; 0: many.
    """

    cell: str
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    ragged: bool = False
    normed: bool = False
    masked: bool = False
    steps: int = 0


class Kernel(ABC):
    """Runs a cell over time.

    Attributes:
        name: how it is called in the table and in ELMAN_KERNEL.
    """

    name: str

    @abstractmethod
    def refuses(self, case: Case) -> str | None:
        """Why it does not serve that case; None if it does."""

    def yields(self, case: Case) -> str | None:
        """Why a later kernel of the table is faster in a case that it serves; None if none is."""
        return None

    @abstractmethod
    def run(
        self,
        cell: Cell,
        x: Tensor,
        state: tuple[Tensor, ...],
        weights: Weights,
        lengths: Tensor | None,
        reverse: bool,
        hidden_mask: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run one layer in one direction.

        Args:
            cell: the algebra of one step.
            x: [T, B, F].
            state: S tensors [B, H] before the first step.
            weights: of this layer and direction.
            lengths: [B] int64 on the CPU, each from 1 to T; None where all are T. Steps beyond a length
                change neither state nor gradient, whatever x holds there.
            reverse: run each sequence from its own end to its start.
            hidden_mask: [B, H], times the hidden state wherever it enters a recurrent product; or None.

        Returns:
            y [T, B, H], zero beyond a length, and S tensors [B, H] after each sequence's last step.
        """


def padding(steps: int, lengths: Tensor, device: torch.device) -> Tensor:
    """Where padding stands: [T, B] bool, true from each length on."""
    return torch.arange(steps, device=device)[:, None] >= lengths.to(device)
