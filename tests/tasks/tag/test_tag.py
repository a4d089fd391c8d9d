"""Tagging: columns and their faults, words and characters, constraints, scores, and files from end to end."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import assert_same, stopped_and_resumed

import elman
from elman import tasks
from elman.core.errors import ConfigError, DataError, RunError
from elman.core.records import Batch, Record, Seq
from elman.core.run_config import DataSettings, RunConfig
from elman.data import batching, formats
from elman.data.batching import collate
from elman.data.samples import syntax
from elman.nn.crf import Crf
from elman.tasks.tag import scores as tag_scores
from elman.tasks.tag import spans
from elman.tasks.tag.task import Tag
from elman.tasks.tag.token_columns import TokenColumns
from elman.tasks.tag.words import STRANGE, TaggerWords

pytestmark = pytest.mark.usefixtures("plain")

SENTENCES = {
    "the cat saw a dog": "D N V D N",
    "a Dog barked": "D N V",
    "dogs bark": "N V",
    "the extraordinary dog saw the cat": "D A N V D N",
    "cats sleep": "N V",
}
NAMES = {
    "Ann lives in New York": "B-PER O O B-LOC I-LOC",
    "Bob saw Ann Lee": "B-PER O B-PER I-PER",
    "in York": "O B-LOC",
    "nothing here": "O O",
}


def records(tagged: dict[str, str], where: str = "here") -> list[Record]:
    return [
        Record({"tokens": words.split(), "tags": tags.split()}, f"{where}:{line}")
        for line, (words, tags) in enumerate(tagged.items(), 1)
    ]


def made(tagged: dict[str, str] = SENTENCES, **tables: dict) -> Tag:
    torch.manual_seed(0)
    run = RunConfig.of({"network": {"hidden": 8, "embedding": 6}, **tables}, Tag.Config)
    return Tag.prepare(records(tagged), run)


def fault(call, *args, kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        call(*args)
    return str(caught.value)


# Columns


@pytest.mark.parametrize(
    ("fields", "settings", "expected"),
    [
        ({"tokens": [], "tags": []}, {}, ("tokens", "tags")),
        ({"id": [], "form": [], "upos": [], "xpos": []}, {}, ("form", "upos")),
        ({"id": [], "form": [], "upos": [], "xpos": []}, {"target": "xpos"}, ("form", "xpos")),
        ({"tokens": [], "2": [], "3": []}, {}, ("tokens", "3")),
        ({"sentence": "", "other": ""}, {}, ("sentence", "other")),
        ({"id": "", "tokens": [], "ner_tags": []}, {}, ("tokens", "ner_tags")),
        ({"a": [], "b": []}, {"input": "b", "target": "a"}, ("b", "a")),
    ],
)
def test_columns_are_guessed_or_named(fields, settings, expected):
    record = Record(fields, "here")
    filled = {name: ["x"] if isinstance(value, list) else "x" for name, value in fields.items()}
    run = RunConfig.of({"data": settings}, Tag.Config)
    other = {**filled, expected[1]: ["y"] if isinstance(fields[expected[1]], list) else "y"}
    task = Tag.prepare([replace(record, fields=filled), replace(record, fields=other)], run)
    assert task.columns == TokenColumns(*expected)


def test_columns_that_are_not_there():
    def prepared(fields: dict, **data: str) -> str:
        return fault(Tag.prepare, [Record(fields, "f:1")], RunConfig.of({"data": data}, Tag.Config))

    assert (
        prepared({"tokens": ["a"], "tags": ["X"]}, target="tag")
        == "f:1: no column 'tag'; did you mean 'tags'?"
    )
    assert prepared({"a": ["a"], "b": ["b"]}) == (
        "f:1: no column that looks like tokens, but a, b; name one with --input"
    )
    assert prepared({"tokens": ["a"], "id": "7"}) == (
        "f:1: no column that looks like tags, but tokens, id; name one with --target"
    )


def test_cells_that_do_not_fit():
    task = made()

    def encoded(**fields: object) -> str:
        return fault(task.encode, [*records(SENTENCES), Record(fields, "f:9")])

    assert encoded(tokens=["a", "b", "c"], tags=["D", "N"]) == (
        "f:9: expected 3 tags, one for each token, got 2 in column 'tags'"
    )
    assert encoded(tokens=["a", ""], tags=["D", "N"]) == (
        "f:9: expected a list of texts, none of them empty, got ['a', ''] in column 'tokens'"
    )
    assert encoded(tokens=[], tags=[]) == "f:9: expected one token at least, got nothing in column 'tokens'"
    assert encoded(tokens=["a"], tags=7) == (
        "f:9: expected a list of texts, none of them empty, got 7 in column 'tags'"
    )
    assert encoded(tokens=["a"]) == "f:9: no column 'tags'; known: tokens"
    assert encoded(tokens=["a", "b"], tags=["D", "NN"]) == (
        "f:9: expected a tag that the training part has, got 'NN' (tag 2); did you mean 'N'? "
        "If it is right, train with tag.unseen=mistake"
    )


@pytest.mark.parametrize("output", ["softmax", "crf"])
def test_tags_that_are_not_seen_in_training_may_be_mistakes(output):
    task = made(tag={"unseen": "mistake", "output": output})
    network = task.build().eval()
    held = task.encode(records({"the cat": "D N", "the dog": "D NEW"}))
    batch = collate(held)
    scores = network(batch.seq)[0]
    loss, known = task.loss(scores, batch), task.loss(*(lambda b: (network(b.seq)[0], b))(collate(held[:1])))
    if output == "crf":  # a sentence counts whole or not at all
        assert loss.count == known.count == 2
        torch.testing.assert_close(loss.nats, known.nats)
        nothing = collate(held[1:])
        assert task.loss(network(nothing.seq)[0], nothing) == (0, 0)
    else:
        assert loss.count == 3
    right = [example.target.clamp(min=0) for example in held]
    assert task.scores(held, right, 0.0, 1)["accuracy"] == 0.75
    assert sum(row[-1] for row in task.findings(held, right).tables["tags"][1:]) == 3
    spanned = made(NAMES, tag={"unseen": "mistake"})
    assert "expected a tag that the training part has" in fault(spanned.encode, records({"a": "B-NEW"}))


def test_one_tag_is_nothing_to_learn():
    assert fault(made, {"a b": "X X"}) == (
        "here:1: expected two or more, got one tag, 'X', in the whole column 'tags'; "
        "give more data, or name another column: --target"
    )


def test_texts_serve_as_lists():
    task = made()
    (listed,) = task.encode([Record({"tokens": ["a", "dog"], "tags": ["D", "N"]}, "")])
    (spaced,) = task.encode([Record({"tokens": "a  dog", "tags": "D N"}, "")])
    assert torch.equal(listed.data, spaced.data)
    assert torch.equal(listed.target, spaced.target)


def test_data_are_known_by_their_lists():
    assert Tag.matches(records(SENTENCES)[0])
    assert Tag.matches(Record({"id": ["1"], "form": ["a"], "upos": ["D"]}, ""))
    assert tasks.guess("jsonlines", records(SENTENCES)[0]) == "tag"
    assert not Tag.matches(Record({"text": "a"}, ""))
    assert not Tag.matches(Record({"tokens": ["a"]}, ""))
    assert not Tag.matches(Record({"tokens": ["a", "b"], "label": "x"}, ""))


def test_the_same_words_are_on_one_side():
    twice = [*records(SENTENCES), *records(SENTENCES)] * 3
    parts = Tag.split(twice, DataSettings(valid=0.2, test=0.2))
    sides = [{" ".join(record.fields["tokens"]) for record in part} for part in parts]
    assert all(sides)
    assert sum(map(len, sides)) == len(SENTENCES)
    assert sum(map(len, parts)) == len(twice)


# Words and characters


def test_words_have_their_rank_and_their_letters():
    words = TaggerWords.learn([["b", "A"], ["a", "b", "a"], ["c", "ba"]], lower=True, longest=3)
    assert words.counts == {"a": 3, "b": 2, "ba": 1, "c": 1}
    assert words.chars.symbols == ["a", "b"]  # A and c are in one word each
    a, b = 2, 3
    assert words.encode(["B", "a", "x", "abab", "Ac"]).tolist() == [
        [2, STRANGE, 0, 0],
        [1, a, 0, 0],
        [0, STRANGE, 0, 0],
        [0, a, b, b],  # its beginning and its end
        [0, STRANGE, STRANGE, 0],
    ]
    assert TaggerWords.learn([["b", "A"], ["a"]], lower=False, longest=3).counts == {"A": 1, "a": 1, "b": 1}
    assert list(TaggerWords.learn([["b", "A"], ["a"]], lower=True, longest=3, size=1).counts) == ["a"]


def test_rare_words_have_no_vector_but_are_known():
    task = made(data={"min_count": 2})
    network = task.build()
    assert len(task.words) == 11
    assert len(network.words.embedding.weight) == 1 + sum(n > 1 for n in task.words.counts.values()) == 6
    data = torch.from_numpy(task.words.encode(["bark", "cats", "unheard", "dog"]))
    assert (data[:, 0] > 0).tolist() == [True, True, False, True]
    own = network.eval().words._own(data[:, 0])
    assert torch.equal(own[0], own[2])
    assert torch.equal(own[1], own[2])
    assert not torch.equal(own[3], own[2])


def test_characters_are_read_once_for_each_word_with_its_own_length():
    network = made().build().eval()
    data = torch.from_numpy(made().words.encode(["the", "cat", "saw", "the", "extraordinary", "cat", "a"]))
    together = network.words(data)
    alone = torch.cat([network.words(row[None]) for row in data])
    torch.testing.assert_close(together, alone)
    assert torch.equal(together[0], together[3])
    read = []
    network.words.spelling.register_forward_hook(lambda module, args, output: read.append(args[0].data.shape))
    network.words(data)
    assert read == [(13, 5, 32)]  # the letters of extraordinary, the distinct words, the letters' vectors


def test_word_dropout_drops_the_rare_more_often():
    task = made(data={"min_count": 1}, tag={"word_dropout": 1.0})
    words = task.build().train().words
    numbers = torch.from_numpy(task.words.encode(["the"] * 4000 + ["cats"] * 4000))[:, 0]
    dropped = (words._own(numbers) == words.embedding.weight[0]).all(1).float().view(2, -1).mean(1)
    frequency = task.words.counts["the"]
    assert frequency == 3
    torch.testing.assert_close(dropped, torch.tensor([1 / 4, 1 / 2]), rtol=0, atol=0.04)


def test_symbol_dropout_drops_all_alike():
    task = made(data={"min_count": 1}, tag={"word_dropout": 0.0}, network={"symbol_dropout": 0.3})
    words = task.build().train().words
    numbers = torch.from_numpy(task.words.encode(["the", "cats"] * 4000))[:, 0]
    dropped = (words._own(numbers) == words.embedding.weight[0]).all(1).float().view(-1, 2).mean(0)
    torch.testing.assert_close(dropped, torch.tensor([0.3, 0.3]), rtol=0, atol=0.04)
    assert torch.equal(words.eval()._own(numbers), words.embedding.weight[numbers.long()])


def test_without_characters_or_layers_above():
    task = made(
        tag={"char_hidden": 0, "bidirectional": False}, network={"hidden": 8, "embedding_dropout": 0.5}
    )
    network = task.build()
    assert not [name for name, _ in network.named_parameters() if "spelling" in name or "reverse" in name]
    batch = collate(task.encode(records(SENTENCES)))
    assert network.train()(batch.seq)[0].emissions.shape == (6, 5, 4)


def test_in_one_direction_the_state_is_carried_over():
    task = made(tag={"bidirectional": False})
    network = task.build().eval()
    (example,) = task.encode(records({"the cat saw a dog": "D N V D N"}))
    data = example.data[:, None]
    whole, _ = network(Seq(data))
    first, state = network(Seq(data[:2]))
    second, _ = network(Seq(data[2:]), state)
    torch.testing.assert_close(torch.cat([first.emissions, second.emissions]), whole.emissions)


@pytest.mark.parametrize("tagged", [SENTENCES, NAMES], ids=["softmax", "crf"])
def test_ragged_is_one_by_one(tagged):
    task = made(tagged)
    network, examples = task.build().eval(), task.encode(records(tagged))
    batch = collate(examples)
    assert batch.seq.data.dtype == torch.int32
    scores, _ = network(batch.seq)
    outputs, nats = task.predict(network, batch, scores), task.loss(scores, batch)
    assert nats.count == sum(len(example.target) for example in examples)
    alone = [Batch(Seq(e.data[:, None]), e.target[:, None]) for e in examples]
    said = [network(one.seq)[0] for one in alone]
    for row, (one, score) in enumerate(zip(alone, said, strict=True)):
        assert torch.equal(outputs[row], task.predict(network, one, score)[0])
    losses = [task.loss(score, one).nats for score, one in zip(said, alone, strict=True)]
    torch.testing.assert_close(nats.nats, torch.stack(losses).sum())


# Spans


def test_spans_are_found_and_their_rules_kept():
    task = made(NAMES)
    assert (task.scheme, task.is_crf, task.selection_metric) == ("bio", True, "span_f1")
    assert "by a CRF" in task.describe()["tags"]
    network, examples = task.build().eval(), task.encode(records(NAMES))
    with torch.no_grad():
        network.output.weight.mul_(50)  # scores that would break the rules often
    assert isinstance(network.crf, Crf)
    batch = collate(examples)
    scores, _ = network(batch.seq)
    free = scores.emissions.argmax(2).t()
    broken = [
        spans.fault("bio", task._named(path[: len(e.target)])) for path, e in zip(free, examples, strict=True)
    ]
    assert any(step is not None for step in broken)
    for output in task.predict(network, batch, scores):
        assert spans.fault("bio", task._named(output)) is None


def test_tags_that_break_their_scheme():
    task = made(NAMES)
    wrong = records({"in York": "O I-LOC"}, "f")
    assert fault(task.encode, wrong) == (
        "f:1: expected what bio allows, got 'I-LOC' (tag 2) after 'O'; "
        "mend the tags, or train with --set tag.scheme=none"
    )
    assert made(NAMES, tag={"output": "softmax"}).encode(wrong)  # a softmax has no rules
    assert made({**NAMES, "in York": "O I-LOC"}).scheme == "loose"
    ends = made({"New York": "B-LOC E-LOC", "a": "O"})
    assert ends.scheme == "bioes"
    assert fault(ends.encode, records({"New York": "O B-LOC"}, "f")) == (
        "f:1: expected what bioes allows, got the end after 'B-LOC'; "
        "mend the tags, or train with --set tag.scheme=none"
    )


def test_a_scheme_must_fit_the_tags():
    assert fault(lambda: made(tag={"scheme": "bio"}), kind=ConfigError) == (
        "tag.scheme: expected tags like O and B-TYPE, got bio for the tag 'A'; set it to none"
    )


def test_a_field_may_stand_over_any_tags():
    task = made(tag={"output": "crf"})
    assert task.scheme == "none"
    assert task.build().crf is not None
    assert task.selection_metric == "accuracy"


# Scores


def test_scores_by_hand():
    task = made()
    held = task.encode(records({"the cat": "D N", "unheard dogs": "A N"}))
    outputs = [torch.tensor([task.tags.index(tag) for tag in tags.split()]) for tags in ("D N", "N V")]
    scores = task.scores(held, outputs, 6.0, 4)
    assert scores == {"accuracy": 0.5, "accuracy_known": 2 / 3, "accuracy_unknown": 0.0, "loss": 1.5}
    assert task.scores(held, (), 6.0, 4) == {"loss": 1.5}
    tables = task.findings(held, outputs).tables
    assert tables["tags"] == [
        ["tag", "precision", "recall", "F1", "tokens"],
        ["N", 0.5, 0.5, 0.5, 2],
        ["A", 0.0, 0.0, 0.0, 1],
        ["D", 1.0, 1.0, 1.0, 1],
        ["V", 0.0, 0.0, 0.0, 0],
    ]
    assert tables["confusions"] == [
        ["tag", "predicted as", "tokens", "share of all mistakes"],
        ["A", "N", 1, 0.5],
        ["N", "V", 1, 0.5],
    ]


def test_scores_of_spans():
    task = made(NAMES)
    held = task.encode(records({"Ann in New York": "B-PER O B-LOC I-LOC"}))
    output = torch.tensor([task.tags.index(tag) for tag in ("B-PER", "O", "B-LOC", "O")])
    scores = task.scores(held, [output], 4.0, 4)
    assert list(scores)[:4] == ["span_f1", "precision", "recall", "accuracy"]
    assert (scores["span_f1"], scores["accuracy"]) == (0.5, 0.75)
    rows = task.findings(held, [output]).tables["spans"]
    assert rows[1:] == [["LOC", 0, 0, 0, 1], ["PER", 1, 1, 1, 1], ["all", 0.5, 0.5, 0.5, 2]]


def test_the_simplest_tagger():
    words, tags = np.array([1, 1, 1, 2, 0, 3]), np.array([0, 1, 1, 2, 0, 1])
    assert tag_scores.frequent_tags((words, tags), 4).tolist() == [0, 1, 2, 1, 1]
    task = made()
    train = task.encode(records(SENTENCES))
    held = {"test": task.encode(records({"the dog barks": "D N V"}))}
    scores = task.baselines(train, held)["test"]["most frequent tag of the word"]
    assert scores == {"accuracy": 2 / 3, "accuracy_known": 1.0, "accuracy_unknown": 0.0}


def test_the_picture_is_drawn():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    task = made()
    held = task.encode(records(SENTENCES))
    task.findings(held, [example.target for example in held]).figures["confusion"](figure)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["N", "D", "V", "A"]
    np.testing.assert_array_equal(axes.images[0].get_array(), np.eye(4))
    assert [text.get_text() for text in axes.texts] == ["7", "5", "5", "1"]


# From end to end


def test_restored_as_it_was():
    task = made(NAMES)
    again = Tag.restore(task.to_text(), RunConfig.of({}, Tag.Config), "vocab.json")
    assert again.to_text() == task.to_text()
    assert again.describe() == task.describe()
    assert fault(Tag.restore, "{", None, "v.json", kind=RunError) == (
        "v.json: damaged: not valid JSON at line 1; restore it from a copy, or train anew"
    )
    assert fault(Tag.restore, "{}", None, "v.json", kind=RunError).startswith(
        "v.json: damaged: no entry 'input'"
    )
    broken = task.to_text().replace('"longest": 24', '"longest": "24"')
    assert fault(Tag.restore, broken, None, "v.json", kind=RunError).startswith(
        "v.json: damaged: no entry 'longest' of kind int"
    )


def test_preview_shows_words_and_tags():
    task = made()
    pieces = task.preview(task.build().eval(), (), seed=1).split(" ")
    assert [piece.rsplit("/", 1)[0] for piece in pieces] == ["the", "cat", "saw", "a", "dog"]
    assert {piece.rsplit("/", 1)[1] for piece in pieces} <= set(task.tags)


def conllu(words: str, tags: str) -> str:
    pairs = zip(words.split(), tags.split(), strict=True)
    return "".join(f"{i}\t{word}\t_\t{tag}" + "\t_" * 6 + "\n" for i, (word, tag) in enumerate(pairs, 1))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> elman.Model:
    """A model that knows its training part by heart."""
    folder = tmp_path_factory.mktemp("tagger")
    path = folder / "train.conllu"
    path.write_text("\n".join(conllu(*pair) for pair in SENTENCES.items()))
    settings = {"hidden": 16, "epochs": 30, "batch_size": 2, "threads": 1, "lr": 0.02, "dropout": 0.0}
    parts = {"valid_path": str(path), "test_path": str(path)}
    return elman.train(path, task="tag", out=folder / "run", quiet=True, **parts, **settings)


def filled(model: elman.Model, path: Path) -> str:
    """The file with the column that the model predicts."""
    out = io.StringIO()
    model.write_predictions(path, out)
    return out.getvalue()


def test_it_learns_its_training_part(model):
    scores = model.evaluate(model.config.data.path)
    assert list(scores) == ["model", "most frequent tag of the word"]
    assert scores["model"]["accuracy"] == 1


def test_conllu_with_an_empty_column_is_filled(model, tmp_path):
    gold = "# a comment\n" + conllu("dogs bark", "N V")
    path = tmp_path / "other.conllu"
    path.write_text(gold.replace("\tN\t", "\t_\t").replace("\tV\t", "\t_\t"))
    assert filled(model, path) == gold


def test_json_lines_get_the_tags(model, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"tokens": ["dogs", "bark"], "n": 7}\n')
    assert filled(model, path) == '{"tokens": ["dogs", "bark"], "n": 7, "upos": ["N", "V"]}\n'


def test_columns_get_one_more(model, tmp_path):
    path = tmp_path / "other.conll"
    path.write_text("dogs x\nbark y\n")
    assert filled(model, path) == "dogs x N\nbark y V\n"


def test_sentences_that_are_in_no_file(model):
    first, second = model.predict(["dogs bark", ["the", "cat", "saw", "a", "dog"]])
    assert first == {"upos": ["N", "V"], "form": ["dogs", "bark"]}
    assert second["upos"] == ["D", "N", "V", "D", "N"]


def test_plain_tokens_become_conllu(model, tmp_path):
    path = tmp_path / "other.txt"
    path.write_text("dogs bark\n")
    assert filled(model, path) == conllu("dogs bark", "N V") + "\n"
    path.write_text("dogs , bark\n" * 4)  # no table of two columns
    assert filled(model, path).count("dogs") == 4


@pytest.mark.parametrize("tagged", [SENTENCES, NAMES], ids=["softmax", "crf in bfloat16"])
def test_stopped_and_resumed_is_never_stopped_to_the_bit(monkeypatch, tmp_path, tagged):
    path = tmp_path / "train.conllu"
    path.write_text("\n".join(conllu(*pair) for pair in tagged.items()))
    options = {"task": "tag", "hidden": 8, "epochs": 6, "batch_size": 2, "threads": 1}
    options |= {"valid_path": str(path), "test_path": str(path)}
    options |= {"precision": "bfloat16"} if tagged is NAMES else {}
    elman.train(path, out=tmp_path / "whole", quiet=True, **options)
    stopped_and_resumed(monkeypatch, path, tmp_path / "cut", [3, 8], **options)
    assert_same(tmp_path / "whole", tmp_path / "cut")


# The sample


def test_what_python_says_of_its_names():
    source = (
        "import os.path as p\n"
        "class A(B, metaclass=M):\n"
        "    def f(self, x: int = 3) -> None:\n"
        "        y = f'{x}é' + self.g(x).h(z=1)  # no\n"
        "        match = 'é'; y.é.x = match\n"
        "match y:\n"
        "    case type: pass\n"
    )
    told = [
        " ".join(map("/".join, zip(line.tokens, line.roles, strict=True)))
        for line in syntax.logical_lines(source)
    ]
    plain = [" ".join(word for word in line.split(" ") if not word.endswith("/operator")) for line in told]
    assert plain == [
        "import/keyword os/imported path/imported as/keyword p/imported",
        "class/keyword A/class-defined B/variable metaclass/argument M/variable",
        "def/keyword f/function-defined self/parameter x/parameter int/variable 3/number None/keyword",
        "y/assigned f''/string self/variable g/method-called x/variable h/method-called z/argument 1/number",
        "match/assigned ''/string y/variable é/attribute x/attribute match/variable",
        "match/keyword y/variable",
        "case/keyword type/assigned pass/keyword",
    ]


def test_the_sample_is_for_this_task():
    found = formats.read("sample:python-names")
    assert 2000 < len(found) < 6000
    assert Tag.matches(found[0])
    assert all(len(record.fields["tokens"]) == len(record.fields["tags"]) > 3 for record in found)
    tags = {tag for record in found for tag in record.fields["tags"]}
    assert {"assigned", "called", "method-called", "parameter", "argument", "imported"} < tags
    assert len(tags) == 14
    assert batching.eval_batches(Tag.prepare(found[:50], RunConfig.of({}, Tag.Config)).encode(found[:50]))
