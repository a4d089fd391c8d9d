"""The checker of phrases finds what it is for, and leaves English alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture(scope="module")
def words():
    sys.path.insert(0, str(SCRIPTS))
    import words

    yield words
    sys.path.remove(str(SCRIPTS))


@pytest.mark.parametrize(
    "text",
    [
        "the column is told at the start",
        "it is no TOML",
        "its layers\nupon each other",
        "up to so many steps",
        "What one who asks may take",
        "bytes that are no text",
        "outputs that were held back",
    ],
)
def test_finds(words, text):
    assert list(words.found("pages", "page.md:1", text))


@pytest.mark.parametrize(
    "text",
    [
        "there is no such file",
        "the held-out part is held out",
        "where there is no compiler",
        "it is no longer read",
        "a threshold, an untold number, upheld",
    ],
)
def test_leaves_alone(words, text):
    assert not list(words.found("pages", "page.md:1", text))


def test_a_hit_says_where_and_what_to_write(words):
    (hit,) = words.found("errors", "src/elman/x.py:3", "the stack has layers upon each other")
    assert (hit.place, hit.phrase, hit.instead) == ("src/elman/x.py:3", "upon each other", "stacked")


def test_an_error_is_told_from_other_strings_and_docstrings(words, tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    source = '"""It was said."""\nname = "what was told"\nraise ValueError(f"{name} is no number")\n'
    (tmp_path / "src" / "a.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(words, "ROOT", tmp_path)
    found = [(hit.kind, hit.place, hit.phrase) for hit in words.hits("errors", "strings", "docstrings")]
    assert sorted(found) == [
        ("docstrings", "src/a.py:1", "said"),
        ("errors", "src/a.py:3", "is no"),
        ("strings", "src/a.py:2", "told"),
    ]


def test_every_kind_of_text_is_searched(words):
    texts = [*words._pages(), *words._source(), *words._help()]
    assert {kind for kind, _, _ in texts} == set(words.KINDS)


def test_nobody_reads_them(words):
    """The words of a sample in Morse are data."""
    hits = words.hits()
    assert not [hit for hit in hits if "morse.py" not in hit.place]
