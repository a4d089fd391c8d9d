"""A list and what stands around a step: the projection of the hidden state, and zoneout."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from elman.nn.formula.operations import Formula, OperationBuilder, Product


def projects(formula: Formula) -> bool:
    """Whether the hidden state enters products only, and alone: then it may be of another width."""
    hidden = {value for value, op in enumerate(formula.operations) if op.name == "state" and op.index == 0}
    read = {arg for op in formula.operations for arg in op.args} | set(formula.results)
    return not read & hidden and {product.value for product in formula.products} <= hidden


@lru_cache(512)
def surrounded(formula: Formula, projected: bool, zone: tuple[float | None, ...]) -> Formula:
    """The list of a whole step.

    Args:
        formula: the list of a cell.
        projected: whether the hidden state is W_hr times what the cell makes of it.
        zone: of each state, the share of its last value that it keeps; None: a one comes with each step
            where it is kept, and else a zero. Empty: without zoneout.
    """
    made, results = OperationBuilder(formula.operations), list(formula.results)
    products, gates, given = formula.products, formula.recurrent_gates, list[int]()
    if projected:
        products = (*products, Product(results[0], gates, gates + 1))
        results[0] = made.source("product", gates)
    for state, share in enumerate(zone):
        old = made.source("state", state)
        if share is None:
            z = made.source("given", len(given))
            given.append(state)
            results[state] = made.apply("select", z, old, results[state])
        else:
            kept, fresh = made.constant(share), made.constant(1 - share)
            fresh = made.apply("mul", fresh, results[state])
            results[state] = made.apply("add", made.apply("mul", kept, old), fresh)
    return replace(
        formula,
        operations=tuple(made.operations),
        products=products,
        results=tuple(results),
        projected=projected,
        given=tuple(given),
    )
