"""How Elman is packed and built, as far as it can be told without building."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
NATIVE = ROOT / "native"


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version_stands_in_one_place(project):
    assert project["project"]["version"] == version("elman")
    assert "VERSION" not in re.sub(r"cmake_minimum_required\(.*?\)", "", CMAKE)


def test_sdist_holds_what_a_build_and_the_tests_need(project):
    everything, *named, built = project["tool"]["scikit-build"]["sdist"]["exclude"]
    assert (everything, built) == ("/*", "*.so")
    kept = {name.removeprefix("!/") for name in named}
    assert {"CMakeLists.txt", "native", "src", "tests", "docs", "scripts", "README.md", "Makefile"} <= kept
    assert not [name for name in kept if not (ROOT / name).exists()]


def test_every_source_is_compiled():
    named = set(re.findall(r"native/\w+\.cpp", CMAKE))
    assert named == {f"native/{path.name}" for path in NATIVE.glob("*.cpp")}


def test_no_flag_that_changes_numbers_or_brings_a_second_pool_of_threads():
    flags = re.sub(r"#.*", "", CMAKE)
    assert not re.findall(r"-ffast-math|-Ofast|-funsafe-math|-fopenmp|-march=native", flags)


def test_every_instruction_set_is_offered():
    """The least demanding comes first: see the comment in CMakeLists.txt."""
    assert re.findall(r"^set\(ISAS (\w+)\)|^foreach\(isa ((?!\$).*)\)", CMAKE, re.MULTILINE) == [
        ("base", ""),
        ("", "avx2 avx512"),
    ]
    table = (NATIVE / "instruction_sets.h").read_text(encoding="utf-8")
    assert {"kernels_base", "kernels_avx2", "kernels_avx512"} <= set(re.findall(r"kernels_\w+", table))
