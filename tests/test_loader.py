"""Windows: nothing is lost, processes see different data, and the order depends on its place alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman.batch import Example
from elman.errors import DataError
from elman.loader import IGNORED, Windows, in_order


def counting(symbols: int) -> Example:
    return Example(torch.arange(symbols), torch.arange(symbols) + 1)


def test_windows_of_a_row_follow_one_another():
    windows = Windows(counting(1000), batch_size=3, bptt=20, seed=1)
    first, second = windows.batch(0, 0), windows.batch(0, 1)
    assert first.seq.data.shape == (20, 3)
    assert torch.equal((first.seq.data[-1] + 1) % 1000, second.seq.data[0])


def test_targets_are_the_next_symbols():
    batch = Windows(counting(500), batch_size=4, bptt=10, seed=3).batch(2, 5)
    assert torch.equal(batch.targets, batch.seq.data + 1)


def test_a_batch_depends_on_its_place_alone():
    one, other = (Windows(counting(997), batch_size=4, bptt=10, seed=3) for _ in range(2))
    for _ in range(5):
        one.batch(0, 0)
    assert torch.equal(one.batch(4, 7).seq.data, other.batch(4, 7).seq.data)
    assert not torch.equal(one.batch(3, 7).seq.data, other.batch(4, 7).seq.data)


def test_processes_read_different_rows_that_together_are_one_process_with_more():
    whole = Windows(counting(1000), batch_size=6, bptt=10, seed=1)
    halves = [Windows(counting(1000), batch_size=3, bptt=10, seed=1, rank=r, world=2) for r in range(2)]
    for step in range(whole.steps):
        both = torch.cat([half.batch(1, step).seq.data for half in halves], 1)
        assert torch.equal(both, whole.batch(1, step).seq.data)
    seen = [
        set(torch.cat([h.batch(0, s).seq.data for s in range(h.steps)]).flatten().tolist()) for h in halves
    ]
    assert not seen[0] & seen[1]


def test_an_epoch_sees_nearly_all_and_no_symbol_twice():
    windows = Windows(counting(1000), batch_size=4, bptt=25, seed=1)
    seen = torch.cat([windows.batch(0, s).seq.data for s in range(windows.steps)]).flatten()
    assert len(seen) == len(seen.unique()) == 1000


def test_bptt_zero_takes_whole_rows():
    windows = Windows(counting(1000), batch_size=4, bptt=0, seed=1)
    assert windows.steps == 1
    assert windows.batch(0, 0).seq.data.shape == (250, 4)


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(DataError) as caught:
        Windows(counting(50), batch_size=1, bptt=64, seed=1)
    assert str(caught.value) == (
        "training part: expected at least one window of 64, got 50 symbols; "
        "give more text or a smaller --bptt"
    )


@given(st.integers(2, 60_000), st.integers(1, 300))
def test_scoring_counts_every_target_once(symbols, window):
    targets = torch.cat([batch.targets.flatten() for batch in in_order(counting(symbols), window)])
    assert torch.equal(targets[targets != IGNORED].sort().values, torch.arange(symbols) + 1)
