"""A stack of layers run a step at a time, as a stream comes in: its memory is the state and no more."""

from __future__ import annotations

from torch import Tensor

from elman.kernels.base import LayerStepper


class Stepper:
    """Layers one above the other without gradients or dropout, a step at a call, from a state that they keep.

    The weights are those that there were when it was made.
    """

    def __init__(self, layers: list[LayerStepper]) -> None:
        self._layers = layers

    @property
    def state(self) -> tuple[tuple[Tensor, ...], ...]:
        """For each layer S tensors [B, H], the state after the last step; later steps do not change them."""
        return tuple([layer.state for layer in self._layers])

    def __call__(self, x: Tensor) -> Tensor:
        """One step.

        Args:
            x: [B, F].

        Returns:
            The last layer's hidden state, [B, H].

        Raises:
            DataError, RuntimeError: a shape, dtype or device does not fit.
        """
        for layer in self._layers:
            x = layer(x)
        return x
