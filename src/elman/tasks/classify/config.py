"""The settings that only classification has."""

from __future__ import annotations

from dataclasses import dataclass

from elman.config import Settings, option


@dataclass(frozen=True, kw_only=True)
class ClassifyConfig(Settings):
    """What only a classifier has."""

    section = "classify"
    defaults = {  # noqa: RUF012, a mapping that nobody changes
        "data": {"path": "sample:unicode-syllables", "unit": "auto", "valid": 0.1, "test": 0.1},
        "network": {"hidden": 128, "dropout": 0.3},
        "training": {"batch_size": 32, "epochs": 20, "lr": 0.002, "clip": 5.0},
    }

    kind: str = option(
        "auto",
        "what is predicted: one class, several at once, or a value (a number)",
        choices=("auto", "class", "several", "value"),
    )
    separator: str = option("", "what stands between several labels in a column, such as | or ;")
    pool: str = option(
        "mean_max",
        "how the steps become one vector",
        choices=("last", "mean", "max", "attention", "mean_max"),
    )
    bidirectional: bool = option(True, "read from the end to the start too")
    class_weights: str = option(
        "none", "balanced: a rare class counts as much as a frequent one", choices=("none", "balanced")
    )
    frame: int = option(1, "steps put side by side into one", low=1)
    hop: int = option(0, "steps from one frame to the next; 0: a frame, so that none overlap", low=0)
    frames: int = option(
        0, "in place of these: about how many frames a sequence has, each over 4 hops", low=0
    )
    mixup: float = option(
        0.0, "a, for pairs of sequences mixed by a share from Beta(a, a) in training", low=0
    )
    adversarial: float = option(
        0.0,
        "share of its vectors' length that a sequence is disturbed by, to the worst, in training (slow)",
        low=0,
    )
    smoothing: float = option(0.0, "share of each label that training spreads over all", low=0, below=1)
