"""Networks as C99: a file with the weights and one step of one sequence, and its header."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import Tensor

from elman.core.errors import TaskError
from elman.exporters.c import templates
from elman.exporters.c.graph import CGraph
from elman.exporters.graph import ExportedGraph, Named, Sizes

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror")
"""With which a file compiles."""

CLOSE = 1e-5
_STEPS = 12
"""Steps that are tried."""


class CSource(NamedTuple):
    """A network in C.

    Args:
        name: what all that it declares begins with, and its files are called.
        header, source: their text.
        graph: what they were made from.
    """

    name: str
    header: str
    source: str
    graph: CGraph


def generate(piece: ExportedGraph, stem: str, about: str, version: str) -> CSource:
    """Write a network as C.

    Args:
        piece: what it computes.
        stem: the name of the file, without suffix.
        about: what it is, in one line.
        version: of Elman.

    Raises:
        TaskError: a part of it needs more than a step.
    """
    graph, name = CGraph(), templates.identifier(stem)
    piece.build(graph)
    assert graph.input is not None
    starts = {key: value for key, value in piece.starts().items() if key in graph.states}
    common = {"about": about, "version": version, "name": name, "guard": name.upper()}
    read = "int32_t input" if graph.input.symbol else "const float *input"
    header = templates.HEADER.format(
        **common,
        sizes=_sizes(graph, name.upper()),
        fields="\n".join(f"    float {key}[{one.numel()}];" for key, one in graph.states.items()),
        work=max(1, graph.work),
        outputs="\n".join(f"    float {key}[{width}];" for key, width in graph.outputs.items()),
        starts=_declared(name, starts),
        wrong="there is no such symbol" if graph.input.symbol else "a number is not finite",
        input=read,
    )
    return CSource(name, header, _source(graph, starts, common, read), graph)


def _source(graph: CGraph, starts: Named, common: dict[str, str], read: str) -> str:
    assert graph.input is not None
    body = "\n".join(f"    {line}" for line in (*graph.lines, *graph.last))
    start, constants = _start(graph)
    more, tables = _starts(graph, common["name"], starts)
    loops = "for (i" in body or not graph.input.symbol
    return templates.SOURCE.format(
        **common,
        functions=templates.functions(body),
        constants="\n".join((*graph.constants, *constants, *tables)),
        start=start,
        starts=more,
        input=read,
        variables="    int i;\n" if loops else "",
        guarded=_guarded(graph),
        body=body,
        program=_program(graph, common["name"]),
    )


def _sizes(graph: CGraph, guard: str) -> str:
    """Write how many symbols or numbers there are, for those who declare arrays."""
    assert graph.input is not None
    what = "symbols that a step may read, from 0 on" if graph.input.symbol else "numbers that a step reads"
    sizes = [(f"{guard}_{'SYMBOLS' if graph.input.symbol else 'INPUT'}", graph.input.size, what)]
    sizes += [(f"{guard}_{name.upper()}", width, f"of `{name}`") for name, width in graph.outputs.items()]
    return "\n".join(f"#define {name} {size} /* {about} */" for name, size, about in sizes) + "\n"


def _guarded(graph: CGraph) -> str:
    assert graph.input is not None
    if graph.input.symbol:
        return f"    if (input < 0 || input >= {graph.input.size})\n        return -1;"
    loop = f"    for (i = 0; i < {graph.input.size}; i++)\n"
    return f"{loop}        if (!isfinite(input[i]))\n            return -1;"


def _start(graph: CGraph) -> tuple[str, list[str]]:
    """Return what is done before the first step, and the constants for it."""
    lines, constants = ["    memset(state, 0, sizeof *state);"], []
    for name, initial in graph.states.items():
        if bool(initial.any()):
            constants.append(templates.array(f"start_{name}", initial))
            lines.append(f"    memcpy(state->{name}, start_{name}, sizeof start_{name});")
    return "\n".join(lines), constants


def _declared(name: str, starts: Named) -> str:
    if not starts:
        return ""
    count = len(next(iter(starts.values())))
    return (
        f"\n/* Before the first step of a sequence of a class, from 1 to {count - 1}; 0: of none.\n"
        "   Gives 0, or -1 where there is no such class. */\n"
        f"int {name}_start_from({name}_state *state, int32_t which);\n"
    )


def _starts(graph: CGraph, name: str, starts: Named) -> tuple[str, list[str]]:
    """Write the function that starts from one of several states, and its tables."""
    if not starts:
        return "", []
    count, tables = len(next(iter(starts.values()))), []
    lines = [
        f"\nint {name}_start_from({name}_state *state, int32_t which)",
        "{",
        f"    if (which < 0 || which >= {count})",
        "        return -1;",
        f"    {name}_start(state);",
    ]
    for key, value in starts.items():
        size = value[0].numel()
        tables.append(templates.array(f"starts_{key}", value))
        lines.append(
            f"    memcpy(state->{key}, starts_{key} + (size_t)which * {size}, {size} * sizeof(float));"
        )
    return "\n".join([*lines, "    return 0;", "}", ""]), tables


def _program(graph: CGraph, name: str) -> str:
    """Write a loop that reads steps and writes outputs."""
    assert graph.input is not None
    symbol, size = graph.input.symbol, graph.input.size
    lines = ["    int i;", "    int input;" if symbol else f"    static float input[{size}];"]
    lines += [f"    {name}_start(&state);", "    for (;;) {"]
    if symbol:
        lines += ['        if (scanf("%d", &input) != 1)', "            break;"]
    else:
        lines += [
            f'        for (i = 0; i < {size} && scanf("%f", input + i) == 1; i++)',
            "            ;",
            f"        if (i < {size})",
            "            break;",
        ]
    lines += [f"        if ({name}_step(&state, input, &output))", "            return 1;"]
    for key, width in graph.outputs.items():
        lines += [
            f"        for (i = 0; i < {width}; i++)",
            f'            printf("%.9g ", (double)output.{key}[i]);',
        ]
    return "\n".join([*lines, '        printf("\\n");', "    }"])


def compiler() -> str | None:
    """Return a C compiler; None where there is none."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


