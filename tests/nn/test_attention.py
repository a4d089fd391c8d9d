"""Attention: each score against its formula, lengths, gradients; nothing beyond a length is read."""

import math

import pytest
import torch

from elman.core.errors import ConfigError
from elman.core.records import Seq
from elman.nn import attention
from elman.nn.attention import ATTENTIONS, Additive, Dot, General

QUERY, VALUE = 4, 4


def made(name, dtype=torch.float64):
    torch.manual_seed(0)
    return attention.get(name)(QUERY, VALUE).to(dtype)


def score(module, query, value):
    """The score of one query [Q] and one value [M], by the formula."""
    if isinstance(module, Additive):
        return module.energy.weight[0] @ torch.tanh(
            module.query.weight @ query + module.key.weight @ value + module.key.bias
        )
    return query @ (module.key.weight @ value if isinstance(module, General) else value)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_contexts_are_means_by_the_softmax_of_the_scores(name):
    module, lengths = made(name), torch.tensor([5, 2, 3])
    values, queries = torch.randn(5, 3, VALUE).double(), torch.randn(2, 3, QUERY).double()
    context, weights = module(queries, module.remember(Seq(values, lengths)))
    for batch, length in enumerate(lengths.tolist()):
        for step in range(2):
            scores = torch.stack(
                [score(module, queries[step, batch], values[t, batch]) for t in range(length)]
            )
            expected = scores.softmax(0)
            torch.testing.assert_close(weights[step, batch, :length], expected)
            assert not weights[step, batch, length:].any()
            torch.testing.assert_close(context[step, batch], expected @ values[:length, batch])


@pytest.mark.parametrize("name", ATTENTIONS)
def test_what_lies_beyond_a_length_changes_nothing(name):
    module, lengths = made(name), torch.tensor([2, 4])
    values, queries = torch.randn(4, 2, VALUE).double(), torch.randn(3, 2, QUERY).double()
    other = values.clone()
    other[2:, 0] = 1e6
    for mine, theirs in zip(
        module(queries, module.remember(Seq(values, lengths))),
        module(queries, module.remember(Seq(other, lengths))),
        strict=True,
    ):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_gradients(name):
    module, lengths = made(name), torch.tensor([3, 2])

    def context(values, queries):
        return module(queries, module.remember(Seq(values, lengths))).context

    values = torch.randn(3, 2, VALUE, dtype=torch.float64, requires_grad=True)
    queries = torch.randn(2, 2, QUERY, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(context, (values, queries))


@pytest.mark.parametrize("name", ATTENTIONS)
def test_rows_of_a_memory_are_those_of_its_sequences(name):
    module = made(name)
    memory = module.remember(Seq(torch.randn(3, 2, VALUE).double(), torch.tensor([3, 1])))
    queries = torch.randn(1, 2, QUERY).double()
    twice = module(queries[:, [1, 1, 0]], memory.rows(torch.tensor([1, 1, 0])))
    torch.testing.assert_close(twice.context, module(queries, memory).context[:, [1, 1, 0]])


def test_without_lengths_all_steps_are_read():
    module = made("dot")
    _, weights = module(
        torch.zeros(1, 2, QUERY).double(), module.remember(Seq(torch.randn(5, 2, VALUE).double()))
    )
    assert weights.allclose(torch.tensor(0.2).double())
    assert math.isclose(float(weights.sum()), 2)


def test_errors():
    with pytest.raises(ConfigError, match=r"dot, of queries of 3 and values of 4 features.*general"):
        Dot(3, 4)
    with pytest.raises(ConfigError, match="did you mean 'general'"):
        attention.get("generl")
