"""Cells in C: a list of operations as loops over the units, one for each stretch between its products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from elman.exporters.c import templates
from elman.nn.formula.operations import Formula, Op, reached
from elman.nn.formula.schedule import levels

_EXPRESSIONS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "min": "fminf({}, {})",
    "max": "fmaxf({}, {})",
    "abs": "fabsf({})",
    "relu": "fmaxf({}, 0.0f)",
    "clamp": "fminf(fmaxf({}, {}), {})",
    "greater": "{} > {} ? 1.0f : 0.0f",
    "greater_equal": "{} >= {} ? 1.0f : 0.0f",
    "equal": "{} == {} ? 1.0f : 0.0f",
    "select": "{} != 0.0f ? {} : {}",
    "sqrt": "sqrtf({})",
    "exp": "expf({})",
    "log": "logf({})",
    "softplus": "softplus({})",
    "sin": "sinf({})",
    "cos": "cosf({})",
    "sigmoid": "sigmoid({})",
    "tanh": "tanhf({})",
    "sigmoid_rest": "1.0f - {}",
}


class ListInC:
    """The loops of a list.

    Args:
        formula: the list.
        size: H.
        room: reserves that many numbers of the step's memory.
        arrays: where what comes from outside is: (source, index) -> an array of H numbers, or of one.
    """

    def __init__(
        self,
        formula: Formula,
        size: int,
        room: Callable[[int], str],
        arrays: Mapping[tuple[str, int], tuple[str, bool]],
    ) -> None:
        self.formula, self.size, self.room, self.arrays = formula, size, room, dict(arrays)
        operations = formula.operations
        start, by_gate = (
            dict[int, int](),
            {op.index: v for v, op in enumerate(operations) if op.name == "product"},
        )
        for value, first, last in formula.products:
            level = levels(operations, start)[value] + 1
            start |= {by_gate[gate]: level for gate in range(first, last) if gate in by_gate}
        self.level = levels(operations, start)
        roots = [*formula.results, *(product.value for product in formula.products)]
        self.alive = sorted(reached(operations, roots))
        self.stored = set(roots) | {
            arg
            for v in self.alive
            for arg in operations[v].args
            if operations[arg].args and self.level[arg] < self.level[v]
        }
        self.near = {
            arg
            for v in self.alive
            for arg in operations[v].args
            if operations[arg].args and self.level[arg] == self.level[v]
        }
        self.places = dict[int, str]()

    def stages(self) -> int:
        """Return the number of loops."""
        return 1 + max((self.level[value] for value in self.alive), default=0)

    def loop(self, stage: int) -> list[str]:
        """Return the lines of a loop; none where there is nothing to do."""
        lines = []
        for value in self.alive:
            op = self.formula.operations[value]
            if self.level[value] != stage or not (op.args or value in self.stored):
                continue
            text = self._expression(op)
            if value not in self.stored:
                lines.append(f"        const float v{value} = {text};")
                continue
            if op.name in ("state", "input", "product") and not op.args:
                self.places[value] = self.arrays[op.name, op.index][0]
                continue
            self.places[value] = self.room(self.size)
            name = f"const float v{value} = " if value in self.near else ""
            lines.append(f"        {name}({self.places[value]})[i] = {text};")
        head = [f"for (i = 0; i < {self.size}; i++) {{"]
        return ["\n".join([*head, *lines, "    }"])] if lines else []

    def _expression(self, op: Op) -> str:
        if not op.args:
            return self._source(op)
        level = max(self.level[arg] for arg in op.args)
        return _EXPRESSIONS[op.name].format(*(self._operand(arg, level) for arg in op.args))

    def _operand(self, value: int, level: int) -> str:
        op = self.formula.operations[value]
        if not op.args:
            return self._source(op)
        return f"v{value}" if self.level[value] == level else f"({self.places[value]})[i]"

    def _source(self, op: Op) -> str:
        if op.name == "constant":
            return templates.number(op.number)
        array, wide = self.arrays[op.name, op.index]
        return f"({array})[{'i' if wide else '0'}]"


def listed_step(
    formula: Formula,
    size: int,
    room: Callable[[int], str],
    arrays: Mapping[tuple[str, int], tuple[str, bool]],
    product: Callable[[str, int, int], str],
    say: Callable[[Sequence[str]], Any],
) -> list[str]:
    """Write a step; the arrays of the states after it.

    Args:
        formula, size, room, arrays: see `ListInC`.
        product: writes the recurrent product of an array for some gates, and says where it is.
        say: takes lines.
    """
    steps = ListInC(formula, size, room, arrays)
    for stage in range(steps.stages()):
        say(steps.loop(stage))
        for value, first, last in formula.products:
            if steps.level[value] == stage:
                made = product(steps.places[value], first, last)
                for gate in range(first, last):
                    steps.arrays["product", gate] = f"{made} + {(gate - first) * size}", True
    return [steps.places[result] for result in formula.results]
