"""The nearest sequence: against a plain count of n-grams, and on what must find itself."""

import math
from collections import Counter

import torch

from elman.metrics.baselines.nearest_neighbour import nearest


def counted(sequence, order):
    return Counter(
        tuple(sequence[i : i + n]) for n in range(1, order + 1) for i in range(len(sequence) - n + 1)
    )


def plainly(known, asked, order):
    bags = [counted(s.tolist(), order) for s in known]
    seen = Counter(gram for bag in bags for gram in bag)
    rarity = {gram: math.log1p(len(known) / count) for gram, count in seen.items()}

    def vector(bag):
        raw = {gram: n * rarity.get(gram, math.log1p(len(known))) for gram, n in bag.items()}
        length = math.sqrt(sum(value**2 for value in raw.values())) or 1
        return {gram: value / length for gram, value in raw.items()}

    mine = [vector(bag) for bag in bags]
    found = []
    for sequence in asked:
        own = vector(counted(sequence.tolist(), order))
        found.append([sum(value * one.get(gram, 0) for gram, value in own.items()) for one in mine])
    return found


def test_symbols_are_compared_by_their_rare_ngrams():
    torch.manual_seed(0)
    known = [torch.randint(8, (int(n),)) for n in torch.randint(3, 15, (40,))]
    asked = [torch.randint(8, (int(n),)) for n in torch.randint(3, 15, (20,))]
    for place, scores in zip(nearest(known, asked), plainly(known, asked, 4), strict=True):
        assert scores[place] >= max(scores) - 1e-6


def test_a_known_sequence_finds_itself():
    known = [torch.tensor(list(word.encode())) for word in ("one", "two", "three", "four", "eleven", "seven")]
    assert nearest(known, known) == list(range(6))
    assert nearest(known, []) == []


def test_features_are_compared_by_distance():
    known = [torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [5.0]])]
    assert nearest(known, [torch.tensor([[4.0], [9.0]]), torch.tensor([[0.5], [0.5]])]) == [1, 0]
    assert nearest(known, [torch.tensor([[4.0], [9.0], [2.0]])]) == [1]  # other lengths: by their means
