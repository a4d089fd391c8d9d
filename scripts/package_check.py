"""Build an sdist, and wheels from it with and without the native kernels; install and try each.

A wheel goes into a new environment without its dependencies: those are read from the environment that
runs this script.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# In an sdist, so that a package can be built and tested from it.
SOURCES = {
    "LICENSE",
    "CHANGELOG.md",
    "CMakeLists.txt",
    "pyproject.toml",
    "src/elman/__init__.py",
    "tests/conftest.py",
}
SAMPLE = "sample:unicode-syllables"
ROWS = "text\nKA\nBBEX\n"

_IMPORT = """\
import sys
from importlib.metadata import metadata
import elman
from elman.nn.kernels.native import available
assert elman.__file__.startswith(sys.prefix), elman.__file__
assert elman.__version__ == metadata("elman")["Version"]
assert metadata("elman")["License-Expression"] == "MIT", metadata("elman")["License-Expression"]
assert bool(available()) is (sys.argv[1] == "native"), "the native kernels: expected " + sys.argv[1]
"""


def main() -> None:
    """Build, install and try; the first step that fails ends the script with its error."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = _sdist(folder)
        for native in (True, False):
            kernels = "native" if native else "none"
            print(f"== wheel, kernels: {kernels}", flush=True)
            wheel = _wheel(source, folder / kernels, native)
            _try(_install(wheel, folder / f"venv-{kernels}"), folder / f"work-{kernels}", kernels)
    print("sdist and wheels: built, installed and tried")


def _sdist(folder: Path) -> Path:
    """Build an sdist, check what it contains, and unpack it."""
    _run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    source = folder / archive.name.removesuffix(".tar.gz")
    missing = sorted(name for name in SOURCES if not (source / name).is_file())
    assert not missing, f"not in the sdist: {missing}"
    return source


def _wheel(source: Path, out: Path, native: bool) -> Path:
    """Build a wheel from the unpacked sdist."""
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", out, source, ELMAN_NATIVE=str(int(native)))
    (wheel,) = out.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names), "no LICENSE in the wheel"
    assert any("/_native." in name for name in names) is native, f"{wheel.name}: native kernels"
    assert ("-none-any" in wheel.name) is not native, wheel.name
    return wheel


def _install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment, and return the environment's folder of commands."""
    venv.create(folder)
    places = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    python = Path(places["scripts"]) / Path(sys.executable).name
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel)
    # Dependencies come last on the path; the .pth of an editable Elman there is not read.
    here = Path(places["purelib"]) / "dependencies.pth"
    here.write_text("\n".join(dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])))
    return python.parent


def _try(commands: Path, folder: Path, kernels: str) -> None:
    """Import the package, train for a step, and predict."""
    folder.mkdir()
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    elman = commands / "elman"
    _run(commands / Path(sys.executable).name, "-c", _IMPORT, kernels, cwd=folder)
    _run(elman, "--help", cwd=folder)
    _run(elman, "train", SAMPLE, "--steps", "1", "--hidden", "8", "--out", "run", cwd=folder)
    rows = _run(elman, "predict", "run", "rows.csv", cwd=folder).splitlines()
    assert len(rows) == len(ROWS.splitlines()), rows


def _run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Run a command without PYTHONPATH and PYTHONHOME, and return its output; exit if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=kept | environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
