"""A tagger as a stream: each token's tag by what came before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from elman.core import json_schema
from elman.core.errors import DataError, TaskError
from elman.core.records import Seq, State
from elman.inputs.incremental import IncrementalEncoder
from elman.nn.recurrent import Recurrent
from elman.streaming.base import IncrementalDecoder, LineProtocol, ModuleRunner, StreamCodec, Streamer
from elman.tasks.tag.token_columns import TokenColumns
from elman.tasks.tag.words import TaggerWords

_LONGEST = 1 << 16
"""Characters, at most, that wait for the end of a token; memory is bounded by them."""


class TaggedToken(NamedTuple):
    """The output for a token: log probabilities [K] of its tags."""

    token: str
    logp: Tensor


@final
class TagStreamer(Streamer):
    """Log probabilities of each token's tags; the state is the layers'.

    Args:
        words: what the training part had.
        tags: the K tags.
        columns: how tokens and tags are called.
        network: a `TagNetwork` without a field over its scores.
        recurrent: its layers.
    """

    def __init__(
        self,
        words: TaggerWords,
        tags: Sequence[str],
        columns: TokenColumns,
        network: nn.Module,
        recurrent: Recurrent,
    ) -> None:
        self._words, self._tags, self._columns = words, tags, columns
        self._network, self._recurrent = network, recurrent

    @property
    def hidden(self) -> int:
        return self._recurrent.cell.states

    def start(self, begin: Any) -> State:
        """See `Streamer`: it starts from nothing."""
        if begin:
            raise TaskError("start", repr(begin), expected="nothing, of a tagger")
        return tuple(s.detach().clone() for s in self._recurrent.initial(1))

    def ends(self, begin: Any) -> StreamCodec:
        encoder = TokenEncoder(self._words)
        return StreamCodec(encoder, _Named(encoder))

    @torch.no_grad()
    def run(self, seq: Seq, state: State) -> tuple[Tensor, State]:
        said, after = self._network(seq, state)
        return said.emissions.log_softmax(-1), after

    def runner(self, state: State) -> ModuleRunner:
        return ModuleRunner(self, state, self._recurrent.weight_hh_l0)

    def answer(self, output: TaggedToken) -> dict[str, Any]:
        """The likeliest tag and the token, under the names of their columns, and the tag's probability."""
        best = int(output.logp.argmax())
        p = round(float(output.logp[best].exp()), 6)
        return {self._columns.target: self._tags[best], "probability": p, self._columns.input: output.token}

    def lines(self, state: State) -> LineProtocol:
        """The tags and tokens of each line."""

        def answer(_: str, outputs: list[TaggedToken]) -> dict[str, Any]:
            tags = [self._tags[int(output.logp.argmax())] for output in outputs]
            return {self._columns.target: tags, self._columns.input: [output.token for output in outputs]}

        return LineProtocol(read=str, answer=answer)


class _TagKept(NamedTuple):
    held: Annotated[str, ("maxLength", _LONGEST)]


@final
class TokenEncoder(IncrementalEncoder):
    """Tokens of a text, with spaces between them, or of lists.

    Args:
        words: what the training part had.

    Attributes:
        taken: the tokens that were read and have no output yet, in their order.
    """

    def __init__(self, words: TaggerWords) -> None:
        self._words, self._pending = words, ""
        self.taken: deque[str] = deque()

    def encode_step(self, x: Any) -> Tensor:
        """See `IncrementalEncoder`: a token."""
        if self._pending or not isinstance(x, str) or not x or x != x.strip():
            after = f" after {self._pending!r:.40}, a part of a token" if self._pending else ""
            remedy = "feed(...) takes texts and lists of tokens"
            raise DataError("a step of tokens", f"{x!r:.40}{after}", expected="one token", remedy=remedy)
        return self._encoded([x])[0]

    def encode(self, chunk: Any) -> Tensor:
        if not isinstance(chunk, str):
            return self._encoded(self._listed(chunk))
        text = self._pending + chunk
        found = text.split()
        held = found.pop() if found and not text[-1].isspace() else ""
        if len(held) > _LONGEST:
            got = f"{len(held):,} characters without a space"
            raise DataError("a piece of tokens", got, expected=f"at most {_LONGEST:,}")
        data = self._encoded(found)
        self._pending = held
        return data

    def flush(self) -> Tensor:
        found, self._pending = [self._pending] * bool(self._pending), ""
        return self._encoded(found)

    def content(self) -> dict[str, Any]:
        return {"held": self._pending}

    def restore(self, content: dict[str, Any]) -> None:
        (self._pending,) = json_schema.build(_TagKept, content)

    def _listed(self, chunk: Any) -> list[str]:
        if self._pending:
            got = f"a list after {self._pending!r:.40}, a part of a token"
            raise DataError("a piece of tokens", got, remedy="finish() first")
        if not isinstance(chunk, list | tuple) or not all(isinstance(t, str) and t.strip() for t in chunk):
            raise DataError("a piece of tokens", f"{chunk!r:.40}", expected="a text, or a list of tokens")
        return list(chunk)

    def _encoded(self, tokens: list[str]) -> Tensor:
        if not tokens:
            return torch.zeros(0, 1 + self._words.longest, dtype=torch.int64)
        data = torch.from_numpy(self._words.encode(tokens)).long()
        self.taken.extend(tokens)
        return data


@final
class _Named(IncrementalDecoder):
    """Returns each token with its output.

    Args:
        tokens: where they come in.
    """

    def __init__(self, tokens: TokenEncoder) -> None:
        self._tokens = tokens

    def decode(self, raw: Tensor) -> TaggedToken:
        return TaggedToken(self._tokens.taken.popleft(), raw)

    def flush(self) -> list[Any]:
        return []

    def content(self) -> dict[str, Any]:
        return {}

    def restore(self, content: dict[str, Any]) -> None:
        """See `IncrementalDecoder`."""
