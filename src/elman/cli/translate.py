"""`elman translate`: lines of standard input into what a model writes for them."""

from __future__ import annotations

import sys
from codecs import getincrementaldecoder, lookup
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from elman.cli.options import Whole, given, options_class
from elman.core.errors import DataError
from elman.core.formatting import one_line
from elman.decoding.options import FROM_THE_RUN, SearchOptions

if TYPE_CHECKING:
    from elman.tasks.seq2seq.result import GeneratedText


Translate = Callable[..., "Sequence[list[GeneratedText]]"]
"""Texts, and their names -> what is written for each."""

_READ, _AT_ONCE = 1 << 16, 64
"""Most bytes that are read, and most lines that are translated, at a time."""

_SHOWN = 6
"""Lines of which the picture shows where their symbols came from."""

Options: Any = options_class(
    SearchOptions,
    without=("count",),
    usual=dict.fromkeys(FROM_THE_RUN, "as the settings of the run say"),
)
_NONE = Options()


def translate(
    run: Path,
    /,
    *,
    n_best: Whole = 1,
    attention: Path | None = None,
    encoding: str = "utf-8",
    device: str = "auto",
    chosen: Annotated[Options, Parameter(name="*")] = _NONE,
) -> None:
    """Translate each line of standard input, as it comes, to a line of standard output.

    An empty line, and one that cannot be read, gives an empty line; a line end within a translation is
    written as a space. With --n-best each line gives some, with its number, the score and the text, separated
    by tabs.

    Parameters
    ----------
    run
        Run folder.
    n_best
        How many translations of each line to give.
    attention
        File for a picture of where the symbols of the first lines came from (png, svg, pdf).
    encoding
        How the text of standard input is encoded.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.data.formats.base import check_encoding
    from elman.runs.load import load
    from elman.tasks.seq2seq.result import save_picture

    check_encoding(encoding)
    translate = partial(load(run, device=device).translate, count=n_best, **given(chosen))
    seen: list[GeneratedText] = []
    for first, lines in _arriving(encoding):
        found = _translated(translate, first, lines)
        sys.stdout.writelines(_rows(found, first, n_best))
        sys.stdout.flush()
        if attention:
            seen += [several[0] for several in found[: max(0, _SHOWN - len(seen))] if several]
    if attention and seen:
        save_picture(attention, seen)


def _arriving(encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of standard input as soon as they arrive, and the number of the first."""
    first, rest = 1, ""
    # Bytes that are no UTF-8 are kept, and translations with their line.
    errors = "surrogateescape" if lookup(encoding).name == "utf-8" else "replace"
    decoder = getincrementaldecoder(encoding)(errors)
    arrived: BufferedReader = sys.stdin.buffer  # type: ignore[assignment]
    while data := arrived.read1(_READ):
        *whole, rest = (rest + decoder.decode(data)).split("\n")
        for start in range(0, len(whole), _AT_ONCE):
            lines = [line.removesuffix("\r") for line in whole[start : start + _AT_ONCE]]
            yield first, lines
            first += len(lines)
    if rest := rest + decoder.decode(b"", final=True):
        yield first, [rest.removesuffix("\r")]


def _translated(translate: Translate, first: int, lines: list[str]) -> list[list[GeneratedText]]:
    """Translate each line; nothing for an empty one, and for one that cannot be read."""
    found: list[list[GeneratedText]] = [[] for _ in lines]
    asked = [place for place, line in enumerate(lines) if line.strip()]
    try:
        translations = translate(
            [lines[place] for place in asked], names=[f"line {first + place}" for place in asked]
        )
        for place, several in zip(asked, translations, strict=True):
            found[place] = several
    except DataError as error:
        if len(asked) > 1:  # one of them is at fault: the others have their answers
            return [_translated(translate, first + place, [line])[0] for place, line in enumerate(lines)]
        print(f"elman: {error}", file=sys.stderr)
    return found


def _rows(found: list[list[GeneratedText]], first: int, count: int) -> Iterator[str]:
    for number, several in enumerate(found, start=first):
        if count == 1:
            yield f"{one_line(several[0].text) if several else ''}\n"
        else:
            yield from (f"{number}\t{one.score:.4f}\t{one_line(one.text)}\n" for one in several)
