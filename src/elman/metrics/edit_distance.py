"""Edit distances between sequences, and error rates made from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np

Pair = tuple[Sequence[Hashable], Sequence[Hashable]]
"""Two sequences of symbols, such as two texts or two lists of words."""

_CELLS = 1 << 17
"""How many numbers a row has, at most, of all tables of distances that are filled side by side."""


def error_rate(references: Sequence[Sequence[Hashable]], guesses: Sequence[Sequence[Hashable]]) -> float:
    """Return the edits from the guesses to the references, over their symbols: sum d(r, g) / sum |r|.

    Of characters it is the character error rate, of words the word error rate; it may be above 1. All that is
    guessed for an empty reference is an error each. Where all references are empty, it is 0 if all guesses
    are, and infinite else.

    Args:
        references: [N] sequences of symbols.
        guesses: [N], one for each.
    """
    errors = int(edit_distances(list(zip(references, guesses, strict=True))).sum())
    symbols = sum(map(len, references))
    return errors / symbols if symbols else float("inf") if errors else 0.0


def edit_distances(pairs: Sequence[Pair]) -> np.ndarray:
    """Return the fewest insertions, deletions and substitutions from one to the other: [N] int64.

    D[i, j] = min(D[i-1, j] + 1, D[i-1, j-1] + [a_i != b_j], D[i, j-1] + 1) (Levenshtein 1966, by the table of
    Wagner & Fischer 1974). Rows i follow each other; all pairs and all j are done at once, the last term as a
    running minimum: D[i, j] = j + min_(k <= j) (E[i, k] - k), E being the minimum of the first two.

    Args:
        pairs: of sequences of symbols that can be hashed.
    """
    numbers: defaultdict[Hashable, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # each new symbol gets the next number
    coded = [sorted((_coded(one, numbers), _coded(two, numbers)), key=len) for one, two in pairs]
    distances = np.zeros(len(pairs), np.int64)
    for chosen in _alike([(len(short), len(long)) for short, long in coded]):
        distances[chosen] = _distances(*zip(*(coded[i] for i in chosen), strict=True))
    return distances


def edits(reference: Sequence[str], guess: Sequence[str]) -> list[tuple[str, str]]:
    """Align the symbols of both by the fewest edits; an empty string where one has none.

    Of equally few edits substitutions come first, then what is missing, by the table of Wagner & Fischer.

    Args:
        reference: what is right.
        guess: the prediction.
    """
    table = [list(range(len(guess) + 1))]
    for i, symbol in enumerate(reference, start=1):
        row, above = [i], table[-1]
        for j, other in enumerate(guess, start=1):
            row.append(min(above[j - 1] + (symbol != other), above[j] + 1, row[j - 1] + 1))
        table.append(row)
    pairs: list[tuple[str, str]] = []
    i, j = len(reference), len(guess)
    while i or j:
        if i and j and table[i][j] == table[i - 1][j - 1] + (reference[i - 1] != guess[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], guess[j]))
        elif i and table[i][j] == table[i - 1][j] + 1:
            i -= 1
            pairs.append((reference[i], ""))
        else:
            j -= 1
            pairs.append(("", guess[j]))
    return pairs[::-1]


def _coded(symbols: Sequence[Hashable], numbers: Mapping[Hashable, int]) -> np.ndarray:
    return np.fromiter(map(numbers.__getitem__, symbols), np.int32, len(symbols))


def _alike(lengths: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield which pairs are done side by side: of like lengths, in rising order, and not too many."""
    chosen: list[int] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        longest = max(longest, lengths[i][1])
        if chosen and (len(chosen) + 1) * (longest + 1) > _CELLS:
            yield chosen
            chosen, longest = [], lengths[i][1]
        chosen.append(i)
    if chosen:
        yield chosen


def _distances(short: Sequence[np.ndarray], long: Sequence[np.ndarray]) -> np.ndarray:
    """Return the distances of pairs whose first sequences rise in length: [B]."""
    starts, ends = np.array(list(map(len, short))), np.array(list(map(len, long)))
    steps, others = _padded(short, starts), _padded(long, ends)
    places = np.arange(len(others) + 1, dtype=np.int32)[:, None]
    row = np.repeat(places, len(ends), axis=1)
    for i, symbols in enumerate(steps):
        going = slice(
            int(np.searchsorted(starts, i, "right")), None
        )  # the shorter ones have come to their end
        above = row[:, going]
        fresh = above + 1
        np.minimum(fresh[1:], above[:-1] + (others[:, going] != symbols[going]), out=fresh[1:])
        row[:, going] = places + np.minimum.accumulate(fresh - places, axis=0)
    return row[ends, np.arange(len(ends))]


def _padded(sequences: Sequence[np.ndarray], lengths: np.ndarray) -> np.ndarray:
    """Return [T, B], T being the longest, with -1 after an end."""
    padded = np.full((lengths.max(), len(sequences)), -1, np.int32)
    for column, (sequence, length) in enumerate(zip(sequences, lengths, strict=True)):
        padded[:length, column] = sequence
    return padded
