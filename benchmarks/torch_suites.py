"""torch's own tests of recurrent layers, with `elman.nn` in place of `torch.nn`, beside torch itself.

    python benchmarks/torch_suites.py [modules] [expanded] ... [--list] [--tests DIR] [--cache DIR]

What torch ships has its test tools but not its tests. They come from Debian's source package of pytorch (2.6,
27 MB), which apt-get fetches and checks, into a cache folder; with --tests, from the folder `test` of a
checkout. Of each file those tests run that a recurrent layer has to do with, in a process of its own. Told
are the tests passed of those that ran, and by name each one that torch passes and ours does not.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

RELEASE, KEYS = "trixie", Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"
NAMED = r"(RNN|LSTM|GRU)(Cell)?_"
"""What a test made from a table of modules has in its name."""
SPOKEN = r"\bnn\.(RNN|LSTM|GRU)"
"""What a test that was written by hand says."""
MODELS = "torch.testing._internal.common_quantization"
"""Where models stand that many tests of quantisation have in common."""


class Suite(NamedTuple):
    """Files of tests, and which of them are meant: by their names, or else by what they say."""

    files: tuple[str, ...]
    named: str | None = None


SUITES = {
    "modules": Suite(("test_modules.py",), NAMED),
    "expanded": Suite(("test_expanded_weights.py",), NAMED),
    "layers": Suite(("test_nn.py",)),
    "packed": Suite(("nn/test_packed_sequence.py",), ""),
    "around": Suite(
        (
            "nn/test_load_state_dict.py",
            "nn/test_parametrization.py",
            "nn/test_pruning.py",
            "test_autograd.py",
            "test_autocast.py",
            "test_fake_tensor.py",
            "test_fx.py",
            "test_serialization.py",
            "test_multiprocessing.py",
        )
    ),
    "quantisation": Suite(
        (
            "quantization/core/test_quantized_module.py",
            "quantization/core/test_quantized_op.py",
            "quantization/eager/test_quantize_eager_ptq.py",
            "quantization/eager/test_numeric_suite_eager.py",
            "quantization/fx/test_quantize_fx.py",
            "quantization/fx/test_numeric_suite_fx.py",
        )
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("suites", nargs="*", default=[*SUITES, "onnx"], help=", ".join((*SUITES, "onnx")))
    parser.add_argument("--tests", type=Path, help="the folder `test` of a checkout of pytorch")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "elman" / "pytorch"
    parser.add_argument("--cache", type=Path, default=cache, help="where what was fetched is kept")
    parser.add_argument("--list", action="store_true", help="print every test's outcome")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        sys.exit(run(*given.child))
    for name in given.suites:
        if name == "onnx":
            node_tests()
        elif name in SUITES:
            tell(name, SUITES[name], given.tests or fetched(given.cache), given.list)
        else:
            sys.exit(f"unknown suite {name!r}; known: {', '.join((*SUITES, 'onnx'))}")


def tell(name: str, suite: Suite, tests: Path, every: bool) -> None:
    """Run a suite with torch's classes and with ours, and print what came of it."""
    found = {which: {} for which in ("torch", "elman")}
    for file in suite.files:
        if not (tests / file).is_file():
            sys.exit(f"{tests / file} is missing: give the folder `test` of pytorch 2.6 with --tests")
        for which, outcomes in found.items():
            outcomes |= outcomes_of(which, tests, file)
    counts = []
    for which, outcomes in found.items():
        ran = [outcome for outcome in outcomes.values() if outcome != "skipped"]
        counts.append(f"{which} {ran.count('passed')} of {len(ran)}")
    print(f"{name:14}", ", ".join(counts), flush=True)
    for test, outcome in found["elman"].items():
        theirs = found["torch"].get(test, "missing")
        if every or (outcome in ("failed", "crashed") and theirs == "passed"):
            print(f"    {test}: torch {theirs}, elman {outcome}", flush=True)


def outcomes_of(which: str, tests: Path, file: str) -> dict[str, str]:
    """Each test's outcome; one that ends its process has crashed, and those after it run in another."""
    done: dict[str, str] = {}
    while True:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            log.write_text("".join(f"{test}\tdone\n" for test in done))
            command = [sys.executable, __file__, "--child", which, file, str(log)]
            paths = [str(tests), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
            ended = subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True)
            begun = [line.split("\t") for line in log.read_text().splitlines()][len(done) :]
        for test, outcome in begun:
            done[test] = outcome
        crashed = [test for test, outcome in done.items() if outcome == "begun"]
        done |= dict.fromkeys(crashed, "crashed")
        if not crashed:
            if ended.returncode not in (0, 1, 5):  # passed, failed, nothing to run
                said = (ended.stdout + ended.stderr).strip().splitlines()
                told = [line for line in said if "Error" in line] or said[-1:] or [str(ended.returncode)]
                print(f"    {file} does not run with {which}: {told[0].strip()}", flush=True)
            return done


