"""Write native/cells from the formulas in elman/nn/cells, or check that it is what this writes (--check)."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.formula.backward import BackwardPlan
from elman.nn.formula.listing import listed
from elman.nn.formula.operations import Op, reached
from elman.nn.formula.schedule import Place
from elman.nn.formula.slots import Slotted, slotted

CELLS = ("lstm", "gru", "rnn", "rnn_relu")
"""The cells that are compiled, in the order of the kernel's numbers."""
NATIVE = Path(__file__).parent.parent / "native"
FOLDER = NATIVE / "cells"

_WRITTEN = "// Written by scripts/cells.py (make cells) from {}."
_BINARY = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2)}
_COMPARISONS = {"greater": ">", "greater_equal": ">=", "equal": "=="}
_CALLS = {"relu": "relu", "abs": "magnitude"}
_KEPT = ("sigmoid_kept", "tanh_kept")


class UnwritableError(ValueError):
    """What a struct of native/cells cannot say."""


class _Layout:
    """Of a cell with one product of its hidden state: what forward keeps is in its slots."""

    def __init__(self) -> None:
        self.entering = [Place("before", 0)]

    def plane(self) -> Place:
        """Refuse."""
        raise UnwritableError("it keeps more than its slots hold")

    def source(self, op: Op) -> Place | None:
        """Nothing is asked."""
        return None


class _Printer:
    """Statements for the values that some roots are made of.

    Args:
        operations: the list.
        said: how values are called that are there already.
        roots: where values go, in the order of the list.
        names: of sigmoids and tanhs.
        opened: those of them that are there.
    """

    def __init__(
        self,
        operations: Sequence[Op],
        said: Mapping[int, str],
        roots: Iterable[tuple[int, str]],
        names: Mapping[int, str],
        opened: Iterable[int] = (),
    ) -> None:
        self.operations, self.said, self.names = operations, dict(said), names
        self.opened = frozenset(opened)
        self.targets: dict[int, list[str]] = {}
        for value, place in roots:
            self.targets.setdefault(value, []).append(place)
        there = self.opened | self.said.keys()
        cut = [Op("there") if value in there else op for value, op in enumerate(operations)]
        self.wanted = reached(cut, self.targets)
        self.uses = Counter(arg for value in self.wanted for arg in cut[value].args)

    def lines(self) -> list[str]:
        """The statements, in the order of the list."""
        return [line for value in sorted(self.wanted) for line in self._lines(value)]

    def _lines(self, value: int) -> list[str]:
        op, places = self.operations[value], self.targets.get(value, [])
        found = [] if value in self.said or value in self.opened else self._made(value, op)
        if not places or op.name == "constant" or value in self.said:
            return found + [f"{place} = {self._text(value, 0)};" for place in places]
        found.append(f"{places[0]} = {self._text(value, 0)};")
        self.said[value] = places[0]
        return found + [f"{place} = {places[0]};" for place in places[1:]]

    def _made(self, value: int, op: Op) -> list[str]:
        """The statement that a value wants before it is read."""
        if op.name in ("sigmoid", "tanh", *_KEPT):
            made = f"{op.name.removesuffix('_kept')}({self._text(op.args[0], 0)})"
            if op.name == "sigmoid_kept":
                return [f"const Sigmoid<V> {self.names[value]}{{{made}.kept}};"]
            return [f"const auto {self.names[value]} = {made};"]
        plain = not op.args or op.name in _COMPARISONS
        if not plain and self.uses[value] > 1 and value not in self.targets:
            text = self._text(value, 0)
            self.said[value] = f"v{value}"
            return [f"const V v{value} = {text};"]
        return []

    def _text(self, value: int, bound: int) -> str:
        """A value in an expression that binds so tightly."""
        if value in self.said:
            return self.said[value]
        text, own = self._expression(value, self.operations[value])
        return f"({text})" if own < bound else text

    def _expression(self, value: int, op: Op) -> tuple[str, int]:
        if op.name in _BINARY:
            sign, own = _BINARY[op.name]
            return f"{self._text(op.args[0], own)} {sign} {self._text(op.args[1], own + 1)}", own
        if op.name == "constant":
            return ("V{}" if op.number == 0 else f"broadcast(NumberOf<V>({op.number!r}))"), 3
        if op.name == "neg":
            return f"-{self._text(op.args[0], 3)}", 2
        if op.name in _CALLS:
            return f"{_CALLS[op.name]}({self._text(op.args[0], 0)})", 3
        if op.name == "select":
            which, *others = op.args
            a, b = (self._text(other, 1) for other in others)
            return f"{self._truth(which)} ? {a} : {b}", 0
        if op.name in _COMPARISONS:
            return f"{self._truth(value)} ? broadcast(NumberOf<V>(1)) : V{{}}", 0
        if op.name in ("sigmoid", "tanh"):
            return f"{self.names[value]}.value", 3
        return self._of_kept(op), 3

    def _of_kept(self, op: Op) -> str:
        kind, _, part = op.name.partition("_")
        if (kind, part) == ("sigmoid", "rest") and self.operations[op.args[0]].name == "sigmoid":
            return f"Sigmoid<V>{{{self.names[op.args[0]]}.kept}}.rest()"
        if kind not in ("sigmoid", "tanh") or part not in ("value", "rest", "slope"):
            raise UnwritableError(f"there is no {op.name} in native/simd.h")
        if op.args[0] in self.said:  # its slope alone was kept
            return self.said[op.args[0]]
        return f"{self.names[op.args[0]]}.{part}" + ("" if (kind, part) == ("tanh", "value") else "()")

    def _truth(self, value: int) -> str:
        op = self.operations[value]
        if value not in self.said and op.name in _COMPARISONS:
            a, b = (self._text(arg, 1) for arg in op.args)
            return f"({a} {_COMPARISONS[op.name]} {b})"
        return f"({self._text(value, 1)} != V{{}})"


