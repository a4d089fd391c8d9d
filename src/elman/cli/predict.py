"""`elman predict`, `elman sample`, `elman complete` and `elman eval`: a trained model at work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import TextIOWrapper
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

from cyclopts import Parameter


def evaluate(
    run: Path,
    data: str,
    /,
    *,
    format: str = "auto",  # noqa: A002, the option's name
    encoding: str = "utf-8",
    strict: bool = False,
    beam: int | None = None,
    device: str = "auto",
) -> None:
    """Measure a model on a file, a folder or sample:NAME, beside trivial baselines.

    Parameters
    ----------
    run
        Run folder.
    data
        What to measure on.
    format
        How the data are stored (see docs/formats.md); auto: by name and content.
    encoding
        How the text is encoded.
    strict
        Refuse data with a record that cannot be scored, instead of leaving it out and saying so.
    beam
        Beam width, for models that search with a beam; left out: as the settings of the run say.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model = load(run, device=device)
    model = model if beam is None else model.with_beam(beam)
    print("\n".join(model.evaluate(data, form=format, encoding=encoding, strict=strict).lines()))


def predict(
    run: Path,
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    format: str = "auto",  # noqa: A002, the option's name
    encoding: str = "utf-8",
    strict: bool = False,
    beam: int | None = None,
    device: str = "auto",
) -> None:
    """Predict for a file, or for each line of standard input.

    What was read is written to standard output in its order and form, with the prediction and its probability
    added: the columns of a table, the tags of a CoNLL file, else JSON lines.

    Parameters
    ----------
    run
        Run folder.
    data
        File, folder, sample:NAME, or - for standard input, of which each line is answered at once.
    format
        How the data are stored (see docs/formats.md); auto: by name and content, lines of text from
        standard input.
    encoding
        How the text is encoded, on standard input too.
    strict
        Refuse data with a record that cannot be read, instead of leaving its prediction empty and saying so.
    beam
        Beam width, for models that search with a beam; left out: as the settings of the run say.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model = load(run, device=device)
    model = model if beam is None else model.with_beam(beam)
    if data == "-" and format == "auto":
        _set_encoding(encoding)
        model.answer_lines(sys.stdin, sys.stdout)
        return
    with _spooled(format) if data == "-" else nullcontext(data) as source:
        model.write_predictions(source, sys.stdout, form=format, encoding=encoding, strict=strict)


def _set_encoding(name: str) -> None:
    """Decode standard input with this encoding; other bytes are kept, and reported with their line.

    Raises:
        DataError: there is no such encoding.
    """
    from elman.data.formats.base import check_encoding

    check_encoding(name)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding=name, errors="surrogateescape")


@contextmanager
def _spooled(name: str) -> Iterator[str]:
    """Standard input as a file, for formats that are read from one.

    Raises:
        ConfigError: there is no such format.
    """
    from elman.data.formats import registry

    registry.find("standard input", name=name)
    with NamedTemporaryFile(prefix="standard-input-", suffix=f".{name}") as file:
        file.write(sys.stdin.buffer.read())
        file.flush()
        yield file.name
