"""Plan how many steps a training takes, so that it ends within its minutes on this machine."""

from __future__ import annotations

import math
import time

from elman.core.formatting import duration

_SHARE = 0.9
"""Of the minutes, what steps and validations may take; the rest is for the last scores and the report."""

_SETTLING = 5
"""First steps, which are slower than those after them."""

_LOOKED_AT, _LEAST = 0.02, 1.0
"""A share of the minutes, and seconds, of steps that are measured before the first plan."""


class Budget:
    """The minutes of a training, and the pace of its steps.

    Args:
        minutes: for all of it; 0: any time.
        spent: seconds that went by before the first step, such as those of baselines.
    """

    def __init__(self, minutes: float, spent: float = 0.0) -> None:
        self._seconds, self._spent = 60 * minutes, spent
        self._steps, self._since, self._planned = 0, 0.0, minutes == 0

    def plan(self, step: int, steps: int, seconds: float, *, epoch_ends: bool) -> int:
        """Return how many steps the training may take in all; `steps`, if those fit.

        The first plan is made as soon as the pace is known. At an epoch's end, whose validation took time as
        well, it is made again; steps become fewer by that, never more.

        Args:
            step: that are done.
            steps: planned so far.
            seconds: spent in training so far.
            epoch_ends: whether an epoch has just ended.
        """
        if not self._seconds or not self._is_measured(epoch_ends=epoch_ends):
            return steps
        pace = seconds / step if epoch_ends else (time.monotonic() - self._since) / (self._steps - _SETTLING)
        left = _SHARE * self._seconds - self._spent - seconds
        return min(steps, step + max(0, int(left / pace)))

    def words(self, steps: int, an_epoch: int, wanted: int, seconds: float) -> str:
        """Return a line that says what the minutes are enough for.

        Args:
            steps: planned.
            an_epoch: steps of an epoch.
            wanted: steps of the whole training, if it may take any time.
            seconds: that those take.
        """
        return (
            f"{self._seconds / 60:g} minutes are enough for {steps:,} steps, {steps / an_epoch:.3g} of "
            f"{wanted / an_epoch:.3g} epochs; all take {duration(seconds)}: --minutes "
            f"{math.ceil(seconds / 50)}, or 0 for any"
        )

    def _is_measured(self, *, epoch_ends: bool) -> bool:
        """Count a step, and return whether a plan is to be made after it."""
        self._steps += 1
        if self._steps == _SETTLING:
            self._since = time.monotonic()
        enough = time.monotonic() - self._since >= max(_LEAST, _LOOKED_AT * self._seconds)
        if not self._planned and self._steps > 2 * _SETTLING and enough:
            self._planned = True
            return True
        return epoch_ends
