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

from elman.cli.options import ReadingOptions, Whole, given
from elman.cli.scores import print_scores

_READ = ReadingOptions()


def evaluate(
    run: Path,
    data: str,
    /,
    *,
    beam: Whole | None = None,
    device: str = "auto",
    reading: Annotated[ReadingOptions, Parameter(name="*")] = _READ,
) -> None:
    """Measure a model on a file, a folder or sample:NAME, beside trivial baselines.

    Parameters
    ----------
    run
        Run folder.
    data
        What to measure on.
    beam
        Beam width, for models that search with a beam; left out: as the settings of the run say.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model = load(run, device=device)
    model = model if beam is None else model.with_beam(beam)
    print_scores(model.evaluate(data, **given(reading)))


def predict(
    run: Path,
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    beam: Whole | None = None,
    device: str = "auto",
    reading: Annotated[ReadingOptions, Parameter(name="*")] = _READ,
) -> None:
    """Predict for a file, or for each line of standard input.

    What was read is written to standard output in its order and form, with the prediction and its probability
    added: the columns of a table, the tags of a CoNLL file, else JSON lines. From standard input come lines
    of text, unless --format is given.

    Parameters
    ----------
    run
        Run folder.
    data
        File, folder, sample:NAME, or - for standard input, of which each line is answered at once.
    beam
        Beam width, for models that search with a beam; left out: as the settings of the run say.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model = load(run, device=device)
    model = model if beam is None else model.with_beam(beam)
    said = given(reading)
    form = said.get("format", "auto")
    if data == "-" and form == "auto":
        _set_encoding(said.get("encoding", "auto"))
        model.answer_lines(sys.stdin, sys.stdout)
        return
    with _spooled(form) if data == "-" else nullcontext(data) as source:
        model.write_predictions(source, sys.stdout, **said)


def _set_encoding(name: str) -> None:
    """Decode standard input with this encoding (auto: UTF-8); other bytes are kept and reported.

    Raises:
        DataError: there is no such encoding.
    """
    from elman.data.formats.base import check_file_encoding

    check_file_encoding(name)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8" if name == "auto" else name, errors="surrogateescape")


@contextmanager
def _spooled(name: str) -> Iterator[str]:
    """Spool standard input to a file, for formats that are read from one.

    Raises:
        ConfigError: there is no such format.
    """
    from elman.data.formats import registry

    registry.find("standard input", name=name)
    with NamedTemporaryFile(prefix="standard-input-", suffix=f".{name}") as file:
        file.write(sys.stdin.buffer.read())
        file.flush()
        yield file.name
