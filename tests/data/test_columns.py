"""Which column is read and which is predicted: as told, or guessed from names and values."""

from __future__ import annotations

import numpy as np
import pytest

import elman
from elman import inputs
from elman.core.errors import DataError
from elman.core.records import Record
from elman.core.run_config import DataSettings
from elman.data import columns
from elman.data.columns import ALL, Columns


def records(names: str, *rows: tuple) -> list[Record]:
    fields = [dict(zip(names.split(), row, strict=True)) for row in rows]
    return [Record(each, f"t.csv:{line}") for line, each in enumerate(fields, 2)]


def found(given: list[Record], **settings: str) -> tuple[str, str]:
    chosen = columns.infer_columns(given, DataSettings.of(settings), inputs.takes)
    assert chosen.guessed == (len(settings) < 2)
    return chosen.input, chosen.target


SERIES = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (records("text label", ("a b", "x")), ("text", "label")),
        (records("Label Text", ("x", "a b")), ("Text", "Label")),
        (records("id category sentence", ("1", "x", "a b")), ("sentence", "category")),
        (records("series label", (SERIES, "1")), ("series", "label")),
        (records("1 2", *((f"a text {i}", str(i % 2)) for i in range(6))), ("1", "2")),
        (records("1 2", *((str(i % 2), f"a text {i}") for i in range(6))), ("2", "1")),
        (
            records("path digit speaker", *((f"{i}.wav", str(i % 3), "me") for i in range(9))),
            ("path", "digit"),
        ),
        (
            records("1 2 3", *(("EI", f"GENE-{i}", "ACGT" * (2 + i)) for i in range(6)), ("N", "G", "AC")),
            ("3", "1"),
        ),
        (records("syllable script", *((f"s{i}", "abc"[i % 3]) for i in range(9))), ("syllable", "script")),
        (records("comment stars", *((f"good {i}", f"{i}.5") for i in range(9))), ("comment", "stars")),
        (records("a b c label", ("1", "2.5", "3", "x")), (ALL, "label")),
        (records("a b c kind", *(("1", "2.5", str(i), "xy"[i % 2]) for i in range(9))), (ALL, "kind")),
        (records("1 2 3 4", *((str(i % 2), "0.5", "7", str(i)) for i in range(9))), (ALL, "1")),
        (records("1 2 3 4", *((str(i), "0.5", "7", str(i % 2)) for i in range(9))), (ALL, "4")),
        (records("id stars note", *((str(i), str(i % 5), f"text {i}") for i in range(9))), ("note", "stars")),
    ],
)
def test_what_is_guessed(given, expected):
    assert found(given) == expected


def test_what_is_named_is_taken():
    given = records("text title label topic", ("a", "b", "x", "y"))
    assert found(given, input="title", target="topic") == ("title", "topic")
    assert found(given, input="title") == ("title", "label")
    assert found(given, target="topic") == ("text", "topic")
    assert found(records("a b text label", ("1", "2", "t", "x")), input=ALL) == (ALL, "label")


def test_what_was_chosen_is_said():
    assert Columns("text", "label", True).about() == (
        "'text' is read, 'label' is predicted (guessed; --input and --target set them)"
    )
    assert Columns(ALL, "y", False, 3).about() == "all other columns are read, a step each, 'y' is predicted"


def test_a_single_column_is_read_whatever_its_name():
    assert Columns("text", "label", False).read(Record({"anything": "a b"}, "t:1")) == "a b"


def test_all_other_columns_are_read_as_numbers_with_the_target_or_without():
    chosen = columns.infer_columns(
        records("1 2 3", ("7", "0.5", "0.25")), DataSettings.of({"target": "1"}), inputs.takes
    )
    assert chosen.read(Record({"1": "7", "2": "0.5", "3": "0.25"}, "t:1")) == [0.5, 0.25]
    # Without the target, a table without a head numbers the others from 1.
    assert chosen.read(Record({"1": "0.5", "2": "0.25"}, "t:1")) == [0.5, 0.25]
    with pytest.raises(DataError) as caught:
        chosen.read(Record({"1": "7", "2": "0.5", "3": "0.25", "4": "1"}, "t:1"))
    assert str(caught.value) == (
        "t:1: expected 2, got 3 columns to read; give the columns that the model learnt from"
    )


