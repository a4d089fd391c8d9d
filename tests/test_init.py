"""The public names, and that neither they nor the command line's help wait for torch."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import pytest

import elman
from elman import cli, tasks
from elman.tasks import registry

HEAVY = ("torch", "numpy", "safetensors", "matplotlib", "sentencepiece")


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after `code`."""
    program = f"{code}\nimport sys\nsys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_public_names():
    assert set(elman.__all__) == {
        *("train", "load", "Model", "Recurrent", "Seq", "errors", "cells", "__version__"),
        *(
            "nn",
            "accelerate",
            "Acceleration",
            "inspect",
            "export",
            "Callback",
            "explain",
            "kernels",
            "probe",
            "samples",
        ),
    }
    assert dir(elman) == sorted(elman.__all__)


@pytest.mark.parametrize("name", elman.__all__)
def test_each_name_is_what_it_says(name):
    member = getattr(elman, name)
    if isinstance(member, ModuleType):
        assert member.__name__.startswith("elman.")
        assert member.__name__.rpartition(".")[2] == name
    elif name != "__version__":
        assert member.__name__ == name


def test_version():
    assert elman.__version__ == version("elman")


def test_submodules_import_as_ever():
    from elman.core import run_config
    from elman.core.errors import ConfigError

    assert run_config.__name__ == "elman.core.run_config"
    assert issubclass(ConfigError, elman.errors.ElmanError)


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'elman' has no attribute 'trian'"):
        _ = elman.trian
    with pytest.raises(ImportError):
        from elman import trian  # noqa: F401


def test_import_loads_no_other_file():
    loaded = loaded_after("import elman")
    assert not loaded.intersection(HEAVY)
    assert {name for name in loaded if name.startswith("elman")} == {"elman"}


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["sample", "--help"], ["--version"]])
def test_help_needs_no_torch(words):
    loaded = loaded_after(f"import elman.cli\nassert elman.cli.run({words!r}) == 0")
    assert "elman.cli" in loaded
    assert not loaded.intersection(HEAVY)


@pytest.mark.parametrize("command", ["train"])
def test_help_names_every_task(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    cli.run([command, "--help"])
    assert registry.listed(list(tasks.TASKS)) in capsys.readouterr().out


def test_tasks_have_the_names_of_their_sections():
    assert list(tasks.TASKS) == [kind.Config.section for kind in tasks.TASKS.values()]


def test_wrong_option_needs_no_torch():
    loaded = loaded_after("import elman.cli\nassert elman.cli.run(['train', '--hidden', '0']) == 2")
    assert not loaded.intersection(HEAVY)
