"""Parallel text: files of one stem, whose lines belong together."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from elman.core import settings
from elman.core.errors import DataError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.data import formats
from elman.data.formats.base import Format
from elman.tasks import dataset
from elman.tasks.classify.task import Classify
from elman.training import resolve

MULTI30K = Path(__file__).parents[3] / "shared/data/multi30k"


@pytest.fixture
def stem(tmp_path):
    """A corpus of two languages, and things beside it that are none."""
    (tmp_path / "train.en").write_text("a dog\n\n two  cats \n")
    (tmp_path / "train.de").write_text("ein Hund\r\n\u2028leer\nzwei Katzen")
    for name in ("train.en.bak", "train.en~", "train.3", "train.json", "train.PNG", "train.log", "train.bak"):
        (tmp_path / name).write_text("no column")
    for name in ("train-2.fr", "trai.fr", ".train.fr", "README", "train.model"):
        (tmp_path / name).write_text("no column")
    (tmp_path / "train.fr").mkdir()
    return str(tmp_path / "train")


def fault(source, encoding="utf-8", name="auto"):
    with pytest.raises(DataError) as caught:
        formats.read(str(source), encoding, name=name)
    return str(caught.value)


def test_a_line_of_each_is_a_record(stem):
    assert formats.find(stem).name == "parallel"
    assert formats.read(stem) == [
        Record({"de": "ein Hund", "en": "a dog"}, f"{stem}:1"),
        Record({"de": "\u2028leer", "en": ""}, f"{stem}:2"),
        Record({"de": "zwei Katzen", "en": " two  cats "}, f"{stem}:3"),
    ]
    assert list(formats.read(stem)[0].fields) == ["de", "en"]


def test_all_columns_are_read_and_unzipped(tmp_path):
    texts = {"pt-br": "um\n", "zh_Hans": "一\n", "fa": "یک\n", "source": "one\n"}
    for name, text in texts.items():
        (tmp_path / f"a.b.{name}.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.b.source").write_text("ein\n")  # unpacked, and worked on since
    (record,) = formats.read(str(tmp_path / "a.b"))
    assert dict(record.fields) == {"fa": "یک", "pt-br": "um", "source": "ein", "zh_Hans": "一"}
    assert list(record.fields) == sorted(record.fields)


def test_what_has_that_very_name_comes_first(stem):
    Path(stem).write_text("a text\n")
    assert formats.find(stem).name == "text"
    assert len(formats.read(stem, name="parallel")) == 3
    Path(stem).unlink()
    Path(stem).mkdir()
    assert formats.find(stem, ("parallel", "text")).name == "text"


def test_a_stem_may_look_like_a_file(tmp_path):
    for language in ("en", "de"):
        (tmp_path / f"news.txt.{language}").write_text("x\n")
    assert formats.find(str(tmp_path / "news.txt")).name == "parallel"
    assert formats.find(str(tmp_path / "news.txt.en"), ("parallel", "text")).name == "text"


def test_no_suffix_of_another_format_is_a_column(tmp_path):
    suffixes = {suffix for member in formats.FORMATS.values() for suffix in member.suffixes}
    for suffix in suffixes - {".fa", ".ts"}:
        (tmp_path / f"data{suffix}").write_text("x\n")
    assert not formats.FORMATS["parallel"].takes(str(tmp_path / "data"))


def test_files_of_unequal_length(stem):
    Path(f"{stem}.en").write_text("x\n" * 29_000)
    Path(f"{stem}.fi").write_text("x\n")
    assert fault(stem) == (
        f"{stem}: train.de has 3 lines, train.en 29,000, train.fi 1; "
        "give each as many lines, for they belong together line by line"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ": the file is empty; "),
        (b"a\nb\n\xff", ":3: not UTF-8: byte 0xFF at offset 4; "),
        (b"a\nb\n\0", ": a binary file (NUL byte at offset 4); "),
    ],
)
def test_a_file_that_cannot_be_read(stem, data, said):
    Path(f"{stem}.en").write_bytes(data)
    assert fault(stem).startswith(f"{stem}.en{said}")


def test_encoding(stem):
    for language, text in {"en": "a\n", "de": "ä\n"}.items():
        Path(f"{stem}.{language}").write_text(text, encoding="latin-1")
    assert formats.read(stem, "latin-1")[0].fields == {"de": "ä", "en": "a"}
    assert fault(stem, "utf9").startswith("encoding: unknown encoding 'utf9'")


def test_one_file_is_none_of_two(stem):
    Path(f"{stem}.de").unlink()
    begun = f"'{stem}.3' or '{stem}.PNG' or '{stem}.bak'"
    assert fault(stem) == f"{stem}: no such file or folder; did you mean {begun}?"
    for other in Path(stem).parent.glob("train.*"):
        if other.is_file() and other.name != "train.en":
            other.unlink()
    Path(f"{stem}.fr").rmdir()
    assert fault(stem) == f"{stem}: no such file or folder; did you mean '{stem}.en'?"
    assert fault(stem, name="parallel") == (
        f"{stem}: expected two files or more, such as train.en and train.de, got train.en alone; "
        "name what all of them begin with"
    )
    assert "got no file of that stem" in fault(f"{stem}s", name="parallel")
    assert "got no file of that stem" in fault("no/such/folder/train", name="parallel")


def test_predictions_are_written_one_a_line(stem):
    answers = [{"prediction": text, "score": 0.5} for text in ("ein Hund", "", "a\r\nb", ["x", 1])]
    out = io.StringIO()
    rows = [(Record({"en": ""}, f"{stem}:1"), answer) for answer in answers]
    formats.find(stem).write(rows, out)
    assert out.getvalue() == 'ein Hund\n\na b\n["x", 1]\n'


def test_a_name_that_is_there(stem):
    for there in (stem, f"{stem}.en", str(Path(stem).parent), "sample:python-docs"):
        assert formats.exists(there)
    for missing in (f"{stem}s", f"{stem}.en/x", f"{stem}-2", "x" * 5000):
        assert not formats.exists(missing)


def test_a_stem_in_the_settings(stem, monkeypatch):
    """It is made absolute, serves for each part, and is missed when a file goes."""
    monkeypatch.setattr(Classify, "formats", ("parallel",))
    monkeypatch.chdir(Path(stem).parent)
    run, choice = resolve.resolve("train", None, None, {"valid_path": "train", "test_path": "train"})
    assert choice.words.startswith("task classify, guessed from train (format parallel): ")
    assert (run.data.path, run.data.valid_path, run.data.test_path) == (stem, stem, stem)
    monkeypatch.chdir("/")
    parts = dataset.load_parts(run)
    assert [len(part) for part in parts] == [3, 3, 3]
    assert dataset.there(run)
    Path(f"{stem}.de").unlink()
    assert not dataset.there(run)


def test_a_missing_sample_of_a_run_is_as_it_was():
    table = settings.merge({"data": {"path": "sample:python-docs"}})
    assert dataset.there(RunConfig.of(table, Classify.Config, "test"))


def test_only_names_are_asked_whether_they_are_there():
    asked = {name for name, member in formats.FORMATS.items() if member.is_name}
    assert asked == {"parallel", "sample"}
    assert not Format.is_name


@pytest.mark.skipif(not MULTI30K.is_dir(), reason="the data are not there")
@pytest.mark.parametrize(("part", "count"), [("train", 29_000), ("val", 1014), ("test_2016_flickr", 1000)])
def test_captions_in_two_languages(part, count):
    records = formats.read(str(MULTI30K / part))
    assert len(records) == count
    assert all(record.fields["en"].strip() and record.fields["de"].strip() for record in records)
    if part == "train":
        assert records[0].fields["en"] == "Two young, White males are outside near many bushes."
        assert records[-1].where == f"{MULTI30K / 'train'}:29000"


def test_one_of_the_files_leads_to_the_stem(tmp_path):
    (tmp_path / "t.en").write_text("one\n")
    (tmp_path / "t.de").write_text("eins\n")
    with pytest.raises(DataError, match=r"parallel files are named by their stem: .*/t$"):
        formats.find(str(tmp_path / "t.en"), ["parallel", "table"])


def test_what_models_wrote_comes_last(tmp_path):
    for name in ("hyp", "ja", "de"):
        (tmp_path / f"t.{name}").write_text(f"{name} one\n")
    (record,) = formats.read(str(tmp_path / "t"))
    assert list(record.fields) == ["de", "ja", "hyp"]