class _Struct:
    """The struct of one cell."""

    def __init__(self, cell: Cell) -> None:
        listing = listed(cell, 64)
        if listing.formula is None:
            raise UnwritableError(f"{cell.name}: {listing.refusal}")
        self.cell, self.formula = cell, listing.formula
        self.own = slotted(self.formula, False)
        self._check(self.own)
        self.back = BackwardPlan(self.own, self.formula, _Layout())
        self.kept = {value: place.index for value, place in self.back.kept.items()}
        self.sloped = {value for value in self.kept if self._reads(value) == {"slope"}}

    def _check(self, own: Slotted) -> None:
        gates = self.formula.gates
        x = [place for place, slot in enumerate(own.slots) if slot.x >= 0]
        u = [place for place, slot in enumerate(own.slots) if slot.u >= 0]
        apart = len(own.slots) - gates
        fits = x == list(range(gates)) and u == list(range(apart, len(own.slots)))
        if len(own.products) != 1 or not fits or self.formula.learnt or self.formula.recurrent_gates != gates:
            raise UnwritableError(f"{self.cell.name}: its products are not those of one U h")

    def _reads(self, value: int) -> set[str]:
        """What backward wants of a sigmoid or tanh."""
        wanted = reached(self.back.operations, [*self.back.slots, *self.back.states])
        readers = [op for v, op in enumerate(self.back.operations) if v in wanted]
        return {op.name.partition("_")[2] for op in readers if self.back.of[value] in op.args}

    def text(self) -> str:
        """The header."""
        states, slots = self.formula.states, self.own.slots
        sizes = {"GATES": self.formula.gates, "STATES": states, "APART": len(slots) - self.formula.gates}
        return "\n".join(
            [
                _WRITTEN.format(f"elman/nn/cells/{type(self.cell).__module__.rpartition('.')[2]}.py"),
                _source(self.cell),
                '#pragma once\n\n#include "../simd.h"\n\nnamespace elman::ELMAN_ISA {\n',
                f"struct {camel(self.cell.name)} {{",
                f"static constexpr int {', '.join(f'{name} = {n}' for name, n in sizes.items())};",
                "// The gate of torch's order that each slot has of W x, and of U h.",
                _table("X_GATE", [slot.x for slot in slots if slot.x >= 0]),
                _table("U_GATE", [slot.u for slot in slots if slot.u >= 0]) + "\n",
                *self._function("forward", self._forward(), ("V (&a)", "const V (&before)", "V (&after)")),
                "",
                *self._function(
                    "backward",
                    self._backward(),
                    ("V (&a)", "const V (&before)", "const V (&after)", "V (&grad)"),
                ),
                "};\n\n} // namespace elman::ELMAN_ISA\n",
            ]
        )

    def _function(self, name: str, body: list[str], parameters: Sequence[str]) -> list[str]:
        text, said = "\n".join(body), []
        for parameter in parameters:
            own = parameter.split("&")[1][:-1]
            size = len(self.own.slots) if own == "a" else self.formula.states
            read = any(f"{own}[" in line for line in body)
            said.append((parameter if read else parameter.replace(own, "")) + f"[{size}]")
        return [f"template <class V> static void {name}({', '.join(said)}) {{", text, "}"]

    def _forward(self) -> list[str]:
        operations = self.own.operations
        names = self._names(operations, {value: value for value in self.kept})
        roots = [(value, f"after[{s}]") for s, value in enumerate(self.own.results)]
        said = _sources(operations, {"slot": "a", "state": "before"})
        lines = _Printer(operations, said, roots, names).lines()
        return lines + [self._stored(value, names[value]) for value in sorted(self.kept)]

    def _stored(self, value: int, name: str) -> str:
        tanh = self.own.operations[value].name == "tanh"
        if value in self.sloped:
            stored = f"{name if tanh else f'Sigmoid<V>{{{name}.kept}}'}.slope()"
        else:
            stored = f"{name}.kept{'()' if tanh else ''}"
        return f"a[{self.kept[value]}] = {stored};"

    def _backward(self) -> list[str]:
        operations, back = self.back.operations, self.back
        kept = {back.of[value]: value for value in self.kept}
        names = self._names(operations, kept)
        said = {value: f"{place.kind}[{place.index}]" for value, place in back.there.items()}
        said |= _sources(operations, {"state": "before"})
        opened = {mine: names[mine] for mine, value in kept.items() if value not in self.sloped}
        sloped = {mine: names[mine] for mine in kept if mine not in opened}
        said |= sloped
        roots = [(value, f"a[{slot}]") for slot, value in enumerate(back.slots)]
        roots += [(value, f"grad[{s}]") for s, value in enumerate(back.states)]
        cut = [Op("there") if v in said or v in opened else op for v, op in enumerate(operations)]
        first = []
        for value, place in _sources(cut, {"slot": "a", "grad": "grad"}).items():
            if value in reached(cut, [root for root, _ in roots]):  # it is written over before the end
                said[value] = place.translate({ord("["): None, ord("]"): None})
                first.append(f"const V {said[value]} = {place};")
        first += [f"const V {name} = a[{self.kept[kept[mine]]}];" for mine, name in sorted(sloped.items())]
        for mine, name in sorted(opened.items()):
            place = f"a[{self.kept[kept[mine]]}]"
            tanh = operations[mine].name == "tanh_kept"
            first.append(
                f"const auto {name} = Tanh<V>::of({place});"
                if tanh
                else f"const Sigmoid<V> {name}{{{place}}};"
            )
        return first + _Printer(operations, said, roots, names, opened).lines()

    def _names(self, operations: Sequence[Op], kept: Mapping[int, int]) -> dict[int, str]:
        """How sigmoids and tanhs are called: after the gate in whose slot they are kept, if they are."""
        names = {value: op.name.removesuffix("_kept") + str(value) for value, op in enumerate(operations)}
        for mine, value in kept.items():
            names[mine] = self.cell.gate_names[self.own.slots[self.kept[value]].x]
        return names


