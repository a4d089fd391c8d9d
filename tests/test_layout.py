"""The house, checked from the source itself: levels, families, sizes, types, and what is not done here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
PACKAGE = SRC / "elman"

# A file or family imports from lower levels only. A new one gets its level here.
LEVELS = {
    "advice": 0,
    "batch": 0,
    "digests": 0,
    "distributed": 0,
    "errors": -1,
    "interrupt": 0,
    "live": 0,
    "schema": 0,
    "spelling": 0,
    "attention": 1,
    "audio": 1,
    "calendar": 1,
    "cells": 1,
    "config": 1,
    "convolution": 1,
    "ctc": 1,
    "devices": 1,
    "distributions": 1,
    "files": 1,
    "forecasting": 1,
    "formats": 1,
    "grams": 1,
    "hopfield": 1,
    "intake": 1,
    "kernels": 1,
    "marks": 1,
    "metrics": 1,
    "mixtures": 1,
    "ngram": 1,
    "pictures": 1,
    "prefix_beam": 1,
    "search": 1,
    "slab": 1,
    "vocab": 1,
    "window": 1,
    "worker": 1,
    "bounds": 2,
    "received": 2,
    "beam": 2,
    "columns": 2,
    "figures": 2,
    "guides": 2,
    "crf": 2,
    "effort": 2,
    "inputs": 2,
    "linear": 2,
    "loader": 2,
    "nearest": 2,
    "optim": 2,
    "progress": 2,
    "recurrent": 2,
    "splits": 2,
    "stepper": 2,
    "tensors": 2,
    "checkpoint": 3,
    "drawings": 3,
    "encoder": 3,
    "futures": 3,
    "translation": 3,
    "nn": 3,
    "pages": 3,
    "probes": 3,
    "report": 3,
    "acceleration": 4,
    "decoder": 4,
    "probing": 4,
    "diagnose": 5,
    "streaming": 5,
    "wording": 5,
    "tasks": 6,
    "bundle": 7,
    "dataset": 7,
    "scoring": 7,
    "settings": 7,
    "stream": 7,
    "model": 8,
    "trainer": 8,
    "inspection": 9,
    "server": 9,
    "export": 9,
    "training": 9,
    "cli": 10,
    "__init__": 11,
    "__main__": 11,
}
FAMILIES = {
    *("cells", "cli", "diagnose", "export", "formats", "inputs", "inspection", "kernels", "nn"),
    *("server", "stream", "tasks"),
}

MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 50

Function = ast.FunctionDef | ast.AsyncFunctionDef
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module(path: Path) -> str:
    """The dotted name of a file's module."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def top(name: str) -> str:
    """The file or family directly below `elman` that a module is or is in."""
    return name.split(".")[1] if "." in name else "__init__"


def is_ours(name: str | None) -> bool:
    return name is not None and (name == "elman" or name.startswith("elman."))


def imported(node: ast.AST) -> Iterator[str]:
    """The modules of Elman that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if is_ours(alias.name))
    elif isinstance(node, ast.ImportFrom) and is_ours(node.module):
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in MODULES else str(node.module)


def imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree(path)):
        yield from ((node, name) for name in imported(node))


def functions(node: ast.AST) -> Iterator[Function]:
    return (inner for inner in ast.walk(node) if isinstance(inner, Function))


def length(function: Function) -> int:
    """The lines of a function without its docstring."""
    first = function.body[0]
    docstring = length_of(first) if ast.get_docstring(function) else 0
    return length_of(function) - docstring


def length_of(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def public(node: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """The functions and methods that others may call, and each class's `__init__`."""
    for inner in node.body:
        if isinstance(inner, ast.ClassDef) and not inner.name.startswith("_"):
            yield from public(inner)
        elif isinstance(inner, Function) and (not inner.name.startswith("_") or inner.name == "__init__"):
            yield inner


def at(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(SRC.parent)}:{getattr(node, 'lineno', 1)}"


def fault(path: Path, importer: str, target: str) -> str:
    """What is wrong with `importer` importing `target`; nothing, if it may."""
    mine, theirs = top(importer), top(target)
    if mine != theirs:
        low = LEVELS[theirs] < LEVELS[mine]
        return "" if low else f"level {LEVELS[mine]} imports {target} of level {LEVELS[theirs]}"
    if mine not in FAMILIES:
        return f"imports itself: {target}"
    if importer == f"elman.{mine}" or target == f"elman.{mine}.base":
        return ""
    if importer.split(".")[2] == target.split(".")[2]:  # files of one member, which is a folder
        return ""
    return f"a member of {mine} imports {target}, which is not the family's base"


def test_table_of_levels_names_what_there_is():
    there = {top(name) for name in MODULES}
    assert there == set(LEVELS), "give each file and family its level in LEVELS, and take out what is gone"
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == FAMILIES


def test_imports_come_from_lower_levels(path):
    faults = [
        f"{at(path, node)}: {reason}"
        for node, target in imports(path)
        if (reason := fault(path, module(path), target))
    ]
    assert not faults


def test_no_relative_import(path):
    assert not [
        at(path, node) for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) and node.level
    ]


def test_no_import_cycle():
    graph = {name: {target for _, target in imports(path)} - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_import_of_elman_inside_a_function(path):
    if top(module(path)) == "cli":  # a command loads what it needs when it is called
        return
    inside = {
        at(path, node)
        for function in functions(tree(path))
        for node in ast.walk(function)
        if any(imported(node))
    }
    assert not inside


def test_file_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE


def test_functions_are_short(path):
    """Their docstrings are not counted: a convention makes these long, and they are easily read."""
    long = [
        f"{at(path, function)}: {function.name} has {lines} lines"
        for function in functions(tree(path))
        if (lines := length(function)) > MOST_LINES_OF_A_FUNCTION
    ]
    assert not long


def test_public_functions_say_their_types(path):
    missing = []
    for function in public(tree(path)):
        given = function.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        bare = [arg.arg for arg in named if arg and not arg.annotation and arg.arg not in ("self", "cls")]
        bare += [] if function.returns else ["return"]
        missing += [f"{at(path, function)}: {function.name}: {', '.join(bare)}"] if bare else []
    assert not missing


def test_public_functions_have_a_docstring(path):
    assert not [
        f"{at(path, function)}: {function.name}"
        for function in public(tree(path))
        if function.name != "__init__" and not ast.get_docstring(function)
    ]


def test_files_open_with_what_they_do(path):
    assert ast.get_docstring(tree(path))


def test_no_pickle(path):
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for node in ast.walk(tree(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not unsafe & {name.split(".")[0] for name in names}, at(path, node)
        if isinstance(node, ast.Attribute):
            assert not re.fullmatch(r"torch\.(load|save)", ast.unparse(node)), at(path, node)


def test_no_eval(path):
    assert not {"eval", "exec"} & set(called(path))


def test_prints_only_where_words_go(path):
    if top(module(path)) not in ("cli", "progress"):
        assert "print" not in set(called(path))


def called(path: Path) -> Iterator[str]:
    """The plain names that a file calls."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
