"""Columns of tokens: what is read, what is written back to the byte, and each fault in its words."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from elman.core.errors import DataError
from elman.data import formats
from elman.data.formats.conll import COLUMNS, Sentence

TREEBANK = Path(__file__).parents[3] / "shared/data/ud_english_ewt"

UD = """\
# newdoc id = one
# sent_id = 1
# text = Don't stop.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\tMood=Imp\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tstop\tstop\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
3.1\tnow\tnow\tADV\t_\t_\t_\t_\t3:advmod\tCopyOf=-1
4\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

# sent_id = 2
1\tNew York\tNew York\tPROPN\tNNP\t_\t0\troot\t_\t_

"""

NER = """\
-DOCSTART- -X- O O

EU NNP I-NP B-ORG
rejects VBZ I-VP O
# NN I-NP O

Peter NNP I-NP B-PER
"""


def written(records, answers, name):
    out = io.StringIO(newline="")
    formats.FORMATS[name].write(zip(records, answers, strict=True), out)
    return out.getvalue()


@pytest.fixture
def read(tmp_path):
    """Write bytes to a file of that name, and read its records."""

    def reading(name: str, text: str | bytes, **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return formats.read(str(path), **options)

    return reading


@pytest.fixture
def fault(tmp_path, read):
    """The message, from the file's name on, that reading that text ends with."""

    def failing(name: str, text: str):
        with pytest.raises(DataError) as caught:
            read(name, text)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    return failing


# CoNLL-U


def test_words_of_conllu(read, tmp_path):
    first, second = read("a.conllu", UD)
    assert first.where == f"{tmp_path}/a.conllu:5"
    assert tuple(first.fields) == COLUMNS
    assert first.fields["id"] == ["1", "2", "3", "4"]
    assert first.fields["form"] == ["Do", "n't", "stop", "."]
    assert first.fields["upos"] == ["AUX", "PART", "VERB", "PUNCT"]
    assert second.fields["form"] == ["New York"]


@pytest.mark.parametrize(
    "text",
    [
        UD,
        UD.rstrip("\n"),
        UD.replace("\n", "\r\n"),
        "\n\n" + UD + "\n# the end\n",
        "# a file's comment\n\n" + UD.replace("\n\n", "\n \n\n"),
    ],
    ids=["usual", "no last line end", "CR LF", "asides", "a comment alone, two empty lines"],
)
def test_conllu_comes_back_to_the_byte(read, text):
    records = read("a.conllu", text)
    assert written(records, [{} for _ in records], "conllu") == text
    gold = [{"upos": record.fields["upos"], "form": record.fields["form"]} for record in records]
    assert written(records, gold, "conllu") == text


def test_one_column_is_filled_and_nothing_else_is_touched(read):
    records = read("a.conllu", UD)
    answers = [{"upos": ["A", "B", "C", "D"]}, {"upos": ["E"]}]
    expected = UD
    for old, new in (("AUX", "A"), ("PART", "B"), ("VERB", "C"), ("PUNCT", "D"), ("PROPN", "E")):
        expected = expected.replace(f"\t{old}\t", f"\t{new}\t", 1)
    assert written(records, answers, "conllu") == expected


def test_faults_of_conllu(fault):
    lines = UD.split("\n")

    def broken(line: int, old: str, new: str) -> str:
        return "\n".join([*lines[: line - 1], lines[line - 1].replace(old, new, 1), *lines[line:]])

    assert fault("a.conllu", broken(6, "\tRB", "")) == "a.conllu:6: expected 10 parted by tabs, got 9 columns"
    assert fault("a.conllu", broken(7, "3", "4")) == "a.conllu:7: expected 3, after 2 words, got the ID 4"
    assert fault("a.conllu", broken(4, "1-2", "2-3")) == (
        "a.conllu:4: expected 1, after 0 words, got the ID 2-3"
    )
    assert fault("a.conllu", broken(8, "3.1", "4.1")) == (
        "a.conllu:8: expected 3.1 or so after word 3, got the empty node 4.1"
    )
    assert fault("a.conllu", broken(5, "1", "one")) == (
        "a.conllu:5: expected 1, a range or an empty node, got the ID 'one'"
    )
    assert fault("a.conllu", broken(5, "AUX", "")) == (
        "a.conllu:5: column 4 is empty; write _ where there is nothing"
    )
    assert fault("a.conllu", "# only\n\n# comments\n") == (
        "a.conllu: no sentence in it; name a file with a token a line"
    )
    assert fault("a.conllu", "# x\n0.1\tnow" + "\t_" * 8 + "\n") == "a.conllu:1: a sentence without words"
    assert fault("a.conllu", "") == "a.conllu: the file is empty; name a file that holds text"


