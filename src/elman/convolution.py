"""Pictures as maps of features: a small residual convolution, and noise against learning by heart.

It knows no task and no file.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_GROUP = 8
"""Channels that are normalised together, where their number allows it."""


class Convolution(nn.Module):
    """Pictures [N, 3, H, W] -> maps [N, `width`, H', W'].

    The first block is a convolution of stride 2; each later one is residual (He et al. 2016), halves height
    and width, and doubles the channels. Groups of channels are normalised (Wu & He 2018), so that no picture
    depends on those beside it.

    Args:
        channels: of the first block.
        blocks: how many, each of which makes H into ceil(H / 2).
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        widths = [channels << block for block in range(blocks)]
        self.width = widths[-1]
        self.first = nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False)
        self.norm = _norm(channels)
        self.rest = nn.Sequential(*(_Block(*pair) for pair in pairwise(widths)))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        return self.rest(F.relu(self.norm(self.first(pictures))))


class _Block(nn.Module):
    """relu(norm(conv(relu(norm(conv x)))) + conv(mean x)); its first convolution and the mean halve a side."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False)
        self.first_norm = _norm(wide)
        self.second = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.second_norm = _norm(wide)
        self.short = nn.Conv2d(narrow, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        # Rows and columns are rounded up by both: a last odd one is a mean of itself.
        short = self.short(F.avg_pool2d(x, 2, ceil_mode=True))
        return F.relu(self.second_norm(self.second(inner)) + short)


def map_size(height: int, width: int, blocks: int) -> tuple[int, int]:
    """H' and W' of the map that so many blocks make of a picture."""
    step = 1 << blocks
    return -(-height // step), -(-width // step)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(gcd(channels, max(1, channels // _GROUP)), channels)


def disturbed(
    pictures: Tensor, *, shift: float, zoom: float, turn: float, flip: bool, brightness: float
) -> Tensor:
    """Pictures moved, made larger or smaller, turned round and lit at random; all frames of a film alike.

    What comes in at an edge is what stood at it.

    Args:
        pictures: [T, B, C, H, W], from -1 to 1.
        shift: most of a side that one is moved by.
        zoom: most that a side grows or shrinks by.
        turn: most degrees that it is turned by.
        flip: whether half of them are seen in a mirror.
        brightness: deviation of what is added to all pixels, in shares of their range.
    """
    steps, batch, *shape = pictures.shape
    like = {"device": pictures.device, "dtype": pictures.dtype}
    if shift or zoom or turn or flip:
        spread = 2 * torch.rand(4, batch, **like) - 1
        scale = 1 + zoom * spread[0]
        mirror = torch.where(torch.rand(batch, **like) < 0.5 * flip, -1.0, 1.0)
        angle = spread[3] * (turn * torch.pi / 180)
        # Places of a picture run from -1 to 1 along both sides.
        sin, cos = scale * angle.sin(), scale * angle.cos()
        columns = torch.stack([mirror * cos, -sin, 2 * shift * spread[1]], 1)
        rows = torch.stack([mirror * sin, cos, 2 * shift * spread[2]], 1)
        matrix = torch.stack([columns, rows], 1).repeat(steps, 1, 1)
        grid = F.affine_grid(matrix, [steps * batch, *shape], align_corners=False)
        moved = F.grid_sample(pictures.flatten(0, 1), grid, padding_mode="border", align_corners=False)
        pictures = moved.view(steps, batch, *shape)
    if brightness:
        pictures = pictures + 2 * brightness * torch.randn(1, batch, 1, 1, 1, **like)
    return pictures
