"""The process that serves: it begins, and it ends well: what is asked is answered first, streams are kept."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from elman.core.graceful_stop import GracefulStop
from elman.server.limits import Limits

_COMMON = ("Invalid UTF-8", "ASGI callable returned without completing handshake")
"""Log lines of uvicorn about messages that are not text, and about each refused WebSocket."""
_MORE = 64
"""Connections beyond those of streams and waiting requests, for the page and for those who watch."""


class _Server(uvicorn.Server):
    """A server that ends when Ctrl-C or SIGTERM has come."""

    def __init__(self, config: uvicorn.Config, interrupt: GracefulStop, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._interrupt, self._ending = interrupt, ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # pyrefly: ignore[bad-override]
        """Capture no signals: `GracefulStop` listens."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end."""
        return await super().on_tick(counter) or self._interrupt.seen

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it ends, then answer what is asked still."""
        self._ending()
        await super().shutdown(sockets)


def serve(
    app: ASGIApp, listening: socket.socket, bounds: Limits, *, ending: Callable[[], None] = lambda: None
) -> None:
    """Serve until Ctrl-C or SIGTERM, which lets requests be answered first; a second Ctrl-C ends at once.

    Args:
        app: what answers.
        listening: where; it is closed in the end.
        bounds: what those who ask may take.
        ending: called when it begins to end.
    """
    config = uvicorn.Config(
        app,
        loop="auto",  # uvloop, where it is installed
        http="h11",
        ws="websockets-sansio",
        ws_max_size=bounds.body,
        ws_per_message_deflate=False,  # a message is small, and compressing it takes longer than its step
        limit_concurrency=bounds.streams + bounds.queue + _MORE,
        timeout_graceful_shutdown=math.ceil(bounds.seconds),
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="on",
    )
    gc.collect()
    gc.freeze()  # the models stay; to look for garbage among them again and again would hold up requests
    logging.getLogger("uvicorn.error").addFilter(_tells)
    with GracefulStop() as interrupt, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_Server(config, interrupt, ending).serve([listening]))


def _tells(record: logging.LogRecord) -> bool:
    """Return whether that is worth a line: not what any client can cause again and again."""
    return not record.msg.startswith(_COMMON)
