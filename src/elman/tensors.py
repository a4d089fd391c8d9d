"""Named tensors and a little text in one safetensors file: no pickle, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from elman import files
from elman.errors import RunError

_NOTES = "elman"


def save(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write `tensors`, and `notes` as JSON in the file's head, in place of what `path` held."""
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    files.write_bytes(path, safetensors.torch.save(apart, {_NOTES: json.dumps(notes)}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and notes of a file that `save` wrote.

    Raises:
        RunError: there is no such file, or it is cut short or damaged.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads((file.metadata() or {}).get(_NOTES, "{}"))
    except FileNotFoundError:
        raise RunError(path, "no such file", remedy="train or resume the run first") from None
    except OSError as error:
        raise RunError(path, f"cannot be read: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        remedy = "restore it from a copy, or resume the run from its checkpoint with elman train --resume"
        raise RunError(path, f"damaged or cut short ({error})", remedy=remedy) from error
