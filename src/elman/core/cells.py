"""What a cell of a table holds."""

from __future__ import annotations

from typing import Any


def is_empty(cell: object) -> bool:
    """Whether a cell holds nothing but spaces."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def is_number(cell: Any) -> bool:
    """Whether a cell is a number or the text of one, not-a-number and infinity among them."""
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
