"""Where in a network, and at which step of a sequence, numbers first cease to be finite."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.diagnostics.layer_trace import LayerTrace, Run, trace


def first_non_finite(network: nn.Module, run: Run) -> str | None:
    """Name the first thing in a training step that is not finite; None where all is.

    Weights come first, then inputs and states in the order in which layers run, then the losses, then the
    gradients that go back through the layers.

    Args:
        network: holds recurrent layers; it is not changed.
        run: calls a network with data on the CPU, and gives losses.

    Raises:
        DataError: no recurrent layer ran.
    """
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            return f"the weight {name}"
    losses: list[Tensor] = []

    def kept(copied: nn.Module) -> Tensor | None:
        found = run(copied)
        if found is not None:
            losses.append(found)
        return found

    tracks = trace(network, kept, gradients=True)
    for track in tracks:
        if (t := _first((track.job.x,), track, backwards=False)) is not None:
            return f"the input of {track.name} at step {t + 1} of {len(track.job.x)}"
        if (t := _first(track.states, track, backwards=False)) is not None:
            return f"the state of {track.name} at step {t + 1} of {len(track.job.x)}"
    if not all(loss.isfinite().all() for loss in losses):
        return "the loss, of finite states"
    for track in reversed(tracks):
        if (t := _first(track.gradients or (), track, backwards=True)) is not None:
            return f"the gradient of the state of {track.name} at step {t + 1} of {len(track.job.x)}"
    return None


def _first(values: tuple[Tensor, ...], track: LayerTrace, *, backwards: bool) -> int | None:
    """Return the first step, in order of computing, at which one of S tensors [T, B, H] is not finite."""
    if not values:
        return None
    bad = torch.stack([~value.isfinite().flatten(1).all(1) for value in values]).any(0)
    steps: list[int] = bad.nonzero().flatten().tolist()
    if not steps:
        return None
    return steps[0] if backwards == track.job.reverse else steps[-1]
