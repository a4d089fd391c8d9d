"""Linear-chain conditional random field: a score for whole sequences of tags.

It knows nothing of words, networks or tag schemes: scores of tags at each step come in; a loss, the best
sequence or the probabilities of tags go out. Time is the only loop; sentences and lengths go at once.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from elman.core.errors import ConfigError, DataError
from elman.nn.masks import step_mask

_WHERE = "input of Crf"


@final
class Crf(nn.Module):
    """A linear-chain conditional random field (Lafferty et al. 2001).

    With emissions e, transitions A, start s and end f, a sequence of tags y of length n has
        score(y) = s[y_1] + sum_t e_t[y_t] + sum_{t>1} A[y_{t-1}, y_t] + f[y_n]
        p(y) = exp(score(y)) / sum over all y' of exp(score(y'))
    A forbidden transition, start or end has no probability, in training and in decoding.

    Args:
        tags: K.
        allowed: [K, K] bool, whether tag j may follow tag i; None: all may.
        starts: [K] bool, whether a sequence may begin with a tag; None: all may.
        ends: [K] bool, whether a sequence may end with a tag; None: all may.

    Raises:
        ConfigError: a mask of another shape, or masks that forbid a sequence of one step.
    """

    allowed: Tensor
    starts: Tensor
    ends: Tensor

    def __init__(
        self,
        tags: int,
        *,
        allowed: Tensor | None = None,
        starts: Tensor | None = None,
        ends: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.tags = tags
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        masks = {"allowed": (allowed, (tags, tags)), "starts": (starts, (tags,)), "ends": (ends, (tags,))}
        for name, (mask, shape) in masks.items():
            # They follow from the tags, so that whoever makes a Crf gives them; weights do not hold them.
            self.register_buffer(name, _checked(name, mask, shape), persistent=False)
        if not (self.starts & self.ends).any():
            raise ConfigError(
                "starts and ends of Crf", "no tag in both", expected="a tag that may stand alone"
            )

    def extra_repr(self) -> str:
        """What `print` tells of it."""
        return f"{self.tags}, forbidden transitions={int((~self.allowed).sum())}"

    def loss(self, emissions: Tensor, tags: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Negative log-likelihood of the tags in nats, summed over the sequences.

        Args:
            emissions: [T, B, K].
            tags: [T, B] int64; what stands beyond a length plays no part.
            lengths: [B] int64, each from 1 to T; None: all are T long.

        Returns:
            A scalar; infinite where a sequence of tags is forbidden.
        """
        inside = self._inside(emissions, lengths)
        # Two large numbers that are nearly the same: their difference is taken in double precision.
        scores = emissions.to(_wide(emissions.device)), *self._scores(_wide(emissions.device))
        norm = _Normaliser.apply(*scores, inside)
        return (norm - _gold(*scores, tags, inside)).sum().to(emissions.dtype)

    @torch.no_grad()
    def marginals(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The probability of each tag at each step, given the whole sequence.

        Args:
            emissions: [T, B, K].
            lengths: [B] int64; None: all are T long.

        Returns:
            [T, B, K], zero beyond a length.
        """
        inside = self._inside(emissions, lengths)
        wide = _wide(emissions.device)
        lattice = _Lattice(emissions.to(wide), *self._scores(wide), inside)
        return lattice.marginals(lattice.backward()[0]).to(emissions.dtype)

    @torch.no_grad()
    def decode(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The likeliest sequence of tags (Viterbi 1967).

        Args:
            emissions: [T, B, K].
            lengths: [B] int64; None: all are T long.

        Returns:
            [T, B] int64, zero beyond a length.
        """
        inside = self._inside(emissions, lengths)
        transitions, start, end = self._scores(emissions.dtype)
        entering = transitions.t().contiguous()  # a maximum along the last axis is several times faster
        best, stay = start + emissions[0], torch.arange(self.tags, device=emissions.device)
        came = []
        for step in range(1, len(emissions)):
            score, before = (best.unsqueeze(1) + entering).max(2)
            going = inside[step].unsqueeze(1)
            best = torch.where(going, score + emissions[step], best)
            came.append(torch.where(going, before, stay))
        path = [(best + end).argmax(1, keepdim=True)]
        for before in reversed(came):
            path.append(before.gather(1, path[-1]))
        return torch.stack(path[::-1]).squeeze(2).where(inside, 0)

    def _scores(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions [K, K], start and end [K], minus infinity where they are forbidden."""
        pairs = (self.transitions, self.allowed), (self.start, self.starts), (self.end, self.ends)
        transitions, start, end = (score.to(dtype).masked_fill(~mask, -torch.inf) for score, mask in pairs)
        return transitions, start, end

    def _inside(self, emissions: Tensor, lengths: Tensor | None) -> Tensor:
        """[T, B] bool: whether a step is within its sequence."""
        steps, batch = _shape(emissions, self.tags)
        if lengths is not None and (
            lengths.shape != (batch,) or int(lengths.min()) < 1 or int(lengths.max()) > steps
        ):
            raise DataError(
                "lengths of Crf", f"{lengths.tolist()}", expected=f"{batch} numbers from 1 to {steps}"
            )
        return step_mask(emissions, lengths)


class _Lattice:
    """Forward and backward probabilities of a batch, scaled at each step so that none under- or overflows.

    Sums over tags are products of matrices in probabilities, not sums of exponentials in logarithms: one
    product [B, K] x [K, K] a step in place of B K K exponentials. (Rabiner 1989, section V.A.)
    In double precision a tag 700 nats below the best one still counts.
    """

    def __init__(self, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, inside: Tensor):
        self.inside, self.transitions, self.start, self.end = (
            inside,
            transitions.exp(),
            start.exp(),
            end.exp(),
        )
        self._top = emissions.amax(2)
        self.emissions = (emissions - self._top.unsqueeze(2)).exp_()
        self.ragged = not bool(inside.all())
        self.forward, self.scale = self._forward()
        self.total = self.forward[-1] @ self.end

    def log_normaliser(self) -> Tensor:
        """The logarithm [B] of the sum over all sequences of tags of their exponential scores."""
        steps = self.scale.log().add_(self._top)
        return (steps.where(self.inside, 0) if self.ragged else steps).sum(0) + self.total.log()

    def backward(self) -> tuple[Tensor, Tensor]:
        """For each step [T, B, K], each relative to `forward`.

        First the weight of all that may come after a tag; then the same with the step's own emission, zero
        at the first step and beyond a length.
        """
        after, entered = torch.empty_like(self.forward), torch.zeros_like(self.forward)
        weights = self.emissions / self.scale.unsqueeze(2)
        if self.ragged:
            weights = weights.where(self.inside.unsqueeze(2), 0)
        last = (self.end / self.total.unsqueeze(1)).expand_as(after[-1])
        after[-1] = last
        for step in range(len(after) - 1, 0, -1):
            torch.mul(weights[step], after[step], out=entered[step])
            torch.mm(entered[step], self.transitions.t(), out=after[step - 1])
            if self.ragged:
                going = self.inside[step].unsqueeze(1)
                torch.where(going, after[step - 1], last, out=after[step - 1])
        return after, entered

    def marginals(self, after: Tensor) -> Tensor:
        """The probability [T, B, K] of each tag at each step, zero beyond a length."""
        both = self.forward * after
        return both.where(self.inside.unsqueeze(2), 0) if self.ragged else both

    def _forward(self) -> tuple[Tensor, Tensor]:
        """The probability [T, B, K] of each tag given the steps so far, and each step's scale [T, B]."""
        steps, batch, _ = self.emissions.shape
        forward, scale = torch.empty_like(self.emissions), self.emissions.new_empty(steps, batch, 1)
        for step in range(steps):
            if step:
                torch.mm(forward[step - 1], self.transitions, out=forward[step])
                forward[step].mul_(self.emissions[step])
            else:
                torch.mul(self.start, self.emissions[0], out=forward[0])
            torch.sum(forward[step], 1, keepdim=True, out=scale[step])
            forward[step].div_(scale[step])
            if step and self.ragged:
                going = self.inside[step].unsqueeze(1)
                torch.where(going, forward[step], forward[step - 1], out=forward[step])
        return forward, scale.squeeze(2)


class _Normaliser(torch.autograd.Function):
    """The logarithm [B] of the sum over all sequences; its gradients are expected counts."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, inside: Tensor
    ) -> Tensor:
        ctx.lattice = _Lattice(emissions, transitions, start, end, inside)
        return ctx.lattice.log_normaliser()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyrefly: ignore
        lattice, weight = ctx.lattice, grad.unsqueeze(1)
        after, entered = lattice.backward()
        marginals = lattice.marginals(after).mul_(weight)
        pairs = (lattice.forward[:-1] * weight).flatten(0, 1).t() @ entered[1:].flatten(0, 1)
        last = lattice.forward[-1] * (weight * lattice.end / lattice.total.unsqueeze(1))
        return marginals, pairs * lattice.transitions, marginals[0].sum(0), last.sum(0), None


def _gold(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, tags: Tensor, inside: Tensor
) -> Tensor:
    """The score [B] of the tags themselves."""
    if tags.shape != inside.shape:
        raise DataError("tags of Crf", f"{list(tags.shape)}", expected=f"{list(inside.shape)}")
    tags = tags.where(inside, 0)
    last = tags.gather(0, inside.sum(0, keepdim=True) - 1)[0]
    emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2).where(inside, 0)
    moved = transitions[tags[:-1], tags[1:]].where(inside[1:], 0)
    return start[tags[0]] + emitted.sum(0) + moved.sum(0) + end[last]


def _wide(device: torch.device) -> torch.dtype:
    """The widest floating type of a device."""
    return torch.float32 if device.type == "mps" else torch.float64


def _checked(name: str, mask: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    if mask is None:
        return torch.ones(shape, dtype=torch.bool)
    if mask.shape != shape or mask.dtype != torch.bool:
        raise ConfigError(
            f"{name} of Crf", f"{list(mask.shape)} {mask.dtype}", expected=f"{list(shape)} bool"
        )
    return mask.clone()


def _shape(emissions: Tensor, tags: int) -> tuple[int, int]:
    shape = emissions.shape
    if len(shape) != 3 or shape[2] != tags or not shape[0] or not shape[1]:
        raise DataError(_WHERE, f"{list(shape)}", expected=f"[T, B, {tags}] with a step and a sequence")
    return shape[0], shape[1]
