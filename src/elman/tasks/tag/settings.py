"""The settings of taggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.settings import Settings, option
from elman.tasks.tag import spans


@dataclass(frozen=True, kw_only=True)
class TagConfig(Settings):
    """What only a tagger has."""

    section = "tag"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:python-names", "min_count": 2, "lower": True, "valid": 0.1, "test": 0.1},
        "network": {"hidden": 200, "input_dropout": 0.5, "dropout": 0.5},
        "training": {"batch_size": 32, "lr": 0.003, "clip": 5.0, "ema": 0.998, "weight_decay": 0.0},
    }

    scheme: str = option(
        "auto",
        "span scheme of the tags, if any; auto: inferred from the training part and reported",
        choices=("auto", "none", *spans.SCHEMES),
    )
    output: str = option(
        "auto",
        "output layer; crf scores whole sequences (Lafferty et al. 2001); auto: crf for spans",
        choices=("auto", "softmax", "crf"),
    )
    unseen: str = option(
        "error",
        "tags absent from the training part: an error, or counted as wrong predictions (not for spans)",
        choices=("error", "mistake"),
    )
    bidirectional: bool = option(True, "bidirectional layers; false: tags depend on the past only")
    word_dropout: float = option(
        0.25, "a: a word seen n times is replaced by <unk> with probability a / (a + n) in training", low=0
    )
    char_embedding: int = option(32, "character embedding size", low=1)
    char_hidden: int = option(
        64, "hidden units per direction of the network over a word's characters; 0: none", low=0
    )
    char_layers: int = option(1, "its number of stacked layers", low=1)
    longest_word: int = option(
        24, "maximum number of characters read of a word, half of them from its end", low=1
    )
