"""A page of the documentation that holds what was measured, between two markers."""

from __future__ import annotations

from pathlib import Path

MARKERS = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(text: str, out: Path, page: Path | None) -> None:
    """Write what was measured to a file, and between the markers of a page, if one is given."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    if page:
        before, rest = page.read_text(encoding="utf-8").split(MARKERS[0])
        after = rest.split(MARKERS[1])[1]
        page.write_text(f"{before}{MARKERS[0]}\n\n{text}\n{MARKERS[1]}{after}", encoding="utf-8")
