"""Language modelling: each symbol predicts the next one. One to many by generation, many to many in step."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError
from elman.core.records import Batch, Example, Record, Seq, State
from elman.core.run_config import DataSettings, RunConfig
from elman.data.batching import IGNORED
from elman.decoding import completion, ngram_lm, sampling
from elman.decoding.options import SamplingOptions
from elman.inputs.text import vocab
from elman.inputs.text.vocab import Vocab, WordVocab
from elman.streaming.base import Completing, Composing
from elman.tasks.abilities import Calibratable, Exportable, NamesSteps
from elman.tasks.base import Choice, Findings, Loss, Parted, Parts, Purpose, Scores, Task
from elman.tasks.language import recipe
from elman.tasks.language.graph import GRAPHS
from elman.tasks.language.network import LanguageNetwork
from elman.tasks.language.settings import LanguageConfig
from elman.tasks.language.spelling import Spelling
from elman.tasks.language.stream import LanguageStreamer
from elman.tasks.language.writer import Writer

_NGRAM_ORDER = {"char": 6, "byte": 6, "bpe": 4, "word": 3}
_BEAM = 64
"""Unfinished words that a search for completions keeps."""


@dataclass(frozen=True)
class LanguageExample(Example):
    """A text, and what its symbols do not tell.

    Args:
        unknown: how many of the targets are unknown symbols.
        spelled: nats of spelling these.
    """

    unknown: int = 0
    spelled: float = 0.0


class Language(Task[LanguageConfig], Calibratable, NamesSteps, Composing, Completing, Writer, Exportable):
    """A language model over characters, bytes, words or subwords of one text."""

    Config = LanguageConfig
    graphs = GRAPHS
    formats = ("text", "sample")
    continuous = True

    def __init__(self, run: RunConfig[LanguageConfig], symbols: Vocab, spelling: Spelling) -> None:
        self._run, self._options, self.vocab, self._spelling = run, run.options, symbols, spelling

    @classmethod
    def matches(cls, record: Record) -> bool:
        """Whether the record is a text and nothing else."""
        return set(record.fields) == {"text"}

    @classmethod
    def split(cls, records: Sequence[Record], data: DataSettings) -> Parts:
        """The text cut by characters: first what is learnt from, then `valid`, then `test`."""
        if not data.valid and not data.valid_path:
            raise ConfigError("data.valid", "0", expected="more than 0", remedy="a language model needs one")
        text = _text(records)
        cuts = [round(len(text) * (1 - data.valid - data.test)), round(len(text) * (1 - data.test))]
        pieces = text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :]
        where = records[0].where
        for name, piece in zip(("train", "valid"), pieces, strict=False):
            if len(piece) < 2:
                remedy = "give more text" if name == "train" else "give more text or a larger data.valid"
                raise DataError(
                    where, f"{len(text)} characters", expected=f"enough for a {name} part", remedy=remedy
                )
        return Parts(*([Record({"text": piece}, where)] if piece else [] for piece in pieces))

    @classmethod
    def recipe(cls, records: Sequence[Record], run: RunConfig[LanguageConfig]) -> Sequence[Choice]:
        """Return the settings that suit the data: see `elman.tasks.language.recipe`."""
        share = (
            1 - (0 if run.data.valid_path else run.data.valid) - (0 if run.data.test_path else run.data.test)
        )
        length = round(share * sum(len(record.fields["text"]) for record in records))
        return list(recipe.choices(length, run)) if run.data.unit in ("auto", "char") else []

    @classmethod
    def prepare(cls, records: Sequence[Record], run: RunConfig[LanguageConfig]) -> Self:
        """The task with its vocabulary learnt from the training text."""
        data = run.data
        texts = [record.fields["text"] for record in records]
        unit = "char" if data.unit == "auto" else data.unit
        symbols = vocab.learn_as(data, unit, texts)
        return cls(run, symbols, Spelling.learn(symbols, texts))

    @classmethod
    def restore(cls, text: str, run: RunConfig[LanguageConfig], where: object) -> Self:
        """The task with the vocabulary that `text` describes."""
        symbols = vocab.from_text(text, where)
        with json_schema.rebuilding(where):
            content = json.loads(text)
            spelling = Spelling.restore(symbols, content.pop("spelling", {}))
            if extra := content.keys() - json.loads(vocab.to_text(symbols)).keys():
                raise ValueError(f"an unknown entry {min(extra)!r:.60}")
        return cls(run, symbols, spelling)

    def to_text(self) -> str:
        """The vocabulary as JSON, with what tells how words that it lacks are spelled."""
        if not self._spelling.counts:
            return vocab.to_text(self.vocab)
        content = {**json.loads(vocab.to_text(self.vocab)), "spelling": self._spelling.counts}
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def describe(self) -> dict[str, str]:
        """What a symbol is, and how many there are."""
        return {"symbols": f"{len(self.vocab):,} of the unit {self.vocab.unit}"}

    def build(self) -> LanguageNetwork:
        """A fresh network for this vocabulary.

        Raises:
            ConfigError: a setting that does not fit the others.
        """
        if self._options.tie and self._run.training.calibrate:
            raise ConfigError(
                "training.calibrate",
                "language.tie = true beside it",
                expected="one of the two",
                remedy="a tied output layer cannot be softened alone",
            )
        return LanguageNetwork(
            len(self.vocab), self._run.network, tie=self._options.tie, unknown=self.vocab.unknown
        )

    def encode(self, records: Sequence[Record], use: Purpose = Purpose.SCORE) -> list[Example]:
        """The joined text as one example: symbols [N - 1], each with its successor as target.

        Raises:
            DataError: fewer than two symbols.
        """
        text = self.vocab.normal(_text(records))
        symbols = torch.from_numpy(self.vocab.encode(text, where=records[0].where)).long()
        if len(symbols) < 2:
            raise DataError(records[0].where, f"{len(symbols)} symbols", expected="at least 2 to predict one")
        if use is Purpose.TRAIN or self.vocab.unknown is None or not (symbols == self.vocab.unknown).any():
            first = self.vocab.decode(symbols[:1].tolist())
            return [LanguageExample(symbols[:-1], symbols[1:], len(text) - len(first))]
        words = self.vocab.words(text)
        places = (1 + (symbols[1:] == self.vocab.unknown).nonzero()[:, 0]).tolist()
        strange = [words[place] for place in places]
        spelled = sum(map(self._spelling.nats, strange))
        size = len(text) - len(words[0])
        return [LanguageExample(symbols[:-1], symbols[1:], size, len(strange), spelled)]

    @property
    def selection_metric(self) -> str:
        """The loss, of which the scores are functions."""
        return "loss"

    def loss(self, scores: Tensor, batch: Batch) -> Loss:
        """Cross-entropy in nats, summed over the targets that count."""
        targets = batch.targets.flatten()
        nats = F.cross_entropy(scores.flatten(0, 1).float(), targets, ignore_index=IGNORED, reduction="sum")
        return Loss(nats, int((batch.targets != IGNORED).sum()))

    def objective(self, scores: Tensor, batch: Batch) -> Loss:
        """The loss itself."""
        return self.loss(scores, batch)

    def scores(self, examples: Sequence[Example], outputs: Sequence[Any], nats: float, count: int) -> Scores:
        """Bits per character and perplexity per symbol; perplexity first for words and subwords.

        Where symbols are unknown, their share, and the bits per character with those of spelling them.
        """
        size = max(1, sum(example.size for example in examples))
        named = {
            "bits_per_char": nats / math.log(2) / size,
            "perplexity": math.exp(min(nats / max(count, 1), 700.0)),
        }
        order = sorted(named, reverse=self.vocab.unit in ("word", "bpe"))
        texts = [example for example in examples if isinstance(example, LanguageExample)]
        told = {name: named[name] for name in order}
        if unknown := sum(text.unknown for text in texts):
            spelled = sum(text.spelled for text in texts)
            told |= {
                "bits_per_char_spelled": (nats + spelled) / math.log(2) / size,
                "unknown": unknown / max(count, 1),
            }
        return {**told, "loss": nats / max(count, 1)}

    def baselines(self, train: Sequence[Example], parts: Parted[Example]) -> dict[str, dict[str, Scores]]:
        """A unigram and an n-gram model (interpolated Kneser-Ney with back-off) on the same symbols.

        The n is that which says most of the last tenth of the training part after the rest of it.
        """
        ids, size = _ids(train[0]), len(self.vocab)
        order = ngram_lm.best_order(ids, size, _NGRAM_ORDER[self.vocab.unit])
        model = ngram_lm.KneserNeyLM(ids, size, order)
        return {part: self._counted(model, examples) for part, examples in parts.items()}

    def findings(self, examples: Sequence[Example], outputs: Sequence[Any]) -> Findings:
        """Nothing: the scores say it all."""
        return Findings({}, {})

    @torch.no_grad()
    def soften(self, network: nn.Module, temperature: float) -> None:
        """Divide the output layer by `temperature`; see `Calibratable`."""
        assert isinstance(network, LanguageNetwork)
        network.output.weight.div_(temperature)
        network.output.bias.div_(temperature)

    def preview(self, network: nn.Module, shown: Sequence[Example], seed: int) -> str:
        """A line of text that the network writes from nothing, with its line ends shown."""
        how = SamplingOptions(temperature=0.8, top_p=0.95, seed=seed)
        pieces = self.write(network, "", self._options.preview, how)
        return "".join(pieces).strip().replace("\n", "⏎")

    @torch.inference_mode()
    def write(
        self,
        network: nn.Module,
        prompt: str,
        length: int,
        how: SamplingOptions,
    ) -> Iterator[str]:
        """The `length` symbols that follow `prompt` (none: a line's start), one by one, in constant memory.

        Raises:
            VocabError: a character of the prompt that the vocabulary lacks.
        """
        scores, state = self._read(network, prompt)
        generator = torch.Generator(scores.device)
        generator.manual_seed(how.seed) if how.seed is not None else generator.seed()
        symbols = sampling.generate(
            _stepper(network),
            scores,
            state,
            generator=generator,
            banned=[] if self.vocab.unknown is None else [self.vocab.unknown],
            **how.filters(),
        )
        decoder = vocab.SymbolDecoder(self.vocab)
        for symbol in islice(symbols, length):
            yield decoder.feed(int(symbol))
        yield decoder.flush()

    @torch.inference_mode()
    def complete(self, network: nn.Module, text: str, count: int) -> list[tuple[str, float]]:
        """The likeliest next words after `text`, by a beam over symbols, with their probabilities.

        Where `text` ends inside a word, that word is completed.

        Raises:
            VocabError: a character of the text that the vocabulary lacks.
            ConfigError: `count` is below 1.
        """
        before, begun = completion.split_word(self.vocab.normal(text))
        begun = self.vocab.spaced(begun) if isinstance(self.vocab, WordVocab) else begun
        scores, state = self._read(network, before)
        step, width = _stepper(network), max(_BEAM, 4 * count)
        return completion.completions(
            step, scores, state, self.vocab.pieces, prefix=begun.encode(), count=count, width=width
        )

    def symbols(self, example: Example) -> list[str]:
        """The text of each symbol."""
        return [self.vocab.decode([symbol]) for symbol in example.data.tolist()]

    def streamer(self, network: nn.Module) -> LanguageStreamer:
        """The network as a stream; see `Streaming`."""
        assert isinstance(network, LanguageNetwork)
        parts = network.embedding, network.recurrent, network.output
        return LanguageStreamer(self.vocab, *parts, self._start())

    def usage(self) -> list[str]:
        """Commands that write with a model, complete, and evaluate it."""
        return [
            'elman sample {name} --prompt "The " --length 400',
            "elman complete {name}",
            "elman eval {name} other.txt",
        ]

    def _counted(self, model: ngram_lm.KneserNeyLM, examples: Sequence[Example]) -> dict[str, Scores]:
        """The scores of the lowest and of the highest order; the first symbol is not a target."""
        nats, count = model.nats(_ids(examples[0]), first=1), len(examples[0].target)
        names = {"unigram": 0} | ({f"{model.order}-gram": model.order - 1} if model.order > 1 else {})
        return {name: self.scores(examples, (), float(nats[order]), count) for name, order in names.items()}

    def _read(self, network: nn.Module, text: str) -> tuple[Tensor, State]:
        """Scores [1, V] of what follows `text`, and the state after it."""
        symbols = self._prompt(text or self._start())
        column = torch.from_numpy(symbols).long()[:, None].to(next(network.parameters()).device)
        scores, state = network(Seq(column))
        return scores[-1], state

    def _prompt(self, text: str) -> np.ndarray:
        """The symbols of a text that is gone on with; an unknown one is refused where none was learnt from.

        The first word may be known with a space before it, or without.
        """
        learnt = self._run.data.min_count > 1 or self._run.data.vocab_size or self._run.network.symbol_dropout
        return self.vocab.encode(text, where="prompt", strict=not learnt, near=True)

    def _start(self) -> str:
        """What a text is taken to come after: a line's end, where the vocabulary has one."""
        pieces = [piece for piece in self.vocab.pieces if piece]
        return (b"\n" if b"\n" in pieces else pieces[0]).decode("utf-8", "replace")


def _stepper(network: nn.Module) -> sampling.Step:
    """One step of the network, as the searches call it: symbols [B] -> scores [B, V]."""

    def step(symbols: Tensor, state: State) -> tuple[Tensor, State]:
        scores, state = network(Seq(symbols[None]), state)
        return scores[0], state

    return step


def _text(records: Sequence[Record]) -> str:
    for record in records:
        if not isinstance(record.fields.get("text"), str):
            got = f"columns {', '.join(map(repr, record.fields))}"
            remedy = "leave --format out, or choose another task"
            raise DataError(record.where, got, expected="a text and nothing else", remedy=remedy)
    return "\n".join(record.fields["text"] for record in records)


def _ids(example: Example) -> np.ndarray:
    """All symbols of an example, its last target among them."""
    return torch.cat([example.data[:1], example.target]).numpy()
