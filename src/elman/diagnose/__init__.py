"""See what a recurrent network remembers: gradients through time, dynamics, gates."""

from __future__ import annotations

from elman.diagnose.base import Track, has_layers, trace
from elman.diagnose.context import ContextCurve, context_curve
from elman.diagnose.dynamics import Dynamics, Spectra, dynamics, jacobian, lyapunov, spectra
from elman.diagnose.faults import first_fault
from elman.diagnose.gates import GateUse, gate_use
from elman.diagnose.gradients import Comparison, Flow, GradientFlow, gradient_flow
from elman.diagnose.states import Probe, Probes, StateMap, Told, probe, state_map
from elman.diagnose.watch import Watch

__all__ = [
    "Comparison",
    "ContextCurve",
    "Dynamics",
    "Flow",
    "GateUse",
    "GradientFlow",
    "Probe",
    "Probes",
    "Spectra",
    "StateMap",
    "Told",
    "Track",
    "Watch",
    "context_curve",
    "dynamics",
    "first_fault",
    "gate_use",
    "gradient_flow",
    "has_layers",
    "jacobian",
    "lyapunov",
    "probe",
    "spectra",
    "state_map",
    "trace",
]
