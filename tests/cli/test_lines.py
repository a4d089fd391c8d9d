"""Filters: a line in is a line out, whatever bytes it is made of and whatever the answer holds."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from elman.cli import commands, translate
from elman.core.formatting import one_line
from elman.core.records import Record
from elman.data import formats
from elman.data.formats.base import to_json
from elman.tasks.seq2seq.result import GeneratedText

ENDS = "a\nb\r\nc\u2028d\x85e\vf"


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command with bytes as standard input: its exit code, output and errors."""

    def call(data: bytes, *tokens: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = commands.run([str(token) for token in tokens])
        return code, *capsys.readouterr()

    return call


def test_ends_of_lines_are_spaces():
    assert one_line(ENDS) == "a b c d e f"
    assert len(to_json({"text": ENDS}).splitlines()) == 1
    assert json.loads(to_json({"text": ENDS})) == {"text": ENDS}


def test_a_translation_is_one_line():
    text = GeneratedText(ENDS, -1.0, -0.5, [], [], None)
    assert list(translate._rows([[text], []], 1, 1)) == ["a b c d e f\n", "\n"]
    assert list(translate._rows([[text, text]], 7, 2)) == ["7\t-0.5000\ta b c d e f\n"] * 2


def written(name: str, rows: Sequence[tuple[Record, dict]]) -> str:
    out = io.StringIO(newline="")
    formats.FORMATS[name].write(rows, out)
    return out.getvalue()


def test_files_of_lines_have_one_each():
    record = Record({"source": "x"}, "x:1")
    assert written("parallel", [(record, {"prediction": ENDS})]) == "a b c d e f\n"
    assert written("jsonlines", [(record, {"prediction": "a\nb"})]) == (
        '{"source": "x", "prediction": "a\\nb"}\n'
    )
    tokens = Record({"tokens": ["a\nb", "c\td"]}, "x:1")
    assert written("tokens", [(tokens, {"tags": ["X", "Y"]})]) == "a b\tX\nc d\tY\n\n"


def test_bytes_that_are_no_text_are_told_in_their_line(piped, run: Path, classifier: Path):
    code, out, err = piped(b"the \xff\nthe c\n", "complete", run)
    assert (code, out.count("\n"), out.split("\n")[0]) == (0, 2, "")
    assert "is a lone surrogate, not a character" in err
    code, out, _ = piped(b"good \xe9\ngood\n", "predict", classifier, "-")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert "lone surrogate" in first["error"]
    assert "prediction" in second


def test_standard_input_has_an_encoding(piped, classifier: Path):
    code, out, _ = piped("très bon\n".encode("cp1252"), "predict", classifier, "-", "--encoding", "cp1252")
    assert code == 0
    assert json.loads(out)["text"] == "très bon"
    code, _, err = piped(b"", "predict", classifier, "-", "--encoding", "latin-99")
    assert (code, err) == (2, "elman: encoding: unknown encoding 'latin-99'; did you mean 'latin-1'?\n")
