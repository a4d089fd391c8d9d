"""The house, checked from the source itself: rooms, sizes, types, and what is not done here."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"
PACKAGE = SRC / "elman"
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
PUBLIC = {"cells", "errors", "export", "nn", "__version__"}
PUBLIC |= {
    "Callback",
    "explain",
    "kernels",
    "probe",
    "samples",
    "train",
    "load",
    "inspect",
    "accelerate",
    "Recurrent",
    "Seq",
    "Model",
    "Acceleration",
}

# The rooms of the package. A room imports rooms of lower levels only; a new one gets its level here.
ROOMS = {
    "core": 0,
    "nn": 1,
    "data": 1,
    "metrics": 1,
    "decoding": 1,
    "plots": 1,
    "inputs": 2,
    "exporters": 3,
    "streaming": 3,
    "tasks": 4,
    "runs": 5,
    "diagnostics": 6,
    "server": 6,
    "training": 7,
    "cli": 8,
}
MOST_ENTRIES = 16

# What these hold is about their subject, whoever uses it. Elsewhere a module has users in two rooms, or lives
# with its one.
LIBRARIES = {"nn", "data", "metrics", "decoding", "plots", "inputs", "exporters", "streaming", "diagnostics"}
# What rooms are entered by, and the table of what tasks export.
ENTRIES = {"elman.runs.export", "elman.runs.load", "elman.server.app", "elman.server.limits"}
ENTRIES |= {"elman.tasks.graphs", "elman.training.train"}

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


def fault(importer: str, target: str) -> str:
    """What is wrong with `importer` importing `target`; nothing, if it may."""
    mine, theirs = top(importer), top(target)
    if mine == theirs or mine in ("__init__", "__main__"):
        return ""
    if theirs not in ROOMS:
        return f"imports {target}, which is above all rooms"
    low = ROOMS[theirs] < ROOMS[mine]
    return "" if low else f"room {mine} of level {ROOMS[mine]} imports {target} of level {ROOMS[theirs]}"


def users() -> dict[str, set[str]]:
    """Each module, and the modules that import it; a package that only passes its name on does not count."""
    found: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            continue
        for _, target in imports(path):
            found[target].add(name)
    return found


def test_rooms_are_what_there_is():
    there = {top(name) for name in MODULES} - {"__init__", "__main__"}
    assert there == set(ROOMS), "give each room its level in ROOMS, and take out what is gone"
    entries = [path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or path.name in ROOMS]
    assert len(set(entries) - {"__init__.py", "__main__.py"}) <= MOST_ENTRIES


def test_imports_come_from_lower_rooms(path):
    faults = [
        f"{at(path, node)}: {reason}"
        for node, target in imports(path)
        if (reason := fault(module(path), target))
    ]
    assert not faults


def test_a_task_imports_no_other_task():
    tasks = {path.parent.name for path in PACKAGE.glob("tasks/*/task.py")}
    assert tasks
    faults = [
        f"{name} imports {target}"
        for name, path in MODULES.items()
        for _, target in imports(path)
        if name.startswith("elman.tasks.") and target.startswith("elman.tasks.")
        if (mine := name.split(".")[2]) in tasks and (theirs := target.split(".")[2]) in tasks
        if mine != theirs
    ]
    assert not faults


def rooms_of_tasks() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("tasks/*/task.py"))


def outside(task: str) -> Iterator[Path]:
    """The files that are not of a task's room, but for the table of tasks."""
    room, table = PACKAGE / "tasks" / task, PACKAGE / "tasks" / "registry.py"
    return (path for path in FILES if room not in path.parents and path != table)


@pytest.mark.parametrize("task", rooms_of_tasks())
def test_of_a_task_commands_import_its_result_and_others_nothing(task):
    faults = [
        f"{at(path, node)} imports {target}"
        for path in outside(task)
        for node, target in imports(path)
        if target.startswith(f"elman.tasks.{task}")
        if target != f"elman.tasks.{task}.result" or top(module(path)) != "cli"
    ]
    assert not faults


# Names that mean the task wherever they stand. The others are plain English, commands or field terms too
# (the recall of a class, the caption of a figure): of these, code that turns on them is found.
TELLING = {"recognize": r"\brecogni[sz]\w*", "classify": r"\bclassify\b"}


