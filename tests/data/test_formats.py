"""Every format: what it reads, and each broken source with its exact message."""

import gzip
import io
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from elman.core.errors import ConfigError, DataError, DataWarning
from elman.core.records import Record
from elman.data import formats
from elman.data.formats.base import Format, write_json_lines


def text_of(source, encoding="utf-8"):
    return [record.fields["text"] for record in formats.read(str(source), encoding)]


def fault(source, encoding="utf-8"):
    with pytest.raises(DataError) as caught:
        formats.read(str(source), encoding)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.txt"


# The contract, for whatever stands in the table.


@pytest.mark.parametrize("name", formats.names())
def test_member_is_whole(name):
    member = formats.FORMATS[name]
    assert isinstance(member, Format)
    assert member.name == name
    for suffix in member.suffixes:
        assert suffix.startswith((".", "-"))
        assert suffix == suffix.lower()
        assert formats.find(f"some/FILE{suffix.upper()}") is member


def test_no_suffix_has_two_formats():
    suffixes = [suffix for member in formats.FORMATS.values() for suffix in member.suffixes]
    assert len(set(suffixes)) == len(suffixes)


@pytest.mark.parametrize("name", [name for name in formats.names() if formats.FORMATS[name].suffixes])
def test_file_that_is_not_there(name, tmp_path):
    missing = tmp_path / f"missing{formats.FORMATS[name].suffixes[0]}"
    assert fault(missing) == f"{missing}: no such file or folder; check the path"


@pytest.mark.parametrize("name", formats.names())
def test_answers_are_written_as_they_come(name):
    """Whatever the format, a line is out when the next answer is asked for."""
    out = io.StringIO()
    lines = []

    def rows():
        for text in ("one", "two"):
            yield Record({"text": text}, "here:1"), {"prediction": text.upper(), "probabilities": {"A": 0.5}}
            lines.append(out.getvalue())

    formats.FORMATS[name].write(rows(), out)
    assert "ONE" in lines[0]
    assert lines[1] == out.getvalue()
    assert "TWO" in lines[1]


def test_json_lines_of_any_record():
    fields = {
        "text": "dé",
        "number": np.int64(3),
        "nothing": None,
        "nan": float("nan"),
        "series": np.zeros((2, 1)),
        "frames": ["1.png"],
    }
    out = io.StringIO()
    write_json_lines([(Record(fields, "x:1"), {"number": np.float32(0.5), "p": {"a": [np.int32(1)]}})], out)
    assert out.getvalue() == '{"text": "dé", "number": 0.5, "nothing": null, "nan": null, "p": {"a": [1]}}\n'


def test_half_of_a_pair_is_written_as_its_number():
    out = io.StringIO()
    write_json_lines([(Record({"text": "é\ud83d"}, "x:1"), {})], out)
    assert out.getvalue() == '{"text": "\\u00e9\\ud83d"}\n'


def whole_files(folder):
    """A small file of each kind that is not broken, by its suffix."""
    np.savez(folder / "a.npz", x=np.arange(6).reshape(2, 3), y=np.array(["a", "b"]), lengths=np.array([3, 2]))
    np.save(folder / "a.npy", np.arange(6).reshape(2, 3))
    for name, data in {
        "a.txt": "déjà vu\n".encode(),
        "a.csv": b'text,label\n"a, ""b""",1\n"c\nd",2\n',
        "a.tsv": b'"a\t1\nb"\t2\n',
        "a.jsonl": b'{"text": "\\u00e9", "n": [1, 2.5e3]}\n{"text": null}\n',
        "a.fa": b">a donor\nACGT\n>b label=x y\nTT\n",
        "a.ts": b"@classLabel true a b\n@dimensions 2\n@data\n1,2:3,?:a\n5:6:b\n",
        "a-images-idx3-ubyte": bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4)),
        "a.csv.gz": gzip.compress(b"text,label\na,1\n"),
    }.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


def damaged(data, random):
    """A few bytes changed, taken out or put in, or the end cut off."""
    for _ in range(random.randint(1, 3)):
        at, skipped = random.randint(0, len(data)), random.choice((0, 1, 1, 2, len(data)))
        put = bytes(random.choices(b'\0\n",:;\t@>?.-19ae[{}]\xff\xc3', k=random.randint(0, 2)))
        data = data[:at] + put + data[at + skipped :]
    return data


def said(path):
    """What is said of a file that may be damaged; nothing, if it can be read, and then written."""
    try:
        records = formats.read(str(path))
    except DataError as error:
        return str(error)
    formats.find(str(path)).write([(record, {"p": 1}) for record in records], io.StringIO())
    return ""


def test_damage_is_told_in_one_line(tmp_path):
    """Whatever a file holds, it is read, or what is raised says where; it is never a fault of ours."""
    random = Random(1)
    for path in whole_files(tmp_path):
        data = path.read_bytes()
        assert not said(path)
        for _ in range(50):
            path.write_bytes(damaged(data, random))
            message = said(path)
            assert not message or message.startswith(str(path))
            assert "\n" not in message
        path.write_bytes(data)


