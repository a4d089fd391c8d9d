"""Format numbers, durations and tables as text."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from elman.core.errors import shortened

_LINE_ENDS = re.compile("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def one_line(text: str) -> str:
    """Return the text on one line: a space for whatever ends a line, so that a line in is a line out."""
    return _LINE_ENDS.sub(" ", text)


def duration(seconds: float) -> str:
    """Format a time span for people: 48 s, 3:20 min, 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d} h"


def markdown_table(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return lines of a table for each part (valid, test) -> predictor -> metric -> value."""
    if not scores:
        return ["There is neither a validation nor a test part, so nothing was scored."]
    lines: list[str] = []
    undefined: dict[str, None] = {}
    for part, rows in scores.items():
        lines += ["", *aligned(score_rows(part, rows))]
        undefined |= {name: None for row in rows.values() for name, value in row.items() if value != value}
    if undefined:
        lines += [
            "",
            f"nan: these data do not define {', '.join(undefined)}, which divide by a size that is 0.",
        ]
    return lines[1:]


def score_rows(part: str, rows: Mapping[str, Mapping[str, float]]) -> list[list[object]]:
    """Return the rows of a table of scores: a head with `part` and the names, then a row per predictor."""
    metrics = list(dict.fromkeys(name for row in rows.values() for name in row))
    head: list[object] = [part, *(name.replace("_", " ") for name in metrics)]
    return [head, *([name, *(row.get(metric, "") for metric in metrics)] for name, row in rows.items())]


def html_table(rows: Sequence[Sequence[object]], lead: str = "") -> str:
    """Format a table for a notebook, in a box that scrolls: the first row is its head, after `lead`."""
    head, *others = rows
    body = "".join(f"<tr>{''.join(f'<td>{html_text(cell)}</td>' for cell in row)}</tr>" for row in others)
    heads = "".join(f"<th>{html_text(cell)}</th>" for cell in head)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'{html_paragraph(lead)}<div style="max-width:100%;overflow-x:auto">{table}</div>'


def html_paragraph(text: str) -> str:
    """Return a paragraph of HTML; nothing for an empty text."""
    return f"<p>{html.escape(text)}</p>" if text else ""


def html_text(value: object) -> str:
    """Return a value in HTML: numbers as tables show them, texts escaped."""
    return html.escape(number(value) if isinstance(value, float) else str(value))


def number(value: float) -> str:
    """Format a score with as many digits as are informative."""
    if value and not 0.001 <= abs(value) < 100:
        return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:.3f}"


def aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table in aligned columns: names to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [
        f"| {name.ljust(first)} | "
        + " | ".join(cell.rjust(width) for cell, width in zip(row, others, strict=True))
        + " |"
        for name, *row in cells
    ]
    rule = f"|{'-' * (first + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in others)
    return [lines[0], rule, *lines[1:]]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return one_line(shortened(str(value))).replace("|", "\\|")
