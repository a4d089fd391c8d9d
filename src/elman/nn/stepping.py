"""A stack of layers run a step at a time, as a stream comes in: its memory is the state and no more."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from elman.core.errors import ConfigError
from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import LayerStepper, StepFn, Weights
from elman.nn.kernels.native.plain import is_plain
from elman.nn.layer_stack import stack_layers


class LayerStackStepper:
    """Layers one above the other without gradients or dropout, a step at a call, from a state that they keep.

    The weights are those that there were when it was made.

    Args:
        layers: one above the other.
        residual: each layer beyond the first adds its input to its output.
        skip: every layer sees the input too, and the output is that of all layers side by side.
    """

    def __init__(self, layers: list[LayerStepper], *, residual: bool = False, skip: bool = False) -> None:
        self._layers, self._residual, self._skip = layers, residual, skip

    @property
    def state(self) -> tuple[tuple[Tensor, ...], ...]:
        """For each layer S tensors [B, H], the state after the last step; later steps do not change them."""
        return tuple([layer.state for layer in self._layers])

    def put(self, state: tuple[Tensor, ...]) -> None:
        """Go on from another state: S tensors [L, B, H], copied."""
        for number, layer in enumerate(self._layers):
            layer.put(tuple([s[number] for s in state]))

    def __call__(self, x: Tensor) -> Tensor:
        """One step.

        Args:
            x: [B, F].

        Returns:
            What the layers give for that step, [B, H]; with `skip` that of all of them, [B, L * H].

        Raises:
            DataError, RuntimeError: a shape, dtype or device does not fit.
            ConfigError: a tracer, transform or mode looks on, or x is of a subclass: steps write into memory.
        """
        y = self.advance(x)
        return y if self._residual or self._skip else y.clone()

    def advance(self, x: Tensor) -> Tensor:
        """The same, in memory that the next step may overwrite."""
        _check_plain(x)
        if not (self._residual or self._skip):
            for layer in self._layers:
                x = layer.advance(x)
            return x
        layers = self._layers
        return stack_layers(
            len(layers), x, lambda n, x: layers[n](x), residual=self._residual, skip=self._skip
        )


class StackStep:
    """One step of layers one above the other, for any batch and from any state.

    Args:
        layers: one above the other.
        residual, skip: see `LayerStackStepper`.
    """

    def __init__(self, layers: list[StepFn], *, residual: bool = False, skip: bool = False) -> None:
        self._layers, self._residual, self._skip = layers, residual, skip

    def __call__(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step.

        Args:
            x: [B, F].
            state: S tensors [L, B, H].

        Returns:
            What the layers give, as of `LayerStackStepper`, and the state after the step.
        """
        _check_plain(x, *state)
        after: list[tuple[Tensor, ...]] = []

        def run(layer: int, x: Tensor) -> Tensor:
            after.append(self._layers[layer](x, tuple([s[layer] for s in state])))
            return after[-1][0]

        y = stack_layers(len(self._layers), x, run, residual=self._residual, skip=self._skip)
        if len(after) == 1:
            return y, tuple([s.unsqueeze(0) for s in after[0]])
        return y, tuple([torch.stack(part) for part in zip(*after, strict=True)])


def _check_plain(*tensors: Tensor) -> None:
    if not is_plain(*tensors):
        got, remedy = "a tracer, transform, mode or subclass of tensors", "call the layers themselves there"
        raise ConfigError("stepper", got, expected="plain tensors", remedy=remedy)


def layer_stepper(
    cell: Cell,
    weights: Weights,
    state: tuple[Tensor, ...],
    *,
    zoneout: float = 0.0,
    kernel: str | None = None,
) -> LayerStepper:
    """Return what runs one layer step after step from a state, without gradients or dropout.

    Args:
        cell: the algebra of a step.
        weights: of the layer, as they are now.
        state: S tensors [B, H] to start from.
        zoneout: the share of each state that keeps its last value, in expectation.
        kernel: the name of the kernel to use; None: the fastest that serves.
    """
    if zoneout:
        return _StepFnStepper(layer_advance(cell, weights, zoneout=zoneout, kernel=kernel), state)
    return dispatch.stepper(cell, weights, state, kernel)


def layer_advance(cell: Cell, weights: Weights, *, zoneout: float = 0.0, kernel: str | None = None) -> StepFn:
    """Return what runs one step of a layer, for any batch and from any state; see `layer_stepper`."""
    step = dispatch.advance(cell, weights, kernel)
    return partial(_zoned, step, zoneout) if zoneout else step


class _StepFnStepper(LayerStepper):
    """One layer by a function of a step, on a copy of the state.

    Args:
        step: x [B, F] and S tensors [B, H] -> S tensors [B, H].
        state: S tensors [B, H] to start from.
    """

    def __init__(self, step: StepFn, state: tuple[Tensor, ...]) -> None:
        self._step = step
        self.put(state)

    @property
    def state(self) -> tuple[Tensor, ...]:
        return tuple([s.clone() for s in self._state])

    def put(self, state: tuple[Tensor, ...]) -> None:
        self._state = tuple([s.detach().clone() for s in state])

    def __call__(self, x: Tensor) -> Tensor:
        return self.advance(x).clone()

    def advance(self, x: Tensor) -> Tensor:
        self._state = self._step(x, self._state)
        return self._state[0]


@torch.no_grad()
def _zoned(step: StepFn, share: float, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Run a step after which each state keeps a share of what it was: the expectation of zoneout.

    Args:
        step: as of `_StepFnStepper`.
        share: from 0 to below 1.
        x: [B, F].
        state: S tensors [B, H].

    Returns:
        S tensors [B, H].
    """
    after = step(x, state)
    return tuple([share * old + (1 - share) * new for old, new in zip(state, after, strict=True)])
