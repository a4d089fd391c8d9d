"""Choose a recogniser's settings from its data: what is read, and how many recordings there are."""

from __future__ import annotations

from collections.abc import Iterator

from elman.core.run_config import RunConfig
from elman.tasks import training_length
from elman.tasks.base import Choice
from elman.tasks.recognize.settings import RecognizeConfig

_FEW = 2_000
"""Fewer recordings than this are few: none is spared to validate."""


def choices(kind: str, count: int, run: RunConfig[RecognizeConfig]) -> Iterator[Choice]:
    """Yield the settings that suit `count` sequences to learn from.

    Args:
        kind: what is read: sound, series (features such as MFCC), or picture.
        count: sequences.
        run: the settings so far.
    """
    if kind not in ("sound", "series"):
        return
    whole = run.options.bidirectional  # one direction streams, which looking at the whole prevents
    if count < _FEW and not (run.training.early_stop or run.training.calibrate):
        yield Choice(
            "data.valid", 0.0, f"{count:,} recordings are too few to spare some to choose an epoch by"
        )
    yield Choice("training.warmup", 0.1 if kind == "sound" else 0.05, "the first steps decide little")
    yield Choice("training.final_lr", 0.0, "weights that come to rest are averaged")
    yield Choice("recognize.speed", 0.1, "speech is fast or slow")
    if kind == "sound":
        if whole:
            yield Choice("signal.level", True, "the same sound may be loud or soft")
        yield Choice("signal.mask_steps", 0.05, "a sound is known by its parts, too")
        yield Choice("signal.mask_features", 0.15, "a sound is known by some of its bands, too")
        yield Choice("signal.masks", 2, "the same")
        yield Choice("network.cell", "gru", "as good as an LSTM on sound, with three quarters of the weights")
        yield Choice("network.dropout", 0.3, f"{count:,} recordings")
        yield Choice("training.beta2", 0.99, "training is short: Adam must know the gradients' size soon")
        yield Choice("recognize.frame", 3, "three frames of sound are a step")
        yield Choice("recognize.hop", 2, "steps overlap")
        yield from training_length.choices(count, 3_000, 32, 8, 60)
        return
    if whole:
        yield Choice("signal.normalise", "sequence", "speakers and channels differ")
    yield Choice("signal.deltas", 2, "slopes tell as much as values")
    yield Choice("signal.mask_steps", 0.08, "a sound is known by its parts, too")
    yield Choice("signal.mask_features", 0.1, "a sound is known by some of its features, too")
    yield Choice("signal.masks", 3, "the same")
    yield Choice("network.hidden", 192, "features of speech")
    yield Choice("network.layers", 3, "the same")
    yield Choice("network.dropout", 0.35, f"{count:,} recordings")
    yield Choice("training.lr", 0.002, "the rate for these")
    yield Choice("training.ema", 0.999, "the mean of many weights is better than the last")
    yield Choice("training.weight_noise", 0.02, f"{count:,} recordings are soon learnt by heart")
    yield Choice("recognize.frame", 3, "three frames are a step")
    yield from training_length.choices(count, 3_500, 16, 8, 60)