def test_text_is_what_remains():
    for source in ("README", "a.unheard-of", "folder/", "a.b/c"):
        assert formats.find(source).name == "text"
    assert formats.find("sample:anything").name == "sample"


def test_format_is_found_among_those_asked(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("text,label\n")
    assert formats.find(str(table), ["series", "table"]).name == "table"
    assert formats.find(str(table), ["series", "text"]).name == "text"
    assert formats.find(str(table), (), "idx").name == "idx"


def test_format_in_the_order_asked(tmp_path):
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("a\nb\n")
    assert formats.find(str(tmp_path)).name == "text"
    assert formats.find(str(tmp_path), ["table", "classes", "text"]).name == "classes"
    assert formats.find(str(tmp_path), ["text", "classes"]).name == "text"


def test_format_unknown():
    with pytest.raises(ConfigError) as caught:
        formats.find("x.csv", name="tabel")
    assert str(caught.value) == "data.format: unknown format 'tabel'; did you mean 'table'?"
    with pytest.raises(ConfigError):
        formats.find("x.csv", ["tabel"])


def test_no_format_takes_it(tmp_path):
    with pytest.raises(DataError) as caught:
        formats.find(str(path := tmp_path / "x.unheard-of"), ["series", "idx"])
    assert str(caught.value) == f"{path}: no such file or folder; check the path"
    path.write_text("x")
    with pytest.raises(DataError) as caught:
        formats.read(str(path), among=["series", "idx"])
    assert str(caught.value) == (
        f"{path}: expected series, idx, got data of another kind; if it is one of these, say --format NAME"
    )


def test_damaged_gzip(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(b"text,label\n")
    assert fault(path) == f"{path}: a damaged gzip file: Not a gzipped file (b'te'); fetch it again"


def test_reading_takes_no_torch():
    modules = "elman.data.formats, elman.inputs.text.vocab, elman.decoding.ngram_lm"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\ntwo\n", "one\ntwo\n"),
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"one\rtwo\n\n \t", "one\rtwo\n\n \t"),
        (b"\xef\xbb\xbfone", "one"),
        ("é😀\u2028".encode(), "é😀\u2028"),
        (b"\n", "\n"),
    ],
)
def test_text_as_it_is(path, data, text):
    path.write_bytes(data)
    assert formats.read(str(path)) == [Record({"text": text}, str(path))]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "UTF8"])
def test_other_encodings(path, encoding):
    path.write_bytes("déjà vu\r\n".encode(encoding))
    assert text_of(path, encoding) == ["déjà vu\n"]


def test_mark_of_a_wide_encoding_is_dropped(path):
    path.write_bytes("\ufeffdéjà".encode("utf-16-le"))
    assert text_of(path, "utf-16-le") == ["déjà"]


def test_folder_in_order(tmp_path):
    for name, data in {
        "b.txt": b"second",
        "a.md": b"first",
        "c/deep/d.txt": b"third\r\n",
        "z.bin": b"\x00\x01",
        "long.bin": b"a" * 100_000 + b"\0",
        "empty.txt": b"",
        ".hidden": b"no",
        ".git/config": b"no",
        "__pycache__/x.py": b"no",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "loop").symlink_to(tmp_path)
    records = formats.read(str(tmp_path))
    assert [record.fields["text"] for record in records] == ["first", "second", "third\n"]
    assert [record.where for record in records] == [
        f"{tmp_path}/{n}" for n in ("a.md", "b.txt", "c/deep/d.txt")
    ]


def test_long_file_is_read_whole_in_a_folder(path):
    text = "0123456789" * 30_000
    path.write_text(text)
    assert text_of(path.parent) == [text]


# Its faults, each in its words


def test_missing_file(tmp_path):
    (tmp_path / "shakespeare.txt").write_text("x")
    assert fault(tmp_path / "shakespere.txt") == (
        f"{tmp_path}/shakespere.txt: no such file or folder; did you mean '{tmp_path}/shakespeare.txt'?"
    )
    assert fault(tmp_path / "qqq") == f"{tmp_path}/qqq: no such file or folder; check the path"
    assert fault(tmp_path / "no" / "x.txt") == (
        f"{tmp_path}/no/x.txt: no such file or folder; "
        f"there is no folder '{tmp_path}/no' either; check the path"
    )


def test_no_permission(path, monkeypatch):
    """The tests may run as root, who may read all."""

    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    path.write_text("x")
    message = f"{path}: cannot be read: Permission denied; give yourself permission to read it (chmod u+r)"
    monkeypatch.setattr(Path, "read_bytes", denied)
    monkeypatch.setattr(Path, "open", denied)
    assert fault(path) == message
    assert fault(path.parent) == message


