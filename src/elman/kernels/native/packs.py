"""Weights laid out for the kernels: once for each of their versions, and for as long as they live."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from elman.errors import DataError
from elman.kernels.base import Weights
from elman.kernels.native.extension import DTYPES, GATES, Kind, module, sizes


class _Pack:
    """The packed weights of one layer in one direction, and what they were made from."""

    __slots__ = ("digests", "layouts", "marks", "owner", "places")

    def __init__(self, weights: Weights, marks: tuple[Any, ...]) -> None:
        key = id(weights.w_hh)
        self.owner = weakref.ref(weights.w_hh, lambda _: _packs.pop(key, None))
        self.marks, self.places = marks, _places(weights)
        self.digests = tuple(module.digest(thorough, *self.places) for thorough in (False, True))
        self.layouts: list[Tensor | None] = [None, None]


_packs: dict[int, _Pack] = {}
"""By the id of w_hh; each goes when its weight goes."""


def packed(kind: Kind, weights: Weights, back: bool, thorough: bool) -> Tensor:
    """The weights laid out for forward or backward, once for each of their versions.

    A change that torch does not count as a version (through `.data` or NumPy) shows in a digest: `thorough`,
    of all numbers; else of some 64 stretches of each matrix.

    Raises:
        DataError: a shape, dtype or device does not fit.
    """
    w_ih, w_hh, b_ih, b_hh, *_ = weights
    if not (
        w_ih.is_contiguous()
        and w_hh.is_contiguous()
        and (b_ih is None or b_ih.is_contiguous())
        and (b_hh is None or b_hh.is_contiguous())
    ):
        _check(kind, weights)
        return _pack(kind, weights, back)
    marks = (kind, *_mark(w_ih), *_mark(w_hh), *_mark(b_ih), *_mark(b_hh))
    known = _packs.get(id(w_hh))
    if (
        known is None
        or known.owner() is not w_hh
        or known.marks != marks
        or known.digests[thorough] != module.digest(thorough, *known.places)
    ):
        _check(kind, weights)
        known = _packs[id(w_hh)] = _Pack(weights, marks)
    layout = known.layouts[back]
    if layout is None:
        layout = known.layouts[back] = _pack(kind, weights, back)
    return layout


def count() -> int:
    """How many layers' weights are kept packed."""
    return len(_packs)


def clear() -> None:
    """Forget all that are packed, for what runs next wants them in another layout."""
    _packs.clear()
    sizes.cache_clear()


def _mark(weight: Tensor | None) -> tuple[int, int]:
    """Where it lies, and its version."""
    if weight is None:
        return 0, 0
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version


def _pack(kind: Kind, weights: Weights, back: bool) -> Tensor:
    dense = [None if w is None else w.contiguous() for w in weights[:4]]
    layout = weights.w_hh.new_empty(sizes(kind)[back])
    places = [0 if w is None else w.data_ptr() for w in dense]
    module.pack(*kind, torch.get_num_threads(), back, *places, layout.data_ptr())
    return layout


def _places(weights: Weights) -> list[int]:
    """Address and bytes of each."""
    return [number for w in weights[:4] if w is not None for number in (w.data_ptr(), w.nbytes)]


def _check(kind: Kind, weights: Weights) -> None:
    cell, number, features, hidden = kind
    wide = GATES[cell] * hidden
    shapes = (wide, features), (wide, hidden), (wide,), (wide,)
    for name, weight, shape in zip(Weights._fields, weights[:4], shapes, strict=False):
        if weight is not None:
            check(name, weight, DTYPES[number], shape)


def check(what: str, tensor: Tensor, dtype: Any, shape: tuple[int, ...]) -> None:
    """Raise DataError where a tensor is not what the kernels may read: they know addresses alone."""
    if tensor.shape != shape or tensor.dtype != dtype or not tensor.is_cpu:
        got = f"{list(tensor.shape)} {tensor.dtype} on {tensor.device}"
        raise DataError(what, got, expected=f"{list(shape)} {dtype} on cpu")
