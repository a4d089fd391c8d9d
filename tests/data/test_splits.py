"""Parts of the data: whole, the same each time, in their shares, and no input on two sides."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.core.errors import ConfigError, DataError
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data.splits import split_records


def records(texts: list[str], file: str = "a.csv", **columns: list[str]) -> list[Record]:
    rows = [
        {"text": text, **{name: values[i] for name, values in columns.items()}}
        for i, text in enumerate(texts)
    ]
    return [Record(row, f"{file}:{line}") for line, row in enumerate(rows, 1)]


def parts(given: list[Record], **settings) -> tuple[list[str], list[str], list[str]]:
    return tuple([r.where for r in side] for side in split_records(given, DataSettings.of(settings), key))


def key(record: Record) -> bytes:
    return record.fields["text"].encode()


@pytest.mark.parametrize("split", ["random", "every", "order"])
def test_every_record_is_in_one_part_in_its_order(split):
    given = records([f"text {i}" for i in range(203)])
    sides = parts(given, split=split, valid=0.2, test=0.1)
    assert sorted(where for side in sides for where in side) == sorted(record.where for record in given)
    for side in sides:
        lines = [int(where.split(":")[1]) for where in side]
        assert lines == sorted(lines)
    assert parts(given, split=split, valid=0.2, test=0.1) == sides


@given(st.integers(30, 400), st.sampled_from([0.0, 0.05, 0.1, 0.3]), st.sampled_from([0.05, 0.1, 0.3]))
def test_random_shares_are_exact_where_inputs_differ(count, valid, test):
    _, validate, score = parts(records([f"text {i}" for i in range(count)]), valid=valid, test=test)
    assert (len(validate), len(score)) == (round(valid * count), round(test * count))


@given(st.lists(st.integers(0, 60), min_size=100, max_size=300))
def test_identical_inputs_are_on_one_side(numbers):
    numbers += range(61)
    sides = split_records(
        records([str(number) for number in numbers]), DataSettings.of({"valid": 0.2, "test": 0.2}), key
    )
    train, valid, test = ({record.fields["text"] for record in side} for side in sides)
    assert not train & valid
    assert not train & test
    assert not valid & test


@given(st.lists(st.sampled_from("aaaaabbc"), min_size=60, max_size=300), st.sampled_from([0.1, 0.2]))
def test_stratified_parts_share_every_class_alike(labels, share):
    rows = records([f"text {i % 250}" for i in range(len(labels))], label=[*labels])
    settings = DataSettings.of({"valid": share, "test": share, "split": "stratified"})
    sides = split_records(rows, settings, key, lambda record: record.fields["label"])
    texts = [{record.fields["text"] for record in side} for side in sides]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]
    if len(labels) > 250:
        return  # inputs that are there twice go together, with what class they may
    for side in sides[1:]:
        for label in set(labels):
            count = sum(record.fields["label"] == label for record in side)
            assert abs(count - share * labels.count(label)) < 2


def test_numbers_are_stratified_by_their_size():
    rows = records([f"text {i}" for i in range(100)], label=[str(i) for i in range(100)])
    settings = DataSettings.of({"valid": 0.1, "test": 0.1, "split": "stratified"})
    _, _, test = split_records(rows, settings, key, lambda record: record.fields["label"])
    assert [int(record.fields["label"]) // 10 for record in test] == [*range(10)]


def test_parts_without_an_answer_are_not_stratified():
    with pytest.raises(ConfigError, match="random"):
        parts(records([f"text {i}" for i in range(30)]), split="stratified", valid=0.1, test=0.1)


def test_a_random_part_does_not_depend_on_the_order():
    texts = [f"text {i}" for i in range(100)]
    one = split_records(records(texts), DataSettings.of({"valid": 0.1, "test": 0.1}), key)
    other = split_records(records(texts[::-1]), DataSettings.of({"valid": 0.1, "test": 0.1}), key)
    for mine, theirs in zip(one, other, strict=True):
        assert {r.fields["text"] for r in mine} == {r.fields["text"] for r in theirs}


def test_a_record_more_moves_hardly_another():
    texts = [f"text {i}" for i in range(400)]
    before = split_records(records(texts), DataSettings.of({"valid": 0.1, "test": 0.1}), key)
    after = split_records(records([*texts, "one more"]), DataSettings.of({"valid": 0.1, "test": 0.1}), key)
    moved = sum(
        len({r.fields["text"] for r in mine} ^ {r.fields["text"] for r in theirs})
        for mine, theirs in zip(before, after, strict=True)
    )
    assert moved <= 5


def test_a_group_is_on_one_side():
    texts = [f"text {i}" for i in range(200)]
    given = records(texts, speaker=[f"s{i % 20}" for i in range(200)])
    sides = split_records(given, DataSettings.of({"valid": 0.2, "test": 0.2, "group": "speaker"}), key)
    speakers = [{record.fields["speaker"] for record in side} for side in sides]
    assert [len(side) for side in speakers] == [12, 4, 4]
    assert len(set.union(*speakers)) == 20


def test_an_input_that_fills_half_the_data_does_not_fill_a_part():
    for often in ("n/a", "none", "same", "again"):
        sides = parts(records([often] * 100 + [f"text {i}" for i in range(100)]), valid=0.1, test=0.1)
        assert [len(side) for side in sides] == [160, 20, 20]


def test_three_groups_are_a_part_each():
    given = records([f"text {i}" for i in range(30)], speaker=["abc"[i % 3] for i in range(30)])
    sides = split_records(given, DataSettings.of({"valid": 0.1, "test": 0.1, "group": "speaker"}), key)
    assert [len(side) for side in sides] == [10, 10, 10]


def test_every_takes_each_nth_of_each_file():
    texts = [f"text {i}" for i in range(20)]
    given = records(texts, "a.txt") + records(texts, "b.txt")
    train, valid, test = parts(given, split="every", valid=0.25, test=0.2)
    assert test == [f"{file}.txt:{line}" for file in "ab" for line in (5, 10, 15, 20)]
    assert valid == [f"{file}.txt:{line}" for file in "ab" for line in (4, 9, 14, 19)]
    assert [len(list(group)) for _, group in groupby(train, lambda where: where[0])] == [12, 12]


def test_in_order_the_first_are_learnt_from_and_the_last_are_scored():
    train, valid, test = parts(records([str(i) for i in range(10)]), split="order", valid=0.2, test=0.1)
    assert [where.split(":")[1] for where in (train[-1], *valid, *test)] == ["7", "8", "9", "10"]


def test_no_share_is_no_part():
    train, valid, test = parts(records(["a", "a", "b"]), valid=0.0, test=0.0)
    assert (len(train), valid, test) == (3, [], [])


@pytest.mark.parametrize(
    ("texts", "settings", "message"),
    [
        (
            ["a", "b", "c"],
            {"valid": 0.1, "test": 0.1},
            "data.csv: expected enough for shares of 0.1 and 0.1, got 3 records, none for the part valid; "
            "give more data, or set data.valid to 0",
        ),
        (
            ["a", "a", "a", "a"],
            {"valid": 0.25, "test": 0.0},
            "data.csv: expected enough for shares of 0.25 and 0, got 4 records, none for the part train; "
            "give more data",
        ),
        (
            [f"text {i}" for i in range(8)],
            {"valid": 0.1, "test": 0.1, "split": "every"},
            "data.csv: expected enough for shares of 0.1 and 0.1, got 8 records, none for the part valid; "
            "give more data, or set data.valid to 0",
        ),
        (
            ["a", "b", "c"],
            {"group": "speker"},
            "a.csv:1: no column 'speker'; data.group is one of: text",
        ),
    ],
)
def test_what_cannot_be_parted_is_told(texts, settings, message):
    with pytest.raises(DataError) as caught:
        split_records(records(texts), DataSettings.of({"path": "data.csv", **settings}), key)
    assert str(caught.value) == message