def struct(cell: Cell) -> str:
    """The header of a cell, as clang-format wants it or not.

    Raises:
        UnwritableError: a struct of native/cells cannot say it.
    """
    return _Struct(cell).text()


def _sources(operations: Sequence[Op], arrays: Mapping[str, str]) -> dict[int, str]:
    return {v: f"{arrays[op.name]}[{op.index}]" for v, op in enumerate(operations) if op.name in arrays}


def _table(name: str, gates: Sequence[int]) -> str:
    return f"static constexpr int {name}[{len(gates)}] = {{{', '.join(map(str, gates))}}};"


def camel(name: str) -> str:
    """The name of a cell's struct."""
    return "".join(part.capitalize() for part in name.split("_"))


def _source(cell: Cell) -> str:
    """Where the cell is from, as its docstring says."""
    lines = (inspect.getdoc(type(cell)) or "").splitlines()
    return "\n".join(f"// {line}" for line in lines if line.startswith("Source:"))


def _kinds(cells: Sequence[Cell]) -> str:
    """The one table of the cells: their numbers, names and sizes."""
    rows = ", ".join(f'{{"{cell.name}", {cell.gates}, {cell.states}}}' for cell in cells)
    return "\n".join(
        [
            _WRITTEN.format("its table"),
            "#pragma once\n\nnamespace elman {\n",
            f"enum class CellKind {{ {', '.join(cell.name.upper() for cell in cells)} }};\n",
            "struct BuiltIn {\nconst char* name; // as elman.cells has it\nlong gates, states;\n};\n",
            "// In the order of CellKind.",
            f"constexpr BuiltIn BUILT_IN[] = {{{rows}}};\n",
            f"constexpr int MOST_STATES = {max(cell.states for cell in cells)};\n",
            "} // namespace elman\n",
        ]
    )


