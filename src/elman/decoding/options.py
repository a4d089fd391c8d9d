"""Options of beam search."""

from __future__ import annotations

from typing import NamedTuple


class SearchOptions(NamedTuple):
    """How what to write is looked for.

    Args:
        width: hypotheses of the beam; 1: greedy.
        count: how many sequences to give for a source, at most `width` of a beam.
        length_penalty: a, for log probabilities divided by length**a.
        temperature: above 0: sequences are drawn, not looked for by a beam.
        top_k, top_p: as `sampling.filter_logits` has them, where they are drawn.
        seed: of what is drawn; None: another each time.
        prefix: what each begins with.
    """

    width: int = 5
    count: int = 1
    length_penalty: float = 1.0
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    prefix: str = ""
