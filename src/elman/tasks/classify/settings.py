"""The settings that only classification has."""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.settings import Settings, option


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
        "target: one class, several labels, or a value (a number)",
        choices=("auto", "class", "several", "value"),
    )
    separator: str = option("", "separator of several labels in a column, such as | or ;")
    pool: str = option(
        "mean_max",
        "pooling of the steps into one vector",
        choices=("last", "mean", "max", "attention", "mean_max"),
    )
    bidirectional: bool = option(True, "bidirectional layers")
    class_weights: str = option(
        "none", "balanced: weight classes inversely to their frequency", choices=("none", "balanced")
    )
    frame: int = option(1, "steps stacked into one frame", low=1)
    hop: int = option(0, "steps from one frame to the next; 0: frames do not overlap", low=0)
    frames: int = option(
        0, "instead of frame and hop: approximate number of frames per sequence, each over 4 hops", low=0
    )
    mixup: float = option(
        0.0, "mixup: a of Beta(a, a), from which the mixing share is drawn in training; 0: none", low=0
    )
    adversarial: float = option(
        0.0,
        "adversarial training: size of the perturbation as a share of the embeddings' norm (slow)",
        low=0,
    )
    smoothing: float = option(0.0, "label smoothing", low=0, below=1)
