"""Whether the layers forget, keep or blow up: eigenvalues, Jacobians, Lyapunov exponents."""

from __future__ import annotations

from elman.inspection.base import NOTHING, Material, Measured
from elman.pages import Exhibit, Section

TITLE = "Eigenvalues and disturbances"

_LEAD = (
    "A plain cell multiplies its state by one matrix at every step: eigenvalues within the unit circle "
    "shrink it, those outside make it grow. Along real data, gates and saturation count as well: the "
    "singular values of a step's Jacobian tell by how much it stretches the state in each direction, and "
    "the Lyapunov exponent how fast a small disturbance grows in the long run (below 0: it is forgotten)."
)


def section(material: Material, measured: Measured) -> Section:
    """Eigenvalues in the plane; singular values by rank."""
    if not measured.tracks:
        return Section(TITLE, _LEAD, missing=NOTHING)
    jacobians = Exhibit(
        "jacobians",
        "Singular values of a step's Jacobian",
        "Along real sequences: the median over some steps, and their range. At 1 a direction is kept as it "
        "is.",
        measured.dynamics,
    )
    if not measured.spectra.each:
        return Section(TITLE, _LEAD, (jacobians,))
    eigenvalues = Exhibit(
        "eigenvalues",
        "Eigenvalues of the recurrent matrices",
        "One colour a gate. The circle has radius 1.",
        measured.spectra,
    )
    return Section(TITLE, _LEAD, (eigenvalues, jacobians))
