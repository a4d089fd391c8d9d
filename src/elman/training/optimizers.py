"""Optimiser, course of the learning rate, and averaged weights, as the training settings say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from elman.core.run_config import TrainingSettings


def optimizer(network: nn.Module, config: TrainingSettings) -> torch.optim.Optimizer:
    """Make the optimiser of the network; weight decay pulls at matrices only, never at biases."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    betas = (0.9, config.beta2)
    fused = all(p.device.type in ("cpu", "cuda") for p in matrices)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=fused)
    if config.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=config.lr, betas=betas, fused=fused)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=fused)


def rate(config: TrainingSettings, step: int, steps: int, halvings: int = 0) -> float:
    """Return the learning rate of `step` (from 0) out of `steps`.

    It rises in a line over the warm-up; then it is constant, follows half a cosine down to `final_lr`
    (Loshchilov & Hutter 2017), or has been halved `halvings` times (plateau).
    """
    warm = round(config.warmup * steps)
    if step < warm:
        return config.lr * (step + 1) / warm
    if config.schedule == "cosine":
        done = (step - warm) / max(1, steps - warm)
        return config.lr * (
            config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
        )
    return config.lr * 0.5**halvings


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Let the optimiser's next step use `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr


class WeightAverage:
    """An exponential moving average of weights (Polyak & Juditsky 1992).

    avg <- d avg + (1 - d) w, with d = min(decay, (1 + n) / (10 + n)) at the n-th update, so that the random
    start is soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay, self.updates = decay, 0
        self.weights: dict[str, Tensor] = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the network's weights of this step."""
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        mine, theirs = list(self.weights.values()), list(network.state_dict().values())
        torch._foreach_lerp_(mine, theirs, 1 - decay)


@contextmanager
def weight_noise(network: nn.Module, deviation: float) -> Iterator[None]:
    """Add normal noise of that deviation to all parameters within it, and restore them afterwards.

    The gradient at noisy weights prefers places where the loss is flat (Graves 2011).
    """
    if not deviation:
        yield
        return
    parameters: list[Tensor] = [parameter for parameter in network.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        torch._foreach_add_(parameters, [torch.randn_like(weights) for weights in before], alpha=deviation)
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(parameters, before)


def gradient_norm(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Return the norm of all gradients before it is clipped to `limit` (0: not; Pascanu et al. 2013)."""
    return nn.utils.clip_grad_norm_(parameters, limit if limit else math.inf)
