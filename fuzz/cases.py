"""Inputs that failed once, kept as small as they were made, to be tried again by the tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.base import Input, Outcome, key

FOLDER = Path(__file__).parent.parent / "tests" / "fuzz_cases"
_MOST = 32_768
"""Bytes of a case that is kept."""


def save(kind: str, given: Input, outcome: Outcome, seed: int, folder: Path = FOLDER) -> Path | None:
    """Write a case under the name of its mark; None: it is too large to be kept."""
    if sum(map(len, given.files.values())) > _MOST:
        return None
    told = {
        "kind": kind,
        "seed": seed,
        "was": outcome.mark,
        "about": dict(given.about),
        "files": {name: _told(content) for name, content in given.files.items()},
    }
    path = folder / kind / f"{key(outcome.mark)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> tuple[str, Input]:
    """The kind and the input of a case."""
    told = json.loads(path.read_text(encoding="utf-8"))
    files = {name: _content(value) for name, value in told["files"].items()}
    return told["kind"], Input(files, told["about"])


def paths(folder: Path = FOLDER) -> Iterator[Path]:
    """All cases, in order."""
    yield from sorted(folder.glob("*/*.json"))


def _told(content: bytes) -> Any:
    """A text where it is one, with long runs of the same told by their length; else base64."""
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _content(value: Any) -> bytes:
    return value.encode("ascii") if isinstance(value, str) else base64.b64decode(value["base64"])
