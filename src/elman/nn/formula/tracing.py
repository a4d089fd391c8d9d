"""A cell's step, run once on stand-ins of tensors that write down what is done with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from elman.nn.formula.operations import ARITY, Formula, OperationBuilder, Product

_ROWS = 3
"""The batch that a step is shown; no formula should read it."""


class UnlistedError(Exception):
    """What a list cannot say, in words."""


class StandIn:
    """A tensor of a step: for each gate that stands side by side in it, a value of the list.

    Args:
        trace: what is written down.
        values: of the gates; one of a state.
        shape: as the tensor would have it.
    """

    def __init__(self, trace: StepTrace, values: Sequence[int], shape: tuple[int, ...]) -> None:
        self.trace, self.values, self.shape = trace, tuple(values), torch.Size(shape)

    dtype, device, requires_grad = torch.float64, torch.device("cpu"), False

    @property
    def ndim(self) -> int:
        """Of the shape."""
        return len(self.shape)

    def dim(self) -> int:
        """Of the shape."""
        return len(self.shape)

    def size(self, place: int | None = None) -> Any:
        """The shape, or a place of it."""
        return self.shape if place is None else self.shape[place]

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Write down a function of torch."""
        found = next(arg for arg in _flat(args) if isinstance(arg, StandIn))
        return found.trace.call(function.__name__, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _PLAIN or name in _FUNCTIONS:
            return lambda *args, **named: self.trace.call(name, (self, *args), named)
        raise UnlistedError(f"it has no Tensor.{name}")

    def __getitem__(self, place: Any) -> StandIn:
        return self.trace.part(self, place)

    def __bool__(self) -> bool:
        raise UnlistedError("it decides nothing by numbers: use torch.where")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UnlistedError("it has no NumPy")

    __float__ = __int__ = __index__ = __len__ = __iter__ = __bool__
    __hash__ = object.__hash__


def _operator(name: str) -> Callable[..., Any]:
    def run(self: StandIn, *others: Any) -> Any:
        return self.trace.call(name, (self, *others), {})

    return run


for _name in (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "neg", "abs"),
    *("gt", "ge", "lt", "le", "eq", "and", "or", "invert"),
):
    setattr(StandIn, f"__{_name}__", _operator(_name))


