"""The kernels as one operation, elman::scan, which torch.compile and torch.export do not look into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from elman.core.errors import DataError
from elman.nn.kernels.base import CellProtocol, Kernel, Result, ScanJob, Weights
from elman.nn.kernels.native.launch import Grads, KernelCall

_SCHEMA = (
    "str cell, Tensor? lengths, bool reverse, Tensor? mask, Tensor? reset, "
    "Tensor x, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor[] state"
)

_second: dict[str, tuple[Kernel, CellProtocol]] = {}
"""By a cell's name: how its gradient is differentiated."""


def run_operation(cell: CellProtocol, job: ScanJob, differentiable: Kernel) -> Result:
    """Run a job as that operation; its gradient's own gradient goes through the other kernel."""
    x, state, weights, *around = job
    if not torch.compiler.is_compiling():  # a graph's gradient has none of its own
        _second.setdefault(cell.name, (differentiable, cell))
    found = torch.ops.elman.scan(cell.name, *around[:4], x, *weights[:4], list(state))
    return (found[0],), tuple(found[1 : 1 + len(state)])


def differentiated(
    kernel: Kernel,
    cell: CellProtocol,
    job: ScanJob,
    wanted: tuple[bool, ...],
    grads: Grads,
    matrices: int = 4,
) -> list[Tensor | None]:
    """The gradients of what a job reads, by operations of torch, which can be differentiated.

    They are those of x, as many weights as `matrices`, the states and the cell's own parameters; `grads` of
    outputs and last states.
    What is differentiated are views of the arguments, one for each place: the gradient of one place does not
    run into another, whether one argument is made from the other or both are one, while the gradient's own
    gradient goes through the views to where they come from.
    """
    again = torch.is_grad_enabled()
    tensors = (job.x, *job.weights[:matrices], *job.state, *job.weights.own)
    with torch.enable_grad():
        views: list[Any] = [None if t is None else t.view_as(t) for t in tensors]
        first, states = 1 + matrices, 1 + matrices + len(job.state)
        weights = Weights(*views[1:first]).beside(tuple(views[states:]))
        job = job._replace(x=views[0], weights=weights, state=tuple(views[first:states]))
        ys, last = kernel.run(cell, job)
    given = [(out, grad) for out, grad in zip((*ys, *last), grads, strict=True) if grad is not None]
    inputs = [view for view, want in zip(views, wanted, strict=True) if want and view is not None]
    if not given:
        return [None] * len(tensors)
    outs, values = zip(*given, strict=True)
    found = iter(torch.autograd.grad(outs, inputs, values, create_graph=again, allow_unused=True))
    return [next(found) if want and v is not None else None for v, want in zip(views, wanted, strict=True)]


def is_free_of_zeros(found: Sequence[Tensor | None], y: Tensor | None, h: Tensor | None) -> bool:
    """Whether no NaN in gradients can come from a hidden state that has none: zeros stand for it in kernels.

    Args:
        found: gradients of what a job reads.
        y, h: those of the hidden state at all steps and after the last one, as they came.
    """
    given = y is not None or h is not None
    return given or all(grad is None or bool(grad.isfinite().all()) for grad in found)


def _job(arguments: Any) -> ScanJob:
    lengths, reverse, mask, reset, x, w_ih, w_hh, b_ih, b_hh, state = arguments[1:11]
    return ScanJob(x, tuple(state), Weights(w_ih, w_hh, b_ih, b_hh), lengths, reverse, mask, reset)


def _call(arguments: Any) -> tuple[KernelCall, Tensor]:
    call = KernelCall(arguments[0], _job(arguments), groups=1)
    steps, batch, _ = call.x.shape
    return call, call.room(steps * batch)  # whatever the lengths: a graph wants to know its sizes


@torch.library.custom_op("elman::scan", mutates_args=(), schema=f"({_SCHEMA}) -> Tensor[]")
def _scan(*arguments: Any) -> list[Tensor]:
    """y, the last states, and what backward needs."""
    call, kept = _call(arguments)
    return [*call.forward(call.pack(back=False), kept), kept]


@_scan.register_fake
def _(*arguments: Any) -> list[Tensor]:
    call, kept = _call(arguments)
    return [*call.outputs(), kept]


@torch.library.custom_op(
    "elman::scan_backward",
    mutates_args=(),
    schema=f"({_SCHEMA}, Tensor kept, Tensor dy, Tensor[] dlast) -> Tensor[]",
)
def _scan_backward(*arguments: Any) -> list[Tensor]:
    """The gradients of x, of the weights that there are, and of the states."""
    kept, dy, dlast = arguments[11:]
    # backward writes over what is kept, and a graph's tensors stay what they are
    call = KernelCall(arguments[0], _job(arguments), groups=1)
    grads = call.backward(call.pack(back=True), kept.clone(), (True,) * (5 + len(dlast)), (dy, *dlast))
    return [d for d in grads if d is not None]


@_scan_backward.register_fake
def _(*arguments: Any) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in (*arguments[5:10], *arguments[10]) if t is not None]


def _set_up(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.plain, ctx.states = (inputs[0], inputs[2]), len(inputs[10])
    ctx.save_for_backward(inputs[1], *inputs[3:10], *inputs[10], output[-1])


def _differentiate(ctx: Any, grads: list[Tensor]) -> Any:
    cell, reverse = ctx.plain
    lengths, *inputs, kept = ctx.saved_tensors
    dy, *dlast = grads[:-1]
    if torch.is_grad_enabled():
        return _differentiate_again(ctx, inputs, lengths, (dy, *dlast))
    operation = torch.ops.elman.scan_backward
    found = iter(operation(cell, lengths, reverse, *inputs[:7], inputs[7:], kept, dy, dlast))
    given = [None if t is None else next(found) for t in inputs[2:]]
    return *(None,) * 5, *given[:5], given[5:]


def _differentiate_again(ctx: Any, inputs: list[Tensor], lengths: Tensor | None, grads: Grads) -> Any:
    cell, reverse = ctx.plain
    if cell not in _second:
        raise DataError("create_graph", "a graph that was compiled", remedy="run the layer without compiling")
    mask, reset, *tensors = inputs
    job = _job((cell, lengths, reverse, mask, reset, *tensors[:5], tensors[5:]))
    wanted = (*ctx.needs_input_grad[5:10], *(s.requires_grad for s in job.state))
    found = differentiated(*_second[cell], job, wanted, grads)
    return *(None,) * 5, *found[:5], found[5:]


@register_flop_formula(torch.ops.elman.scan)
def _flops(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """Of both products; shapes stand in the places of the arguments."""
    (steps, batch, features), (rows, hidden) = shapes[5], shapes[7]
    return 2 * steps * batch * rows * (features + hidden)


@register_flop_formula(torch.ops.elman.scan_backward)
def _flops_of_backward(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    """Of the products for what went in and for the weights."""
    return 2 * _flops(*shapes)


_scan.register_autograd(_differentiate, setup_context=_set_up)
