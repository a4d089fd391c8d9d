"""The settings of associative memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from elman.core.errors import ConfigError
from elman.core.settings import Settings, option

TRAINED = "trained"
MODERN = "modern"


@dataclass(frozen=True, kw_only=True)
class RecallConfig(Settings):
    """What only associative memories have."""

    section = "recall"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "data": {"path": "sample:patterns", "valid": 0.0},
        "network": {"cell": "gru", "hidden": 128},
        "training": {"batch_size": 16, "epochs": 20, "lr": 0.004, "warmup": 0.05},
    }

    rule: str = option(
        MODERN,
        "how patterns are stored; the first three take bits alone, modern real numbers as well, and only "
        "trained learns by gradient",
        choices=("hebb", "storkey", "pseudo_inverse", MODERN, TRAINED),
    )
    update: str = option(
        "asynchronous",
        "update order of the bits: one after the other in random order, or all at once",
        choices=("asynchronous", "synchronous"),
    )
    iterations: int = option(20, "maximum steps of a recall; trained: exactly this many", low=1)
    beta: float = option(
        1.0,
        "inverse temperature (modern); larger values mix fewer patterns",
        above=0,
        needs=("rule",),
        among=(MODERN,),
    )
    flip: float = option(0.15, "share of a pattern's values flipped for scoring", low=0, high=1)
    erase: float = option(0.0, "share of a pattern's values erased for scoring", low=0, high=1)
    jitter: float = option(
        0.0,
        "standard deviation of noise added for scoring; 1 is half of the range of all values",
        low=0,
    )
    draws: int = option(4, "damaged copies of each pattern used for scoring", low=1)
    repeat: int = option(
        32, "damaged copies of each pattern per epoch (trained)", low=1, needs=("rule",), among=(TRAINED,)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.flip + self.erase > 1:
            got, remedy = f"{self.flip:g} + {self.erase:g}", "leave something of the pattern"
            raise ConfigError("recall.flip + recall.erase", got, expected="at most 1", remedy=remedy)