@pytest.mark.skipif(not TREEBANK.is_dir(), reason="the data are not there")
@pytest.mark.parametrize(("part", "count", "words"), [("dev", 2001, 25_147), ("test", 2077, 25_094)])
def test_a_treebank_comes_back_to_the_byte(part, count, words):
    path = TREEBANK / f"en_ewt-ud-{part}.conllu"
    records = formats.read(str(path))
    assert (len(records), sum(len(record.fields["form"]) for record in records)) == (count, words)
    gold = [{"upos": record.fields["upos"], "xpos": record.fields["xpos"]} for record in records]
    assert written(records, gold, "conllu").encode() == path.read_bytes()


# Columns of the shared tasks


def test_columns_have_their_numbers(read, tmp_path):
    first, second = read("a.conll", NER)
    assert (first.where, second.where) == (f"{tmp_path}/a.conll:3", f"{tmp_path}/a.conll:7")
    assert first.fields == {
        "tokens": ["EU", "rejects", "#"],
        "2": ["NNP", "VBZ", "NN"],
        "3": ["I-NP", "I-VP", "I-NP"],
        "4": ["B-ORG", "O", "O"],
    }
    assert second.fields["tokens"] == ["Peter"]


def test_first_column_may_number_the_tokens(read):
    first, second = read("a.conll", "1\tone\tX\n2\ttwo\tY\n\n1\tthree\tX\n")
    assert first.fields == {"1": ["1", "2"], "tokens": ["one", "two"], "3": ["X", "Y"]}
    assert second.fields["tokens"] == ["three"]
    first, second = read("a.conll", "1 X\n2 Y\n\nthree X\n")  # these are tokens
    assert first.fields == {"tokens": ["1", "2"], "2": ["X", "Y"]}


def test_comments_and_tokens_that_begin_alike(read):
    (record,) = read("a.conll", "# id 7 domain=en\n# O\nyes O\n")
    assert record.fields == {"tokens": ["#", "yes"], "2": ["O", "O"]}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("# id 0\tdomain=x\na _ _ O\n\n# id 1\tdomain=x\nb _ _ B-X\n", [["a"], ["b"]]),
        ("# newdoc\na O\n\nb B-X\n", [["a"], ["b"]]),  # as it ends, no tag does
        ("# O\na O\n\n# O\nb O\n\n# O\nc O\n", [["a"], ["b"], ["c"]]),  # so begin all of them
        ("# O\na O\n\nb O\n", [["#", "a"], ["b"]]),
        ("#tag B-X\na O\n\nb O\n", [["#tag", "a"], ["b"]]),  # no space after it
        ("# b c\n1 a O\n2 b O\n\n# O O\n1 c O\n", [["a", "b"], ["c"]]),  # tokens are numbered
        ("# sent 1\tx\na\tO\n\n#\tO\nb\tO\n", [["a"], ["#", "b"]]),
    ],
)
def test_comments_as_wide_as_rows(read, text, tokens):
    records = read("a.conll", text)
    assert [record.fields["tokens"] for record in records] == tokens
    assert written(records, [{}] * len(records), "conll") == text


@pytest.mark.parametrize(
    "text", [NER, NER.replace(" ", "   "), NER.replace(" ", "\t"), NER + "\n\n-DOCSTART- x"]
)
def test_columns_come_back_to_the_byte(read, text):
    records = read("a.iob", text)
    gold = [dict(record.fields) for record in records]
    assert written(records, gold, "conll") == text


