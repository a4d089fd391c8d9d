"""Words as rows of numbers of their characters. It knows no vocabulary and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def char_table(words: Sequence[str], numbers: Callable[[str], np.ndarray], longest: int) -> np.ndarray:
    """The characters of each word, and zeros after them: [N, longest] int32.

    Args:
        words: none of them empty.
        numbers: of the characters of a text, one each, above 0.
        longest: how many characters of a word are told, half of them from its end where it has more.
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
