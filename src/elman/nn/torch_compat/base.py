"""What torch's own tools ask of a module: symbolic tracing, swaps of parameters, quantisation."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn
from torch.fx import Proxy, Tracer

from elman.core.errors import ConfigError
from elman.nn.kernels.native import kernel


def tracer_of(*given: Any) -> Any:
    """The tracer of torch.fx that one of these stands for a value of, or None."""
    return next((each.tracer for each in given if isinstance(each, Proxy)), None)


class Foreign(nn.Module):
    """A module that torch's tools take for a whole, or say why not."""

    @property
    def qconfig(self) -> Any:
        """How torch.ao would quantise it, had it torch's class; missing until torch.ao sets it."""
        if "qconfig" not in vars(self):
            raise AttributeError("qconfig")
        return vars(self)["qconfig"]

    @qconfig.setter
    def qconfig(self, value: Any) -> None:
        """Keep it, and warn that nothing comes of it."""
        vars(self)["qconfig"] = value
        name = type(self).__name__
        warnings.warn(
            f"quantisation leaves elman.nn.{name} in floating point, for it goes by torch's own classes: "
            f"first undo() what accelerate did, or take torch.nn.{name}",
            stacklevel=2,
        )

    @qconfig.deleter
    def qconfig(self) -> None:
        """Forget it, as torch.ao does at its end."""
        vars(self).pop("qconfig", None)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        kernel.forget(*self.parameters(recurse=False))
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *given: Any, **named: Any) -> None:
        kernel.forget(*self.parameters(recurse=False))
        super()._load_from_state_dict(*given, **named)

    def noted(self, tracer: Tracer, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call of it as one node of the graph, as torch.fx notes calls of torch's own modules.

        Raises:
            ConfigError: it is itself what is traced.
        """
        path = tracer.path_of_module(self)
        if not path:
            got, remedy = f"elman.nn.{type(self).__name__} alone", "trace a module that holds it"
            raise ConfigError("symbolic_trace", got, remedy=remedy)
        return tracer.create_proxy(
            "call_module", path, given, {k: v for k, v in named.items() if v is not None}
        )
