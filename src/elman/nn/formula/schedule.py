"""From a list to instructions on registers, cut into the stages between its products."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from elman.nn.formula.operations import Op, reached


class Place(NamedTuple):
    """Where a value is: a kind of memory, and which of that kind."""

    kind: str
    index: int = 0


KINDS = ("constant", "unit", "scratch", "plane", "before", "after", "temp", "mask", "grad", "sum", "given")
"""In the order of the kernel's numbers."""


class Instruction(NamedTuple):
    """One operation on a block of registers.

    Args:
        name: of the operation; "move" copies, "gather" adds to a sum over rows.
        to: where its value goes.
        also: where a sigmoid or tanh leaves what its derivative needs; or None.
        args: what it reads.
    """

    name: str
    to: Place
    also: Place | None
    args: tuple[Place, ...]


class Root(NamedTuple):
    """A value that is wanted, where, and by the end of which stage."""

    value: int
    place: Place
    stage: int


def levels(operations: Sequence[Op], start: Mapping[int, int]) -> list[int]:
    """The first stage in which each value can be had.

    Args:
        operations: the list.
        start: of values that come from a product, their stage; the others are there from the first on.
    """
    found = list[int]()
    for value, op in enumerate(operations):
        found.append(start.get(value, max((found[arg] for arg in op.args), default=0)))
    return found


def fused(operations: Sequence[Op], roots: Iterable[int], kept: set[int]) -> list[Op]:
    """The same values, a product and a sum in one operation where the product is read once.

    Args:
        operations: the list.
        roots: the values that are wanted.
        kept: values that are in memory, and not made.
    """
    roots = list(roots)
    cut = [Op("kept", (), value) if value in kept else op for value, op in enumerate(operations)]
    uses = Counter(arg for value in reached(cut, roots) for arg in cut[value].args)
    uses.update(roots)
    made = list(cut)
    for value, op in enumerate(cut):
        if op.name not in ("add", "sub", "mul"):
            continue
        for place in reversed(range(2)):
            inner, other = cut[op.args[place]], op.args[1 - place]
            if uses[op.args[place]] != 1 or made[op.args[place]].name in ("fma", "fnma"):
                continue
            if op.name == "add" and inner.name == "mul":
                made[value] = Op("fma", (*inner.args, other))
            elif op.name == "sub" and inner.name == "mul" and place == 1:
                made[value] = Op("fnma", (*inner.args, other))
            elif op.name == "mul" and inner.name in ("sigmoid_slope", "tanh_slope"):
                made[value] = Op(f"mul_{inner.name}", (other, *inner.args))
            else:
                continue
            break
    return made


