"""Our own kernels for the CPU, in C++ (`native/`): RNN, LSTM and GRU in float32 and float64.

What stands here is what surrounds a call: which cases they serve, the memory that they write to, the
weights laid out for them, and autograd. A gradient's own gradient goes through another kernel.
"""

from __future__ import annotations

import weakref
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elman.errors import DataError
from elman.kernels.base import Case, Cell, Job, Kernel, Result, Weights

_INTERFACE = 1
"""Of the compiled module's functions, as they are called here."""

try:
    _native = import_module("elman._native")
    if _native.interface != _INTERFACE:
        raise ImportError(f"built with interface {_native.interface}, this is {_INTERFACE}; build it anew")
except ImportError as _error:
    _native: Any = None
    _missing = f"the native kernels are not there ({_error})"

_CELLS = {"lstm": 0, "gru": 1, "rnn": 2, "rnn_relu": 3}
_GATES = (4, 3, 1, 1)
_NUMBERS = {torch.float32: 0, torch.float64: 1}
_DTYPES = tuple(_NUMBERS)
_EXTRAS = (
    ("normed", "layer normalisation inside the cell"),
    ("projected", "projection"),
    ("zoned", "zoneout"),
    ("every", "cell states at every step"),
)
"""What a case may ask for, and these kernels do not have."""
_IN_CACHE = 1 << 20
"""Bytes of recurrent weights, up to which each thread runs its share of the batch with all of them."""
_MANY_USES = 8
"""Rows of a call, from which on it reads the weights so often that a look at all of them costs nothing."""


def available() -> str | None:
    """The instruction set that the kernels are compiled for and run with; None where they were not built."""
    return None if _native is None else _native.instruction_set()


def use(instruction_set: str) -> None:
    """Run with another instruction set that the processor has: "avx512", "avx2" or "base".

    Raises:
        ValueError: the processor does not have it, or the kernels were not built for it.
    """
    _native.use_instruction_set(instruction_set)
    _packs.clear()


class Native(Kernel):
    """The C++ kernels of this package; `differentiable` is the kernel that second derivatives go through."""

    name = "native"

    def __init__(self, differentiable: Kernel) -> None:
        self.differentiable = differentiable

    def refuses(self, case: Case) -> str | None:
        """Other cells, devices and numbers than it is written for, and what it lacks inside the step."""
        if _native is None:
            return _missing
        if case.cell not in _CELLS:
            return f"there is no native kernel for {case.cell!r}"
        if case.device != "cpu":
            return f"it runs on the CPU, not on {case.device!r}"
        if case.dtype not in _NUMBERS:
            return f"it computes in float32 and float64, not in {case.dtype}"
        for asked, what in _EXTRAS:
            if getattr(case, asked):
                return f"it has no {what} yet"
        return None

    def run(self, cell: Cell, job: Job) -> Result:
        """Run one layer in one direction; see `Kernel.run`."""
        x, state, weights, lengths, reverse, mask, reset, *_ = job
        tensors = (x, *weights[:4], *state)
        if torch.compiler.is_compiling() or type(x) is not Tensor:
            return _traced(cell, job)
        if torch._C._functorch.peek_interpreter_stack() is not None:  # its tensors have no memory to point at
            return self.differentiable.run(cell, job)
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
            around = (lengths, reverse, mask, reset)
            y, *last = _WithGradient.apply(self.differentiable, cell, *around, *tensors[:5], *state)
            return (y,), tuple(last)
        call = _Call(cell.name, job)
        return (call.y,), call.forward()


