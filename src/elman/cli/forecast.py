"""`elman forecast` and `elman backtest`: the future of series, and what such forecasts were worth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from elman.cli.options import ReadingOptions, Whole, given
from elman.cli.scores import print_scores

_READ = ReadingOptions()


def forecast(
    run: Path,
    data: str | None = None,
    /,
    *,
    horizon: Whole = 0,
    out: Path | None = None,
    picture: Path | None = None,
    device: str = "auto",
    reading: Annotated[ReadingOptions, Parameter(name="*")] = _READ,
) -> None:
    """Forecast every series from its last value on: rows of id, time, mean, median and quantiles, as CSV.

    Parameters
    ----------
    run
        Run folder.
    data
        File of series such as the model learnt from; left out: the data that it was trained on.
    horizon
        Steps to forecast; 0: as many as the model learnt.
    out
        File to write; left out: standard output.
    picture
        File for a picture of the first series: history, median, bands (png, svg, pdf).
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.core import atomic_files
    from elman.runs.load import load
    from elman.tasks.forecast import result

    made = load(run, device=device).forecast(data, horizon=horizon, **given(reading))
    text = result.to_csv(made)
    if out is None:
        sys.stdout.write(text)
    else:
        atomic_files.write_text(out, text)
    if picture:
        result.save_picture(picture, made)


def backtest(
    run: Path,
    data: str | None = None,
    /,
    *,
    smoothing: bool = False,
    device: str = "auto",
    reading: Annotated[ReadingOptions, Parameter(name="*")] = _READ,
) -> None:
    """Score forecasts from rolling origins, beside seasonal naive, naive and drift.

    Parameters
    ----------
    run
        Run folder.
    data
        File of series; left out: the test part of the data that the model was trained on.
    smoothing
        Also fit exponential smoothing at every origin (needs statsmodels, and time).
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.runs.load import load

    model = load(run, device=device)
    print_scores(model.backtest(data, smoothing=smoothing, **given(reading)))
