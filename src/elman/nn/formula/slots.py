"""A list as a kernel keeps it: gates in slots, and what backward finds there."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from elman.nn.formula.operations import Formula, Op, OperationBuilder, Product, reached


class Slot(NamedTuple):
    """A gate's place: of the input's product (`x`), a recurrent one (`u`), or their sum; -1: of none."""

    x: int
    u: int


class Slotted(NamedTuple):
    """A list whose products are in slots.

    Args:
        operations: the list; `slot[i]` in place of `input` and `product`.
        slots: each recurrent product's stand one after another.
        products: what enters, and from which slot to before which its gates are.
        results: the states after the step.
    """

    operations: tuple[Op, ...]
    slots: tuple[Slot, ...]
    products: tuple[Product, ...]
    results: tuple[int, ...]


def slotted(formula: Formula, masked: bool) -> Slotted:
    """Put a formula's products into slots; those that are only added to each other share one.

    Args:
        formula: the list.
        masked: whether a mask stands before each product.
    """
    alive, sums, there = _sums(formula)
    shared = {u: x for x, u in sums.values()}
    slots = [Slot(x, -1) for x in sorted(there["input"] - set(shared.values()))]
    spans = []
    for _, first, last in formula.products:
        gates = [gate for gate in range(first, last) if gate in there["product"]]
        begin = len(slots)
        slots += [Slot(shared[u], u) for u in gates if u in shared]
        slots += [Slot(-1, u) for u in gates if u not in shared]
        spans.append((begin, len(slots)))
    made = OperationBuilder()
    places = {("input", slot.x): place for place, slot in enumerate(slots)}
    places |= {("product", slot.u): place for place, slot in enumerate(slots)}
    values = dict[int, int]()
    for value in sorted(alive):
        op = formula.operations[value]
        if value in sums:
            values[value] = made.source("slot", places["product", sums[value][1]])
        elif (op.name, op.index) in places:
            values[value] = made.source("slot", places[op.name, op.index])
        elif op.args:
            values[value] = made.apply(op.name, *(values[arg] for arg in op.args))
        else:
            values[value] = made.add(op)
    products = []
    for (value, gate, _), (first, last) in zip(formula.products, spans, strict=True):
        if first < last:
            entering, recurrent = values[value], gate < formula.recurrent_gates
            mask = (made.source("mask"),) if masked and recurrent else ()
            products.append(Product(made.apply("mul", entering, *mask) if mask else entering, first, last))
    results = tuple(values[result] for result in formula.results)
    return Slotted(tuple(made.operations), tuple(slots), tuple(products), results)


def _sums(formula: Formula) -> tuple[set[int], dict[int, tuple[int, int]], dict[str, set[int]]]:
    """What is read; the sums that a slot holds, value -> (x gate, u gate); the gates that are read."""
    roots = [*formula.results, *(product.value for product in formula.products)]
    alive = reached(formula.operations, roots)
    uses = Counter(arg for value in alive for arg in formula.operations[value].args)
    uses.update(roots)
    there: dict[str, set[int]] = {"input": set(), "product": set()}
    sums = {}
    for value in alive:
        op = formula.operations[value]
        if op.name in there:
            there[op.name].add(op.index)
        if op.name == "add" and all(uses[arg] == 1 for arg in op.args):
            both = {formula.operations[arg].name: formula.operations[arg].index for arg in op.args}
            if set(both) == {"input", "product"}:
                sums[value] = (both["input"], both["product"])
    return alive, sums, there