@torch.no_grad()
def check(piece: ExportedGraph, network: CSource, with_: str) -> float:
    """Return the greatest difference of a network from itself in C, compiled, on random input.

    Raises:
        TaskError: it does not compile, or differs by more than `CLOSE`.
    """
    sizes = Sizes(_STEPS, torch.tensor([_STEPS]))
    given = piece.example(sizes, torch.Generator().manual_seed(1))
    ((key, data),) = given.items()
    read = network.graph.input
    if read is not None and read.symbol:
        data = (data if data.ndim == 2 else data[..., :1]).clamp(max=read.size - 1)
    with TemporaryDirectory() as folder:
        found = run(network, Path(folder), data.flatten(1), with_)
        given[key][..., : data.shape[-1]] = data
    worst = 0.0
    for name, expected in piece.reference(given, None).items():
        if name not in network.graph.outputs:
            continue
        got = found[name] if expected.ndim == 3 else found[name][-1:]
        expected = expected[:, 0] if expected.ndim == 3 else expected
        worst = max(worst, float(((got - expected).abs() / (1 + expected.abs())).max()))
        if not worst <= CLOSE:
            got_words = f"output {name!r} off by {worst:.2g}"
            remedy = "nothing was written; tell Elman's authors, with the run's config.toml"
            raise TaskError("check of the C file", got_words, expected=f"numbers to {CLOSE:g}", remedy=remedy)
    return worst


def run(network: CSource, folder: Path, data: Tensor, with_: str, flags: tuple[str, ...] = ("-O1",)) -> Named:
    """Return what a network's program writes for steps [T, F]: each output [T, width].

    Args:
        network: it in C.
        folder: to compile in.
        data: of one sequence.
        with_: the compiler.
        flags: beside `FLAGS`.

    Raises:
        TaskError: it does not compile.
    """
    write(network, folder)
    source, program = folder / f"{network.name}.c", folder / network.name
    command = [with_, *FLAGS, *flags, f"-D{network.name.upper()}_MAIN", source, "-o", program, "-lm"]
    compiled = subprocess.run(command, capture_output=True, text=True)
    if compiled.returncode:
        first = (compiled.stderr.strip().splitlines() or ["no word"])[0]
        raise TaskError("check of the C file", first, expected="a file that compiles")
    lines = "\n".join(" ".join(f"{number:.9g}" for number in row) for row in data.tolist())
    done = subprocess.run([program], input=lines, capture_output=True, text=True)
    if done.returncode:
        raise TaskError("check of the C file", f"exit code {done.returncode}: {done.stderr.strip()[:200]}")
    rows = torch.tensor([[float(word) for word in line.split()] for line in done.stdout.splitlines()])
    parts = rows.split(list(network.graph.outputs.values()), 1)
    return dict(zip(network.graph.outputs, parts, strict=True))


def write(network: CSource, folder: Path) -> None:
    """Write both files to a folder."""
    for suffix, content in (("h", network.header), ("c", network.source)):
        (folder / f"{network.name}.{suffix}").write_text(content, encoding="utf-8")
