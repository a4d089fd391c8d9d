"""Which tensors may be read and written by address: plain ones, with no observer.

A mode, a transform, a tracer or a subclass sees operations of torch's dispatcher alone. So whatever is not
known to be without one is kept away from addresses, even if it is unknown here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.nn import Parameter
from torch.overrides import has_torch_function
from torch.utils._device import DeviceContext

from elman.nn.kernels.native.extension import module

_KINDS = frozenset({Tensor, Parameter})
_included, _modes = torch._C._dispatch_tls_local_include_set, torch._C._len_torch_function_stack
_interpreter, _is_tracing = torch._C._functorch.peek_interpreter_stack, torch._C._is_tracing


def _without_anything() -> frozenset[int]:
    """The keys that every call is dispatched with, in inference mode and out of it."""
    keys, key = torch._C.DispatchKeySet, torch._C.DispatchKey
    select = keys(key.BackendSelect)
    return frozenset({select.raw_repr(), (select | keys(key.ADInplaceOrView)).raw_repr()})


_PLAIN = _without_anything()

_OF_MODES = [
    getattr(torch._C.DispatchKey, name)
    for name in ("Python", "PythonTLSSnapshot", "PythonDispatcher", "PreDispatch")
    if hasattr(torch._C.DispatchKey, name)
]
"""What the thread has where modes of the dispatcher are at work."""


def is_watched() -> bool:
    """Whether a mode, transform or tracer is at work, or forward-mode differentiation."""
    # Tracers, dispatch modes, torch.func, vmap, make_fx: each adds a key of its own to those of the thread.
    if _included().raw_repr() not in _PLAIN or forward_ad._current_level >= 0:
        return True
    return bool(_modes()) and not _places_alone()


def is_plain(*tensors: Tensor | None) -> bool:
    """Whether these, all that a call reads, are what their memory says, and nobody looks on."""
    return not is_watched() and module.are_plain(Tensor, Parameter, *tensors)


@torch.compiler.assume_constant_result  # a graph is made anew where it is not: torch looks after that
def is_transformed() -> bool:
    """Whether torch.func or forward-mode differentiation is at work, in a graph that is made or not."""
    return _interpreter() is not None or forward_ad._current_level >= 0


def is_traced() -> bool:
    """Whether torch.jit.trace or an exporter to ONNX writes down what is done, by torch's names."""
    return _is_exported() if torch.compiler.is_compiling() else _is_tracing()


def is_operation_served(*tensors: Tensor | None) -> bool:
    """Whether an operation of the dispatcher is seen for what it does by those who look on.

    A mode sees it as one, and a fake tensor has a rule for it. Other subclasses and the older vmap, which
    batches gradients, know the operations that they were written for.
    """
    keys = _included()
    for key in _OF_MODES:
        keys = keys.remove(key)
    if keys.raw_repr() not in _PLAIN:
        return False
    return all(t is None or type(t) in _KINDS or isinstance(t, FakeTensor) for t in tensors)


def wants_names(*tensors: Tensor | None) -> bool:
    """Whether a trace, a mode or a subclass wants torch's own functions by their names."""
    if torch.compiler.is_compiling():
        return _is_exported()
    return _is_tracing() or (has_torch_function(tensors) and _is_taken_over(*tensors))


@torch.compiler.assume_constant_result
def _is_exported() -> bool:
    return torch.onnx.is_in_onnx_export()


def _is_taken_over(*tensors: Tensor | None) -> bool:
    return not (are_of_torch(*tensors) and _places_alone())


def are_of_torch(*tensors: Tensor | None) -> bool:
    """Whether none is of a subclass of torch.Tensor, but for parameters."""
    return all(tensor is None or type(tensor) in _KINDS for tensor in tensors)


def _places_alone() -> bool:
    """Whether all modes of functions say no more than where new tensors lie (torch.set_default_device)."""
    modes = torch.overrides._get_current_function_mode_stack()
    return all(type(mode) is DeviceContext for mode in modes)