def test_a_column_is_filled_where_it_stands(read):
    records = read("a.bio", NER.replace(" ", "  "))
    text = written(records, [{"3": ["a", "b", "c"]}, {"3": ["d"]}], "conll")
    assert text == NER.replace(" ", "  ").replace("I-NP", "a", 1).replace("I-VP", "b").replace(
        "I-NP", "c", 1
    ).replace("I-NP", "d", 1)


def test_a_column_that_is_new_comes_last(read):
    records = read("a.iob2", "one\ntwo\n\nthree\n")
    assert [record.fields["tokens"] for record in records] == [["one", "two"], ["three"]]
    assert written(records, [{"2": ["O", "B"]}, {"2": ["O"]}], "conll") == "one\tO\ntwo\tB\n\nthree\tO\n"
    records = read("a.iob2", "one X\n")
    assert written(records, [{"3": ["O"]}], "conll") == "one X O\n"


def test_what_is_no_answer_for_each_token_is_written_as_json(read):
    records = read("a.conll", "one X\ntwo Y\n")
    assert isinstance(records[0].fields, Sentence)
    with pytest.raises(ValueError, match="zip"):
        records[0].fields.filled({"2": ["O"]})
    assert written(records, [{"class": "good"}], "conll") == '{"class": "good"}\n'
    assert written(records, [{"2": ["O"]}], "conll") == '{"2": ["O"]}\n'


def test_faults_of_columns(fault):
    assert fault("a.conll", "a X O\nb Y\nc Z O\n") == (
        "a.conll:2: expected 3 as the first sentence has, got 2 columns"
    )
    assert fault("a.conll", "a X\nb Y\n\nc Z O\n") == (
        "a.conll:4: expected 2 as the first sentence has, got 3 columns"
    )
    assert fault("a.conll", "a\tX\nb\t\n") == ("a.conll:2: column 2 is empty; write _ where there is nothing")
    assert fault("a.conll", "\n-DOCSTART-\n\n") == (
        "a.conll: no sentence in it; name a file with a token a line"
    )


# Plain lines of tokens


def test_lines_of_tokens(read, fault, tmp_path):
    first, second = read("a.tok", "How are you ?\n\n Fine .\n")
    assert first.fields == {"tokens": ["How", "are", "you", "?"]}
    assert (second.where, second.fields["tokens"]) == (f"{tmp_path}/a.tok:3", ["Fine", "."])
    text = written([second], [{"upos": ["INTJ", "PUNCT"], "form": ["Fine", "."]}], "tokens")
    assert text == "1\tFine\t_\tINTJ" + "\t_" * 6 + "\n2\t.\t_\tPUNCT" + "\t_" * 6 + "\n\n"
    text = written([second], [{"4": ["O", "O"], "tokens": ["Fine", "."]}], "tokens")
    assert text == "Fine\tO\n.\tO\n\n"
    assert fault("a.tok", " \n") == (
        "a.tok: no token in it; give tokens with spaces between, a sentence a line"
    )


# Which is which


@pytest.mark.parametrize(
    ("text", "name"),
    [(UD, "conllu"), (UD[UD.index("1-2") :], "conllu"), (NER, "conll"), ("a X\nb Y\n\n", "conll")],
)
def test_a_file_is_known_by_its_lines(tmp_path, text, name):
    path = tmp_path / "train"
    path.write_text(text)
    assert formats.find(str(path)).name == name
    path = tmp_path / "train.txt"
    path.write_text(text)
    assert formats.find(str(path), ["conllu", "conll", "tokens"]).name == name
    # Tags of spans are known in a text, too.
    assert formats.find(str(path)).name == ("conll" if text == NER else "text")


@pytest.mark.parametrize(
    "text", ["How are you ?\nFine .\n", "One.\n\nTwo words.\n\nThree words now.\n", "a X\nb Y\n"]
)
def test_plain_text_is_not_taken_for_columns(tmp_path, text):
    path = tmp_path / "text.txt"
    path.write_text(text)
    assert formats.find(str(path), ["conllu", "conll", "tokens"]).name == "tokens"
