"""Properties of a network's parameters."""

from __future__ import annotations

from torch import nn


def has_trainable(network: nn.Module) -> bool:
    """Whether any weight of the network is learnt by gradient; else they were computed when it was made."""
    return any(parameter.requires_grad for parameter in network.parameters())
