"""Load a trained model from its run folder."""

from __future__ import annotations

from pathlib import Path

from elman.core import devices
from elman.runs.folder import RunFolder
from elman.tasks.model import Model


def load(path: str | Path, *, device: str = "auto") -> Model:
    """Load the model of a run folder.

    Args:
        path: the folder that `elman.train` or `elman train` made.
        device: where to compute; a run from another kind of device loads too.

    Raises:
        RunError: there is no run, a newer one, or a damaged one.
        ConfigError: there is no such device.
    """
    return RunFolder(path).load(devices.choose(device))