class StepTrace:
    """A list that is being written, for cells of one hidden size."""

    def __init__(self, hidden: int) -> None:
        self.list, self.hidden = OperationBuilder(), hidden
        self.products: list[Product] = []
        self.taken = set[int]()

    def wide(self, source: str, first: int, last: int) -> StandIn:
        """Gates of a product side by side, [B, (last - first) * H]."""
        values = [self.list.source(source, gate) for gate in range(first, last)]
        return StandIn(self, values, (_ROWS, len(values) * self.hidden))

    def recur(self, h: StandIn, first: int, last: int) -> StandIn:
        """A recurrent product."""
        if not isinstance(h, StandIn) or h.shape != (_ROWS, self.hidden):
            raise UnlistedError("it multiplies nothing by recurrent weights but values [B, H] of the step")
        if not first < last or self.taken & set(range(first, last)):
            raise UnlistedError(
                f"it takes the recurrent product of each gate once, not {first} to {last} again"
            )
        self.taken |= set(range(first, last))
        self.products.append(Product(h.values[0], first, last))
        return self.wide("product", first, last)

    def call(self, name: str, args: Sequence[Any], named: dict[str, Any]) -> Any:
        """What a function of torch makes of its arguments."""
        name = name.strip("_")
        if name in _PLAIN and not named and len(args) == ARITY[_PLAIN[name]]:
            return self.each(_PLAIN[name], *args)
        if name not in _FUNCTIONS:
            raise UnlistedError(
                f"it has no torch.{name} of these arguments" if name in _PLAIN else f"it has no torch.{name}"
            )
        try:
            return _FUNCTIONS[name](self, *args, **named)
        except TypeError as error:
            raise UnlistedError(f"it has no torch.{name} with these arguments: {error}") from error

    def each(self, name: str, *operands: Any) -> StandIn:
        """An operation on each number."""
        tensors = [operand for operand in operands if isinstance(operand, StandIn)]
        widest = max(tensors, key=lambda tensor: (tensor.ndim, len(tensor.values)))
        count = len(widest.values)
        columns = [self.values(operand, count, widest.shape) for operand in operands]
        made = [self.list.apply(name, *row) for row in zip(*columns, strict=True)]
        return StandIn(self, made, widest.shape)

    def values(self, operand: Any, count: int, shape: tuple[int, ...]) -> Sequence[int]:
        """The values of an operand among others of a shape."""
        if isinstance(operand, StandIn):
            if operand.shape not in (shape, shape[-1:], ()):
                got = f"{list(operand.shape)} with {list(shape)}"
                raise UnlistedError(f"it joins no tensors of other shapes: {got}")
            return operand.values if len(operand.values) == count else operand.values * count
        if isinstance(operand, Tensor):
            if operand.dim() or operand.requires_grad:
                raise UnlistedError("it has no tensors of the cell's own: declare them in `learnt`")
            operand = operand.item()
        if isinstance(operand, bool | int | float):
            return [self.list.constant(float(operand))] * count
        raise UnlistedError(f"it computes with tensors and numbers, not with {type(operand).__name__}")

    def part(self, tensor: StandIn, place: Any) -> StandIn:
        """Some gates, as a slice along the last dimension takes them."""
        places = place if isinstance(place, tuple) else (place,)
        whole = all(one in (slice(None), Ellipsis) for one in places[:-1])
        if (
            not whole
            or not isinstance(places[-1], slice)
            or (len(places) < tensor.ndim and ... not in places)
        ):
            raise UnlistedError("it takes whole gates along the last dimension, nothing else of a tensor")
        begin, end, step = places[-1].indices(tensor.shape[-1])
        if begin % self.hidden or end % self.hidden or step != 1:
            raise UnlistedError("it takes whole gates, not a part of one")
        values = tensor.values[begin // self.hidden : end // self.hidden]
        return StandIn(self, values, (*tensor.shape[:-1], len(values) * self.hidden))

    def formula(self, results: Any, sizes: tuple[int, int, int, int]) -> Formula:
        """The list of a step that returned these.

        Args:
            results: what it returned.
            sizes: gates, recurrent gates, states, parameters.
        """
        shape = (_ROWS, self.hidden)
        states = results if isinstance(results, tuple | list) else ()
        if len(states) != sizes[2] or any(not isinstance(s, StandIn) or s.shape != shape for s in states):
            raise UnlistedError(f"a step returns a tuple of {sizes[2]} tensors [B, H]")
        values = tuple(state.values[0] for state in states)
        return Formula(tuple(self.list.operations), tuple(self.products), values, *sizes)


def _flat(values: Any) -> Any:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value


# Functions that are not one operation


def _chunk(trace: StepTrace, tensor: StandIn, chunks: int, dim: int = 0) -> tuple[StandIn, ...]:
    _last(tensor, dim)
    if len(tensor.values) % chunks:
        raise UnlistedError(f"it has no {chunks} chunks of {len(tensor.values)} gates")
    each = len(tensor.values) // chunks
    return _split(trace, tensor, each * trace.hidden, dim)


def _split(trace: StepTrace, tensor: StandIn, split_size: Any, dim: int = 0) -> tuple[StandIn, ...]:
    _last(tensor, dim)
    total = tensor.shape[-1]
    sizes = (
        list(split_size) if isinstance(split_size, tuple | list) else [split_size] * -(-total // split_size)
    )
    ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return tuple(trace.part(tensor, (..., slice(a, b))) for a, b in pairwise(ends))


def _cat(trace: StepTrace, tensors: Sequence[StandIn], dim: int = 0) -> StandIn:
    for tensor in tensors:
        if not isinstance(tensor, StandIn):
            raise UnlistedError("it joins values of the step alone")
        _last(tensor, dim)
    values = [value for tensor in tensors for value in tensor.values]
    return StandIn(trace, values, (*tensors[0].shape[:-1], len(values) * trace.hidden))


def _last(tensor: StandIn, dim: int) -> None:
    if dim not in (-1, tensor.ndim - 1):
        raise UnlistedError("it parts and joins gates along the last dimension alone")


def _clamp(trace: StepTrace, x: StandIn, min: Any = None, max: Any = None) -> StandIn:  # noqa: A002
    low, high = (-math.inf if min is None else min), (math.inf if max is None else max)
    return trace.each("clamp", x, low, high)


def _softplus(trace: StepTrace, x: StandIn, beta: float = 1.0, threshold: float = 20.0) -> StandIn:
    scaled = trace.each("mul", x, beta)
    bent = trace.each("div", trace.each("softplus", scaled), beta)
    return trace.each("select", trace.each("greater", scaled, threshold), x, bent)


def _pow(trace: StepTrace, x: StandIn, exponent: Any) -> StandIn:
    if isinstance(exponent, float) and exponent == 0.5:
        return trace.each("sqrt", x)
    if isinstance(exponent, float) and exponent.is_integer():
        exponent = int(exponent)
    if not isinstance(exponent, int) or not 0 < abs(exponent) <= 8:
        raise UnlistedError("it has no powers but 0.5 and whole numbers up to 8")
    result, square = None, x
    for bit in range(abs(exponent).bit_length()):
        square = trace.each("mul", square, square) if bit else x
        if abs(exponent) >> bit & 1:
            result = square if result is None else trace.each("mul", result, square)
    assert result is not None
    return trace.each("div", 1.0, result) if exponent < 0 else result


def _add(trace: StepTrace, x: Any, y: Any, *, alpha: float = 1) -> StandIn:
    return trace.each("add", x, y if alpha == 1 else trace.each("mul", y, alpha))


def _sub(trace: StepTrace, x: Any, y: Any, *, alpha: float = 1) -> StandIn:
    return trace.each("sub", x, y if alpha == 1 else trace.each("mul", y, alpha))


def _lerp(trace: StepTrace, x: StandIn, end: StandIn, weight: Any) -> StandIn:
    return trace.each("add", x, trace.each("mul", weight, trace.each("sub", end, x)))


def _addcmul(trace: StepTrace, x: StandIn, a: StandIn, b: StandIn, *, value: float = 1) -> StandIn:
    return trace.each("add", x, trace.each("mul", trace.each("mul", a, b), value))


def _leaky(trace: StepTrace, x: StandIn, negative_slope: float = 0.01, inplace: bool = False) -> StandIn:
    return trace.each("select", trace.each("greater", x, 0.0), x, trace.each("mul", x, negative_slope))


def _elu(trace: StepTrace, x: StandIn, alpha: float = 1.0, inplace: bool = False) -> StandIn:
    low = trace.each("mul", trace.each("sub", trace.each("exp", trace.each("min", x, 0.0)), 1.0), alpha)
    return trace.each("select", trace.each("greater", x, 0.0), x, low)


def _whole(number: float) -> Callable[..., StandIn]:
    def filled(trace: StepTrace, x: StandIn, **_: Any) -> StandIn:
        return StandIn(trace, [trace.list.constant(number)] * len(x.values), x.shape)

    return filled


def _full(trace: StepTrace, x: StandIn, fill_value: float, **_: Any) -> StandIn:
    return _whole(fill_value)(trace, x)


def _same(trace: StepTrace, x: StandIn, *args: Any, **_: Any) -> StandIn:
    return x


def _dtype(trace: StepTrace, x: StandIn, *args: Any, **_: Any) -> StandIn:
    if any(isinstance(arg, torch.dtype) and arg != torch.float64 for arg in args):
        raise UnlistedError("it computes in the numbers of its state alone")
    return x


def _composed(*steps: tuple[str, float | None]) -> Callable[..., StandIn]:
    """Operations one after another, each with the number beside it where there is one."""

    def run(trace: StepTrace, x: StandIn, **_: Any) -> StandIn:
        for name, number in steps:
            x = trace.each(name, x) if number is None else trace.each(name, number, x)
        return x

    return run


def _squared(trace: StepTrace, x: StandIn) -> StandIn:
    return trace.each("mul", x, x)


def _silu(trace: StepTrace, x: StandIn, inplace: bool = False) -> StandIn:
    return trace.each("mul", x, trace.each("sigmoid", x))


def _relu(trace: StepTrace, x: StandIn, inplace: bool = False) -> StandIn:
    return trace.each("relu", x)


def _relu6(
    trace: StepTrace, x: StandIn, low: float = 0.0, high: float = 6.0, inplace: bool = False
) -> StandIn:
    return trace.each("clamp", x, low, high)


def _hardtanh(
    trace: StepTrace, x: StandIn, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> StandIn:
    return trace.each("clamp", x, min_val, max_val)


def _where(trace: StepTrace, condition: StandIn, x: Any, y: Any) -> StandIn:
    return trace.each("select", condition, x, y)


def _not(trace: StepTrace, x: StandIn) -> StandIn:
    return trace.each("equal", x, 0.0)


_SWAPPED = {"lt": "greater", "le": "greater_equal", "less": "greater", "less_equal": "greater_equal"}
_SWAPPED |= {"rsub": "sub", "rtruediv": "div"}


def _swapped(name: str) -> Callable[..., StandIn]:
    return lambda trace, x, y: trace.each(name, y, x)


_PLAIN = {name: name for name in ("mul", "div", "neg", "abs", "sqrt", "exp", "log", "sin", "cos", "sigmoid")}
_PLAIN |= {"tanh": "tanh", "radd": "add", "rmul": "mul", "truediv": "div", "true_divide": "div"}
_PLAIN |= {"multiply": "mul", "divide": "div", "negative": "neg", "absolute": "abs"}
_PLAIN |= {"maximum": "max", "minimum": "min", "max": "max", "min": "min"}
_PLAIN |= {"gt": "greater", "ge": "greater_equal", "eq": "equal", "greater": "greater"}
_PLAIN |= {"greater_equal": "greater_equal", "and": "mul", "or": "max", "logical_and": "mul"}
_PLAIN |= {"logical_or": "max", "expit": "sigmoid"}
"""Functions of torch that are one operation of ours, or both names of one."""

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": _add,
    "sub": _sub,
    "subtract": _sub,
    **{name: _swapped(own) for name, own in _SWAPPED.items()},
    "chunk": _chunk,
    "split": _split,
    "cat": _cat,
    "concat": _cat,
    "clamp": _clamp,
    "clip": _clamp,
    "hardtanh": _hardtanh,
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky,
    "elu": _elu,
    "silu": _silu,
    "softplus": _softplus,
    "logsigmoid": _composed(("neg", None), ("softplus", None), ("neg", None)),
    "log_sigmoid": _composed(("neg", None), ("softplus", None), ("neg", None)),
    "hardsigmoid": lambda trace, x, inplace=False: trace.each(
        "div", trace.each("clamp", trace.each("add", x, 3.0), 0.0, 6.0), 6.0
    ),
    "square": _squared,
    "pow": _pow,
    "reciprocal": _composed(("div", 1.0)),
    "rsqrt": _composed(("sqrt", None), ("div", 1.0)),
    "expm1": lambda trace, x: trace.each("sub", trace.each("exp", x), 1.0),
    "log1p": lambda trace, x: trace.each("log", trace.each("add", x, 1.0)),
    "where": _where,
    "invert": _not,
    "logical_not": _not,
    "lerp": _lerp,
    "addcmul": _addcmul,
    "zeros_like": _whole(0.0),
    "ones_like": _whole(1.0),
    "full_like": _full,
    "clone": _same,
    "contiguous": _same,
    "to": _dtype,
    "type_as": _same,
}
