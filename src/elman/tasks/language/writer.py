"""Writing on from a prompt, and completing words: what a task needs for it, and what a user gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from elman.core.json_schema import Schema
from elman.decoding.options import SamplingOptions
from elman.tasks.abilities import Ability
from elman.tasks.model import Model, check_counts
from elman.tasks.operations import (
    COUNT,
    NUMBER,
    TEXT,
    Operation,
    Request,
    RequestLimits,
    StreamingOperation,
    all_together,
    list_of,
    object_of,
    options_of,
    warm,
)


class WriterModel(Model):
    """A model that writes text and completes words."""

    def write(
        self,
        prompt: str = "",
        length: int = 400,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The text that follows `prompt`, piece by piece as it is written, in constant memory.

        Args:
            prompt: what the text begins with; it is not repeated.
            length: symbols (characters, words, ...) to write.
            temperature: below 1 the likely becomes likelier, 0 takes the likeliest always.
            top_k: choose among that many likeliest symbols only; 0: among all.
            top_p: choose among the likeliest that together have this probability (Holtzman et al. 2020).
            seed: the same seed writes the same text; None: another text each time.

        Raises:
            TaskError: the task does not write.
            VocabError: a character of the prompt is unknown to the model.
            ConfigError: a setting is out of bounds.
        """
        writer = self._able(Writer)
        check_counts(length=length, seed=seed)
        how = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        return writer.write(self.network, prompt, length, how)

    def sample(
        self,
        prompt: str = "",
        length: int = 400,
        *,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> str:
        """The text that follows `prompt`, whole; arguments and errors as for `write`."""
        pieces = self.write(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
        return "".join(pieces)

    def complete(self, text: str, count: int = 5) -> list[tuple[str, float]]:
        """The `count` likeliest next words after `text` with their probabilities, the likeliest first.

        Where `text` ends inside a word, the words begin with what is there of it.

        Raises:
            TaskError: the task does not complete.
            VocabError: a character of the text is unknown to the model.
        """
        check_counts(count=count)
        return self._able(Writer).complete(self.network, text, count)


def _to_write(model: WriterModel, limits: RequestLimits) -> Schema:
    prompt = {
        "type": "string",
        "maxLength": limits.steps,
        "default": "",
        "description": "what it begins with",
    }
    length = {"type": "integer", "minimum": 0, "maximum": limits.steps, "default": min(400, limits.steps)}
    length |= {"description": "symbols to write"}
    return object_of({"prompt": prompt, "length": length, **options_of(SamplingOptions, limits)})


def _write(model: WriterModel, request: Request) -> Iterator[str]:
    return model.write(**warm(request))


def _to_complete(model: WriterModel, limits: RequestLimits) -> Schema:
    text = {"type": "string", "maxLength": limits.steps, "description": "what was typed"}
    return object_of({"text": text, "count": COUNT | {"default": 5, "description": "how many words"}})


def _complete(model: WriterModel, limits: RequestLimits, requests: Sequence[Request]) -> list[Any]:
    return [
        {
            "words": [
                {"word": word, "probability": round(probability, 6)}
                for word, probability in model.complete(request["text"], request["count"])
            ]
        }
        for request in requests
    ]


_WORD = object_of({"word": TEXT, "probability": NUMBER})
_SAMPLE = object_of({"text": {"type": "string", "description": "what follows the prompt"}})
_PIECE = object_of({"text": {"type": "string", "description": "the next piece; empty at the end"}})

COMPLETE = Operation(
    name="complete",
    about="Tell the likeliest next words.",
    takes=_to_complete,
    gives=object_of({"words": list_of(_WORD)}),
    together=all_together,
    run=_complete,
)
SAMPLE = StreamingOperation(
    name="sample",
    about="Write a text, and send it whole.",
    takes=_to_write,
    gives=_SAMPLE,
    begin=_write,
    whole=True,
)
WRITE = StreamingOperation(
    name="write",
    about="Write a text, and send each piece as it is there: a line of JSON each.",
    takes=_to_write,
    gives=_PIECE,
    begin=_write,
    whole=False,
)


class Writer(Ability):
    """A task whose models can write sequences and complete what was begun.

    Networks come in evaluation mode.
    """

    lacks = "a task that does not write"
    methods = WriterModel
    operations = (COMPLETE, SAMPLE, WRITE)

    @property
    def stream_kind(self) -> str:
        return "text"

    @abstractmethod
    def write(
        self,
        network: nn.Module,
        prompt: str,
        length: int,
        how: SamplingOptions,
    ) -> Iterator[str]:
        """The text that follows `prompt`, piece by piece."""

    @abstractmethod
    def complete(self, network: nn.Module, text: str, count: int) -> list[tuple[str, float]]:
        """The likeliest next words after `text` with their probabilities, the likeliest first."""
