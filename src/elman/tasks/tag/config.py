"""The settings of taggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.config import Settings, option
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
        "whether tags mean spans, and by which scheme; auto: found in the training part, and said",
        choices=("auto", "none", *spans.SCHEMES),
    )
    output: str = option(
        "auto",
        "what makes scores tags; crf scores whole sequences (Lafferty et al. 2001); auto: crf for spans",
        choices=("auto", "softmax", "crf"),
    )
    unseen: str = option(
        "error",
        "what a tag is that the training part lacks: an error; or a mistake of the model, if it is no span's",
        choices=("error", "mistake"),
    )
    bidirectional: bool = option(
        True, "also read from the end to the start; false: tags depend on the past alone"
    )
    word_dropout: float = option(
        0.25, "a, for a word seen n times to be read as <unk> with a / (a + n) in training", low=0
    )
    char_embedding: int = option(32, "size of a character's vector", low=1)
    char_hidden: int = option(64, "units, each way, of the network over a word's characters; 0: none", low=0)
    char_layers: int = option(1, "its layers upon each other", low=1)
    longest_word: int = option(24, "characters of a word that are read, half of them at its end", low=1)
