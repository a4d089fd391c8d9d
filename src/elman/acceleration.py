"""Elman's kernels under a model written for torch.nn: its recurrent layers change their class in place."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from torch import jit, nn

from elman.nn import IN_PLACE_OF

_BACK = {ours: torchs for torchs, ours in IN_PLACE_OF.items()}
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
            if type(each.module) is IN_PLACE_OF[each.kind]:
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
    references to it stay as they are.

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
        elif kind in IN_PLACE_OF:
            module.__class__ = IN_PLACE_OF[kind]
            replaced.append(Replaced(name, kind, module))
    return Acceleration(tuple(replaced), tuple(left))


def _reason_to_leave(module: nn.Module) -> str | None:
    """Why a layer that looks recurrent cannot change its class; None where it can, or is none."""
    kind = type(module)
    if isinstance(module, jit.ScriptModule):
        return "torch.jit compiled it" if module.original_name in _NAMES else None
    if kind in IN_PLACE_OF:
        return _reason_of_the_instance(module)
    if kind in _BACK:
        return "it is Elman's already"
    if kind.__module__.startswith("torch.ao.nn.") and kind.__name__ in _NAMES:
        return "quantised; Elman's kernels take floating point"
    bases = [base for base in kind.__mro__ if base in IN_PLACE_OF]
    return f"a subclass of {_title(bases[0])}, which may run in its own way" if bases else None


def _reason_of_the_instance(module: nn.Module) -> str | None:
    """Why a layer of torch's own class would not notice that its class changed."""
    if "forward" in vars(module):
        return "its forward was replaced on the layer itself"
    if vars(module).get("_compiled_call_impl") is not None:
        return "compiled already; accelerate a model before its .compile()"
    return None


def _title(kind: type[nn.Module]) -> str:
    """torch.nn.LSTM rather than torch.nn.modules.rnn.LSTM."""
    if kind in IN_PLACE_OF:
        return f"torch.nn.{kind.__name__}"
    place = "elman.nn" if kind in _BACK else kind.__module__
    return f"{place}.{kind.__name__}"
