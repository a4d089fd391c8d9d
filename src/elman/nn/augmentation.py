"""Noise, scaling and masks that training adds to the steps of a signal."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from elman.core.run_config import SignalSettings
from elman.nn.readers import InputLayer


@final
class SignalAugmentation(InputLayer):
    """Features as they are; in training with noise, another scale, stretches of steps and features masked.

    Each channel of a sequence is multiplied by 1 + s z, z normal and s = `signal.scaling`; noise of
    `signal.noise` standard deviations is added to each number; stretches of up to `signal.mask_steps` of the
    steps each, and of up to `signal.mask_features` of the features, `signal.masks` of both, are set to 0, the
    mean (Park et al. 2019).
    """

    def __init__(self, width: int, settings: SignalSettings) -> None:
        super().__init__(width)
        self._settings = settings

    def forward(self, data: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[T, B, F], the same shape as came in."""
        settings = self._settings
        if not self.training:
            return data
        steps, batch, width = data.shape
        if settings.scaling:
            data = data * (1 + settings.scaling * torch.randn(1, batch, width, device=data.device))
        if settings.noise:
            data = data + settings.noise * torch.randn_like(data)
        for _ in range(settings.masks if settings.mask_steps else 0):
            lasts = torch.full((batch,), steps) if lengths is None else lengths
            stretch = _stretch(lasts.to(data), steps, settings.mask_steps)
            data = data.masked_fill(stretch.unsqueeze(2), 0)
        for _ in range(settings.masks if settings.mask_features else 0):
            stretch = _stretch(data.new_full((batch,), width), width, settings.mask_features)
            data = data.masked_fill(stretch.t().unsqueeze(0), 0)
        return data


def _stretch(sizes: Tensor, size: int, share: float) -> Tensor:
    """[size, B]: true in one stretch of each column, of a random length up to `share` of its size in [B]."""
    length = torch.rand_like(sizes) * share * sizes
    start = torch.rand_like(sizes) * (sizes - length)
    places = torch.arange(size, device=sizes.device)[:, None]
    return (places >= start) & (places < start + length)
