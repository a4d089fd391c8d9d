"""What tags are worth: accuracies, confusions, the simplest tagger. It works on numbers of tags, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from elman.tasks.tag.spans import SpanCounts, total

_SHOWN = 30
"""Tags in a table or picture: the most frequent ones."""


def accuracies(there: np.ndarray, predicted: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """The share of tags that are right: of all words, of known and of unknown ones where there are such.

    Args:
        there: [N], the true tags.
        predicted: [N].
        known: [N] bool, whether a word is known.
    """
    right = there == predicted
    groups = {"accuracy": right, "accuracy_known": right[known], "accuracy_unknown": right[~known]}
    return {name: float(group.mean()) for name, group in groups.items() if len(group)}


def frequent_tags(train: tuple[np.ndarray, np.ndarray], words: int) -> np.ndarray:
    """The most frequent tag of each word, [words + 1] int64; where a word has none, that of all.

    Args:
        train: numbers of words, 0 for one that is not known, and their tags, each [N].
        words: the highest number of a word.
    """
    numbers, tags = (column.astype(np.int64) for column in train)
    count = int(tags.max()) + 1
    pairs, seen = np.unique(numbers * count + tags, return_counts=True)
    best = np.full(words + 1, np.bincount(tags).argmax())
    pairs = pairs[np.argsort(seen, kind="stable")]
    best[pairs // count] = pairs % count  # of a word's tags the last one stays, which is the most frequent
    return best


def tag_rows(counts: np.ndarray, tags: Sequence[str]) -> list[list[object]]:
    """A table of precision, recall and F1 of each tag, the most frequent first."""
    each = [
        SpanCounts(int(counts[i, i]), int(counts[:, i].sum()), int(counts[i].sum())) for i in range(len(tags))
    ]
    ranked = sorted(range(len(tags)), key=lambda i: -each[i].there)[:_SHOWN]
    return [["tag", "precision", "recall", "F1", "tokens"], *(_row(tags[i], each[i]) for i in ranked)]


def span_rows(counts: Mapping[str, SpanCounts]) -> list[list[object]]:
    """A table of precision, recall and F1 of each type of span, and of all."""
    named = {**counts, "all": total(counts)}
    return [
        ["type", "precision", "recall", "F1", "spans"],
        *(_row(kind, each) for kind, each in named.items()),
    ]


def confused(counts: np.ndarray, tags: Sequence[str], most: int = 10) -> list[list[object]]:
    """A table of the most frequent mistakes."""
    wrong = counts * (1 - np.eye(len(tags), dtype=counts.dtype))
    places = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows = [
        (row, column, int(wrong[row, column]))
        for row, column in zip(*np.unravel_index(places, wrong.shape), strict=True)
    ]
    share = max(1, int(wrong.sum()))
    head: list[object] = ["tag", "predicted as", "tokens", "share of all mistakes"]
    return [head, *([tags[row], tags[column], count, count / share] for row, column, count in rows if count)]


def frequent(counts: np.ndarray, tags: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The confusions of the most frequent tags, and these, the most frequent first."""
    ranked = np.argsort(-counts.sum(1), kind="stable")[:_SHOWN]
    return counts[np.ix_(ranked, ranked)], [tags[place] for place in ranked]


def _row(name: str, counts: SpanCounts) -> list[object]:
    return [name, counts.precision, counts.recall, counts.f1, counts.there]
