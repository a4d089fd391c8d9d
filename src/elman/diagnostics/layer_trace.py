"""Record recurrent layers step by step: inputs, states, and the gradients that reach these.

Independent of tasks and files. A network is copied before it is traced, so that it does not change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.errors import DataError
from elman.nn.cells.base import Cell
from elman.nn.kernels import dispatch
from elman.nn.kernels.base import Kernel, KernelRequest, Result, ScanJob
from elman.nn.kernels.loop import StepwiseScan
from elman.nn.masks import step_mask
from elman.nn.recurrent import Recurrent
from elman.nn.torch_compat.accelerate import accelerate

LOW, HIGH = 0.1, 0.9
"""A gate below or above these is saturated: shut or open (Karpathy, Johnson and Fei-Fei 2015)."""

Run = Callable[[nn.Module], Tensor | None]
"""Calls a network with data; gives the loss of each sequence [B], where gradients are asked for."""


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One layer in one direction over some sequences.

    Args:
        name: where it is in the network, such as "encoder.recurrent l0 reverse".
        cell: its cell.
        job: what it ran over, with which weights.
        states: S tensors [T, B, H], the state after each step.
        gradients: of the sequences' losses with respect to `states`, in their shapes; or None.
    """

    name: str
    cell: Cell
    job: ScanJob
    states: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...] | None = None

    @property
    def lengths(self) -> Tensor:
        """Of each sequence, [B] int64."""
        steps, batch = self.job.x.shape[:2]
        return torch.full((batch,), steps) if self.job.lengths is None else self.job.lengths

    @property
    def live(self) -> Tensor:
        """Where a sequence has a step: [T, B] bool."""
        return step_mask(self.job.x, self.job.lengths)

    def only(self, b: int) -> LayerTrace:
        """Return the track of one sequence, without gradients."""
        one, job = slice(b, b + 1), self.job
        job = job._replace(
            x=job.x[:, one],
            state=tuple(s[one] for s in job.state),
            lengths=None if job.lengths is None else job.lengths[one],
            reset=None if job.reset is None else job.reset[:, one],
        )
        return LayerTrace(self.name, self.cell, job, tuple(s[:, one] for s in self.states))

    def before(self) -> tuple[Tensor, ...]:
        """Return the state that enters each step, S tensors [T, B, H]."""
        if self.job.reverse:
            return tuple(torch.cat([s[1:], first[None]]) for s, first in self._with_first())
        return tuple(torch.cat([first[None], s[:-1]]) for s, first in self._with_first())

    def _with_first(self) -> list[tuple[Tensor, Tensor]]:
        return list(zip(self.states, (first.detach() for first in self.job.state), strict=True))


def has_layers(network: nn.Module) -> bool:
    """Return whether a network has a recurrent layer of `elman.nn`, `elman.nn.recurrent` or torch.nn."""
    return any(isinstance(module, Recurrent | nn.RNNBase) for module in network.modules())


def trace(network: nn.Module, run: Run, *, gradients: bool = False) -> list[LayerTrace]:
    """Run a copy of a network, on the CPU and in evaluation mode, and tell what its recurrent layers did.

    Args:
        network: holds layers of `elman.nn`, `elman.nn.recurrent` or torch.nn; it may itself be one.
        run: calls what it is given as it would call the network.
        gradients: tell as well how the losses that `run` gives change with each state.

    Returns:
        A track for each layer and direction, in the order in which they ran.

    Raises:
        DataError: no recurrent layer ran, or there is no loss where gradients are asked for.
    """
    network = copy.deepcopy(network).cpu().eval()
    accelerate(network)
    recorder = _Recorder()
    with torch.set_grad_enabled(gradients), dispatch.through(recorder):
        losses = run(network)
    if not recorder.runs:
        raise DataError(
            "network", "one in which no recurrent layer ran", expected="layers of elman or torch.nn"
        )
    if gradients and losses is None:
        raise DataError("run", "no loss", expected="the loss of each sequence, [B]")
    names = {id(value): name for name, value in network.named_parameters()}
    whole = _gradients(losses, recorder.runs) if gradients and losses is not None else {}
    return [_track(calls, names, whole) for calls in _alike(recorder.runs)]


@dataclass(frozen=True, eq=False)
class _LayerCall:
    """One call of a layer: `seen` are the states after each of its steps."""

    cell: Cell
    job: ScanJob
    seen: list[tuple[Tensor, ...]]


class _Recorder(Kernel):
    """The plain kernel, which keeps what it does."""

    name = "recorder"

    def __init__(self) -> None:
        self.runs: list[_LayerCall] = []

    def refuses(self, case: KernelRequest) -> str | None:
        """Refuse no case: whatever ran is recorded."""
        return None

    def run(self, cell: Any, job: ScanJob) -> Result:
        """Run one layer in one direction; see `Kernel.run`."""
        if torch.is_grad_enabled() and not any(s.requires_grad for s in job.state):
            job = job._replace(state=tuple(s.detach().requires_grad_() for s in job.state))
        steps = _Apart(cell, job)
        seen, last = steps.unrolled()
        self.runs.append(_LayerCall(cell, job, seen))
        return steps.result(seen, last)


class _Apart(StepwiseScan):
    """Steps whose states do not hang on each other: an LSTM's h is made of its c, but goes on beside it."""

    def __call__(self, t: int, wx: Tensor, before: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(s.view_as(s) for s in super().__call__(t, wx, before))


def _gradients(losses: Tensor, runs: Sequence[_LayerCall]) -> dict[int, Tensor]:
    """Return the gradient of each state, by the state's id; none for those that change nothing."""
    states = [state for call in runs for after in call.seen for state in after]
    found = torch.autograd.grad(losses.sum(), states, allow_unused=True)
    return {id(state): grad for state, grad in zip(states, found, strict=True) if grad is not None}


def _alike(runs: Sequence[_LayerCall]) -> list[list[_LayerCall]]:
    """Group the calls of each layer and direction; a decoder calls its layers step by step."""
    groups: dict[tuple[int, bool], list[_LayerCall]] = {}
    for call in runs:
        groups.setdefault((id(call.job.weights.w_hh), call.job.reverse), []).append(call)
    return list(groups.values())


def _track(calls: list[_LayerCall], names: dict[int, str], grads: dict[int, Tensor]) -> LayerTrace:
    first, seen = calls[0], [after for call in calls for after in call.seen]
    lengths = first.job.lengths if len(calls) == 1 else None
    job = first.job._replace(x=torch.cat([call.job.x for call in calls]).detach(), lengths=lengths)
    each = range(len(first.job.state))
    states = tuple(torch.stack([after[i] for after in seen]).detach() for i in each)
    gradients = None
    if grads:
        gradients = tuple(
            torch.stack([grads.get(id(after[i]), torch.zeros_like(after[i])) for after in seen]) for i in each
        )
    return LayerTrace(_title(names.get(id(job.weights.w_hh), "")), first.cell, job, states, gradients)


def _title(parameter: str) -> str:
    """Return `encoder.recurrent l0 reverse` of `encoder.recurrent.weight_hh_l0_reverse`."""
    place, _, weight = parameter.rpartition(".")
    return " ".join([*filter(None, [place]), *weight.removeprefix("weight_hh_").split("_")]) or "layer"
