"""`elman sample` and `elman complete`: write with a trained model."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from elman.cli.options import Whole, given, options_class
from elman.core.errors import TaskError, VocabError
from elman.decoding.options import SamplingOptions

if TYPE_CHECKING:
    from elman.tasks.draw.result import GeneratedSequence

Options: Any = options_class(SamplingOptions)
_NONE = Options()


def sample(
    run: Path,
    /,
    *,
    prompt: str = "",
    length: Whole = 400,
    count: Whole = 1,
    start: str = "",
    prefix: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    chosen: Annotated[Options, Parameter(name="*")] = _NONE,
) -> None:
    """Write text, draw, or make music with a trained model.

    Text goes to standard output; what is drawn goes to --out, or as JSON lines to standard output too.

    Parameters
    ----------
    run
        Run folder.
    prompt
        What a text begins with.
    length
        Symbols to write; most steps to draw.
    count
        How many drawings.
    start
        Class or text that drawings start from.
    prefix
        File of steps (.npy) that drawings go on from.
    out
        File for drawings: svg, png, pdf; mid for music; npz and jsonl for steps.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model, sampling = load(run, device=device), given(chosen)
    if model.can("draw"):
        usual, both = asdict(SamplingOptions()), ("temperature", "seed")
        others = {name: value != usual[name] for name, value in sampling.items() if name not in both}
        _refuse(run, "draws", {"prompt": prompt, **others})
        made = model.draw(
            count,
            length=length,
            start=start,
            prefix=None if prefix is None else str(prefix),
            **{name: value for name, value in sampling.items() if name in both},
        )
        _put(made, out)
        return
    _refuse(run, "writes", {"count": count != 1, "start": start, "prefix": prefix, "out": out})
    pieces = model.write(prompt, length, **sampling)
    first = next(pieces, "")
    sys.stdout.write(prompt + first)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _refuse(run: Path, does: str, given: dict[str, object]) -> None:
    """Refuse options that a model which does this has no use for."""
    for name, value in given.items():
        if value:
            raise TaskError(
                f"--{name.replace('_', '-')}", f"not for {run}, which {does}", remedy="leave it out"
            )


def _put(made: list[GeneratedSequence], out: Path | None) -> None:
    """Write drawings to a file, or as JSON lines to standard output."""
    from elman.tasks.draw import result

    if out is None:
        sys.stdout.write(result.json_lines(made))
        return
    result.save(out, made)
    print(f"wrote {out}")


def complete(run: Path, /, *, count: Whole = 5, device: str = "auto") -> None:
    """Tell the likeliest next words with their probabilities.

    On a terminal the words change as you type. As a filter, each line of standard input gives a line with
    word, probability, word, probability, ... separated by tabs, and is empty where a character is unknown.

    Parameters
    ----------
    run
        Run folder.
    count
        How many words.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model = load(run, device=device)

    def suggest(text: str) -> list[tuple[str, float]]:
        try:
            return model.complete(text, count)
        except VocabError as error:
            if not sys.stdin.isatty():
                print(f"elman: {error}", file=sys.stderr)
            return []

    if sys.stdin.isatty():
        from elman.cli.typeahead import typed

        print("Type; Tab takes the first word, Ctrl-D ends.")
        typed(suggest)
        return
    while line := sys.stdin.readline():
        words = suggest(line.rstrip("\r\n"))
        print("\t".join(f"{word}\t{probability:.4f}" for word, probability in words), flush=True)
