"""`elman sample`, `elman complete` and `elman eval`: a trained model at work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from elman.errors import VocabError

Suggest = Callable[[str], list[tuple[str, float]]]


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
    device: str = "auto",
) -> None:
    """Write text with a trained model.

    Parameters
    ----------
    run
        Run folder.
    prompt
        What the text begins with.
    length
        Symbols to write.
    temperature
        Below 1 the likely becomes likelier; 0 takes the likeliest always.
    top_k
        Choose among that many likeliest symbols; 0: among all.
    top_p
        Choose among the likeliest symbols that together have this probability.
    seed
        The same seed writes the same text.
    device
        cpu, cuda, cuda:1, mps; auto: the best there is.
    """
    from elman.model import load

    pieces = load(run, device=device).write(
        prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
    )
    first = next(pieces, "")
    sys.stdout.write(prompt + first)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


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
        cpu, cuda, cuda:1, mps; auto: the best there is.
    """
    from elman.model import load

    model = load(run, device=device)

    def suggest(text: str) -> list[tuple[str, float]]:
        try:
            return model.complete(text, count)
        except VocabError as error:
            if not sys.stdin.isatty():
                print(f"elman: {error}", file=sys.stderr)
            return []

    if sys.stdin.isatty():
        _on_terminal(suggest)
        return
    while line := sys.stdin.readline():
        words = suggest(line.rstrip("\r\n"))
        print("\t".join(f"{word}\t{probability:.4f}" for word, probability in words), flush=True)


def _on_terminal(suggest: Suggest) -> None:
    """Suggestions with every key; after every line where the system's terminals cannot be read by key."""
    print("Type; Tab takes the first word, Ctrl-D ends.")
    if find_spec("termios"):
        from elman.live import typed

        typed(suggest)
        return
    for line in sys.stdin:
        words = suggest(line.rstrip("\r\n"))
        print("\n".join(f"  {word:<20} {probability:6.1%}" for word, probability in words))


def evaluate(run: Path, data: str, /, *, encoding: str = "utf-8", device: str = "auto") -> None:
    """Measure a model on a file, a folder or sample:NAME, beside trivial baselines.

    Parameters
    ----------
    run
        Run folder.
    data
        What to measure on.
    encoding
        How the text is encoded.
    device
        cpu, cuda, cuda:1, mps; auto: the best there is.
    """
    from elman import report
    from elman.model import load

    scores = load(run, device=device).evaluate(data, encoding=encoding)
    print("\n".join(report.table({Path(data).name: scores})))
