"""The checker of phrases finds what it is for, and leaves English alone."""

from __future__ import annotations

import ast
import re
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


SOURCE = SCRIPTS.parent / "src" / "elman"
# The rooms in which the first line of a function's docstring is in the imperative: "Return ...", "Write ...".
IMPERATIVE = ["cli", "core", "decoding", "metrics", "plots", "runs", "server", "streaming", "training"]
# How first lines begin that are a noun phrase or a question instead.
NO_VERB = re.compile(
    r"A|All|An|Another|As|At|By|Each|Every|For|From|How|If|In"
    r"|Its|Nothing|Of|On|One|Other|Some|That|The|There|These|Those|What|When|Where|Whether|Which|Who|Why|Within"
)


def _first_lines(source: str):
    """Yield the line and the first line of the docstring of each function but properties."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node)
            is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
            if doc and not is_property:
                yield node.lineno, doc.splitlines()[0]


def _is_imperative(line: str) -> bool:
    word = line.split()[0].rstrip(".,:;")
    return word.isalpha() and word[0].isupper() and not NO_VERB.fullmatch(word)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("Return whether all fit.", True),
        ("Whether all fit.", False),
        ("[T, B, F] of each step.", False),
        ("The sum.", False),
        ("What each row holds.", False),
        ("`value` as a text.", False),
    ],
)
def test_an_imperative_is_told_from_a_noun(line, right):
    source = f'def f():\n    """{line}"""\n'
    assert [_is_imperative(first) for _, first in _first_lines(source)] == [right]


@pytest.mark.parametrize("room", IMPERATIVE)
def test_functions_say_what_to_do(room):
    files = sorted((SOURCE / room).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(SOURCE)}:{number}: {line}"
        for file in files
        for number, line in _first_lines(file.read_text(encoding="utf-8"))
        if not _is_imperative(line)
    ]
    assert not found
