"""Choosing from scores: sampling, greedy choice, and a beam for the likeliest next words.

Everything here works on a `step` that takes the symbols just chosen and the state, and returns the scores of
what may follow and the new state. It knows neither the network behind that nor the text behind the symbols,
but for the bytes that each symbol adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from elman.core import interruption
from elman.core.records import State
from elman.decoding.options import check_filters

Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""(symbols [B] int64, state) -> (scores [B, V], state): logits, and tensors of [L * D, B, H]."""

_COLD = 1e-30
"""A temperature below it is 0: logits divided by it would be infinite."""


def filter_logits(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    banned: Sequence[int] = (),
) -> Tensor:
    """Set the logits of symbols that may not be sampled to -inf.

    Args:
        logits: [B, V] float.
        temperature: divides the logits; below 1 prefers the likely, above 1 evens out, 0 keeps the likeliest.
        top_k: keep the k likeliest; 0 keeps all.
        top_p: then keep the fewest likeliest that have this probability together (Holtzman et al., 2020).
        banned: symbols that are never chosen.

    Returns:
        [B, V] float, -inf for what cannot be chosen. Equal logits are ranked by number, the lower first.

    Raises:
        ConfigError: a negative temperature or top_k, or a top_p that is not above 0 and at most 1.
    """
    check_filters(temperature, top_k, top_p)
    if len(banned):
        logits = logits.index_fill(-1, torch.as_tensor(banned, device=logits.device), -math.inf)
    if temperature < _COLD:
        best = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -math.inf).scatter(-1, best, logits.gather(-1, best))
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        logits = _likeliest(logits, top_k)
    return _nucleus(logits, top_p) if top_p < 1 else logits


def pick(
    logits: Tensor,
    generator: torch.Generator | None = None,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    banned: Sequence[int] = (),
) -> Tensor:
    """Draw one symbol for each of the B rows, [B] int64; the options are those of `filter_logits`.

    The same generator state gives the same symbols. At temperature 0 nothing is drawn.
    """
    kept = filter_logits(logits, temperature, top_k, top_p, banned)
    if temperature == 0:
        return kept.argmax(-1)
    return torch.multinomial(kept.float().softmax(-1), 1, generator=generator).squeeze(-1)


def generate(
    step: Step,
    scores: Tensor,
    state: State,
    *,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    banned: Sequence[int] = (),
) -> Iterator[Tensor]:
    """Choose symbols without end, [B] int64 at a time; take as many as are wanted (`itertools.islice`).

    Nothing is kept but the state, so that memory does not grow with the length.

    Args:
        step: gives the scores after the symbols chosen.
        scores: [B, V] what may come first.
        state: the state that gave these scores.
        generator: of the scores' device; the same seed gives the same symbols.
        temperature: and the other options, as in `filter_logits`.
        top_k: as there.
        top_p: as there.
        banned: as there.

    Raises:
        ConfigError: an option out of bounds; at once, not with the first symbol.
    """
    check_filters(temperature, top_k, top_p)

    def symbols(scores: Tensor, state: State) -> Iterator[Tensor]:
        while True:
            interruption.look()
            chosen = pick(scores, generator, temperature=temperature, top_k=top_k, top_p=top_p, banned=banned)
            yield chosen
            with torch.no_grad():  # a graph over all the steps would grow without end
                scores, state = step(chosen, state)

    return symbols(scores, state)


def _likeliest(logits: Tensor, k: int) -> Tensor:
    """Set all but the k highest of each row to -inf."""
    order = logits.argsort(dim=-1, descending=True, stable=True)
    return logits.scatter(-1, order[..., k:], -math.inf)


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Set all but the fewest highest of each row with probability `top_p` to -inf; at least one stays."""
    ranked, order = logits.sort(dim=-1, descending=True, stable=True)
    p = ranked.float().softmax(-1)
    beyond = p.cumsum(-1) - p >= top_p
    beyond[..., 0] = False  # where `top_p` is rounded to 0
    return logits.scatter(-1, order, ranked.masked_fill(beyond, -math.inf))
