"""Beam search: the likeliest whole sequences for many sources at once.

A hypothesis is a row of the batch; those of one source lie side by side. The scores of all the rows are
narrowed where they are to the few that can matter. What is decided about those is decided on the CPU, in
float64: so a step waits for the device twice (equals at the edge, and the few themselves).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from elman.core import interruption
from elman.core.errors import ConfigError
from elman.core.records import State
from elman.decoding.sampling import Step

Steps = Callable[[Tensor], Step]
"""rows [R] int64, the source of each row -> the step that goes on with these rows (as in `search`, B = R)."""

_FEW = 0.75  # rows of finished sources are dropped once no more than this share of the sources goes on


class Hypothesis(NamedTuple):
    """A whole sequence.

    Args:
        symbols: without the end.
        logp: log probability in nats, that of the end included; at most 0.
        score: logp / n**alpha, n the number of symbols with the end.
    """

    symbols: list[int]
    logp: float
    score: float


def beam(
    steps: Steps,
    scores: Tensor,
    state: State,
    end: int,
    *,
    width: int = 5,
    limits: Tensor,
    alpha: float = 1.0,
    count: int = 1,
    banned: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """Return the likeliest sequences of each source, by their score log p(symbols, end) / n**alpha.

    Each step ranks the continuations of a source's hypotheses. `end` finishes one only from the first `width`
    ranks; the best `width` others go on (as in fairseq: Ott et al., 2019). A source is done when `width` have
    finished, when none that is open can still reach the best `count`, or at its limit, where only `end` may
    follow. Of equals the lower numbers rank first, and of finished ones what was found first.

    Args:
        steps: asked for a step at the start and again whenever the rows of finished sources are dropped, so
            that what belongs to the sources (attention's memory) is gathered then and not at each step.
        scores: [B, V] logits of what may come first; -inf for what may not.
        state: the state that gave them, each tensor [*, B, ...].
        end: the symbol that ends a sequence.
        width: hypotheses that are followed for each source.
        limits: [B] int64, the most symbols of each source's sequences, the end not counted.
        alpha: 0 compares log probabilities, which favours short sequences; 1 compares their mean by symbol.
        count: sequences wanted of each source, at most `width`.
        banned: symbols that never follow; the others share their probability, as in `search`.

    Returns:
        For each source 1 to `count` hypotheses, the best first. Where nothing can be finished it is one of
        log probability -inf: the best of those that were open last.

    Raises:
        ConfigError: a width, count or limit below 1, a count above the width, a negative alpha, `end` banned.
    """
    _check(width, limits, alpha, count, end in banned)
    search = _BeamSearch(end, width, limits.cpu(), alpha, count)
    forbidden = torch.tensor(banned, dtype=torch.long, device=scores.device)
    with torch.no_grad():
        rows = search.owners().to(scores.device)
        step, state, scores = steps(rows), _taken(state, rows), scores.index_select(0, rows)
        while True:
            interruption.look()
            if len(banned):
                scores = scores.index_fill(1, forbidden, -math.inf)
            search.follow(*_likeliest(scores, 2 * width, end))
            if not len(search.sources):
                return search.results()
            if search.has_dropped:
                step = steps(search.owners().to(scores.device))
            symbols, rows = (part.to(scores.device) for part in search.trail[-1])
            scores, state = step(symbols, _taken(state, rows))


def _check(width: int, limits: Tensor, alpha: float, count: int, end_is_banned: bool) -> None:
    least = int(limits.min()) if len(limits) else 1
    for name, value in (("width", width), ("count", count), ("limits", least)):
        if value < 1:
            raise ConfigError(name, str(value), expected="at least 1")
    if count > width:
        raise ConfigError("count", str(count), expected=f"at most the width, {width}")
    if not 0 <= alpha < math.inf:
        raise ConfigError("alpha", str(alpha), expected="0 (the length does not matter) or above")
    if end_is_banned:
        raise ConfigError("banned", "the end", expected="symbols without which a sequence can still end")


def _taken(state: State, rows: Tensor) -> State:
    return tuple(part.index_select(1, rows) for part in state)


def _likeliest(scores: Tensor, k: int, end: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the k likeliest symbols of each row, [R, k] ascending, their log-p, and the end's, [R]."""
    symbols = _highest(scores, k)
    logp = scores.log_softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
    picked = torch.cat([logp.gather(1, symbols), logp[:, end : end + 1]], 1).cpu().double()
    picked = picked.nan_to_num(nan=-math.inf, neginf=-math.inf)  # NaN: a row in which nothing may follow
    return symbols.cpu(), picked[:, :-1], picked[:, -1]


def _highest(scores: Tensor, k: int) -> Tensor:
    """Return the indices of the k highest of each row, ascending, [R, k]; of equals the lower ones."""
    if k >= scores.shape[1]:
        return torch.arange(scores.shape[1], device=scores.device).expand(scores.shape)
    values, numbers = scores.topk(k + 1)  # which of the equals at its edge this takes is not defined
    numbers = numbers[:, :k].sort(1).values
    cut = (values[:, k] == values[:, k - 1]) & values.isfinite().all(1)
    if len(rows := cut.nonzero().squeeze(1)):
        numbers[rows] = _first_highest(scores[rows], values[rows, k, None], k)
    return numbers


def _first_highest(scores: Tensor, least: Tensor, k: int) -> Tensor:
    """Return the same where the k-th highest is known, [R, 1], and others equal it."""
    above, equal = scores > least, scores == least
    room = k - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1) <= room))).nonzero()[:, 1].view(-1, k)


