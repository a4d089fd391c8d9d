"""The table of kernels, and the choice among them: the first that serves runs. Which, `explain` tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch import Tensor

from elman.core.errors import ConfigError, nearest
from elman.nn.formula.listing import listed
from elman.nn.formula.surroundings import projects
from elman.nn.kernels.aten import Aten
from elman.nn.kernels.base import (
    CellProtocol,
    Kernel,
    KernelRequest,
    LayerStepper,
    Result,
    ScanJob,
    StepFn,
    Weights,
    is_autocast,
)
from elman.nn.kernels.loop import Loop
from elman.nn.kernels.native.extension import CELLS
from elman.nn.kernels.native.kernel import Native

VARIABLE = "ELMAN_KERNEL"
"""The environment variable that forces a kernel. It is read once: to look at it takes too long."""

_ATEN, _LOOP = Aten(), Loop()
_TABLE: tuple[Kernel, ...] = (
    Native(_LOOP, _ATEN),
    _ATEN,
    _LOOP,
)  # in order of preference; the last serves everything

_forced = os.environ.get(VARIABLE)
_choice: ContextVar[str | None] = ContextVar("elman kernel", default=None)
"""The name of the kernel forced in this context, such as a thread; where there is none, `_forced` counts."""
_instead: ContextVar[Kernel | None] = ContextVar("elman kernel in place of all", default=None)


def force(name: str | None) -> None:
    """Run what follows in this context (a thread, an asyncio task) on that kernel.

    It prevails over ELMAN_KERNEL, which holds for all contexts; None: that one, or else the fastest.

    Raises:
        ConfigError: no kernel has that name.
    """
    _choice.set(None if name is None else get(name).name)


@contextmanager
def through(kernel: Kernel) -> Iterator[None]:
    """Run every `scan` of this context meanwhile on that kernel, of the table or not, whatever is forced."""
    token = _instead.set(kernel)
    try:
        yield
    finally:
        _instead.reset(token)


def names() -> tuple[str, ...]:
    """The kernels' names, in order of preference."""
    return tuple(kernel.name for kernel in _TABLE)


def get(name: str, where: str = "kernel") -> Kernel:
    """The kernel of that name.

    Raises:
        ConfigError: no kernel has that name; it tells the nearest one.
    """
    for kernel in _TABLE:
        if kernel.name == name:
            return kernel
    raise ConfigError(where, f"unknown kernel {name!r}", remedy=nearest(name, names()))


def choose(case: KernelRequest, forced: str | None = None) -> tuple[Kernel, str]:
    """The kernel that runs that case, and the reason.

    Args:
        case: what is to be done.
        forced: a kernel's name; None: what ELMAN_KERNEL says, or else the first in the table that serves.

    Raises:
        ConfigError: the forced kernel is unknown, or does not serve the case.
    """
    where = "kernel" if forced else VARIABLE
    forced = forced or _chosen()
    if forced:
        return _force(get(forced, where), case, where), f"forced by {where}"
    # In a graph that is made, T may stand for any number.
    made = type(case.steps) is not int or torch.compiler.is_compiling()
    return (_prefer if made else _preferred)(_TABLE, case)


def explain(case: KernelRequest) -> list[tuple[str, str]]:
    """Each kernel in order of preference, and what it says to that case."""
    runs, reason = choose(case)
    lines = []
    for kernel in _TABLE:
        refusal = kernel.refuses(case)
        if kernel is runs:
            lines.append((kernel.name, f"runs: {reason}"))
        else:
            lines.append((kernel.name, f"refuses: {refusal}" if refusal else "could run"))
    return lines


def scan(cell: CellProtocol, job: ScanJob, kernel: str | None = None) -> Result:
    """Run a cell over time: one layer, one direction, on the fastest kernel that serves.

    Args:
        cell: the algebra of one step.
        job: what it runs over, with which weights.
        kernel: the name of the kernel to use; None: ELMAN_KERNEL, or else the fastest.

    Returns:
        (ys, last): ys is (y,), the hidden state at all steps [T, B, H], with `job.every` all S states so,
        zero beyond a length; last is S tensors [B, H] after each sequence's last step.

    Raises:
        ConfigError: the forced kernel is unknown, or does not serve the case.
    """
    # Nobody looks on while a graph is made, and its maker cannot read what belongs to a context.
    if not torch.compiler.is_compiling() and (instead := _instead.get()):
        return instead.run(cell, job)
    return choose(case_of(cell, job), kernel)[0].run(cell, job)


