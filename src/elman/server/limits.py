"""Per-client limits of the server. Imports nothing from it."""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class Limits(Settings):
    """What a request may take. Whatever is beyond is refused with a clear answer."""

    section = "bounds"

    body: int = option(1 << 20, "maximum bytes of a request body or stream message", low=1024)
    steps: int = option(10_000, "maximum steps of a sequence, received or generated", low=1)
    values: int = option(256, "maximum values per request", low=1)
    streams: int = option(256, "maximum streams, including those that can still be resumed", low=1)
    seconds: float = option(30.0, "maximum seconds per request", above=0)
    idle: float = option(600.0, "seconds that a stream waits for a message, and can be resumed", above=0)
    queue: int = option(256, "maximum queued requests", low=1)
    together: int = option(64, "maximum requests computed as one batch", low=1)
