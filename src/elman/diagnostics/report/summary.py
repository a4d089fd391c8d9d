"""The summary in plain words: what is wrong, what to do about it, how far the model remembers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from elman.core.run_config import RunConfig
from elman.diagnostics import judgement
from elman.diagnostics.context import ContextCurve
from elman.diagnostics.gates import UnitUse
from elman.diagnostics.gradients import Flow
from elman.diagnostics.report.base import NOTHING, Measurements, Subject
from elman.diagnostics.stability import Jacobians
from elman.nn.cells import registry
from elman.plots.html_report import Finding, Section

_DEAD, _SATURATED = 0.25, 0.9
"""Shares of units that are dead, and of a gate's values that are saturated, from which on it is reported."""


def findings(material: Subject, measured: Measurements, sections: Sequence[Section]) -> list[Finding]:
    """What stands out, the worst first; what is healthy, if nothing is wrong."""
    if not measured.tracks:
        return [Finding("no recurrent layer", NOTHING)]
    pairs = list(zip(measured.flow.flows, measured.dynamics.each, strict=True))
    long = [(flow, jacobians) for flow, jacobians in pairs if flow.steps >= judgement.TOO_FEW]
    if not long:
        words = (
            f"fewer than {judgement.TOO_FEW} steps: too short to judge whether gradients vanish or explode."
        )
        return [Finding("short", words), *_units(measured.gates.each), *_context(sections)]
    bad = [*_exploding(long, _calm(material.run)), *_vanishing(long, _hold(material.run))]
    found = bad or [_healthy([flow for flow, _ in long])]
    return [*found, *_units(measured.gates.each), *_context(sections)]


def overview(measured: Measurements) -> list[Sequence[object]]:
    """A row for each layer: half-life, exponent, spectral radius of its widest gate, units."""
    head = (
        "layer", "steps", "half-life of the gradient", "Lyapunov exponent", "spectral radius",
        "saturated gates", "dead", "always on",
    )  # fmt: skip
    radii: dict[str, float] = {}
    for one in measured.spectra.each:
        radii[one.name] = max(one.radius, radii.get(one.name, 0.0))
    rows = zip(measured.flow.flows, measured.dynamics.each, measured.gates.each, strict=True)
    cells = [
        (
            flow.name,
            flow.steps,
            _life(flow),
            f"{jacobians.exponent:+.3f}",
            f"{radii[flow.name]:.2f}" if flow.name in radii else "",
            _saturated(use),
            f"{len(use.dead)} of {len(use.mean)}",
            len(use.always_on),
        )
        for flow, jacobians, use in rows
    ]
    return [head, *cells] if cells else []


def _calm(run: RunConfig) -> str:
    """What to do against gradients that explode."""
    clip = "a smaller --clip" if run.training.clip else "clip gradients (--clip 1)"
    return ", ".join([clip, "lower --lr", *_otherwise(run)])


def _hold(run: RunConfig) -> str:
    """What to do against gradients that vanish."""
    return ", ".join([*_otherwise(run), "cut shorter sequences"])


def _otherwise(run: RunConfig) -> Iterator[str]:
    if run.network.init != "orthogonal":
        yield "start orthogonal (--init orthogonal)"
    if not registry.get(run.network.cell).timed:
        yield "take a gated cell (--cell lstm or gru)"


def _exploding(pairs: Sequence[tuple[Flow, Jacobians]], remedy: str) -> Iterator[Finding]:
    for flow, jacobians in pairs:
        if judgement.gradient_explodes(flow):
            times = f"{flow.growth:.3g} times with every step back, over {flow.steps} steps"
            yield Finding(
                judgement.EXPLODING, f"in {flow.name} the gradient grows {times}; {remedy}.", bad=True
            )
        elif judgement.disturbance_explodes(jacobians, flow.steps):
            times = f"{math.exp(jacobians.exponent):.3g} times with every step"
            words = f"in {flow.name} a small disturbance of the state grows {times}"
            yield Finding(judgement.EXPLODING, f"{words}; {remedy}.", bad=True)


def _vanishing(pairs: Sequence[tuple[Flow, Jacobians]], remedy: str) -> Iterator[Finding]:
    for flow, _ in pairs:
        if judgement.vanishes(flow):
            yield Finding(
                judgement.VANISHING,
                f"in {flow.name} the gradient halves every {flow.half_life:.2g} steps, so that beyond "
                f"{flow.horizon:.0f} of {flow.steps} steps it is lost in rounding, and nothing from before "
                f"can be learnt; {remedy}.",
                bad=True,
            )


def _healthy(flows: Sequence[Flow]) -> Finding:
    far = max(flows, key=lambda flow: flow.half_life)
    if math.isinf(far.half_life):
        words = f"In {far.name} it does not fade over {far.steps} steps."
    else:
        horizon = f"{far.half_life:.3g} steps, the memory horizon"
        words = f"In {far.name} it halves every {horizon}, of {far.steps} steps."
    return Finding(judgement.HEALTHY, f"no gradient vanishes or explodes. {words}", bad=False)


def _units(uses: Sequence[UnitUse]) -> Iterator[Finding]:
    for use in uses:
        count = len(use.dead)
        if count >= _DEAD * len(use.mean):
            words = f"{count} of {len(use.mean)} units of {use.name} hardly leave zero"
            yield Finding("dead units", f"{words}: fewer --hidden would do, or lower --lr.")
        for gate in use.gates:
            if gate.saturated >= _SATURATED:
                words = (
                    f"{gate.saturated:.0%} of the values of the {gate.name} gate of {use.name} are saturated"
                )
                yield Finding(
                    "saturated", f"{words}: it learns no more; lower --lr, or raise --weight-decay."
                )


def _context(sections: Sequence[Section]) -> Iterator[Finding]:
    curves = [one.found for section in sections for one in section.exhibits]
    for curve in curves:
        if not isinstance(curve, ContextCurve):
            continue
        gain, error = curve.gain
        if gain > 2 * error:
            reach, longest = curve.reach(), curve.lengths[-1]
            words = f"{reach} of {longest} steps of the past give 95 % of what all give, {gain:.3g} nats."
        else:
            words = f"{curve.lengths[-1]} steps of the past gain no more than chance over {curve.lengths[0]}."
        yield Finding("context", words)


def _life(flow: Flow) -> str:
    if flow.steps < 2:
        return ""
    return "does not fade" if math.isinf(flow.half_life) else f"{flow.half_life:.3g} steps"


def _saturated(use: UnitUse) -> str:
    shares = [gate.saturated for gate in use.gates]
    return f"{sum(shares) / len(shares):.0%}" if shares else ""
