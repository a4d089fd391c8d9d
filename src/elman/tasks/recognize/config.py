"""The settings of recognition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.config import Settings, option


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

    bidirectional: bool = option(True, "layers also read from the end to the start")
    frame: int = option(2, "steps that are put side by side, into one frame of the layers", low=1)
    hop: int = option(0, "steps from one frame to the next; 0: as many as a frame has", low=0)
    speed: float = option(
        0.0, "most that training makes a sequence faster or slower by, as a share", low=0, below=1
    )
    step: float = option(
        0.0, "seconds of a step, for times; 0: those of sound; else times are told in steps", low=0
    )
    beam: int = option(1, "texts that the search follows; 1: the best path (greedy)", low=1)
    words: str = option(
        "any", "words that a beam may write; known: those of the training part", choices=("any", "known")
    )
    word_list: str = option("", "file of the words that a beam may write, one a line")
    ngram: int = option(
        0, "order of an n-gram model of the training part's texts, for a beam; 0: none", low=0
    )
    ngram_weight: float = option(0.5, "what ln p of the n-gram model counts", low=0)
    symbol_bonus: float = option(0.0, "what each symbol adds to the score of a beam's text")
    word_bonus: float = option(0.0, "what each word after the first adds to it")
    watch: str = option(
        "auto",
        "the score that the best epoch is chosen by; auto: word_error_rate where texts have spaces",
        choices=("auto", "word_error_rate", "symbol_error_rate", "exact_match", "loss"),
    )
