"""Texts as what a decoder writes: targets, the loss, searches, unknown words, scores by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from elman.core.errors import ConfigError, DataError, VocabError
from elman.core.records import Seq
from elman.core.run_config import DataSettings, NetworkSettings
from elman.data.batching import IGNORED
from elman.decoding.options import SearchOptions
from elman.inputs.text import vocab
from elman.nn.decoder import Decoder
from elman.tasks.seq2seq.target_text import Seq2SeqExample, TargetText, TextHypothesis
from elman.tasks.translate.settings import TranslateConfig

TEXTS = ["the cat sat", "a cat", "the mat"]


def wording(unit="word", texts=TEXTS, *, replaces=False, **options):
    symbols = vocab.learn(unit, [" " + text for text in texts])
    return TargetText.learn(
        symbols, texts, TranslateConfig(**options), DataSettings(unit="auto"), replaces=replaces
    )


def reading(words, sources=3, seed=0):
    torch.manual_seed(seed)
    decoder = Decoder(
        len(words.vocab),
        NetworkSettings(cell="gru", hidden=6, embedding=5),
        attention_kind="general",
        value_size=4,
        summary_size=4,
        feed=True,
        tie=False,
    ).eval()
    values = Seq(torch.randn(5, sources, 4), torch.tensor([5, 3, 4][:sources]))
    with torch.no_grad():
        decoder.output.weight.mul_(4)  # an untrained network is nearly indifferent
        return decoder.read(values, values.data.mean(0))


@torch.no_grad()
def logp(read, symbols, border):
    """The log probability that the first source is written so, to the end."""
    targets = torch.tensor([*symbols, border])[:, None]
    scores = read.decoder.output(read.rows(torch.tensor([0])).teacher_force(targets))
    return -float(F.cross_entropy(scores[:, 0], targets[:, 0], reduction="sum"))


def spelled(lines):
    return [[line.symbols for line in several] for several in lines]


def test_targets_end_with_the_border_and_spell_their_text():
    words = wording()
    numbers = words.encode("the cat", "p:1")
    assert numbers[-1] == len(words.vocab)
    assert words.text(TextHypothesis(numbers[:-1].tolist(), 0.0, 0.0)) == "the cat"


def test_targets_that_cannot_be():
    with pytest.raises(DataError, match=r"^p:1: expected a text, got an empty target; leave the line out$"):
        wording().encode("", "p:1")
    with pytest.raises(
        DataError, match=r"p:1: expected at most 2, got a target of 3 symbols; set translate.longest"
    ):
        wording(longest=2).encode("the cat sat", "p:1")
    cut = wording(longest=2, overlong="cut").encode("the cat sat", "p:1")
    assert len(cut) == 3


@torch.no_grad()
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_leaves_padding_out(smoothing):
    words = wording(smoothing=smoothing)
    read, border = reading(words), len(words.vocab)
    targets = torch.tensor([[0, 1, border], [2, border, IGNORED], [border, IGNORED, IGNORED]])
    nats, count = words.objective(read, targets)
    expected = F.cross_entropy(
        read.decoder.output(read.teacher_force(targets)).flatten(0, 1),
        targets.flatten(),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=smoothing,
    )
    assert (count, float(nats)) == (6, pytest.approx(float(expected), rel=1e-5))
    plain, _ = words.loss(read, targets)
    assert (float(plain) == pytest.approx(float(nats))) == (smoothing == 0)


def test_a_beam_finds_what_is_as_likely_as_it_says():
    words = wording(replaces=True)
    read = reading(words)
    lines = words.write(read, SearchOptions(beam=4, count=3, length_penalty=0.7))
    assert [len(several) for several in lines] == [3, 3, 3]
    for line in lines[0]:
        assert line.logp == pytest.approx(logp(read, line.symbols, len(words.vocab)), rel=1e-4)
        assert line.score == pytest.approx(line.logp / (len(line.symbols) + 1) ** 0.7)
    assert [line.score for line in lines[0]] == sorted((line.score for line in lines[0]), reverse=True)
    greedy = words.write(read, SearchOptions(beam=1))[0][0]
    assert greedy.logp <= words.write(read, SearchOptions(beam=4, length_penalty=0.0))[0][0].logp + 1e-5


def test_drawn_lines():
    words = wording()
    read = reading(words)
    how = SearchOptions(count=20, temperature=1.0, seed=3)
    lines = words.write(read, how)
    assert [len(several) for several in lines] == [20, 20, 20]
    assert len({tuple(line.symbols) for line in lines[0]}) > 3
    assert (
        spelled(words.write(read, how)) == spelled(lines) != spelled(words.write(read, replace(how, seed=4)))
    )
    for line in lines[0]:
        assert line.logp == pytest.approx(logp(read, line.symbols, len(words.vocab)), rel=1e-4)
    cold = words.write(read, replace(how, temperature=1e-4, count=1))
    assert spelled(cold) == spelled(words.write(read, SearchOptions(beam=1)))
    with pytest.raises(ConfigError, match="count"):
        words.write(read, replace(how, count=0))


def test_drawn_lines_come_as_often_as_they_are_likely():
    words = wording(texts=["a"], replaces=True)
    read = reading(words, sources=1)
    lines = words.write(read, SearchOptions(count=4000, temperature=1.0, seed=1))[0]
    empty = sum(not line.symbols for line in lines) / len(lines)
    assert empty == pytest.approx(math.exp(logp(read, [], len(words.vocab))), abs=0.03)


@torch.no_grad()
def test_a_prefix_begins_every_line():
    words = wording(replaces=True)
    for how in (
        SearchOptions(beam=3, count=3, prefix="the"),
        SearchOptions(count=3, temperature=1.0, seed=1, prefix="the"),
    ):
        for several in words.write(reading(words), how):
            assert all(words.text(line).startswith("the") for line in several)
    words_read = reading(words)
    the = words.encode("the", "p")[:-1].tolist()
    (drawn,) = words.write(
        words_read.rows(torch.tensor([0])), SearchOptions(temperature=1.0, seed=1, prefix="the")
    )
    border = len(words.vocab)
    both = logp(words_read, drawn[0].symbols, border) - logp(words_read, [*the], border)
    alone = words_read.decoder.output(words_read.teacher_force(torch.tensor([[the[0]] * 3, [border] * 3])))
    ended = float(alone[1, 0].log_softmax(-1)[border])
    assert drawn[0].logp == pytest.approx(both + ended, rel=1e-4)
    with pytest.raises(VocabError, match="prefix"):
        words.write(reading(words), SearchOptions(prefix="unheard"))


def test_looks_are_told_within_the_source():
    words = wording()
    read = reading(words)
    lines = words.write(read, SearchOptions(beam=2, count=2), attention=True)
    for several, length in zip(lines, (5, 3, 4), strict=True):
        for line in several:
            assert line.attention.shape == (len(line.symbols) + 1, length)
            torch.testing.assert_close(line.attention.sum(1), torch.ones(len(line.symbols) + 1))


def test_an_unknown_word_is_taken_from_where_attention_was():
    words = wording()
    the = int(words.encode("the", "p")[0])
    line = TextHypothesis(
        [the, words.vocab.unknown], 0.0, 0.0, torch.tensor([[1.0, 0.0], [0.1, 0.9], [1.0, 0.0]])
    )
    assert words.text(line, (" die", " Katze")) == "the Katze"
    assert words.text(line) == "the"
    assert words.text(line._replace(attention=None), (" die", " Katze")) == "the"


def test_what_cannot_be_replaced_is_not_written():
    words = wording()
    read = reading(words)
    with torch.no_grad():
        read.decoder.output.bias[words.vocab.unknown] = 50
    for how in (words.usual(), SearchOptions(count=5, temperature=1.0, seed=1)):
        for several in words.write(read, how):
            assert all(words.vocab.unknown not in line.symbols for line in several)
    with_words = wording(replaces=True)
    for several in with_words.write(read, with_words.usual()):
        assert words.vocab.unknown in several[0].symbols


def pair(text, key=None, source=""):
    return Seq2SeqExample(
        torch.zeros(len(source) + 1, dtype=torch.int64), torch.zeros(1), 0, key or text, text, source
    )


def test_scores_by_hand():
    words = wording("char", watch="symbol_error_rate")
    scores = words.scores([pair("cat"), pair("mat"), pair("sat")], ["cat", "ma", "bat"])
    assert next(iter(scores)) == "symbol_error_rate"
    assert scores["exact_match"] == pytest.approx(1 / 3)
    assert scores["symbol_error_rate"] == pytest.approx(2 / 9)


def test_bleu_is_sacrebleus():
    sacrebleu = pytest.importorskip("sacrebleu")
    held = ["the cat sat on the mat", "a dog barked at it loudly"]
    said = ["the cat sat on a mat", "the dog barked at it"]
    scores = wording(texts=held).scores([pair(text) for text in held], said)
    assert next(iter(scores)) == "bleu"
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, [held]).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, [held]).score)


def test_what_one_source_was_given_counts_as_right():
    held = [pair("cat", "x"), pair("mat", "y"), pair("rat", "x")]
    scores = wording("char").scores(held, ["rat", "mat", "cow"])  # the third is no answer of its own
    assert scores["exact_match"] == 1
    assert scores["symbol_error_rate"] == 0


def test_the_score_by_the_length_of_the_source():
    held = [
        pair("t", key, "s" * length) for key, length in enumerate([5, 1, 3, 2, 4, 6, 8, 7, 9, 10], start=1)
    ]
    said = ["t" if len(one.source) < 7 else "x" for one in held]
    head, *rows = wording("char").by_length(held, said)
    assert head[2] == "exact match"
    assert [row[1] for row in rows] == [2] * 5
    assert [row[2] for row in rows] == [1, 1, 1, 0, 0]
    assert rows[0][0] == "2 to 3"


def test_baselines_copy_and_remember():
    held = [
        Seq2SeqExample(torch.tensor([3, 4]), torch.zeros(1), 0, "a", "two", "two"),
        Seq2SeqExample(torch.tensor([1, 2]), torch.zeros(1), 0, "b", "one", "x"),
    ]
    train = [
        Seq2SeqExample(torch.tensor([1, 2]), torch.zeros(1), 0, "uno", "one", "uno"),
        Seq2SeqExample(torch.tensor([3, 4]), torch.zeros(1), 0, "dos", "two", "dos"),
    ]
    scores = wording("char", texts=["one", "two"]).baselines(train, held)
    assert scores["nearest training source"]["exact_match"] == 1
    assert scores["copy of the source"]["exact_match"] == 0.5


def test_written_and_restored_it_is_the_same():
    words = wording()
    again = TargetText.restore(words.content(), words.options, DataSettings(unit="auto"), "vocab.json")
    assert again.content() == words.content()
    read = reading(words)
    assert spelled(again.write(read, again.usual())) == spelled(words.write(read, words.usual()))
