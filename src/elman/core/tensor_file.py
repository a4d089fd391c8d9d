"""Named tensors and a little text in one safetensors file: no pickle, whole or not at all.

The file's head has a digest of all of it, so that a change of a single bit is detected.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from elman.core import atomic_files, digests
from elman.core.errors import RunError

_NOTES, _DIGEST = "elman", "digest"
# The first of the notes, which are one text in the head: the order of several would be another each time.
MARK = re.compile(rb'"elman":"\{\\"digest\\": \\"([0-9a-f]{64})\\"')
"""Where a file's digest stands."""
_LONGEST = 100_000_000
"""Bytes of a head; safetensors takes no longer one."""
_PIECE = 1 << 20


def save(
    path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any], *, private: bool = False
) -> None:
    """Write `tensors`, and `notes` as JSON in the file's head, replacing the content of `path`.

    Args:
        path: of the file.
        tensors: by their names.
        notes: in terms of JSON.
        private: whether nobody else may read the file.
    """
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    written = safetensors.torch.save(apart, {_NOTES: json.dumps({_DIGEST: digests.NONE, **notes})})
    digest, end = digests.of(written).encode(), 8 + int.from_bytes(written[:8], "little")
    place = _place(written[:end])

    def fill(beside: Path) -> None:
        with beside.open("wb") as file:
            file.write(written[:place] + digest)
            file.write(memoryview(written)[place + len(digest) :])

    atomic_files.atomic_write(path, fill, private=private)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors (on the CPU) and notes of a file that `save` wrote.

    Raises:
        RunError: there is no such file, or it is cut short or damaged.
    """
    try:
        checked = _check(path)
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            head = file.metadata() or {}
        notes = json.loads(head.get(_NOTES, "{}"))
        if not isinstance(notes, dict) or (notes.pop(_DIGEST, None) is not None) != checked:
            raise ValueError("no such notes")
        return tensors, notes
    except FileNotFoundError:
        raise RunError(path, "no such file", remedy="train or resume the run first") from None
    except OSError as error:
        raise RunError(path, f"cannot be read: {error.strerror or error}") from error
    # Heads that name kinds of numbers that torch lacks, or sizes beyond all memory, raise one of the others.
    except (safetensors.SafetensorError, ValueError, LookupError, AttributeError, TypeError, RuntimeError,
            ArithmeticError, MemoryError) as error:  # fmt: skip
        remedy = "restore it from a copy, or resume the run from its checkpoint with elman train --resume"
        raise RunError(path, f"damaged or cut short ({error!s:.200})", remedy=remedy) from error


def fill(network: nn.Module, weights: Mapping[str, Tensor], where: object) -> None:
    """Put `weights` into the network.

    Raises:
        RunError: names, shapes or kinds of numbers differ from the network's, or a number is not finite.
    """
    own = network.state_dict()
    try:
        check(weights, own)
        bad = _broken(weights, own)
        network.load_state_dict(dict(weights))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        remedy = "settings and weights must be of one run"
        raise RunError(where, f"weights that do not fit the settings ({reason})", remedy=remedy) from error
    if bad:
        remedy = "restore it from a copy, or train with a lower --lr or with --clip 1"
        raise RunError(where, f"a weight that is not finite, in {bad}", remedy=remedy)


def _broken(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Return the first of the weights with a number that is not finite, though the network's own are."""
    return next((name for name, w in weights.items() if _infinite(w) and not _infinite(own[name])), "")


def check(found: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> None:
    """See that tensors have the names, the shapes and the kinds of numbers of others.

    Raises:
        ValueError: they have not; with the first that differs.
    """
    for name in [*like, *found]:
        if name not in found or name not in like:
            raise ValueError(f"{'no' if name not in found else 'an unknown'} tensor {name!r:.100}")
        mine, theirs = found[name], like[name]
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            got = f"{mine.dtype} {list(mine.shape)}, not {theirs.dtype} {list(theirs.shape)}"
            raise ValueError(f"{name} is {got}")


def _infinite(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and not bool(tensor.isfinite().all())


def _place(head: bytes) -> int:
    """Return where in a file its digest begins; -1, where it has none."""
    found = MARK.search(head)
    return found.start(1) if found else -1


def _check(path: Path) -> bool:
    """See that the file is what was written, if its head has a digest; and whether it has.

    Raises:
        ValueError: it is not.
    """
    with path.open("rb") as file:
        size = file.read(8)
        head = size + file.read(min(int.from_bytes(size, "little"), _LONGEST))
        if (place := _place(head)) < 0:
            return False
        digest = head[place : place + len(digests.NONE)]
        found = hashlib.sha256(head[:place] + digests.NONE.encode() + head[place + len(digest) :])
        while piece := file.read(_PIECE):
            found.update(piece)
    if found.hexdigest().encode() != digest:
        raise ValueError("not what was written: the digest differs")
    return True