def _all(cells: Sequence[Cell]) -> str:
    """What calls with the type of a cell."""
    includes = sorted(f'#include "{cell.name}.h"' for cell in cells)
    cases = (
        f"case CellKind::{cell.name.upper()}: return f(T{{}}, {camel(cell.name)}{{}});" for cell in cells
    )
    return "\n".join(
        [
            _WRITTEN.format("its table"),
            "#pragma once\n\n" + "\n".join([*includes, '#include "kinds.h"']) + "\n",
            "namespace elman::ELMAN_ISA {\n",
            "// Calls f(number, cell) with the type of a cell.",
            "template <class F, class T> auto with_cell(CellKind cell, F f, T) {",
            "switch (cell) {",
            *cases,
            "}\n__builtin_unreachable();\n}\n\n} // namespace elman::ELMAN_ISA\n",
        ]
    )


def headers() -> dict[str, str]:
    """What the files of native/cells should be, by their names."""
    cells = [registry.get(name) for name in CELLS]
    texts = {f"{cell.name}.h": struct(cell) for cell in cells}
    texts |= {"kinds.h": _kinds(cells), "all.h": _all(cells)}
    return {name: _formatted(text) for name, text in texts.items()}


def _formatted(text: str) -> str:
    tool = Path(sys.executable).with_name("clang-format")
    run = [tool, f"--assume-filename={NATIVE / 'cell.h'}"]
    return subprocess.run(run, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Write or check; 1 where a file is not what this writes."""
    if sys.argv[1:] not in ([], ["--check"]):
        print("usage: cells.py [--check]", file=sys.stderr)
        return 2
    wanted = headers()
    there = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*"))}
    differ = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
    if sys.argv[1:]:
        if differ:
            print(
                f"native/cells is not what the formulas say: {', '.join(differ)}: make cells", file=sys.stderr
            )
        return bool(differ)
    for name in differ:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