def test_series_of_a_wide_table_may_end_early():
    given = records(
        "y 1 2 3", ("a", "1", "", ""), ("b", "1", "2", "3"), ("a", "", "2", ""), ("b", "", "", "")
    )
    chosen = columns.infer_columns(given, DataSettings.of({}), inputs.takes)
    assert (chosen.input, chosen.target) == (ALL, "y")
    read = [chosen.read(record) for record in given]
    assert read[:2] == [[1], [1, 2, 3]]
    assert [len(values) for values in read[2:]] == [2, 1]
    assert np.isnan(read[2][0])
    assert np.isnan(read[3][0])


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (
            records("text label", ("a", "x")),
            {"input": "txet"},
            "t.csv:2: no column 'txet'; did you mean 'text'?",
        ),
        (
            records("text label", ("a", "x")),
            {"target": "stars"},
            "t.csv:2: no column 'stars'; known: label, text",
        ),
        (
            records("text", ("a",)),
            {},
            "t.csv:2: expected one to read and one to predict, got columns 'text'; "
            "name the column to predict with --target",
        ),
        (
            records("value label", (1.5, "x")),
            {},
            "t.csv:2: columns 'value', 'label'; name the column to read with --input",
        ),
    ],
)
def test_what_cannot_be_guessed_is_told(given, settings, message):
    with pytest.raises(DataError) as caught:
        columns.infer_columns(given, DataSettings.of(settings), inputs.takes)
    assert str(caught.value) == message


def test_a_column_that_a_record_lacks_is_told():
    chosen = Columns("text", "label", False)
    with pytest.raises(DataError) as caught:
        chosen.read(Record({"txt": "a", "label": "b"}, "p.csv:3"))
    assert str(caught.value) == "p.csv:3: no column 'text'; did you mean 'txt'?"
    with pytest.raises(DataError) as caught:
        chosen.wanted(Record({"text": "a"}, "p.csv:3"))
    assert str(caught.value) == "p.csv:3: no column 'label'; known: text"


def test_a_cell_that_is_no_number_is_told():
    chosen = Columns(ALL, "y", False, 2)
    with pytest.raises(DataError) as caught:
        chosen.read(Record({"a": "1", "b": "n/a", "y": "x"}, "p.csv:3"))
    assert str(caught.value) == (
        "p.csv:3: expected a number, got 'n/a' in column 'b'; "
        "leave the column out, or name the one to read with --input"
    )


NUMBERS = ("0.5", "1.25", "7")


