"""How right recognised texts are: error rates, which symbols were confused, errors of each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from elman.metrics import edit_distance

_MOST_CONFUSIONS = 12
_ALIGNED = 400
"""Wrong lines, at most, whose confusions are counted: pairs are aligned one by one."""
_NOTHING = "∅"


def plain(text: str, *, lower: bool) -> str:
    """A text as it is compared: with one space where there are several, small letters if asked for."""
    return " ".join((text.lower() if lower else text).split())


def rates(right: Sequence[str], transcripts: Sequence[str], *, unit: str) -> dict[str, float]:
    """Word error rate, symbol error rate (characters, but words of the unit word) and exact matches.

    Args:
        right: the texts, plain.
        transcripts: the transcripts, plain.
        unit: of the symbols.
    """
    found = {
        "word_error_rate": edit_distance.error_rate(
            [t.split() for t in right], [t.split() for t in transcripts]
        )
    }
    if unit == "word":
        found["symbol_error_rate"] = found["word_error_rate"]
    else:
        found["symbol_error_rate"] = edit_distance.error_rate(right, transcripts)
    same = sum(a == b for a, b in zip(right, transcripts, strict=True))
    return {**found, "exact_match": same / max(1, len(right))}


def confusions(right: Sequence[str], transcripts: Sequence[str], *, unit: str) -> list[Sequence[object]]:
    """A table of the most frequent edits of symbols: what was there, what was recognised, how often."""
    counts: Counter[tuple[str, str]] = Counter()
    wrong = [(a, b) for a, b in zip(right, transcripts, strict=True) if a != b]
    for a, b in wrong[:_ALIGNED]:
        pair = (a.split(), b.split()) if unit == "word" else (a, b)
        counts.update(edit for edit in edit_distance.edits(*pair) if edit[0] != edit[1])
    rows = [(_shown(a), _shown(b), count) for (a, b), count in counts.most_common(_MOST_CONFUSIONS)]
    return [("there", "recognised", "times"), *rows]


def errors(right: Sequence[str], transcripts: Sequence[str], *, unit: str) -> list[int]:
    """How many symbols of each line have to be changed."""
    split = [
        (a.split(), b.split()) if unit == "word" else (a, b) for a, b in zip(right, transcripts, strict=True)
    ]
    return edit_distance.edit_distances(split).tolist()


def _shown(symbol: Hashable) -> str:
    return {"": _NOTHING, " ": "␣"}.get(str(symbol), str(symbol))


def words(texts: Sequence[str]) -> Iterator[str]:
    """The words of texts, each once, in the order of the alphabet."""
    yield from sorted({word for text in texts for word in text.split()})
