"""FASTA: sequences, their labels, and faults with their lines."""

import gzip
import io

import pytest

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data import formats


@pytest.fixture
def path(tmp_path):
    return tmp_path / "genes.fa"


def test_sequences_in_one_piece(path):
    path.write_text(">one  donor\nACGT\n acgt \n\nNN-*\n>two a longer description\r\nTT")
    assert formats.read(str(path)) == [
        Record(
            {"id": "one", "description": "donor", "sequence": "ACGTacgtNN-*", "label": "donor"}, f"{path}:1"
        ),
        Record({"id": "two", "description": "a longer description", "sequence": "TT"}, f"{path}:6"),
    ]


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ("a", None),
        ("a donor", "donor"),
        ("a of mouse, class=donor; 5 kb", "donor"),
        ("a Label=donor|more", "donor"),
        ("a sublabel=x of mouse", None),
        ("a two words", None),
    ],
)
def test_labels(path, title, label):
    path.write_text(f">{title}\nA\n")
    assert formats.read(str(path))[0].fields.get("label") == label


def test_gzip(tmp_path):
    path = tmp_path / "genes.FASTA.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))
    assert formats.read(str(path))[0].fields["sequence"] == "ACGT"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nACGT\n", ":2: expected a line >name before the first sequence, got 'ACGT'"),
        (">a\nACGT\nAC5T\n", ":3: expected letters, * and - of a sequence, got '5' at column 3"),
        (">a\nAC GT\n", ":2: expected letters, * and - of a sequence, got ' ' at column 3"),
        (">a\n\n>b\nA\n", ":1: 'a' without a sequence; write it below, or remove the line"),
        (">a\nA\n>b\n", ":3: 'b' without a sequence; write it below, or remove the line"),
        ("> \nA\n", ":1: a line > without a name; write >name"),
        ("\n", ": no record in it (format fasta)"),
    ],
)
def test_broken_fasta(path, text, message):
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        formats.read(str(path))
    assert str(caught.value) == f"{path}{message}"


def test_answers_are_json_lines(path):
    path.write_text(">a donor\nAC\n")
    out = io.StringIO()
    formats.FORMATS["fasta"].write([(formats.read(str(path))[0], {"prediction": "x"})], out)
    assert out.getvalue() == (
        '{"id": "a", "description": "donor", "sequence": "AC", "label": "donor", "prediction": "x"}\n'
    )
