"""Tags of spans (BIO, BIOES and their kin): what may follow what, which spans they mean, how many are right.

A tag is `O`, or a letter that says where in a span its token stands, `-` or `_`, and the span's type, such as
`B-PER`. The letter may be a small one, and the type be left out: `B`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np

SCHEMES = ("bio", "iob1", "bioes")
"""The schemes whose rules are known.

bio: the first token of each span is B (IOB2). iob1: it is B only where it must be distinguished from the span
before (Ramshaw and Marcus 1995). bioes: the last one is E and a lone one S; with L, U for E, S it is BILOU,
with M for I it is BMES.
"""

_POSITIONS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
_OUTSIDE = ("O", "o")
_TAG = re.compile(r"[Oo]|[BIMELSUbimelsu](?:[-_].+)?", re.DOTALL)
_OPEN = ("B", "I")  # positions after which a span of BIOES goes on


class Span(NamedTuple):
    """A stretch of tokens of one type: `start` is its first, `stop` the one after its last."""

    kind: str
    start: int
    stop: int


class SpanCounts(NamedTuple):
    """Spans that are right, that were predicted, and that there are."""

    right: int
    predicted: int
    there: int

    @property
    def precision(self) -> float:
        """The share of predicted spans that are right; 0 where there are none."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of spans that were found; 0 where there are none."""
        return self.right / self.there if self.there else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall: 2 right / (predicted + there)."""
        return 2 * self.right / (self.predicted + self.there) if self.right else 0.0


def is_span_tag(tag: str) -> bool:
    """Whether a tag has the form `O` or `B-TYPE`."""
    return _TAG.fullmatch(tag) is not None


def _are_span_tags(tags: AbstractSet[str]) -> bool:
    """Whether these are tags of spans: by one look alike, and if it is a rare one, with `O` and a `B`."""
    if not all(map(is_span_tag, tags)) or all(tag in _OUTSIDE for tag in tags):
        return False
    usual = all(tag == "O" or (tag[0].isupper() and tag[1:2] == "-") for tag in tags)
    begins = any(tag[0] in "Bb" for tag in tags)
    return usual or (begins and not tags.isdisjoint(_OUTSIDE))


def guess(sequences: Iterable[Sequence[str]]) -> str:
    """The first of `SCHEMES` that all sequences of tags obey.

    Returns:
        "loose" where all tags have a span's form and no scheme is obeyed; "none" where they have not.
    """
    distinct = set(map(tuple, sequences))
    tags = {tag for sequence in distinct for tag in sequence}
    if not _are_span_tags(tags):
        return "none"
    obeyed = (name for name in SCHEMES if all(fault(name, sequence) is None for sequence in distinct))
    return next(obeyed, "loose")


def fault(scheme: str, tags: Sequence[str]) -> int | None:
    """The first step whose tag may not stand there by `scheme`, T for a span that is not closed; or None."""
    before = None
    for step, tag in enumerate(tags):
        if not may_follow(scheme, before, tag):
            return step
        before = tag
    return None if may_follow(scheme, before, None) else len(tags)


def may_follow(scheme: str, before: str | None, after: str | None) -> bool:
    """Whether tag `after` may come after `before` by one of `SCHEMES`; None is what lies beyond the ends."""
    left, kind = _parts(before or "O")
    right, other = _parts(after or "O")
    same = left != "O" and kind == other
    if scheme == "bioes":
        return (same and right in ("I", "E")) if left in _OPEN else right in ("O", "B", "S")
    if right in ("E", "S"):
        return False
    return right != ("I" if scheme == "bio" else "B") or same


def allowed(scheme: str, tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what a scheme allows: [K, K] whether tag j may follow tag i, [K] may begin, [K] may end."""
    moves = np.array([[may_follow(scheme, before, after) for after in tags] for before in tags], bool)
    starts = np.array([may_follow(scheme, None, tag) for tag in tags], bool)
    return moves, starts, np.array([may_follow(scheme, tag, None) for tag in tags], bool)


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that tags mean, by the rules of conlleval: every sequence of tags means some.

    A span ends before `O`, before B and S, after E and S, and where the type changes; whatever else stands
    outside a span begins one.
    """
    found: list[Span] = []
    start, before, kind = 0, "O", ""
    for step, tag in enumerate([*tags, "O"]):
        position, other = _parts(tag)
        breaks = position in ("O", "B", "S") or before in ("E", "S") or kind != other
        if before != "O" and breaks:
            found.append(Span(kind, start, step))
        if position != "O" and (before == "O" or breaks):
            start = step
        before, kind = position, other
    return found


def compare(there: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> dict[str, SpanCounts]:
    """Counts of spans by type, in the order of their names: one is right if its type and both ends are.

    Args:
        there: the true tags of each sequence.
        predicted: those of a model, as many.
    """
    right, found, wanted = Counter[str](), Counter[str](), Counter[str]()
    for true, guessed in zip(there, predicted, strict=True):
        ours, theirs = set(spans(true)), set(spans(guessed))
        right.update(span.kind for span in ours & theirs)
        wanted.update(span.kind for span in ours)
        found.update(span.kind for span in theirs)
    return {kind: SpanCounts(right[kind], found[kind], wanted[kind]) for kind in sorted(wanted | found)}


def total(counts: Mapping[str, SpanCounts]) -> SpanCounts:
    """The counts of all types together, whose scores are the micro averages."""
    return (
        SpanCounts(*(sum(column) for column in zip(*counts.values(), strict=True)))
        if counts
        else SpanCounts(0, 0, 0)
    )


def _parts(tag: str) -> tuple[str, str]:
    """The position in BIOES and the type of a tag."""
    return ("O", "") if tag in _OUTSIDE else (_POSITIONS[tag[0].upper()], tag[2:])
