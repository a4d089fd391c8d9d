"""The derivative of a list as another one, from the last operation to the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from elman.nn.formula.operations import Op, OperationBuilder, Product


class Derivative(NamedTuple):
    """A list that goes on after the one that it is the derivative of, and what it comes to; None: zero.

    Args:
        operations: first those of the list itself, then those of the derivative. `grad[s]` is the gradient
            of a state after the step, `sent[k]` what a product's gates send back to what entered it.
        slots: the gradient of each slot.
        states: of each state before the step.
        learnt: of each parameter.
    """

    operations: tuple[Op, ...]
    slots: tuple[int | None, ...]
    states: tuple[int | None, ...]
    learnt: tuple[int | None, ...]


def derived(
    operations: Sequence[Op],
    products: Sequence[Product],
    results: Sequence[int],
    counts: tuple[int, int, int],
) -> Derivative:
    """The derivative of a list whose sources are slots, states and what is learnt.

    Args:
        operations: the list.
        products: what enters each product; `first` to before `last` are the slots that hold its gates.
        results: the states after the step.
        counts: how many slots, states and parameters there are.
    """
    reverse = _Reverse(operations)
    for index, value in enumerate(results):
        reverse.add(value, reverse.list.source("grad", index))
    entered = {product.value: [] for product in products}
    for number, product in enumerate(products):
        entered[product.value].append(number)
    for value in range(len(operations) - 1, -1, -1):
        for number in entered.get(value, ()):
            reverse.add(value, reverse.list.source("sent", number))
        reverse.back(value)
    found = reverse.found
    slots, states, learnt = (
        tuple(found.get((name, index)) for index in range(count))
        for name, count in zip(("slot", "state", "learnt"), counts, strict=True)
    )
    return Derivative(tuple(reverse.list.operations), slots, states, learnt)


class _Reverse:
    """The gradients that are known so far."""

    def __init__(self, operations: Sequence[Op]) -> None:
        self.list = OperationBuilder(operations)
        self.grads: dict[int, int] = {}
        self.found: dict[tuple[str, int], int] = {}

    def add(self, value: int, grad: int) -> None:
        """More of a value's gradient."""
        known = self.grads.get(value)
        self.grads[value] = grad if known is None else self.list.apply("add", known, grad)

    def take(self, value: int, grad: int) -> None:
        """Less of it."""
        known, apply = self.grads.get(value), self.list.apply
        self.grads[value] = apply("neg", grad) if known is None else apply("sub", known, grad)

    def back(self, value: int) -> None:
        """From an operation to what it reads."""
        op, grad = self.list.operations[value], self.grads.get(value)
        if grad is None or op.name == "constant":
            return
        if not op.args:
            self.found[op.name, op.index] = grad
        elif op.name in _RULES:
            _RULES[op.name](self, grad, value, *op.args)


def _add(r: _Reverse, grad: int, _: int, a: int, b: int) -> None:
    r.add(a, grad)
    r.add(b, grad)


def _sub(r: _Reverse, grad: int, _: int, a: int, b: int) -> None:
    r.add(a, grad)
    r.take(b, grad)


def _mul(r: _Reverse, grad: int, _: int, a: int, b: int) -> None:
    r.add(a, r.list.apply("mul", grad, b))
    r.add(b, r.list.apply("mul", grad, a))


def _div(r: _Reverse, grad: int, value: int, a: int, b: int) -> None:
    share = r.list.apply("div", grad, b)
    r.add(a, share)
    if r.list.number(b) is None:
        r.take(b, r.list.apply("mul", share, value))


def _extreme(r: _Reverse, grad: int, a: int, b: int, *, least: bool) -> None:
    """Of two that are equal each gets one half, as in torch."""
    apply, zero = r.list.apply, r.list.constant(0)
    half = apply("select", apply("equal", a, b), apply("mul", grad, r.list.constant(0.5)), grad)
    for mine, other in ((a, b), (b, a)):
        loses = apply("greater", mine, other) if least else apply("greater", other, mine)
        r.add(mine, apply("select", loses, zero, half))


def _abs(r: _Reverse, grad: int, _: int, a: int) -> None:
    apply, zero = r.list.apply, r.list.constant(0)
    low = apply("select", apply("greater", zero, a), apply("neg", grad), zero)
    r.add(a, apply("select", apply("greater", a, zero), grad, low))


def _relu(r: _Reverse, grad: int, _: int, a: int) -> None:
    """Zero where it is zero; a not-a-number lets it pass, as in torch."""
    zero = r.list.constant(0)
    r.add(a, r.list.apply("select", r.list.apply("greater_equal", zero, a), zero, grad))


def _clamp(r: _Reverse, grad: int, _: int, a: int, low: int, high: int) -> None:
    apply, zero = r.list.apply, r.list.constant(0)
    inside = apply("select", apply("greater_equal", high, a), grad, zero)
    r.add(a, apply("select", apply("greater_equal", a, low), inside, zero))


def _select(r: _Reverse, grad: int, _: int, which: int, a: int, b: int) -> None:
    zero = r.list.constant(0)
    r.add(a, r.list.apply("select", which, grad, zero))
    r.add(b, r.list.apply("select", which, zero, grad))


def _by(slope: Callable[[OperationBuilder, int, int], int]) -> Callable[..., None]:
    """The rule of a function of one value: its gradient times a slope."""

    def rule(r: _Reverse, grad: int, value: int, a: int) -> None:
        r.add(a, r.list.apply("mul", grad, slope(r.list, value, a)))

    return rule


def _root(r: _Reverse, grad: int, value: int, a: int) -> None:
    r.add(a, r.list.apply("div", grad, r.list.apply("mul", r.list.constant(2), value)))


def _logarithm(r: _Reverse, grad: int, _: int, a: int) -> None:
    r.add(a, r.list.apply("div", grad, a))


def _cosine(r: _Reverse, grad: int, _: int, a: int) -> None:
    r.take(a, r.list.apply("mul", grad, r.list.apply("sin", a)))


def _negative(r: _Reverse, grad: int, _: int, a: int) -> None:
    r.take(a, grad)


def _rest(r: _Reverse, grad: int, _: int, a: int) -> None:
    r.take(a, grad)


def _least(r: _Reverse, grad: int, value: int, a: int, b: int) -> None:
    _extreme(r, grad, a, b, least=True)


def _most(r: _Reverse, grad: int, value: int, a: int, b: int) -> None:
    _extreme(r, grad, a, b, least=False)


_RULES: dict[str, Callable[..., None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _negative,
    "min": _least,
    "max": _most,
    "abs": _abs,
    "relu": _relu,
    "clamp": _clamp,
    "select": _select,
    "sqrt": _root,
    "exp": _by(lambda made, value, a: value),
    "log": _logarithm,
    "softplus": _by(lambda made, value, a: made.apply("sigmoid", a)),
    "sin": _by(lambda made, value, a: made.apply("cos", a)),
    "cos": _cosine,
    "sigmoid": _by(lambda made, value, a: made.apply("sigmoid_slope", value)),
    "tanh": _by(lambda made, value, a: made.apply("tanh_slope", value)),
    "sigmoid_rest": _rest,
}
"""From the gradient of an operation to those of what it reads; a comparison has none."""
