"""The samples that are made up: dates, pictures of shapes with captions, strokes of a pen, and chords."""

from __future__ import annotations

import re
from datetime import date
from functools import cache

import numpy as np
import pytest

from elman.data import formats
from elman.data.samples import chords, curves, dates, letters, shapes


def spelt(year, month, day):
    """All ways in which a date may be written."""
    at = date(year, month, day)
    return [dates.written(at, notation) for notation in dict.fromkeys(dates.notations(at))]


def test_dates_are_many_and_no_text_comes_twice():
    records = formats.read("sample:dates")
    texts = [record.fields["date"] for record in records]
    assert len(records) == len(set(texts)) == 4000
    assert all(list(record.fields) == ["date", "iso"] for record in records)
    assert len({record.fields["iso"] for record in records}) > 3500
    found = [date.fromisoformat(record.fields["iso"]) for record in records]
    assert (min(found).year, max(found).year) == (1900, 2099)
    assert (records[0].where, records[-1].where) == ("sample:dates/1", "sample:dates/4000")


def test_every_notation_of_a_date_occurs():
    def shape(text):
        return re.sub(r"[A-Za-z]+", "a", re.sub(r"\d+", "0", text))

    there = {shape(record.fields["date"]) for record in formats.read("sample:dates")}
    assert {shape(text) for text in spelt(1987, 3, 3)} <= there


def test_no_text_stands_for_two_dates():
    """Whatever the case of its letters; on days that may be taken for months, and years for others."""
    stands: dict[str, str] = {}
    for year in (*range(1900, 2100, 9), 1950, 1999, 2000, 2004, 2005, 2010, 2011, 2049, 2050):
        for month in range(1, 13):
            for day in (1, 2, 3, 10, 11, 12, 20, 21, 28):
                iso = date(year, month, day).isoformat()
                for text in spelt(year, month, day):
                    assert stands.setdefault(text.casefold(), iso) == iso, text


@pytest.mark.parametrize(
    ("day", "texts"),
    [
        (
            (1987, 3, 3),
            [
                *("3 March 1987", "Mar. 3, 1987", "3.3.1987", "03/03/87", "3.III.1987", "1987-W10-2"),
                *("Tuesday, 3rd of March 1987", "the third of March, nineteen eighty-seven", "3 March '87"),
            ],
        ),
        ((2005, 1, 1), ["2004-W53-6", "2005-001", "January first, two thousand and five", "1/1/05"]),
        ((2004, 12, 31), ["the 366th day of 2004", "December the thirty-first, two thousand and four"]),
        ((1900, 5, 22), ["May 22nd, 1900", "May 22, 1900", "May twenty-second, nineteen hundred"]),
        ((2030, 10, 30), ["October thirtieth, twenty thirty", "30 X 2030", "the 303rd day of 2030"]),
        ((1907, 4, 12), ["12th of April 1907", "April the twelfth, nineteen oh seven", "19070412"]),
        ((2013, 8, 11), ["Sun, Aug 11th, 2013", "August eleventh, twenty thirteen", "2013. VIII. 11."]),
    ],
)
def test_how_a_date_is_written(day, texts):
    assert set(texts) <= set(spelt(*day))


def test_two_digits_are_a_year_of_1950_to_2049():
    assert "1/2/50" in spelt(1950, 1, 2)
    assert "1/2/49" in spelt(2049, 1, 2)
    assert "1/2/49" not in spelt(1949, 1, 2)
    assert "1/2/50" not in spelt(2050, 1, 2)


# Shapes


@cache
def scenes():
    return [(record.fields["picture"], record.fields["caption"]) for record in formats.read("sample:shapes")]


def hues(colors):
    """[..., 3] without their grey, the largest part 1."""
    colors = np.asarray(colors, float)
    colors = colors - colors.min(-1, keepdims=True)
    return colors / np.maximum(colors.max(-1, keepdims=True), 1)


def places(picture):
    """For each colour in a picture where its pixels are: [N, 2] rows and columns."""
    parts = picture.astype(int)
    found = np.argwhere(parts.max(-1) - parts.min(-1) > 60)
    off = hues(picture[tuple(found.T)])[:, None] - hues(list(shapes.COLORS.values()))
    nearest = (off**2).sum(-1).argmin(-1)
    return {name: found[nearest == i] for i, name in enumerate(shapes.COLORS) if (nearest == i).sum() > 3}


def test_captions_have_one_form_and_all_words_occur():
    shape = rf"a ({'|'.join(shapes.SIZES)}) ({'|'.join(shapes.COLORS)}) ({'|'.join(shapes.KINDS)})"
    captions = [caption for _, caption in scenes()]
    alone = [caption for caption in captions if re.fullmatch(shape, caption)]
    assert all(re.fullmatch(f"{shape}( (above|left of) {shape})?", caption) for caption in captions)
    assert len(captions) == 3000
    assert len(set(alone)) == 2 * 6 * 5
    assert 0.2 < len(alone) / 3000 < 0.3
    assert 0.3 < sum(" above " in caption for caption in captions) / 3000 < 0.45
    assert len(set(captions)) > 2000


