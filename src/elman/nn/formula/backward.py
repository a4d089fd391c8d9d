"""What backward does with a list: which values forward keeps for it, which it makes again, in what order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from elman.nn.formula.derivative import derived
from elman.nn.formula.operations import DEAR, Formula, Op, OperationBuilder, reached
from elman.nn.formula.schedule import Instruction, Place, Root, Scheduler, fused, levels
from elman.nn.formula.slots import Slotted

ENCODED = {"sigmoid": "sigmoid_kept", "tanh": "tanh_kept"}
"""Of these, what is kept is more than the value."""

_OF_KEPT = {"sigmoid_rest", "sigmoid_slope", "tanh_slope"}


class Layout(Protocol):
    """Where things are."""

    entering: list[Place]

    def plane(self) -> Place:
        """One more number of each unit and row."""
        ...

    def source(self, op: Op) -> Place | None:
        """Where what comes from outside is."""
        ...


@dataclass(frozen=True)
class Phase:
    """What is done of a step between its products.

    Args:
        products: which are made before it, each with the place that it reads (forward) or writes (backward).
        code: on registers.
    """

    products: tuple[tuple[int, Place], ...]
    code: tuple[Instruction, ...]


def phased(code: Sequence[Sequence[Instruction]], products: Sequence[tuple[Place, int]]) -> tuple[Phase, ...]:
    """Phases, of each stage's instructions and the products that come before it.

    Args:
        code: of each stage.
        products: of each, its place, and the stage that it is made before.
    """
    phases = []
    for stage, instructions in enumerate(code):
        mine = tuple((n, place) for n, (place, when) in enumerate(products) if when == stage)
        if mine or instructions:
            phases.append(Phase(mine, tuple(instructions)))
    return tuple(phases)


class BackwardPlan:
    """The derivative of a list, laid out.

    Attributes:
        kept: where forward leaves values, of its own list, for this.
    """

    def __init__(self, own: Slotted, formula: Formula, layout: Layout) -> None:
        self.own, self.layout = own, layout
        counts = len(own.slots), formula.states, formula.learnt
        found = derived(own.operations, own.products, own.results, counts)
        self.list, self.of = _decoded(found.operations)
        zero = self.list.constant(0)
        slots, states, learnt = (
            [zero if value is None else self.of[value] for value in values]
            for values in (found.slots, found.states, found.learnt)
        )
        self.slots, self.learnt = slots, learnt
        self.operations = self.list.operations
        self.states, self.added = self._added(states)
        self.there = self._there()
        self.kept: dict[int, Place] = {}
        self._keep()

    def phases(self) -> tuple[tuple[Phase, ...], int, int]:
        """The phases of a step, and how many temps and how much scratch they take."""
        self.places = {self.of[value]: place for value, place in self.kept.items()} | self.there
        stages, before = self._stages()
        temps = dict[int, Place]()
        products = []
        for number, stage in enumerate(before):
            if number in self.added:
                products.append((Place("grad", self.added[number]), stage % stages))
            else:
                temps[number] = Place("temp", len(temps))
                products.append((temps[number], stage % stages))
        roots = self._roots(stages, before)
        made = fused(self.operations, [root.value for root in roots], set(self.places))
        sources = dict(self.places)
        for value, op in enumerate(made):
            place = temps.get(op.index) if op.name == "sent" else self.layout.source(op)
            if place is not None:
                sources.setdefault(value, place)
        run = Scheduler(made, sources, roots, stages, temps=len(temps))
        return phased(run.code, products), run.temps, run.scratch

    def _added(self, states: list[int]) -> tuple[list[int], dict[int, int]]:
        """Products whose outcome is added to a state's gradient where that stands: product -> state."""
        uses = Counter(arg for op in self.operations for arg in op.args)
        uses.update([*self.slots, *states, *self.learnt])
        found, added = list(states), dict[int, int]()
        for state, value in enumerate(states):
            rest, sent = self._peeled(value, uses)
            level, before = self._levels({})
            if all(level[rest] < before[number] for number in sent):
                found[state] = rest
                added |= dict.fromkeys(sent, state)
        return found, added

    def _peeled(self, value: int, uses: Counter[int]) -> tuple[int, list[int]]:
        """A sum without what products send, and those products."""
        op = self.list.operations[value]
        if op.name == "sent" and uses[value] == 1:
            return self.list.constant(0), [op.index]
        if op.name != "add" or uses[value] != 1:
            return value, []
        (a, first), (b, second) = (self._peeled(arg, uses) for arg in op.args)
        return (self.list.apply("add", a, b) if first or second else value), first + second

    def _there(self) -> dict[int, Place]:
        """Values that forward has written down anyway: the states after the step, what entered products."""
        found = dict[int, Place]()
        places = [(value, Place("after", s)) for s, value in enumerate(self.own.results)]
        places += [
            (product.value, p) for product, p in zip(self.own.products, self.layout.entering, strict=True)
        ]
        for value, place in places:
            op, mine = self.own.operations[value], self.of[value]
            if op.name in ENCODED:
                mine = self.list.add(Op(f"{op.name}_value", (mine,)))
            if op.args:
                found.setdefault(mine, place)
        return found

    def _keep(self) -> None:
        """Choose what forward keeps: in slots that are read no more, or in planes."""
        own = self.own.operations
        roots = [*self.slots, *self.states, *self.learnt]
        dear = {self.of[value]: value for value, op in enumerate(own) if op.name in DEAR}
        needed = self._needed(roots, set(dear))
        raw = {op.index for value in needed if (op := self.operations[value]).name == "slot"}
        free = [slot for slot in range(len(self.own.slots)) if slot not in raw]
        wanted = sorted(value for mine, value in dear.items() if mine in needed and mine not in self.there)
        left = []
        for value in wanted:
            slot = self._free_slot(value, free)
            if slot is None:
                left.append(value)
            else:
                free.remove(slot)
                self.kept[value] = Place("plane", slot)
        taken = {place.index for place in self.kept.values()}
        for value in left:
            (arg,) = own[value].args
            again = self.of[arg] in self.there or own[arg].name == "state"
            again = again or (own[arg].name == "slot" and own[arg].index not in taken)
            if not again:
                self.kept[value] = self.layout.plane()

    def _needed(self, roots: Iterable[int], leaves: set[int]) -> set[int]:
        """What is read of a list where some values are there already."""
        found, waiting = set[int](), list(roots)
        while waiting:
            value = waiting.pop()
            if value not in found:
                found.add(value)
                if value not in leaves and value not in self.there:
                    waiting.extend(self.operations[value].args)
        return found

    def _free_slot(self, value: int, free: list[int]) -> int | None:
        """A slot that is read by nothing but what a value is made of."""
        own = self.own.operations
        behind = reached(own, [value])
        readers: dict[int, list[int]] = {slot: [] for slot in free}
        for reader, op in enumerate(own):
            for arg in op.args:
                if own[arg].name == "slot" and own[arg].index in readers:
                    readers[own[arg].index].append(reader)
        results = {own[r].index for r in self.own.results if own[r].name == "slot"}
        results |= {own[p.value].index for p in self.own.products if own[p.value].name == "slot"}
        fit = [
            slot for slot in free if readers[slot] and set(readers[slot]) <= behind and slot not in results
        ]
        return min(fit, key=lambda slot: readers[slot] != [value], default=None)

    def _levels(self, places: Mapping[int, Place]) -> tuple[list[int], list[int]]:
        """The first stage in which each value can be had; the stage that each product is made before."""
        cut = [Op("kept") if v in places else op for v, op in enumerate(self.operations)]
        sent = {op.index: value for value, op in enumerate(cut) if op.name == "sent"}
        start, before = dict[int, int](), [0] * len(self.own.products)
        for number in reversed(range(len(before))):
            product, level = self.own.products[number], levels(cut, start)
            before[number] = 1 + max(level[self.slots[slot]] for slot in range(product.first, product.last))
            if number in sent:
                start[sent[number]] = before[number]
        return levels(cut, start), before

    def _stages(self) -> tuple[int, list[int]]:
        """How many stages there are, and of each product the stage that it is made before."""
        level, before = self._levels(self.places)
        stages = 1 + max(level[value] for value in (*self.slots, *self.states, *self.learnt))
        wanted = [stage if number in self.added else stage + 1 for number, stage in enumerate(before)]
        return max([stages, *wanted]), before

    def _roots(self, stages: int, before: Sequence[int]) -> list[Root]:
        """What is wanted, where and when."""
        when = dict.fromkeys(range(len(self.slots)), stages - 1)
        for product, stage in zip(self.own.products, before, strict=True):
            when |= dict.fromkeys(range(product.first, product.last), stage - 1)
        roots = [Root(value, Place("plane", slot), when[slot]) for slot, value in enumerate(self.slots)]
        for state, value in enumerate(self.states):
            stage = min([before[n] - 1 for n, s in self.added.items() if s == state], default=stages - 1)
            roots.append(Root(value, Place("grad", state), stage))
        return [*roots, *(Root(value, Place("sum", i), stages - 1) for i, value in enumerate(self.learnt))]


def _decoded(operations: Sequence[Op]) -> tuple[OperationBuilder, Mapping[int, int]]:
    """The list where a sigmoid or tanh is what is kept of it, and where each value went."""
    made, of = OperationBuilder(), dict[int, int]()
    for value, op in enumerate(operations):
        args = []
        for arg in op.args:
            name = operations[arg].name
            encoded = name in ENCODED and op.name not in _OF_KEPT
            args.append(made.add(Op(f"{name}_value", (of[arg],))) if encoded else of[arg])
        of[value] = made.add(op._replace(name=ENCODED.get(op.name, op.name), args=tuple(args)))
    return made, of
