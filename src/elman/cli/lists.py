"""`elman samples` and `elman kernels`: what there is."""

from __future__ import annotations

from elman.cli.options import Whole


def samples() -> None:
    """List the data sets that are always there."""
    from elman.data.samples import registry

    found = registry.samples()
    width = max(map(len, found))
    for name, about in found.items():
        print(f"{name:<{width}} {about}")


def kernels(
    cell: str = "lstm",
    /,
    *,
    device: str = "cpu",
    steps: Whole = 0,
    ragged: bool = False,
    normed: bool = False,
    masked: bool = False,
    projected: bool = False,
    reset: bool = False,
    zoned: bool = False,
    every: bool = False,
) -> None:
    """Say which kernels serve a cell, the one that is taken first, and why another is not.

    Parameters
    ----------
    cell
        Name of the cell.
    device
        cpu, cuda or mps.
    steps
        How many steps are run at once; 0: many.
    ragged
        Whether the sequences of a batch differ in length.
    normed
        Whether the products are layer-normalised inside the cell.
    masked
        Whether the hidden state is dropped out on the recurrent path.
    projected
        Whether the hidden state is projected, as by torch's proj_size.
    reset
        Whether the state is set to zero on the way, where an episode begins.
    zoned
        Whether there is zoneout.
    every
        Whether the cell state is asked for at all steps.
    """
    from elman.nn.kernels import answers

    case = {
        "ragged": ragged,
        "normed": normed,
        "masked": masked,
        "projected": projected,
        "reset": reset,
        "zoned": zoned,
        "every": every,
    }
    for one in answers.kernels(cell, device=device, steps=steps, **case):
        print(f"{one.kernel:<8} {one.answer}")
