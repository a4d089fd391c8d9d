"""All kinds of input."""

from __future__ import annotations

from fuzz.base import Kind
from fuzz.readers import READERS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*READERS,)}
