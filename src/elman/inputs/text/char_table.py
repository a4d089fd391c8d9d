"""Encode words as rows of numbers of their characters. Independent of vocabularies and networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def char_table(words: Sequence[str], numbers: Callable[[str], np.ndarray], longest: int) -> np.ndarray:
    """The characters of each word, and zeros after them: [N, longest] int32.

    Args:
        words: none of them empty.
        numbers: of the characters of a text, one each, above 0.
        longest: characters kept of a word, half of them from its end if it has more.
    """
    table = np.zeros((len(words), longest), np.int32)
    cut = [_cut(word, longest) for word in words]
    lengths = np.fromiter(map(len, cut), np.int64, len(cut))
    table[np.arange(longest) < lengths[:, None]] = numbers("".join(cut))
    return table


def _cut(word: str, longest: int) -> str:
    if len(word) <= longest:
        return word
    end = longest // 2
    return word[: longest - end] + word[len(word) - end :]
