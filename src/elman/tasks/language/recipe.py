"""Choose a language model's settings from its text: how long it is."""

from __future__ import annotations

from collections.abc import Iterator

from elman.core.run_config import RunConfig
from elman.tasks.base import Choice
from elman.tasks.language.settings import LanguageConfig

_LONG = 300_000
"""Characters from which on a text teaches a large network."""

_READ, _MOST = 17_000_000, 17
"""Characters that a training reads in all, and most epochs."""


def choices(length: int, run: RunConfig[LanguageConfig]) -> Iterator[Choice]:
    """Yield the settings of a character model that suit a text.

    Args:
        length: characters that are learnt from.
        run: the settings so far.
    """
    if length < _LONG:
        return
    text = f"{length:,} characters"
    yield Choice("network.hidden", 384, text)
    yield Choice("network.layers", 2, text)
    if not run.options.tie:  # a tied embedding is as wide as the output, and cannot be softened alone
        yield Choice("network.skip", True, "both layers see the input, the output sees both layers")
        yield Choice("network.embedding", 64, "single characters")
        yield Choice("training.calibrate", True, "one temperature, fitted on the validation part")
    yield Choice("network.variational", True, "one dropout mask for a whole window")
    yield Choice("network.dropout", 0.2, text)
    yield Choice("network.output_dropout", 0.4, text)
    if "network.cell" not in run.given:
        yield Choice("network.weight_dropout", 0.2, text)
    yield Choice("training.lr", 0.005, "the rate for these")
    yield Choice("training.batch_size", 16, "parallel rows of the text")
    yield Choice("training.bptt", 64, "steps that gradients go back")
    yield Choice("training.clip", 1.0, "one bad window cannot undo many good ones")
    yield Choice("training.warmup", 0.01, "the first steps decide little")
    yield Choice("training.beta2", 0.99, "training is short: Adam must know the gradients' size soon")
    yield Choice("training.ema", 0.998, "the mean of the last weights is better than the last")
    epochs = min(max(round(_READ / length), 1), _MOST)
    yield Choice("training.epochs", epochs, f"some {_READ:,} characters are read, at most {_MOST} times each")
