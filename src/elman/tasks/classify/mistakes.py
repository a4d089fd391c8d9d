"""The worst answers of a classifier: those that were given with the most confidence and are wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from elman.core.formatting import number
from elman.tasks.abilities import Mistake, largest
from elman.tasks.classify.targets import NumberTarget, OneClass, Several, Target

_LEAST = 1e-12


def worst(target: Target, outputs: Tensor, truth: Tensor, most: int) -> list[Mistake]:
    """The wrong answers whose truth was least likely, or that were farthest from it.

    Args:
        target: what is predicted.
        outputs: [N, ...] as `Target.outputs` gives them.
        truth: [N, ...] as `Target.encode` gives it.
        most: how many at most.
    """
    sizes, told = _sizes(target, outputs, truth)
    return [told(place) for place in largest(sizes.tolist(), most)]


def _sizes(target: Target, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Callable[[int], Mistake]]:
    """How wrong each answer is [N], 0 where it is right; and what makes a mistake of its place."""
    if isinstance(target, OneClass):
        return _one(target, outputs, truth)
    if isinstance(target, Several):
        return _several(target, outputs, truth[:, 0] > 0.5)
    assert isinstance(target, NumberTarget)
    errors = (outputs[:, 0] - truth).abs()

    def told(place: int) -> Mistake:
        answer, right = number(float(outputs[place, 0])), number(float(truth[place]))
        deviation = float(outputs[place, 1])
        return Mistake(place, answer, right, {"error": float(errors[place]), "deviation": deviation})

    return errors, told


def _one(target: OneClass, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Callable[[int], Mistake]]:
    best = outputs.argmax(-1)
    there = outputs.gather(1, truth[:, None])[:, 0]
    sizes = torch.where(best == truth, 0.0, -there.clamp(min=_LEAST, max=1 - 1e-6).log())

    def told(place: int) -> Mistake:
        answer, right = target.classes[int(best[place])], target.classes[int(truth[place])]
        chances = {"probability": float(outputs[place].max()), "of the right one": float(there[place])}
        return Mistake(place, answer, right, chances)

    return sizes, told


def _several(target: Several, outputs: Tensor, truth: Tensor) -> tuple[Tensor, Callable[[int], Mistake]]:
    guess = outputs > 0.5
    off = torch.where(truth, 1 - outputs, outputs)  # the probability of what is not so
    sizes = torch.where((guess == truth).all(1), 0.0, -(1 - off).clamp(min=_LEAST).log().sum(1))

    def names(these: Tensor) -> str:
        return ", ".join(name for name, there in zip(target.classes, these, strict=True) if there) or "none"

    def told(place: int) -> Mistake:
        wrong = int((guess[place] != truth[place]).sum())
        chances = {"wrong classes": wrong, "probability": float((1 - off[place]).prod())}
        return Mistake(place, names(guess[place]), names(truth[place]), chances)

    return sizes, told