@pytest.mark.parametrize("task", rooms_of_tasks())
def test_a_task_is_named_in_its_room_alone(task):
    """Neither a comparison with its name nor one of its settings stands elsewhere."""
    words = rf"""[!=]=\s*["']{task}["']|["']{task}["']\s*[!=]=|\b{task}\.\w+\s?=\s?\w"""
    pattern = re.compile("|".join([words, *([TELLING[task]] if task in TELLING else [])]), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in outside(task)
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_a_module_with_one_importing_room_lives_there():
    lonely = [
        f"{name}: only {', '.join(sorted(rooms))} uses it"
        for name, others in users().items()
        if (rooms := {top(other) for other in others})
        if len(rooms) == 1 and top(name) not in rooms | LIBRARIES | {"__init__", "__main__"}
        if name not in ENTRIES and not rooms & {"__init__", "__main__"}
    ]
    assert not lonely


def test_packages_hold_no_logic(path):
    """A package has a docstring, imports, `__all__`, and names that are found when they are asked for."""
    if path.name != "__init__.py" or path.parent == PACKAGE:
        return
    for node in tree(path).body:
        targets = [ast.unparse(target) for target in getattr(node, "targets", [])]
        plain = isinstance(node, ast.Import | ast.ImportFrom | ast.If | ast.Expr)
        assert plain or targets in (["__all__"], ["__getattr__"]), at(path, node)


def test_no_module_hides_one_of_python():
    hidden = [name for name in MODULES if name.rpartition(".")[2] in sys.stdlib_module_names]
    assert not hidden


def test_no_module_is_there_twice():
    """No file beside a folder of the same name."""
    assert not [path for path in FILES if path.with_suffix("").is_dir()]


def test_lazy_names_do_not_hide_modules(path):
    """A name of a package that is a module of it too is the one or the other, as imports happen to go."""
    if path.name == "__init__.py" and path.parent != PACKAGE:
        listed = [node for node in tree(path).body if "__all__" in ast.unparse(node).split(" = ")[0]]
        names = {element for node in listed for element in ast.literal_eval(node.value)}
        assert not names & {other.stem for other in path.parent.iterdir() if other != path}


def test_no_class_name_twice():
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(at(path, node))
    assert not {name: where for name, where in places.items() if len(where) > 1}


PATHS = re.compile(
    r"(?<![\w./-])(?:src/elman|elman|tests|docs|examples|benchmarks|native|scripts)/[\w./-]*\w(?:/|\.\w+)"
)
DOTTED = re.compile(r"(?<![\w./@-])elman(?:\.[A-Za-z_]\w*)+")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_in_the_docs_exist(page):
    text = page.read_text(encoding="utf-8")
    missing = [
        path
        for path in PATHS.findall(text)
        if not (ROOT / path).exists() and not (SRC / path).exists() and not path.endswith((".so", "/x.h"))
        if not any(part.isupper() for part in Path(path).with_suffix("").parts)  # stands for any name
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_in_the_docs_exist(page):
    """A dotted name leads to a module, or to what one has."""
    for name in set(DOTTED.findall(page.read_text(encoding="utf-8"))):
        words = name.split(".")
        if words[1] in PUBLIC or words[1].startswith("_") or name == "elman.toml":
            continue
        known = next((n for n in range(len(words), 0, -1) if ".".join(words[:n]) in MODULES), 0)
        rest = words[known:]
        source = MODULES[".".join(words[:known])].read_text(encoding="utf-8")
        assert known > 1, name
        assert not rest or re.search(rf"\b{rest[0]}\b", source), name


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


@cache
def classes() -> dict[str, ast.ClassDef]:
    """Each class of the package by its name, of which there is one."""
    nodes = (node for path in FILES for node in ast.walk(tree(path)))
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def bases(node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The classes of the package that a class inherits from, directly or not."""
    for base in node.bases:
        name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
        if name in classes():
            yield classes()[name]
            yield from bases(classes()[name])


def documented(node: ast.ClassDef) -> set[str]:
    """The names of the methods that a class itself has docstrings of."""
    return {inner.name for inner in node.body if isinstance(inner, Function) and ast.get_docstring(inner)}


def test_public_functions_have_a_docstring(path):
    """A method has that of the base's method which it overrides, or one of its own."""
    owners = {
        inner: node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef) for inner in node.body
    }
    bare = [
        function
        for function in public(tree(path))
        if function.name != "__init__" and not ast.get_docstring(function)
    ]
    assert not [
        f"{at(path, function)}: {function.name}"
        for function in bare
        if function not in owners
        or not any(function.name in documented(base) for base in bases(owners[function]))
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
    if top(module(path)) != "cli" and path.stem != "console":
        assert "print" not in set(called(path))


def called(path: Path) -> Iterator[str]:
    """The plain names that a file calls."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
