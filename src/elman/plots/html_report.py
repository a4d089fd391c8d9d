"""Write a report as a folder: one offline page of HTML, with pictures and, beside each, its numbers.

Independent of tasks and models: sections come in, a folder goes out.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from elman.core import atomic_files, formatting
from elman.core.errors import RunError
from elman.plots import figures

INDEX = "index.html"
_MADE_BY = "elman inspect"
_NUMBER = 16
"""Characters of a cell, at most, that is set as a number is: to the right, on one line."""


class Plottable(Protocol):
    """A result that can be drawn and written as a table."""

    def table(self) -> list[dict[str, Any]]:
        """Return its numbers, a mapping a row, all with the same keys."""
        ...

    def plot(self) -> Any:
        """Plot it as a matplotlib Figure."""
        ...


class Figure(NamedTuple):
    """A picture with its numbers.

    Args:
        name: of its files, without suffix.
        title: what it shows, in a few words; it stands in place of the picture where that is not seen.
        caption: how it is read.
        found: the result.
    """

    name: str
    title: str
    caption: str
    found: Plottable


class ReportTable(NamedTuple):
    """Numbers and texts in rows.

    Args:
        title: what they are, in a few words.
        rows: of cells, the first row being the head.
    """

    title: str
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Args:
        title: its heading.
        lead: what it is about, a paragraph.
        exhibits: what there is to show.
        missing: why there is nothing, in a sentence.
        tables: what there is to read, before the exhibits.
    """

    title: str
    lead: str
    exhibits: tuple[Figure, ...] = ()
    missing: str = ""
    tables: tuple[ReportTable, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A finding in plain words.

    Args:
        name: in a word, such as "vanishing".
        text: the sentence, with the remedy where there is one.
        bad: whether something should be done about it; None: it is a fact, neither good nor bad.
    """

    name: str
    text: str
    bad: bool | None = None


@dataclass(frozen=True)
class Report:
    """A whole report.

    Args:
        title: its heading.
        facts: name -> what was looked at.
        verdicts: the summary.
        overview: rows of a table, the first one being the head.
        sections: in their order.
        warning: a sentence that stands before all else; empty: there is none.
    """

    title: str
    facts: Mapping[str, str]
    verdicts: Sequence[Finding]
    overview: Sequence[Sequence[object]]
    sections: Sequence[Section]
    warning: str = ""


def check(folder: Path) -> None:
    """See that a report may be written to a folder: it is not there yet, is empty, or holds an older report.

    Raises:
        RunError: it is a file, or holds something else.
    """
    if folder.is_dir():
        index = folder / INDEX
        ours = index.is_file() and _MADE_BY in index.read_text(encoding="utf-8", errors="replace")[:400]
        if not ours and any(folder.iterdir()):
            remedy = "name another one with --out"
            raise RunError(folder, "a folder that holds something else than a report", remedy=remedy)
    elif folder.exists():
        raise RunError(folder, "a file", expected="a folder to write", remedy="name another one with --out")


def write(folder: Path, page: Report, report: Callable[[str], None]) -> None:
    """Write a report; an older one there is replaced when this one is whole.

    Args:
        folder: where.
        page: the report.
        report: is called with what is being drawn.

    Raises:
        RunError: the folder holds something else than a report, or cannot be written.
        TaskError: matplotlib is not installed.
    """
    check(folder)

    def fill(beside: Path) -> None:
        for section in page.sections:
            for exhibit in section.exhibits:
                report(f"drawing {exhibit.title}")
                figures.write_figure(beside / f"{exhibit.name}.svg", exhibit.found.plot())
                _write_rows(beside / f"{exhibit.name}.csv", exhibit.found.table())
        atomic_files.write_text(beside / INDEX, to_html(page))

    atomic_files.write_folder(folder, fill)


def to_html(page: Report) -> str:
    """Write the page; the pictures stand beside it."""
    title = _text(page.title)
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="{_MADE_BY}">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#summary">To the summary</a>',
        f"<header><h1>{title}</h1>",
        *([f'<p class="warning">{_text(page.warning)}</p>'] if page.warning else []),
        *_facts(page.facts),
        "</header>",
        *_contents(page.sections),
        "<main>",
        *_summary(page),
        *(line for section in page.sections for line in _section(section)),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    yield "<dl>"
    yield from (f"<div><dt>{_text(name)}</dt><dd>{_text(words)}</dd></div>" for name, words in facts.items())
    yield "</dl>"


def _contents(sections: Sequence[Section]) -> Iterator[str]:
    yield '<nav aria-label="Sections"><ul>'
    yield '<li><a href="#summary">Summary</a></li>'
    yield from (f'<li><a href="#{_place(one.title)}">{_text(one.title)}</a></li>' for one in sections)
    yield "</ul></nav>"


def _summary(page: Report) -> Iterator[str]:
    yield '<section id="summary" tabindex="-1"><h2>Summary</h2>'
    yield '<ul class="verdicts">'
    for verdict in page.verdicts:
        kind = "fact" if verdict.bad is None else "bad" if verdict.bad else "good"
        name = f"<strong>{_text(verdict.name.capitalize())}:</strong>"
        yield f'<li class="{kind}">{name} {_text(verdict.text)}</li>'
    yield "</ul>"
    if page.overview:
        yield from _table(ReportTable("Numbers by layer", page.overview))
    yield "</section>"


def _table(table: ReportTable) -> Iterator[str]:
    head, *others = table.rows
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{_text(table.title)}"><table>'
    yield "<thead><tr>" + "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head) + "</tr></thead>"
    yield "<tbody>"
    for first, *cells in others:
        yield (
            f'<tr><th scope="row">{_text(first)}</th>'
            + "".join(f"<td{_kind(cell)}>{_cell(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    yield "</tbody></table></div>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{_place(section.title)}" tabindex="-1"><h2>{_text(section.title)}</h2>'
    yield f"<p>{_text(section.lead)}</p>"
    if section.missing:
        yield f'<p class="missing">{_text(section.missing)}</p>'
    for table in section.tables:
        yield f"<h3>{_text(table.title)}</h3>"
        yield from _table(table)
    for one in section.exhibits:
        picture, numbers = _text(f"{one.name}.svg"), _text(f"{one.name}.csv")
        yield "<figure>"
        yield f'<a class="picture" href="{picture}"><img src="{picture}" alt="{_text(one.title)}"></a>'
        yield f"<figcaption><strong>{_text(one.title)}.</strong> {_text(one.caption)}"
        yield f'<a href="{numbers}" download>The numbers (CSV)</a></figcaption>'
        yield "</figure>"
    yield "</section>"


def _text(value: object) -> str:
    return html.escape(str(value))


def _cell(value: object) -> str:
    return _text(formatting.number(value) if isinstance(value, float) else value)


def _kind(value: object) -> str:
    """Return the class of a cell that is longer than a number is."""
    return ' class="text"' if isinstance(value, str) and len(value) > _NUMBER else ""


def _place(title: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)
    atomic_files.write_text(path, buffer.getvalue())


def _number(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


_STYLE = """
:root { color-scheme: light dark; --back: #fff; --fore: #1b1f24; --soft: #59636e; --line: #d5dae0;
  --link: #0a58ca; --bad: #b3261e; --good: #1a7f37; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --fore: #e8eaed; --soft: #a3adb8;
  --line: #363c44; --link: #7cb3ff; --bad: #ff8a80; --good: #6fdd8b; --card: #1e2329; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--fore);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.warning { padding: .7rem .9rem; background: var(--card); border-left: 5px solid var(--bad);
  font-weight: 600; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { position: static; }
dl { margin: 0; display: grid; gap: .2rem; }
dl div { display: grid; grid-template-columns: 8rem 1fr; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; list-style: none; }
.verdicts { list-style: none; padding: 0; }
.verdicts li { margin: .5rem 0; padding: .6rem .9rem; background: var(--card); border-left: 5px solid; }
.verdicts .fact { border-color: var(--line); }
.verdicts .good { border-color: var(--good); }
.verdicts .bad { border-color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; }
thead th { vertical-align: bottom; }
th:first-child, td.text { text-align: left; }
th:first-child, td.text { min-width: 8rem; max-width: 22rem; white-space: normal; overflow-wrap: anywhere; }
figure { margin: 1.2rem 0; }
.picture { display: block; background: #fff; border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { margin-top: .4rem; font-size: .92rem; color: var(--soft); }
figcaption strong { color: var(--fore); }
.missing { color: var(--soft); font-style: italic; }
@media (max-width: 34rem) { dl div { grid-template-columns: 1fr; } }
"""
