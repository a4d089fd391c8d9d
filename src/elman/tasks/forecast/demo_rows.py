"""Rows of a made-up series such as a model reads, to try it with."""

from __future__ import annotations

import numpy as np

from elman.tasks.forecast.frequencies import SECOND, NumericSteps
from elman.tasks.forecast.series_encoder import SeriesEncoder

_MONDAY = 1_704_067_200 * SECOND  # 1 January 2024
_MOST = 5_000


def rows(outline: SeriesEncoder) -> list[dict[str, object]]:
    """A wave that rises, as long as a forecast needs; nothing where columns beside the values are needed.

    Args:
        outline: what the model learnt of its data.
    """
    columns, layout, frequency = outline.columns, outline.layout, outline.frequency
    count = max(layout.origin, 4 * layout.horizon) + 1
    if columns.extras or count > _MOST:
        return []
    steps = np.arange(count)
    wave = (10 + 3 * np.sin(2 * np.pi * steps / max(outline.season, 4)) + 0.01 * steps).round(3).tolist()
    if columns.form == "rows":
        return [
            {columns.id: "example"} | {f"V{step + 1}": value for step, value in zip(steps, wave, strict=True)}
        ]
    start = 1 if isinstance(frequency, NumericSteps) else _MONDAY
    name: dict[str, object] = {columns.id: "example"} if columns.id else {}
    return [
        name | {columns.time: frequency.show(time)} | dict.fromkeys(columns.values, value)
        for time, value in zip(frequency.after(start, steps).tolist(), wave, strict=True)
    ]