def test_disk_that_fails(path, monkeypatch):
    def broken(self):
        raise OSError(5, "Input/output error")

    path.write_text("x")
    monkeypatch.setattr(Path, "read_bytes", broken)
    assert fault(path) == f"{path}: cannot be read: Input/output error; check the path and the disk"


def test_folder_without_text(tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "empty.txt").touch()
    assert fault(tmp_path) == f"{tmp_path}: the folder holds no text; name a folder with plain-text files"


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_empty_file(path, data):
    path.write_bytes(data)
    assert fault(path) == f"{path}: the file is empty; name a file that holds text"


def test_binary_file(path):
    path.write_bytes(b"a" * 1234 + b"\0" + b"\xff")
    assert fault(path) == (
        f"{path}: a binary file (NUL byte at offset 1,234); "
        "name a plain-text file; if it is UTF-16, say --encoding utf-16"
    )


def test_other_than_utf8(path):
    path.write_bytes("one\ntwo\ncafé\n".encode("latin-1"))
    assert fault(path) == (
        f"{path}:3: not UTF-8: byte 0xE9 at offset 11; name the encoding it has, such as --encoding latin-1"
    )
    assert fault(path.parent) == fault(path)
    path.write_bytes("café".encode())
    assert fault(path, "ascii") == (
        f"{path}:1: not ASCII: byte 0xC3 at offset 3; name the encoding it has, such as --encoding utf-8"
    )


@pytest.mark.parametrize(
    ("data", "named", "advice"),
    [
        ("don’t – “hello”".encode("cp1252"), "utf-8", "cp1252"),
        ("déjà vu, naïve".encode("latin-1"), "utf-8", "latin-1"),
        ("привет, мир и ещё".encode("cp1251"), "utf-8", "cp1251 (Cyrillic), "),
        ("日本語の文章です。".encode("shift-jis"), "utf-8", "cp1251 (Cyrillic), "),
        ("\u65e5\u672c".encode("utf-16"), "utf-8", "utf-16"),
        ("naïve".encode(), "ascii", "utf-8"),
    ],
)
def test_the_likely_encoding_is_named(path, data, named, advice):
    path.write_bytes(data)
    assert f"--encoding {advice}" in fault(path, named)


def test_controls_in_place_of_quotes_are_told(path):
    path.write_bytes("don’t".encode("cp1252"))
    with pytest.warns(DataWarning, match="it is rather Windows-1252: --encoding cp1252"):
        assert text_of(path, "ISO-8859-1") == ["don\x92t"]
    assert text_of(path, "Windows-1252") == ["don’t"]


def test_unknown_encoding(path):
    path.write_text("x")
    assert fault(path, "utf9") == "encoding: unknown encoding 'utf9'; did you mean 'utf-8'?"
    assert fault(path, "lattin1") == "encoding: unknown encoding 'lattin1'; did you mean 'latin-1'?"
    for name in ("hex", "undefined", "qqqq"):  # the first two are known to Python and make no text
        assert fault(path, name).startswith(f"encoding: unknown encoding {name!r}; known: ascii, big5, ")


# Samples


@pytest.mark.parametrize("name", formats.SAMPLES)
def test_sample(name):
    first, again = formats.read(f"sample:{name}"), formats.read(f"sample:{name}")
    assert [record.where for record in first] == [record.where for record in again]
    for record, other in zip(first, again, strict=True):
        np.testing.assert_equal(record.fields, other.fields)
    texts = ["".join(map(str, record.fields.values())) for record in first]
    assert all(texts)
    assert 2_000 < sum(map(len, texts)) < 12_000_000
    assert all(record.where.startswith(f"sample:{name}") for record in first)
    assert "\n" not in formats.SAMPLES[name].about


def test_python_docs():
    (record,) = formats.read("sample:python-docs")
    assert record.where == "sample:python-docs"
    assert 'The "assert" statement' in record.fields["text"]
    assert "\r" not in record.fields["text"]


def test_python_source_is_the_library_and_nothing_else():
    source = "sample:python-source"
    parts = [record.where.removeprefix(f"{source}/") for record in formats.read(source)]
    assert {"argparse.py", "asyncio/base_events.py", "json/decoder.py"} < set(parts)
    assert parts == sorted(parts, key=lambda part: part.split("/"))
    kept_out = ("test", "site-packages", "idlelib", "lib2to3", "_sysconfigdata", "dist-packages")
    assert not [part for part in parts for name in part.split("/") if name.startswith(kept_out)]


def test_unknown_sample():
    assert (
        fault("sample:pyton-docs") == "sample:pyton-docs: unknown sample; did you mean 'sample:python-docs'?"
    )


def test_python_without_its_docs(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert fault("sample:python-docs") == (
        "sample:python-docs: this Python came without that part of its library; name a text file of your own"
    )


def test_python_without_its_source(monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    assert fault("sample:python-source") == (
        "sample:python-source: this Python came without that part of its library; "
        "name a text file of your own"
    )
