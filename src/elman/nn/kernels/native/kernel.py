"""Our own kernels for the CPU, in C++ (`native/`): RNN, LSTM, GRU, and lists; in float32 and float64.

Here are the cases that they serve, and autograd. A gradient's own gradient goes through another kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

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
from elman.nn.kernels.native import packed_weights
from elman.nn.kernels.native.autocast import run_cast
from elman.nn.kernels.native.custom_op import differentiated, is_free_of_zeros, run_operation
from elman.nn.kernels.native.extension import CELLS, NUMBERS, missing, module
from elman.nn.kernels.native.launch import KernelCall, step
from elman.nn.kernels.native.lists import ListAdvance, ListStepper, is_surrounded, run_list
from elman.nn.kernels.native.plain import is_operation_served, is_plain, is_traced, is_transformed
from elman.nn.kernels.native.stepper import NativeAdvance, NativeStepper

_is_compiled = torch.compiler.is_compiling


def available() -> str | None:
    """The instruction set that the kernels are compiled for and run with; None where they were not built."""
    return None if module is None else module.instruction_set()


def forget(*weights: Tensor) -> None:
    """Forget what is kept of these weights, which are to be replaced in place."""
    packed_weights.forget(*weights)


def use(instruction_set: str) -> None:
    """Run with another instruction set that the processor has: "avx512", "avx2" or "base".

    For tests and benchmarks, between calls: what a stepper or a graph holds is laid out for the one before.

    Raises:
        ValueError: the processor does not have it, or the kernels were not built for it.
    """
    module.use_instruction_set(instruction_set)
    packed_weights.clear()


def lacks(case: KernelRequest) -> str | None:
    """What a case asks for that these kernels do not have, built or not; None: they serve it."""
    if case.unlisted:
        return f"its list of operations cannot say {case.cell!r}: {case.unlisted}"
    if case.device != "cpu":
        return f"it runs on the CPU, not on {case.device!r}"
    if case.dtype not in NUMBERS and not case.cast:
        return f"it computes in float32 and float64, not in {case.dtype}"
    return None


class Native(Kernel):
    """The C++ kernels of this package.

    Args:
        differentiable: the kernel that second derivatives go through, and what looks at single operations.
        named: the one of torch's own functions, which other runtimes know by their names; None: the same.
    """

    name = "native"

    def __init__(self, differentiable: Kernel, named: Kernel | None = None) -> None:
        self.differentiable, self.named = differentiable, named or differentiable

    def refuses(self, case: KernelRequest) -> str | None:
        """Other devices and numbers than it is written for, and steps that no list can say."""
        return missing if module is None else lacks(case)

    def prefers_other(self, case: KernelRequest) -> str | None:
        """An LSTM under autocast, where torch's own uses what processors have for bfloat16."""
        if case.cast and self.named.refuses(case) is None and case.cell == "lstm" and not case.projected:
            return f"torch's LSTM in {case.dtype} is faster with many rows"
        return None

    def run(self, cell: CellProtocol, job: ScanJob) -> Result:
        """Run one layer in one direction; see `Kernel.run`."""
        x, state, weights, lengths, reverse, mask, reset, *_ = job
        if is_autocast("cpu") and not _is_compiled() and x.dtype != torch.float64:
            return run_cast(self, cell, job)
        if _is_compiled() or not is_plain(*_tensors(job)):
            return self._seen(cell, job)
        if cell.name not in CELLS or is_surrounded(job):
            return run_list(self.differentiable, cell, job)
        if _has_gradient(x, state, weights, mask):
            if mask is not None and mask.requires_grad:
                return self.differentiable.run(cell, job)
            around = lengths, reverse, mask, reset
            y, *last = _apply(self.differentiable, cell, *around, x, *weights[:4], *state)
            return (y,), tuple(last)
        call = KernelCall(cell.name, job)
        y, *last = call.forward(call.pack(back=False))
        return (y,), tuple(last)

    def step(
        self, cell: CellProtocol, x: Tensor, state: tuple[Tensor, ...], weights: Weights
    ) -> tuple[Tensor, ...]:
        """Run one step; see `Kernel.step`."""
        other = cell.name not in CELLS or _is_around(weights) or _is_compiled()
        other = other or _has_gradient(x, state, weights)
        if other or not is_plain(x, *state, *weights[:4]):
            return super().step(cell, x, state, weights)
        return step(cell.name, x, state, weights)

    def _seen(self, cell: CellProtocol, job: ScanJob) -> Result:
        """Run a job by operations that others see, each as it wants: its own, torch's, or single ones."""
        if is_traced() or is_surrounded(job):
            refusal = self.named.refuses(_request(cell, job))
            return (self.differentiable if refusal else self.named).run(cell, job)
        if (
            cell.name not in CELLS
            or is_transformed()
            or not (_is_compiled() or is_operation_served(*_tensors(job)))
        ):
            return self.differentiable.run(cell, job)
        return run_operation(cell, job, self.differentiable)

    def stepper(self, cell: CellProtocol, weights: Weights, state: tuple[Tensor, ...]) -> LayerStepper:
        """Make ready for step after step; see `Kernel.stepper`."""
        if not is_plain(*weights, *weights.own, *state):
            return super().stepper(cell, weights, state)
        if cell.name not in CELLS or _is_around(weights):
            return ListStepper(cell, weights, state)
        return NativeStepper(cell.name, weights, state)

    def advance(self, cell: CellProtocol, weights: Weights) -> StepFn:
        """Make ready for steps of any batch; see `Kernel.advance`."""
        if not is_plain(*weights, *weights.own):
            return super().advance(cell, weights)
        if cell.name not in CELLS or _is_around(weights):
            return ListAdvance(cell, weights)
        return NativeAdvance(cell.name, weights)


