"""Where to compute: the device is chosen here, once."""

from __future__ import annotations

import torch

from elman.core.errors import ConfigError


def choose(name: str) -> torch.device:
    """Return the device of that name, or the best there is for "auto".

    Raises:
        ConfigError: the name is none, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            "training.device", repr(name), expected=f"one of {_present()}", remedy=reason
        ) from None
    return device


def _present() -> str:
    names = ["auto", "cpu"]
    names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    return ", ".join(names)
