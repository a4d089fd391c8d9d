"""The kernels as one operation, elman::scan, which torch.compile and torch.export do not look into."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.kernels.base import Cell, Job, Result, Weights
from elman.kernels.native.call import Call

_SCHEMA = (
    "str cell, Tensor? lengths, bool reverse, Tensor? mask, Tensor? reset, "
    "Tensor x, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor[] state"
)


def traced(cell: Cell, job: Job) -> Result:
    """Run a job as that operation."""
    x, state, weights, *around = job
    found = torch.ops.elman.scan(cell.name, *around[:4], x, *weights[:4], list(state))
    return (found[0],), tuple(found[1 : 1 + len(state)])


def _job(arguments: Any) -> Job:
    lengths, reverse, mask, reset, x, w_ih, w_hh, b_ih, b_hh, state = arguments[1:11]
    return Job(x, tuple(state), Weights(w_ih, w_hh, b_ih, b_hh), lengths, reverse, mask, reset)


def _call(arguments: Any) -> tuple[Call, Tensor]:
    call = Call(arguments[0], _job(arguments), groups=1)
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
    call = Call(arguments[0], _job(arguments), groups=1)
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
    operation = torch.ops.elman.scan_backward
    found = iter(operation(cell, lengths, reverse, *inputs[:7], inputs[7:], kept, dy, dlast))
    given = [None if t is None else next(found) for t in inputs[2:]]
    return *(None,) * 5, *given[:5], given[5:]


_scan.register_autograd(_differentiate, setup_context=_set_up)
