"""The settings that only the labelling of steps has."""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class LabelConfig(Settings):
    """What only a labeller of steps has."""

    section = "label"
    defaults = {  # noqa: RUF012, a mapping that nobody changes
        "data": {"path": "sample:oscillator", "valid": 0.1, "test": 0.1},
        "network": {"hidden": 64, "dropout": 0.2},
        "training": {"batch_size": 16, "epochs": 30, "lr": 0.003, "clip": 1.0},
    }

    kind: str = option(
        "auto", "target of a step: a class, or a value (a number)", choices=("auto", "class", "value")
    )
    bidirectional: bool = option(
        True, "bidirectional layers (a smoother); false: answers depend on the past only (a filter)"
    )
    lag: int = option(
        0, "steps that an answer is delayed by, so that it also depends on as many later steps", low=0
    )
    window: int = option(
        0, "steps of the pieces that sequences are cut in to be learnt from; 0: whole sequences", low=0
    )
    most: float = option(0.0, "numbers: the largest target, to which greater ones are brought; 0: none")
    class_weights: str = option(
        "none", "balanced: weight classes inversely to their frequency", choices=("none", "balanced")
    )
    smoothing: float = option(0.0, "label smoothing", low=0, below=1)
