"""RNNCell, LSTMCell and GRUCell in place of torch.nn's: one step, as thin as it can be around the kernel.

Constructor, parameters and messages are torch's own: these are its classes with another `forward`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from elman.core.errors import DataError
from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import Weights, is_autocast
from elman.nn.kernels.native.plain import wants_names
from elman.nn.torch_compat.base import Foreign, tracer_of

_RNN = {"tanh": registry.get("rnn"), "relu": registry.get("rnn_relu")}
_LSTM, _GRU = registry.get("lstm"), registry.get("gru")


def _step_of_one(cell: Cell, x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, ...]:
    """Without a batch: x [F], state [H]."""
    last = dispatch.step(cell, x.unsqueeze(0), tuple(s.unsqueeze(0) for s in state), weights)
    return tuple(s.squeeze(0) for s in last)


def _check_dimensions(x: Tensor, state: tuple[Tensor, ...]) -> None:
    """Raise where torch computes something or crashes: a batch in the state, and none in the input."""
    if x.dim() == 1 and any(s.dim() == 2 for s in state):
        got = ", ".join(str(list(s.shape)) for s in state)
        raise DataError("hx", got, expected="[H], as the input has no batch", remedy="give both a batch")


class _OneStep(Foreign, nn.RNNCellBase):
    """What the three have in common: a step forward."""

    @property
    def _cell(self) -> Cell | None:
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> Any:  # noqa: A002, torch's name
        """One step.

        Args:
            input: [B, F] or [F].
            hx: the state before it, [B, H] or [H], an LSTM's two of these; None: zero.

        Returns:
            The state after it, as `hx` is.

        Raises:
            ValueError, RuntimeError: a shape or dtype does not fit, in torch's words.
            DataError: the state has a batch, and the input has none.
        """
        if type(input) is not Tensor and (tracer := tracer_of(input, hx)):
            return self.noted(tracer, (input,), {"hx": hx})
        cell = self._cell
        if cell is None:
            return super().forward(input, hx)
        state, weights = self._state(cell, input, hx), self._weights()
        if not self._fits(cell, input, state, weights):
            _check_dimensions(input, state)
            return super().forward(input, hx)  # it says what is wrong
        if is_autocast(input.device.type) or wants_names(input, weights.w_ih, *state):
            return super().forward(input, hx)  # autocast has it give other dtypes
        run = dispatch.step if input.dim() == 2 else _step_of_one
        last = run(cell, input, state, weights)
        return last if cell.states > 1 else last[0]

    def _state(self, cell: Cell, x: Tensor, hx: Any) -> tuple[Tensor, ...]:
        """S tensors [B, H] or [H]; zero where none is given."""
        if hx is None:
            return (x.new_zeros((*x.shape[:-1], self.hidden_size)),) * cell.states
        return tuple(hx) if cell.states > 1 else (hx,)

    def _fits(self, cell: Cell, x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> bool:
        """Whether input and state are [B, F] and [B, H], or [F] and [H], and all of one dtype."""
        shape = x.shape
        if not 1 <= len(shape) <= 2 or shape[-1] != self.input_size or len(state) != cell.states:
            return False
        h, c, wanted = state[0], state[-1], (*shape[:-1], self.hidden_size)
        alike = h.dtype == c.dtype == x.dtype == weights.w_ih.dtype
        return alike and h.shape == wanted and c.shape == wanted

    def _weights(self) -> Weights:
        own = self._parameters
        try:
            # Many times as fast as self.weight_ih, which looks in __dict__ and class first.
            return Weights(own["weight_ih"], own["weight_hh"], own["bias_ih"], own["bias_hh"])  # pyrefly: ignore
        except KeyError:  # weight normalisation and its like keep a parameter elsewhere
            return Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class RNNCell(_OneStep, nn.RNNCell):
    """torch.nn.RNNCell, with its constructor, call and parameters, on Elman's kernels."""

    @property
    def _cell(self) -> Cell | None:
        return _RNN.get(self.nonlinearity)


class LSTMCell(_OneStep, nn.LSTMCell):
    """torch.nn.LSTMCell, with its constructor, call and parameters, on Elman's kernels."""

    @property
    def _cell(self) -> Cell | None:
        return _LSTM


class GRUCell(_OneStep, nn.GRUCell):
    """torch.nn.GRUCell, with its constructor, call and parameters, on Elman's kernels."""

    @property
    def _cell(self) -> Cell | None:
        return _GRU