class _Finished(NamedTuple):
    """A finished hypothesis: its length is without the end, its row that of its last symbol."""

    logp: float
    score: float
    length: int
    row: int


@final
class _BeamSearch:
    """What has been found and what is open, on the CPU.

    Attributes:
        sources: [A] those that still have rows, `width` each.
        trail: for each step the symbol of each row and the row of the step before that it continues, [R].
        has_dropped: whether the last step left out rows of sources that are done.
    """

    def __init__(self, end: int, width: int, limits: Tensor, alpha: float, count: int) -> None:
        self.end, self.width, self.limits, self.alpha, self.count = end, width, limits, alpha, count
        self.sources = torch.arange(len(limits))
        self.trail: list[tuple[Tensor, Tensor]] = []
        self.has_dropped = False
        self._found: list[list[_Finished]] = [[] for _ in limits]
        self._bars = torch.full((len(limits),), -math.inf, dtype=torch.float64)  # [B] scores to be beaten
        self._logp = self._bars[:, None].repeat(1, width)  # [A, W] of what is open, by rank; -inf is dead
        self._logp[:, 0] = 0  # there is one beginning; the other rows are dead until it branches

    def owners(self) -> Tensor:
        """Return the source of each row, [R]."""
        return self.sources.repeat_interleave(self.width)

    def follow(self, symbols: Tensor, logp: Tensor, ends: Tensor) -> None:
        """Finish, go on with and drop what the continuations of the open rows call for.

        Args:
            symbols: [R, k] the continuations, ascending.
            logp: [R, k] their log probabilities given what precedes.
            ends: [R] the log probability of the end.
        """
        symbols, logp = self._closed(symbols, logp, ends)
        logp, symbols, rows = self._ranked(symbols, logp)
        is_end = symbols == self.end
        self._finish(logp, rows, is_end)
        order = is_end.long().argsort(dim=1, stable=True)[:, : self.width]  # those without end, by rank
        logp = logp.masked_fill(is_end, -math.inf).gather(1, order)
        self._go_on(self._done(logp), logp, symbols.gather(1, order), rows.gather(1, order))

    def _closed(self, symbols: Tensor, logp: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Leave nothing but the end of the continuations where a source is at its limit."""
        closing = (self.limits[self.owners()] <= len(self.trail))[:, None]
        only = torch.full_like(logp, -math.inf)
        only[:, 0] = ends
        return symbols.masked_fill(closing, self.end), torch.where(closing, only, logp)

    def _ranked(self, symbols: Tensor, logp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the best of each source, [A, 2 W]: log probabilities, symbols, rows that they continue."""
        parents = torch.arange(len(symbols))[:, None].expand_as(symbols)
        symbols, parents, total = (
            part.reshape(len(self.sources), self.width * symbols.shape[1])
            for part in (symbols, parents, self._logp.view(-1, 1) + logp)
        )
        order = total.argsort(dim=1, descending=True, stable=True)[:, : 2 * self.width]
        return total.gather(1, order), symbols.gather(1, order), parents.gather(1, order)

    def _finish(self, logp: Tensor, rows: Tensor, is_end: Tensor) -> None:
        found = is_end[:, : self.width] & (logp[:, : self.width] > -math.inf)
        at = found.nonzero(as_tuple=True)
        sources = self.sources[at[0]].tolist()
        for source, total, row in zip(sources, logp[at].tolist(), rows[at].tolist(), strict=True):
            self._add(source, total, row)

    def _add(self, source: int, logp: float, row: int) -> None:
        length, found = len(self.trail), self._found[source]
        found.append(_Finished(logp, logp / (length + 1) ** self.alpha, length, row))
        found.sort(key=lambda hypothesis: -hypothesis.score)  # stable: equals stay in the order found
        if len(found) >= self.count:
            self._bars[source] = math.inf if len(found) >= self.width else found[self.count - 1].score

    def _done(self, logp: Tensor) -> Tensor:
        """Return [A], True where nothing open, of log-p [A, W] by rank, can come among what is wanted."""
        # Log probabilities only fall: at best a hypothesis keeps its own up to the limit.
        reach = logp[:, 0] / (self.limits[self.sources] + 1).double() ** self.alpha
        done = reach <= self._bars[self.sources]
        for place in done.nonzero().flatten().tolist():
            if not self._found[source := int(self.sources[place])]:
                self._add(source, -math.inf, place * self.width)
        return done

    def _go_on(self, done: Tensor, logp: Tensor, symbols: Tensor, rows: Tensor) -> None:
        self._logp = logp.masked_fill(done[:, None], -math.inf)
        self.has_dropped = int((~done).sum()) <= _FEW * len(done)
        if self.has_dropped:
            self.sources, self._logp = self.sources[~done], self._logp[~done]
            symbols, rows = symbols[~done], rows[~done]
        self.trail.append((symbols.flatten(), rows.flatten()))

    def results(self) -> list[list[Hypothesis]]:
        """Return the best finished of each source, their symbols read back along the trail."""
        best = [found[: self.count] for found in self._found]
        lengths = torch.tensor([one.length for found in best for one in found], dtype=torch.long)
        rows = torch.tensor([one.row for found in best for one in found], dtype=torch.long)
        symbols = torch.zeros(len(rows), len(self.trail), dtype=torch.long)
        for place, (chosen, before) in reversed(list(enumerate(self.trail))):
            on = lengths > place
            symbols[on, place], rows[on] = chosen[rows[on]], before[rows[on]]
        read = iter(symbols.tolist())
        return [[Hypothesis(next(read)[: it.length], it.logp, it.score) for it in found] for found in best]
