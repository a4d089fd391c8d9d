"""`elman sample` and `elman complete`: write with a trained model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from elman.core.errors import TaskError, VocabError

if TYPE_CHECKING:
    from elman.tasks.draw.result import GeneratedSequence


def sample(
    run: Path,
    /,
    *,
    prompt: str = "",
    length: int = 400,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int | None = None,
    count: int = 1,
    start: str = "",
    prefix: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
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
    temperature
        Below 1 the likely becomes likelier; 0 takes the likeliest always.
    top_k
        Choose among that many likeliest symbols; 0: among all.
    top_p
        Choose among the likeliest symbols that together have this probability.
    seed
        The same seed writes the same.
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

    model = load(run, device=device)
    if model.draws:
        _refuse(run, "draws", {"prompt": prompt, "top-k": top_k, "top-p": top_p != 1})
        made = model.draw(
            count,
            length=length,
            start=start,
            prefix=None if prefix is None else str(prefix),
            temperature=temperature,
            seed=seed,
        )
        _put(made, out)
        return
    _refuse(run, "writes", {"count": count != 1, "start": start, "prefix": prefix, "out": out})
    pieces = model.write(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
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
            raise TaskError(f"--{name}", f"not for {run}, which {does}", remedy="leave it out")


def _put(made: list[GeneratedSequence], out: Path | None) -> None:
    """Write drawings to a file, or as JSON lines to standard output."""
    from elman.tasks.draw import result

    if out is None:
        sys.stdout.write(result.json_lines(made))
        return
    result.save(out, made)
    print(f"wrote {out}")


def complete(run: Path, /, *, count: int = 5, device: str = "auto") -> None:
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