@pytest.mark.parametrize(
    ("given", "expected", "left_out"),
    [
        (
            records("id a b c state", *((str(900 - i), *NUMBERS, "xy"[i % 2]) for i in range(9))),
            (ALL, "state"),
            {"id": "an identifier"},
        ),
        (
            records("n a b c state", *((str(i), *NUMBERS, "xy"[i % 2]) for i in range(12))),
            (ALL, "state"),
            {"n": "the number of the row"},
        ),
        (
            records("n a b c state", *((str(i * 7 % 23), *NUMBERS, "xy"[i % 2]) for i in range(23))),
            (ALL, "state"),
            {"n": "the number of the row"},
        ),
        (
            records("date a b c state", *((f"2024-01-{i + 1:02}", *NUMBERS, "xy"[i % 2]) for i in range(9))),
            (ALL, "state"),
            {"date": "a time"},
        ),
        (
            records("case a b c label", *((f"A-{i}", *NUMBERS, "xy"[i % 2]) for i in range(9))),
            (ALL, "label"),
            {"case": "the name of the row"},
        ),
        (
            records(
                "user_id message is_spam", *((str(i % 3), f"so {i}", str(i // 2 % 2)) for i in range(12))
            ),
            ("message", "is_spam"),
            {"user_id": "an identifier"},
        ),
        (
            records("uuid body class_id", *((f"f{i}", f"a body {i}", str(i % 3)) for i in range(9))),
            ("body", "class_id"),
            {"uuid": "an identifier"},
        ),
        (records("id label", *((str(i), "xy"[i % 2]) for i in range(9))), ("id", "label"), {}),
        (
            records("a b c state", *((str(i % 7), "1", str(i), "xy"[i % 2]) for i in range(30))),
            (ALL, "state"),
            {},
        ),
    ],
)
def test_identifiers_are_left_out(given, expected, left_out):
    chosen = columns.infer_columns(given, DataSettings.of({}), inputs.takes)
    assert ((chosen.input, chosen.target), dict(chosen.left_out)) == (expected, left_out)
    if chosen.input == ALL:
        numbers = [float(v) for k, v in given[0].fields.items() if k not in (*left_out, chosen.target)]
        assert chosen.read(given[0]) == numbers
        without = {k: v for k, v in given[0].fields.items() if k != chosen.target}
        assert chosen.read(Record(without, "t:1")) == numbers
    for name, kind in left_out.items():
        assert f"{name!r} is left out as {kind}" in chosen.about()


def test_all_columns_are_read_where_one_says_so():
    given = records("id a b state", *((str(i), "1", "2", "xy"[i % 2]) for i in range(12)))
    chosen = columns.infer_columns(given, DataSettings.of({"input": ALL, "target": "state"}), inputs.takes)
    assert chosen.read(given[3]) == [3, 1, 2]


def test_a_pair_is_not_guessed_of_identifiers():
    given = records("id english german", ("1", "one", "eins"), ("2", "two", "zwei"))
    chosen = columns.pair(given, DataSettings.of({}))
    assert (chosen.input, chosen.target) == ("english", "german")


def test_several_columns_are_read_together():
    given = records("id x1 x2 x3 y title body", ("7", "1", "2", "", "a", "so", "it is"))
    settings = {"input": "x1, x3,x2", "target": "y"}
    assert np.isnan(columns.infer_columns(given, DataSettings.of(settings), inputs.takes).read(given[0])[1])
    chosen = columns.infer_columns(given, DataSettings.of({"input": "x*", "target": "y"}), inputs.takes)
    assert chosen.inputs == ("x1", "x2", "x3")
    chosen = columns.infer_columns(given, DataSettings.of({"input": "title,body"}), inputs.takes)
    assert chosen.read(given[0]) == "so\nit is"
    series = [Record({"a": [1, 2], "b": [3, 4], "y": "x"}, "t.jsonl:1")]
    chosen = columns.infer_columns(series, DataSettings.of({"input": "a,b", "target": "y"}), inputs.takes)
    assert chosen.read(series[0]).tolist() == [[1, 3], [2, 4]]
    with pytest.raises(DataError, match="no column 'x9'"):
        columns.infer_columns(given, DataSettings.of({"input": "x1,x9", "target": "y"}), inputs.takes)


def test_several_columns_are_predicted():
    given = records("text toxic obscene", ("a b", "1", "0"), ("c", "1", "1"), ("d", "0", "0"))
    named = columns.infer_columns(given, DataSettings.of({"target": "toxic,obscene"}), inputs.takes)
    assert [named.wanted(record) for record in given] == [["toxic"], ["toxic", "obscene"], []]
    guessed = columns.infer_columns(given, DataSettings.of({}), inputs.takes)
    assert (guessed.targets, guessed.guessed) == (("toxic", "obscene"), True)
    with pytest.raises(DataError) as caught:
        named.wanted(Record({"text": "a", "toxic": "x", "obscene": "0"}, "t.csv:9"))
    assert str(caught.value) == (
        "t.csv:9: expected 0 or 1, got 'x' in column 'toxic'; "
        "name one column with --target, or columns of 0 and 1"
    )


def test_columns_of_which_one_is_on_are_one_class():
    given = records("text good bad", ("a", "True", "False"), ("b", "False", "True"))
    chosen = columns.infer_columns(given, DataSettings.of({"target": "good,bad"}), inputs.takes)
    assert [chosen.wanted(record) for record in given] == ["good", "bad"]
    with pytest.raises(DataError, match="expected in one, as in the training part, got 1 in 0"):
        chosen.wanted(Record({"text": "a", "good": 0, "bad": 0}, "t.csv:9"))


PAIRS = [(f"the dog has {n} bones", f"le chien a {n} os") for n in range(9)]


@pytest.mark.parametrize(
    ("names", "rows", "expected"),
    [
        ("en fr", PAIRS, ("en", "fr")),
        ("id en fr", [(str(n), *pair) for n, pair in enumerate(PAIRS)], ("en", "fr")),
        ("word pronunciation", [(f"w{n}x", f"d ʌ {n}") for n in range(9)], ("word", "pronunciation")),
        ("text kind", [(pair[0], "ab"[n % 2]) for n, pair in enumerate(PAIRS)], None),
        ("text label", [(pair[0], f"l{n}") for n, pair in enumerate(PAIRS)], None),
        ("text score", [(pair[0], str(n / 7)) for n, pair in enumerate(PAIRS)], None),
        ("path text", [(f"{n}.wav", pair[0]) for n, pair in enumerate(PAIRS)], None),
        ("en fr", PAIRS[:7], None),
    ],
)
def test_two_columns_of_free_texts_are_a_pair(names, rows, expected):
    assert columns.free_texts(records(names, *rows)) == expected


def test_a_text_with_a_number_for_its_label_is_learnt(tmp_path):
    """As JSON lines and Parquet have it: the label is typed, and no text."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"text": "it is so {n}", "label": {n % 2}}}\n' for n in range(40)))
    model = elman.train(path, out=tmp_path / "run", steps=1, hidden=4, quiet=True)
    assert model.config.task == "classify"
