"""Cells that are lists of operations, on the compiled kernels: calls, autograd, and step after step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.nn.formula.listing import MOST_STATES, listed
from elman.nn.formula.operations import Formula
from elman.nn.formula.plan import Plan, planned
from elman.nn.formula.surroundings import surrounded
from elman.nn.kernels.base import CellProtocol, Kernel, LayerStepper, Result, ScanJob, Weights
from elman.nn.kernels.native.custom_op import differentiated, is_free_of_zeros
from elman.nn.kernels.native.extension import NUMBERS, module
from elman.nn.kernels.native.launch import (
    FEW,
    NOT_LAID_OUT,
    Grads,
    check_job,
    groups_of,
    like,
    quickly_filled,
    rows_dense,
)
from elman.nn.kernels.native.packed_weights import Pack, check, dense_of_list, packed
from elman.nn.kernels.native.plain import is_plain


@lru_cache(512)
def _program(formula: Formula, training: bool, masked: bool) -> tuple[Plan, Any]:
    """A list as the compiled module holds it."""
    plan = planned(formula, training, masked)
    return plan, module.program(*plan.encoded())


def is_surrounded(job: ScanJob) -> bool:
    """Whether something stands around a step that the kernels of single cells do not have."""
    weights = job.weights
    if weights.gain_ih is not None or weights.w_hr is not None or job.zone is not None:
        return True
    return job.every and len(job.state) > 1


class ListCall:
    """One layer in one direction, of a cell that is a list.

    Args:
        formula: the list of the cell.
        job: what it runs over.
        training: whether backward follows.
        groups: how many parts of the batch run through time on their own; None: as many as is best.

    Raises:
        DataError: a tensor or a length does not fit.
    """

    def __init__(self, formula: Formula, job: ScanJob, training: bool, groups: int | None = None) -> None:
        x, state, self.weights, self.lengths, self.reverse, mask, reset, zone, every = job
        self.hidden, (self.batch, self.inner) = job.hidden_size, state[0].shape
        check_job(x, state, self.lengths, mask, reset, self.hidden)
        if len(state) != formula.states:
            raise DataError("the state", f"{len(state)} tensors", expected=str(formula.states))
        self.x, self.state = rows_dense(x), tuple([s.contiguous() for s in state])
        self.around = tuple(None if t is None else t.contiguous() for t in (mask, reset))
        self.given = self._given(zone or ())
        self.asked = len(state) if every else 1
        self.groups = groups_of(self.batch, self.weights.w_hh) if groups is None else groups
        projected, normed = self.weights.w_hr is not None, self.weights.gain_ih is not None
        if zone is not None or projected:
            shares = tuple(None if isinstance(z, Tensor) else z for z in zone or ())
            formula = surrounded(formula, projected, shares)
        self.formula = formula
        self.plan, program = _program(formula, training, mask is not None)
        sizes = NUMBERS[x.dtype], x.shape[2], self.hidden, self.inner, normed
        self.kind = program, *sizes
        self.layout = (_program(formula, False, False)[1], *sizes)
        self.learnt = self._learnt()

    def _given(self, zone: tuple[Tensor | float, ...]) -> tuple[Tensor, ...]:
        """What comes with each step."""
        found = []
        for z, s in zip(zone, self.state, strict=False):  # without zoneout there are none
            if isinstance(z, Tensor):
                check("a mask of zoneout", z, self.x.dtype, (len(self.x), *s.shape))
                found.append(z.contiguous())
        return tuple(found)

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
        return NOT_LAID_OUT if len(self.x) * self.batch < FEW else self.laid_out(back)

    def laid_out(self, back: bool) -> Pack:
        """The same, however few rows there are."""
        return packed(self.layout, self._dense(), True, back)

    def room(self, rows: int) -> Tensor:
        """For what forward keeps for backward."""
        kept = module.list_sizes(*self.kind, self.batch, self.groups, self.around[1] is not None)[2]
        return quickly_filled(self.x.new_empty(rows * kept))

    def forward(self, pack: Pack, kept: Tensor | None = None) -> tuple[Tensor, ...]:
        """The states that are asked for at all steps, and the last ones; fills what is kept."""
        self.rows()
        ys = [self.sequence(s.shape[1]) for s in self.state[: self.asked]]
        last = [torch.empty_like(s) for s in self.state]
        matrices = self._as_they_lie(pack)
        module.list_forward(*self._arguments(kept), *_four(ys), *matrices, pack.ahead, *_four(last))
        return *ys, *last

    def steps(self, pack: Pack) -> Callable[[Tensor], None]:
        """What makes one step from the state, in the state's own memory: x [B, F], dense.

        All but x is made ready here, for to ask for it takes longer than a step.
        """
        kind, (_, *sizes, _), around = self.kind, *_parted(self._arguments(None), len(self.kind))
        rest = *around, *_four(()), *self._as_they_lie(pack), pack.ahead, *_four(self.state)

        def step(x: Tensor) -> None:
            module.list_forward(*kind, torch.get_num_threads(), *sizes, x, *rest)

        return step

    def backward(
        self, pack: Pack, kept: Tensor, wanted: tuple[bool, ...], grads: Grads
    ) -> list[Tensor | None]:
        """The gradients that are wanted, of x, seven weights, the states and the cell's own parameters."""
        dys = [None if d is None else rows_dense(d) for d in grads[: self.asked]]
        states = 8 + len(self.state)
        dx = self.sequence(self.x.shape[2], all(s.x < 0 for s in self.plan.slots)) if wanted[0] else None
        found = [
            self._room_of(w) if want and w is not None else None
            for w, want in zip(self.weights[:7], wanted[1:8], strict=True)
        ]
        dstate = [like(s) if want else None for s, want in zip(self.state, wanted[8:states], strict=True)]
        dlearnt = None if self.learnt is None else torch.empty_like(self.learnt)
        strided = [part for d in _four(dys) for part in ((None, 0, 0) if d is None else (d, *d.stride()[:2]))]
        module.list_backward(
            *self._arguments(kept),
            *self._as_they_lie(pack),
            pack.back,
            *strided,
            *_four([None if d is None else d.contiguous() for d in grads[self.asked :]]),
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
        read = read and sum(s.u >= 0 for s in slots) == formula.recurrent_gates + formula.projected
        steps = len(self.x) and (self.lengths is None or bool(self.lengths.any()))
        return like(weight) if read and steps and self.batch else torch.zeros_like(weight).contiguous()

    def _dense(self) -> Weights:
        return dense_of_list(self.layout, self.weights, self.formula.gates, self.formula.recurrent_gates)

    def _as_they_lie(self, pack: Pack) -> tuple[Tensor | None, ...]:
        return (None,) * 7 if pack is not NOT_LAID_OUT else self._dense()[:7]

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
        around = mask, reset, *_four(self.given), self.learnt, kept
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
    x, state, weights, *around = job
    tensors, mask = (x, *weights[:7], *state, *weights.own), job.hidden_mask
    drawn = (mask, *(z for z in job.zone or () if isinstance(z, Tensor)))
    if not torch.is_grad_enabled() or not any(t is not None and t.requires_grad for t in (*tensors, *drawn)):
        call = ListCall(formula, job, False)
        out = call.forward(call.pack(back=False))
    elif any(t is not None and t.requires_grad for t in drawn):
        return kernel.run(cell, job)
    else:
        out = _apply(kernel, cell, formula, tuple(around), *tensors)
    return out[: -len(state)], out[-len(state) :]


class _ListWithGradient(torch.autograd.Function):
    """One layer in one direction, with its gradient."""

    @staticmethod
    def forward(
        ctx: Any, kernel: Kernel, cell: CellProtocol, formula: Formula, around: tuple[Any, ...], *tensors: Any
    ) -> Any:
        """Tensors: x, seven weights, states, own parameters -> states at all steps, last states.

        Around them stand lengths, reverse, mask, reset, zone and every.
        """
        call = ListCall(formula, _job(formula, around, tensors), True)
        kept, pack = call.room(call.rows()), call.pack(back=True)
        out = call.forward(pack, kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, kept)
        ctx.kernel, ctx.cell, ctx.formula, ctx.around = kernel, cell, formula, around
        ctx.groups, ctx.pack, ctx.spent = call.groups, pack, False
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of the states at all steps and of the last ones -> of the tensors."""
        wanted = ctx.needs_input_grad[4:]
        *tensors, kept = ctx.saved_tensors
        job = _job(ctx.formula, ctx.around, tensors)
        if torch.is_grad_enabled() or not is_plain(*tensors, *grads):
            return *(None,) * 4, *differentiated(ctx.kernel, ctx.cell, job, wanted, grads, matrices=7)
        call, pack = ListCall(ctx.formula, job, True, ctx.groups), ctx.pack
        if ctx.spent:  # the first time, the gates gave place to their gradients
            kept = torch.empty_like(kept)
            call.forward(pack, kept)
        ctx.spent = True
        found = call.backward(pack, kept, wanted, grads)
        if not is_free_of_zeros(found, grads[0], grads[-len(job.state)]):
            found = differentiated(ctx.kernel, ctx.cell, job, wanted, grads, matrices=7)
        return *(None,) * 4, *found


_apply = super(torch.autograd.Function, _ListWithGradient).apply  # pyrefly: ignore


def _job(formula: Formula, around: tuple[Any, ...], tensors: Sequence[Any]) -> ScanJob:
    end = 8 + formula.states
    weights = Weights(*tensors[1:8]).beside(tuple(tensors[end:]))
    return ScanJob(tensors[0], tuple(tensors[8:end]), weights, *around)


def _parted(arguments: tuple[Any, ...], kind: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What follows the kind: threads, sizes, lengths and x; and the rest."""
    return arguments[kind : kind + 7], arguments[kind + 7 :]


def _four(states: Any) -> tuple[Any, ...]:
    return (*states, *(None,) * (MOST_STATES - len(states)))


class ListAdvance:
    """One step of any batch, of a cell that is a list, with the weights as they are now."""

    def __init__(self, cell: CellProtocol, weights: Weights) -> None:
        wide = weights.w_hh if weights.w_hr is None else weights.w_hr
        formula = listed(cell, wide.shape[1]).formula
        assert formula is not None
        self._formula, self._weights = formula, weights.each(lambda w: w.detach().clone())
        self._pack: Pack | None = None

    @torch.no_grad()
    def __call__(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: x [B, F] and S tensors [B, H] -> S tensors [B, H]."""
        call, pack = self._call(x, state)
        return call.forward(pack)[1:]

    @torch.no_grad()
    def steps(self, state: tuple[Tensor, ...]) -> Callable[[Tensor], None]:
        """Steps in the memory of a state, S dense tensors [B, H]; see `ListCall.steps`."""
        features = self._weights.w_ih.shape[1]
        call, pack = self._call(state[0].new_zeros(len(state[0]), features), state)
        return call.steps(pack)

    def _call(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[ListCall, Pack]:
        if x.dim() != 2:
            raise DataError("x", f"shape {list(x.shape)}", expected="[B, F]")
        call = ListCall(self._formula, ScanJob(x.unsqueeze(0), state, self._weights), False)
        self._pack = self._pack or call.laid_out(back=False)
        return call, self._pack


class ListStepper(LayerStepper):
    """One layer of a cell that is a list, a step at a call."""

    def __init__(self, cell: CellProtocol, weights: Weights, state: tuple[Tensor, ...]) -> None:
        self._advance, self._dtype = ListAdvance(cell, weights), weights.w_ih.dtype
        self._shape, self._shapes = (len(state[0]), weights.w_ih.shape[1]), [tuple(s.shape) for s in state]
        self.put(state)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """S tensors [B, H]."""
        return tuple([s.clone() for s in self._state])

    def put(self, state: tuple[Tensor, ...]) -> None:
        """S tensors [B, H]; see `LayerStepper`."""
        for s, shape in zip(state, self._shapes, strict=True):
            check("the state", s, self._dtype, shape)
        self._state = tuple([s.detach().clone(memory_format=torch.contiguous_format) for s in state])
        self._step = self._advance.steps(self._state)

    def __call__(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        return self.advance(x).clone()

    def advance(self, x: Tensor) -> Tensor:
        """One step; see `LayerStepper`."""
        if x.shape != self._shape or x.dtype is not self._dtype or not x.is_cpu:
            check("x", x, self._dtype, self._shape)
        self._step(x.contiguous())
        return self._state[0]
