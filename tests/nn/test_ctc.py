"""CTC against the sum over all paths, one by one: loss, best path, alignment, beam, and what guides it."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
import torch

from elman.core.errors import ConfigError, DataError
from elman.decoding import scorers
from elman.decoding.ctc_beam import prefix_beam
from elman.decoding.ngram_lm import KneserNeyLM
from elman.nn import ctc

BLANK = 3
"""The last of the numbers of a frame; there are three symbols."""


def said(seed: int, frames: int = 5, batch: int = 3, sharp: float = 1.5) -> torch.Tensor:
    """Logits [T, B, 4]."""
    return sharp * torch.randn(frames, batch, BLANK + 1, generator=torch.Generator().manual_seed(seed))


def collapsed(path):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK)


def every_text(scores, length):
    """Text -> the log probabilities of its paths, of logits [T, V + 1]."""
    logp = scores[:length].double().log_softmax(-1).tolist()
    texts = defaultdict(list)
    for path in itertools.product(range(BLANK + 1), repeat=length):
        texts[collapsed(path)].append((sum(row[s] for row, s in zip(logp, path, strict=True)), path))
    return texts


def summed(paths):
    return torch.logsumexp(torch.tensor([p for p, _ in paths], dtype=torch.float64), 0).item()


def padded(texts):
    counts = torch.tensor([len(text) for text in texts])
    targets = torch.full((max(map(len, texts)), len(texts)), -100)
    for column, text in enumerate(texts):
        targets[: len(text), column] = torch.tensor(text, dtype=torch.int64)
    return targets, counts


LENGTHS = torch.tensor([5, 3, 4])


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_sum_over_all_paths(seed):
    scores, texts = said(seed), [(0, 1), (2, 2), ()]
    nats = ctc.loss(scores, LENGTHS, *padded(texts))
    for place, text in enumerate(texts):
        paths = every_text(scores[:, place], int(LENGTHS[place]))[text]
        assert float(nats[place]) == pytest.approx(-summed(paths), rel=1e-5)


def test_the_gradient_of_the_loss_ends_with_the_sequence():
    scores = said(0).requires_grad_()
    ctc.loss(scores, LENGTHS, *padded([(0, 1), (2, 2), ()])).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert not scores.grad[3:, 1].any()
    assert scores.grad[:3, 1].any()


def test_a_target_that_has_no_path_has_an_infinite_loss_and_is_told():
    targets, counts = padded([(0, 0, 0), (0, 1, 2), ()])
    assert ctc.frames_needed(targets, counts).tolist() == [5, 3, 0]
    assert ctc.loss(said(0, 4), torch.tensor([4, 3, 4]), targets, counts).isinf().tolist() == [
        True,
        False,
        False,
    ]
    with pytest.raises(DataError) as caught:
        ctc.check_frames(4, [0, 0, 0], "a.tsv:3")
    assert str(caught.value) == (
        "a.tsv:3: expected 5 or more, for 3 symbols and 2 blanks between equal ones, got 4 frames; "
        "give longer sequences or shorter targets, or put fewer steps into a frame"
    )
    with pytest.raises(DataError, match="sequence 1 to align: expected 5 or more"):
        ctc.align(said(0, 4), torch.tensor([4, 3, 4]), targets, counts)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_the_text_of_the_best_path(seed):
    scores = said(seed)
    for place, text in enumerate(ctc.greedy(scores, LENGTHS)):
        texts = every_text(scores[:, place], int(LENGTHS[place]))
        best = max((path for paths in texts.values() for path in paths), key=lambda path: path[0])
        assert tuple(text) == collapsed(best[1])


@pytest.mark.parametrize("seed", range(5))
def test_an_alignment_is_the_best_path_of_the_text(seed):
    scores, texts = said(seed), [(0, 0, 1), (2,), ()]
    spans = ctc.align(scores, LENGTHS, *padded(texts))
    for place, text in enumerate(texts):
        _, path = max(every_text(scores[:, place], int(LENGTHS[place]))[text])
        frames = [[] for _ in text]
        symbol = -1
        for frame, taken in enumerate(path):
            symbol += taken != BLANK and (not frame or path[frame - 1] != taken)
            if taken != BLANK:
                frames[symbol].append(frame)
        assert spans.starts[: len(text), place].tolist() == [at[0] for at in frames]
        assert spans.ends[: len(text), place].tolist() == [at[-1] + 1 for at in frames]
        assert not spans.ends[len(text) :, place].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_is_the_search_of_all_texts(seed):
    scores = said(seed)
    found = prefix_beam(scores, LENGTHS, width=300, count=8)
    for place, texts in enumerate(found):
        exact = {text: summed(paths) for text, paths in every_text(scores[:, place], LENGTHS[place]).items()}
        ranked = sorted(exact, key=exact.__getitem__, reverse=True)
        assert [tuple(text.symbols) for text in texts] == ranked[:8]
        for text in texts:
            assert text.logp == text.score == pytest.approx(exact[tuple(text.symbols)], abs=1e-9)


def test_all_texts_together_have_probability_one():
    (found,) = prefix_beam(said(1, 4, 1), torch.tensor([4]), width=200, count=200)
    assert sum(math.exp(text.logp) for text in found) == pytest.approx(1)
    assert len({tuple(text.symbols) for text in found}) == len(found)


@pytest.mark.parametrize("seed", range(4))
def test_a_narrow_beam_tells_no_more_than_there_is(seed):
    """What it found is a lower bound; and a sequence is searched alike whatever stands beside it."""
    scores = said(seed, 6)
    lengths = torch.tensor([6, 3, 4])
    found = prefix_beam(scores, lengths, width=3, count=3)
    for place, texts in enumerate(found):
        exact = every_text(scores[:, place], int(lengths[place]))
        for text in texts:
            assert text.logp <= summed(exact[tuple(text.symbols)]) + 1e-9
        alone = prefix_beam(scores[: lengths[place], place : place + 1], lengths[place : place + 1], width=3)
        assert alone[0][0].symbols == texts[0].symbols
        assert alone[0][0].logp == pytest.approx(texts[0].logp)


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_is_greedy_where_each_frame_is_sure(seed):
    """With 3/4 or more for the best of each frame, no other text can overtake that of the best path."""
    generator = torch.Generator().manual_seed(seed)
    best = torch.randint(BLANK + 1, (12, 2), generator=generator)
    rest = torch.rand(12, 2, BLANK + 1, generator=generator).scatter(2, best[..., None], 0)
    scores = (rest / rest.sum(-1, keepdim=True) * 0.25).scatter(2, best[..., None], 0.75).log()
    lengths = torch.tensor([12, 9])
    found = prefix_beam(scores, lengths, width=1)
    assert [texts[0].symbols for texts in found] == ctc.greedy(scores, lengths)


def test_a_beam_finds_what_the_best_path_misses():
    """Blank 0.6 and a symbol 0.4, twice: the best path is empty, 0.36; three paths spell the symbol, 0.64."""
    scores = torch.tensor([0.4, 0, 0, 0.6]).log().expand(2, 1, 4)
    assert ctc.greedy(scores, torch.tensor([2])) == [[]]
    ((best, second),) = prefix_beam(scores, torch.tensor([2]), width=4, count=2)
    assert (best.symbols, second.symbols) == ([0], [])
    assert (math.exp(best.logp), math.exp(second.logp)) == pytest.approx((0.64, 0.36))


def test_a_symbol_that_is_never_written():
    scores = said(0)
    scores[..., 1] = -math.inf
    for texts in prefix_beam(scores, LENGTHS, width=40, count=5):
        assert all(1 not in text.symbols for text in texts)


def test_bounds_of_the_beam():
    with pytest.raises(ConfigError, match="beam: expected at least 1, got 0"):
        prefix_beam(said(0), LENGTHS, width=0)
    with pytest.raises(ConfigError, match="count: expected from 1 to the width, 2, got 3"):
        prefix_beam(said(0), LENGTHS, width=2, count=3)


# Guides

SPACE = 2


def allowed(text, words):
    """Whether a text is words with one space between two."""
    cells = "".join("ab "[symbol] for symbol in text).split(" ") if text else []
    return all(cell in words for cell in cells)


@pytest.mark.parametrize("words", [("a", "ab", "ba"), ("aa",), ("b", "abba")])
def test_a_word_list_leaves_texts_of_its_words_only(words):
    spelled = [[SPACE, *("ab".index(c) for c in word)] for word in words]
    guide = scorers.Lexicon(spelled, BLANK, between=SPACE)
    scores = said(7, 6)
    lengths = torch.tensor([6, 4, 5])
    for place, texts in enumerate(prefix_beam(scores, lengths, width=1200, count=4, scorer=guide)):
        exact = {
            text: summed(paths)
            for text, paths in every_text(scores[:, place], int(lengths[place])).items()
            if allowed(text, words)
        }
        ranked = sorted(exact, key=exact.__getitem__, reverse=True)[:4]
        assert [tuple(text.symbols) for text in texts] == ranked
        assert [text.score for text in texts] == pytest.approx([exact[text] for text in ranked])


def test_words_that_begin_with_their_own_space_follow_each_other():
    """As symbols of the units word and bpe do: here 0 begins a word, 1 goes on with one."""
    guide = scorers.Lexicon([[0], [0, 1, 1]], BLANK)
    found = prefix_beam(said(3, 5, 1), torch.tensor([5]), width=400, count=100, scorer=guide)[0]
    texts = {tuple(text.symbols) for text in found if text.score > -math.inf}
    assert {(), (0,), (0, 0), (0, 1, 1), (0, 0, 0)} <= texts
    assert not texts & {(1,), (0, 1), (0, 2), (0, 1, 0)}


def test_where_no_word_is_finished_the_beginning_of_one_is_told():
    guide = scorers.Lexicon([[0, 1, 0, 1]], BLANK)
    scores = torch.full((2, 1, 4), -30.0)
    scores[0, 0, 0] = scores[1, 0, 1] = 0
    ((text,),) = prefix_beam(scores, torch.tensor([2]), width=1, scorer=guide)
    assert text.symbols == [0, 1]


def test_a_word_list_has_words():
    with pytest.raises(DataError, match="word list: expected one or more, got no words"):
        scorers.Lexicon([], BLANK)


TAUGHT = np.array([3, 0, 1, 3, 0, 1, 1, 3, 2, 0, 1, 3, 1, 3])
"""Texts of three symbols, with the border 3 around each."""


def test_the_next_symbols_of_an_n_gram_sum_to_one_and_are_those_of_a_text():
    for order in (1, 2, 4):
        model = KneserNeyLM(TAUGHT, 4, order)
        text = np.array([3, 0, 1, 1, 2, 0, 0, 3, 3])
        state, nats = model.start(1), 0.0
        for symbol in text:
            p = model.follow(state)[0]
            assert p.sum() == pytest.approx(1)
            nats -= math.log(p[symbol])
            state = model.step(state, np.array([symbol]))
        assert nats == pytest.approx(model.nats(text)[order - 1])


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_with_an_n_gram_and_a_bonus_is_the_search_of_all_texts(seed):
    model, weight = KneserNeyLM(TAUGHT, 4, 3), 0.7
    bonus = torch.tensor([0.3, 0.0, 1.1], dtype=torch.float64)
    guide = scorers.CombinedScorer([scorers.NGramScorer(model, weight), scorers.SymbolBonus(bonus)])

    def ranked(item):
        text, paths = item
        state, value = model.step(model.start(1), np.array([3])), summed(paths)
        for symbol in (*text, 3):
            value += weight * math.log(model.follow(state)[0, symbol])
            value += 0.0 if symbol == 3 else float(bonus[symbol])
            state = model.step(state, np.array([symbol]))
        return value

    scores = said(seed)
    for place, texts in enumerate(prefix_beam(scores, LENGTHS, width=300, count=4, scorer=guide)):
        exact = sorted(every_text(scores[:, place], int(LENGTHS[place])).items(), key=ranked, reverse=True)
        assert [tuple(text.symbols) for text in texts] == [text for text, _ in exact[:4]]
        assert [text.score for text in texts] == pytest.approx([ranked(item) for item in exact[:4]])
        assert [text.logp for text in texts] == pytest.approx([summed(paths) for _, paths in exact[:4]])
