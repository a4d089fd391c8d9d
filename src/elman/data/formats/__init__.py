"""The formats: a path, or the name of a sample, becomes records; records and their answers become lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.data.formats.base import Format, write_json_lines
    from elman.data.formats.registry import AUTO, FORMATS, exists, find, names, read
    from elman.data.samples.registry import SAMPLES

__all__ = [
    "AUTO",
    "FORMATS",
    "SAMPLES",
    "Format",
    "exists",
    "find",
    "names",
    "read",
    "write_json_lines",
]

__getattr__ = lazy_names(
    __name__,
    {
        "AUTO": "elman.data.formats.registry",
        "FORMATS": "elman.data.formats.registry",
        "Format": "elman.data.formats.base",
        "SAMPLES": "elman.data.samples.registry",
        "exists": "elman.data.formats.registry",
        "find": "elman.data.formats.registry",
        "names": "elman.data.formats.registry",
        "read": "elman.data.formats.registry",
        "write_json_lines": "elman.data.formats.base",
    },
)
