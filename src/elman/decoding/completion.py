"""Complete a word: a beam over symbols for the likeliest next words."""

from __future__ import annotations

import codecs
import contextlib
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from elman.core import interruption, words
from elman.core.errors import ConfigError
from elman.core.records import State
from elman.decoding.sampling import Step


def split_word(text: str) -> tuple[str, str]:
    """Split text into what precedes its last word, begun or whole, and that word with the space before it.

    Feed the first to the model and give the second, encoded, to `completions` as its prefix: so the word
    begun is spelled anew, in whatever pieces its completion has.
    """
    begun = words.begun(text)
    return text[: len(text) - len(begun)], begun


class _SymbolEffect(NamedTuple):
    """What each symbol does to a hypothesis.

    Args:
        grows: [V] bool, True where the word goes on.
        covers: [V] bool, True where the prefix comes to be spelled in full.
        closes: how many bytes a symbol takes off the word that it ends, and which it adds -> the symbols that
            do so.
    """

    grows: Tensor
    covers: Tensor
    closes: dict[tuple[int, bytes], list[int]]


class _Beam(NamedTuple):
    """Hypotheses side by side.

    Args:
        spelled: [W] the bytes of each, the space before the word among them.
        logp: [W] float64 on the CPU, the log probability of each.
        scores: [W, V] what may follow.
        state: the network's state, each tensor [L * D, W, H].
    """

    spelled: list[bytes]
    logp: Tensor
    scores: Tensor
    state: State


def completions(
    step: Step,
    scores: Tensor,
    state: State,
    pieces: Sequence[bytes],
    *,
    prefix: bytes = b"",
    count: int = 5,
    width: int = 32,
    limit: int = 32,
) -> list[tuple[str, float]]:
    """Return the likeliest next words by a beam over symbols: characters, bytes, subwords or words.

    A word is over when a symbol begins with what cannot be part of it (see `elman.core.words`). Its
    probability is that of all the ways to spell it and then to end it that the beam found, given the text so
    far and the prefix; so those of all words sum to 1 at most. With a beam wide enough they are exact.

    Args:
        step: gives the scores after the symbols chosen.
        scores: [1, V] what may come first.
        state: the state that gave these scores, each tensor [L * D, 1, H].
        pieces: [V] the bytes that each symbol adds to the text; those that add none are banned.
        prefix: what comes first, from `split_word`: the answer begins with it. Where it is empty, the word
            follows at once or after one space.
        count: how many words to return at most.
        width: how many hypotheses to follow at a time.
        limit: how many symbols to look ahead, that which ends the word among them.

    Returns:
        Words without the space before them and their probabilities, likeliest first, ties by the alphabet.
        Invalid UTF-8 is left out.

    Raises:
        ConfigError: a count, width or limit below 1, or a prefix that begins no word.
    """
    _check_beam(prefix, count, width, limit)
    silent = torch.tensor([not piece for piece in pieces])
    turns: dict[tuple[bytes, bool], _SymbolEffect] = {}
    found: defaultdict[bytes, float] = defaultdict(float)
    covered = 0.0 if prefix else 1.0
    beam: _Beam | None = _Beam([b""], torch.zeros(1, dtype=torch.float64), scores, state)
    while beam and limit and not _settled(found, beam, count, covered):
        interruption.look()
        logp = beam.scores.detach().cpu().double().masked_fill(silent, -math.inf).log_softmax(-1)
        logp += beam.logp[:, None]
        for before, rows in _alike(beam.spelled, prefix).items():
            if before not in turns:
                turns[before] = _judge(*before, prefix, pieces)
            turn, part = turns[before], logp[rows]
            covered += float(part[:, turn.covers].exp().sum())
            for (taken, end), symbols in turn.closes.items():
                for row, p in zip(rows, part[:, symbols].exp().sum(1).tolist(), strict=True):
                    word = beam.spelled[row][: len(beam.spelled[row]) - taken] + end
                    if word.startswith(prefix):
                        found[word.removeprefix(b" ")] += p
            logp[rows] = part.masked_fill(~turn.grows, -math.inf)
        limit -= 1
        beam = _grown(step, beam, logp, width, pieces) if limit else None
    return _ranked(found, covered)[:count]


