"""Advice is given where it is due, and nowhere else."""

from __future__ import annotations

from elman.training.advice import Epoch, advise


def epochs(*losses: tuple[float, float], **numbers: float) -> list[Epoch]:
    usual = {"mean_norm": 1.0, "top_norm": 2.0, "top_step": 7, "clipped": 0.1} | numbers
    return [Epoch(train, {"loss": valid}, **usual) for train, valid in losses]


def said(*losses: tuple[float, float], last: bool = False, **numbers: float) -> str:
    return " | ".join(advise(epochs(*losses, **numbers), last=last))


def test_a_good_course_needs_none():
    assert said((3.0, 3.1), (2.0, 2.2), (1.8, 2.1)) == ""
    assert said((3.0, 3.1), (2.0, 2.11), (1.8, 2.1), last=True) == ""


def test_overfitting():
    assert said((3.0, 3.1), (2.0, 2.2), (1.5, 2.3), (1.2, 2.4)).startswith(
        "overfitting: validation was best in epoch 2 and training loss still falls"
    )


def test_still_learning_and_underfitting():
    assert said((3.0, 3.1), (2.0, 2.2), last=True).startswith("still learning when training ended")
    assert said((3.0, 2.9), (2.9, 2.8), (2.9, 2.8), last=True).startswith("underfitting")


def test_gradients():
    assert said((3.0, 3.1), top_norm=60.0) == (
        "exploding gradient: its norm came to 60 in step 7 (mean 1); "
        "lower --lr, a smaller --clip, or a gated --cell"
    )
    assert said((3.0, 3.1), clipped=0.8) == (
        "gradients were clipped in 80% of the steps: raise --clip or lower --lr"
    )
