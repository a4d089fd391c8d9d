"""The settings of translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.settings import option
from elman.tasks.seq2seq.settings import Seq2SeqSettings


@dataclass(frozen=True, kw_only=True)
class TranslateConfig(Seq2SeqSettings):
    """What only translation has."""

    section = "translate"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:dates", "unit": "auto", "valid": 0.05, "test": 0.05},
        "network": {"cell": "gru", "hidden": 256, "dropout": 0.3, "input_dropout": 0.1},
        "training": {"batch_size": 64, "epochs": 20, "lr": 0.002, "ema": 0.998},
    }

    bidirectional: bool = option(True, "bidirectional encoder")
    target_unit: str = option(
        "same", "unit of the target text", choices=("same", "auto", "char", "byte", "word", "bpe")
    )
    target_vocab_size: int = option(0, "maximum size of the target vocabulary; 0: data.vocab_size", low=0)
    shared: bool = option(False, "share one vocabulary and its embeddings between source and target")
    replace_unknown: bool = option(True, "replace <unk> by the source word with the most attention")