class Scheduler:
    """Instructions for the values that some roots are made of.

    Args:
        operations: the list, fused.
        sources: where values are that are not made.
        roots: what is wanted, where and when.
        stages: how many there are.
        beside: of a sigmoid or tanh, where what its derivative needs is kept.
        temps: how many places for values of a stage there are already.
    """

    def __init__(
        self,
        operations: Sequence[Op],
        sources: Mapping[int, Place],
        roots: Sequence[Root],
        stages: int,
        beside: Mapping[int, Place] | None = None,
        temps: int = 0,
    ) -> None:
        self.operations, self.sources, self.roots = operations, sources, roots
        self.beside, self.temps, self.scratch = dict(beside or {}), temps, 0
        self.stage = self._late()
        self.readers: dict[int, list[int]] = defaultdict(list)
        for value in sorted(self.stage):
            for arg in () if value in sources else operations[value].args:
                self.readers[arg].append(value)
        self.homes: dict[int, list[Place]] = defaultdict(list)
        for root in roots:
            self.homes[root.value].append(root.place)
        self.writes = {root.place: root for root in roots}
        self.places: dict[int, Place] = {}
        self.copies: dict[int, tuple[int, Place]] = {}
        self._settle()
        self.code = [self._segment(stage) for stage in range(stages)]

    def _late(self) -> dict[int, int]:
        """The last stage in which each value may be made."""
        stage: dict[int, int] = {}
        for root in self.roots:
            stage[root.value] = min(root.stage, stage.get(root.value, root.stage))
        for value in range(len(self.operations) - 1, -1, -1):
            if value not in stage or value in self.sources:
                continue
            for arg in self.operations[value].args:
                stage[arg] = min(stage[value], stage.get(arg, stage[value]))
        return stage

    def _settle(self) -> None:
        """Copies of what is written over before it is read; places for what several stages read."""
        for value, place in self.sources.items():
            root = self.writes.get(place)
            if value not in self.stage or root is None or root.value == value:
                continue
            written = root.stage if root.value in self.sources else self.stage[root.value]
            reads = [self.stage[reader] > written for reader in self.readers[value]]
            reads += [other.stage >= written for other in self.roots if other.value == value]
            if any(reads):
                self.copies[value] = (written, self._temp())
        for value, stage in self.stage.items():
            later = any(self.stage[reader] > stage for reader in self.readers[value])
            if later and value not in self.sources and not self._readable(value):
                self.places[value] = self._temp()

    def _readable(self, value: int) -> list[Place]:
        """Where a value is written and stays; a product is added to a gradient that is carried on."""
        return [place for place in self._direct(value) if place.kind != "grad"]

    def _direct(self, value: int) -> list[Place]:
        """Where a value is written as soon as it is made."""
        homes = [
            place for place in self.homes[value] if place.kind != "sum" and not self._waits(value, place)
        ]
        return sorted(homes, key=lambda place: place.kind == "grad")

    def _waits(self, value: int, place: Place) -> bool:
        """Whether something else that stands there is still read in this stage after the value is made."""
        stage = self.stage[value]
        return any(
            self.stage[reader] == stage and reader > value
            for source, there in self.sources.items()
            if there == place and source != value and source not in self.copies
            for reader in self.readers[source]
        )

    def _temp(self) -> Place:
        self.temps += 1
        return Place("temp", self.temps - 1)

    def _segment(self, stage: int) -> list[Instruction]:
        code = [
            Instruction("move", place, None, (self.sources[value],))
            for value, (written, place) in self.copies.items()
            if written == stage
        ]
        ends: list[Instruction] = []
        mine = [v for v in sorted(self.stage) if v not in self.sources and self.stage[v] == stage]
        last = {arg: value for value in mine for arg in self.operations[value].args}
        registers = _Registers(last, {value for value in mine if any(self._waiting(value))})
        for value in mine:
            op = self.operations[value]
            args = tuple(self._operand(arg, stage, registers) for arg in op.args)
            registers.release(op.args, value)
            to, stored = self._target(value, registers)
            code.append(Instruction(op.name, to, self.beside.get(value), args))
            code += [_stored(place, to) for place in stored]
            ends += [_stored(place, to) for place in self._waiting(value)]
            registers.release((value,), value)
        for value, place, when in self.roots:
            operand = (
                self._operand(value, stage, registers) if value in self.sources and when == stage else place
            )
            if operand != place:
                ends.append(_stored(place, operand))
        self.scratch = max(self.scratch, registers.count)
        return code + ends

    def _waiting(self, value: int) -> list[Place]:
        return [place for place in self.homes[value] if place.kind != "sum" and self._waits(value, place)]

    def _target(self, value: int, registers: _Registers) -> tuple[Place, list[Place]]:
        """Where a value is made, and where it is put besides."""
        direct = self._direct(value)
        sums = [place for place in self.homes[value] if place.kind == "sum"]
        if value in self.places:
            return self.places[value], direct + sums
        if direct:
            self.places[value] = direct[0]
            return direct[0], direct[1:] + sums
        return registers.take(value), sums

    def _operand(self, value: int, stage: int, registers: _Registers) -> Place:
        if value in self.copies and stage >= self.copies[value][0]:
            return self.copies[value][1]
        if value in self.sources:
            return self.sources[value]
        return registers.holds.get(value) or self.places[value]


class _Registers:
    """Which scratch is free in a stage.

    Args:
        last: of a value, who reads it last.
        kept: values that are wanted to the end of the stage.
    """

    def __init__(self, last: Mapping[int, int], kept: set[int]) -> None:
        self.last, self.kept, self.count = last, kept, 0
        self.holds: dict[int, Place] = {}
        self.free: list[Place] = []

    def take(self, value: int) -> Place:
        """Scratch for a value."""
        if not self.free:
            self.free.append(Place("scratch", self.count))
            self.count += 1
        self.holds[value] = self.free.pop()
        return self.holds[value]

    def release(self, values: Iterable[int], now: int) -> None:
        """Free what nobody reads after that value."""
        for value in set(values):
            if value in self.holds and self.last.get(value, value) <= now and value not in self.kept:
                self.free.append(self.holds.pop(value))


def _stored(place: Place, value: Place) -> Instruction:
    return Instruction("gather" if place.kind == "sum" else "move", place, None, (value,))