def _check_beam(prefix: bytes, count: int, width: int, limit: int) -> None:
    for name, value in (("count", count), ("width", width), ("limit", limit)):
        if value < 1:
            raise ConfigError(name, str(value), expected="at least 1")
    text = prefix.decode("utf-8", "surrogateescape")
    if _part(text).rstrip(words.APOSTROPHES) != text.rstrip(words.APOSTROPHES):
        expected = "the beginning of a word, after one space or none"
        raise ConfigError("prefix", repr(prefix), expected=expected)


def _part(text: str) -> str:
    """Return what of a text may begin a word: the word that it begins with, and an apostrophe."""
    word = words.leading(text)
    return text[: len(word) + 1] if word.strip() and text[len(word) : len(word) + 1] in _ENDS else word


_ENDS = tuple(words.APOSTROPHES)


def _alike(spelled: list[bytes], prefix: bytes) -> dict[tuple[bytes, bool], list[int]]:
    """Group hypotheses that continue alike: within a word those of like ends, else of one spelling."""
    rows: dict[tuple[bytes, bool], list[int]] = {}
    for row, text in enumerate(spelled):
        within = len(text) >= len(prefix) and bool(text.strip(b" "))
        rows.setdefault((_end(text) if within else text, within), []).append(row)
    return rows


def _end(spelled: bytes) -> bytes:
    """Return what a word continues from: a character like its last, an apostrophe, bytes of one begun."""
    text, rest = _decoded(spelled)
    bare = text.rstrip(words.APOSTROPHES)
    base = next((char for char in reversed(bare) if char.isalnum() or char == "_"), "")
    return (base and words.alike(base)).encode() + text[len(bare) :].encode() + rest


def _decoded(data: bytes) -> tuple[str, bytes]:
    """Return a text, and the bytes after it that only begin a character.

    Raises:
        UnicodeDecodeError: other bytes are not valid UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    text = decoder.decode(data)
    return text, decoder.getstate()[0]


def _judge(before: bytes, within: bool, prefix: bytes, pieces: Sequence[bytes]) -> _SymbolEffect:
    """Return the effect of each symbol after `before`; `within` a word, the prefix is spelled."""
    grows, covers = [False] * len(pieces), [False] * len(pieces)
    closes = dict[tuple[int, bytes], list[int]]()
    spelling = not within and len(before) < len(prefix)
    for symbol, piece in enumerate(pieces):
        after = before + piece
        if not piece or (spelling and not after.startswith(prefix[: len(after)])):
            continue
        covers[symbol] = spelling and len(after) >= len(prefix)
        with contextlib.suppress(UnicodeDecodeError):
            text, _ = _decoded(after)
            word = words.leading(text)
            if text in (_part(text), " "):
                grows[symbol] = True
            elif word.strip():
                end = word.encode()
                taken = max(0, len(before) - len(end))
                closes.setdefault((taken, end[len(before) :]), []).append(symbol)
    return _SymbolEffect(torch.tensor(grows), torch.tensor(covers), closes)


def _grown(step: Step, beam: _Beam, logp: Tensor, width: int, pieces: Sequence[bytes]) -> _Beam | None:
    """Return the `width` likeliest of all hypotheses one symbol longer; None if there is none.

    Args:
        step: gives the scores after the symbols chosen.
        beam: the hypotheses.
        logp: [W, V] the log probability of each with each symbol, -inf where that does not go on.
        width: how many to keep.
        pieces: [V] the bytes of the symbols.
    """
    possible = int((logp > -math.inf).sum())
    if not possible:
        return None
    best, places = logp.flatten().topk(min(width, possible))
    rows, symbols = places // logp.shape[1], places % logp.shape[1]
    spelled = [
        beam.spelled[row] + pieces[symbol]
        for row, symbol in zip(rows.tolist(), symbols.tolist(), strict=True)
    ]
    device = beam.scores.device
    with torch.no_grad():
        chosen = tuple(part.index_select(1, rows.to(device)) for part in beam.state)
        return _Beam(spelled, best, *step(symbols.to(device), chosen))


def _settled(words: dict[bytes, float], beam: _Beam, count: int, covered: float) -> bool:
    """Return whether all that the beam still holds is too little to change what was found."""
    best = sorted(words.values(), reverse=True)[:count]
    least = best[-1] if len(best) == count else 0.0
    return float(beam.logp.exp().sum()) < max(1e-6 * least, 1e-10 * covered)


def _ranked(words: dict[bytes, float], covered: float) -> list[tuple[str, float]]:
    found = []
    for word, p in words.items():
        with contextlib.suppress(UnicodeDecodeError):
            found.append((word.decode(), p / covered))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))
