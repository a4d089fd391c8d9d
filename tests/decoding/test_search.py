"""Sampling against its probabilities; the beam against an enumeration of all there is."""

import math
import re
from collections import defaultdict
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import ConfigError
from elman.decoding.completion import completions, split_word
from elman.decoding.sampling import filter_logits, generate, pick

INF = math.inf


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# Filters


def kept(logits, **options):
    """The symbols of the first row that remain in the choice."""
    return filter_logits(torch.tensor([logits]), **options)[0].isfinite().nonzero().flatten().tolist()


def test_nothing_asked_nothing_changed():
    logits = torch.randn(3, 7, generator=seeded(0))
    assert torch.equal(filter_logits(logits), logits)
    assert torch.equal(filter_logits(logits, top_k=7), logits)
    assert torch.equal(filter_logits(logits, top_k=100), logits)


def test_filters_leave_their_input_alone():
    logits = torch.randn(3, 7, generator=seeded(0))
    before = logits.clone()
    filter_logits(logits, 0.5, 3, 0.5, [1])
    filter_logits(logits, 0, banned=[1])
    assert torch.equal(logits, before)


def test_temperature_divides():
    logits = torch.randn(3, 7, generator=seeded(1))
    torch.testing.assert_close(filter_logits(logits, 0.5), logits * 2)


def test_temperature_zero_keeps_the_first_of_the_likeliest():
    assert kept([1.0, 3.0, 3.0, 2.0], temperature=0) == [1]
    assert kept([1.0, 3.0, 3.0, 2.0], temperature=0, banned=[1]) == [2]


def test_top_k_keeps_just_k():
    assert kept([1.0, 3.0, 3.0, 2.0, 0.0], top_k=1) == [1]
    assert kept([1.0, 3.0, 3.0, 2.0, 0.0], top_k=3) == [1, 2, 3]
    assert kept([0.0] * 5, top_k=2) == [0, 1]
    assert kept([1.0, 3.0, 3.0, 2.0, 0.0], top_k=2, banned=[2]) == [1, 3]


def test_top_p_keeps_the_fewest_that_suffice():
    logits = torch.tensor([0.5, 0.25, 0.125, 0.125]).log().tolist()
    wanted = [(0.01, 1), (0.49, 1), (0.51, 2), (0.74, 2), (0.76, 3), (0.87, 3), (0.88, 4), (1.0, 4)]
    assert [len(kept(logits, top_p=top_p)) for top_p, _ in wanted] == [number for _, number in wanted]
    assert kept(logits[::-1], top_p=0.6) == [2, 3]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    top_p=st.floats(0.05, 0.99),
    top_k=st.integers(0, 12),
    temperature=st.floats(0.3, 3),
)
def test_rows_are_filtered_as_defined(seed, top_p, top_k, temperature):
    logits = torch.randn(4, 10, generator=seeded(seed)) * 3
    got = filter_logits(logits, temperature, top_k, top_p)
    for row, result in zip(logits.tolist(), got, strict=True):
        ranked = sorted(range(10), key=lambda symbol: -row[symbol])[: top_k or 10]
        weights = {symbol: math.exp(row[symbol] / temperature) for symbol in ranked}
        total, mass, want = sum(weights.values()), 0.0, set()
        for symbol in ranked:
            if mass < top_p * total * (1 - 1e-6):
                want.add(symbol)
            mass += weights[symbol]
        found = set(result.isfinite().nonzero().flatten().tolist())
        assert found == want
        torch.testing.assert_close(
            result[sorted(found)], torch.tensor([row[symbol] / temperature for symbol in sorted(found)])
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, "temperature: expected 0 (the likeliest symbol always) or above, got -0.1"),
        ({"temperature": INF}, "temperature: expected 0 (the likeliest symbol always) or above, got inf"),
        (
            {"temperature": math.nan},
            "temperature: expected 0 (the likeliest symbol always) or above, got nan",
        ),
        ({"top_k": -1}, "top_k: expected 0 (no bound) or above, got -1"),
        ({"top_p": 0.0}, "top_p: expected above 0 and at most 1 (no bound), got 0.0"),
        ({"top_p": 1.5}, "top_p: expected above 0 and at most 1 (no bound), got 1.5"),
    ],
)
def test_options_out_of_bounds(options, message):
    logits = torch.zeros(1, 3)
    for call in (
        lambda: filter_logits(logits, **options),
        lambda: pick(logits, **options),
        lambda: generate(lambda symbols, state: (logits, state), logits, (), **options),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert str(caught.value) == message


# Sampling


def chi_square(symbols, p):
    counts = torch.bincount(symbols, minlength=len(p)).double()
    expected = p.double() * len(symbols)
    assert counts[expected == 0].sum() == 0
    return float(((counts - expected) ** 2 / expected)[expected > 0].sum())


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.6}, {"top_k": 4}, {"top_p": 0.8}, {"banned": [0, 3]}]
)
def test_frequencies_are_the_probabilities(options):
    logits = torch.randn(1, 8, generator=seeded(3))
    p = filter_logits(logits, **options)[0].softmax(-1)
    symbols = pick(logits.expand(50_000, 8), seeded(4), **options)
    assert chi_square(symbols, p) < 24.3  # of 7 degrees of freedom at most: one seed in a thousand is beyond


