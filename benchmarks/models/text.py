"""Sentences that are made, for taggers: nothing to download, and the same for everyone."""

from __future__ import annotations

import random
import string

TAGS = ("NOUN", "VERB", "ADJ", "ADV", "DET", "PRON", "ADP", "PUNCT")
WORDS = 2000

Sentence = list[tuple[str, str]]


def sentences(number: int, seed: int = 1) -> list[Sentence]:
    """Words with their tags; lengths and letters roughly as in English, few words that are frequent."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(1, 9))) for _ in range(WORDS)]
    tags = {word: draw.choice(TAGS) for word in words}
    share = [1 / (rank + 3) for rank in range(WORDS)]
    made = []
    for _ in range(number):
        length = min(60, 1 + int(draw.expovariate(1 / 16)))
        made.append([(word, tags[word]) for word in draw.choices(words, share, k=length)])
    return made
