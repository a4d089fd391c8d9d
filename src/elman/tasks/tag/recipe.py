"""Choose a tagger's settings from its data: the number of its sentences."""

from __future__ import annotations

from collections.abc import Iterator

from elman.core.run_config import RunConfig
from elman.tasks import training_length
from elman.tasks.base import Choice
from elman.tasks.tag.settings import TagConfig

_FEW = 300
"""Fewer sentences than this are few."""


def choices(count: int, run: RunConfig[TagConfig]) -> Iterator[Choice]:
    """Yield the settings that suit `count` sentences to learn from.

    Args:
        count: sentences.
        run: the settings so far.
    """
    if run.options.bidirectional:
        yield Choice("tag.output", "crf", "which tag follows which is learnt, too")
    yield Choice("tag.char_hidden", 100, "words that were never seen are known by their letters")
    yield Choice("tag.word_dropout", 1.0, "what a word that is seen once teaches, its letters should, too")
    yield Choice("network.hidden", 256 if count >= _FEW else 128, f"{count:,} sentences")
    yield Choice("network.embedding", 128, "words")
    yield Choice("training.clip", 1.0, "one bad batch cannot undo many good ones")
    yield from training_length.choices(count, 3_600, 32, 8, 30)
