"""The decoder: step by step as at once, teacher forcing, rows, scheduled sampling, what it looks at."""

import pytest
import torch

from elman.core.records import Seq
from elman.core.run_config import NetworkSettings
from elman.nn.decoder import NO_ATTENTION, Decoder

SYMBOLS, VALUE, BATCH, STEPS = 7, 6, 3, 4
LOOKS = ("additive", "general", NO_ATTENTION)


def made(kind="general", *, feed=True, cell="gru", **settings):
    torch.manual_seed(1)
    config = NetworkSettings(cell=cell, hidden=5, embedding=4, **settings)
    decoder = Decoder(
        SYMBOLS, config, attention_kind=kind, value_size=VALUE, summary_size=3, feed=feed, tie=False
    ).double()
    values = Seq(torch.randn(6, BATCH, VALUE).double(), torch.tensor([6, 4, 2]))
    return decoder, decoder.read(values, torch.randn(BATCH, 3).double())


def taught(reading, targets, sampled=0.0):
    return reading.decoder.output(reading.teacher_force(targets, sampled))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("kind", LOOKS)
@pytest.mark.parametrize("feed", [True, False])
def test_step_by_step_as_at_once(kind, feed, cell):
    _, reading = made(kind, feed=feed, cell=cell, layers=2)
    targets = torch.randint(SYMBOLS, (STEPS, BATCH))
    scores_at_once = taught(reading, targets)
    scores, state = reading.start()
    step, rows = reading.step_fn(torch.arange(BATCH)), [scores]
    for symbols in targets[:-1]:
        scores, state = step(symbols, state)
        rows.append(scores)
    torch.testing.assert_close(torch.stack(rows), scores_at_once)
    assert scores_at_once.shape == (STEPS, BATCH, SYMBOLS + 1)


@pytest.mark.parametrize("kind", LOOKS)
def test_rows_are_those_of_the_sources(kind):
    _, reading = made(kind)
    targets, places = torch.randint(SYMBOLS, (STEPS, BATCH)), torch.tensor([2, 0, 0])
    torch.testing.assert_close(
        taught(reading.rows(places), targets[:, places]), taught(reading, targets)[:, places]
    )


def test_what_comes_after_changes_nothing_before():
    _, reading = made()
    targets = torch.randint(SYMBOLS, (STEPS, BATCH))
    other = targets.clone()
    other[2:] = (other[2:] + 1) % SYMBOLS
    torch.testing.assert_close(taught(reading, targets)[:3], taught(reading, other)[:3])
    padded = targets.clone()
    padded[3:] = -100  # padding is read as some symbol; nothing after it counts
    torch.testing.assert_close(taught(reading, targets)[:3], taught(reading, padded)[:3])


def test_a_prefix_is_written_first():
    _, reading = made()
    targets = torch.tensor([[1], [3], [2]]).expand(-1, BATCH)
    scores, _ = reading.start(torch.tensor([1, 3]))
    torch.testing.assert_close(scores, taught(reading, targets)[2])


def test_looks_sum_to_one_within_the_source():
    _, reading = made()
    looks = reading.attention_weights(torch.randint(SYMBOLS, (STEPS, BATCH)))
    assert looks.shape == (STEPS, BATCH, 6)
    torch.testing.assert_close(looks.sum(-1), torch.ones(STEPS, BATCH).double())
    assert not looks[:, 2, 2:].any()


def test_feeding_tells_a_step_what_the_one_before_looked_at():
    decoder, reading = made(feed=True)
    features = decoder(torch.zeros(2, BATCH, dtype=torch.int64), reading.memory, reading.state).features
    *inner, fed = decoder(torch.zeros(1, BATCH, dtype=torch.int64), reading.memory, reading.state).state
    torch.testing.assert_close(fed, features[:1])
    alone = decoder(torch.zeros(1, BATCH, dtype=torch.int64), reading.memory, (*inner, fed * 0)).features
    assert not torch.allclose(alone, features[1:])


def test_scheduled_sampling_reads_what_was_written():
    decoder, reading = made()
    with torch.no_grad():
        decoder.output.bias[3] = 50  # it writes nothing but 3
    targets = torch.randint(3, (STEPS, BATCH))
    torch.manual_seed(0)
    always = taught(reading, targets, sampled=1 - 1e-12)
    torch.testing.assert_close(always, taught(reading, torch.full_like(targets, 3)))
    torch.manual_seed(0)
    half, plain = taught(reading, targets, sampled=0.5), taught(reading, targets)
    torch.testing.assert_close(half[0], plain[0])
    assert not torch.allclose(half, plain)


def test_tied_matrices_are_one():
    config = NetworkSettings(hidden=5, embedding=4)
    decoder = Decoder(
        SYMBOLS, config, attention_kind="general", value_size=VALUE, summary_size=3, feed=True, tie=True
    )
    assert decoder.output.weight is decoder.embedding.weight


@pytest.mark.parametrize("feed", [True, False])
def test_every_parameter_learns(feed):
    decoder, _ = made("additive", feed=feed)
    values = Seq(torch.randn(6, BATCH, VALUE).double(), torch.tensor([6, 4, 2]))
    reading = decoder.read(values, torch.randn(BATCH, 3).double())
    taught(reading, torch.randint(SYMBOLS, (STEPS, BATCH))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())
