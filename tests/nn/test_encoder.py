"""Encoder and poolings: a ragged batch gives each sequence what it gets by itself."""

from __future__ import annotations

import pytest
import torch

from elman.core.records import Seq
from elman.core.run_config import NetworkSettings
from elman.nn.encoder import Encoder
from elman.nn.framing import Frame, framed
from elman.nn.pooling import POOLS, Pool
from elman.nn.readers import InputLayer

LENGTHS = [7, 3, 1, 5]
HOW = [*POOLS, "last", "attention"]


class Plain(InputLayer):
    """The features as they come."""

    def forward(self, data, lengths=None):
        return data


def made(how: str, *, bidirectional: bool, **settings) -> tuple[Encoder, Pool]:
    config = NetworkSettings(hidden=6, **settings)
    encoder = Encoder(Plain(4), config, bidirectional=bidirectional)
    return encoder, Pool(how, encoder.recurrent)


def pooled(encoder: Encoder, pool: Pool, seq: Seq) -> torch.Tensor:
    return pool(*encoder(seq))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("settings", [{}, {"layers": 2, "residual": True}, {"layers": 2, "skip": True}])
def test_a_ragged_batch_is_one_by_one(plain, how, bidirectional, cell, settings):
    encoder, pool = made(how, bidirectional=bidirectional, cell=cell, **settings)
    encoder, pool = encoder.double(), pool.double()
    data = torch.randn(max(LENGTHS), len(LENGTHS), 4, dtype=torch.float64)
    together = pooled(encoder, pool, Seq(data, torch.tensor(LENGTHS)))
    assert together.shape == (len(LENGTHS), pool.output_size)
    for place, length in enumerate(LENGTHS):
        alone = pooled(encoder, pool, Seq(data[:length, place : place + 1]))
        torch.testing.assert_close(together[place], alone[0])


@pytest.mark.parametrize("how", HOW)
def test_padding_gets_no_gradient(plain, how):
    encoder, pool = made(how, bidirectional=True)
    data = torch.randn(max(LENGTHS), len(LENGTHS), 4, requires_grad=True)
    pooled(encoder, pool, Seq(data, torch.tensor(LENGTHS))).square().sum().backward()
    assert data.grad is not None
    for place, length in enumerate(LENGTHS):
        assert not data.grad[length:, place].any()
        assert data.grad[:length, place].abs().sum(-1).any()


def test_poolings_by_hand(plain):
    encoder, _ = made("mean", bidirectional=False)
    hidden, state = encoder(Seq(torch.randn(5, 2, 4), torch.tensor([5, 2])))
    for how, expected in (
        ("mean", torch.stack([hidden.data[:, 0].mean(0), hidden.data[:2, 1].mean(0)])),
        ("max", torch.stack([hidden.data[:, 0].amax(0), hidden.data[:2, 1].amax(0)])),
        ("last", torch.stack([hidden.data[4, 0], hidden.data[1, 1]])),
    ):
        torch.testing.assert_close(Pool(how, encoder.recurrent)(hidden, state), expected)


def test_attention_is_a_mean_with_weights_that_sum_to_one(plain):
    encoder, pool = made("attention", bidirectional=False)
    hidden, state = encoder(Seq(torch.randn(5, 2, 4), torch.tensor([5, 2])))
    alike = Seq(torch.ones_like(hidden.data) * (hidden.data != 0), hidden.lengths)
    torch.testing.assert_close(pool(alike, state), torch.ones(2, 6))


def test_frames_by_hand(plain):
    data = torch.arange(1.0, 8).view(7, 1, 1).repeat(1, 2, 1)
    data[3:, 1] = 0
    frames = framed(Seq(data, torch.tensor([7, 3])), Frame(4, 2))
    assert frames.data[:, 0].tolist() == [[1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 0]]
    assert frames.data[:, 1].tolist() == [[1, 2, 3, 0], [3, 0, 0, 0], [0, 0, 0, 0]]
    assert frames.lengths.tolist() == [3, 1]
    assert framed(Seq(data), Frame(3, 3)).data[:, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 0, 0]]


@pytest.mark.parametrize("frame", [(3, 3), (4, 1), (5, 2), (9, 4)])
def test_frames_of_a_ragged_batch_are_those_of_each(plain, frame):
    config = NetworkSettings(hidden=6)
    encoder = Encoder(Plain(4), config, bidirectional=True, frame=Frame(*frame)).double()
    data = torch.randn(max(LENGTHS), len(LENGTHS), 4, dtype=torch.float64)
    together, state = encoder(Seq(data, torch.tensor(LENGTHS)))
    for place, length in enumerate(LENGTHS):
        alone, own = encoder(Seq(data[:length, place : place + 1]))
        assert together.lengths[place] == len(alone.data) == 1 + max(0, -(-(length - frame[0]) // frame[1]))
        torch.testing.assert_close(together.data[: len(alone.data), place], alone.data[:, 0])
        torch.testing.assert_close(state[0][:, place], own[0][:, 0])
