"""Digests inside the files of a run, so that damage is detected.

A text of JSON has its digest as its last entry; how tensors have it, `tensors` knows. Settings have none, for
they may be changed by hand. Texts without one, of an older Elman, are taken as they are.
"""

from __future__ import annotations

import hashlib
import re

from elman.core.errors import RunError

NONE = "0" * 64
"""What stands in the place of a digest while it is computed."""

REMEDY = "restore the file from a copy of the run"
"""What helps against damage."""

_TAIL = 512
"""Characters at the end of a text among which its digest stands."""
_END = re.compile(r"(\s*)\}\s*\Z")
_ENTRY = re.compile(r',\s+"digest": "([0-9a-f]{64})"(\s*\}\s*)\Z')


def of(data: bytes) -> str:
    """Return the digest of some bytes: SHA-256 (NIST 2015), in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sealed(text: str) -> str:
    """Return a text of JSON, an object that is not empty, with its digest; any other text as it is."""
    text = text.encode("utf-8", "backslashreplace").decode()  # as a file has it: its bytes are what counts
    end = _END.search(text, max(0, len(text) - _TAIL))
    if not end or not text.startswith("{") or text[: end.start()].endswith("{"):
        return text
    space = "\n " if "\n" in end[1] else " "
    return f'{text[: end.start()]},{space}"digest": "{of(text.encode())}"{text[end.start() :]}'


def opened(text: str, where: object, remedy: str = REMEDY) -> str:
    """Return the text that was sealed; one that never was, as it is.

    Raises:
        RunError: it is not as it was written.
    """
    found = _ENTRY.search(text, max(0, len(text) - _TAIL))
    if not found and '"digest"' not in text[-_TAIL:]:
        return text
    bare = text[: found.start()] + found[2] if found else text
    if not found or of(bare.encode("utf-8", "surrogatepass")) != found[1]:
        raise RunError(where, "damaged (not what was written: the digest differs)", remedy=remedy)
    return bare
