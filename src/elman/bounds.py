"""What one who asks a server may take of it. It knows no server."""

from __future__ import annotations

from dataclasses import dataclass

from elman.config import Settings, option


@dataclass(frozen=True, kw_only=True)
class Bounds(Settings):
    """What a request may take. Whatever is beyond is refused with a clear answer."""

    section = "bounds"

    body: int = option(1 << 20, "bytes of a request's body, and of a stream's message", low=1024)
    steps: int = option(10_000, "steps of a sequence that is sent, and that is written", low=1)
    values: int = option(256, "values of one request", low=1)
    streams: int = option(256, "streams at once, those that wait to be taken up among them", low=1)
    seconds: float = option(30.0, "seconds that a request may take", above=0)
    idle: float = option(600.0, "seconds that a stream waits for a message, and to be taken up", above=0)
    queue: int = option(256, "requests that may wait for their turn", low=1)
    together: int = option(64, "requests that are computed as one batch", low=1)
