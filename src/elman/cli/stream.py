"""`elman stream`: a trained model beside what comes in, line by line, for as long as it comes."""

from __future__ import annotations

import os
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from elman.core.errors import DataError, ElmanError, TaskError
from elman.core.graceful_stop import GracefulStop

if TYPE_CHECKING:
    from elman.streaming.stream import Stream


_MOST = 1 << 16
"""Bytes of sound that are taken at once, at most."""


def stream(
    run: Path,
    /,
    *,
    begin: Annotated[Path | None, Parameter(name="--from")] = None,
    save: Path | None = None,
    start: str = "",
    fresh: bool = False,
    encoding: str = "utf-8",
    device: str = "auto",
) -> None:
    """Answer standard input line by line, at once, with a state that goes on from each to the next.

    Each line is answered by a line of JSON: of text how surprising it was and what may follow, or its class
    so far, or its tags; of an observation (a number, or CSV of time and number) a forecast. To a model that
    reads sound come samples (16 bits, one channel, or a WAV file) in place of lines. Ctrl-C ends it.

    Parameters
    ----------
    run
        Run folder.
    begin
        File of a stream that was saved, to go on from.
    save
        File to keep the stream in, when it ends.
    start
        What it starts from: a class or a text of drawings, the name of a series.
    fresh
        Begin anew with every line.
    encoding
        How the text of standard input is encoded.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    from elman.data.formats.base import check_encoding
    from elman.runs.load import load

    check_encoding(encoding)
    if begin and start:
        raise TaskError("--start", f"{start!r} beside --from", remedy="leave one of them out")
    with load(run, device=device).stream(begin, start=start or None) as going:
        rate = going.lines().rate
        try:
            with GracefulStop() as asked:
                chunks = _chunks(asked)
                _answer(going, _sound(chunks, rate) if rate else _lines(chunks, encoding), fresh, rate)
        finally:
            if save:
                going.save(save)


def _answer(going: Stream, pieces: Iterator[Any], fresh: bool, rate: int) -> None:
    """Answer each piece as it comes, then the end, which the stream itself does not reach: it can go on."""
    number = 0
    for number, piece in enumerate(pieces, start=1):
        answer = _line_answer(going, piece, fresh)
        if answer or not rate:
            _put({"samples" if rate else "line": going.steps if rate else number, **answer})
    if number and (answer := going.lines().answer("", [] if fresh else going.fork().finish())):
        _put({"end": True, **answer})


def _line_answer(going: Stream, piece: Any, fresh: bool) -> dict[str, Any]:
    """Return the answers to a piece, or the error if it cannot be read."""
    lines = going.lines()
    try:
        outputs = going.feed(lines.read(piece) if isinstance(piece, str) else piece)
        if fresh:
            outputs += going.finish()
            going.reset()
    except ElmanError as error:
        return {"error": str(error)}
    return lines.answer(piece if isinstance(piece, str) else "", outputs)


def _put(answer: dict[str, Any]) -> None:
    from elman.data.formats.base import to_json

    sys.stdout.write(to_json(answer) + "\n")
    sys.stdout.flush()


def _chunks(asked: GracefulStop) -> Iterator[bytes]:
    """Yield what comes in, as it comes, until its end or Ctrl-C."""
    file = sys.stdin.fileno()
    while asked.wait(file) and (chunk := os.read(file, _MOST)):
        yield chunk


def _lines(chunks: Iterator[bytes], encoding: str) -> Iterator[str]:
    """Yield each line as soon as it arrives; invalid bytes become U+FFFD."""
    decoder, rest = getincrementaldecoder(encoding)("replace"), ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (line.removesuffix("\r") + "\n" for line in lines)
    if rest := rest + decoder.decode(b"", final=True):
        yield rest


def _sound(chunks: Iterator[bytes], rate: int) -> Iterator[Any]:
    """Yield samples [N] int16, as many as there are, without the head of a WAV file."""
    import numpy as np

    rest, begun = b"", False
    for chunk in chunks:
        rest += chunk
        if not begun:
            start = _head(rest, rate)
            if start is None:
                continue
            rest, begun = rest[start:], True
        whole = len(rest) // 2 * 2
        yield np.frombuffer(rest[:whole], "<i2")
        rest = rest[whole:]


def _head(content: bytes, rate: int) -> int | None:
    """Return how long the head of a WAV file is, 0 where there is none; None: that is not known yet.

    Raises:
        DataError: it is the head of other sound than what the model reads.
    """
    if content[:4] != b"RIFF"[: len(content)]:
        return 0
    data = content.find(b"data", 36)
    if (data < 0 or len(content) < data + 8) and len(content) < _MOST:
        return None
    channels, bits = (int.from_bytes(content[at : at + 2], "little") for at in (22, 34))
    found = int.from_bytes(content[24:28], "little")
    if (channels, bits, found) != (1, 16, rate) or data < 0:
        got = f"{channels} channels of {bits} bits at {found} Hz"
        remedy = f"convert it: ffmpeg -i IN -ac 1 -ar {rate} -c:a pcm_s16le OUT.wav"
        raise DataError("standard input", got, expected=f"1 channel of 16 bits at {rate} Hz", remedy=remedy)
    return data + 8
