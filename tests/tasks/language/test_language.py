"""Language models: what is scored of unknown words, what a prompt may hold, and the counts beside them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from elman.core.errors import ConfigError, VocabError
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.decoding import ngram_lm
from elman.decoding.options import SamplingOptions
from elman.inputs.text import vocab
from elman.tasks.base import Purpose
from elman.tasks.language.spelling import Spelling
from elman.tasks.language.task import Language

TEXT = "Before we go, the king speaks. " + "the king and the queen go to the city. " * 8


def prepared(text: str = TEXT, **data: object) -> Language:
    torch.manual_seed(0)
    run = RunConfig.of({"data": data, "network": {"hidden": 16}}, Language.Config)
    return Language.prepare([Record({"text": text}, "a text")], run)


def told(task: Language, text: str, nats: float = 0.0) -> dict[str, float]:
    """The scores of a model that spends so many nats on a text."""
    (held,) = task.encode([Record({"text": text}, "held")], Purpose.TEST)
    return task.scores([held], (), nats, len(held.target))


def test_a_unigram_is_divided_by_its_targets():
    """Of two characters one is a target, which takes a bit and the discount's share."""
    task = prepared("ab" * 8 + "\n", unit="char")
    train = task.encode([Record({"text": "ab" * 8 + "\n"}, "a text")], Purpose.TRAIN)
    held = task.encode([Record({"text": "ab"}, "two")], Purpose.TEST)
    rows = task.baselines(train, {"test": held})["test"]
    model = ngram_lm.KneserNeyLM(task.vocab.encode("ab" * 8 + "\n"), len(task.vocab), 1)
    alone = float(model.nats(task.vocab.encode("b"))[0])
    assert rows["unigram"]["loss"] == pytest.approx(alone)
    assert rows["unigram"]["bits_per_char"] == pytest.approx(alone / math.log(2))


def test_the_order_is_not_chosen_on_what_is_scored():
    """Whatever is held out, the same model is counted."""
    task = prepared(unit="char")
    train = task.encode([Record({"text": TEXT}, "a text")], Purpose.TRAIN)
    parts = {
        name: task.encode([Record({"text": text}, name)], Purpose.SCORE)
        for name, text in (("valid", TEXT[40:90]), ("test", "queen the the"), ("other", "tttttt"))
    }
    names = {tuple(rows) for rows in task.baselines(train, parts).values()}
    assert len(names) == 1
    ids = np.array([0, 1] * 50)
    assert ngram_lm.best_order(ids, 2, 4) > 1
    assert ngram_lm.best_order(ids[:2], 2, 4) == 1
    rng = np.random.default_rng(0)
    assert ngram_lm.best_order(rng.integers(0, 30, 300), 30, 4) == 1


def test_unknown_words_are_counted_and_spelled():
    task = prepared(unit="word", vocab_size=2)
    scores = told(task, "the king and the queen go to the city.")
    words = [" king", " and", " queen", " go", " to", " city", "."]
    assert scores["unknown"] == pytest.approx(7 / 9)
    spelled = Spelling.learn(task.vocab, [TEXT])
    size = len("the king and the queen go to the city.") - len("the")
    assert scores["bits_per_char"] == 0
    assert scores["bits_per_char_spelled"] == pytest.approx(
        sum(map(spelled.nats, words)) / math.log(2) / size
    )
    assert 1 < scores["bits_per_char_spelled"] < 5
    assert "unknown" not in told(prepared(unit="word"), TEXT)


def test_spelling_is_a_distribution():
    held = vocab.learn("word", [" a a b cab"], min_count=2)
    model = Spelling.learn(held, [" a a b cab"])
    ends = math.exp(-model.nats("x") + model.nats("xx")) ** -1  # p of a new character
    known = sum(math.exp(-model.nats("x" + c) + model.nats("x")) for c in "abc ")
    end = math.exp(-model.nats("x")) / ends
    assert known + end + ends * 0x110000 == pytest.approx(1)
    again = Spelling.restore(held, json.loads(json.dumps(model.counts)))
    assert again.nats("cub") == model.nats("cub")


def test_characters_that_are_unknown_have_no_end():
    held = vocab.learn("char", ["aab"], min_count=2)
    model = Spelling.learn(held, ["aab"])
    assert model.nats("b") == pytest.approx(math.log(3 / 1))


def test_what_was_learnt_of_spelling_is_kept():
    task = prepared(unit="word", min_count=2)
    again = Language.restore(task.to_text(), task._run, "vocab.json")
    assert again.to_text() == task.to_text()
    assert told(again, "the Zebra goes.") == told(task, "the Zebra goes.")
    assert "spelling" not in json.loads(prepared(unit="char").to_text())


def test_a_prompt_may_begin_with_any_known_word():
    """The text has " king", and no "king" without a space before it."""
    task = prepared(unit="word")
    network = task.build().eval()
    how = SamplingOptions(seed=1)
    assert "".join(task.write(network, "king", 3, how)) == "".join(task.write(network, " king", 3, how))
    assert "".join(task.write(network, " Before", 3, how)) == "".join(task.write(network, "Before", 3, how))
    assert task.complete(network, "kin", 1)[0][0] == "king"


def test_an_unknown_word_is_read_where_it_was_learnt():
    how = SamplingOptions(seed=1)
    for data in ({"min_count": 2}, {"vocab_size": 5}):
        task = prepared(unit="word", **data)
        assert "".join(task.write(task.build().eval(), "the zebra", 3, how))
    task = prepared(unit="word")
    with pytest.raises(VocabError, match="prompt: word 'zebra' at line 1, column 4 is not among"):
        "".join(task.write(task.build().eval(), "the zebra", 3, how))


def test_rare_words_alone_are_told():
    with pytest.raises(ConfigError) as caught:
        prepared("every word is rare", unit="word", min_count=2)
    assert str(caught.value) == (
        "min_count: expected a count that some have, got 2, which no word of the text has; "
        "lower it, or use --unit char, byte or bpe"
    )


def test_texts_are_normalised():
    task = prepared("café crème\n" * 9, unit="char")
    (composed,) = task.encode([Record({"text": "café crème"}, "x")])
    (decomposed,) = task.encode([Record({"text": "cafe\u0301 cre\u0300me"}, "x")])
    assert torch.equal(composed.data, decomposed.data)
    assert composed.size == decomposed.size == 9
    plain = prepared("café crème\n" * 9, unit="char", normal_form="none")
    (decomposed,) = plain.encode([Record({"text": "cafe\u0301 cre\u0300me"}, "x")])
    assert decomposed.unknown == 2
    network = task.build().eval()
    assert task.complete(network, "cafe\u0301", 3) == task.complete(network, "café", 3)
