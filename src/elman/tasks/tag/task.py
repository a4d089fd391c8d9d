"""Tagging: each element of a sequence gets a tag. Many to many, in step.

A word is read by its own vector, if it is frequent enough to have one, beside the last states of a recurrent
network over its characters (Ling et al. 2015; Plank et al. 2016). A recurrent network over the words gives
scores of tags; a softmax or a conditional random field makes them a prediction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError, RunError, TaskError
from elman.core.records import Batch, Example, Record, Seq
from elman.core.run_config import DataSettings, RunConfig
from elman.data import long_tables, splits
from elman.data.batching import IGNORED, edge
from elman.data.long_tables import LongTable
from elman.metrics import classification
from elman.nn import encoder
from elman.nn.crf import Crf
from elman.nn.embedding import LARGEST_EMBEDDING
from elman.plots.classification import draw_confusion
from elman.streaming.base import Streaming
from elman.tasks import selection, training_length
from elman.tasks.abilities import (
    EdgeLoss,
    Exportable,
    Mistake,
    NamesSteps,
    PredictsRecords,
    ShowsEvidence,
    ShowsMistakes,
    largest,
)
from elman.tasks.base import Choice, Evidence, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.tag import plots, recipe, scores, spans, token_columns
from elman.tasks.tag.graph import GRAPHS
from elman.tasks.tag.network import Tagged, TagNetwork, WordInput
from elman.tasks.tag.settings import TagConfig
from elman.tasks.tag.stream import TagStreamer
from elman.tasks.tag.token_columns import INPUTS, TokenColumns
from elman.tasks.tag.words import TaggerWords

_UNSEEN = -1
"""The number of a tag that the training part does not have: no prediction is right, and no loss counts it."""

_NEVER = -1e4
"""The score of what cannot be."""

_PREVIEWED = range(4, 13)  # words of the sentence that each epoch shows


class _TagContent(NamedTuple):
    input: str
    target: str
    scheme: str
    preview: str
    tags: list[str]
    words: dict[str, Any]
    rows: LongTable | None = None


class Tag(
    Task[TagConfig],
    PredictsRecords,
    NamesSteps,
    EdgeLoss,
    ShowsEvidence,
    ShowsMistakes,
    Streaming,
    Exportable,
):
    """A tag for each token of a sentence: its part of speech, its place in a name, whatever a column says."""

    Config = TagConfig
    graphs = GRAPHS
    formats = ("conllu", "conll", "jsonlines", "parquet", "sample", "tokens", "table")
    continuous = False

    def __init__(
        self,
        run: RunConfig[TagConfig],
        columns: TokenColumns,
        words: TaggerWords,
        tags: Sequence[str],
        scheme: str,
        preview: str,
        rows: LongTable | None = None,
    ) -> None:
        self._rows = rows
        self._run, self._options = run, run.options
        self.columns, self.words, self.tags, self.scheme = columns, words, list(tags), scheme
        self._preview = preview
        self._numbers = {tag: number for number, tag in enumerate(tags)}
        is_spans = scheme != "none"
        self.is_crf = run.options.output == "crf" or (run.options.output == "auto" and is_spans)

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether the record has a list of tokens and a list of as many tags."""
        lists = {name: len(value) for name, value in record.fields.items() if isinstance(value, list)}
        length = next((lists[name] for name in INPUTS if name in lists), None)
        return length is not None and list(lists.values()).count(length) > 1

    @classmethod
    def reason(cls, records: Sequence[Record]) -> str:
        """Lists of tokens and of as many tags, or a token and a tag a row."""
        if cls.matches(records[0]):
            return "lists of tokens, and as many tags"
        small = {name.lower() for name in records[0].fields}
        if small.isdisjoint(INPUTS) or small.isdisjoint(token_columns.TARGETS):
            return ""
        if token_columns.are_in_step(records):
            return "as many tags as words in each text"
        table = long_tables.find_tokens(records, DataSettings())
        return "a token and a tag in each row" if table else ""

    @classmethod
    def arrange(cls, records: Sequence[Record], data: DataSettings) -> LongTable | None:
        """How rows with a token each are joined to sentences."""
        return long_tables.find_tokens(records, data)

    @property
    def arrangement(self) -> LongTable | None:
        """How the rows that it learnt from were joined."""
        return self._rows

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """The column of tags that it learnt from; tokens may stand in a column of any name."""
        own = {"target": [self.columns.target]}
        return self._rows.roles() | own if self._rows else own

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The sentences in shares; the same words are never on two sides, if the split is random."""
        columns = token_columns.columns(records[0], data)

        def key(record: Record) -> bytes:
            return "\n".join(token_columns.cells(record, columns.input)).encode("utf-8", "surrogatepass")

        return Parts(*splits.split_records(records, data, key))

    @classmethod
    def faults(cls, records: Sequence[Record], run: RunConfig[TagConfig]) -> dict[int, DataError]:
        """Sentences without tokens, or with another number of tags."""
        columns = token_columns.columns(records[0], run.data)

        def check(record: Record) -> None:
            tokens = token_columns.cells(record, columns.input)
            token_columns.cells(record, columns.target, len(tokens))

        return selection.checked(records, check)

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[TagConfig]) -> Sequence[Choice]:
        """Return the settings that suit the data: see `elman.tasks.tag.recipe`."""
        return list(recipe.choices(training_length.learnt_from(len(records), run.data), run))

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[TagConfig]) -> Self:
        """The task with the training part's words, characters and tags, and the scheme that the tags obey.

        Raises:
            DataError: a column is missing, there are not as many tags as tokens, or there is but one tag.
        """
        columns, options = token_columns.columns(records[0], run.data), run.options
        rows = long_tables.of(records[0])
        sentences = [token_columns.cells(record, columns.input) for record in records]
        sequences = [
            token_columns.cells(record, columns.target, len(s))
            for record, s in zip(records, sentences, strict=True)
        ]
        tags = sorted(set(chain.from_iterable(sequences)))
        if len(tags) < 2:
            where, remedy = records[0].where, "give more data, or name another column: --target"
            got = f"one tag, {tags[0]!r}, in the whole column {columns.target!r}"
            raise DataError(where, got, expected="two or more", remedy=remedy)
        words = TaggerWords.learn(
            sentences,
            lower=run.data.lower,
            longest=options.longest_word,
            size=run.data.vocab_size,
            form=run.data.normal_form,
        )
        scheme = spans.guess(sequences) if options.scheme == "auto" else options.scheme
        wrong = next((tag for tag in tags if not spans.is_span_tag(tag)), None)
        if scheme != "none" and wrong:
            got, remedy = f"{scheme} for the tag {wrong!r}", "set it to none"
            raise ConfigError("tag.scheme", got, expected="tags like O and B-TYPE", remedy=remedy)
        shown = next((s for s in sentences if len(s) in _PREVIEWED), sentences[0])
        return cls(run, columns, words, tags, scheme, " ".join(shown[: _PREVIEWED[-1]]), rows)

    @classmethod
    def restore(cls, text: str, run: RunConfig[TagConfig], where: object) -> Self:
        """The task with the words and tags that `text` describes."""
        with json_schema.rebuilding(where):
            words = TaggerWords.from_content(_content(text, where)["words"], where)
            content = json_schema.build(_TagContent, json.loads(text))
            if len(set(content.tags)) < max(2, len(content.tags)) or content.scheme not in (
                "none",
                "loose",
                *spans.SCHEMES,
            ):
                raise ValueError(f"{len(content.tags)} tags by the scheme {content.scheme!r:.60}")
            columns = TokenColumns(content.input, content.target)
            return cls(run, columns, words, content.tags, content.scheme, content.preview, content.rows)

    def to_text(self) -> str:
        """The columns, words, characters and tags as JSON."""
        content = {
            "input": self.columns.input,
            "target": self.columns.target,
            "scheme": self.scheme,
            "preview": self._preview,
            "tags": self.tags,
            "words": self.words.to_content(),
            "rows": None if self._rows is None else vars(self._rows),
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def describe(self) -> dict[str, str]:
        """The columns, the tags and their scheme, and how many words are known."""
        vectors = sum(count >= self._run.data.min_count for count in self.words.counts.values())
        said = self._run.data.input and self._run.data.target
        guessed = "" if said else " (guessed; --input and --target set them)"
        means = {"none": "each for itself", "loose": "spans, by no one scheme"}.get(self.scheme, self.scheme)
        return {
            **({"rows": self._rows.about()} if self._rows else {}),
            "columns": f"{self.columns.input!r} is read, {self.columns.target!r} is predicted{guessed}",
            "tags": f"{len(self.tags):,} ({means}), by a {'CRF' if self.is_crf else 'softmax'}",
            "words": f"{len(self.words):,}, {vectors:,} with a vector; {self.words.symbols - 2:,} characters",
        }

    def build(self) -> TagNetwork:
        """A fresh network for these words and tags."""
        config, options = self._run.network, self._options
        width = config.embedding or min(config.hidden, LARGEST_EMBEDDING)
        words = WordInput(self.words, width, self._run.data, options, config)
        crf = self._field() if self.is_crf else None
        return TagNetwork(words, len(self.tags), config, bidirectional=options.bidirectional, crf=crf)

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """Each sentence as words [T, 1 + C] int32, with its tags [T] int64.

        Raises:
            DataError: a column is missing, there are not as many tags as tokens, or a tag that the training
                part did not have or that its scheme does not allow there.
        """
        sentences = [token_columns.cells(record, self._input(record)) for record in records]
        data = torch.from_numpy(self.words.encode(list(chain.from_iterable(sentences))))
        words = data.split([len(sentence) for sentence in sentences])
        empty = torch.empty(0, dtype=torch.int64)
        targets = [
            self._target(record, len(w)) if use.labelled else empty
            for record, w in zip(records, words, strict=True)
        ]
        sizes = [sum(map(len, sentence)) for sentence in sentences]
        return [Example(*parts) for parts in zip(words, targets, sizes, strict=True)]

    @property
    def selection_metric(self) -> str:
        """F1 of spans, or accuracy."""
        return "accuracy" if self.scheme == "none" else "span_f1"

    def loss(self, scores: Tagged, batch: Batch) -> Loss:
        """The negative log-likelihood of the tags in nats, and how many they are."""
        emissions, targets, crf = scores.emissions.float(), batch.targets, scores.crf
        if crf is None:
            flat = targets.where(targets != _UNSEEN, IGNORED).flatten()
            nats = F.cross_entropy(emissions.flatten(0, 1), flat, ignore_index=IGNORED, reduction="sum")
            return Loss(nats, int((flat != IGNORED).sum()))
        whole = (targets != _UNSEEN).all(0)
        if not whole.any():
            return Loss(emissions.sum() * 0, 0)
        lengths = None if batch.seq.lengths is None else batch.seq.lengths[whole.cpu()]
        nats = crf.loss(emissions[:, whole], targets[:, whole], lengths)
        return Loss(nats, int((targets[:, whole] != IGNORED).sum()))

    def ending(self, scores: Tagged, batch: Batch, *, last: bool) -> Tensor:
        """-ln p(tag | words) of each sentence's last or first word, in nats; a field sums out the others."""
        kept, tags = edge(batch.targets, last=last), torch.arange(len(self.tags), device=batch.targets.device)
        if scores.crf is None:
            return self.loss(scores, replace(batch, targets=kept)).nats
        others = (kept != IGNORED)[..., None] & (tags != kept[..., None])
        sure = scores._replace(emissions=scores.emissions.masked_fill(others, _NEVER))
        return self.loss(scores, batch).nats - self.loss(sure, batch).nats

    def objective(self, scores: Tagged, batch: Batch) -> Loss:
        """The loss itself."""
        return self.loss(scores, batch)

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """F1, precision and recall of spans, if tags mean such; accuracy, of known and unknown words too."""
        told = self._scores(examples, outputs) if outputs else {}
        return {**told, "loss": nats / max(count, 1)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """Each word's most frequent tag; for a word that is not known the most frequent one."""
        table = torch.from_numpy(scores.frequent_tags(_flat(train), len(self.words)))

        def part_scores(examples: Sequence[Example]) -> Scores:
            return self._scores(examples, [table[example.data[:, 0].long()] for example in examples])

        return {
            part: {"most frequent tag of the word": part_scores(examples)} for part, examples in parts.items()
        }

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Precision, recall and F1 of each tag and type of span, and which tags are taken for which."""
        there, predicted = _targets(examples), torch.cat(list(outputs)).numpy()
        seen = there != _UNSEEN
        counts = classification.confusion(there[seen], predicted[seen], len(self.tags))
        tables = {
            "tags": scores.tag_rows(counts, self.tags),
            "confusions": scores.confused(counts, self.tags),
        }
        if self.scheme != "none":
            tables["spans"] = scores.span_rows(self._spans(examples, outputs))
        drawn = scores.frequent(counts, self.tags)
        return Findings(tables, {"confusion": lambda figure: draw_confusion(figure, *drawn)})

    def mistakes(self, examples: Sequence[Example], outputs: Sequence[Any], most: int) -> list[Mistake]:
        """The sentences with most wrong tags, each wrong one beside its word."""
        wrong = [(path != one.target).tolist() for one, path in zip(examples, outputs, strict=True)]
        found = []
        for place in largest([sum(each) for each in wrong], most):
            words, there, off = self.symbols(examples[place]), examples[place].target, wrong[place]
            said, right = (
                " ".join(f"{word}/{tag}" for word, tag, bad in zip(words, tags, off, strict=True) if bad)
                for tags in (self._named(outputs[place]), self._named(there))
            )
            counts = {"wrong tags": sum(off), "words": len(off)}
            found.append(Mistake(place, said, right, counts, " ".join(words)))
        return found

    def source_text(self, record: Record) -> str:
        """The tokens, with spaces between them."""
        return " ".join(token_columns.cells(record, self._input(record)))

    def predict(self, network: nn.Module, batch: Batch, scores: Tagged) -> list[Tensor]:
        """The numbers [T] of each sequence's tags: a field's likeliest sequence, or each likeliest tag."""
        emissions, lengths = scores.emissions.float(), batch.seq.lengths
        crf = scores.crf
        paths = emissions.argmax(2) if crf is None else crf.decode(emissions, lengths)
        whole = [len(paths)] * paths.shape[1] if lengths is None else lengths.tolist()
        return [path[:length] for path, length in zip(paths.t().cpu(), whole, strict=True)]

    def symbols(self, example: Example) -> list[str]:
        """The words of a sentence, as far as their characters are known."""
        return self.words.spelled(example.data.numpy())

    def evidence(
        self, network: nn.Module, examples: Sequence[Example], outputs: Sequence[Any]
    ) -> list[Evidence]:
        """The scores of moves from tag to tag."""
        assert isinstance(network, TagNetwork)
        return [] if network.crf is None else [plots.evidence(network.crf, self.tags)]

    @property
    def reads(self) -> str:
        """Tokens."""
        return "tokens"

    def record(self, value: Any, where: str) -> Record:
        """A sentence: a list of tokens, or a text with spaces between them."""
        return Record({self.columns.input: value}, where)

    def answer(self, output: Tensor, record: Record) -> dict[str, Any]:
        """The tags, under the name of the column that they fill, and the tokens."""
        name = self._input(record)
        return {self.columns.target: self._named(output), name: token_columns.cells(record, name)}

    @torch.inference_mode()
    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """A sentence of the training part, each word with its predicted tag."""
        words = self._preview.split(" ")
        (example,) = self.encode([Record({"tokens": words}, "preview")], Purpose.PREDICT)
        batch = Batch(Seq(example.data[:, None].to(next(network.parameters()).device)), example.target)
        (path,) = self.predict(network, batch, network(batch.seq)[0])
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, self._named(path), strict=True))

    def streamer(self, network: nn.Module) -> TagStreamer:
        """The network as a stream; see `Streaming`."""
        assert isinstance(network, TagNetwork)
        encoder.in_one_direction(network.recurrent, "tag", "tag.bidirectional")
        if self.is_crf:
            got = "a field over tags (CRF), whose likeliest tags depend on what comes after them"
            remedy = "train with tag.output = softmax"
            raise TaskError("a stream of the task 'tag'", got, expected="a softmax", remedy=remedy)
        return TagStreamer(self.words, self.tags, self.columns, network, network.recurrent)

    def usage(self) -> list[str]:
        """Commands that tag, and measure a model."""
        return ["elman predict {name} other.conllu", "elman eval {name} other.conllu"]

    def _field(self) -> Crf:
        """The field over tags; what their scheme forbids has no probability."""
        if self.scheme not in spans.SCHEMES:
            return Crf(len(self.tags))
        moves, starts, ends = map(torch.from_numpy, spans.allowed(self.scheme, self.tags))
        return Crf(len(self.tags), allowed=moves, starts=starts, ends=ends)

    def _input(self, record: Record) -> str:
        """The column to read: the one that was learnt from, else the usual one of the record."""
        named = (self.columns.input, *INPUTS)
        return next((name for name in named if name in record.fields), self.columns.input)

    def _target(self, record: Record, count: int) -> Tensor:
        tags = token_columns.cells(record, self.columns.target, count)
        strange = next((tag for tag in tags if tag not in self._numbers), None)
        if strange is not None and (self._options.unseen == "error" or self.scheme != "none"):
            mend = "If it is right, train with tag.unseen=mistake" if self.scheme == "none" else ""
            raise token_columns.stranger(record, tags, strange, self.tags, otherwise=mend)
        if self.is_crf and self.scheme in spans.SCHEMES:
            token_columns.check_scheme(record, tags, self.scheme)
        return torch.tensor([self._numbers.get(tag, _UNSEEN) for tag in tags])

    def _named(self, numbers: Tensor) -> list[str]:
        return ["?" if number == _UNSEEN else self.tags[number] for number in numbers.tolist()]

    def _spans(self, examples: Sequence[Example], outputs: Sequence[Tensor]) -> dict[str, spans.SpanCounts]:
        return spans.compare((self._named(e.target) for e in examples), map(self._named, outputs))

    def _scores(self, examples: Sequence[Example], outputs: Sequence[Tensor]) -> Scores:
        known = torch.cat([example.data[:, 0] > 0 for example in examples]).numpy()
        told = scores.accuracies(_targets(examples), torch.cat(list(outputs)).numpy(), known)
        if self.scheme == "none":
            return told
        counts = spans.total(self._spans(examples, outputs))
        return {"span_f1": counts.f1, "precision": counts.precision, "recall": counts.recall, **told}


def _targets(examples: Sequence[Example]) -> Any:
    return torch.cat([example.target for example in examples]).numpy()


def _flat(examples: Sequence[Example]) -> tuple[Any, Any]:
    """The numbers of all words, and of their tags."""
    return torch.cat([example.data[:, 0] for example in examples]).numpy(), _targets(examples)


def _content(text: str, where: object) -> dict[str, Any]:
    remedy = "restore it from a copy, or train anew"
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(where, f"damaged: not valid JSON at line {error.lineno}", remedy=remedy) from error
    kinds = {"input": str, "target": str, "scheme": str, "preview": str, "tags": list, "words": dict}
    for name, kind in kinds.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            raise RunError(where, f"damaged: no entry {name!r}", remedy=remedy)
    return content
