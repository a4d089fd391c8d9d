"""All kinds of input."""

from __future__ import annotations

from fuzz.base import Kind
from fuzz.commands import Filters, Settings
from fuzz.kills import Kills
from fuzz.readers import READERS
from fuzz.runs import Loaded, Resumed
from fuzz.server import Messages, Requests
from fuzz.streams import Streams

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *READERS,
        Loaded(),
        Resumed(),
        Streams(),
        Requests(),
        Messages(),
        Filters(),
        Settings(),
        Kills(),
    )
}
