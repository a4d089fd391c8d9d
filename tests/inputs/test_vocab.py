"""Every unit of the vocabulary: round trip, files, errors with their exact words."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import ConfigError, DataError, RunError, VocabError
from elman.core.run_config import DataSettings
from elman.inputs.text import vocab
from elman.inputs.text.vocab import SymbolDecoder, from_text, learn, to_text

TEXT = (
    "It's the same thing, she said;  don’t you think?\n\n\tDef foo(self):\r\n    return self.bar_2 + 'é'\n"
    * 20
)
ODD = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\t\0 ▁▅'’é😀語ab"), max_size=60)
UNITS = list(vocab.UNITS)

quick = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module", params=UNITS)
def known(request):
    return learn(request.param, [TEXT], size=300 if request.param == "bpe" else 0)


def test_own_text_comes_back(known):
    ids = known.encode(TEXT, strict=True)
    assert ids.dtype == np.int32
    assert ids.ndim == 1
    assert known.decode(ids) == TEXT
    assert known.decode(ids.tolist()) == TEXT
    assert len(known.encode("")) == 0
    assert known.decode([]) == ""


def test_pieces_add_up_to_the_text(known):
    assert len(known.pieces) == len(known)
    assert b"".join(known.pieces[number] for number in known.encode(TEXT)) == TEXT.encode()
    assert [number for number, piece in enumerate(known.pieces) if not piece] == (
        [] if known.unknown is None else [known.unknown]
    )


@quick
@given(text=ODD)
def test_any_text_comes_back_where_nothing_is_unknown(text):
    for unit in ("byte", "bpe"):
        held = HELD[unit]
        ids = held.encode(text)
        assert held.decode(ids) == text
        assert len(ids) == 0 or (ids.min() >= 0 and ids.max() < len(held))


@quick
@given(text=ODD)
def test_any_learnt_text_comes_back(text):
    for unit in ("char", "word"):
        if text:
            held = learn(unit, [text])
            assert held.decode(held.encode(text, strict=True)) == text


@settings(max_examples=25, deadline=None)
@given(text=ODD.filter(bool), size=st.integers(260, 300))
def test_any_text_gives_subwords(text, size):
    held = learn("bpe", [text], size=size)
    assert 256 < len(held) <= size
    assert held.decode(held.encode(text)) == text


@quick
@given(text=ODD)
def test_unknown_symbols_and_nothing_else_are_lost(text):
    held = HELD["char"]
    known = set("".join(held.symbols))
    assert held.decode(held.encode(text)) == "".join(char for char in text if char in known)
    assert (held.encode(text) == held.unknown).sum() == sum(char not in known for char in text)


@quick
@given(text=ODD, unit=st.sampled_from(UNITS), data=st.data())
def test_decoder_gives_the_whole_in_pieces(text, unit, data):
    held = HELD[unit]
    ids = held.encode(text).tolist()
    if ids and data.draw(st.booleans()):  # drop a symbol: what is left need not be UTF-8
        ids.pop(data.draw(st.integers(0, len(ids) - 1)))
    decoder = SymbolDecoder(held)
    assert "".join(map(decoder.feed, ids)) + decoder.flush() == held.decode(ids)


def test_decoder_waits_for_the_rest_of_a_character():
    decoder = SymbolDecoder(HELD["byte"])
    assert [decoder.feed(byte) for byte in "é!".encode()] == ["", "é", "!"]
    decoder.feed(0xE2)
    assert decoder.flush() == "\ufffd"
    assert decoder.feed(ord("a")) == "a"


def test_file_round_trip(known):
    again = from_text(to_text(known))
    assert again.unit == known.unit
    assert again.pieces == known.pieces
    assert again.unknown == known.unknown
    assert np.array_equal(again.encode(TEXT + "ÿ"), known.encode(TEXT + "ÿ"))
    assert to_text(again) == to_text(known)


def test_same_text_same_vocabulary(known):
    again = learn(known.unit, iter([TEXT[:500], TEXT[500:]]), size=300 if known.unit == "bpe" else 0)
    if known.unit != "word":  # a word may be cut where the texts are
        assert sorted(again.pieces) == sorted(known.pieces)
    assert to_text(learn(known.unit, [TEXT], size=len(known))) == to_text(known)


def test_char_numbers_follow_the_code_points():
    held = learn("char", ["zab\n"])
    assert held.pieces == [b"", b"\n", b"a", b"b", b"z"]
    assert held.unknown == 0
    assert held.encode("a€\U0010ffff").tolist() == [2, 0, 0]


def test_char_bounds_keep_the_frequent():
    assert learn("char", ["aaabbc"], size=3).pieces == [b"", b"a", b"b"]
    assert learn("char", ["aaabbc"], min_count=3).pieces == [b"", b"a"]


def test_words_most_frequent_first_ties_by_text():
    held = learn("word", [" b b a c, c"])
    assert held.pieces == [b"", b" b", b" c", b" a", b","]
    assert held.encode(" b zebra").tolist() == [1, 0]
    assert learn("word", [" b b a c, c"], size=2).pieces == [b"", b" b"]
    assert learn("word", [" b b a c, c"], min_count=2).pieces == [b"", b" b", b" c"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the man", ["the", " man"]),
        ("don't, she", ["don't", ",", " she"]),
        ("a   b", ["a", "  ", " b"]),
        ("a  \n\n b", ["a", "  ", "\n", "\n", " b"]),
        ("\t\tif x_1:", ["\t\t", "if", " x_1", ":"]),
        ("(a) ('b')", ["(", "a", ")", " (", "'", "b", "'", ")"]),
        ("x\r\n", ["x", "\r", "\n"]),
    ],
)
def test_where_words_are_split(text, pieces):
    held = learn("word", [text])
    assert [held.decode([number]) for number in held.encode(text)] == pieces


def test_bpe_learns_subwords_and_keeps_to_its_size():
    held = learn("bpe", ["the thing that thinks\n" * 50], size=270)
    assert len(held) == 270
    assert b" th" in held.pieces
    assert held.unknown is None
    assert len(held.encode("the thing")) < 9
    assert held.encode("\n").tolist() == [10]
    assert held.encode("▁").tolist() == [0xE2, 0x96, 0x81]


def test_bpe_takes_what_a_small_text_has():
    assert len(learn("bpe", ["aaaa"])) < 300
    assert len(learn("bpe", ["\n"])) == 257
    held = learn("bpe", ["abab"], size=260)
    assert held.decode(held.encode("a  b ▁\n z")) == "a  b ▁\n z"


def test_bpe_of_many_characters_leaves_room():
    many = "".join(map(chr, range(0x4E00, 0x5E00)))
    held = learn("bpe", [many], size=400)
    assert len(held) <= 400
    assert held.decode(held.encode(many)) == many


def test_bpe_of_a_long_line_without_spaces():
    line = "ACGT" * 30_000
    held = learn("bpe", [line], size=270)
    assert held.decode(held.encode(line)) == line
    assert len(held.encode(line)) < len(line) / 2


def test_bpe_is_silent(capfd):
    learn("bpe", [TEXT])
    with pytest.raises(RunError):
        from_text(content(unit="bpe", model=base64.b64encode(b"x").decode()))
    assert capfd.readouterr() == ("", "")


def test_description_can_be_printed(known):
    shown = [known.describe(number) for number in range(len(known))]
    assert all(text and text.isprintable() and " " not in text for text in shown)


def test_description():
    chars, words = learn("char", ["\n a\té"]), learn("word", [" the"])
    assert [chars.describe(number) for number in range(6)] == ["<unk>", "\\t", "⏎", "␣", "a", "é"]
    assert words.describe(1) == "␣the"
    assert HELD["byte"].describe(0xC3) == "<0xC3>"


@pytest.mark.parametrize(
    ("unit", "text", "where", "message"),
    [
        (
            "char",
            "abcé",
            "prompt",
            "prompt: character 'é' (U+00E9) at line 1, column 4 is not among the 4 that the model knows; "
            "leave it out, or train with --unit byte",
        ),
        (
            "char",
            "ab\nc\nab😀é",
            "notes.txt",
            "notes.txt: character '😀' (U+1F600) at line 3, column 3 is not among the 4 that the model "
            "knows; leave it out, or train with --unit byte",
        ),
        (
            "word",
            "abc\nabc zebra",
            "prompt",
            "prompt: word 'zebra' at line 2, column 4 is not among the 2 that the model knows; "
            "leave it out, or train with --unit byte",
        ),
    ],
)
def test_strict_names_the_first_unknown_symbol(unit, text, where, message):
    held = learn(unit, ["abc\n"])
    with pytest.raises(VocabError) as caught:
        held.encode(text, where=where, strict=True)
    assert str(caught.value) == message
    assert held.unknown in held.encode(text, where=where)


def test_half_a_surrogate_pair_is_no_text():
    for unit in ("char", "byte", "bpe"):
        with pytest.raises(VocabError) as caught:
            HELD[unit].encode("ab\ncd\udce9", where="prompt")
        assert str(caught.value) == (
            "prompt: U+DCE9 at line 2, column 3 is a lone surrogate, not a character; give the text as UTF-8"
        )
    for unit in ("char", "word", "bpe"):
        with pytest.raises(VocabError, match="a lone surrogate"):
            learn(unit, ["\udce9"])


@pytest.mark.parametrize(
    ("unit", "options", "message"),
    [
        ("wrod", {}, "unit: unknown unit 'wrod'; did you mean 'word'?"),
        ("char", {"size": 1}, "vocab_size: expected at least 2 symbols, or 0 for no bound, got 1"),
        ("char", {"min_count": 0}, "min_count: expected at least 1, got 0"),
        ("byte", {"size": 100}, "vocab_size: expected 256 for the unit byte, got 100; leave it out"),
        (
            "bpe",
            {"size": 100},
            "vocab_size: expected at least 260 for the unit bpe (256 bytes, and characters), got 100; "
            "ask for more, or use --unit byte",
        ),
        (
            "bpe",
            {"min_count": 2},
            "min_count: unit bpe does not count symbols; leave it out, or set vocab_size",
        ),
        ("byte", {"min_count": 2}, "min_count: unit byte does not count symbols; leave it out"),
    ],
)
def test_settings_that_cannot_be(unit, options, message):
    with pytest.raises(ConfigError) as caught:
        learn(unit, ["some text"], **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("unit", ["char", "word", "bpe"])
def test_nothing_to_learn_from(unit):
    for texts in ([], [""], iter(["", ""])):
        with pytest.raises(DataError) as caught:
            learn(unit, texts)
        assert str(caught.value) == (
            "text: empty, nothing to learn symbols from; give a text of at least one character"
        )


def content(**entries):
    return json.dumps({"format": 1, "unit": "char", "symbols": ["a"], **entries})


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("", "not valid JSON at line 1, column 1"),
        ('{"format": 1,\n "unit', "not valid JSON at line 2, column 2"),
        ("[]", "no entry 'format' with a number"),
        (content(format="1"), "no entry 'format' with a number"),
        (content(unit="letter"), "unknown unit 'letter'"),
        (content(unit=["char"]), "unknown unit \"['char']\""),
        (content(symbols=None), "no entry 'symbols' with a list of strings"),
        (content(symbols=["a", 1]), "no entry 'symbols' with a list of strings"),
        (content(symbols=["a", ""]), "no entry 'symbols' with a list of strings"),
        (content(symbols=["a", "a"]), "a symbol occurs twice, or is not a character"),
        (content(symbols=["a", "\ud800"]), "a symbol occurs twice, or is not a character"),
        (content(symbols=["a", "bc"]), "a symbol of more than one character"),
        (content(unit="bpe"), "no entry 'model'"),
        (content(unit="bpe", model="?"), "the model is not valid base64"),
        (content(unit="bpe", model=3), "the model is not valid base64"),
        (content(unit="bpe", model=""), "the model is not one of SentencePiece"),
        (content(unit="bpe", model="AAAA"), "the model is not one of SentencePiece"),
    ],
)
def test_damaged_files(text, how):
    with pytest.raises(RunError) as caught:
        from_text(text, "run/vocab.json")
    assert str(caught.value) == (
        f"run/vocab.json: the vocabulary is damaged: {how}; restore it from a copy, or train anew"
    )


def test_damaged_subword_model():
    entries = json.loads(to_text(HELD["bpe"]))
    with pytest.raises(RunError, match="the model has 300 symbols, 'size' says 299"):
        from_text(json.dumps({**entries, "size": 299}))
    cut = base64.b64encode(base64.b64decode(entries["model"])[:-7]).decode()
    with pytest.raises(RunError, match="the vocabulary is damaged: the model"):
        from_text(json.dumps({**entries, "model": cut}))


def test_newer_file():
    with pytest.raises(RunError) as caught:
        from_text(content(format=3), "run/vocab.json")
    assert str(caught.value) == (
        "run/vocab.json: expected at most format 2, got format 3; update Elman (pip install -U elman)"
    )


HELD = {unit: learn(unit, [TEXT], size=300 if unit == "bpe" else 0) for unit in UNITS}


@pytest.mark.parametrize(
    ("unit", "data", "fault"),
    [("byte", {"vocab_size": 100}, "vocab_size"), ("byte", {"min_count": 2}, "min_count")],
)
def test_settings_of_the_data_apply_to_units_that_have_them(unit, data, fault):
    settings, texts = DataSettings(**data), ["an apple and a pear", "an apple"]
    with pytest.raises(ConfigError, match=f"^{fault}"):
        vocab.learn_as(settings, unit, texts)
    assert len(vocab.learn_as(settings, unit, texts, strict=False)) == 256


def test_a_size_of_its_own_comes_before_that_of_the_data():
    settings = DataSettings(vocab_size=5)
    assert len(vocab.learn_as(settings, "char", ["abcdefgh"], size=3, strict=False)) == 3
    assert len(vocab.learn_as(settings, "char", ["abcdefgh"], strict=False)) == 5
