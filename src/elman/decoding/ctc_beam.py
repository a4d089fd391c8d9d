"""Prefix beam search: the likeliest texts of CTC scores, for many sequences at once.

A hypothesis is a text so far, with the probability of all its paths, those that end in a blank apart from the
others (Graves 2008; Hannun et al. 2014). All of a frame is done at once, for all sequences, hypotheses and
symbols; the only loop is that over frames. A `PrefixScorer` may add to the score of a text what speaks for
it: a word list, a language model.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, final

import torch
from torch import Tensor

from elman.core import interruption
from elman.core.errors import ConfigError

_ODD, _SPREAD = 0x9E3779B97F4A7C1 | 1, 0x2545F4914F6CDD1D
"""Of the 64-bit hash that tells texts apart (after Vigna 2016): 63 bits, so that they are int64."""


class PrefixScorer(Protocol):
    """What a text may be, and what speaks for it, symbol by symbol: of R texts at once, S numbers the state.

    What a scorer adds depends on the text alone, not on how it was come to.
    """

    def start(self, rows: int) -> Tensor:
        """Return [R, S] int64, the states of empty texts."""
        ...

    def follow(self, state: Tensor) -> Tensor:
        """Return [R, V] float64, what each symbol adds after each text; -inf where it may not follow."""
        ...

    def step(self, state: Tensor, symbols: Tensor) -> Tensor:
        """Return [R, S], the states of the texts with one symbol more each, [R], that may follow."""
        ...

    def end(self, state: Tensor) -> Tensor:
        """Return [R] float64, what the end of each text adds; -inf where it may not end."""
        ...


class CtcHypothesis(NamedTuple):
    """A text that was found.

    Args:
        symbols: its symbols.
        logp: ln of the sum over those of its paths that the beam kept: with a wide one over all.
        score: what it was ranked by: `logp` and what the scorer adds.
    """

    symbols: list[int]
    logp: float
    score: float


def prefix_beam(
    scores: Tensor, lengths: Tensor, *, width: int, count: int = 1, scorer: PrefixScorer | None = None
) -> list[list[CtcHypothesis]]:
    """Return the best texts of each sequence by ln p(text) and what a scorer adds.

    p_blank(y) and p_symbol(y) are the probabilities of the paths of text y so far that end in a blank and in
    its last symbol. With p = p_blank + p_symbol, and q that of the frame, at each frame
        p_blank'(y) = q(blank) p(y)
        p_symbol'(y) = q(y_n) p_symbol(y) + q(y_n) (p_blank(z) if y_n = z_(n-1) else p(z)),  y = z y_n
    and the best `width` texts go on. A beam that drops nothing is exact.

    Args:
        scores: [T, B, V + 1] logits, the blank last; -inf for what is never written.
        lengths: [B] int64 on the CPU, frames of each sequence.
        width: texts that are followed for each sequence.
        count: how many to give, at most `width`.
        scorer: None: what the network says is all.

    Returns:
        For each sequence 1 to `count` texts, the best first. Where none may end, the scorer's word on that is
        not asked: an unfinished text is better than none.

    Raises:
        ConfigError: a width or count below 1, or a count above the width.
    """
    if width < 1:
        raise ConfigError("beam", str(width), expected="at least 1")
    if not 1 <= count <= width:
        raise ConfigError("count", str(count), expected=f"from 1 to the width, {width}")
    logp = scores.detach().cpu().double().log_softmax(-1)
    search = _PrefixBeamSearch(logp.shape[1], width, logp.shape[2] - 1, scorer)
    for frame, row in enumerate(logp):
        interruption.look()
        search.advance(row, frame < lengths)
    return search.results(count)


class _Texts(NamedTuple):
    """W texts for each of B sequences, all [B, W]; of those that are dead both probabilities are -inf.

    Args:
        blank, symbol: ln of the probabilities p_blank and p_symbol.
        last: the last symbol; V of an empty text.
        hash, before: numbers of the text and of the text without its last symbol, equal for equal texts.
        added: what the scorer has added so far.
    """

    blank: Tensor
    symbol: Tensor
    last: Tensor
    hash: Tensor
    before: Tensor
    added: Tensor

    @property
    def logp(self) -> Tensor:
        """ln of the probability of each text."""
        return torch.logaddexp(self.blank, self.symbol)

    def taken(self, slots: Tensor) -> _Texts:
        """Return the texts in `slots` [B, W]."""
        return _Texts(*(part.gather(1, slots) for part in self))


@final
class _PrefixBeamSearch:
    def __init__(self, batch: int, width: int, symbols: int, scorer: PrefixScorer | None) -> None:
        self._symbols, self._scorer, self._shape = symbols, scorer, (batch, width)
        dead = torch.full((batch, width), -math.inf, dtype=torch.float64)
        alone = dead.clone()
        alone[:, 0] = 0  # the empty text; the others are dead until there are as many
        zeros = torch.zeros(batch, width, dtype=torch.int64)
        self._texts = _Texts(alone, dead, zeros + symbols, zeros, zeros - 1, dead.new_zeros(batch, width))
        self._state = scorer.start(batch * width) if scorer else zeros.new_zeros(batch * width, 0)
        self._trail: list[tuple[Tensor, Tensor]] = []

    def advance(self, logp: Tensor, on: Tensor) -> None:
        """Take in a frame [B, V + 1] of the sequences that are still `on` [B]."""
        texts, symbols = self._texts, self._symbols
        fresh = self._extended(logp)
        stay = self._stayed(logp, fresh)
        ranks = torch.cat([(stay.logp + texts.added)[..., None], self._ranked(fresh)], 2).flatten(1)
        _, chosen = ranks.topk(texts.last.shape[1])
        slots, which = chosen // (symbols + 1), chosen % (symbols + 1)
        grows = which > 0  # 0 is to stay; symbols follow
        taken = which - 1
        slots = torch.where(on[:, None], slots, torch.arange(slots.shape[1]))
        grows &= on[:, None]
        kept = stay.taken(slots)
        own = texts.taken(slots)
        kept = _Texts(*(torch.where(on[:, None], new, old) for new, old in zip(kept, own, strict=True)))
        value = fresh.flatten(1).gather(1, slots * symbols + taken.clamp(min=0))
        self._grow(kept, grows, taken.clamp(min=0), value, slots)
        self._trail.append((slots, torch.where(grows, taken, -1)))

    def _extended(self, logp: Tensor) -> Tensor:
        """Return [B, W, V], ln of the probability that each text goes on with each symbol."""
        texts = self._texts
        fresh = texts.logp[..., None] + logp[:, None]
        again = texts.blank + logp.gather(1, texts.last)  # the same symbol: only with a blank between
        return fresh.scatter(2, texts.last[..., None], again[..., None])[..., :-1]

    def _stayed(self, logp: Tensor, fresh: Tensor) -> _Texts:
        """Return the texts after a frame; what another text would grow to moves from `fresh` to it."""
        texts, width = self._texts, self._texts.last.shape[1]
        alive = texts.logp > -math.inf
        is_next = (texts.hash[:, :, None] == texts.before[:, None]) & alive[:, :, None] & alive[:, None]
        sequence, shorter, longer = is_next.nonzero(as_tuple=True)
        symbol = texts.last[sequence, longer]
        moved = torch.full((len(logp), width), -math.inf, dtype=torch.float64)
        moved[sequence, longer] = fresh[sequence, shorter, symbol]
        fresh[sequence, shorter, symbol] = -math.inf
        stays = texts.symbol + logp.gather(1, texts.last)
        blank = texts.logp + logp[:, -1:]
        return texts._replace(blank=blank, symbol=torch.logaddexp(stays, moved))

    def _ranked(self, fresh: Tensor) -> Tensor:
        ranks = fresh + self._texts.added[..., None]
        if self._scorer:
            self._follow = self._scorer.follow(self._state).view(fresh.shape)
            ranks = ranks + self._follow
        return ranks

    def _grow(self, kept: _Texts, grows: Tensor, taken: Tensor, value: Tensor, slots: Tensor) -> None:
        """Put the texts [B, W] in their new order, and add a symbol to some."""
        added, flat = kept.added, (slots + torch.arange(len(slots))[:, None] * slots.shape[1]).flatten()
        if self._scorer:
            more = self._follow.flatten(1).gather(1, slots * self._symbols + taken)
            added = torch.where(grows, added + more, added)
            value = value.masked_fill(more == -math.inf, -math.inf)
            self._state = self._state[flat]
            rows = (grows & (value > -math.inf)).flatten().nonzero()[:, 0]
            self._state[rows] = self._scorer.step(self._state[rows], taken.flatten()[rows])
        self._texts = _Texts(
            blank=kept.blank.masked_fill(grows, -math.inf),
            symbol=torch.where(grows, value, kept.symbol),
            last=torch.where(grows, taken, kept.last),
            hash=torch.where(grows, _mixed(kept.hash, taken), kept.hash),
            before=torch.where(grows, kept.hash, kept.before),
            added=added.nan_to_num(neginf=0.0),
        )

    def results(self, count: int) -> list[list[CtcHypothesis]]:
        """Return the best `count` texts of each sequence, read back along the trail."""
        logp, score = self._texts.logp, self._texts.logp + self._texts.added
        if self._scorer:
            ended = score + self._scorer.end(self._state).view(score.shape)
            score = torch.where((ended > -math.inf).any(1, keepdim=True), ended, score)
        best, slots = score.topk(count)
        logp, written, at = logp.gather(1, slots), [], slots
        for before, symbols in reversed(self._trail):
            written.append(symbols.gather(1, at))
            at = before.gather(1, at)
        rows = torch.stack(written[::-1], 2).tolist() if written else [[[]] * count] * len(slots)
        return [
            [
                CtcHypothesis([symbol for symbol in row if symbol >= 0], p, ranked)
                for row, p, ranked in zip(texts, logps, scores, strict=True)
                if ranked > -math.inf
            ]
            for texts, logps, scores in zip(rows, logp.tolist(), best.tolist(), strict=True)
        ]


def _mixed(hashes: Tensor, symbols: Tensor) -> Tensor:
    """Hash texts with a symbol more each: in 64 bits, so that two texts will not have the same hash."""
    x = (hashes ^ (symbols + 1) * _ODD) * _SPREAD
    return (x ^ (x >> 29)) * _ODD
