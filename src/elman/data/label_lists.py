"""Several labels in one cell: as a list that is written out, or with a separator between them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

_SEPARATORS = ("|", ";", ",")
_LONGEST = 40
"""Characters of a label, at most, where separators are looked for."""


def listed(value: Any, separator: str = "") -> Any:
    """The list that a text is, as JSON or Python writes it, or its labels between separators; else the value.

    Args:
        value: a cell, such as `["a", "b"]` or `a|b`.
        separator: between labels; "": there are none.
    """
    if not isinstance(value, str):
        return value
    if separator:
        return [part.strip() for part in value.split(separator) if part.strip()]
    if not (value.startswith("[") and value.endswith("]")):
        return value
    try:
        found = json.loads(value.replace("'", '"'))
    except (ValueError, RecursionError):
        return value
    return found if all(isinstance(each, str | int) for each in found) else value


def separator(cells: Sequence[Any]) -> str:
    """What stands between the labels of cells such as `war|love`; "", if each is one label.

    It stands in a fifth of the cells at least; the labels between are short, fewer than the different cells,
    and most of them are found in several of these.
    """
    texts = {cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()}
    for sign in _SEPARATORS:
        whole = [cell for cell in cells if isinstance(cell, str) and sign in cell]
        if 5 * len(whole) < len(cells) or not whole:
            continue
        sets = [{part.strip() for part in text.split(sign)} for text in texts]
        parts = set().union(*sets)
        shared = sum(sum(part in each for each in sets) > 1 for part in parts)
        short = all(part and len(part) <= _LONGEST for part in parts)
        if short and len(parts) < len(texts) and 2 * shared > len(parts):
            return sign
    return ""
