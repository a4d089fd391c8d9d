"""Choose a classifier's settings from its data: the kind, number and length of its examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from elman.core.records import RawValue
from elman.core.run_config import RunConfig
from elman.inputs import registry
from elman.inputs.signals.signal_input import kind_of
from elman.inputs.text.text_input import Text
from elman.tasks import training_length
from elman.tasks.base import Choice
from elman.tasks.classify.settings import ClassifyConfig

_PROBED = 500
"""Examples that are read to know their lengths and symbols."""

_FILES = ("sound", "picture", "frames")
"""Kinds that may be files, which are not read to know their lengths."""

_FEW = 500
"""Fewer examples than this are few: training is short, by small batches."""

_SOME = 3000
"""Fewer examples than this are divided by classes, and few of them validate."""

_STEPS_OF_FEW, _STEPS = 400, 1700
"""Optimiser steps that few short series take, and other data."""

_LONG = 64
"""Steps from which on a series is read by the shapes in it, not by its values."""

_SHORT = 40
"""Symbols of a short string, such as a name or a word."""

_ALPHABET = 40
"""Most symbols of strings that are read in frames, such as those of DNA."""


class ClassifyFacts(NamedTuple):
    """What is known of the data before training.

    Args:
        kind: what is read: text, series, steps, pattern, sound, picture or frames.
        count: examples that are learnt from.
        steps: of the median example; 0 where it would take reading files.
        unit: of text.
        symbols: how many different ones the probed texts have.
        classes: whether a class is predicted, not several or a value.
        streams: whether layers of one direction are asked for, which can read a stream.
    """

    kind: str
    count: int
    steps: float
    unit: str
    symbols: int
    classes: bool
    streams: bool


def facts(
    values: Sequence[RawValue], share: float, run: RunConfig[ClassifyConfig], target: str
) -> ClassifyFacts:
    """Return what is known of the values that are read, a share of which is learnt from."""
    count, kind = round(share * len(values)), kind_of(values[0].value)
    streams = not run.options.bidirectional
    if kind in _FILES:
        return ClassifyFacts(kind, count, 0, "", 0, target == "class", streams)
    probed = values[:: max(1, len(values) // _PROBED)]
    member = registry.learn(probed, run)
    steps = median(len(member.encode(raw)) for raw in probed)
    vocab = member.vocab if isinstance(member, Text) else None
    unit = vocab.unit if vocab else ""
    return ClassifyFacts(
        member.kind, count, steps, unit, len(vocab) if vocab else 0, target == "class", streams
    )


def choices(data: ClassifyFacts, run: RunConfig[ClassifyConfig]) -> Iterator[Choice]:
    """Yield the settings that suit the data, but for those that go against what a user set."""
    training = run.training
    chooses = training.calibrate or training.early_stop or training.schedule == "plateau"
    for choice in _choices(data):
        framed = choice.setting == "classify.frames" and {"classify.frame", "classify.hop"} & run.given
        if not framed and not (choice.setting == "data.valid" and chooses):
            yield choice


def _choices(data: ClassifyFacts) -> Iterator[Choice]:
    if data.kind == "text":
        yield from _words(data) if data.unit == "word" else _symbols(data)
    elif data.kind == "sound":
        yield from _sound(data)
    elif data.kind == "picture":
        yield from _pictures(data)
    else:
        yield from _series(data)
    yield from _common(data)


def _common(data: ClassifyFacts) -> Iterator[Choice]:
    yield Choice("training.clip", 1.0, "one bad batch cannot undo many good ones")
    yield Choice("training.beta2", 0.99, "training is short: Adam must know the gradients' size soon")
    yield Choice("training.warmup", 0.1, "the same")
    yield Choice("training.final_lr", 0.0, "weights that come to rest are averaged")
    if not _is_shaped(data):
        yield Choice("classify.pool", "max", "a class shows somewhere in a sequence, wherever that is")
    if data.classes and data.count < _SOME:
        yield Choice(
            "data.split", "stratified", f"{data.count:,} examples: each part gets its share of each class"
        )
    if data.count < _FEW:
        yield Choice(
            "data.valid", 0.0, f"{data.count:,} examples are too few to spare some to choose an epoch by"
        )
    elif data.count < _SOME:
        yield Choice("data.valid", 0.05, f"of {data.count:,} examples most are to be learnt from")


def _is_shaped(data: ClassifyFacts) -> bool:
    """Whether series are read by shapes, which need the whole of them."""
    return data.kind == "series" and data.steps >= _LONG and not data.streams


def _series(data: ClassifyFacts) -> Iterator[Choice]:
    few = data.count < _FEW
    steps = _STEPS_OF_FEW if few else _STEPS
    yield Choice("network.cell", "gru", "as good as an LSTM on series, with three quarters of the weights")
    yield Choice("network.dropout", 0.3, f"{data.count:,} examples")
    yield Choice("classify.mixup", 0.3, "mixtures of series are as good as more series")
    if _is_shaped(data):
        yield Choice("signal.kernels", 1344, f"{data.steps:g} steps: shapes tell more than single values")
        yield Choice("classify.frames", 16, "the kernels are counted in 16 overlapping frames of any length")
        yield Choice("classify.pool", "mean", "shapes are counted")
        yield Choice("network.hidden", 64, "the kernels have done half of the work")
        yield Choice("network.input_dropout", 0.5, "there are more kernels than examples need")
    else:
        yield Choice("network.hidden", 128, "series")
        yield Choice("classify.frames", 32, "read as 32 overlapping frames of any length, a step each")
        yield Choice("signal.noise", 0.1, "series that differ by noise are the same")
        yield Choice("signal.scaling", 0.1, "series that differ by a factor are nearly the same")
    yield Choice("training.lr", 0.003, "the rate for these")
    yield Choice(
        "training.ema", 0.99 if few else 0.998, "the mean of the last weights is better than the last"
    )
    yield from training_length.choices(data.count, steps, 16 if few else 32, 4, 200)


def _sound(data: ClassifyFacts) -> Iterator[Choice]:
    yield Choice("network.cell", "gru", "as good as an LSTM on sound, with three quarters of the weights")
    yield Choice("network.hidden", 128, "log-mel frames")
    yield Choice("network.dropout", 0.3, f"{data.count:,} recordings")
    yield Choice("signal.level", True, "the same sound may be loud or soft")
    yield Choice("signal.mask_steps", 0.2, "a sound is known by its parts, too")
    yield Choice("signal.mask_features", 0.2, "a sound is known by some of its bands, too")
    yield Choice("training.lr", 0.003, "the rate for these")
    yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
    yield from training_length.choices(data.count, _STEPS, 32, 4, 60)


def _pictures(data: ClassifyFacts) -> Iterator[Choice]:
    yield Choice(
        "network.cell", "gru", "as good as an LSTM on rows of pixels, with three quarters of the weights"
    )
    yield Choice("network.hidden", 128, "rows of pixels")
    yield Choice("training.lr", 0.002, "the rate for these")
    yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
    yield from training_length.choices(data.count, 2200, 100 if data.count > 5_000 else 32, 4, 40)


def _words(data: ClassifyFacts) -> Iterator[Choice]:
    yield Choice("data.unit", "word", "texts with spaces")
    if data.count > _FEW:
        yield Choice("data.min_count", 2, "a word that is seen once teaches <unk>")
    yield Choice("data.ngrams", 2, "pairs of words have vectors of their own")
    yield Choice("data.char_ngrams", 6, "words are known by their parts, too, such as their endings")
    yield Choice("network.hidden", 128, "texts")
    yield Choice("network.embedding", 128, "texts")
    yield Choice("network.dropout", 0.5, f"{data.count:,} texts teach a vocabulary only roughly")
    yield Choice("network.input_dropout", 0.3, "the same")
    yield Choice("network.symbol_dropout", 0.2, "the same")
    yield Choice("network.variational", True, "what is dropped is dropped for a whole text")
    yield Choice("classify.adversarial", 0.1, "near vectors should mean the same")
    yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
    yield from training_length.choices(data.count, 900, 32, 4, 40)


def _symbols(data: ClassifyFacts) -> Iterator[Choice]:
    yield Choice("network.dropout", 0.5, f"{data.count:,} strings")
    yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
    if data.steps > _SHORT and data.symbols <= _ALPHABET:
        yield Choice("network.cell", "gru", "as good as an LSTM here, with three quarters of the weights")
        yield Choice("network.hidden", 128, "long strings of few symbols")
        yield Choice("network.embedding", 32, f"{data.symbols} symbols")
        yield Choice("network.symbol_dropout", 0.1, "one symbol is often another")
        yield Choice("classify.frame", 8, f"{data.steps:g} symbols: a step is 8 of them, which overlap")
        yield Choice("classify.hop", 2, "the same")
        yield Choice("training.lr", 0.003, "the rate for these")
        yield from training_length.choices(data.count, _STEPS, 32, 4, 60)
        return
    yield Choice("data.ngrams", 3, "n-grams of symbols have vectors of their own")
    yield Choice("network.hidden", 192, "short strings")
    yield Choice("network.embedding", 64, f"{data.symbols} symbols")
    yield Choice("network.input_dropout", 0.3, f"{data.count:,} strings")
    yield Choice("network.symbol_dropout", 0.05, "one symbol is often another")
    yield Choice("network.variational", True, "what is dropped is dropped for a whole string")
    yield Choice("classify.smoothing", 0.1, "many a short string belongs to several classes")
    yield Choice("classify.adversarial", 0.05, "near vectors should mean the same")
    yield from training_length.choices(data.count, 3_400, 64 if data.count > 4_000 else 32, 4, 60)
