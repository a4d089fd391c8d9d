"""A stack of layers run a step at a time, as a stream comes in: its memory is the state and no more."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.kernels.base import LayerStepper


class Stepper:
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
        """
        if not (self._residual or self._skip):
            for layer in self._layers:
                x = layer(x)
            return x
        first, outs = x, list[Tensor]()
        for number, layer in enumerate(self._layers):
            y = layer(torch.cat([first, x], -1) if number and self._skip else x)
            x = x + y if number and self._residual else y
            outs.append(x)
        return torch.cat(outs, -1) if self._skip else x
