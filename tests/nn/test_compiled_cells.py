"""The built-in kernels are written from the formulas, and Python knows its cells from the extension."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from elman.nn.cells import registry
from elman.nn.cells.base import Cell
from elman.nn.formula.listing import listed
from elman.nn.formula.slots import slotted
from elman.nn.kernels.native import extension

SCRIPTS = Path(__file__).parents[2] / "scripts"
needs_clang_format = pytest.mark.skipif(
    not Path(sys.executable).with_name("clang-format").exists(), reason="clang-format is not installed"
)


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPTS))
    import cells

    yield cells
    sys.path.remove(str(SCRIPTS))


@needs_clang_format
def test_headers_are_what_the_formulas_say(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cells.py", "--check"])
    assert script.main() == 0, capsys.readouterr().err


@needs_clang_format
def test_a_header_that_is_not_is_named_and_written_again(script, monkeypatch, tmp_path, capsys):
    folder = shutil.copytree(script.FOLDER, tmp_path / "cells")
    monkeypatch.setattr(script, "FOLDER", folder)
    right = (folder / "gru.h").read_text(encoding="utf-8")
    (folder / "gru.h").write_text(right.replace("update.rest()", "update.value()"), encoding="utf-8")
    (folder / "mine.h").write_text("// by hand\n", encoding="utf-8")
    (folder / "kinds.h").unlink()
    monkeypatch.setattr(sys, "argv", ["cells.py", "--check"])
    assert script.main() == 1
    assert capsys.readouterr().err == (
        "native/cells is not what the formulas say: gru.h, kinds.h, mine.h: make cells\n"
    )
    monkeypatch.setattr(sys, "argv", ["cells.py"])
    assert script.main() == 0
    assert (folder / "gru.h").read_text(encoding="utf-8") == right
    assert {path.name for path in folder.iterdir()} == script.headers().keys()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gru_reset_before", "gru_reset_before: its products are not those of one U h"),
        ("peephole_lstm", "peephole_lstm: its products are not those of one U h"),
        ("fastgrnn", "fastgrnn: its products are not those of one U h"),
        ("slstm", "it keeps more than its slots hold"),
    ],
)
def test_what_a_struct_cannot_say_is_refused(script, name, reason):
    with pytest.raises(script.UnwritableError) as refused:
        script.struct(registry.get(name))
    assert str(refused.value) == reason


@dataclass(frozen=True)
class Bracketed(Cell):
    """Sums and products in each order, and a value that is read twice."""

    gates: ClassVar[int] = 2
    states: ClassVar[int] = 1
    gate_names: ClassVar[tuple[str, ...]] = ("gate", "other")

    @property
    def name(self) -> str:
        return "bracketed"

    def pointwise(self, wx, uh, state):
        a, b = (wx + uh).chunk(2, -1)
        s = torch.sigmoid(a)
        twice = state[0] - (b - s)
        return (twice / (twice * (state[0] + 2) - s) - torch.where(b > 1, -s, torch.relu(b)),)


PROGRAM = """
#include <cstdio>
using namespace elman::ELMAN_ISA;

template <class Cell> void run() {
    constexpr int SLOTS = Cell::GATES + Cell::APART;
    using V = Vec<double>;
    V a[SLOTS], before[Cell::STATES], after[Cell::STATES], grad[Cell::STATES];
    auto read = [](V& to) { double x; if (std::scanf("%lf", &x) == 1) to = broadcast(x); };
    for (auto& v : a) read(v);
    for (auto& v : before) read(v);
    for (auto& v : grad) read(v);
    Cell::forward(a, before, after);
    for (const auto& v : after) std::printf("%.17g ", v[1]);
    Cell::backward(a, before, after, grad);
    for (const auto& v : a) std::printf("%.17g ", v[1]);
    for (const auto& v : grad) std::printf("%.17g ", v[1]);
    std::printf("\\n");
}
"""
COMPILED = (*extension.CELLS, "cifg", "ugrnn", "ligru")
DRAWS = 8


def expected(cell, slots, numbers):
    """The states, and the gradients of slots and states, by autograd."""
    wx, uh = (torch.zeros(1, cell.gates, dtype=torch.float64) for _ in range(2))
    count = len(slots)
    for (x, u), number in zip(slots, numbers[:count], strict=True):
        (wx if x >= 0 else uh)[0, x if x >= 0 else u] = number
    before = numbers[count : count + cell.states].clone().reshape(-1, 1, 1).unbind()
    for tensor in (wx, uh, *before):
        tensor.requires_grad_()
    after = cell.pointwise(wx, uh, before)
    sum(h.sum() * g for h, g in zip(after, numbers[count + cell.states :], strict=True)).backward()
    gates = [wx.grad[0, x] if x >= 0 else uh.grad[0, u] for x, u in slots]
    states = [torch.zeros(()) if h.grad is None else h.grad.sum() for h in before]
    return torch.tensor([*(h.item() for h in after), *gates, *states], dtype=torch.float64)


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_what_is_written_computes_the_step_and_its_derivative(script, tmp_path):
    cells = [*map(registry.get, COMPILED), Bracketed()]
    headers = [script.struct(cell).replace("../simd.h", str(script.NATIVE / "simd.h")) for cell in cells]
    runs = (f"for (int i = 0; i < {DRAWS}; i++) run<{script.camel(cell.name)}>();" for cell in cells)
    main = f"int main() {{ {' '.join(runs)} }}"
    (tmp_path / "main.cpp").write_text("\n".join([*headers, PROGRAM, main]), encoding="utf-8")
    build = ["c++", "-std=c++17", "-Wno-psabi", "-Wno-pragma-once-outside-header", "-DELMAN_ISA=base"]
    subprocess.run([*build, "main.cpp", "-o", "main"], cwd=tmp_path, check=True, capture_output=True)
    torch.manual_seed(0)
    asked, wanted = [], []
    for cell in cells:
        slots = slotted(listed(cell, 64).formula, False).slots
        for _ in range(DRAWS):
            numbers = torch.randn(len(slots) + 2 * cell.states, dtype=torch.float64)
            asked.append(" ".join(f"{number:.17g}" for number in numbers.tolist()))
            wanted.append(expected(cell, slots, numbers))
    done = subprocess.run(
        [tmp_path / "main"], input="\n".join(asked), capture_output=True, text=True, check=True
    )
    found = [
        torch.tensor([*map(float, line.split())], dtype=torch.float64) for line in done.stdout.splitlines()
    ]
    assert len(found) == len(wanted) == DRAWS * len(cells)
    for mine, right in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-12, atol=1e-13)


@pytest.mark.skipif(extension.module is None, reason="the native kernels are not built")
def test_the_extension_names_its_cells():
    assert extension.module.cells == tuple(
        (name, registry.get(name).gates, registry.get(name).states) for name in extension.CELLS
    )
    assert list(extension.CELLS.values()) == list(range(len(extension.module.cells)))


@pytest.mark.skipif(extension.module is None, reason="the native kernels are not built")
@pytest.mark.parametrize("number", [-1, 4, 99])
def test_the_extension_has_no_other_cells(number):
    with pytest.raises(ValueError, match=f"^expected a number below 4, got {number}$"):
        extension.module.sizes(number, 0, 3, 5)
