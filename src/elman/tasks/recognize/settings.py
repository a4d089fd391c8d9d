"""The settings of recognition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class RecognizeConfig(Settings):
    """What only recognition has."""

    section = "recognize"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:morse", "unit": "char"},
        "signal": {"picture": "columns"},
        "network": {"cell": "lstm", "hidden": 128, "layers": 2, "dropout": 0.1},
        "training": {"batch_size": 16, "epochs": 20, "lr": 0.003, "warmup": 0.05, "ema": 0.998},
    }

    bidirectional: bool = option(True, "bidirectional layers")
    frame: int = option(2, "steps stacked into one frame", low=1)
    hop: int = option(0, "steps from one frame to the next; 0: frames do not overlap", low=0)
    speed: float = option(0.0, "maximum random change of speed in training, as a share", low=0, below=1)
    step: float = option(
        0.0, "seconds per step, for time stamps; 0: that of the audio, or times in steps", low=0
    )
    beam: int = option(1, "beam width; 1: best path (greedy)", low=1)
    words: str = option(
        "any", "words allowed in beam search; known: those of the training part", choices=("any", "known")
    )
    word_list: str = option("", "file of the words allowed in beam search, one per line")
    ngram: int = option(0, "order of the n-gram language model used in beam search; 0: none", low=0)
    ngram_weight: float = option(0.5, "weight of the n-gram model's log probability", low=0, needs=("ngram",))
    symbol_bonus: float = option(0.0, "bonus per symbol in beam search")
    word_bonus: float = option(0.0, "bonus per word after the first in beam search")
    watch: str = option(
        "auto",
        "score that selects the best epoch; auto: word_error_rate where texts have spaces",
        choices=("auto", "word_error_rate", "symbol_error_rate", "exact_match", "loss"),
    )
