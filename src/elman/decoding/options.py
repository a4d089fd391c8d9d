"""Options of sampling and of search, declared once: for Python, the command line and the server. No torch."""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, fields
from numbers import Integral, Real
from typing import Any

from elman.core.errors import ConfigError
from elman.core.json_schema import shown
from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class SamplingOptions(Settings):
    """How symbols are drawn.

    Raises:
        ConfigError: a negative or infinite temperature, a negative top_k, or a top_p not in (0, 1].
    """

    section = "sampling"

    temperature: float = option(
        0.8, "below 1: the likely becomes likelier; 0: always the likeliest symbol", low=0
    )
    top_k: int = option(0, "draw from this many likeliest symbols only; 0: from all", low=0)
    top_p: float = option(
        1.0, "draw from the likeliest symbols that together have this probability", above=0, high=1
    )
    seed: int | None = option(None, "random seed; the same one gives the same result", low=0)

    def __post_init__(self) -> None:
        check_filters(self.temperature, self.top_k, self.top_p)
        for field in fields(self):
            _check_most(field, getattr(self, field.name))

    def filters(self) -> dict[str, Any]:
        """Return the arguments of `sampling.filter_logits`."""
        return {"temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p}


@dataclass(frozen=True, kw_only=True)
class SearchOptions(SamplingOptions):
    """How a sequence is searched for; at a temperature above 0 it is drawn instead.

    The search itself checks its options, knowing how many sequences it can give.
    """

    section = "search"

    beam: int = option(5, "beam width: hypotheses of the search; 1: greedy", low=1, most=10_000)
    count: int = option(
        1, "sequences per source, at most the beam width unless they are drawn", low=1, most=1_000_000
    )
    length_penalty: float = option(
        1.0, "a: hypotheses are compared by log probability / length**a", low=0, high=10
    )
    temperature: float = option(0.0, "above 0: sequences are drawn, not searched for", low=0)
    prefix: str = option("", "text that every sequence begins with")


FROM_THE_RUN = ("beam", "length_penalty")
"""Options that are as the model's settings say where they are left out."""


def _check_most(field: Field[Any], value: object) -> None:
    """See that a number is not beyond what its option allows at most."""
    meta = field.metadata
    most = meta["high"] if meta["high"] is not None else meta["most"] if type(value) is int else None
    if field.name != "seed" and isinstance(value, int | float) and most is not None and value > most:
        raise ConfigError(field.name, shown(value), expected=f"at most {most:,g}")


def check_filters(temperature: float, top_k: int, top_p: float) -> None:
    """Check what narrows a draw.

    Raises:
        ConfigError: a negative or infinite temperature, a negative top_k, or a top_p not in (0, 1].
    """
    if not (isinstance(temperature, Real) and 0 <= temperature < math.inf):
        raise ConfigError(
            "temperature", f"{temperature}", expected="0 (the likeliest symbol always) or above"
        )
    if not (isinstance(top_k, Integral) and top_k >= 0):
        raise ConfigError("top_k", f"{top_k}", expected="0 (no bound) or above")
    if not (isinstance(top_p, Real) and 0 < top_p <= 1):
        raise ConfigError("top_p", f"{top_p}", expected="above 0 and at most 1 (no bound)")
