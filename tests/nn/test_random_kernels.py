"""Features of frames of a series by fixed convolutions and thresholds."""

from __future__ import annotations

import itertools
import json

import pytest
import torch

from elman.core import json_schema
from elman.core.records import Seq
from elman.core.run_config import SignalSettings
from elman.nn import random_kernels
from elman.nn.augmentation import SignalAugmentation
from elman.nn.framing import EACH_STEP, Frame
from elman.nn.random_kernels import LENGTH, PATTERNS, KernelBank, RandomKernels


def series(count: int, steps: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(steps + place, width, generator=generator) for place in range(count)]


def layer(width: int = 1, steps: int = 90, features: int = 4 * PATTERNS) -> RandomKernels:
    bank = random_kernels.learn(series(6, steps, width), features, seed=1)
    return RandomKernels(bank, SignalAugmentation(width, SignalSettings())).eval()


def by_hand(bank: KernelBank, x: torch.Tensor, place: int, kernel: int, threshold: int) -> list[float]:
    """At each step whether one kernel of one dilation exceeds one threshold."""
    twos = list(itertools.combinations(range(LENGTH), 3))[kernel]
    one = x[:, bank.channels[place][kernel]].sum(1).tolist()
    found = []
    for step in range(len(one)):
        total = 0.0
        for offset in range(LENGTH):
            at = step + (offset - LENGTH // 2) * bank.dilations[place]
            total += (2 if offset in twos else -1) * (one[at] if 0 <= at < len(one) else 0.0)
        found.append(float(total > bank.thresholds[place][kernel][threshold]))
    return found


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("frame", [EACH_STEP, Frame(8, 2), Frame(7, 7)])
def test_a_feature_is_the_share_of_a_frames_steps_above_a_threshold(width, frame):
    bank = random_kernels.learn(series(6, 40, width), 8 * PATTERNS, seed=1)
    made = RandomKernels(bank, SignalAugmentation(width, SignalSettings())).eval()
    x = series(2, 30, width)[1]
    found = made.frames(Seq(x[:, None], torch.tensor([len(x)])), frame)
    quantiles = len(bank.thresholds[0][0])
    assert quantiles > 1
    for place, kernel, threshold in [(0, 0, 0), (1, 5, 1), (len(bank.dilations) - 1, 83, 0)]:
        above = by_hand(bank, x, place, kernel, threshold)
        steps = [above[first : first + frame.size] for first in range(0, len(above), frame.hop)]
        shares = [sum(each) / len(each) for each in steps[: frame.frames(len(x))]]
        feature = (place * quantiles + threshold) * PATTERNS + kernel
        told = found.data[:, 0, feature] * made.scale[feature] + made.expected[feature]
        assert told.tolist() == pytest.approx(shares, abs=1e-5)


def test_a_sequence_is_read_alike_beside_longer_ones():
    made, short = layer(2), series(1, 50, 2)[0]
    both = torch.full((80, 2, 2), torch.nan)
    both[:50, 0], both[:, 1] = short, series(1, 80, 2)[0]
    lengths = torch.tensor([50, 80])
    together = made.frames(Seq(torch.nan_to_num(both, nan=9.0), lengths), Frame(12, 4))
    alone = made.frames(Seq(short[:, None], None), Frame(12, 4))
    assert together.lengths is not None
    assert together.lengths.tolist() == [len(alone.data), Frame(12, 4).frames(80)]
    assert torch.allclose(together.data[: len(alone.data), 0], alone.data[:, 0], atol=1e-5)


def test_thresholds_are_crossed_as_often_as_is_expected():
    made = layer(1, 400, 8 * PATTERNS)
    shares = made.frames(Seq(torch.stack([x[:400] for x in series(6, 400, 1)], 1), None), Frame(400, 400))
    assert float((shares.data * made.scale).abs().mean()) < 0.05


def test_a_bank_comes_back_from_json():
    bank = random_kernels.learn(series(3, 40, 2), 200, seed=1)
    assert json_schema.build(KernelBank, json.loads(json.dumps(bank._asdict()))) == bank


@pytest.mark.parametrize(
    "damage",
    [
        {"dilations": []},
        {"dilations": [0, 2]},
        {"channels": [[[0]] * PATTERNS, [[5]] * PATTERNS]},
        {"thresholds": [[[0.0]] * PATTERNS, [[0.0]] * 3]},
        {"thresholds": [[[0.0]] * PATTERNS, [[0.0, 1.0]] * PATTERNS]},
    ],
)
def test_a_damaged_bank_is_told(damage):
    kernels = [[[0]] * PATTERNS] * 2
    whole = KernelBank([1, 2], kernels, [[[0.0]] * PATTERNS] * 2)
    whole.check(1)
    with pytest.raises(ValueError, match="kernels"):
        whole._replace(**damage).check(1)


@pytest.mark.parametrize("steps", [1, 2, 9, 17])
def test_short_series_have_features_too(steps):
    made = layer(1, steps)
    found = made.frames(Seq(torch.zeros(steps, 1, 1), None), Frame(4, 1))
    assert found.data.isfinite().all()
