"""The settings of language models."""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class LanguageConfig(Settings):
    """What only a language model has."""

    section = "language"

    tie: bool = option(False, "tie input and output embeddings (Press & Wolf 2017)")
    preview: int = option(100, "symbols of sample text shown after each epoch", low=0)