def _tensors(job: ScanJob) -> tuple[Tensor | None, ...]:
    """All that a native kernel reads."""
    x, state, weights, lengths, _, mask, reset, zone, _ = job
    if zone is None:
        return x, *state, *weights, *weights.own, lengths, mask, reset
    drawn = [z for z in zone if isinstance(z, Tensor)]
    return x, *state, *weights, *weights.own, lengths, mask, reset, *drawn


def _is_around(weights: Weights) -> bool:
    """Whether the weights are more than a cell's own kernel reads."""
    return weights.gain_ih is not None or weights.w_hr is not None


def _request(cell: CellProtocol, job: ScanJob) -> KernelRequest:
    """What other kernels may refuse of a job that this one serves, on the CPU."""
    return KernelRequest(
        cell.name,
        steps=len(job.x),
        normed=job.weights.gain_ih is not None,
        masked=job.hidden_mask is not None,
        projected=job.weights.w_hr is not None,
        reset=job.reset is not None,
        zoned=job.zone is not None,
        every=job.every and len(job.state) > 1,
    )


def _has_gradient(x: Tensor, state: tuple[Tensor, ...], weights: Weights, mask: Tensor | None = None) -> bool:
    if not torch.is_grad_enabled():
        return False
    if weights.w_hh.requires_grad or x.requires_grad:
        return True
    return any(t is not None and t.requires_grad for t in (*weights[:4], *state, mask))


class _WithGradient(torch.autograd.Function):
    """One layer in one direction, with its gradient."""

    @staticmethod
    def forward(ctx: Any, differentiable: Kernel, cell: CellProtocol, *arguments: Any) -> Any:
        """Arguments: lengths, reverse, mask, reset, x, four weights, the states -> y, last states."""
        call = KernelCall(cell.name, _job(arguments))
        kept, pack = call.room(call.rows()), call.pack(back=True)
        out = call.forward(pack, kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*arguments[4:], kept)
        ctx.differentiable, ctx.cell, ctx.around = differentiable, cell, arguments[:4]
        ctx.groups, ctx.pack, ctx.spent = call.groups, pack, False
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of y and of the last states -> of x, the weights and the states."""
        wanted = ctx.needs_input_grad[6:]
        *tensors, kept = ctx.saved_tensors
        job = _job((*ctx.around, *tensors))
        if torch.is_grad_enabled() or not is_plain(*tensors, *grads):
            return *(None,) * 6, *differentiated(ctx.differentiable, ctx.cell, job, wanted, grads)
        call, pack = KernelCall(ctx.cell.name, job, ctx.groups), ctx.pack
        if ctx.spent:  # the first time, the gates gave place to their gradients
            kept = torch.empty_like(kept)
            call.forward(pack, kept)
        ctx.spent = True
        found = call.backward(pack, kept, wanted, grads)
        if not is_free_of_zeros(found, *grads[:2]):
            found = differentiated(ctx.differentiable, ctx.cell, job, wanted, grads)
        return *(None,) * 6, *found


# Without what torch's own `apply` does for torch.func, which does not come here: a tenth of a small call.
_apply = super(torch.autograd.Function, _WithGradient).apply  # pyrefly: ignore


def _job(arguments: tuple[Any, ...]) -> ScanJob:
    lengths, reverse, mask, reset, x, w_ih, w_hh, b_ih, b_hh, *state = arguments
    return ScanJob(x, tuple(state), Weights(w_ih, w_hh, b_ih, b_hh), lengths, reverse, mask, reset)
