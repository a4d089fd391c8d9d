"""The list: a cell's step in static single assignment. Its types, its operations, and how it prints.

A value is the number of the operation that makes it; it stands for one number of each unit. An operation
reads earlier values alone. A recurrent product is where the list is cut: what it reads is known before it,
and the values of its gates are read after it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

ARITY = {
    "add": 2,
    "sub": 2,
    "mul": 2,
    "div": 2,
    "neg": 1,
    "min": 2,
    "max": 2,
    "abs": 1,
    "relu": 1,
    "clamp": 3,  # of a value, between two others
    "greater": 2,  # 1 where the first is, else 0
    "greater_equal": 2,
    "equal": 2,
    "select": 3,  # the second where the first is not 0, else the third
    "sqrt": 1,
    "exp": 1,
    "log": 1,
    "softplus": 1,
    "sin": 1,
    "cos": 1,
    "sigmoid": 1,
    "tanh": 1,
    "sigmoid_rest": 1,  # 1 - s of a sigmoid s, with digits of its own
}
"""How many values each operation of a formula reads."""

DERIVED = {
    "sigmoid_kept": 1,  # as a kernel keeps them: without a loss of the digits of s, 1 - s and 1 - |t|
    "tanh_kept": 1,
    "sigmoid_value": 1,
    "tanh_value": 1,
    "sigmoid_slope": 1,
    "tanh_slope": 1,
    "mul_sigmoid_slope": 2,
    "mul_tanh_slope": 2,
    "fma": 3,  # a b + c
    "fnma": 3,  # c - a b
}
"""Those that derivatives and kernels have beside them."""

SOURCES = ("constant", "input", "product", "slot", "state", "learnt", "mask", "given", "grad", "sent")
"""What reads no value; of a formula a constant, a gate's W x + b or U h + b', a state, what is learnt."""

DEAR = frozenset({"sqrt", "exp", "log", "softplus", "sin", "cos", "sigmoid", "tanh"})
"""What takes longer to compute again than to keep."""


class Op(NamedTuple):
    """One operation of a list.

    Args:
        name: what is done, a key of `ARITY` or one of `SOURCES`.
        args: the values that it reads.
        index: of a source, which gate, state or parameter.
        number: of a constant.
    """

    name: str
    args: tuple[int, ...] = ()
    index: int = 0
    number: float = 0.0

    def __str__(self) -> str:
        if self.name == "constant":
            return f"{self.number:.9g}"
        if not self.args:
            return f"{self.name}[{self.index}]"
        return f"{self.name}({', '.join(f'%{arg}' for arg in self.args)})"


class Product(NamedTuple):
    """A recurrent product: of `value` with the recurrent weights of gates `first` to before `last`."""

    value: int
    first: int
    last: int


@dataclass(frozen=True)
class Formula:
    """A step of a cell.

    Args:
        operations: in order.
        products: in the order in which they are wanted.
        results: the states after the step.
        gates: G, of the input's product.
        recurrent_gates: of the recurrent products, all together.
        states: S.
        learnt: how many parameters of its own it reads.
        projected: whether the last product is that of a projection; its one gate stands after those of U.
        given: for each number that comes with a step, the state whose width it has.
    """

    operations: tuple[Op, ...]
    products: tuple[Product, ...]
    results: tuple[int, ...]
    gates: int
    recurrent_gates: int
    states: int
    learnt: int
    projected: bool = False
    given: tuple[int, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def opened(self, gates: int) -> list[tuple[int, int]]:
        """The sigmoids that are gates: (gate, value), for those of the first gates that one is made of.

        A gate's sigmoid is that of a sum of which the gate's W x + b is a part, and no other gate's.
        """
        found = dict[int, int]()
        for value, op in enumerate(self.operations):
            if op.name == "sigmoid":
                parts = self._parts(op.args[0])
                if len(parts) == 1 and (gate := parts.pop()) < gates:
                    found.setdefault(gate, value)
        return sorted(found.items())

    def _parts(self, value: int) -> set[int]:
        """The gates of W x that a sum has."""
        op = self.operations[value]
        if op.name == "input":
            return {op.index}
        return set().union(*map(self._parts, op.args)) if op.name in ("add", "sub") else set()

    def lines(self) -> list[str]:
        """The list, an operation a line; a product where it is known what it reads."""
        lines = [f"%{value} = {op}" for value, op in enumerate(self.operations)]
        for value, first, last in self.products:
            lines[value] += f"    -> product[{first}:{last}]"
        return [*lines, "return " + ", ".join(f"%{result}" for result in self.results)]


class OperationBuilder:
    """A list that grows: a value that is there already is not made again, and what is plain is left out."""

    def __init__(self, operations: Iterable[Op] = ()) -> None:
        self.operations = list(operations)
        self._known = {op: value for value, op in reversed(list(enumerate(self.operations)))}

    def source(self, name: str, index: int = 0) -> int:
        """What comes from outside."""
        return self.add(Op(name, (), index))

    def constant(self, number: float) -> int:
        """A number."""
        return self.add(Op("constant", (), 0, float(number)))

    def number(self, value: int) -> float | None:
        """The number that a value always is; None where it is none."""
        op = self.operations[value]
        return op.number if op.name == "constant" else None

    def apply(self, name: str, *args: int) -> int:
        """What an operation makes of values."""
        known = [self.number(arg) for arg in args]
        plain = self._plain(name, args, known)
        return self.add(Op(name, args)) if plain is None else plain

    def add(self, op: Op) -> int:
        """An operation as it is; the same one there was, if it was."""
        if op.name == "constant" and op.number == 0:  # 0.0 and -0.0 are one key
            op = op._replace(number=abs(op.number))
        if op not in self._known:
            self._known[op] = len(self.operations)
            self.operations.append(op)
        return self._known[op]

    def _plain(self, name: str, args: tuple[int, ...], known: list[float | None]) -> int | None:
        """The value that an operation comes to without being done; None where it must be."""
        if None not in known and name in _FOLDED:
            numbers = [number for number in known if number is not None]
            if name != "div" or numbers[1] != 0:
                return self.constant(_FOLDED[name](*numbers))
        if name in _UNITS and known[1] == _UNITS[name]:
            return args[0]
        if name in ("add", "mul") and known[0] == _UNITS[name]:
            return args[1]
        if name in ("add", "mul") and args[0] > args[1]:
            return self.apply(name, args[1], args[0])
        first = self.operations[args[0]]
        if name == "neg" and first.name == "neg":
            return first.args[0]
        return self._difference(name, args, known) if name in ("sub", "add") else None

    def _difference(self, name: str, args: tuple[int, ...], known: list[float | None]) -> int | None:
        """Of a sigmoid s, 1 - s and x - x s keep their digits; x + (-y) is x - y."""
        x, y = args
        other = self.operations[y]
        if name == "add":
            return self.apply("sub", x, other.args[0]) if other.name == "neg" else None
        if known[0] == 1 and other.name == "sigmoid":
            return self.apply("sigmoid_rest", y)
        if other.name == "mul" and x in other.args:
            factor = other.args[1] if other.args[0] == x else other.args[0]
            if self.operations[factor].name == "sigmoid":
                return self.apply("mul", x, self.apply("sigmoid_rest", factor))
        return None


_UNITS = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}
"""The second number that changes nothing."""

_FOLDED: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
}


def reached(operations: Sequence[Op], roots: Iterable[int]) -> set[int]:
    """The values that some roots are made of, themselves among them."""
    found, waiting = set[int](), list(roots)
    while waiting:
        value = waiting.pop()
        if value not in found:
            found.add(value)
            waiting.extend(operations[value].args)
    return found
