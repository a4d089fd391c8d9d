"""One layer in Elman and torch with the same weights, and in a prototype: what is timed, and what is true."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import elman.nn

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

Calls = dict[str, Callable[[], object]]
"""What takes turns, by name."""


class Layer(NamedTuple):
    """One layer on random numbers, always the same ones.

    Args:
        cell: "LSTM", "GRU" or "RNN".
        ours, theirs: elman.nn's and torch.nn's module, with the same weights.
        x: [T, B, I], which wants its gradient.
        dy: [T, B, H], the gradient of y; zero beyond the lengths.
        lengths: [B], or None.
    """

    cell: str
    ours: torch.nn.RNNBase
    theirs: torch.nn.RNNBase
    x: Tensor
    dy: Tensor
    lengths: Tensor | None

    @property
    def weights(self) -> dict[str, Tensor]:
        """By torch's names, without gradient."""
        return {name: weight.detach() for name, weight in self.theirs.named_parameters()}

    def work(self, training: bool) -> float:
        """Floating point operations of the products, of steps that there are: 2 (I + H) G H a step, or 6."""
        steps, batch, inputs = self.x.shape
        rows = steps * batch if self.lengths is None else int(self.lengths.sum())
        hidden = self.dy.shape[2]
        return (6 if training else 2) * rows * GATES[self.cell] * hidden * (inputs + hidden)

    def packed(self) -> PackedSequence:
        """x as torch takes sequences of several lengths; its data wants its gradient."""
        found = pack_padded_sequence(self.x.detach(), self.lengths, enforce_sorted=False)
        return found._replace(data=found.data.clone().requires_grad_())


