"""Cells that are lists of operations, on the compiled kernels: calls, autograd, and step after step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.nn.formula.listing import MOST_STATES, listed
from elman.nn.formula.operations import Formula
from elman.nn.formula.plan import Plan, planned
from elman.nn.kernels.base import CellProtocol, Kernel, LayerStepper, Result, ScanJob, Weights
from elman.nn.kernels.native.custom_op import differentiated, is_free_of_zeros
from elman.nn.kernels.native.extension import NUMBERS, module
from elman.nn.kernels.native.launch import Grads, check_job, groups_of, like, quickly_filled, rows_dense
from elman.nn.kernels.native.packed_weights import Pack, check, dense, packed
from elman.nn.kernels.native.plain import is_plain


@lru_cache(512)
def _program(formula: Formula, training: bool, masked: bool) -> tuple[Plan, Any]:
    """A list as the compiled module holds it."""
    plan = planned(formula, training, masked)
    return plan, module.program(*plan.encoded())


class ListCall:
    """One layer in one direction, of a cell that is a list.

    Args:
        formula: the list.
        job: what it runs over.
        training: whether backward follows.
        groups: how many parts of the batch run through time on their own; None: as many as is best.

    Raises:
        DataError: a tensor or a length does not fit.
    """

    def __init__(self, formula: Formula, job: ScanJob, training: bool, groups: int | None = None) -> None:
        x, state, self.weights, self.lengths, self.reverse, mask, reset, *_ = job
        check_job(x, state, self.lengths, mask, reset)
        if len(state) != formula.states:
            raise DataError("the state", f"{len(state)} tensors", expected=str(formula.states))
        self.formula, self.x = formula, rows_dense(x)
        self.state = tuple([s.contiguous() for s in state])
        self.around = tuple(None if t is None else t.contiguous() for t in (mask, reset))
        _, self.batch, features = x.shape
        self.hidden = state[0].shape[1]
        self.groups = groups_of(self.batch, self.weights.w_hh) if groups is None else groups
        self.plan, program = _program(formula, training, mask is not None)
        sizes = NUMBERS[x.dtype], features, self.hidden
        self.kind = program, *sizes
        self.layout = (_program(formula, False, False)[1], *sizes)
        self.learnt = self._learnt()

    def rows(self) -> int:
        """How many steps there are, of all sequences together.

        Raises:
            DataError: a length is out of bounds.
        """
        steps = len(self.x)
        if self.lengths is None:
            return steps * self.batch
        lengths = self.lengths.tolist()
        if lengths and not 0 <= min(lengths) <= max(lengths) <= steps:
            raise DataError("lengths", str(lengths), expected=f"each from 0 to T = {steps}")
        return sum(lengths)

    def pack(self, back: bool) -> Pack:
        """The weights as forward and, where it is wanted, backward read them."""
        gates = self.formula.gates, self.formula.recurrent_gates
        return packed(self.layout, dense(self.layout, self.weights, gates), True, back)

    def room(self, rows: int) -> Tensor:
        """For what forward keeps for backward."""
        row = module.list_sizes(*self.kind, self.batch, self.groups)[2]
        planes = self.plan.planes + len(self.state) * (1 if self.around[1] is None else 2)
        return quickly_filled(self.x.new_empty(rows * row * planes))

    def forward(self, pack: Pack, kept: Tensor | None = None) -> tuple[Tensor, ...]:
        """y and the last states; fills what is kept."""
        self.rows()
        y = self.sequence(self.hidden)
        last = tuple([torch.empty_like(s) for s in self.state])
        module.list_forward(*self._arguments(kept), y, pack.ahead, *_four(last))
        return y, *last

    def backward(
        self, pack: Pack, kept: Tensor, wanted: tuple[bool, ...], grads: Grads
    ) -> list[Tensor | None]:
        """The gradients that are wanted, of x, four weights, the states and the cell's own parameters."""
        dy, *dlast = grads
        dy = None if dy is None else rows_dense(dy)
        states = 5 + len(self.state)
        dx = self.sequence(self.x.shape[2], all(s.x < 0 for s in self.plan.slots)) if wanted[0] else None
        found = [
            self._room_of(w) if want and w is not None else None
            for w, want in zip(self.weights[:4], wanted[1:5], strict=True)
        ]
        dstate = [like(s) if want else None for s, want in zip(self.state, wanted[5:states], strict=True)]
        dlearnt = None if self.learnt is None else torch.empty_like(self.learnt)
        module.list_backward(
            *self._arguments(kept),
            pack.back,
            dy,
            *((0, 0) if dy is None else dy.stride()[:2]),
            *_four([None if d is None else d.contiguous() for d in dlast]),
            dx,
            *_four(dstate),
            *found,
            dlearnt,
        )
        own: list[Tensor | None] = []
        for place, parameter in enumerate(self.weights.own):
            grad = None if dlearnt is None else dlearnt[place]
            own.append(grad.sum() if grad is not None and parameter.dim() == 0 else grad)
        return [dx, *found, *dstate, *own]

    def sequence(self, width: int, empty: bool = False) -> Tensor:
        """Room for a number of each step."""
        steps = len(self.x)
        y = quickly_filled(self.x.new_empty((steps, self.batch, width)))
        return y if self.lengths is None and not empty else y.zero_()

    def _room_of(self, weight: Tensor) -> Tensor:
        """For a weight's gradient, which has zeros where no gate is read, or there is no step."""
        formula, slots = self.formula, self.plan.slots
        read = sum(s.x >= 0 for s in slots) == formula.gates
        read = read and sum(s.u >= 0 for s in slots) == formula.recurrent_gates
        steps = len(self.x) and (self.lengths is None or bool(self.lengths.any()))
        return like(weight) if read and steps and self.batch else torch.zeros_like(weight).contiguous()

    def _learnt(self) -> Tensor | None:
        """The cell's own parameters, [P, H]."""
        own = self.weights.own
        if len(own) != self.formula.learnt:
            raise DataError("the cell's own parameters", str(len(own)), expected=str(self.formula.learnt))
        for parameter in own:
            check("a parameter", parameter, self.x.dtype, (self.hidden,) if parameter.dim() else ())
        return torch.stack([w.detach().expand(self.hidden) for w in own]) if own else None

    def _arguments(self, kept: Tensor | None) -> tuple[Any, ...]:
        """What forward and backward both begin with."""
        x, (mask, reset) = self.x, self.around
        sizes = torch.get_num_threads(), len(x), self.batch, self.groups, self.reverse
        around = mask, reset, self.learnt, kept
        return *self.kind, *sizes, self.lengths, x, *x.stride()[:2], *_four(self.state), *around


