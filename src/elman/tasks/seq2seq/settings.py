"""Settings of tasks that write a sequence for each source."""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class Seq2SeqSettings(Settings):
    """What every task has that writes a sequence for each source."""

    attention: str = option(
        "general",
        "attention of the decoder over the source; none: only a summary of the source",
        choices=("additive", "dot", "general", "none"),
    )
    feed: bool = option(True, "input feeding: each step also sees the previous attention output (slower)")
    tie: bool = option(True, "tie the decoder's input and output embeddings (Press & Wolf 2017)")
    smoothing: float = option(0.1, "label smoothing", low=0, below=1)
    sampled: float = option(
        0.0,
        "scheduled sampling: share of steps fed with the decoder's own output in training (slow)",
        low=0,
        below=1,
    )
    longest: int = option(500, "maximum length of a source or target, in symbols", low=1)
    overlong: str = option("error", "how longer ones are handled", choices=("error", "cut"))
    beam: int = option(5, "beam width for scoring and by default; 1: greedy", low=1)
    length_penalty: float = option(
        1.0, "length penalty a: hypotheses are ranked by log probability / length**a", low=0
    )
    watch: str = option(
        "auto",
        "score that selects the best epoch; auto: bleu for words and subwords, else exact_match",
        choices=("auto", "bleu", "chrf", "exact_match", "symbol_error_rate", "loss"),
    )