def layer(cell: str, shape: tuple[int, ...], ragged: bool = False) -> Layer:
    """A layer of that shape (T, B, I, H); ragged: with lengths uniform from T / 10 to T, one of them T."""
    steps, batch, inputs, hidden = shape
    torch.manual_seed(0)
    theirs = getattr(torch.nn, cell)(inputs, hidden)
    ours = getattr(elman.nn, cell)(inputs, hidden)
    ours.load_state_dict(theirs.state_dict())
    x, dy = torch.randn(steps, batch, inputs), torch.randn(steps, batch, hidden)
    lengths = None
    if ragged:
        torch.manual_seed(0)  # the same lengths for every cell
        lengths = torch.randint(max(1, steps // 10), steps + 1, (batch,))
        lengths[batch // 2] = steps
        dy *= (torch.arange(steps)[:, None] < lengths)[..., None]
    return Layer(cell, ours, theirs, x.requires_grad_(), dy, lengths)


def inference(module: torch.nn.Module, given: Any, **options: Any) -> Callable[[], object]:
    """A call without gradients."""

    def call() -> object:
        with torch.inference_mode():
            return module(given, **options)

    return call


def training(module: torch.nn.Module, given: Any, dy: Tensor, **options: Any) -> Callable[[], object]:
    """A call, and back through it to its input and weights; `dy` lies as the output does."""
    x = given.data if isinstance(given, PackedSequence) else given

    def call() -> None:
        module.zero_grad()
        x.grad = None
        y, _ = module(given, **options)
        (y.data if isinstance(y, PackedSequence) else y).backward(dy)

    return call


def dense(it: Layer) -> dict[str, Calls]:
    """Pass -> ours and torch's."""
    modules = {"ours": it.ours, "torch": it.theirs}
    return {
        "inference": {name: inference(module, it.x) for name, module in modules.items()},
        "training": {name: training(module, it.x, it.dy) for name, module in modules.items()},
    }


def ragged(it: Layer) -> dict[str, Calls]:
    """Pass -> ours with lengths, ours and torch's with what is packed already."""
    dy = pack_padded_sequence(it.dy, it.lengths, enforce_sorted=False).data
    given, options = it.packed(), {"lengths": it.lengths}
    return {
        "inference": {
            "ours": inference(it.ours, it.x, **options),
            "packed": inference(it.ours, given),
            "torch": inference(it.theirs, given),
        },
        "training": {
            "ours": training(it.ours, it.x, it.dy, **options),
            "packed": training(it.ours, given, dy),
            "torch": training(it.theirs, given, dy),
        },
    }


def step(it: Layer) -> Calls:
    """One step (T = B = 1) with a state: by cell and by layer, ours and torch's, and by our stepper."""
    found = {}
    hidden = it.dy.shape[2]
    for name, modules, module in (("ours", elman.nn, it.ours), ("torch", torch.nn, it.theirs)):
        cell = getattr(modules, f"{it.cell}Cell")(hidden, hidden)
        cell.load_state_dict({key.removesuffix("_l0"): value for key, value in it.weights.items()})
        h = torch.zeros(1, hidden)
        state = (h, h) if it.cell == "LSTM" else h
        deep = (h[None], h[None]) if it.cell == "LSTM" else h[None]
        found[f"{name} cell"] = inference(cell, it.x.detach()[0], hx=state)
        found[f"{name} layer"] = inference(module, it.x.detach(), hx=deep)
    stepper, x = it.ours.stepper(), it.x.detach()[0]
    found["ours stepper"] = lambda: stepper(x)
    return found


def difference(it: Layer) -> float:
    """The largest difference of ours from torch in float64.

    Of y and of every gradient, each relative to the largest number of that tensor.
    """
    exact = layer(it.cell, (*it.x.shape, it.dy.shape[2]), it.lengths is not None)
    wanted = _results(exact.theirs.double(), exact, exact.x.detach().double(), packed=it.lengths is not None)
    worst = 0.0
    for packed in (False,) if it.lengths is None else (False, True):
        got = _results(it.ours, it, it.x.detach(), packed)
        worst = max(worst, *map(_relative, got, wanted))
    return worst


def step_difference(calls: Calls, it: Layer) -> float:
    """The same of one step by our cell."""
    exact = layer(it.cell, (*it.x.shape, it.dy.shape[2]))
    wanted = exact.theirs.double()(exact.x.detach().double())[0][0].detach()
    state = calls["ours cell"]()
    return _relative(state[0] if it.cell == "LSTM" else state, wanted)


def _relative(got: Tensor, wanted: Tensor) -> float:
    return float((got.double() - wanted).abs().max() / wanted.abs().max())


def _results(module: torch.nn.Module, it: Layer, x: Tensor, packed: bool) -> list[Tensor]:
    """y without and with gradients, padded, and the gradients."""
    ys, x = [], x.requires_grad_()
    module.zero_grad()
    for wanted in (False, True):
        with torch.set_grad_enabled(wanted):
            if packed:
                y = module(pack_padded_sequence(x, it.lengths, enforce_sorted=False))[0]
                ys.append(pad_packed_sequence(y, total_length=len(x))[0])
            else:
                ys.append(module(x, **({} if it.lengths is None else {"lengths": it.lengths}))[0])
    ys[1].backward(it.dy.to(x.dtype))
    return [ys[0], ys[1].detach(), x.grad, *[weight.grad for weight in module.parameters()]]


class Prototype:
    """The kernels of a folder with rk.py and build.sh, built in a copy where they are not built there.

    Args:
        folder: where it is.
        threads: it has one or two.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        if not (folder / "librk.so").exists():
            copy = Path(tempfile.mkdtemp()) / "prototype"
            shutil.copytree(folder, copy, copy_function=shutil.copyfile)
            copy.chmod(0o755)
            subprocess.run(["sh", "build.sh"], cwd=copy, check=True)
            folder = copy
        sys.path.insert(0, str(folder))
        import rk

        sys.path.pop(0)
        rk.use_gomp()
        self.rk, self.threads = rk, min(threads, 2)

    def scan(self, it: Layer) -> Calls:
        """Pass -> its call, with gradients of x and the weights, outside autograd; it packs at each."""
        lengths = None if it.lengths is None else it.lengths.numpy()
        plan = self.rk.Plan(it.cell, *it.x.shape, it.dy.shape[2], lengths=lengths, nthr=self.threads)
        x, weights = it.x.detach(), list(it.weights.values())

        def train() -> None:
            plan.fwd(x, weights)
            plan.bwd(it.dy)

        return {"inference": lambda: plan.inf(x, weights), "training": train}

    def step(self, it: Layer) -> Callable[[], object]:
        """One step on one thread, its weights packed before."""
        hidden = it.dy.shape[2]
        plan = self.rk.Plan(it.cell, 1, 1, hidden, hidden, nthr=1)
        x, weights = it.x.detach(), list(it.weights.values())
        plan.fwd(x, weights)
        memory = torch.zeros(2, plan.Hp)
        plan.p.hs = memory.data_ptr()
        plan.cs.zero_()
        pointer = ctypes.c_void_p(x.data_ptr())
        keep = (memory, x)  # the plan knows their addresses alone

        def call() -> object:
            return self.rk.L.rk_step(plan.rp, pointer), keep

        return call
