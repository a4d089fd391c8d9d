"""Data whose columns are called otherwise than those that a model learnt from."""

from __future__ import annotations

import pytest

from elman.core import notes
from elman.core.errors import ConfigError, DataError
from elman.core.records import Record
from elman.core.run_config import DataSettings, Reading, reading_of
from elman.data import columns, renaming
from elman.data.formats.table import Row, TableLayout
from elman.inputs import registry as inputs

ROLES = {"input": ("text",), "target": ("label",)}


def matched(names: str, *rows: tuple[str, ...], head: bool = True, roles=ROLES, **said: str):
    layout = TableLayout(head=tuple(names.split()) if head else None)
    given = [
        Record(Row(zip(names.split(), row, strict=True), layout), f"f.csv:{line}")
        for line, row in enumerate(rows, 2)
    ]
    return [dict(record.fields) for record in renaming.matched(given, roles, DataSettings.of(said))]


def test_names_that_are_written_otherwise_are_the_same():
    told: list[str] = []
    with notes.forward(told.append):
        assert matched("LABEL Text", ("a", "b")) == [{"label": "a", "text": "b"}]
    assert told == ["column 'Text' is read as 'text', column 'LABEL' is read as 'label'"]
    assert matched("Seq-ID T", ("1", "2"), roles={"input": ("t",), "group": ("seq_id",)}) == [
        {"seq_id": "1", "t": "2"}
    ]


def test_a_setting_names_the_column_that_serves():
    assert matched("review label", ("a", "b"), input="review") == [{"text": "a", "label": "b"}]
    roles = {"input": ("x", "y"), "target": ("label",)}
    assert matched("a b", ("1", "2"), roles=roles, input="b,a") == [{"y": "1", "x": "2"}]


def test_settings_of_the_run_itself_rename_nothing():
    assert matched("text label", ("a", "b"), input="text", target="label") == [{"text": "a", "label": "b"}]


def test_a_column_alone_is_taken_as_it_is():
    assert matched("review", ("a",)) == [{"review": "a"}]


@pytest.mark.parametrize(
    ("head", "more"), [(True, ""), (False, "; if its first line names the columns: --header yes")]
)
def test_what_cannot_be_told_is_refused_with_the_cure(head, more):
    with pytest.raises(DataError) as raised:
        matched("review label", ("a", "b"), head=head)
    expected = "f.csv:2: no column 'text'; known: label, review; --input names the column to read"
    assert str(raised.value) == expected + more


def test_as_many_columns_are_named_as_were_learnt_from():
    with pytest.raises(ConfigError, match="expected 1, in place of 'text', got 2 columns"):
        matched("a b", ("1", "2"), input="a,b")


def test_numbers_are_read_by_the_names_of_their_columns_in_any_order():
    rows = [Record({"u": str(n), "v": str(-n), "state": "ab"[n % 2]}, f"t:{n}") for n in range(9)]
    chosen = columns.infer_columns(rows, DataSettings.of({"target": "state"}), inputs.takes)
    assert chosen.roles() == {"input": ("u", "v"), "target": ("state",)}
    assert chosen.read(Record({"v": "7", "more": "x", "u": "3"}, "t:1")) == [3.0, 7.0]


def test_a_file_has_settings_of_its_own():
    data = DataSettings.of({"encoding": "cp1252", "header": "no"})
    assert reading_of(data, Reading()).encoding == "auto"
    assert reading_of(data, {"form": "table", "header": "yes"}).but(path="").header == "yes"
    with pytest.raises(ConfigError, match=r"hedaer: an unknown word; did you mean 'header'\?"):
        reading_of(data, {"hedaer": "yes"})  # pyrefly: ignore
