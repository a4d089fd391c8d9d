"""Whether the layers forget, keep or blow up: eigenvalues, Jacobians, Lyapunov exponents."""

from __future__ import annotations

from elman.diagnostics.report.base import NOTHING, Measurements, Subject
from elman.plots.html_report import Figure, Section

TITLE = "Eigenvalues and disturbances"

_LEAD = (
    "A plain cell multiplies its state by one matrix at every step: eigenvalues within the unit circle "
    "shrink it, those outside make it grow. Along real data, gates and saturation count as well: the "
    "singular values of a step's Jacobian tell by how much it stretches the state in each direction, and "
    "the Lyapunov exponent how fast a small disturbance grows in the long run."
)
_STRETCHED = (
    "Along real sequences: the median over some steps, and their range. Below 0 the exponent says that a "
    "disturbance dies out, as it does in all networks that forget. The word beside it is the summary's."
)


def section(material: Subject, measured: Measurements) -> Section:
    """Draw eigenvalues in the plane, and singular values by rank."""
    if not measured.tracks:
        return Section(TITLE, _LEAD, missing=NOTHING)
    jacobians = Figure("jacobians", "Singular values of a step's Jacobian", _STRETCHED, measured.dynamics)
    if not measured.spectra.each:
        return Section(TITLE, _LEAD, (jacobians,))
    caption = "A panel a gate. Red ones lie outside the unit circle."
    eigenvalues = Figure("eigenvalues", "Eigenvalues of the recurrent matrices", caption, measured.spectra)
    return Section(TITLE, _LEAD, (eigenvalues, jacobians))
