"""Our cells beside those of torchrecurrent, with the same weights: `python benchmarks/cell_peers.py`.

Checks that outputs, last states and gradients are the same, then times a call and its backward of both by
turns, on one thread: seconds of that thread, the median of the samples' ratios. Prints a table in Markdown;
--write puts it into docs/cells.md. Needs `pip install --no-deps torchrecurrent` (measured with 0.2.5).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman.core.records import Seq
from elman.nn.cells import registry
from elman.nn.recurrent import Recurrent

PAGE = Path(__file__).parent.parent / "docs" / "cells.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SIZES = ((100, 16, 64, 64), (100, 1, 64, 64))
TOLERANCE = 1e-6
SAMPLES = 7


class Weights(NamedTuple):
    """Ours of one layer: a gate at a time."""

    w: tuple[Tensor, ...]
    u: tuple[Tensor, ...]
    b: tuple[Tensor, ...]
    c: tuple[Tensor, ...]  # of the recurrent products
    own: Mapping[str, Tensor]

    def whole(self, gates: tuple[int, ...] = ()) -> dict[str, Tensor]:
        """As most of their cells have them, in an order of gates."""
        order = gates or range(len(self.w))
        names = {"weight_ih": self.w, "weight_hh": self.u, "bias_ih": self.b, "bias_hh": self.c}
        return {name: torch.cat([parts[gate] for gate in order]) for name, parts in names.items()}


class Peer(NamedTuple):
    """Their cell for one of ours.

    Args:
        name: of their layer.
        weights: ours as theirs.
        settings: fields of our cell that theirs takes.
        given: what else it is made with, where its default is another one than the paper's.
        zero: of our biases, those that theirs has not: of which tensor, and which gate's.
    """

    name: str
    weights: Callable[[Weights], dict[str, Tensor]]
    settings: tuple[str, ...] = ()
    given: Mapping[str, Any] = {}
    zero: tuple[tuple[str, int], ...] = ()


def _peephole(ours: Weights) -> dict[str, Tensor]:
    names = ("peephole_input", "peephole_forget", "peephole_output")
    return ours.whole() | {"weight_ph": torch.cat([ours.own[name] for name in names])}


def _ran(ours: Weights) -> dict[str, Tensor]:
    u, c = torch.cat(ours.u), torch.cat(ours.c)
    return {"weight_ih": torch.cat(ours.w), "weight_hh": u, "bias_ih": torch.cat(ours.b[1:]), "bias_hh": c}


def _indrnn(ours: Weights) -> dict[str, Tensor]:
    none = torch.zeros_like(ours.b[0])
    return {
        "weight_ih": ours.w[0],
        "vector_u": ours.own["recurrent"],
        "bias_ih": ours.b[0],
        "bias_hh": none,
    }


def _fastrnn(ours: Weights) -> dict[str, Tensor]:
    return ours.whole() | {name: ours.own[name].reshape(1) for name in ("alpha", "beta")}


def _fastgrnn(ours: Weights) -> dict[str, Tensor]:
    (b,), (c,), own = ours.b, ours.c, ours.own
    biases = {
        "bias_ih": torch.cat([b + own["bias_gate"], b + own["bias_update"]]),
        "bias_hh": torch.cat([c, c]),
    }
    return ours.whole() | biases | {name: own[name].reshape(1) for name in ("zeta", "nu")}


def _multiplicative(ours: Weights) -> dict[str, Tensor]:
    first = {"weight_hh": ours.u[0], "bias_hh": ours.c[0]}
    return ours.whole() | first | {"weight_mh": torch.cat(ours.u[1:]), "bias_mh": torch.cat(ours.c[1:])}


def _minimal(ours: Weights) -> dict[str, Tensor]:
    wide = {"weight_ih": ours.w[0], "bias_ih": ours.b[0]}
    return wide | {"weight_hh": ours.u[0], "weight_mm": ours.u[1], "bias_hh": ours.c[0]}


def _cornn(ours: Weights) -> dict[str, Tensor]:
    wide = {"weight_ih": ours.w[0], "bias_ih": ours.b[0]}
    return wide | dict(zip(("weight_hh", "weight_ch", "bias_hh", "bias_ch"), (*ours.u, *ours.c), strict=True))


def _unicornn(ours: Weights) -> dict[str, Tensor]:
    none = torch.zeros_like(ours.b[0])
    wide = {"weight_ih": ours.w[0], "bias_ih": ours.b[0], "bias_hh": none}
    return wide | {"weight_hh": ours.own["recurrent"], "weight_ch": ours.own["pace"]}


PEERS = {
    "mgu": Peer("MGU", Weights.whole),
    "minimal_rnn": Peer("MinimalRNN", _minimal, zero=(("bias_hh_l0", 1),)),
    "peephole_lstm": Peer("PeepholeLSTM", _peephole),
    "janet": Peer("JANET", Weights.whole, ("beta",)),
    "ugrnn": Peer("UGRNN", lambda ours: ours.whole((1, 0))),
    "atr": Peer("ATR", Weights.whole),
    "ran": Peer("RAN", _ran, zero=(("bias_ih_l0", 0),)),
    "ligru": Peer("LiGRU", Weights.whole),
    "indrnn": Peer("IndRNN", _indrnn, given={"nonlinearity": "relu"}),
    "fastrnn": Peer("FastRNN", _fastrnn),
    "fastgrnn": Peer("FastGRNN", _fastgrnn, given={"nonlinearity": "sigmoid"}),
    "antisymmetric_rnn": Peer("AntisymmetricRNN", Weights.whole, ("epsilon", "gamma")),
    "multiplicative_lstm": Peer("MultiplicativeLSTM", _multiplicative),
    "cornn": Peer("coRNN", _cornn, ("dt", "gamma", "epsilon")),
    "unicornn": Peer("UnICORNN", _unicornn, ("dt", "alpha")),
}
"""Ours -> theirs, where both have the same formula."""


def _with_zeros(net: Recurrent, peer: Peer) -> None:
    """Draw all weights, and leave out the biases that theirs has not."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.3)
        for name, gate in peer.zero:
            getattr(net, name).chunk(len(getattr(net, name)) // net.hidden_size)[gate].zero_()


def pair(name: str, features: int, hidden: int, dtype: torch.dtype) -> tuple[Recurrent, Any]:
    """Ours and theirs, one layer with the same weights."""
    import torchrecurrent

    cell, peer = registry.get(name), PEERS[name]
    ours = Recurrent(name, features, hidden).to(dtype)
    _with_zeros(ours, peer)
    of = {key.removesuffix("_l0"): value.detach() for key, value in ours.named_parameters()}
    gates = [of.pop(key).split(hidden) for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    settings = {key: getattr(cell, key) for key in peer.settings} | dict(peer.given)
    theirs = getattr(torchrecurrent, peer.name)(features, hidden, **settings).to(dtype)
    wanted = {f"cells.0.{key}": value for key, value in peer.weights(Weights(*gates, of)).items()}
    theirs.load_state_dict(theirs.state_dict() | wanted)
    return ours, theirs


def difference(name: str) -> float:
    """The largest one of outputs, last states and gradients of x, in float64, relative to the largest."""
    torch.manual_seed(0)
    ours, theirs = pair(name, 5, 7, torch.float64)
    x = torch.randn(12, 3, 5, dtype=torch.float64)
    found = []
    for run in (lambda x: _ours(ours, x), lambda x: theirs(x)):
        own = x.clone().requires_grad_()
        y, last = run(own)
        (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
        last = last if isinstance(last, tuple) else (last,)
        found.append(
            [
                y.detach(),
                own.grad,
                *(state.detach().reshape(3, 7) for state in last[: registry.get(name).states]),
            ]
        )
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*found, strict=True))


def _ours(net: Recurrent, x: Tensor) -> tuple[Tensor, Any]:
    y, state = net(Seq(x, None))
    return y.data, state


def seconds(run: Callable[[], object], times: int) -> float:
    begin = time.thread_time()
    for _ in range(times):
        run()
    return (time.thread_time() - begin) / times


def by_turns(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Milliseconds of each, and the ratio: medians."""
    counts = [max(1, int(0.05 / max(seconds(run, 1), seconds(run, 1)))) for run in (ours, theirs)]
    pairs = [(seconds(ours, counts[0]), seconds(theirs, counts[1])) for _ in range(SAMPLES)]
    first, second = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    return first, second, statistics.median(b / a for a, b in pairs)


def row(name: str) -> list[str]:
    far = difference(name)
    if far > TOLERANCE:
        raise SystemExit(f"{name}: differs from torchrecurrent's {PEERS[name].name} by {far:.1e}")
    found = [f"`{name}`", PEERS[name].name, f"{far:.0e}"]
    for steps, batch, features, hidden in SIZES:
        x = torch.randn(steps, batch, features)
        ours, theirs = pair(name, features, hidden, torch.float32)
        first, second, ratio = by_turns(
            lambda net=ours, x=x: _ours(net, x)[0].sum().backward(),
            lambda net=theirs, x=x: net(x)[0].sum().backward(),
        )
        found += [f"{first:.3g}", f"{second:.3g}", f"{ratio:.3g}"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cells", nargs="*", metavar="CELL", help="of ours; all that both have")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.parent.name}/{PAGE.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [", ".join(map(str, size)) for size in SIZES]
    head = ["cell", "theirs", "difference"]
    head += [f"{size}: {what}" for size in sizes for what in ("ours ms", "theirs ms", "theirs / ours")]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in options.cells or PEERS:
        lines.append("| " + " | ".join(row(name)) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    table = "\n".join(lines)
    print(table)
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        text = f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"
        PAGE.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
