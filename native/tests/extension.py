"""The extension as Python calls it, under a sanitizer: layers and cells in all ways, threads that share one.

    LD_PRELOAD=libasan.so PYTHONMALLOC=malloc python native/tests/extension.py FOLDER

FOLDER: where the `_native.abi3.so` to be tested is. With Python's own allocator off, memory that was freed is
nobody's, and the sanitizer ends the program where it is read. torch itself is not instrumented: on one thread
for each call, all that is shared goes through Python, whose locks the thread sanitizer knows.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
spec = importlib.util.spec_from_file_location("elman._native", Path(sys.argv[1]) / "_native.abi3.so")
assert spec is not None
assert spec.loader is not None
sys.modules["elman._native"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["elman._native"])

import elman.nn  # noqa: E402
from elman.nn.kernels import dispatch, native  # noqa: E402
from elman.nn.kernels.base import KernelRequest  # noqa: E402

NAMES = ("RNN", "LSTM", "GRU")
LISTED = ("gru_reset_before", "mgu", "peephole_lstm", "indrnn", "multiplicative_lstm", "rhn", "lem", "slstm")
"""Cells that run as lists of operations: of several products, own parameters, and 1 to 4 states."""


def scattered(weight: torch.Tensor) -> torch.Tensor:
    """The same numbers, one after another in no direction."""
    return torch.empty(weight.shape[::-1]).T.copy_(weight) if weight.dim() == 2 else weight


def run(module: nn.Module, *given: torch.Tensor, **around: torch.Tensor) -> torch.Tensor:
    """Forward without and with gradients, and backward; the output is changed on the way."""
    with torch.no_grad():
        module(*given, **around)
    found = module(*given, **around)
    y = found if isinstance(found, torch.Tensor) else found[0]
    y.data.zero_()
    y.sum().backward()
    return y


def alone(name: str, hidden: int, laid_out: bool) -> None:
    """One module of each kind, over few steps and many, of one length and of several."""
    cell = getattr(elman.nn, f"{name}Cell")(5, hidden)
    layer = getattr(elman.nn, name)(5, hidden)
    if not laid_out:
        for weight in (*cell.parameters(), *layer.parameters()):
            weight.data = scattered(weight.data)
    for batch in (1, 3, 9):
        run(cell, torch.randn(batch, 5))
        for steps in (1, 6):
            x = torch.randn(steps, batch, 5, requires_grad=True)
            run(layer, x)
            run(layer, x, lengths=torch.randint(0, steps + 1, (batch,)))
    step = layer.stepper()
    del layer
    for _ in range(3):
        step(torch.randn(1, 5))


SURROUNDED: tuple[dict[str, Any], ...] = (
    {"layer_norm": True},
    {"projection": 3},
    {"zoneout": 0.3},
    {"layer_norm": True, "projection": 3, "zoneout": 0.3, "recurrent_dropout": 0.3},
)
"""What stands around a step of an LSTM, which then runs as a list."""


def listed(name: str, hidden: int, dtype: torch.dtype, settings: dict[str, Any]) -> None:
    """A cell that runs as a list of operations, over few steps and many, ragged and reset."""
    assert dispatch.choose(KernelRequest(name))[0].name == "native"
    layers = elman.Recurrent(name, 5, hidden, layers=2, **settings).to(dtype)
    for batch in (1, 3, 9):
        for steps in (1, 6):
            x = torch.randn(steps, batch, 5, dtype=dtype, requires_grad=True)
            reset = torch.rand(steps, batch) < 0.3
            for around in ({}, {"lengths": torch.randint(1, steps + 1, (batch,))}, {"reset": reset}):
                seq = elman.Seq(x, around.get("lengths"))
                with torch.no_grad():
                    layers(seq, reset=around.get("reset"))
                y, _ = layers(seq, reset=around.get("reset"))
                y.data.square().sum().backward()


def shared(name: str, threads: int = 3, turns: int = 10) -> None:
    """Threads that train one module at once: none waits for another's step."""
    module, failures = getattr(elman.nn, name)(6, 20), []
    x = torch.randn(7, 2, 6)

    def train() -> None:
        try:
            for _ in range(turns):
                grads = torch.autograd.grad(module(x)[0].square().sum(), list(module.parameters()))
                for weight, grad in zip(module.parameters(), grads, strict=True):
                    weight.data.sub_(grad, alpha=0.01)
                with torch.no_grad():
                    module(x[:1])
        except Exception as error:
            failures.append(error)
            raise

    together = [threading.Thread(target=train) for _ in range(threads)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert not failures


def main() -> None:
    """All of it, with each instruction set that the processor has."""
    torch.set_num_threads(1)
    for instruction_set in ("base", "avx2", "avx512"):
        try:
            native.use(instruction_set)
        except ValueError:
            continue
        for name, hidden, laid_out in product(NAMES, (4, 33), (True, False)):
            alone(name, hidden, laid_out)
        for name, hidden, dtype in product(LISTED, (4, 33), (torch.float32, torch.float64)):
            listed(name, hidden, dtype, {"recurrent_dropout": 0.3})
        for settings, hidden, dtype in product(SURROUNDED, (4, 33), (torch.float32, torch.float64)):
            listed("lstm", hidden, dtype, settings)
    for name in NAMES:
        shared(name)


main()