def test_pictures_are_colours_on_grey():
    pictures = np.stack([picture for picture, _ in scenes()])
    assert (pictures.dtype, pictures.shape) == (np.uint8, (3000, 32, 32, 3))
    grey = pictures.max(-1) == pictures.min(-1)
    assert grey.mean((1, 2)).min() > 0.4
    assert 50 - 17 <= pictures[grey].min() < pictures[grey].max() <= 140 + 16


def test_a_picture_shows_what_its_caption_says():
    """Colours, sizes and relations, found again from the pixels."""
    for picture, caption in scenes():
        named = re.findall(r"a (\w+) (\w+) \w+", caption)
        seen = places(picture)
        assert set(seen) == {color for _, color in named}, caption
        if len(seen) < len(named):
            continue  # two shapes of one colour
        for size, color in named:
            extent = np.ptp(seen[color], axis=0).max() + 1
            assert extent >= 10 if size == "large" else extent <= 9, caption
        if len(named) == 2:
            ends = [(seen[color].min(0) + seen[color].max(0)) / 2 for _, color in named]
            down, right = ends[1] - ends[0]
            assert down > abs(right) if " above " in caption else right > abs(down), caption


def test_shapes_cover_what_their_formulas_say():
    """The area of each kind, of the same radius at many places, by its formula."""
    r, random = 6.5, np.random.default_rng(1)
    middle = 16 + random.random((200, 2))
    outer, inner = 1.0 * r, 0.56 * r
    areas = {
        "circle": np.pi * r * r,
        "square": (2 * 0.88 * r) ** 2,
        "triangle": 1.8 * r * r,
        "cross": 2 * (2 * r * 0.6 * r) - (0.6 * r) ** 2,
        "ring": np.pi * (outer**2 - inner**2),
    }
    for number, kind in enumerate(shapes.KINDS):
        covered = shapes._covered(np.full(200, number), np.full(200, r), middle)
        assert covered.sum((1, 2)).mean() == pytest.approx(areas[kind], rel=0.02), kind


# Strokes


@cache
def drawn(name):
    return [record.fields for record in formats.read(f"sample:{name}")]


@pytest.mark.parametrize(("name", "count"), [("curves", 2400), ("letters", 3000)])
def test_strokes_begin_at_nought_and_end_lifted(name, count):
    found = drawn(name)
    assert len(found) == count
    for fields in found:
        steps = fields["strokes"]
        assert (steps.dtype, steps.shape[1]) == (np.float32, 3)
        assert not steps[0].any()
        assert steps[-1, 2] == 1
        assert set(np.unique(steps[:, 2])) <= {0, 1}


def test_every_curve_is_drawn_with_as_many_strokes_as_it_has():
    strokes = {
        "circle": 1,
        "face": 4,
        "flower": 2,
        "house": 3,
        "spiral": 1,
        "star": 1,
        "wave": 1,
        "zigzag": 1,
    }
    assert set(curves.CURVES) == set(strokes)
    for fields in drawn("curves"):
        assert fields["strokes"][:, 2].sum() == strokes[fields["label"]]
    labels = [fields["label"] for fields in drawn("curves")]
    assert all(0.09 < labels.count(name) / 2400 < 0.16 for name in strokes)


def test_no_two_curves_are_alike_and_each_keeps_its_form():
    assert len({fields["strokes"].tobytes() for fields in drawn("curves")}) == 2400
    for fields in drawn("curves"):
        points = fields["strokes"][:, :2].cumsum(0)
        if fields["label"] == "circle":
            assert np.linalg.norm(points[-1]) < 6  # closed
            radius = np.linalg.norm(points - points.mean(0), axis=1)
            assert 25 < radius.min() < radius.max() < 60


def test_words_have_all_letters_and_their_strokes():
    texts = [fields["text"] for fields in drawn("letters")]
    assert set("".join(texts)) == set(letters.LETTERS) == set("abcdefghijklmnopqrstuvwxyz")
    assert {len(text) for text in texts} == {2, 3, 4, 5}
    assert len(set(texts)) > 1500
    for fields in drawn("letters"):
        count = sum(len(letters.LETTERS[letter]) for letter in fields["text"])
        assert fields["strokes"][:, 2].sum() == count


# Chords


def test_a_bar_has_a_chord_of_its_key_and_a_tune_above():
    for fields in drawn("chords"):
        notes, scale = fields["notes"], chords.SCALES[fields["label"]]
        assert (notes.dtype, notes.shape) == (np.uint8, (32, 88))
        used = {(note + chords.LOWEST) % 12 for note in np.flatnonzero(notes.any(0))}
        assert any(used <= {(key + tone) % 12 for tone in scale} for key in range(12))
        for bar in notes.reshape(8, 4, 88):
            held = np.flatnonzero(bar.all(0)) + chords.LOWEST
            bass, *rest = held
            thirds = {int(note - bass) % 12 for note in rest[:3]}
            assert thirds in ({0, 4, 7}, {0, 3, 7}, {0, 3, 6}), held
            assert (bar.sum(1) == 5).all()


def test_music_is_in_all_keys_major_and_minor():
    labels = [fields["label"] for fields in drawn("chords")]
    assert len(labels) == 400
    assert 150 < labels.count("major") < 250
    assert len({int(np.flatnonzero(fields["notes"][0])[0]) for fields in drawn("chords")}) == 12
