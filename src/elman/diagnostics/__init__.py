"""See what a recurrent network remembers: gradients through time, dynamics, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.diagnostics.context import ContextCurve, context_curve
    from elman.diagnostics.gates import GateUse, gate_use
    from elman.diagnostics.gradients import Comparison, Flow, GradientFlow, gradient_flow
    from elman.diagnostics.layer_trace import LayerTrace, has_layers, trace
    from elman.diagnostics.non_finite import first_non_finite
    from elman.diagnostics.stability import Dynamics, Spectra, dynamics, jacobian, lyapunov, spectra
    from elman.diagnostics.states import Probe, ProbeResult, Probes, StateMap, probe, state_map
    from elman.diagnostics.training_monitor import LayerMonitor

__all__ = [
    "Comparison",
    "ContextCurve",
    "Dynamics",
    "Flow",
    "GateUse",
    "GradientFlow",
    "LayerMonitor",
    "LayerTrace",
    "Probe",
    "ProbeResult",
    "Probes",
    "Spectra",
    "StateMap",
    "context_curve",
    "dynamics",
    "first_non_finite",
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

__getattr__ = lazy_names(
    __name__,
    {
        "Comparison": "elman.diagnostics.gradients",
        "ContextCurve": "elman.diagnostics.context",
        "Dynamics": "elman.diagnostics.stability",
        "Flow": "elman.diagnostics.gradients",
        "GateUse": "elman.diagnostics.gates",
        "GradientFlow": "elman.diagnostics.gradients",
        "LayerMonitor": "elman.diagnostics.training_monitor",
        "LayerTrace": "elman.diagnostics.layer_trace",
        "Probe": "elman.diagnostics.states",
        "ProbeResult": "elman.diagnostics.states",
        "Probes": "elman.diagnostics.states",
        "Spectra": "elman.diagnostics.stability",
        "StateMap": "elman.diagnostics.states",
        "context_curve": "elman.diagnostics.context",
        "dynamics": "elman.diagnostics.stability",
        "first_non_finite": "elman.diagnostics.non_finite",
        "gate_use": "elman.diagnostics.gates",
        "gradient_flow": "elman.diagnostics.gradients",
        "has_layers": "elman.diagnostics.layer_trace",
        "jacobian": "elman.diagnostics.stability",
        "lyapunov": "elman.diagnostics.stability",
        "probe": "elman.diagnostics.states",
        "spectra": "elman.diagnostics.stability",
        "state_map": "elman.diagnostics.states",
        "trace": "elman.diagnostics.layer_trace",
    },
)
