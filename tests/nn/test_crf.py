"""The conditional random field: every number against all sequences of tags written out, in float64."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from elman.core.errors import ConfigError, DataError
from elman.nn.crf import Crf

T, B, K = 4, 3, 3
LENGTHS = torch.tensor([4, 1, 3])
CLOSE = {"rtol": 0, "atol": 1e-10}

pytestmark = pytest.mark.usefixtures("plain")


def some(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def masks() -> dict[str, Tensor]:
    """Some transitions, a start and an end forbidden."""
    allowed = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1]]).bool()
    return {
        "allowed": allowed,
        "starts": torch.tensor([True, True, False]),
        "ends": torch.tensor([True, False, True]),
    }


def field(masked: bool) -> Crf:
    crf = Crf(K, **(masks() if masked else {})).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_()
    return crf


def every(crf: Crf, emissions: Tensor) -> dict[tuple[int, ...], float]:
    """The score of each allowed sequence of tags, by the formula; emissions [T, K]."""
    scores = {}
    for tags in product(range(K), repeat=len(emissions)):
        pairs = list(pairwise(tags))
        if crf.starts[tags[0]] and crf.ends[tags[-1]] and all(crf.allowed[pair] for pair in pairs):
            score = crf.start[tags[0]] + crf.end[tags[-1]]
            score = score + sum(emissions[step, tag] for step, tag in enumerate(tags))
            scores[tags] = (score + sum(crf.transitions[pair] for pair in pairs)).item()
    return scores


def log_sum(scores: dict[tuple[int, ...], float]) -> Tensor:
    return torch.tensor(list(scores.values()), dtype=torch.float64).logsumexp(0)


def gold(crf: Crf, emissions: Tensor) -> Tensor:
    """Allowed tags [T, B], the worst there are; what is beyond a length would be an error if it were read."""
    tags = torch.full((T, B), -100)
    for row, length in enumerate(LENGTHS.tolist()):
        scores = every(crf, emissions[:length, row])
        tags[:length, row] = torch.tensor(min(scores, key=scores.__getitem__))
    return tags


@pytest.mark.parametrize("masked", [False, True])
def test_loss_is_that_of_all_sequences_written_out(masked):
    crf, emissions = field(masked), some(T, B, K)
    tags = gold(crf, emissions)
    expected = 0.0
    for row, length in enumerate(LENGTHS.tolist()):
        scores = every(crf, emissions[:length, row])
        expected += log_sum(scores) - scores[tuple(tags[:length, row].tolist())]
    torch.testing.assert_close(crf.loss(emissions, tags, LENGTHS), expected, **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_decoded_is_the_best_of_all_sequences(masked):
    crf, emissions = field(masked), some(T, B, K)
    paths = crf.decode(emissions, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        scores = every(crf, emissions[:length, row])
        assert tuple(paths[:length, row].tolist()) == max(scores, key=scores.__getitem__)
        assert not paths[length:, row].any()


@pytest.mark.parametrize("masked", [False, True])
def test_marginals_are_shares_of_all_sequences(masked):
    crf, emissions = field(masked), some(T, B, K)
    expected = torch.zeros(T, B, K, dtype=torch.float64)
    for row, length in enumerate(LENGTHS.tolist()):
        scores = every(crf, emissions[:length, row])
        norm = log_sum(scores)
        for tags, score in scores.items():
            expected[range(length), row, list(tags)] += (score - norm).exp()
    torch.testing.assert_close(crf.marginals(emissions, LENGTHS), expected, **CLOSE)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["dense", "ragged"])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(masked, lengths):
    crf, emissions = field(masked), some(T, B, K).requires_grad_()
    tags = gold(crf, emissions) if lengths is not None else torch.zeros(T, B, dtype=torch.int64)

    def loss(emissions: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(("transitions", "start", "end"), parameters, strict=True))
        return torch.func.functional_call(Field(crf), {f"crf.{k}": v for k, v in named.items()}, emissions)

    class Field(torch.nn.Module):
        def __init__(self, crf: Crf) -> None:
            super().__init__()
            self.crf = crf

        def forward(self, emissions: Tensor) -> Tensor:
            return self.crf.loss(emissions, tags, lengths)

    inputs = (
        emissions,
        *(p.detach().clone().requires_grad_() for p in (crf.transitions, crf.start, crf.end)),
    )
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("masked", [False, True])
def test_ragged_is_one_by_one(masked):
    crf, emissions = field(masked), some(T, B, K)
    tags = gold(crf, emissions)
    beyond = torch.arange(T)[:, None] >= LENGTHS
    emissions[beyond] = 1e4  # what is beyond a length must change nothing
    rows = [(emissions[:n, [row]], tags[:n, [row]]) for row, n in enumerate(LENGTHS.tolist())]
    alone = torch.stack([crf.loss(*row) for row in rows])
    torch.testing.assert_close(crf.loss(emissions, tags, LENGTHS), alone.sum(), **CLOSE)
    paths, marginals = crf.decode(emissions, LENGTHS), crf.marginals(emissions, LENGTHS)
    for row, (one, _) in enumerate(rows):
        assert torch.equal(paths[: len(one), [row]], crf.decode(one))
        torch.testing.assert_close(marginals[: len(one), [row]], crf.marginals(one), **CLOSE)
    emissions.requires_grad_()
    crf.loss(emissions, tags, LENGTHS).backward()
    assert not emissions.grad[beyond].any()


def test_what_is_forbidden_never_comes_out():
    crf = field(masked=True).float()
    emissions = 5 * torch.randn(40, 64, K)
    lengths = torch.randint(1, 41, (64,))
    paths, marginals = crf.decode(emissions, lengths), crf.marginals(emissions, lengths)
    for row, length in enumerate(lengths.tolist()):
        path = paths[:length, row]
        assert crf.starts[path[0]]
        assert crf.ends[path[-1]]
        assert crf.allowed[path[:-1], path[1:]].all()
    assert not marginals[0, :, 2].any()
    assert torch.isfinite(marginals).all()


def test_forbidden_tags_have_an_infinite_loss():
    crf = field(masked=True)
    tags = torch.tensor([[0], [2], [2]])  # 2 may not follow 0
    assert crf.loss(some(3, 1, K), tags).item() == torch.inf


def test_no_gradient_at_what_is_forbidden():
    crf, emissions = field(masked=True), some(T, B, K)
    crf.loss(emissions, gold(crf, emissions), LENGTHS).backward()
    assert not crf.transitions.grad[~crf.allowed].any()
    assert crf.transitions.grad[crf.allowed].all()
    assert crf.start.grad[2] == crf.end.grad[1] == 0


def log_space(crf: Crf, emissions: Tensor) -> Tensor:
    """The logarithm [B] of the sum over all sequences, by sums of exponentials in logarithms."""
    transitions, start, end = crf._scores(emissions.dtype)
    total = start + emissions[0]
    for step in emissions[1:]:
        total = (total.unsqueeze(2) + transitions).logsumexp(1) + step
    return (total + end).logsumexp(1)


@pytest.mark.parametrize("scale", [1, 30, 200])
def test_long_sequences_and_scores_far_apart(scale):
    crf, emissions = field(masked=True), scale * some(300, 2, K)
    tags = crf.decode(emissions)
    pairs = crf.transitions[tags[:-1], tags[1:]].sum(0) + crf.start[tags[0]] + crf.end[tags[-1]]
    expected = log_space(crf, emissions) - emissions.gather(2, tags.unsqueeze(2)).sum((0, 2)) - pairs
    torch.testing.assert_close(crf.loss(emissions, tags), expected.sum(), rtol=0, atol=1e-6)
    narrow = emissions.float().requires_grad_()
    loss = crf.float().loss(narrow, tags)
    loss.backward()
    torch.testing.assert_close(loss.double(), expected.sum(), rtol=1e-4, atol=1e-4)
    assert torch.isfinite(narrow.grad).all()


def test_without_transitions_it_is_a_softmax():
    crf, emissions = Crf(K), torch.randn(T, B, K)
    tags = torch.randint(K, (T, B))
    expected = torch.nn.functional.cross_entropy(emissions.flatten(0, 1), tags.flatten(), reduction="sum")
    torch.testing.assert_close(crf.loss(emissions, tags), expected)
    torch.testing.assert_close(crf.marginals(emissions), emissions.softmax(2))
    assert torch.equal(crf.decode(emissions), emissions.argmax(2))


def test_masks_are_no_weights():
    assert sorted(field(masked=True).state_dict()) == ["end", "start", "transitions"]


def test_what_does_not_fit_is_said():
    with pytest.raises(ConfigError, match=r"^allowed of Crf: expected \[3, 3\] bool, got \[3\] torch.bool$"):
        Crf(3, allowed=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ConfigError, match="expected a tag that may stand alone, got no tag in both"):
        Crf(2, starts=torch.tensor([True, False]), ends=torch.tensor([False, True]))
    with pytest.raises(DataError, match=r"expected \[T, B, 3\] with a step and a sequence, got \[2, 3, 4\]"):
        Crf(3).decode(torch.zeros(2, 3, 4))
    with pytest.raises(DataError, match=r"^lengths of Crf: expected 2 numbers from 1 to 4, got \[4, 5\]"):
        Crf(3).decode(torch.zeros(4, 2, 3), torch.tensor([4, 5]))
    with pytest.raises(DataError, match=r"^tags of Crf: expected \[4, 2\], got \[4, 1\]"):
        Crf(3).loss(torch.zeros(4, 2, 3), torch.zeros(4, 1, dtype=torch.int64))
