"""Text files are read by the encoding that their bytes show, and the guess of an old one is reported."""

from __future__ import annotations

import codecs
import gzip

import pytest

import elman
from elman.core.errors import DataError, DataWarning
from elman.data import formats
from elman.data.formats import likely_encoding
from elman.training import resolve
from tests.conftest import TINY

FRENCH = "un été à Nîmes – l’œuvre\n"
TABLE = "text,label\n" + "".join(f"l’été {i} à Nîmes,{'oui' if i % 2 else 'non'}\n" for i in range(30))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (FRENCH.encode(), "utf-8"),
        (FRENCH.encode("utf-8-sig"), "utf-8"),
        (FRENCH.encode("utf-16"), "utf-16"),
        (FRENCH.encode("utf-16-le"), "utf-16-le"),
        (FRENCH.encode("utf-16-be"), "utf-16-be"),
        (FRENCH.encode("utf-32"), "utf-32"),
        (FRENCH.encode("cp1252"), "cp1252"),
        ("déjà vu, naïve\n".encode("latin-1"), "cp1252"),  # of which it is a part
        (b"plain\n", "utf-8"),
        (b"a" * 99 + b"\0", "utf-8"),  # binary, as reading tells
        # What no guess is safe for: its first wrong byte is told.
        ("привет, мир и ещё".encode("cp1251"), "utf-8"),
        ("日本語の文章です。".encode("shift-jis"), "utf-8"),
        ((FRENCH * 9).encode() + b"\xe9\n", "utf-8"),
        (b"caf\x81 noir", "utf-8"),
    ],
)
def test_the_encoding_that_bytes_show(data, expected):
    assert likely_encoding.guess(data) == expected


def test_a_guess_of_an_old_encoding_is_reported(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(FRENCH.encode("cp1252"))
    with pytest.warns(DataWarning, match="text.txt: not UTF-8, read as Windows-1252; --encoding sets"):
        (record,) = formats.read(str(path), "auto")
    assert record.fields["text"] == FRENCH
    with pytest.raises(DataError, match=r"not UTF-8: byte 0xE9 .* such as --encoding cp1252"):
        formats.read(str(path), "utf-8")


def test_a_damaged_byte_is_told_where_all_else_is_utf8(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes((FRENCH * 9).encode() + b"\xe9\n")
    with pytest.raises(DataError, match=r"text.txt:10: not UTF-8: byte 0xE9 .*; mend it: all else"):
        formats.read(str(path), "auto")


FILES = {
    "rows.csv": TABLE,
    "rows.tsv": TABLE.replace(",", "\t"),
    "rows.txt": TABLE.replace(",", "\t"),
    "rows": TABLE,
    "rows.jsonl": "".join(f'{{"text": "l’été {i}", "label": "{i % 2}"}}\n' for i in range(30)),
    "rows.json": "[" + ",".join(f'{{"text": "l’été {i}", "label": "{i % 2}"}}' for i in range(30)) + "]",
    "words.conll": "l’été B-TEMPS\nà O\n\n" * 9,
    "words": "l’été B-TEMPS\nà O\n\n" * 9,
    "lines.ft": "__label__oui l’été à Nîmes\n__label__non l’hiver\n" * 9,
    "book.txt": FRENCH * 9,
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore::elman.core.errors.DataWarning")
def test_every_format_is_recognised_and_read(tmp_path, name, encoding):
    path = tmp_path / name
    path.write_bytes(FILES[name].encode("utf-8"))
    form, expected = formats.find(str(path)).name, [dict(each.fields) for each in formats.read(str(path))]
    path.write_bytes(FILES[name].encode(encoding))
    assert formats.find(str(path)).name == form
    assert [dict(each.fields) for each in formats.read(str(path), "auto")] == expected


@pytest.mark.filterwarnings("ignore::elman.core.errors.DataWarning")
def test_packed_files(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le")))
    assert formats.read(str(path), "auto")[0].fields == {"text": "l’été 0 à Nîmes", "label": "non"}


@pytest.mark.parametrize("names", [("oui.txt", "non.txt"), ("oui/1.txt", "oui/2.txt", "non/1.txt")])
def test_a_folder_is_reported_once(tmp_path, names):
    for name in names:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(FRENCH.encode("cp1252"))
    for form in ("classes", "text"):
        told = []
        with elman.core.notes.forward(told.append):
            found = formats.read(str(tmp_path / "set"), "auto", name=form)
        assert {record.fields["text"].strip() for record in found} == {FRENCH.strip()}
        assert told == [f"{tmp_path / 'set'}: not UTF-8, read as Windows-1252; --encoding sets another"]


@pytest.mark.filterwarnings("ignore::elman.core.errors.DataWarning")
def test_a_table_is_learnt_from_and_predicted_for_without_an_option(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(TABLE.encode("cp1252"))
    run, _ = resolve.resolve(str(path), None, None, {})
    assert run.data.encoding == "auto"
    model = elman.train(path, out=tmp_path / "run", quiet=True, **TINY)
    assert "é" in model.task.to_text()
    assert model.evaluate(path)["model"]["accuracy"] >= 0.5
    with pytest.raises(DataError, match="not UTF-8"):
        elman.train(path, out=tmp_path / "strict", quiet=True, encoding="utf-8", **TINY)
