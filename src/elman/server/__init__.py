"""Models at work for others: HTTP, a WebSocket per stream, and a page to try them.

    page, health, metrics, models, openapi.json        GET
    models/NAME/predict, complete, translate, ...      POST, the model's operations
    models/NAME/stream                                 a WebSocket

The loop reads, checks, sends, and computes single steps; one thread computes the rest. What arrives together
is computed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.server.app import Application, serve
    from elman.server.limits import Limits

__all__ = [
    "Application",
    "Limits",
    "serve",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Application": "elman.server.app",
        "Limits": "elman.server.limits",
        "serve": "elman.server.app",
    },
)
