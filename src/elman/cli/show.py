"""`elman samples` and `elman kernels`: what there is."""

from __future__ import annotations


def samples() -> None:
    """List the data sets that are always there."""
    from elman.formats.samples import SAMPLES

    for name, sample in SAMPLES.items():
        print(f"sample:{name:<16} {sample.about}")


def kernels(cell: str = "lstm", /, *, device: str = "cpu", ragged: bool = False, steps: int = 0) -> None:
    """Say which kernels serve a cell, the one that is taken first, and why another is not.

    Parameters
    ----------
    cell
        Name of the cell.
    device
        cpu, cuda or mps.
    ragged
        Whether the sequences of a batch differ in length.
    steps
        How many steps are run at once; 0: many.
    """
    from elman import cells
    from elman import kernels as table
    from elman.kernels.base import Case

    case = Case(cell=cells.get(cell).name, device=device, ragged=ragged, steps=steps)
    for name, words in table.explain(case):
        print(f"{name:<8} {words}")