def test_rows_are_drawn_apart():
    logits = torch.tensor([[0.0, -INF, -INF], [-INF, 0.0, -INF], [-INF, -INF, 0.0]])
    assert pick(logits, seeded(0)).tolist() == [0, 1, 2]
    assert pick(logits.flip(0), temperature=0).tolist() == [2, 1, 0]


class Markov:
    """A model whose scores depend on the last two symbols; the state is what lies before the last."""

    def __init__(self, size, seed, *, sharp=1.5):
        self.table = torch.randn(size, size, size, generator=seeded(seed), dtype=torch.float64) * sharp
        self.calls = 0

    def start(self, before=0, last=1):
        return self.table[before, last][None], self.state([last])

    def state(self, symbols):
        last = torch.tensor(symbols, dtype=torch.float64)
        return (last.reshape(1, -1, 1), last.reshape(1, -1, 1) * 2)  # two parts, as an LSTM has

    def step(self, symbols, state):
        self.calls += 1
        assert torch.equal(state[1], state[0] * 2)
        before = state[0][0, :, 0].long()
        return self.table[before, symbols], self.state(symbols.tolist())


def drawn(model, count, seed, **options):
    scores, state = model.start()
    return [
        int(symbol)
        for symbol in islice(generate(model.step, scores, state, generator=seeded(seed), **options), count)
    ]


def test_same_seed_same_symbols():
    model = Markov(6, 0, sharp=0.5)
    assert drawn(model, 50, 1) == drawn(model, 50, 1)
    assert drawn(model, 50, 1) != drawn(model, 50, 2)


def test_greedy_follows_the_maxima():
    model = Markov(6, 0)
    before, last, want = 0, 1, []
    for _ in range(30):
        before, last = last, int(model.table[before, last].argmax())
        want.append(last)
    assert drawn(model, 30, 1, temperature=0) == want
    assert drawn(model, 30, 1, top_k=1) == want


