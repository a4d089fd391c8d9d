"""Texts as what a decoder writes: symbols, the loss, the search for the likeliest, scores, baselines.

It is what tasks that write a sequence for each source have in common, whatever the source is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.core import json_schema
from elman.core.errors import ConfigError, DataError
from elman.core.optional import is_installed
from elman.core.records import Example
from elman.core.run_config import DataSettings
from elman.data.batching import IGNORED, edge
from elman.decoding import sampling
from elman.decoding.beam import beam
from elman.decoding.options import SearchOptions
from elman.inputs.text import vocab
from elman.inputs.text.text_input import prepared
from elman.inputs.text.vocab import Vocab
from elman.metrics import edit_distance
from elman.metrics.baselines.nearest_neighbour import nearest
from elman.nn.decoder import DecoderContext
from elman.tasks.abilities import Mistake, largest
from elman.tasks.seq2seq.settings import Seq2SeqSettings

_LENGTHS = 5
"""Groups of sources, of one size, whose scores are listed by their length."""

_END = "■"
_SHORTEST = 10
"""Symbols that may be written at least, however short the targets of the training part were."""


class TextHypothesis(NamedTuple):
    """A sequence that was written.

    Args:
        symbols: its numbers, without the border.
        logp: its log probability, after the prefix where one was given.
        score: what it was ranked by.
        attention: [T' + 1, T] weights of the source at each of its steps, the border last; or None.
    """

    symbols: list[int]
    logp: float
    score: float
    attention: Tensor | None = None


@dataclass(frozen=True)
class Seq2SeqExample(Example):
    """An example with its texts, which its symbols cannot always tell.

    Args:
        key: what two examples of the same source have in common; their texts are each right for it.
        text: the target as it stands in the data.
        source: the source as it stands there, if it is a text.
    """

    key: Hashable = None
    text: str = ""
    source: str = ""


class _TargetTextLearnt(NamedTuple):
    longest: Annotated[int, ("minimum", 1), ("maximum", 1 << 30)]
    vocabulary: dict[str, Any]


class TargetText:
    """Texts as targets of a decoder.

    Args:
        symbols: the vocabulary.
        options: the task's settings.
        lower: whether capitals are made small.
        longest: most symbols of a target of the training part.
        replaces: whether a source's word can stand where <unk> is written; else that is never written.
    """

    def __init__(
        self, symbols: Vocab, options: Seq2SeqSettings, *, lower: bool, longest: int, replaces: bool = False
    ) -> None:
        self.vocab, self.options, self._lower, self._replaces = symbols, options, lower, replaces
        self._longest = max(longest, _SHORTEST)

    @classmethod
    def learn(
        cls,
        symbols: Vocab,
        texts: Sequence[str],
        options: Seq2SeqSettings,
        data: DataSettings,
        *,
        replaces: bool = False,
    ) -> Self:
        """The wording of these texts in these symbols."""
        lengths = [len(symbols.encode(prepared(text, symbols.unit, data.lower))) for text in texts]
        longest = min(max(lengths), options.longest)
        return cls(symbols, options, lower=data.lower, longest=longest, replaces=replaces)

    @classmethod
    def restore(
        cls,
        content: Mapping[str, Any],
        options: Seq2SeqSettings,
        data: DataSettings,
        where: object,
        *,
        replaces: bool = False,
    ) -> Self:
        """The wording that gave `content`."""
        learnt = json_schema.build(_TargetTextLearnt, content)
        if learnt.longest > max(options.longest, _SHORTEST):
            raise ValueError(f"targets of {learnt.longest} symbols, above the settings' {options.longest}")
        symbols = vocab.from_text(json.dumps(learnt.vocabulary), where)
        return cls(symbols, options, lower=data.lower, longest=learnt.longest, replaces=replaces)

    def content(self) -> dict[str, Any]:
        """What `restore` needs, in terms of JSON."""
        return {"longest": self._longest, "vocabulary": json.loads(vocab.to_text(self.vocab))}

    def about(self) -> str:
        """The unit, and how many symbols there are."""
        return f"{len(self.vocab):,} symbols of the unit {self.vocab.unit}"

    def encode(self, text: str, where: str) -> Tensor:
        """The symbols [T'] of a target, with the border after them.

        Raises:
            DataError: it is empty, or longer than may be.
        """
        numbers = self.vocab.encode(prepared(text, self.vocab.unit, self._lower), where=where)
        if not len(numbers):
            raise DataError(where, "an empty target", expected="a text", remedy="leave the line out")
        numbers = bounded(numbers, "target", self.options, where)
        return F.pad(torch.from_numpy(numbers).long(), (0, 1), value=len(self.vocab))

    def text(self, line: TextHypothesis, words: Sequence[str] = ()) -> str:
        """The text that a line spells, with a source's `words` for what is unknown, if that is asked for."""
        if line.attention is None or not words or self.vocab.unknown not in line.symbols:
            return self.vocab.decode(line.symbols).strip()
        read = line.attention.argmax(1).tolist()
        pieces = [
            words[read[place]].encode() if symbol == self.vocab.unknown else self.vocab.pieces[symbol]
            for place, symbol in enumerate(line.symbols)
        ]
        return b"".join(pieces).decode("utf-8", "replace").strip()

    def symbols(self, line: TextHypothesis) -> list[str]:
        """The symbols of a line as they can be shown, with a sign for its end."""
        return [*(self.vocab.describe(symbol) for symbol in line.symbols), _END]

    def loss(self, reading: DecoderContext, targets: Tensor) -> tuple[Tensor, int]:
        """The cross-entropy in nats, summed, and over how many symbols."""
        return self._cross_entropy(reading, targets, sampled=0.0, smoothing=0.0)

    def ending(self, reading: DecoderContext, targets: Tensor, *, last: bool) -> Tensor:
        """The nats of the last symbol of each target, which is the border, or of the first."""
        kept = edge(targets, last=last) != IGNORED
        scores = reading.decoder.output(reading.teacher_force(targets)[kept])
        return F.cross_entropy(scores.float(), targets[kept], reduction="sum")

    def objective(self, reading: DecoderContext, targets: Tensor) -> tuple[Tensor, int]:
        """The cross-entropy with smoothed targets, of steps of which some may read what they wrote."""
        options = self.options
        return self._cross_entropy(reading, targets, sampled=options.sampled, smoothing=options.smoothing)

    def _cross_entropy(
        self, reading: DecoderContext, targets: Tensor, *, sampled: float, smoothing: float
    ) -> tuple[Tensor, int]:
        kept = targets != IGNORED  # the softmax takes most of the time: none for padding
        scores = reading.decoder.output(reading.teacher_force(targets, sampled)[kept])
        nats = F.cross_entropy(scores.float(), targets[kept], reduction="sum", label_smoothing=smoothing)
        return nats, len(scores)

    def usual(self) -> SearchOptions:
        """The search that the settings ask for."""
        return SearchOptions(beam=self.options.beam, length_penalty=self.options.length_penalty)

    @torch.no_grad()
    def write(
        self, reading: DecoderContext, how: SearchOptions, *, attention: bool = False
    ) -> list[list[TextHypothesis]]:
        """For each source the best lines, or drawn ones, the best first.

        Args:
            reading: sources that were read.
            how: the search.
            attention: whether to return the weights of each step.

        Raises:
            ConfigError: a setting of the search out of bounds.
            VocabError: a symbol of the prefix is unknown.
        """
        prefix = self._prefix(how.prefix, reading)
        before = [] if prefix is None else prefix.tolist()
        find = self._drawn if how.temperature else self._found
        lines = [
            [line._replace(symbols=before + line.symbols) for line in several]
            for several in find(reading, how, prefix)
        ]
        return self._with_attention(reading, lines) if attention or self._has_unknown(lines) else lines

    @property
    def _banned(self) -> list[int]:
        """The unknown symbol, unless something can stand in its place."""
        return [] if self.vocab.unknown is None or self._replaces else [self.vocab.unknown]

    def _has_unknown(self, lines: Sequence[Sequence[TextHypothesis]]) -> bool:
        return any(self.vocab.unknown in line.symbols for several in lines for line in several)

    def _prefix(self, text: str, reading: DecoderContext) -> Tensor | None:
        if not text:
            return None
        ready = prepared(text, self.vocab.unit, self._lower)
        numbers = self.vocab.encode(ready, where="prefix", strict=True)
        return torch.from_numpy(numbers).long().to(reading.state[0].device)

    def _found(
        self, reading: DecoderContext, how: SearchOptions, prefix: Tensor | None
    ) -> list[list[TextHypothesis]]:
        scores, state = reading.start(prefix)
        found = beam(
            reading.step_fn,
            scores,
            state,
            len(self.vocab),
            width=how.beam,
            limits=torch.full((len(scores),), self._longest),
            alpha=how.length_penalty,
            count=how.count,
            banned=self._banned,
        )
        return [
            [TextHypothesis(each.symbols, each.logp, each.score) for each in several] for several in found
        ]

    def _drawn(
        self, reading: DecoderContext, how: SearchOptions, prefix: Tensor | None
    ) -> list[list[TextHypothesis]]:
        if how.count < 1:
            raise ConfigError("count", str(how.count), expected="at least 1")
        scores, state = reading.start(prefix)
        border, sources = len(self.vocab), torch.arange(len(scores), device=scores.device)
        rows = sources.repeat_interleave(how.count)
        generator = torch.Generator(scores.device)
        generator.manual_seed(how.seed) if how.seed is not None else generator.seed()
        symbols = sampling.generate(
            reading.step_fn(rows),
            scores[rows],
            tuple(part[:, rows] for part in state),
            generator=generator,
            banned=self._banned,
            **how.filters(),
        )
        drawn, over = [], torch.zeros_like(rows, dtype=torch.bool)
        while len(drawn) < self._longest and not over.all():
            drawn.append(next(symbols))
            over |= drawn[-1] == border
        written = torch.stack([*drawn, torch.full_like(rows, border)])
        lengths = ((written == border).cumsum(0) == 0).sum(0)
        steps = torch.arange(len(written), device=rows.device)[:, None]
        targets = written.masked_fill(steps > lengths, IGNORED)
        logps = _logps(reading.rows(rows), targets, prefix).tolist()
        lines = [
            TextHypothesis(row[:length], logp, logp / (length + 1) ** how.length_penalty)
            for row, length, logp in zip(targets.t().tolist(), lengths.tolist(), logps, strict=True)
        ]
        return [lines[start : start + how.count] for start in range(0, len(lines), how.count)]

    def _with_attention(
        self, reading: DecoderContext, lines: Sequence[Sequence[TextHypothesis]]
    ) -> list[list[TextHypothesis]]:
        """The lines with what each step looked at, found by writing them once more."""
        device, border = reading.state[0].device, torch.tensor([len(self.vocab)])
        flat = [line for several in lines for line in several]
        owners = torch.tensor(
            [source for source, several in enumerate(lines) for _ in several], device=device
        )
        symbols = [torch.cat([torch.tensor(line.symbols, dtype=torch.int64), border]) for line in flat]
        reading = reading.rows(owners)
        weights = reading.attention_weights(torch.nn.utils.rnn.pad_sequence(symbols).to(device)).float().cpu()
        lengths = reading.memory.inside.sum(0).tolist()
        made = iter(
            line._replace(attention=weights[: len(own), row, :length])
            for row, (line, own, length) in enumerate(zip(flat, symbols, lengths, strict=True))
        )
        return [[next(made) for _ in several] for several in lines]

    def scores(self, examples: Sequence[Example], texts: Sequence[str]) -> dict[str, float]:
        """BLEU and chrF (with sacreBLEU), exact matches, the symbol error rate; the watched one first.

        Examples of one source count once, by the first of them; the target of each is right for it.
        """
        hypotheses, references = _by_source(examples, texts)
        found = (
            _sentence_scores(hypotheses, references, lower=self._lower) if is_installed("sacrebleu") else {}
        )
        exact = sum(self._same(text, right) for text, right in zip(hypotheses, references, strict=True))
        found["exact_match"] = exact / max(1, len(hypotheses))
        found["symbol_error_rate"] = self._errors(hypotheses, references)
        first = self.selection_metric()
        return {first: found.pop(first), **found} if first in found else found

    def mistakes(
        self, examples: Sequence[Example], texts: Sequence[str], lines: Sequence[TextHypothesis], most: int
    ) -> list[Mistake]:
        """The texts with most wrong symbols for their length, by the nearest reference, one for a source."""
        hypotheses, references = _by_source(examples, texts)
        firsts = {_pair(pair).key: place for place, pair in reversed([*enumerate(examples)])}
        places = [firsts[key] for key in dict.fromkeys(_pair(pair).key for pair in examples)]
        sizes = [
            0.0 if any(self._same(text, [right]) for right in rights) else self._errors([text], [rights])
            for text, rights in zip(hypotheses, references, strict=True)
        ]
        return [
            Mistake(
                places[at],
                hypotheses[at],
                references[at][0],
                {"symbol error rate": sizes[at], "probability": math.exp(lines[places[at]].logp)},
                _pair(examples[places[at]]).source,
            )
            for at in largest(sizes, most)
        ]

    def by_length(self, examples: Sequence[Example], texts: Sequence[str]) -> list[Sequence[object]]:
        """Return a table of the first score by the length of the source; the first row is its header."""
        order = sorted(range(len(examples)), key=lambda place: len(examples[place].data))
        size = max(1, -(-len(order) // _LENGTHS))
        rows: list[Sequence[object]] = []
        for start in range(0, len(order), size):
            places = order[start : start + size]
            some = [examples[place] for place in places]
            scores = self.scores(some, [texts[place] for place in places])
            name = next(iter(scores))
            if not rows:
                rows.append(("steps of the source", "examples", name.replace("_", " ")))
            rows.append((f"{len(some[0].data)} to {len(some[-1].data)}", len(some), scores[name]))
        return rows

    def shorter_bleus(self, examples: Sequence[Example], texts: Sequence[str]) -> dict[str, float]:
        """BLEU of n-grams up to 1, 2 and 3 words (with sacreBLEU); `scores` has that of 4."""
        if not is_installed("sacrebleu"):
            return {}
        hypotheses, references = _by_source(examples, texts)
        scorers = {f"bleu_{order}": _bleu(self._lower, order) for order in (1, 2, 3)}
        return _corpus_scores(scorers, hypotheses, references)

    def baselines(self, train: Sequence[Example], examples: Sequence[Example]) -> dict[str, dict[str, float]]:
        """The scores of a copy of the source, if that is a text, and of the target of the nearest source."""
        places = nearest([example.data for example in train], [example.data for example in examples])
        predictors = {"nearest training source": [_pair(train[place]).text for place in places]}
        if copies := [_pair(example).source for example in examples if _pair(example).source]:
            predictors["copy of the source"] = copies
        return {name: self.scores(examples, texts) for name, texts in predictors.items()}

    def selection_metric(self) -> str:
        """The score that selects the best epoch."""
        if self.options.watch != "auto":
            return self.options.watch
        words = self.vocab.unit in ("word", "bpe") and is_installed("sacrebleu")
        return "bleu" if words else "exact_match"

    def _same(self, text: str, right: Iterable[str]) -> bool:
        return self._plain(text) in map(self._plain, right)

    def _plain(self, text: str) -> str:
        """The text as the vocabulary sees it, with one space where there are several."""
        return " ".join((text.lower() if self._lower else text).split())

    def _errors(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """Symbols to change, over those that should be there, by the nearest reference of each."""
        pairs = [
            (self._symbols(right), self._symbols(text))
            for text, rights in zip(hypotheses, references, strict=True)
            for right in rights
        ]
        distances = iter(zip(edit_distance.edit_distances(pairs).tolist(), pairs, strict=True))
        wrong = there = 0
        for rights in references:
            nearest = min((next(distances) for _ in rights), key=lambda found: found[0])
            wrong, there = wrong + nearest[0], there + len(nearest[1][0])
        return wrong / max(1, there)

    def _symbols(self, text: str) -> Sequence[Hashable]:
        """Return the units of the text itself, in which unknown words stay distinct."""
        ready = prepared(self._plain(text), self.vocab.unit, self._lower)
        return ready.split() if self.vocab.unit in ("word", "bpe") else ready


def _by_source(examples: Sequence[Example], texts: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """For each source the first text that was written for it, and all that are right."""
    rights: dict[Hashable, list[str]] = {}
    firsts: dict[Hashable, str] = {}
    for pair, text in zip(examples, texts, strict=True):
        rights.setdefault(_pair(pair).key, []).append(_pair(pair).text)
        firsts.setdefault(_pair(pair).key, text)
    return list(firsts.values()), list(rights.values())


def _pair(example: Example) -> Seq2SeqExample:
    assert isinstance(example, Seq2SeqExample)
    return example


def bounded(numbers: Any, what: str, options: Seq2SeqSettings, where: str) -> Any:
    """The symbols [T] if they are no more than may be; else the first of them, or an error.

    Raises:
        DataError: they are too many, and `options.overlong` says so.
    """
    if len(numbers) <= options.longest:
        return numbers
    if options.overlong == "cut":
        return numbers[: options.longest]
    remedy = f"set {options.section}.longest, or {options.section}.overlong=cut"
    raise DataError(
        where, f"a {what} of {len(numbers):,} symbols", expected=f"at most {options.longest:,}", remedy=remedy
    )


def _logps(reading: DecoderContext, targets: Tensor, prefix: Tensor | None) -> Tensor:
    """[B] log probabilities of targets [T', B] after a prefix [P]."""
    before = targets[:0] if prefix is None else prefix[:, None].expand(-1, targets.shape[1])
    scores = reading.decoder.output(reading.teacher_force(torch.cat([before, targets]))[len(before) :])
    nats = F.cross_entropy(
        scores.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return -nats.view(targets.shape).sum(0)


def _scorers(lower: bool) -> dict[str, Any]:
    from sacrebleu import CHRF

    return {"bleu": _bleu(lower, 4), "chrf": CHRF(lowercase=lower)}


def _bleu(lower: bool, order: int) -> Any:
    from sacrebleu import BLEU

    return BLEU(lowercase=lower, max_ngram_order=order)


def _sentence_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, lower: bool
) -> dict[str, float]:
    """BLEU and chrF in percent (Papineni et al. 2002; Popović 2015)."""
    return _corpus_scores(_scorers(lower), hypotheses, references)


def _corpus_scores(
    scorers: Mapping[str, Any], hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    most = max(map(len, references))
    columns = [
        [several[place] if place < len(several) else None for several in references] for place in range(most)
    ]
    return {name: scorer.corpus_score(list(hypotheses), columns).score for name, scorer in scorers.items()}
