"""Choose a translator's settings from its pairs: what they are written in, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from elman.tasks import training_length
from elman.tasks.base import Choice

_MANY = 5_000
"""Pairs of sentences from which on subwords can be learnt."""

_FEW_SYMBOLS = 200
"""Most different words of targets that are symbols with spaces between, such as phonemes."""


class PairFacts(NamedTuple):
    """What is known of the pairs before training.

    Args:
        count: pairs that are learnt from.
        spaced: whether most sources have a space; None: they are not texts.
        target_spaced: whether most targets have.
        target_words: different words of the targets.
    """

    count: int
    spaced: bool | None
    target_spaced: bool
    target_words: int


def facts(sources: Sequence[object], targets: Sequence[str], count: int) -> PairFacts:
    """Return what is known of the pairs, `count` of which are learnt from."""
    texts = [source for source in sources if isinstance(source, str)]
    spaced = _spaced(texts) if len(texts) == len(sources) else None
    words = {word for target in targets for word in target.split()}
    return PairFacts(count, spaced, _spaced(targets), len(words))


def _spaced(texts: Sequence[str]) -> bool:
    return 2 * sum(" " in text.strip() for text in texts) > len(texts)


def choices(data: PairFacts) -> Iterator[Choice]:
    """Yield the settings that suit the pairs."""
    if data.spaced is None:
        return
    yield Choice("training.clip", 1.0, "one bad batch cannot undo many good ones")
    if data.spaced and data.target_spaced and data.count >= _MANY:
        yield Choice("data.unit", "bpe", f"{data.count:,} pairs: rare words are read and written in parts")
        yield Choice("data.vocab_size", 4000, "subwords")
        yield Choice("network.hidden", 256, "sentences")
        yield Choice("network.embedding", 256, "subwords")
        yield Choice("network.dropout", 0.4, f"{data.count:,} pairs")
        yield Choice("network.input_dropout", 0.3, "the same")
        yield Choice("translate.beam", 1, "an epoch is scored soon; elman translate takes --beam 5")
        yield from training_length.choices(data.count, 7_250, 64, 4, 30)
    elif not data.spaced:
        yield Choice("network.cell", "lstm", "it keeps what is spelled")
        yield Choice("network.embedding", 128, "single symbols")
        yield Choice("training.lr", 0.003, "the rate for these")
        if data.target_spaced and data.target_words <= _FEW_SYMBOLS:
            yield Choice("translate.target_unit", "word", f"{data.target_words} symbols with spaces between")
            yield Choice("translate.watch", "symbol_error_rate", "single symbols are right or wrong")
        batch = 256 if data.count >= 50_000 else 64
        yield from training_length.choices(data.count, 9_700, batch, 4, 30)
