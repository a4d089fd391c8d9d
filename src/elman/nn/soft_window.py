"""A soft window over a text that advances while a sequence is made of it (Graves 2013).

Independent of tasks. A window's place goes in and comes out, as a state does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WindowText(NamedTuple):
    """What the window slides over.

    Args:
        values: [U, B, V] a vector for each character.
        inside: [U, B] whether a character is within its text.
    """

    values: Tensor
    inside: Tensor


class WindowOutput(NamedTuple):
    """What was seen at some steps.

    Args:
        context: [T, B, V] what the window gives.
        weights: [T, B, U] how much it gives of each character.
        place: [B, K] where its parts stand after the last step.
    """

    context: Tensor
    weights: Tensor
    place: Tensor


class SoftWindow(nn.Module):
    """K bumps that slide from the first character on, by as much at each step as the hidden state says.

        alpha, beta, step = softplus(W h_t + b)
        place_t = place_(t-1) + step_t
        weight_t(u) = sum_k alpha_tk exp(-beta_tk (place_tk - u)^2),    u = 1 .. U
        context_t = sum_u weight_t(u) value_u

    Graves (2013) has exp in place of softplus, which grows less wildly.

    Args:
        size: of a hidden state.
        bumps: K.
        pace: how many characters a step has in the data, with which the window starts to learn.
    """

    def __init__(self, size: int, bumps: int, pace: float) -> None:
        super().__init__()
        self.bumps = bumps
        self.say = nn.Linear(size, 3 * bumps)
        with torch.no_grad():
            self.say.weight.mul_(0.1)
            self.say.bias[2 * bumps :] = math.log(math.expm1(max(pace, 1e-3)))

    def start(self, batch: int) -> Tensor:
        """The place [B, K] before the first step."""
        return self.say.weight.new_zeros(batch, self.bumps)

    def forward(self, hidden: Tensor, script: WindowText, place: Tensor) -> WindowOutput:
        """What is seen at the steps of hidden states [T, B, size], from a place [B, K] on."""
        alpha, beta, step = F.softplus(self.say(hidden)).chunk(3, -1)
        places = place + step.cumsum(0)
        numbers = torch.arange(1, len(script.values) + 1, device=hidden.device)
        off = places[..., None] - numbers  # [T, B, K, U]
        weights = (alpha[..., None] * torch.exp(-beta[..., None] * off * off)).sum(2)
        weights = weights * script.inside.t()
        context = torch.einsum("tbu,ubv->tbv", weights, script.values)
        return WindowOutput(context, weights, places[-1])
