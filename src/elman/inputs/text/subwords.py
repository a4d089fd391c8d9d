"""Subwords: byte-pair encoding, learnt and applied by SentencePiece."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, final

import numpy as np

from elman.core.errors import ConfigError
from elman.inputs.text.symbols import BYTES, SURROGATE, Vocab, broken, damaged, empty

SPACE = "\u2581"
"""How SentencePiece writes a space. A text that holds this very character gets it back: it goes as bytes."""

BPE_SIZE, BPE_LEAST = 2000, 260
# Written as bytes, between the stretches that SentencePiece encodes.
_SPLICED = re.compile(rb"(\n|\xe2\x96\x81)")
# No part of a learnt subword: SentencePiece keeps some of them for itself, and a subword ends with its line.
_UNTAUGHT = re.compile(f"[\0\n\r\t{SPACE}\u2585]+")
_COMMON = 0.9995  # of the text is written in characters and subwords; that is SentencePiece's own choice
_SENTENCE = 4096  # characters; the trainer cannot count beyond 65,535 in one word


@final
class BpeVocab(Vocab):
    """Byte-pair encoding by SentencePiece (Sennrich et al., 2016; Kudo and Richardson, 2018).

    The first 256 symbols are the bytes, for whatever the learnt subwords cannot write. So nothing is unknown,
    and every text comes back as it was.
    """

    unit = "bpe"

    def __init__(self, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        processor = SentencePieceProcessor()
        processor.LoadFromSerializedProto(model)
        # Symbol 0 of the model is its <unk>, needless beside the bytes: all numbers move down by one.
        names = [processor.IdToPiece(number) for number in range(1, processor.GetPieceSize())]
        self.pieces = BYTES + [name.replace(SPACE, " ").encode() for name in names[len(BYTES) :]]
        self.unknown = None
        self._model, self._processor = model, processor

    def _ids(self, text: str) -> np.ndarray:
        parts = _SPLICED.split(text.encode())
        # One by one: a list has threads started for it, which takes longer than a line.
        numbers: list[list[int]] = [self._processor.Encode(part, out_type=int) for part in parts]
        numbers[1::2] = [[byte + 1 for byte in part] for part in parts[1::2]]
        return np.fromiter(chain.from_iterable(numbers), np.int32) - np.int32(1)

    def _split(self, text: str) -> Sequence[str]:
        raise AssertionError("no subword is unknown")

    def _content(self) -> dict[str, Any]:
        return {"size": len(self), "model": base64.b64encode(self._model).decode()}

    @classmethod
    def _learn(cls, texts: Iterable[str], size: int, min_count: int) -> Vocab:
        size = size or BPE_SIZE
        if size < BPE_LEAST:
            raise ConfigError(
                "vocab_size",
                str(size),
                expected=f"at least {BPE_LEAST} for the unit bpe (256 bytes, and characters)",
                remedy="ask for more, or use --unit byte",
            )
        return cls(_train_bpe(_lines(texts), size))

    @classmethod
    def _restore(cls, content: dict[str, Any], where: object) -> Vocab:
        try:
            vocab = cls(base64.b64decode(content["model"], validate=True))
        except KeyError as error:
            raise damaged(where, "no entry 'model'") from error
        except (TypeError, binascii.Error) as error:
            raise damaged(where, "the model is not valid base64") from error
        except (RuntimeError, UnicodeDecodeError) as error:
            raise damaged(where, "the model is not one of SentencePiece") from error
        if len(vocab) != content.get("size"):
            raise damaged(where, f"the model has {len(vocab)} symbols, 'size' says {content.get('size')}")
        return vocab


def _lines(texts: Iterable[str]) -> list[str]:
    """What subwords are learnt from: the stretches between newlines and what else stays bytes."""
    lines, some = [], False
    for text in texts:
        some = some or bool(text)
        if not text.isascii() and SURROGATE.search(text):
            raise broken(text, "text")
        lines += filter(None, _UNTAUGHT.split(text))
    if not some:
        raise empty()
    return lines


def _sentences(lines: list[str], most: int) -> Iterator[str]:
    """The lines as the trainer bears them: of at most `most` different characters, none too long.

    It fails where the characters leave no room for subwords; rare ones are as well written in bytes.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line)
    ranked = sorted(counts, key=lambda char: (-counts[char], char))
    sums = accumulate((counts[char] for char in ranked[: most - 1]), initial=0)
    kept = sum(before < _COMMON * counts.total() for before in sums)
    rare = dict.fromkeys(map(ord, ranked[kept:]), "\n")
    for line in chain.from_iterable(line.translate(rare).split("\n") for line in lines):
        yield from (line[start : start + _SENTENCE] for start in range(0, len(line), _SENTENCE))


def _train_bpe(lines: list[str], size: int) -> bytes:
    """A SentencePiece model, serialized, of at most `size` symbols and its <unk>."""
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.Train(
        sentence_iterator=_sentences(lines or [" "], (size - len(BYTES)) // 2),
        model_writer=model,
        model_type="bpe",
        vocab_size=size + 1,
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars=SPACE,  # a space has no byte to fall back on, being written as another character
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        max_sentence_length=4 * _SENTENCE,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    return model.getvalue()