class Plugin:
    """Chooses the tests that have to do with recurrent layers, and writes down what each came to."""

    def __init__(self, file: str, log: Path) -> None:
        self.done = {line.split("\t")[0] for line in log.read_text().splitlines()}
        self.log = log.open("a", buffering=1)
        suite = next(suite for suite in SUITES.values() if file in suite.files)
        self.named, self.spoken = suite.named, None if suite.named is not None else set(speaking(Path(file)))

    def wants(self, name: str) -> bool:
        """Whether a test of that name has to do with recurrent layers."""
        if self.spoken is None:
            return re.search(self.named or "", name) is not None
        return any(name == each or name.startswith(f"{each}_cpu") for each in self.spoken)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the tests that are wanted, and not done yet, on the CPU."""
        items[:] = [
            i for i in items if self.wants(i.name) and i.nodeid not in self.done and "CUDA" not in i.nodeid
        ]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write down that a test begins: it may end the process."""
        self.log.write(f"{nodeid}\tbegun\n")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down what it came to."""
        if report.when == "call" or report.outcome != "passed":
            self.log.write(f"{report.nodeid}\t{report.outcome}\n")


def speaking(file: Path) -> Iterator[str]:
    """The test functions of a file that speak of a recurrent layer, or of a model that has one."""
    shared = importlib.import_module(MODELS).__file__ or ""
    models = [name for name, said in parts(Path(shared), ast.ClassDef) if re.search(SPOKEN, said)]
    wanted = re.compile("|".join((SPOKEN, *(rf"\b{name}\b" for name in models))))
    for name, said in parts(file, ast.FunctionDef):
        if name.startswith("test") and wanted.search(said):
            yield name


def parts(file: Path, kind: type[ast.ClassDef] | type[ast.FunctionDef]) -> Iterator[tuple[str, str]]:
    """The name and the text of each class, or function, of a file."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, kind):
            yield node.name, "\n".join(lines[node.lineno - 1 : node.end_lineno])


def run(which: str, file: str, log: str) -> int:
    """Run one file here; with "elman", our classes stand where a user of torch finds its own."""
    rename()
    if which == "elman":
        replace()
    options = ["-q", "--noconftest", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider"]
    return int(pytest.main([*options, "--tb=line", file], plugins=[Plugin(file, Path(log))]))


def rename() -> None:
    """Give back to torch and its test tools the names that the tests of 2.6 know, and later versions lack."""
    tools = "torch.testing._internal"
    for place, name, stand_in in (
        (f"{tools}.common_nn", "new_module_tests", lambda found: found.get_new_module_tests()),
        (f"{tools}.common_cuda", "tf32_is_not_fp32", lambda _: lambda: False),
        (f"{tools}.common_mkldnn", "bf32_on_and_off", lambda _: lambda *_, **__: lambda test: test),
        ("torch.export", "export_for_training", lambda found: found.export),
    ):
        found = importlib.import_module(place)
        if not hasattr(found, name):
            setattr(found, name, stand_in(found))


def replace() -> None:
    """Put our classes in torch.nn, after torch itself has looked there for its tables."""
    import torch.ao.quantization
    import torch.nn.utils._expanded_weights

    from elman.nn import IN_PLACE_OF

    for theirs, ours in IN_PLACE_OF.items():
        for place in (torch.nn, torch.nn.modules, torch.nn.modules.rnn):
            setattr(place, theirs.__name__, ours)


def node_tests() -> None:
    """The ONNX package's node tests of RNN, LSTM and GRU, run as tests/nn/torch_compat/test_nn_onnx.py runs
    them.
    """
    tests = Path(__file__).parent.parent / "tests"
    sys.path.insert(0, str(tests))
    known = importlib.import_module("test_nn_onnx")
    passed = [
        name for name in known.CASES if name not in known.OUT_OF_SCOPE and passes(known.test_node, name)
    ]
    print(f"{'onnx':14} elman {len(passed)} of {len(known.CASES)}", flush=True)
    for name, why in known.OUT_OF_SCOPE.items():
        print(f"    {name}: {why}")


def passes(test: Callable[[str], None], name: str) -> bool:
    try:
        test(name)
    except AssertionError:
        return False
    return True


def fetched(cache: Path) -> Path:
    """The folder of torch's tests, fetched from Debian where it is not there yet."""
    found = sorted(cache.glob("pytorch-*/test"))
    if found:
        return found[-1]
    if shutil.which("apt-get") is None or not KEYS.is_file():
        sys.exit(
            f"torch's tests come by Debian's apt-get, which is not here: use --tests DIR (looked in {cache})"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "sources.list"
        source.write_text(f"deb-src [signed-by={KEYS}] {MIRROR} {RELEASE} main\n")
        apt(folder, source, "update")
        apt(folder, source, "source", "--download-only", "pytorch")
        (archive,) = Path(folder).glob("pytorch_*.orig.tar.*")
        done = subprocess.run(
            ["tar", "-xf", archive, "-C", cache, "--wildcards", "*/test/*"], capture_output=True
        )
    found = sorted(cache.glob("pytorch-*/test"))
    if done.returncode or not found:
        sys.exit(f"{archive.name} of Debian {RELEASE} has no folder `test`, or tar failed: use --tests DIR")
    return found[-1]


def apt(folder: str, source: Path, *command: str) -> None:
    """apt-get with lists of its own, so that the system's stay as they are and root is not needed."""
    for part in ("lists/partial", "cache/archives/partial"):
        (Path(folder) / part).mkdir(parents=True, exist_ok=True)
    places = {
        "Dir::Etc::sourcelist": source,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": Path(folder) / "lists",
        "Dir::Cache": Path(folder) / "cache",
        "APT::Sandbox::User": "",
    }
    options = [word for name, value in places.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(["apt-get", *options, *command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        sys.exit(f"apt-get {command[0]} of Debian {RELEASE} failed: {said[-1]}; use --tests DIR")


if __name__ == "__main__":
    main()
