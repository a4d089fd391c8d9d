"""Which kernels serve a cell, as values: what `elman kernels` prints."""

from __future__ import annotations

from dataclasses import dataclass

from elman.nn.cells import registry
from elman.nn.formula.listing import listed
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import KernelRequest

_HIDDEN = 64
"""Units of the cell whose step is traced: a list of operations does not depend on them."""


@dataclass(frozen=True)
class KernelAnswer:
    """The answer of a kernel to a request.

    Args:
        kernel: its name.
        answer: that it runs, that it could, or the reason why it does not.
    """

    kernel: str
    answer: str

    @property
    def runs(self) -> bool:
        """Whether it is the kernel that runs."""
        return self.answer.startswith("runs")


def kernels(
    cell: str = "lstm",
    *,
    device: str = "cpu",
    steps: int = 0,
    ragged: bool = False,
    normed: bool = False,
    masked: bool = False,
    projected: bool = False,
    reset: bool = False,
    zoned: bool = False,
    every: bool = False,
) -> list[KernelAnswer]:
    """Return the answer of each kernel, in order of preference, to a request.

    Args:
        cell: name of the cell.
        device: cpu, cuda or mps.
        steps: steps of a call; 0: many.
        ragged: whether the sequences of a batch differ in length.
        normed: whether the products are layer-normalised inside the cell.
        masked: whether the hidden state is dropped out on the recurrent path.
        projected: whether the hidden state is projected.
        reset: whether the state is set to zero on the way.
        zoned: whether there is zoneout.
        every: whether the cell state is asked for at all steps.

    Raises:
        ConfigError: no cell has that name, or a forced kernel does not serve the request.
    """
    own = registry.get(cell)
    case = KernelRequest(
        own.name,
        device,
        steps=steps or None,
        ragged=ragged,
        normed=normed,
        masked=masked,
        projected=projected,
        reset=reset,
        zoned=zoned,
        every=every,
        unlisted=listed(own, _HIDDEN).refusal,
    )
    return [KernelAnswer(*each) for each in dispatch.explain(case)]
