"""A project's other files: licence, changelog, hooks, public modules, and pages that name what exists."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")

# A path of the repository, and a module with whatever hangs on it.
PATH = re.compile(r"(?<![\w./<-])(?:src|docs|native|tests|benchmarks|examples|scripts|\.ci)/[\w.*/-]*[\w*/]")
SOURCE = re.compile(r"(?<![\w.-])[\w/]*\w/\w+\.(?:py|cpp|h)\b")
NAME = re.compile(r"(?<![\w./-])elman(?:\.[A-Za-z]\w*)+")
PLACEHOLDER = "NAME"
NOT_NAMES = {"elman.toml"}
BUILT = {"src/elman/_native.abi3.so"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_newest_version_of_the_changelog_is_the_packages(project):
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, newest, *_ = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert unreleased == "Unreleased"
    assert re.fullmatch(r"(\S+) - \d{4}-\d\d-\d\d", newest), newest
    assert newest.split()[0] == project["version"] == version("elman")


def test_licence_is_named_and_there(project):
    assert project["license"] == "MIT"
    (name,) = project["license-files"]
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith("MIT License\n")
    assert f"Copyright (c) 2026 {project['authors'][0]['name']}" in text
    assert not [
        one for one in project["classifiers"] if one.startswith("License")
    ]  # PEP 639: an expression in their place


def test_hooks_call_pinned_tools():
    """A hook runs what `make install` put into .venv, so it needs no version of its own."""
    config = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (.+)", config) == ["local"]
    entries = re.findall(r"entry: \.venv/bin/([\w-]+)", config)
    assert len(entries) == config.count("- id:")
    pinned = {re.split(r"[=<>]", line)[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert not set(entries) - pinned - {"python"}


def test_every_public_module_is_there_and_documented():
    modules = re.findall(r"^::: (\S+)$", API, re.MULTILINE)
    assert modules == re.findall(r"^## (\S+)$", API, re.MULTILINE)
    assert len(modules) == len(set(modules))
    assert all(import_module(name).__doc__ for name in modules)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_path_in_prose_exists(page):
    text = page.read_text(encoding="utf-8")
    named = {path.rstrip("/") for path in PATH.findall(text)} - BUILT
    assert not sorted(path for path in named if not _exists(path))
    # A source file by its last folders: formats/base.py.
    loose = {path.lstrip("/") for path in SOURCE.findall(text) if path not in named}
    assert not sorted(path for path in loose if not _exists(f"src/**/{path}") and not _exists(path))


def _exists(path: str) -> bool:
    return any(ROOT.glob(path.replace(PLACEHOLDER, "*")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_name_in_prose_exists(page):
    named = set(NAME.findall(page.read_text(encoding="utf-8"))) - NOT_NAMES
    assert not sorted(name for name in named if not _resolves(name))


def _resolves(name: str) -> bool:
    """A module, or what hangs on one: elman.tasks.base.Task."""
    modules = [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)]
    for module in modules:
        try:
            found = import_module(module)
        except ModuleNotFoundError:
            continue
        for part in name.removeprefix(module).split(".")[1:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_the_site_is_built_strictly():
    """Under --quiet mkdocs counts no warnings, so that --strict passes whatever is broken."""
    (recipe,) = re.findall(r"mkdocs build.*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert "--strict" in recipe
    assert "--quiet" not in recipe
    assert not re.search(r"^strict: false", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
