"""Tables with a row a step: recognised, or as one says; joined to sequences, and answered as they stood."""

from __future__ import annotations

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data import long_tables


def rows(head: str, *cells: tuple) -> list[Record]:
    names = head.split()
    return [
        Record(dict(zip(names, row, strict=True)), f"t.csv:{line}") for line, row in enumerate(cells, start=2)
    ]


def sensors(head: str = "seq_id t ax ay activity", steps: int = 5) -> list[Record]:
    cells = [
        (str(i), str(t), f"{i}.5", str(t / 2), "walk" if i % 2 else "sit")
        for i in range(4)
        for t in range(steps)
    ]
    return rows(head, *cells)


def found(records: list[Record], **settings: str) -> long_tables.LongTable | None:
    return long_tables.find(records, DataSettings.of(settings))


@pytest.mark.parametrize(
    "head",
    [
        "seq_id t ax ay activity",
        "trial time ax ay activity",
        "recording frame ax ay kind",
        "subject n ax ay state",  # counts within each
        "part t ax ay activity",  # starts anew where `part` changes
    ],
)
def test_series_of_a_long_table_are_recognised(head):
    group, time, *inputs, target = head.split()
    table = found(sensors(head))
    assert (table.group, table.time, table.inputs, table.target) == ((group,), time, tuple(inputs), target)
    joined = table.join(sensors(head))
    assert [record.fields[target] for record in joined] == ["sit", "walk", "sit", "walk"]
    assert [record.where for record in joined] == [f"t.csv:{line}" for line in (2, 7, 12, 17)]
    np.testing.assert_array_equal(joined[1].fields["series"], [[1.5, t / 2] for t in range(5)])
    assert long_tables.of(joined[0]) == table


def test_rows_are_ordered_by_time():
    given = sensors(steps=12)  # "10" comes before "2" as text
    table = found(given)
    shuffled = [given[place] for place in np.random.default_rng(1).permutation(len(given))]
    ordered = {record.fields["seq_id"]: record.fields["series"] for record in table.join(shuffled)}
    for record in table.join(given):
        np.testing.assert_array_equal(ordered[record.fields["seq_id"]], record.fields["series"])


def test_days_are_ordered_as_dates_and_not_as_texts():
    days = ["28/02/2023", "01/03/2023", "02/03/2023", "15/02/2023"]
    cells = [(str(i), day, str(place), "ab"[i % 2]) for i in range(4) for place, day in enumerate(days)]
    joined = found(rows("seq_id date x label", *cells)).join(rows("seq_id date x label", *cells))
    assert joined[0].fields["series"][:, 0].tolist() == [3, 0, 1, 2]


def test_ambiguous_days_are_told_and_settled():
    days = ["05/02/2023", "01/03/2023", "02/03/2023", "11/02/2023"]
    cells = [(str(i), day, str(place), "ab"[i % 2]) for i in range(4) for place, day in enumerate(days)]
    table = rows("seq_id date x label", *cells)
    with pytest.raises(DataError, match="--dates"):
        found(table).join(table)
    joined = found(table, dates="month-first").join(table)
    assert joined[0].fields["series"][:, 0].tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize(
    "given",
    [
        rows("a b label", *((str(i), str(2 * i), "xy"[i % 2]) for i in range(20))),
        rows("subject a b label", *((str(i // 5), str(i), "1", "xy"[i % 2]) for i in range(20))),
        rows("user_id text label", *((str(i // 5), f"a text {i}", "xy"[i % 2]) for i in range(20))),
        rows("chat turn text label", *((str(i // 5), str(i % 5), f"so {i}", "xy"[i % 2]) for i in range(20))),
        [Record({"series": [1.0, 2.0], "label": "x"}, "t.jsonl:1")],
    ],
)
def test_rows_that_are_sequences_stay_so(given):
    assert found(given) is None


def test_one_says_what_rows_are():
    given = sensors("a b c d e")
    assert found(given) is None
    assert found(given, rows="steps", group="a", target="e", input="c,d").inputs == ("c", "d")
    assert found(sensors(), rows="sequences") is None
    named = found(sensors(), group="seq_id", time="t", input="ay", target="activity")
    assert not named.guessed
    assert named.join(sensors())[0].fields["series"].shape == (5, 1)


def test_several_columns_may_name_a_sequence():
    given = rows(
        "user walk t x kind", *((i // 10, i // 5 % 2, i % 5, i, "ab"[i // 5 % 2]) for i in range(20))
    )
    table = found(given, group="user,walk", time="t")
    assert [record.fields["kind"] for record in table.join(given)] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": "tt"}, "t.csv:2: no column 'tt'; did you mean 't'?"),
        (
            {"rows": "steps", "group": "activity", "target": "seq_id"},
            "t.csv:12: expected '0', as in the rows before it",
        ),
        (
            {"time": "t", "group": "activity"},
            "t.csv:2: expected one with one class in all rows of a sequence",
        ),
    ],
)
def test_what_cannot_be_joined_is_told(settings, message):
    given = sensors()
    with pytest.raises(DataError) as caught:
        found(given, **settings).join(given)
    assert str(caught.value).startswith(message[:40])


def test_a_time_that_comes_twice_is_told():
    given = sensors()
    table = found(given)
    with pytest.raises(DataError) as caught:
        table.join([*given, given[7]])
    assert str(caught.value) == (
        "t.csv:9: expected one, got a second row for '2' of seq_id '1'; "
        "keep one of them, or name the columns that tell sequences apart: --group a,b"
    )


def test_a_class_that_changes_within_a_sequence_is_told():
    given = sensors()
    given[3] = Record({**given[3].fields, "activity": "run"}, given[3].where)
    assert found(given) is None
    table = found(given, group="seq_id", time="t", target="activity")
    with pytest.raises(DataError) as caught:
        table.join(given)
    assert str(caught.value) == (
        "t.csv:5: expected 'sit', as in the rows before it, got 'run' in column 'activity' of seq_id '0'; "
        "name the columns that tell sequences apart (--group a,b), or say --rows sequences"
    )


TOKENS = rows(
    "Sentence_# Word Tag",
    *(("Sentence: 1", "a", "D"), ("", "film", "N"), ("Sentence: 2", "so", "A"), ("", "bad", "A")),
    ("", ".", "P"),
)


def test_tokens_a_row_become_sentences():
    table = long_tables.find_tokens(TOKENS, DataSettings.of({}))
    joined = table.join(TOKENS)
    assert [record.fields["Word"] for record in joined] == [["a", "film"], ["so", "bad", "."]]
    assert [record.fields["Tag"] for record in joined] == [["D", "N"], ["A", "A", "P"]]
    answers = [(record, {"Tag": list("xyz"[: len(record.fields["Word"])])}) for record in joined]
    spread = list(table.spread(answers))
    assert [row for row, _ in spread] == TOKENS
    assert [answer["Tag"] for _, answer in spread] == ["x", "y", "x", "y", "z"]


def test_empty_rows_part_sentences():
    given = rows("word tag", ("a", "D"), ("film", "N"), ("", ""), ("so", "A"))
    joined = long_tables.find_tokens(given, DataSettings.of({})).join(given)
    assert [record.fields["word"] for record in joined] == [["a", "film"], ["so"]]


def test_sentences_a_row_stay_so():
    given = rows("id words tags", ("1", "a film", "D N"), ("2", "so bad", "A A"))
    assert long_tables.find_tokens(given, DataSettings.of({})) is None
