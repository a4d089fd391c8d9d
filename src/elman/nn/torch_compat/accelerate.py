"""Elman's kernels under a model written for torch.nn: its recurrent layers change their class in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self

from torch import jit, nn
from torch.nn.utils import parametrize

from elman.nn.torch_compat.replacements import IN_PLACE_OF

_OURS = tuple(IN_PLACE_OF.values())
_NAMES = {kind.__name__ for kind in IN_PLACE_OF}


@dataclass(frozen=True)
class Replaced:
    """A layer that runs in Elman's kernels now.

    Args:
        name: where it is in the model, "" for the model itself.
        kind: the class that it had, such as `torch.nn.LSTM`.
        module: the layer, the same object as before.
    """

    name: str
    kind: type[nn.Module]
    module: nn.Module


@dataclass(frozen=True)
class Left:
    """A recurrent layer that was left as it is.

    Args:
        name: where it is in the model, "" for the model itself.
        kind: its class.
        reason: why.
    """

    name: str
    kind: type[nn.Module]
    reason: str


@dataclass(frozen=True)
class Acceleration:
    """What `accelerate` did, and the way back; as a context manager it goes back at the end.

    Args:
        replaced: the layers that run in Elman's kernels.
        left: the recurrent layers that do not, and why.
    """

    replaced: tuple[Replaced, ...]
    left: tuple[Left, ...]

    def undo(self) -> None:
        """Give each replaced layer its class back; its settings and parameters are what they are by now."""
        for each in self.replaced:
            if type(each.module) is _ours(each.kind):
                each.module.__class__ = each.kind

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __str__(self) -> str:
        rows = [("replaced", each.name, each.kind, "") for each in self.replaced]
        rows += [("left", each.name, each.kind, each.reason) for each in self.left]
        words = [(what, name or "(the model)", _title(kind), why) for what, name, kind, why in rows]
        widths = [max(map(len, column)) for column in zip(*words, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in words]
        return "\n".join([f"{len(self.replaced)} replaced, {len(self.left)} left", *lines])


def accelerate(model: nn.Module) -> Acceleration:
    """Have every torch.nn recurrent layer and cell of a model run in Elman's kernels, in place.

    A layer stays the object that it is and becomes an `elman.nn` one: parameters, optimiser, hooks and
    references to it stay as they are. One of a class derived from torch's does so too, if its forward, should
    it have one, hands on to `super()`.

    Args:
        model: any module; it may itself be a recurrent layer.

    Returns:
        What was replaced, what was left and why; print it. Its `undo` goes back.
    """
    replaced, left = [], []
    for name, module in model.named_modules():
        kind = type(module)
        reason = _reason_to_leave(module)
        if reason:
            left.append(Left(name, kind, reason))
        elif _torchs(kind):
            module.__class__ = _ours(kind)
            replaced.append(Replaced(name, kind, module))
    return Acceleration(tuple(replaced), tuple(left))


def _torchs(kind: type[nn.Module]) -> type[nn.Module] | None:
    """The recurrent class of torch's that it is, or derives from."""
    return next((base for base in kind.__mro__ if base in IN_PLACE_OF), None)


@cache
def _ours(kind: type[nn.Module]) -> type[nn.Module]:
    """The class of a replaced layer: ours; for a subclass of torch's, the same with ours as its base.

    What the subclass adds still comes first, and where it hands on to torch's forward it reaches ours.
    """
    torchs = _torchs(kind)
    assert torchs is not None
    if kind is torchs:
        return IN_PLACE_OF[kind]

    def reduced(self: nn.Module, _protocol: Any) -> Any:
        return _blank, (kind,), self.__getstate__()

    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__reduce_ex__": reduced}
    return type(kind.__name__, (kind, IN_PLACE_OF[torchs]), own)


def _blank(kind: type[nn.Module]) -> nn.Module:
    """An accelerated layer of a class that no module holds, for a copy or a pickle to fill."""
    own = _ours(kind)
    return own.__new__(own)


def _reason_to_leave(module: nn.Module) -> str | None:
    """Why a layer that looks recurrent cannot change its class; None where it can, or is none."""
    kind = type(module)
    if isinstance(module, jit.ScriptModule):
        return "torch.jit compiled it" if module.original_name in _NAMES else None
    if isinstance(module, _OURS):
        return "it is Elman's already"
    if kind.__module__.startswith("torch.ao.nn.") and kind.__name__ in _NAMES:
        return "quantised; Elman's kernels take floating point"
    torchs = _torchs(kind)
    if torchs is None:
        return None
    if parametrize.is_parametrized(module):
        return "it has a parametrisation, which changes its class in its own way"
    if not all(map(_hands_on, kind.__mro__[: kind.__mro__.index(torchs)])):
        return f"a subclass of {_title(torchs)} with a forward of its own"
    try:
        _ours(kind)
    except TypeError as error:
        return f"its class takes no other base beside its own: {error}"
    return _reason_of_the_instance(module)


def _hands_on(kind: type) -> bool:
    """Whether a class leaves forward alone, or has one that hands on to `super()`."""
    forward = vars(kind).get("forward")
    return forward is None or "__class__" in getattr(getattr(forward, "__code__", None), "co_freevars", ())


def _reason_of_the_instance(module: nn.Module) -> str | None:
    """Why a layer would not notice that its class changed."""
    if "forward" in vars(module):
        return "its forward was replaced on the layer itself"
    if vars(module).get("qconfig") is not None:
        return "prepared for quantisation, which goes by torch's own classes"
    if vars(module).get("_compiled_call_impl") is not None:
        return "compiled already; accelerate a model before its .compile()"
    return None


def _title(kind: type[nn.Module]) -> str:
    """torch.nn.LSTM rather than torch.nn.modules.rnn.LSTM."""
    if kind in IN_PLACE_OF:
        return f"torch.nn.{kind.__name__}"
    place = "elman.nn" if kind in _OURS else kind.__module__
    return f"{place}.{kind.__name__}"
