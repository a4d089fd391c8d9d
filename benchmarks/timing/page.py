"""A page of the documentation that holds what was measured, between two markers."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def write(text: str, out: Path, page: Path | None, name: str = "measured") -> None:
    """Write what was measured to a file, and between the markers of that name in a page, if one is given."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    if page:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = page.read_text(encoding="utf-8").split(begin)
        after = rest.split(end)[1]
        page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


def processor() -> str:
    """What was measured on: "AMD EPYC, 2 CPUs"."""
    info, name = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} CPUs"
