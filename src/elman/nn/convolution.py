"""Encode pictures as feature maps: a small residual convolution, and noise against overfitting.

Independent of tasks and files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Convolution(nn.Module):
    """Pictures [N, 3, H, W] -> maps [N, `width`, H', W'].

    Each block halves height and width. The first is a convolution and the maxima of 2 x 2 pixels; later ones
    are of residual units (He et al. 2016) and double the channels. Channels are normalised over the batch
    (Ioffe & Szegedy 2015), and when training is over by their running means: then no picture depends on those
    beside it.

    Args:
        channels: of the first block.
        blocks: how many, each of which makes H into ceil(H / 2).
        depth: residual units of each block but the first.
    """

    def __init__(self, channels: int, blocks: int, depth: int) -> None:
        super().__init__()
        widths = [channels << block for block in range(blocks)]
        self.width = widths[-1]
        self.first = nn.Conv2d(3, channels, 5, padding=2, bias=False)
        self.norm = Norm(channels)
        units = [
            Unit(narrow if unit == 0 else wide, wide, 2 if unit == 0 else 1)
            for narrow, wide in pairwise(widths)
            for unit in range(depth)
        ]
        self.rest = nn.Sequential(*units)

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        seen = F.max_pool2d(F.relu(self.norm(self.first(pictures))), 2, ceil_mode=True)
        return self.rest(seen)


class Unit(nn.Module):
    """relu(norm(conv(relu(norm(conv x)))) + short(x)), where short is x itself, or a product with its means.

    Args:
        narrow, wide: channels that come in, and that go out.
        stride: 2: the first convolution and the means halve a side; 1: nothing changes the size.
    """

    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(narrow, wide, 3, stride=stride, padding=1, bias=False)
        self.first_norm = Norm(wide)
        self.second = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.second_norm = Norm(wide)
        # An odd side is rounded up here as by the convolution: the mean of what is there.
        halved = nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(narrow, wide, 1)
        self.short = nn.Sequential(*halved) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.short(x))


class Norm(nn.Module):
    """Each channel with mean 0 and deviation 1 over a batch, then scaled and moved (Ioffe & Szegedy 2015).

    nn.BatchNorm2d also counts the batches, in a whole number that averaged weights have no mean of.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, self.training)


def map_size(height: int, width: int, blocks: int) -> tuple[int, int]:
    """Return H' and W' of the map that this many blocks make of a picture."""
    step = 1 << blocks
    return -(-height // step), -(-width // step)


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
