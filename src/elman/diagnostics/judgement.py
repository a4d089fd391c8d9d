"""Whether a layer's gradient vanishes or explodes: the judgement that verdicts, legends and tables report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from elman.diagnostics.gradients import Flow, GradientFlow
from elman.diagnostics.stability import Dynamics, Jacobians

EXPLODING, VANISHING, HEALTHY, SHORT = "exploding", "vanishing", "healthy", "too short to judge"

TOO_FEW = 8
"""Vanishing and explosion are reported from this many steps on."""
_BLOWN, _GROWING = 100.0, 0.02
"""What grows by this over a sequence explodes; a disturbance, with an exponent of at least this many nats."""
_WHOLE = 0.25
"""A gradient vanishes that is lost in rounding beyond this share of the steps."""


def gradient_explodes(flow: Flow) -> bool:
    """Return whether the gradient grows more than a hundredfold over the sequence."""
    return flow.growth > 1 and math.log(flow.growth) * (flow.steps - 1) > math.log(_BLOWN)


def disturbance_explodes(jacobians: Jacobians, steps: int) -> bool:
    """Return whether a small disturbance of the state grows more than a hundredfold over N steps."""
    return jacobians.exponent > max(_GROWING, math.log(_BLOWN) / steps)


def vanishes(flow: Flow) -> bool:
    """Return whether the gradient is lost in rounding for most of the sequence."""
    return flow.horizon < flow.steps * _WHOLE


def words(flow: Flow, jacobians: Jacobians) -> Iterator[str]:
    """Yield what is the matter with a layer, in a word each; or that nothing is."""
    if flow.steps < TOO_FEW:
        yield SHORT
        return
    blown = gradient_explodes(flow) or disturbance_explodes(jacobians, flow.steps)
    yield from [EXPLODING] * blown + [VANISHING] * vanishes(flow) or [HEALTHY]


def judged(flow: GradientFlow, dynamics: Dynamics) -> tuple[GradientFlow, Dynamics]:
    """Return the same with the verdict on each layer, so that its legend says so.

    Args:
        flow: of the layers' gradients.
        dynamics: of the same layers, in the same order.
    """
    pairs = list(zip(flow.flows, dynamics.each, strict=True))
    said = [", ".join(words(*pair)) for pair in pairs]
    return (
        GradientFlow(tuple(replace(one, judged=word) for (one, _), word in zip(pairs, said, strict=True))),
        Dynamics(tuple(replace(one, judged=word) for (_, one), word in zip(pairs, said, strict=True))),
    )
