"""Windows and buckets: nothing is lost, processes see different data, a batch depends on its place alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError
from elman.core.records import Example
from elman.data.batching import (
    IGNORED,
    BpttWindows,
    LengthBuckets,
    collate,
    eval_batches,
    in_order,
    plan,
    steps_of,
)


def counting(symbols: int) -> Example:
    return Example(torch.arange(symbols), torch.arange(symbols) + 1)


def test_windows_of_a_row_follow_one_another():
    windows = BpttWindows(counting(1000), batch_size=3, bptt=20, seed=1)
    first, second = windows.batch(0, 0), windows.batch(0, 1)
    assert first.seq.data.shape == (20, 3)
    assert torch.equal((first.seq.data[-1] + 1) % 1000, second.seq.data[0])


def test_targets_are_the_next_symbols():
    batch = BpttWindows(counting(500), batch_size=4, bptt=10, seed=3).batch(2, 5)
    assert torch.equal(batch.targets, batch.seq.data + 1)


def test_a_batch_depends_on_its_place_alone():
    one, other = (BpttWindows(counting(997), batch_size=4, bptt=10, seed=3) for _ in range(2))
    for _ in range(5):
        one.batch(0, 0)
    assert torch.equal(one.batch(4, 7).seq.data, other.batch(4, 7).seq.data)
    assert not torch.equal(one.batch(3, 7).seq.data, other.batch(4, 7).seq.data)


def test_processes_read_different_rows_that_together_are_one_process_with_more():
    whole = BpttWindows(counting(1000), batch_size=6, bptt=10, seed=1)
    halves = [BpttWindows(counting(1000), batch_size=3, bptt=10, seed=1, rank=r, world=2) for r in range(2)]
    for step in range(whole.steps):
        both = torch.cat([half.batch(1, step).seq.data for half in halves], 1)
        assert torch.equal(both, whole.batch(1, step).seq.data)
    seen = [
        set(torch.cat([h.batch(0, s).seq.data for s in range(h.steps)]).flatten().tolist()) for h in halves
    ]
    assert not seen[0] & seen[1]


def test_an_epoch_sees_nearly_all_and_no_symbol_twice():
    windows = BpttWindows(counting(1000), batch_size=4, bptt=25, seed=1)
    seen = torch.cat([windows.batch(0, s).seq.data for s in range(windows.steps)]).flatten()
    assert len(seen) == len(seen.unique()) == 1000


def test_bptt_zero_takes_whole_rows():
    windows = BpttWindows(counting(1000), batch_size=4, bptt=0, seed=1)
    assert windows.steps == 1
    assert windows.batch(0, 0).seq.data.shape == (250, 4)


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(DataError) as caught:
        BpttWindows(counting(50), batch_size=1, bptt=64, seed=1)
    assert str(caught.value) == (
        "training part: expected at least one window of 64, got 50 symbols; "
        "give more text or a smaller --bptt"
    )


@settings(deadline=None)  # one example takes long on a busy machine
@given(st.integers(2, 60_000), st.integers(1, 300))
def test_scoring_counts_every_target_once(symbols, window):
    targets = torch.cat([batch.targets.flatten() for batch in in_order(counting(symbols), window)])
    assert torch.equal(targets[targets != IGNORED].sort().values, torch.arange(symbols) + 1)


def ragged(count: int) -> list[Example]:
    """Sequences of the lengths 1 to 40, each of one symbol that is its place."""
    return [Example(torch.full((1 + 7 * i % 40,), i), torch.tensor(i)) for i in range(count)]


def seen(buckets: LengthBuckets, epoch: int) -> list[int]:
    return [i for step in range(buckets.steps) for i in buckets.batch(epoch, step).targets.tolist()]


@given(st.integers(1, 200), st.integers(1, 40))
def test_an_epoch_of_buckets_sees_every_example_once(count, size):
    buckets = LengthBuckets(ragged(count), size, seed=1)
    assert buckets.steps == -(-count // size)
    assert sorted(seen(buckets, 0)) == list(range(count))


def test_buckets_are_mixed_anew_each_epoch_and_by_the_seed():
    examples = ragged(100)
    orders = [seen(LengthBuckets(examples, 8, seed=seed), epoch) for seed in (1, 2) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_a_bucket_depends_on_its_place_alone():
    one, other = (LengthBuckets(ragged(100), 8, seed=3) for _ in range(2))
    for step in range(one.steps):
        one.batch(0, step)
    assert torch.equal(one.batch(5, 3).targets, other.batch(5, 3).targets)


def test_a_bucket_holds_like_lengths():
    examples = ragged(1000)
    buckets = LengthBuckets(examples, 10, seed=1)
    batches = [buckets.batch(0, step).seq for step in range(buckets.steps)]
    padded = sum(seq.data.numel() for seq in batches)
    assert padded < 1.1 * sum(len(example.data) for example in examples)
    assert sum(steps_of(seq) for seq in batches) == sum(len(example.data) for example in examples)


def test_processes_share_the_batches_of_an_epoch():
    examples = ragged(100)
    whole = LengthBuckets(examples, 8, seed=1)  # 13 batches
    three = [LengthBuckets(examples, 8, seed=1, rank=rank, world=3) for rank in range(3)]
    assert [buckets.steps for buckets in three] == [5, 5, 5]
    turns = [buckets.batch(2, step).targets.tolist() for step in range(5) for buckets in three]
    ordered = [whole.batch(2, step).targets.tolist() for step in range(13)]
    assert turns == [*ordered, *ordered[:2]]


def test_no_example_is_refused():
    with pytest.raises(DataError) as caught:
        LengthBuckets([], 4, seed=1)
    assert str(caught.value) == "training part: expected at least one, got no examples"


def test_data_are_padded_with_zeros_and_targets_with_what_is_not_scored():
    one, other = torch.arange(1, 4), torch.arange(5, 6)
    batch = collate([Example(one, one + 1), Example(other, other + 1)])
    assert batch.seq.data.t().tolist() == [[1, 2, 3], [5, 0, 0]]
    assert batch.seq.lengths.tolist() == [3, 1]
    assert batch.targets.t().tolist() == [[2, 3, 4], [6, IGNORED, IGNORED]]
    real = collate([Example(torch.ones(2, 3), torch.ones(2, 1)), Example(torch.ones(1, 3), torch.ones(1, 1))])
    assert real.seq.data.shape == (2, 2, 3)
    assert real.seq.data[1, 1].tolist() == [0, 0, 0]
    assert real.targets.isnan().flatten().tolist() == [False, False, False, True]


def test_targets_without_time_are_stacked_and_of_a_length_of_their_own():
    classes = collate([Example(torch.ones(2), torch.tensor(4)), Example(torch.ones(1), torch.tensor(6))])
    assert classes.targets.tolist() == [4, 6]
    longer = collate([Example(torch.ones(2), torch.ones(5)), Example(torch.ones(1), torch.ones(3))])
    assert longer.targets.shape == (5, 2)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=600))
def test_held_out_examples_come_once_in_batches_that_fit(lengths):
    examples = [Example(torch.zeros(length), torch.tensor(i)) for i, length in enumerate(lengths)]
    batches = list(eval_batches(examples))
    assert sorted(place for places, _ in batches for place in places) == list(range(len(lengths)))
    for places, batch in batches:
        assert batch.targets.tolist() == places
        assert batch.seq.lengths.tolist() == [lengths[place] for place in places]
        assert len(places) <= 256
        assert batch.seq.data.numel() <= 1 << 15


def test_one_sequence_that_is_too_long_for_a_batch_is_one_by_itself():
    lengths = [5, 50_000, 7]
    examples = [Example(torch.zeros(length), torch.tensor(i)) for i, length in enumerate(lengths)]
    assert [places for places, _ in eval_batches(examples)] == [[0, 2], [1]]


def test_the_plan_is_windows_of_a_stream_and_buckets_of_sequences():
    assert isinstance(plan([counting(100)], continuous=True, batch_size=2, bptt=5, seed=1), BpttWindows)
    assert isinstance(plan(ragged(9), continuous=False, batch_size=2, bptt=5, seed=1), LengthBuckets)
