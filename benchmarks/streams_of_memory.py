"""Cells without a recurrent product beside their published scans in torch, and beside the memory's floor.

    python benchmarks/streams_of_memory.py [--threads 1]

Prints a table in Markdown: milliseconds of a call of the layer and its backward, of the products of
the input alone in torch, of a scan in torch that takes these products, and of the floor: the time in which as
many bytes are copied. Medians of seven, by turns. Then microseconds of a step in a stream.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core.records import Seq
from elman.nn.recurrent import Recurrent

SHAPES = ((784, 64, 128), (1000, 1, 256), (100, 32, 256))
SAMPLES = 7


def log_space(log_keep: Tensor, log_write: Tensor) -> Tensor:
    """The scan of Feng et al. (2024), appendix B: h' = keep * h + write from zero; [T, B, H] each."""
    kept = log_keep.cumsum(0)
    return (kept + torch.logcumsumexp(log_write - kept, 0)).exp()


def positive_log(x: Tensor) -> Tensor:
    return torch.where(x >= 0, (F.relu(x) + 0.5).log(), -F.softplus(-x))


def mingru(net: Recurrent, wx: Tensor) -> Tensor:
    k, proposal = wx.chunk(2, -1)
    return log_space(-F.softplus(k), -F.softplus(-k) + positive_log(proposal))


def minlstm(net: Recurrent, wx: Tensor) -> Tensor:
    f, i, proposal = wx.chunk(3, -1)
    apart = F.softplus(-f) - F.softplus(-i)
    return log_space(-F.softplus(apart), -F.softplus(-apart) + positive_log(proposal))


def associative(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Prefixes of (a, b) under (a, b) (c, d) = (a c, c b + d), as jax.lax.associative_scan makes them.

    The second are the states of h' = a * h + b from zero; [T, B, H] each.
    """
    if len(a) < 2:
        return a, b
    (c, d), pairs = (a[1::2], b[1::2]), len(a) // 2
    inner = associative(c * a[0::2][:pairs], c * b[0::2][:pairs] + d)
    c, d = a[2::2], b[2::2]
    after = inner[0][: len(c)] * c, c * inner[1][: len(c)] + d
    whole = torch.empty_like(b), torch.empty_like(b)
    for to, first, even, odd in zip(whole, (a, b), after, inner, strict=True):
        to[0::2], to[1::2] = torch.cat([first[:1], even]), odd
    return whole


def lru(net: Recurrent, wx: Tensor) -> Tensor:
    real, imaginary, scale = net.weights(0).own
    a = torch.complex(real, imaginary).expand(*wx.shape[:2], -1)
    return associative(a, torch.complex(*wx.chunk(2, -1)) * scale)[1].real


SCANS = {"mingru": mingru, "minlstm": minlstm, "lru": lru}


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def medians(*runs: Callable[[], object]) -> list[float]:
    """Seconds of each, by turns."""
    for run in runs:
        run()
    samples = [[seconds(run) for run in runs] for _ in range(SAMPLES)]
    return [statistics.median(each) for each in zip(*samples, strict=True)]


def measure(name: str, steps: int, batch: int, hidden: int) -> str:
    net, x = Recurrent(name, hidden, hidden), torch.randn(steps, batch, hidden)
    gates = net.cell.gates
    grad = torch.randn(steps, batch, hidden)
    held = torch.randn(steps, batch, gates * hidden)

    def ours() -> None:
        net.zero_grad()
        net(Seq(x.requires_grad_()))[0].data.backward(grad)

    def products() -> None:
        net.zero_grad()
        F.linear(x.requires_grad_(), net.weight_ih_l0, net.bias_ih_l0).backward(held)

    def theirs() -> None:
        net.zero_grad()
        wx = F.linear(x.requires_grad_(), net.weight_ih_l0, net.bias_ih_l0)
        SCANS[name](net, wx).backward(grad)

    # Forward: read G products, write the states; backward: read both and a gradient, write G gradients.
    numbers = steps * batch * hidden * (3 * gates + 2 * net.cell.states + 2) // 2
    source, sink = torch.randn(numbers), torch.empty(numbers)

    def floor() -> None:
        sink.copy_(source)

    with torch.no_grad():
        wx = F.linear(x, net.weight_ih_l0, net.bias_ih_l0)
        close = (net(Seq(x))[0].data - SCANS[name](net, wx)).abs().max()
    a, b, c, d = medians(ours, products, theirs, floor)
    figures = [f"{each * 1e3:.3g}" for each in (a, b, a - b, c, c - b, d)]
    more = [f"{c / a:.1f}", f"{(c - b) / max(a - b, 1e-9):.1f}", f"{(a - b) / d:.2f}", f"{close:.0e}"]
    return f"| `{name}` | {steps}, {batch}, {hidden} | " + " | ".join([*figures, *more]) + " |"


def stream(name: str, hidden: int = 256, steps: int = 2000) -> str:
    """Microseconds of a step of one sequence, and of one of a GRU and an LSTM beside it."""
    x, runs = torch.randn(1, hidden), []
    for cell in (name, "gru", "lstm"):
        net = Recurrent(cell, hidden, hidden)
        (layer,) = net.layer_steppers(net.initial(1))
        runs.append(lambda layer=layer: [layer.advance(x) for _ in range(steps)])
    return f"| `{name}` | " + " | ".join(f"{each / steps * 1e6:.2f}" for each in medians(*runs)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    print(
        "| cell | T, B, H | ours ms | products in torch ms | rest ms | theirs ms | rest ms | floor ms | ",
        end="",
    )
    print("theirs / ours | of the rests | rest / floor | difference |\n|" + "---|" * 12)
    for name in SCANS:
        for shape in SHAPES:
            print(measure(name, *shape), flush=True)
    print("\n| cell | step in a stream, H = 256, us | of a GRU | of an LSTM |\n|" + "---|" * 4)
    for name in ("mingru", "minlstm", "qrnn", "sru", "lru", "s5", "rglru"):
        print(stream(name), flush=True)


if __name__ == "__main__":
    main()
