"""How hard networks try a test of memory. No torch, so that the command line knows it quickly."""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class TrialSettings(Settings):
    """How hard a network tries: the same for every cell, length and seed."""

    section = "probe"

    parameters: int = option(20_000, "target number of parameters of each network", low=1)
    steps: int = option(10_000, "maximum optimiser steps", low=1)
    batch: int = option(32, "batch size; every batch is freshly generated", low=1)
    lr: float = option(0.01, "Adam's learning rate, decayed to a tenth by half a cosine", above=0)
    clip: float = option(1.0, "maximum gradient norm", above=0)
    chrono: bool = option(True, "chrono initialisation for the length of a sequence (Tallec & Ollivier 2018)")
    every: int = option(100, "steps between two evaluations on held-out sequences", low=1)
