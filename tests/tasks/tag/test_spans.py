"""Tags of spans: schemes, spans and their scores, by hand and against seqeval where it is installed."""

from __future__ import annotations

import random
from itertools import product

import pytest

from elman.tasks.tag import spans
from elman.tasks.tag.spans import Span, SpanCounts

TAGS = [f"{position}-{kind}" for position in "BIES" for kind in ("PER", "LOC")] + ["O"]


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-PER I-PER O B-LOC", [Span("PER", 0, 2), Span("LOC", 3, 4)]),
        ("B-PER B-PER", [Span("PER", 0, 1), Span("PER", 1, 2)]),
        ("I-PER I-PER O I-PER", [Span("PER", 0, 2), Span("PER", 3, 4)]),  # IOB1
        ("I-PER B-PER", [Span("PER", 0, 1), Span("PER", 1, 2)]),
        ("B-PER I-LOC", [Span("PER", 0, 1), Span("LOC", 1, 2)]),  # a type that changes
        ("S-PER B-LOC I-LOC E-LOC O", [Span("PER", 0, 1), Span("LOC", 1, 4)]),
        ("U-PER B-LOC I-LOC L-LOC O", [Span("PER", 0, 1), Span("LOC", 1, 4)]),  # BILOU
        ("B-LOC M-LOC E-LOC", [Span("LOC", 0, 3)]),  # BMES
        ("E-PER E-PER I-PER", [Span("PER", 0, 1), Span("PER", 1, 2), Span("PER", 2, 3)]),
        ("B-PER-X I-PER-X", [Span("PER-X", 0, 2)]),
        ("B I O B B", [Span("", 0, 2), Span("", 3, 4), Span("", 4, 5)]),
        ("b_per i_per o B-loc", [Span("per", 0, 2), Span("loc", 3, 4)]),
    ],
)
def test_spans(tags, expected):
    assert spans.spans(words(tags)) == expected


@pytest.mark.parametrize(
    ("sequences", "scheme"),
    [
        (["B-PER I-PER O", "O B-LOC B-LOC"], "bio"),
        (["I-PER I-PER O", "I-LOC B-LOC"], "iob1"),
        (["S-PER O B-LOC E-LOC", "O"], "bioes"),
        (["U-PER O B-LOC I-LOC L-LOC"], "bioes"),
        (["B-PER I-PER O", "O I-LOC"], "loose"),
        (["B-PER", "S-PER"], "loose"),
        (["NOUN VERB"], "none"),
        (["O O"], "none"),
        (["B-PER X"], "none"),
        (["B- O"], "none"),
        (["B I O", "O B B"], "bio"),  # without types
        (["B_PER I_PER O"], "bio"),
        (["b-per i-per o", "o b-loc"], "bio"),
        (["B M E S O"], "bioes"),
        (["S I E"], "none"),  # no O and no B: these are names
        (["I_1 O"], "none"),
    ],
)
def test_the_scheme_is_guessed(sequences, scheme):
    assert spans.guess(map(words, sequences)) == scheme


@pytest.mark.parametrize(
    ("scheme", "tags", "step"),
    [
        ("bio", "O B-PER I-PER I-PER O", None),
        ("bio", "O I-PER", 1),
        ("bio", "B-PER I-LOC", 1),
        ("bio", "O E-PER", 1),
        ("iob1", "I-PER B-PER I-PER O I-LOC I-PER", None),
        ("iob1", "B-PER", 0),
        ("iob1", "I-LOC B-PER", 1),
        ("bioes", "S-PER B-PER I-PER E-PER O", None),
        ("bioes", "B-PER O", 1),
        ("bioes", "O B-PER", 2),
        ("bioes", "B-PER I-PER E-LOC", 2),
        ("bioes", "I-PER E-PER", 0),
    ],
)
def test_the_first_fault(scheme, tags, step):
    assert spans.fault(scheme, words(tags)) == step


@pytest.mark.parametrize("scheme", spans.SCHEMES)
def test_masks_allow_what_has_no_fault(scheme):
    moves, starts, ends = spans.allowed(scheme, TAGS)
    for tags in product(range(len(TAGS)), repeat=3):
        by_mask = starts[tags[0]] and ends[tags[2]] and moves[tags[0], tags[1]] and moves[tags[1], tags[2]]
        assert by_mask == (spans.fault(scheme, [TAGS[tag] for tag in tags]) is None)


@pytest.mark.parametrize("scheme", spans.SCHEMES)
def test_every_set_of_spans_has_one_way_to_be_tagged(scheme):
    """Two sequences that a scheme allows never mean the same spans."""
    seen = {}
    for tags in product(TAGS, repeat=4):
        if spans.fault(scheme, tags) is None:
            found = tuple(spans.spans(tags))
            assert found not in seen, (tags, seen[found])
            seen[found] = tags
    # Of n tokens the last is outside, or closes a span of one of two types and any length:
    # a(n) = a(n - 1) + 2 (a(0) + ... + a(n - 1)), which is 1, 3, 11, 41, 153.
    assert len(seen) == 153


def test_scores_by_hand():
    there = [words("B-PER I-PER O B-LOC"), words("B-LOC O")]
    predicted = [words("B-PER I-PER O B-PER"), words("B-LOC I-LOC")]
    counts = spans.compare(there, predicted)
    assert counts == {"LOC": SpanCounts(0, 1, 2), "PER": SpanCounts(1, 2, 1)}
    assert counts["PER"].precision == 0.5
    assert counts["PER"].recall == 1
    assert counts["PER"].f1 == pytest.approx(2 / 3)
    assert spans.total(counts) == SpanCounts(1, 3, 3)
    assert spans.total(counts).f1 == pytest.approx(1 / 3)


def test_nothing_to_find_scores_nothing():
    assert spans.compare([["O"]], [["O"]]) == {}
    empty = spans.total({})
    assert (empty.precision, empty.recall, empty.f1) == (0, 0, 0)


def test_as_many_predicted_as_there_are():
    with pytest.raises(ValueError, match="zip"):
        spans.compare([["O"]], [])


def test_scores_are_those_of_seqeval():
    metrics = pytest.importorskip("seqeval.metrics")
    draw = random.Random(0)
    for _ in range(200):
        lengths = [draw.randint(1, 12) for _ in range(4)]
        there, predicted = ([draw.choices(TAGS, k=length) for length in lengths] for _ in range(2))
        predicted = [
            [draw.choice([mine, other]) for mine, other in zip(*rows, strict=True)]
            for rows in zip(there, predicted, strict=True)
        ]
        counts = spans.compare(there, predicted)
        whole = spans.total(counts)
        assert whole.precision == pytest.approx(metrics.precision_score(there, predicted))
        assert whole.recall == pytest.approx(metrics.recall_score(there, predicted))
        assert whole.f1 == pytest.approx(metrics.f1_score(there, predicted))
        report = metrics.classification_report(there, predicted, output_dict=True, zero_division=0)
        for kind, count in counts.items():
            assert count.precision == pytest.approx(report[kind]["precision"])
            assert count.f1 == pytest.approx(report[kind]["f1-score"])
            assert count.there == report[kind]["support"]
