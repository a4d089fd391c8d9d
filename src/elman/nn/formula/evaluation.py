"""A list in PyTorch: what its values are, for whoever looks inside, and for checking what was traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elman.nn.formula.operations import Formula

_TORCH: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "min": torch.minimum,
    "max": torch.maximum,
    "abs": torch.abs,
    "relu": torch.relu,
    "clamp": torch.clamp,
    "greater": lambda a, b: (a > b).to(a.dtype),
    "greater_equal": lambda a, b: (a >= b).to(a.dtype),
    "equal": lambda a, b: (a == b).to(a.dtype),
    "select": lambda which, a, b: torch.where(which != 0, a, b),
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "softplus": lambda a: torch.logaddexp(a, torch.zeros_like(a)),
    "sin": torch.sin,
    "cos": torch.cos,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sigmoid_rest": lambda a: 1 - a,
}


def evaluated(
    formula: Formula,
    wx: Tensor,
    state: Sequence[Tensor],
    recur: Callable[[Tensor, int, int], Tensor],
    learnt: Sequence[Tensor] = (),
) -> list[Tensor]:
    """All values of a list.

    Args:
        formula: the list.
        wx: [..., G * H].
        state: S tensors [..., H].
        recur: the recurrent product of some gates, as cells have it.
        learnt: the cell's own parameters, [H] or [].

    Returns:
        A tensor [..., H] for each value; of a constant one that broadcasts.
    """
    values: list[Tensor] = []
    sources = {"input": wx.chunk(formula.gates, -1), "state": state, "learnt": learnt}
    products = dict[int, Tensor]()
    for value, op in enumerate(formula.operations):
        if op.name == "constant":
            values.append(wx.new_tensor(op.number))
        elif op.name == "product":
            values.append(products[op.index])
        elif op.name in sources:
            values.append(sources[op.name][op.index])
        else:
            values.append(_TORCH[op.name](*(values[arg] for arg in op.args)))
        for entering, first, last in formula.products:
            if entering == value:
                made = recur(values[value], first, last).chunk(last - first, -1)
                products.update(enumerate(made, first))
    return values
