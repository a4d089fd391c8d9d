"""A formula as the native kernels run it: forward and backward, in phases, as numbers that C++ reads."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from elman.nn.formula.backward import ENCODED, BackwardPlan, Phase, phased
from elman.nn.formula.operations import ARITY, DERIVED, Formula, Op
from elman.nn.formula.schedule import KINDS, Instruction, Place, Root, Scheduler, fused, levels
from elman.nn.formula.slots import Slot, Slotted, slotted

OPCODES = ("move", "gather", *ARITY, *DERIVED)
"""In the order of the kernel's numbers."""
VERSION = 2


@dataclass(frozen=True)
class Plan:
    """A formula for the native kernels.

    Args:
        formula: the list.
        slots: where its gates are.
        spans: of each product, the first of its slots and the one after its last.
        planes: how many numbers of each unit and row are kept; the slots come first.
        entering: of each product, the place of what enters it.
        constants: numbers that instructions read.
        sizes: temps and scratch.
        masked: whether a mask stands before each product.
        forward: the phases of a step.
        backward: those of its derivative; none in inference.
    """

    formula: Formula
    slots: tuple[Slot, ...]
    spans: tuple[tuple[int, int], ...]
    planes: int
    entering: tuple[Place, ...]
    constants: tuple[float, ...]
    sizes: tuple[int, int]
    masked: bool
    forward: tuple[Phase, ...]
    backward: tuple[Phase, ...]

    def encoded(self) -> tuple[bytes, bytes]:
        """The plan as 64-bit integers, and its constants as numbers of double precision."""
        f = self.formula
        code = [VERSION, f.gates, f.recurrent_gates, f.states, f.learnt, self.masked, f.projected]
        code += [len(f.given), *f.given]
        code += [len(self.slots), self.planes, *self.sizes, len(self.constants), len(self.spans)]
        for slot in self.slots:
            code += [slot.x, slot.u]
        for (first, last), place in zip(self.spans, self.entering, strict=True):
            code += [first, last, _number(place)]
        for phases in (self.forward, self.backward):
            code.append(len(phases))
            for phase in phases:
                code.append(len(phase.products))
                for product, place in phase.products:
                    code += [product, _number(place)]
                code.append(len(phase.code))
                for step in phase.code:
                    code += _instruction(step)
        return array("q", code).tobytes(), array("d", self.constants).tobytes()


def _number(place: Place) -> int:
    return KINDS.index(place.kind) << 16 | place.index


def _instruction(step: Instruction) -> list[int]:
    args = [_number(place) for place in step.args]
    also = -1 if step.also is None else _number(step.also)
    return [OPCODES.index(step.name), _number(step.to), also, *args, *[-1] * (3 - len(args))]


@lru_cache(256)
def planned(formula: Formula, training: bool, masked: bool) -> Plan:
    """Lay a formula out.

    Args:
        formula: the list.
        training: whether there is a derivative, and what it needs is kept.
        masked: whether a mask stands before each product.
    """
    return _Planner(slotted(formula, masked), formula, masked).plan(training)


class _Planner:
    """One plan in the making."""

    def __init__(self, own: Slotted, formula: Formula, masked: bool) -> None:
        self.own, self.formula, self.masked = own, formula, masked
        self.constants = list[float]()
        self.planes = len(own.slots)
        self.entering = self._entering()
        self.level = self._levels()
        self.stages = 1 + max((self.level[p.value] + 1 for p in own.products), default=0)

    def plan(self, training: bool) -> Plan:
        """The whole."""
        backward = BackwardPlan(self.own, self.formula, self) if training else None
        behind, temps, scratch = ((), 0, 0) if backward is None else backward.phases()
        forward, more, registers = self._forward({} if backward is None else backward.kept)
        return Plan(
            self.formula,
            self.own.slots,
            tuple((product.first, product.last) for product in self.own.products),
            self.planes,
            tuple(self.entering),
            tuple(self.constants),
            (max(temps, more), max(scratch, registers)),
            self.masked,
            forward,
            behind,
        )

    def plane(self) -> Place:
        """One more number of each unit and row."""
        self.planes += 1
        return Place("plane", self.planes - 1)

    def source(self, op: Op) -> Place | None:
        """Where what comes from outside is."""
        if op.name == "constant":
            if op.number not in self.constants:
                self.constants.append(op.number)
            return Place("constant", self.constants.index(op.number))
        return Place(_SOURCES[op.name], op.index) if op.name in _SOURCES else None

    def sources(self, operations: Sequence[Op]) -> dict[int, Place]:
        """Where all that is."""
        return {v: place for v, op in enumerate(operations) if (place := self.source(op)) is not None}

    def _entering(self) -> list[Place]:
        """Where what enters each product stands: a state as it is, or a plane of its own."""
        found = dict[int, Place]()
        for value, _, _ in self.own.products:
            op = self.own.operations[value]
            if value not in found:
                found[value] = Place("before", op.index) if op.name == "state" else self.plane()
        return [found[product.value] for product in self.own.products]

    def _levels(self) -> list[int]:
        """The first stage in which each value can be had."""
        slots = {op.index: value for value, op in enumerate(self.own.operations) if op.name == "slot"}
        start = dict[int, int]()
        for product in self.own.products:
            level = levels(self.own.operations, start)[product.value] + 1
            start |= {slots[slot]: level for slot in range(product.first, product.last)}
        return levels(self.own.operations, start)

    def _forward(self, kept: Mapping[int, Place]) -> tuple[tuple[Phase, ...], int, int]:
        own, last = self.own, self.stages - 1
        waits = [self.level[product.value] for product in own.products]
        roots = [Root(value, Place("after", s), last) for s, value in enumerate(own.results)]
        roots += dict.fromkeys(
            Root(product.value, place, wait)
            for product, place, wait in zip(own.products, self.entering, waits, strict=True)
            if place.kind == "plane"
        )
        beside = {value: place for value, place in kept.items() if own.operations[value].name in ENCODED}
        roots += [Root(value, place, last) for value, place in kept.items() if value not in beside]
        made = fused(_with_rests(own.operations), [root.value for root in roots], set())
        run = Scheduler(made, self.sources(made), roots, self.stages, beside)
        products = [(place, wait + 1) for place, wait in zip(self.entering, waits, strict=True)]
        return phased(run.code, products), run.temps, run.scratch


_SOURCES = {"slot": "plane", "state": "before", "learnt": "unit", "mask": "mask"}
_SOURCES |= {"given": "given", "grad": "grad"}


def _with_rests(operations: Sequence[Op]) -> list[Op]:
    """The same, 1 - s in place of a sigmoid's rest: forward has the value alone."""
    one = len(operations)
    made = [Op("sub", (one, *op.args)) if op.name == "sigmoid_rest" else op for op in operations]
    return [*made, Op("constant", number=1.0)]