def run_list(kernel: Kernel, cell: CellProtocol, job: ScanJob) -> Result:
    """Run a job of a cell that is a list.

    Args:
        kernel: the one that second derivatives go through.
        cell: whose list it is.
        job: of plain tensors.
    """
    formula = listed(cell, job.hidden_size).formula
    assert formula is not None
    x, state, weights, lengths, reverse, mask, reset, *_ = job
    tensors = (x, *weights[:4], *state, *weights.own)
    if not torch.is_grad_enabled() or not any(t is not None and t.requires_grad for t in (*tensors, mask)):
        call = ListCall(formula, job, False)
        y, *last = call.forward(call.pack(back=False))
        return (y,), tuple(last)
    if mask is not None and mask.requires_grad:
        return kernel.run(cell, job)
    y, *last = _apply(kernel, cell, formula, lengths, reverse, mask, reset, *tensors)
    return (y,), tuple(last)


class _ListWithGradient(torch.autograd.Function):
    """One layer in one direction, with its gradient."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, cell: CellProtocol, formula: Formula, *arguments: Any) -> Any:
        """Arguments: lengths, reverse, mask, reset, x, four weights, states, own parameters -> y, last."""
        call = ListCall(formula, _job(formula, arguments), True)
        kept, pack = call.room(call.rows()), call.pack(back=True)
        out = call.forward(pack, kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*arguments[4:], kept)
        ctx.kernel, ctx.cell, ctx.formula, ctx.around = kernel, cell, formula, arguments[:4]
        ctx.groups, ctx.pack, ctx.spent = call.groups, pack, False
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of y and of the last states -> of x, the weights, the states and the own parameters."""
        wanted = ctx.needs_input_grad[7:]
        *tensors, kept = ctx.saved_tensors
        job = _job(ctx.formula, (*ctx.around, *tensors))
        if torch.is_grad_enabled() or not is_plain(*tensors, *grads):
            return *(None,) * 7, *differentiated(ctx.kernel, ctx.cell, job, wanted, grads)
        call, pack = ListCall(ctx.formula, job, True, ctx.groups), ctx.pack
        if ctx.spent:  # the first time, the gates gave place to their gradients
            kept = torch.empty_like(kept)
            call.forward(pack, kept)
        ctx.spent = True
        found = call.backward(pack, kept, wanted, grads)
        if not is_free_of_zeros(found, grads):
            found = differentiated(ctx.kernel, ctx.cell, job, wanted, grads)
        return *(None,) * 7, *found


_apply = super(torch.autograd.Function, _ListWithGradient).apply  # pyrefly: ignore


def _job(formula: Formula, arguments: tuple[Any, ...]) -> ScanJob:
    lengths, reverse, mask, reset, x, w_ih, w_hh, b_ih, b_hh, *rest = arguments
    state, own = tuple(rest[: formula.states]), tuple(rest[formula.states :])
    return ScanJob(x, state, Weights(w_ih, w_hh, b_ih, b_hh).beside(own), lengths, reverse, mask, reset)


def _four(states: Any) -> tuple[Any, ...]:
    return (*states, *(None,) * (MOST_STATES - len(states)))


class ListAdvance:
    """One step of any batch, of a cell that is a list, with the weights as they are now."""

    def __init__(self, cell: CellProtocol, weights: Weights) -> None:
        formula = listed(cell, weights.w_hh.shape[1]).formula
        assert formula is not None
        self._formula, self._weights = formula, weights.each(lambda w: w.detach().clone())
        self._pack: Pack | None = None

    @torch.no_grad()
    def __call__(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: x [B, F] and S tensors [B, H] -> S tensors [B, H]."""
        if x.dim() != 2:
            raise DataError("x", f"shape {list(x.shape)}", expected="[B, F]")
        call = ListCall(self._formula, ScanJob(x.unsqueeze(0), state, self._weights), False)
        self._pack = self._pack or call.pack(back=False)
        return call.forward(self._pack)[1:]


class ListStepper(LayerStepper):
    """One layer of a cell that is a list, a step at a call."""

    def __init__(self, cell: CellProtocol, weights: Weights, state: tuple[Tensor, ...]) -> None:
        self._advance, self._features = ListAdvance(cell, weights), weights.w_ih.shape[1]
        self._like = weights.w_ih.dtype, tuple(state[0].shape)
        self.put(state)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """S tensors [B, H]."""
        return tuple([s.clone() for s in self._state])

    def put(self, state: tuple[Tensor, ...]) -> None:
        """S tensors [B, H]; see `LayerStepper`."""
        for s in state:
            check("the state", s, *self._like)
        self._state = tuple([s.detach().clone() for s in state])

    def __call__(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        return self.advance(x).clone()

    def advance(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        dtype, (batch, _) = self._like
        check("x", x, dtype, (batch, self._features))
        self._state = self._advance(x, self._state)
        return self._state[0]
