"""How hard networks try a test of memory. No torch, so that the command line knows it quickly."""

from __future__ import annotations

from dataclasses import dataclass

from elman.config import Settings, option


@dataclass(frozen=True, kw_only=True)
class Effort(Settings):
    """How hard a network tries: the same for every cell, length and seed."""

    section = "probe"

    parameters: int = option(20_000, "parameters that a network has, as nearly as its cell lets it", low=1)
    steps: int = option(10_000, "most optimiser steps", low=1)
    batch: int = option(32, "sequences a step, made anew at each", low=1)
    lr: float = option(0.01, "rate of Adam, falling to a tenth of it by half a cosine", above=0)
    clip: float = option(1.0, "the most that the norm of a gradient may be", above=0)
    chrono: bool = option(
        True, "gates start so that units keep for up to a sequence's length (Tallec & Ollivier 2018)"
    )
    every: int = option(100, "steps between two looks at the held-out sequences", low=1)
