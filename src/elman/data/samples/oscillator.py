"""A damped oscillator that noise drives: its position is to be inferred from measurements of its speed.

x'' = -w^2 x - 2 z w x' + f, w = 2 pi / 20 steps, z = 0.05, f white noise; solved by semi-implicit steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

SEQUENCES, STEPS = 120, 150

_RATE = 2 * np.pi / 20
_DAMPING = 0.05
_FORCE = 0.1
_NOISE = 0.3
"""Deviation of the noise on what is measured, in those of the speed."""


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """For each sequence its name, `inputs`, float32 [150, 1]: the speed, and `target`: positions [150]."""
    generator = np.random.default_rng(20)
    for number in range(SEQUENCES):
        speeds, places = _swing(generator)
        speeds += _NOISE * speeds.std() * generator.standard_normal(STEPS)
        inputs = speeds[:, None].astype(np.float32)
        yield str(number), {"inputs": inputs, "target": [round(float(place), 4) for place in places]}


def _swing(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Speeds and positions [150]."""
    place, speed = generator.standard_normal(2) * (0.5, 0.15)
    found = []
    for force in generator.standard_normal(STEPS) * _FORCE:
        speed += -(_RATE**2) * place - 2 * _DAMPING * _RATE * speed + force
        place += speed
        found.append((speed, place))
    speeds, places = np.array(found).T
    return speeds, places
