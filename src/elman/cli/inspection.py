"""`elman inspect`: what a trained model remembers, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from elman.cli.options import ReadingOptions, Whole, given

_READ = ReadingOptions()


def inspect(
    run: Path,
    data: str | None = None,
    /,
    *,
    out: Path | None = None,
    examples: Whole = 32,
    mark: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    marks: Path | None = None,
    reading: Annotated[ReadingOptions, Parameter(name="*")] = _READ,
) -> None:
    """Report what a model remembers: gradients through time, gates, states, what context is worth.

    A folder is written with a page of HTML that needs no network, its pictures, and beside each its numbers
    as CSV; the page's summary goes to standard output. See docs/diagnose.md.

    Parameters
    ----------
    run
        Run folder.
    data
        File, folder or sample:NAME of sequences to look at; left out: the test part of the run's own data.
    out
        Folder for the report; left out: RUN/inspect. An older report there is replaced.
    examples
        Most sequences to look at.
    mark
        Column with a mark for each step, such as 0 or 1, a number or a word: a probe says how well the state
        tells it. May be given again.
    marks
        Table with a row for each step, of all sequences one after the other, in which such columns stand;
        left out: they stand in DATA.
    """
    from elman.core.console import shown
    from elman.diagnostics.report import inspection
    from elman.plots import figures, html_report
    from elman.runs.load import load

    folder = run / "inspect" if out is None else out
    figures.new_figure()  # what is missing is told before the work
    html_report.check(folder)
    show = shown()
    found = inspection.inspect(
        load(run, device="cpu"),
        data,
        examples=examples,
        mark=mark,
        marks_file=marks,
        show=show,
        **given(reading),
    )
    found.write(folder, show)
    if found.warning:
        print(found.warning)
    for verdict in found.verdicts:
        print(f"{verdict.name}: {verdict.text}")
    print(folder / html_report.INDEX)
