"""See what a recurrent network remembers: gradients through time, dynamics, gates."""

from __future__ import annotations

from elman.diagnose.base import Track, trace
from elman.diagnose.dynamics import Dynamics, Spectra, dynamics, jacobian, lyapunov, spectra
from elman.diagnose.gates import GateUse, gate_use
from elman.diagnose.gradients import Flow, GradientFlow, gradient_flow

__all__ = [
    "Dynamics",
    "Flow",
    "GateUse",
    "GradientFlow",
    "Spectra",
    "Track",
    "dynamics",
    "gate_use",
    "gradient_flow",
    "jacobian",
    "lyapunov",
    "spectra",
    "trace",
]
