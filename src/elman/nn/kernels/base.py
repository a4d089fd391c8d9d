"""What a kernel is: one layer in one direction over time. It knows a cell by its name and its step alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from elman.core.errors import DataError


class CellProtocol(Protocol):
    """What a kernel asks of a cell; `elman.nn.cells.base.Cell` fulfils it."""

    @property
    def name(self) -> str:
        """The name by which a kernel knows the algebra."""
        ...

    def step(self, wx: Tensor, state: tuple[Tensor, ...], recur: Any, /) -> tuple[Tensor, ...]:
        """One step: wx [B, G * H] and S tensors [B, H] -> S tensors [B, H].

        Where the hidden state is projected, the first tensor that comes in is [B, P].
        """
        ...


class Weights(NamedTuple):
    """The weights of one layer in one direction, laid out as in torch.

    Args:
        w_ih: [G * H, F].
        w_hh: [G * H, H]; [G * H, P] where the hidden state is projected.
        b_ih: [G * H], or None.
        b_hh: [G * H], or None.
        gain_ih: [G * H], the gains of layer normalisation inside the cell, or None without it.
        gain_hh: [G * H], or None.
        w_hr: [P, H], the projection of an LSTM's hidden state, h = W_hr (o * tanh(c)) (Sak et al. 2014),
            or None. The hidden state is then [B, P]; other states stay [B, H].
    """

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    gain_ih: Tensor | None = None
    gain_hh: Tensor | None = None
    w_hr: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Weights:
        """The same, changed one by one."""
        changed = Weights(*(None if w is None else change(w) for w in self))  # pyrefly: ignore
        return changed.beside(tuple(map(change, self.own)))

    @property
    def own(self) -> tuple[Tensor, ...]:
        """The cell's own parameters, in its order: [H] each, or [] of a scalar."""
        return ()

    def beside(self, own: tuple[Tensor, ...]) -> Weights:
        """The same with these parameters of the cell's own."""
        return WeightsWithOwn(self, own) if own else self


class WeightsWithOwn(Weights):
    """Weights, and a cell's own parameters, which are none of the seven."""

    _own: tuple[Tensor, ...]

    def __new__(cls, weights: Weights, own: tuple[Tensor, ...]) -> WeightsWithOwn:
        made = super().__new__(cls, *weights)
        made._own = own
        return made

    @property
    def own(self) -> tuple[Tensor, ...]:
        """See `Weights`."""
        return self._own

    def _replace(self, **changes: Any) -> Any:  # pyrefly: ignore
        return Weights(*self)._replace(**changes).beside(self._own)


class ScanJob(NamedTuple):
    """One layer in one direction over time: what a kernel is handed.

    With a projection, read P for H in the shape of the first state.

    Args:
        x: [T, B, F].
        state: S tensors [B, H] before the first step.
        weights: of this layer and direction.
        lengths: [B] int64 on the CPU, each from 0 to T; None where all are T. Steps beyond a length
            change neither state nor gradient, whatever x holds there.
        reverse: run each sequence from its own end to its start.
        hidden_mask: [B, H], times the hidden state wherever it enters a recurrent product; or None.
        reset: [T, B] bool, true where the state that enters this step, in the direction of running, is
            zero, for an episode begins; or None.
        zone: for each state, the share of its last value that it keeps, z * s + (1 - z) * s', a number or
            a mask [T, B, H] of zeros and ones (Krueger et al. 2017); or None.
        every: give every state at all steps, not the hidden state alone.
    """

    x: Tensor
    state: tuple[Tensor, ...]
    weights: Weights
    lengths: Tensor | None = None
    reverse: bool = False
    hidden_mask: Tensor | None = None
    reset: Tensor | None = None
    zone: tuple[Tensor | float, ...] | None = None
    every: bool = False

    @property
    def hidden_size(self) -> int:
        """H, which a projected hidden state does not have."""
        wide = self.state[0] if self.weights.w_hr is None else self.weights.w_hr
        return wide.shape[-1]


Result: TypeAlias = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""What a job comes to: (ys, last).