def test_symbols_follow_the_model():
    model = Markov(4, 5)
    symbols = torch.tensor(drawn(model, 8_000, 7))
    triples = symbols[:-2] * 16 + symbols[1:-1] * 4 + symbols[2:]
    for pair in range(16):
        following = triples[triples // 4 == pair] % 4
        if len(following) > 200:
            assert chi_square(following, model.table[pair // 4, pair % 4].softmax(-1)) < 16.3  # 3 degrees


def test_no_step_is_taken_before_it_is_wanted():
    model = Markov(4, 0)
    assert len(drawn(model, 5, 0)) == 5
    assert model.calls == 4


def test_streams_side_by_side():
    model = Markov(5, 2)
    starts = [(0, 1), (3, 2), (4, 4)]
    scores = torch.stack([model.table[pair] for pair in starts])
    state = model.state([last for _, last in starts])
    together = torch.stack(list(islice(generate(model.step, scores, state, temperature=0), 12)))
    for column, pair in enumerate(starts):
        scores, state = model.start(*pair)
        alone = torch.cat(list(islice(generate(model.step, scores, state, temperature=0), 12)))
        assert together[:, column].tolist() == alone.tolist()


def test_no_graph_is_kept():
    weight = torch.ones(1, 3, requires_grad=True)
    seen = []

    def step(symbols, state):
        scores = weight * 1.0 + state[0].sum()
        seen.append(scores.requires_grad)
        return scores, (state[0] + weight.sum(),)

    list(islice(generate(step, torch.zeros(1, 3), (torch.zeros(1, 1, 1),), generator=seeded(0)), 4))
    assert seen == [False] * 3


# Words

PIECES = [b"", b"a", b"b", b" ", b"ab", b" a", b"\n", b"b,a", b"\xc3", b"\xa9"]


def enumerated(model, pieces, prefix, limit):
    """The probability of each next word, by trying all sequences of at most `limit` symbols."""
    scores = model.table.clone()
    scores[..., [not piece for piece in pieces]] = -INF
    p = scores.softmax(-1).tolist()
    words, covered = defaultdict(float), 0.0 if prefix else 1.0

    def follow(before, last, text, mass, depth):
        nonlocal covered
        for symbol, piece in enumerate(pieces):
            now, after = mass * p[before][last][symbol], text + piece
            if not piece or not (after.startswith(prefix) or prefix.startswith(after)):
                continue
            if len(text) < len(prefix) <= len(after):
                covered += now
            ended = re.fullmatch(rb" ?([ab\xc3\xa9]+)[^ab\xc3\xa9].*", after, re.DOTALL)
            if ended:
                words[ended[1]] += now
            elif re.fullmatch(rb" ?[ab\xc3\xa9]*", after) and depth < limit:
                follow(last, symbol, after, now, depth + 1)

    follow(0, 1, b"", 1.0, 1)
    return {word: mass / covered for word, mass in words.items()}


def text_words(words):
    found = {}
    for word, mass in words.items():
        try:
            found[word.decode()] = mass
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("prefix", [b"", b" ", b"a", b" a", b"ab", b" aba", b"\xc3\xa9"])
@pytest.mark.parametrize("seed", [0, 1])
def test_wide_beam_is_exact(prefix, seed):
    model = Markov(len(PIECES), seed)
    want = text_words(enumerated(model, PIECES, prefix, 4))
    scores, state = model.start()
    got = completions(model.step, scores, state, PIECES, prefix=prefix, count=10**6, width=10**6, limit=4)
    assert dict(got) == pytest.approx(want, rel=1e-9)
    assert [p for _, p in got] == sorted((p for _, p in got), reverse=True)
    assert sum(p for _, p in got) <= 1 + 1e-9
    assert all(word.startswith(prefix.decode().strip()) for word, _ in got)
    few = completions(model.step, scores, state, PIECES, prefix=prefix, count=3, width=10**6, limit=4)
    assert [word for word, _ in few] == [word for word, _ in got[:3]]


def test_narrow_beam_finds_a_part():
    model = Markov(len(PIECES), 3)
    exact = text_words(enumerated(model, PIECES, b"", 5))
    scores, state = model.start()
    for width in (1, 4, 16):
        got = completions(model.step, scores, state, PIECES, count=50, width=width, limit=5)
        assert got
        assert all(p <= exact[word] * (1 + 1e-9) for word, p in got)
    assert got[0][0] == max(exact, key=exact.__getitem__)


def test_beam_of_one_is_greedy():
    pieces = [b"a", b"b", b"c", b"."]
    model = Markov(4, 8)
    scores, state = model.start()
    before, last, spelled, p, want = 0, 1, "", 1.0, {}
    for _ in range(6):
        row = model.table[before, last].softmax(-1)
        if spelled:
            want[spelled] = p * float(row[3])
        before, last = last, int(row[:3].argmax())
        spelled, p = spelled + "abc"[last], p * float(row[last])
    got = completions(model.step, scores, state, pieces, count=100, width=1, limit=6)
    assert dict(got) == pytest.approx(want)


def spelling(text, pieces):
    """A model that knows one text, symbol by symbol, and where it stands."""

    def scores(place):
        row = torch.full((len(pieces),), -30.0)
        row[pieces.index(text[min(place, len(text) - 1)])] = 30.0
        return row

    def step(symbols, state):
        places = state[0][0, :, 0] + 1
        return torch.stack([scores(int(place)) for place in places]), (places.reshape(1, -1, 1),)

    return step, scores(0)[None], (torch.zeros(1, 1, 1),)


@pytest.mark.parametrize(
    ("text", "prefix", "word"),
    [
        ("hello world", b"", "hello"),
        (" hello\n", b"", "hello"),
        (" hello\n", b" he", "hello"),
        ("hello.", b"hello", "hello"),
        ("don't_2,", b"don", "don't_2"),
        ("café!", b"caf", "café"),
    ],
)
@pytest.mark.parametrize("unit", ["byte", "whole"])
def test_one_text_one_word(text, prefix, word, unit):
    pieces = [bytes([byte]) for byte in range(256)]
    pieces += [b"hello", b" hello", b"don't_2", "café".encode()]
    data = text.encode()
    known = re.match(rb" ?[\w'\x80-\xff]+", data)[0] if unit == "whole" else b""
    symbols = ([known] if known else []) + [bytes([byte]) for byte in data[len(known) :]]
    (got, p), *_ = completions(*spelling(symbols, pieces), pieces, prefix=prefix)
    assert got == word
    assert p == pytest.approx(1)


def test_nothing_to_find():
    pieces = [bytes([byte]) for byte in range(256)]
    symbols = [bytes([byte]) for byte in b"  , "]
    assert sum(p for _, p in completions(*spelling(symbols, pieces), pieces)) < 1e-9
    assert completions(*spelling([b"x"], [b"x"]), [b"x"], prefix=b"y") == []


@pytest.mark.parametrize(
    ("text", "before", "begun"),
    [
        ("def ma", "def", " ma"),
        ("def", "", "def"),
        ("", "", ""),
        ("the ", "the", " "),
        ("the  ", "the ", " "),
        ("x = (", "x = (", ""),
        ("line\n", "line\n", ""),
        ("  indent", " ", " indent"),
        ("don't", "", "don't"),
        ("un caf\u00e9", "un", " café"),
        ("a.b_2", "a.", "b_2"),
    ],
)
def test_split_word(text, before, begun):
    assert split_word(text) == (before, begun)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count: expected at least 1, got 0"),
        ({"width": 0}, "width: expected at least 1, got 0"),
        ({"limit": 0}, "limit: expected at least 1, got 0"),
        ({"prefix": b"a b"}, "prefix: expected the beginning of a word, after one space or none, got b'a b'"),
        ({"prefix": b"  a"}, "prefix: expected the beginning of a word, after one space or none, got b'  a'"),
    ],
)
def test_beam_options_out_of_bounds(options, message):
    model = Markov(len(PIECES), 0)
    with pytest.raises(ConfigError) as caught:
        completions(model.step, *model.start(), PIECES, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1.0, 1e-3, 1e-30, 5e-324])
@pytest.mark.parametrize("top_p", [1.0, 1e-9, 1e-40, 5e-324])
def test_nothing_is_too_low_to_draw(temperature, top_p, dtype):
    logits = torch.tensor([[1.0, 300.0, 2.0, -torch.inf], [-500.0, -900.0, -501.0, -502.0]], dtype=dtype)
    likely = temperature < 1 or top_p < 1
    drawn = pick(logits, seeded(0), temperature=temperature, top_p=top_p)
    assert drawn[0] == 1
    assert drawn[1] in ([0] if likely else [0, 2, 3])
