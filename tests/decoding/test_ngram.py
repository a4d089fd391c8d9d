"""The n-gram baselines against a plain reference, and against what probabilities must be."""

import math
from collections import Counter
from pydoc_data.topics import topics

import numpy as np
import pytest

from elman.core.errors import ConfigError, DataError
from elman.decoding.ngram_lm import KneserNeyLM


class Plain:
    """Interpolated Kneser-Ney as it is written in the books, with dictionaries and loops."""

    def __init__(self, ids, size, order):
        self.size, grams = size, {}
        for k in range(1, order + 2):
            grams[k] = Counter(tuple(ids[at : at + k]) for at in range(len(ids) - k + 1))
        self.raw = {k: grams[k] for k in range(1, order + 1)}
        self.continued = {k: Counter(gram[1:] for gram in grams[k + 1]) for k in range(1, order + 1)}

    def p(self, context, symbol, *, highest=True):
        k = len(context) + 1
        counts = (self.raw if highest else self.continued)[k]
        lower = self.p(context[1:], symbol, highest=False) if context else 1 / self.size
        followers = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
        if not followers:
            return lower
        n1, n2 = (sum(count == n for count in counts.values()) for n in (1, 2))
        discount = n1 / (n1 + 2 * n2) if n1 else 0.5
        kept = max(followers.get(symbol, 0) - discount, 0)
        return (kept + discount * len(followers) * lower) / sum(followers.values())

    def nats(self, ids, order):
        return [
            -sum(math.log(self.p(tuple(ids[max(at - k, 0) : at]), ids[at])) for at in range(len(ids)))
            for k in range(order)
        ]


def random_ids(seed, size, length):
    rng = np.random.default_rng(seed)
    return np.minimum(rng.geometric(0.35, length) - 1, size - 1)


@pytest.mark.parametrize(
    ("seed", "size", "length"), [(0, 3, 60), (1, 5, 200), (2, 9, 400), (3, 4, 3), (4, 2, 1)]
)
def test_equals_the_plain_reference(seed, size, length):
    train, test = random_ids(seed, size, length), random_ids(seed + 100, size, 40)
    want = Plain(train.tolist(), size, 4).nats(test.tolist(), 4)
    np.testing.assert_allclose(KneserNeyLM(train, size, 4).nats(test), want, rtol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_probabilities_sum_to_one(seed):
    size, order = 7, 4
    model = KneserNeyLM(
        random_ids(seed, size - 1, 150), size, order
    )  # the last symbol never occurs in training
    context = random_ids(seed + 50, size, seed)
    before = model.nats(context)
    p = [np.exp(before - model.nats(np.append(context, symbol))) for symbol in range(size)]
    assert np.min(p) > 0
    np.testing.assert_allclose(np.sum(p, axis=0), np.ones(order), rtol=1e-10)


def test_cycle_is_foreseen():
    train, test = np.arange(4000) % 8, np.arange(800) % 8
    nats = KneserNeyLM(train, 8, 3).nats(test) / len(test)
    assert nats[0] == pytest.approx(math.log(8), rel=1e-3)
    assert nats[1] < 0.01
    assert nats[2] < 0.01


def test_start_has_the_context_there_is():
    train, test = random_ids(0, 5, 300), random_ids(1, 5, 9)
    long, short = KneserNeyLM(train, 5, 6), KneserNeyLM(train, 5, 2)
    np.testing.assert_allclose(long.nats(test[:2])[1:], short.nats(test[:2])[1], rtol=1e-12)


def test_unigram_of_parts_adds_up():
    train, test = random_ids(5, 6, 500), random_ids(6, 6, 300)
    model = KneserNeyLM(train, 6, 1)
    np.testing.assert_allclose(model.nats(test), model.nats(test[:100]) + model.nats(test[100:]), rtol=1e-12)
    np.testing.assert_array_equal(KneserNeyLM(train, 6, 3).nats(test[:0]), np.zeros(3))


def test_numbers_do_not_overflow():
    size = 2**31 - 1
    train = np.array([size - 1, size - 2] * 2000, np.int64)
    nats = KneserNeyLM(train, size, 6).nats(train[:100].astype(np.int64))
    assert nats[0] == pytest.approx(100 * math.log(2), rel=1e-2)
    assert (nats[1:] < 2).all()


def test_context_helps_on_real_text():
    text = "\n\n".join(topics[name] for name in sorted(topics))
    ids = np.frombuffer(text.encode(), np.uint8)
    cut = len(ids) * 9 // 10
    bits = KneserNeyLM(ids[:cut], 256, 6).nats(ids[cut:]) / math.log(2) / (len(ids) - cut)
    assert (np.diff(bits) < 0).all()
    assert 4 < bits[0] < 5
    assert bits[5] < 2.5


def test_what_cannot_be():
    with pytest.raises(ConfigError) as caught:
        KneserNeyLM(np.zeros(3, int), 2, 0)
    assert str(caught.value) == "order: expected at least 1, got 0"
    with pytest.raises(DataError) as caught:
        KneserNeyLM(np.zeros(0, int), 2)
    assert str(caught.value) == "training text: empty, nothing to count; give a longer text"