ys: (y,), the hidden state [T, B, H] at all steps; with `every`, all S states so. Zero beyond a length.
last: S tensors [B, H], the state after each sequence's last step; as it was, where a length is 0.
"""


class KernelRequest(NamedTuple):
    """What a kernel is asked to do, as far as it may refuse.

    Args:
        cell: the cell's name.
        device: the device's type: "cpu", "cuda".
        dtype: what the products are made in; where autocast is on, autocast's.
        steps: T; None: many.
        ragged: whether lengths differ.
        normed: whether the cell is layer-normalised inside.
        masked: whether a mask stands on the recurrent path.
        projected: whether the hidden state is projected.
        reset: whether the state is set to zero on the way.
        zoned: whether states keep a share of their last value.
        every: whether other states than the hidden one are asked for at all steps.
        unlisted: why the cell's step is not a list of operations; None: it is one.
        cast: whether `dtype` is that of autocast, and the weights are in float32.
    """

    cell: str
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    steps: int | None = None
    ragged: bool = False
    normed: bool = False
    masked: bool = False
    projected: bool = False
    reset: bool = False
    zoned: bool = False
    every: bool = False
    unlisted: str | None = None
    cast: bool = False


StepFn: TypeAlias = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
"""One step of a layer, for any batch: x [B, F] and S tensors [B, H] -> S tensors [B, H]."""


class LayerStepper(ABC):
    """One layer without gradients, a step at a call, from a state that it keeps."""

    @property
    @abstractmethod
    def state(self) -> tuple[Tensor, ...]:
        """S tensors [B, H] after the last step, which later ones do not change."""

    @abstractmethod
    def put(self, state: tuple[Tensor, ...]) -> None:
        """Go on from another state, S tensors [B, H], of which a copy is made."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """One step: x [B, F] -> the hidden state [B, H], in memory of its own."""

    @abstractmethod
    def advance(self, x: Tensor) -> Tensor:
        """The same, in memory that the next step may overwrite."""


class _PlainStepper(LayerStepper):
    """By a kernel's `step`, on copies of state and weights."""

    def __init__(
        self, kernel: Kernel, cell: CellProtocol, weights: Weights, state: tuple[Tensor, ...]
    ) -> None:
        self._kernel, self._cell = kernel, cell
        self._weights = weights.each(lambda w: w.detach().clone())
        self._state = tuple([s.detach().clone() for s in state])
        self._shape = state[0].shape[0], weights.w_ih.shape[1]

    @property
    def state(self) -> tuple[Tensor, ...]:
        return tuple([s.clone() for s in self._state])

    def put(self, state: tuple[Tensor, ...]) -> None:
        self._state = tuple([s.detach().clone() for s in state])

    def __call__(self, x: Tensor) -> Tensor:
        return self.advance(x).clone()

    @torch.no_grad()
    def advance(self, x: Tensor) -> Tensor:
        if x.shape != self._shape:
            raise DataError("x", str(list(x.shape)), expected=str(list(self._shape)))
        self._state = self._kernel.step(self._cell, x, self._state, self._weights)
        return self._state[0]


class Kernel(ABC):
    """Runs a cell over time.

    Attributes:
        name: how it is called in the table and in ELMAN_KERNEL.
    """

    name: str

    @abstractmethod
    def refuses(self, case: KernelRequest) -> str | None:
        """Why it does not serve that case; None if it does."""

    def prefers_other(self, case: KernelRequest) -> str | None:
        """Why a later kernel of the table is faster in a case that it serves; None if none is."""
        return None

    @abstractmethod
    def run(self, cell: CellProtocol, job: ScanJob) -> Result:
        """Run one layer in one direction: `cell` is the algebra of one step, `job` what it runs over."""

    def step(
        self, cell: CellProtocol, x: Tensor, state: tuple[Tensor, ...], weights: Weights
    ) -> tuple[Tensor, ...]:
        """Run one step: x [B, F] and S tensors [B, H] -> S tensors [B, H]."""
        return self.run(cell, ScanJob(x.unsqueeze(0), state, weights))[1]

    def stepper(self, cell: CellProtocol, weights: Weights, state: tuple[Tensor, ...]) -> LayerStepper:
        """What runs step after step from that state, with the weights as they are now."""
        return _PlainStepper(self, cell, weights, state)

    def advance(self, cell: CellProtocol, weights: Weights) -> StepFn:
        """What runs one step of any batch without gradients, with the weights as they are now."""
        return partial(_advance, self, cell, weights)


@torch.no_grad()
def _advance(
    kernel: Kernel, cell: CellProtocol, weights: Weights, x: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    return kernel.step(cell, x, state, weights)


def is_autocast(device: str) -> bool:
    """Whether autocast is on for that type of device; some, as "meta", have none."""
    if device != "cpu" and not torch.amp.autocast_mode.is_autocast_available(device):
        return False
    return torch.is_autocast_enabled(device)
