"""What a word is: against the boundaries of `regex`, and by hand where the annex leaves a choice."""

from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core import words
from elman.inputs.text import vocab
from elman.inputs.text.incremental import TextEncoder

SIGNS = "ab1.,:'’_-é\u0301\u200c カ我ひ\"ü?ー々𝟘٣😀क\u093f"
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(SIGNS + "\n\t\u202f\u200d"))


@settings(max_examples=500, deadline=None)
@given(text=TEXT)
def test_tokens_are_the_text(text):
    assert "".join(words.tokens(text)) == text
    assert text.endswith(words.begun(text))
    assert text.startswith(words.leading(text))


def cuts(tokens):
    """The places between tokens, and that between a space and the word that it goes with."""
    found, place = set(), 0
    for token in tokens:
        found |= {place + 1} if token[0] == " " and len(token) > 1 else set()
        place += len(token)
        found.add(place)
    return found


@settings(max_examples=500, deadline=None)
@given(text=st.text(st.sampled_from(SIGNS)).filter(lambda text: "  " not in text))
def test_boundaries_are_those_of_the_library(text):
    assert cuts(words.tokens(text)) == cuts(regex.findall(r"(?w).+?\b", text, regex.DOTALL))


@pytest.mark.parametrize(
    "text",
    [
        "नमस्ते दुनिया कैसे हो आप",
        "வணக்கம் உலகம் எப்படி இருக்கிறீர்கள் நீங்கள்",
        "আমার সোনার বাংলা আমি ভালোবাসি",
        "สวัสดี ชาวโลก ภาษา ไทย ดี",
        "مَرْحَبًا بِالْعَالَمِ كَيْفَ حَالُكَ يَا",
        "می\u200cخواهم کتاب\u200cها را بخوانم امروز",
        unicodedata.normalize("NFD", "café crème très déçu là"),
        "don’t can't l'été 3.14 x_1",
        "שלום עולם צה״ל ג׳ירפה מה",
    ],
)
def test_five_words_are_five(text):
    found = words.tokens(text)
    assert [token.strip() for token in found] == text.split(" ")
    assert len(found) == 5
    assert all(words.leading(token).strip() for token in found)


def test_signs_are_no_words():
    found = words.tokens("“Come,” she said—then… «oui»; 我们学习，中文。")
    assert [token.strip() for token in found if words.leading(token).strip()] == [
        *("Come", "she", "said", "then", "oui"),
        *"我们学习中文",
    ]


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ("“Come", "Come"),
        ("said—th", "th"),
        ("el niño’", " niño’"),
        ("नमस्ते दुनि", " दुनि"),
        ("我们", ""),
        ("カタ", "カタ"),
        ("see e.g", "g"),
        ("no “", ""),
    ],
)
def test_the_word_that_is_begun(text, begun):
    assert words.begun(text) == begun


def test_forms():
    assert words.normal("e\u0301ﬁ", "nfc") == "éﬁ"
    assert words.normal("e\u0301ﬁ", "nfkc") == "éfi"
    assert words.normal("e\u0301ﬁ", "none") == "e\u0301ﬁ"


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from(SIGNS + "\n\t\u202f\u200d"), min_size=1), data=st.data())
def test_words_that_come_in_pieces_are_those_of_the_whole(text, data):
    held = vocab.learn("word", [text], form="nfc")
    encoder, found, rest = TextEncoder(held), [], text
    while rest:
        size = data.draw(st.integers(1, 5))
        found += encoder.encode(rest[:size]).tolist()
        rest = rest[size:]
    assert found + encoder.flush().tolist() == held.encode(text).tolist()