class _WithGradient(torch.autograd.Function):
    """One layer in one direction, with its gradient."""

    @staticmethod
    def forward(ctx: Any, differentiable: Kernel, cell: Cell, *arguments: Any) -> Any:
        """Arguments: lengths, reverse, mask, reset, x, four weights, the states -> y, last states."""
        job = _job(arguments)
        call = _Call(cell.name, job)
        call.keep(call.steps * call.batch if job.lengths is None else int(job.lengths.sum()))
        last = call.forward()
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*arguments[4:], call.y, *call.kept)
        ctx.differentiable, ctx.cell, ctx.around = differentiable, cell, arguments[:4]
        ctx.inputs, ctx.groups, ctx.spent = len(arguments) - 4, call.groups, False
        return call.y, *last

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of y and of the last states -> of x, the weights and the states."""
        wanted = ctx.needs_input_grad[6:]
        tensors, (y, *kept) = ctx.saved_tensors[: ctx.inputs], ctx.saved_tensors[ctx.inputs :]
        job = _job((*ctx.around, *tensors))
        if torch.is_grad_enabled():
            return *(None,) * 6, *_differentiated(ctx.differentiable, ctx.cell, job, wanted, grads)
        call = _Call(ctx.cell.name, job, y=y, kept=tuple(kept), groups=ctx.groups)
        if ctx.spent:  # the first time, the gates gave place to their gradients
            call.forward()
        ctx.spent = True
        return *(None,) * 6, *call.backward(wanted, grads)


def _job(arguments: tuple[Any, ...]) -> Job:
    lengths, reverse, mask, reset, x, w_ih, w_hh, b_ih, b_hh, *state = arguments
    return Job(x, tuple(state), Weights(w_ih, w_hh, b_ih, b_hh), lengths, reverse, mask, reset)


def _differentiated(
    kernel: Kernel, cell: Cell, job: Job, wanted: tuple[bool, ...], grads: tuple[Tensor | None, ...]
) -> list[Tensor | None]:
    """The gradients through a kernel of torch functions, so that they can be differentiated again."""
    (y,), last = kernel.run(cell, job)
    given = [(out, grad) for out, grad in zip((y, *last), grads, strict=True) if grad is not None]
    tensors = (job.x, *job.weights[:4], *job.state)
    inputs = [t for t, want in zip(tensors, wanted, strict=True) if want and t is not None]
    if not given:
        return [None] * len(tensors)
    outs, values = zip(*given, strict=True)
    found = iter(torch.autograd.grad(outs, inputs, values, create_graph=True, allow_unused=True))
    return [next(found) if want and t is not None else None for t, want in zip(tensors, wanted, strict=True)]


_SCHEMA = (
    "str cell, Tensor? lengths, bool reverse, Tensor? mask, Tensor? reset, "
    "Tensor x, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor[] state"
)


def _traced(cell: Cell, job: Job) -> Result:
    """The same as one operation, which torch.compile and torch.export do not look into."""
    x, state, weights, *around = job
    found = torch.ops.elman.scan(cell.name, *around[:4], x, *weights[:4], list(state))
    return (found[0],), tuple(found[1 : 1 + len(state)])


def _traced_job(arguments: Any) -> Job:
    return _job((*arguments[1:10], *arguments[10]))


@torch.library.custom_op("elman::scan", mutates_args=(), schema=f"({_SCHEMA}) -> Tensor[]")
def _scan(*arguments: Any) -> list[Tensor]:
    """y, the last states, and what backward needs."""
    call = _Call(arguments[0], _traced_job(arguments), groups=1)
    call.keep(call.steps * call.batch)  # whatever the lengths: a graph wants to know its sizes
    return [call.y, *call.forward(), *call.kept]


@_scan.register_fake
def _(*arguments: Any) -> list[Tensor]:
    call = _Call(arguments[0], _traced_job(arguments), groups=1)
    call.keep(call.steps * call.batch)
    return [call.y, *map(torch.empty_like, call.state), *call.kept]


@torch.library.custom_op(
    "elman::scan_backward",
    mutates_args=(),
    schema=f"({_SCHEMA}, Tensor y, Tensor[] kept, Tensor dy, Tensor[] dlast) -> Tensor[]",
)
def _scan_backward(*arguments: Any) -> list[Tensor]:
    """The gradients of x, of the weights that there are, and of the states."""
    y, (gates, *others), dy, dlast = arguments[11:]
    kept = (gates.clone(), *others)  # backward writes over it, and a graph's tensors stay what they are
    call = _Call(arguments[0], _traced_job(arguments), y=y, kept=kept, groups=1)
    return [d for d in call.backward((True,) * (5 + len(dlast)), (dy, *dlast)) if d is not None]


@_scan_backward.register_fake
def _(*arguments: Any) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in (*arguments[5:10], *arguments[10]) if t is not None]


def _set_up(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.plain, ctx.states = (inputs[0], inputs[2]), len(inputs[10])
    ctx.save_for_backward(inputs[1], *inputs[3:10], *inputs[10], *output)


def _differentiate(ctx: Any, grads: list[Tensor]) -> Any:
    (cell, reverse), states = ctx.plain, ctx.states
    lengths, *saved = ctx.saved_tensors
    inputs, (y, *others) = saved[: 7 + states], saved[7 + states :]
    found = iter(
        torch.ops.elman.scan_backward(
            cell,
            lengths,
            reverse,
            *inputs[:7],
            inputs[7:],
            y,
            others[states:],
            grads[0],
            grads[1 : 1 + states],
        )
    )
    given = [None if t is None else next(found) for t in inputs[2:]]
    return *(None,) * 5, *given[:5], given[5:]


_scan.register_autograd(_differentiate, setup_context=_set_up)


class _Call:
    """One call of the kernels: its sizes, and the memory that it reads and writes.

    Args:
        name: the cell's.
        job: what it runs over.
        y: what forward gave, where this is backward.
        kept: what forward kept.
        groups: as forward had them.
    """

    def __init__(
        self,
        name: str,
        job: Job,
        y: Tensor | None = None,
        kept: tuple[Tensor, ...] = (),
        groups: int | None = None,
    ) -> None:
        x, state, self.weights, self.lengths, self.reverse, mask, reset, *_ = job
        if y is None:
            _check(job)
        self.x = x = x if x.stride(2) == 1 else x.contiguous()
        self.state = tuple([s.contiguous() for s in state])
        self.mask = None if mask is None else mask.contiguous()
        self.reset = None if reset is None else reset.contiguous()
        self.steps, self.batch, features = x.shape
        self.hidden = state[0].shape[1]
        threads = torch.get_num_threads()
        self.shape = (_CELLS[name], _NUMBERS[x.dtype], features, self.hidden, threads)
        self.groups = _groups(self.batch, self.weights.w_hh, threads) if groups is None else groups
        self.y = self._outputs(self.hidden) if y is None else y
        self.kept = kept

    def _outputs(self, width: int) -> Tensor:
        make = self.x.new_empty if self.lengths is None else self.x.new_zeros
        return make((self.steps, self.batch, width))

    def keep(self, rows: int) -> None:
        """Keep what backward needs: gates, what enters the product if not the state, states not in y."""
        _, _, row, padded = _native.sizes(*self.shape)
        entered = self.mask is not None or self.reset is not None
        apart = self.lengths is not None or padded != self.hidden
        widths = (row, padded if entered else 0, padded if apart else 0, *(padded,) * (len(self.state) - 1))
        self.kept = tuple([self.x.new_empty((rows, width)) for width in widths])

    def _arguments(self) -> tuple[int, ...]:
        x, kept = self.x, self.kept
        return (
            *self.shape,
            self.steps,
            self.batch,
            self.groups,
            self.reverse,
            _address(self.lengths),
            x.data_ptr(),
            x.stride(0),
            x.stride(1),
            *_two(self.state),
            _address(self.mask),
            _address(self.reset),
            self.y.data_ptr(),
            *[t.data_ptr() for t in kept],
            *(0,) * (4 - len(kept)),
        )

    def forward(self) -> tuple[Tensor, ...]:
        """Fill y and what is kept; returns the last states."""
        if self.lengths is not None:
            _check_lengths(self.lengths, self.steps)
        last = tuple([torch.empty_like(s) for s in self.state])
        packed = _packed(self.shape, self.weights, False, self.steps * self.batch >= _MANY_USES)
        _native.forward(*self._arguments(), packed.data_ptr(), *_two(last))
        return last

    def backward(self, wanted: tuple[bool, ...], grads: tuple[Tensor | None, ...]) -> list[Tensor | None]:
        """The gradients that are wanted, of x, the weights and the states."""
        dy, *dlast = grads
        if dy is not None and dy.stride(2) != 1:
            dy = dy.contiguous()
        dlast = [None if d is None else d.contiguous() for d in dlast]
        dx = self._outputs(self.x.shape[2]) if wanted[0] else None
        others = (*self.weights[:4], *self.state)
        found = [
            t.new_empty(t.shape) if want and t is not None else None
            for t, want in zip(others, wanted[1:], strict=True)
        ]
        packed = _packed(self.shape, self.weights, True, False)
        _native.backward(
            *self._arguments(),
            packed.data_ptr(),
            _address(dy),
            *((0, 0) if dy is None else dy.stride()[:2]),
            *_two(dlast),
            _address(dx),
            *_two(found[4:]),
            *[_address(d) for d in found[:4]],
        )
        return [dx, *found]


def _check(job: Job) -> None:
    """Raise where a tensor is not what the kernels may read: they know addresses alone."""
    x, state, _, lengths, _, mask, reset, *_ = job
    if x.dim() != 3:
        raise DataError("x", f"shape {list(x.shape)}", expected="[T, B, F]")
    steps, batch, _ = x.shape
    hidden = state[0].shape[-1]
    for what, s in (("the state", s) for s in (*state, mask) if s is not None):
        _check_one(what, s, x.dtype, (batch, hidden))
    if reset is not None:
        _check_one("reset", reset, torch.bool, (steps, batch))
    if lengths is not None:
        _check_one("lengths", lengths, torch.int64, (batch,))


def _check_lengths(lengths: Tensor, steps: int) -> None:
    if len(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise DataError("lengths", str(lengths.tolist()), expected=f"each from 0 to T = {steps}")


def _check_weights(shape: tuple[int, ...], weights: Weights) -> None:
    cell, number, features, hidden, _ = shape
    wide = _GATES[cell] * hidden
    for name, w, size in zip(
        Weights._fields, weights[:4], ((wide, features), (wide, hidden), (wide,), (wide,)), strict=False
    ):
        if w is not None:
            _check_one(name, w, _DTYPES[number], size)


def _check_one(what: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape or tensor.dtype != dtype or not tensor.is_cpu:
        got = f"{list(tensor.shape)} {tensor.dtype} on {tensor.device}"
        raise DataError(what, got, expected=f"{list(shape)} {dtype} on cpu")


def _groups(batch: int, w_hh: Tensor, threads: int) -> int:
    """How many parts of the batch run through time on their own."""
    few = batch < 4 * threads or w_hh.numel() * w_hh.element_size() > _IN_CACHE
    return 1 if few else threads


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _two(states: Any) -> tuple[int, int]:
    """The addresses of up to two states."""
    return _address(states[0]), _address(states[1]) if len(states) > 1 else 0


class _Pack:
    """The packed weights of one layer in one direction, and what they were made from."""

    __slots__ = ("digests", "layouts", "marks", "owner")

    def __init__(self, weights: Weights, marks: tuple[Any, ...]) -> None:
        key = id(weights.w_hh)
        self.owner = weakref.ref(weights.w_hh, lambda _: _packs.pop(key, None))
        self.marks = marks
        self.digests = _digest(weights, False), _digest(weights, True)
        self.layouts: list[Tensor | None] = [None, None]


_packs: dict[int, _Pack] = {}
"""By the id of w_hh; each goes when its weight goes."""


def _packed(shape: tuple[int, ...], weights: Weights, back: bool, thorough: bool) -> Tensor:
    """The weights laid out for forward or backward, once for each of their versions.

    A change that torch does not count as a version (through `.data` or NumPy) shows in a digest: `thorough`,
    of all numbers; else of some 64 stretches of each matrix.
    """
    w_hh = weights.w_hh
    if not all(w is None or w.is_contiguous() for w in weights[:4]):
        _check_weights(shape, weights)
        return _pack(shape, weights, back)
    marks = (shape[:4], [None if w is None else (w.data_ptr(), _version(w)) for w in weights[:4]])
    known = _packs.get(id(w_hh))
    if (
        known is None
        or known.owner() is not w_hh
        or known.marks != marks
        or known.digests[thorough] != _digest(weights, thorough)
    ):
        _check_weights(shape, weights)
        known = _packs[id(w_hh)] = _Pack(weights, marks)
    layout = known.layouts[back]
    if layout is None:
        layout = known.layouts[back] = _pack(shape, weights, back)
    return layout


def _pack(shape: tuple[int, ...], weights: Weights, back: bool) -> Tensor:
    dense = [None if w is None else w.contiguous() for w in weights[:4]]
    packed = dense[0].new_empty(_native.sizes(*shape)[back])
    _native.pack(*shape, back, *[_address(w) for w in dense], packed.data_ptr())
    return packed


def _version(weight: Tensor) -> int:
    return 0 if weight.is_inference() else weight._version


def _digest(weights: Weights, thorough: bool) -> int:
    parts: list[int] = []
    for w in weights[:4]:
        if w is not None:
            parts += (w.data_ptr(), w.nbytes)
    return _native.digest(thorough, *parts)


def _adopt_openmp() -> None:
    """Run on the threads of torch's own OpenMP runtime: two pools would fight for the cores."""
    for library in sorted(Path(torch.__file__).with_name("lib").glob("lib*omp*")):
        if _native.adopt_openmp(str(library)):
            return
    maps = Path("/proc/self/maps")
    loaded = {line.split()[-1] for line in maps.read_text().splitlines()} if maps.exists() else set()
    for library in sorted(path for path in loaded if "omp" in Path(path).name and ".so" in path):
        if _native.adopt_openmp(library):
            return


if _native is not None:
    _adopt_openmp()
