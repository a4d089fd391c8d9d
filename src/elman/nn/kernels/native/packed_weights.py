"""Weights laid out for the kernels: once for as long as all their numbers stay, while they live."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.nn.kernels.base import Weights
from elman.nn.kernels.native.extension import DTYPES, GATES, Kind, module, sizes


class Pack(NamedTuple):
    """The weights of one layer in one direction, laid out; whoever runs with them holds them meanwhile.

    Args:
        ahead: for forward; or None.
        back: for backward; or None.
    """

    ahead: Tensor | None
    back: Tensor | None


class _Known(NamedTuple):
    """A pack, and what it was made from."""

    owner: weakref.ref[Tensor]
    kind: Kind
    digest: int
    pack: Pack


_known: dict[int, _Known] = {}
"""By the id of w_hh; each goes when its weight goes. What is in it is replaced, never changed."""


def packed(kind: Kind, weights: Weights, ahead: bool, back: bool) -> Pack:
    """The weights laid out for forward, backward or both, once for as long as they stay as they are.

    Args:
        kind: of the layer.
        weights: dense, as `dense` gives them.
        ahead: whether they are wanted for forward.
        back: whether they are wanted for backward.
    """
    w_hh, key = weights.w_hh, id(weights.w_hh)
    # Before they are laid out: where they change meanwhile, the next call finds another one.
    of_all = module.digest if type(kind[0]) is int else module.list_digest
    digest = of_all(*kind, torch.get_num_threads(), *given(kind, weights))
    known = _known.get(key)
    pack = Pack(None, None)
    if known is not None and known.owner() is w_hh and known.kind == kind and known.digest == digest:
        pack = known.pack
        if (pack.ahead is not None or not ahead) and (pack.back is not None or not back):
            return pack
    pack = Pack(
        _pack(kind, weights, False) if ahead and pack.ahead is None else pack.ahead,
        _pack(kind, weights, True) if back and pack.back is None else pack.back,
    )
    owner = weakref.ref(w_hh, lambda gone: _forget(key, gone))
    _known[key] = _Known(owner, kind, digest, pack)
    return pack


def given(kind: Kind, weights: Weights) -> tuple[Tensor | None, ...]:
    """Those weights that the compiled functions of that kind are handed: four, of a list all seven."""
    return weights[:4] if type(kind[0]) is int else weights[:7]


def dense(kind: Kind, weights: Weights) -> Weights:
    """Those four that the kernels of a cell read, each of them contiguous: the same tensors where they are.

    Args:
        kind: of the layer.
        weights: of the layer.

    Raises:
        DataError: a shape, dtype or device does not fit.
    """
    w_ih, w_hh, b_ih, b_hh, *_ = weights
    cell, number, features, hidden = kind
    dtype, wide = DTYPES[number], GATES[cell] * hidden
    return Weights(
        _dense("w_ih", w_ih, dtype, (wide, features)),
        _dense("w_hh", w_hh, dtype, (wide, hidden)),
        None if b_ih is None else _dense("b_ih", b_ih, dtype, (wide,)),
        None if b_hh is None else _dense("b_hh", b_hh, dtype, (wide,)),
    )


def dense_of_list(kind: Kind, weights: Weights, gates: int, recurrent_gates: int) -> Weights:
    """Those seven that the kernels of a list read, likewise.

    Args:
        kind: of the layer.
        weights: of the layer.
        gates: how many W has.
        recurrent_gates: how many U has.

    Raises:
        DataError: a shape, dtype or device does not fit.
    """
    _, number, features, hidden, inner, _ = kind
    wide, recurrent = gates * hidden, recurrent_gates * hidden
    shapes = (wide, features), (recurrent, inner), *[(wide,), (recurrent,)] * 2, (inner, hidden)
    found = [
        None if weight is None else _dense(name, weight, DTYPES[number], shape)
        for name, weight, shape in zip(Weights._fields, weights[:7], shapes, strict=True)
    ]
    return Weights(*found)  # pyrefly: ignore


def forget(*weights: Tensor | None) -> None:
    """Forget what is laid out of these, for torch swaps no tensor that is watched for its end."""
    for weight in weights:
        known = _known.get(id(weight))
        if known is not None and known.owner() is weight:
            _known.pop(id(weight), None)


def count() -> int:
    """How many layers' weights are kept packed."""
    return len(_known)


def clear() -> None:
    """Forget all that are packed, for what runs next wants them in another layout."""
    _known.clear()
    sizes.cache_clear()


def check(what: str, tensor: Tensor, dtype: Any, shape: tuple[int, ...]) -> None:
    """Raise DataError where a tensor is not what the kernels may read: they know addresses alone."""
    if tensor.shape != shape or tensor.dtype != dtype or not tensor.is_cpu:
        got = f"{list(tensor.shape)} {tensor.dtype} on {tensor.device}"
        raise DataError(what, got, expected=f"{list(shape)} {dtype} on cpu")


def _dense(name: str, weight: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if weight.shape != shape or weight.dtype is not dtype or not weight.is_cpu:
        check(name, weight, dtype, shape)
    return weight if weight.is_contiguous() else weight.contiguous()


def _pack(kind: Kind, weights: Weights, back: bool) -> Tensor:
    single = type(kind[0]) is int
    layout = weights.w_hh.new_empty((sizes(kind) if single else module.list_sizes(*kind, 1, 1, 0))[back])
    pack = module.pack if single else module.list_pack
    pack(*kind, torch.get_num_threads(), back, *given(kind, weights), layout)
    return layout


def _forget(key: int, owner: weakref.ref[Tensor]) -> None:
    known = _known.get(key)
    if known is not None and known.owner is owner:
        _known.pop(key, None)