def step(
    cell: CellProtocol, x: Tensor, state: tuple[Tensor, ...], weights: Weights, kernel: str | None = None
) -> tuple[Tensor, ...]:
    """Run a cell for one step, on the fastest kernel that serves.

    Args:
        cell: the algebra of the step.
        x: [B, F].
        state: S tensors [B, H] before the step; where the hidden state is projected, the first is [B, P].
        weights: of the layer.
        kernel: as `scan` takes it.

    Returns:
        The state after the step, as `state` is.

    Raises:
        As `scan` does.
    """
    return choose(_case_of_step(cell, x, weights), kernel)[0].step(cell, x, state, weights)


def stepper(
    cell: CellProtocol, weights: Weights, state: tuple[Tensor, ...], kernel: str | None = None
) -> LayerStepper:
    """What runs a cell step after step without gradients, on the fastest kernel that serves.

    Args:
        cell: the algebra of the step.
        weights: of the layer; they stay as they are while it runs.
        state: S tensors [B, H] to start from.
        kernel: as `scan` takes it.

    Raises:
        As `scan` does.
    """
    return choose(_case_of_step(cell, state[0], weights), kernel)[0].stepper(cell, weights, state)


def advance(cell: CellProtocol, weights: Weights, kernel: str | None = None) -> StepFn:
    """What runs a cell one step of any batch without gradients, on the fastest kernel that serves.

    Args:
        cell: the algebra of the step.
        weights: of the layer; they stay as they are while it runs.
        kernel: as `scan` takes it.

    Raises:
        As `scan` does.
    """
    return choose(_case_of_step(cell, weights.w_hh, weights), kernel)[0].advance(cell, weights)


def case_of(cell: CellProtocol, job: ScanJob) -> KernelRequest:
    """What a job asks of a kernel."""
    # By place, not by name: a single step takes no longer than a few of such calls.
    x, state, weights, lengths, _, mask, reset, zone, every = job
    _, _, _, _, _, gain, projection = weights
    device = x.device.type
    return KernelRequest(
        cell.name,
        device,
        _products(x.dtype, device),
        x.shape[0],
        lengths is not None,
        gain is not None,
        mask is not None,
        projection is not None,
        reset is not None,
        zone is not None,
        every and len(state) > 1,
        _unlisted(cell, weights),
        _is_cast(x, weights),
    )


def _case_of_step(cell: CellProtocol, tensor: Tensor, weights: Weights) -> KernelRequest:
    _, _, _, _, _, gain, projection = weights
    device = tensor.device.type
    normed, projected = gain is not None, projection is not None
    return KernelRequest(
        cell.name,
        device,
        _products(tensor.dtype, device),
        1,
        normed=normed,
        projected=projected,
        unlisted=_unlisted(cell, weights),
        cast=_is_cast(tensor, weights),
    )


def _unlisted(cell: CellProtocol, weights: Weights) -> str | None:
    """Return why a step that no kernel of its own runs is not a list of operations; None: it is one."""
    projected = weights.w_hr is not None
    if (cell.name in CELLS and not projected) or torch.compiler.is_compiling():
        return None
    wide = weights.w_hh if weights.w_hr is None else weights.w_hr
    formula, refusal = listed(cell, wide.shape[1])
    if formula is not None and projected and not projects(formula):
        return "a projected hidden state enters products only"
    return refusal


def _is_cast(x: Tensor, weights: Weights) -> bool:
    """Whether autocast casts a layer in float32, and nobody writes down what it does."""
    if torch.compiler.is_compiling() or not is_autocast(x.device.type) or torch.jit.is_tracing():
        return False
    return x.dtype != torch.float64 and weights.w_hh.dtype == torch.float32


@torch.compiler.assume_constant_result
def _chosen() -> str | None:
    return _choice.get() or _forced


def _prefer(table: tuple[Kernel, ...], case: KernelRequest) -> tuple[Kernel, str]:
    passed = []
    for kernel in table[:-1]:
        refusal, better = kernel.refuses(case), kernel.prefers_other(case)
        if refusal is None and better is None:
            return kernel, "; ".join(passed) or "the fastest"
        passed.append(f"{kernel.name} refuses: {refusal}" if refusal else f"{kernel.name} yields: {better}")
    return table[-1], "; ".join(passed)


_preferred = lru_cache(256)(_prefer)


def _force(kernel: Kernel, case: KernelRequest, where: str) -> Kernel:
    refusal = kernel.refuses(case)
    if refusal:
        raise ConfigError(where, f"{kernel.name!r} refuses: {refusal}", remedy=f"use {_TABLE[-1].name!r}")
    return kernel


def _products(dtype: torch.dtype, device: str) -> torch.dtype:
    """What products of that kind are made in; autocast leaves float64 alone."""
    if is_autocast(device) and dtype != torch.float64:
        return torch.get_autocast_dtype(device)
    return dtype
