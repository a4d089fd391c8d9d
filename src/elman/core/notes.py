"""What a user should know of data that are taken all the same: a warning of Python, which commands hear."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from elman.core.errors import DataWarning


def note(text: str) -> None:
    """Issue one line as a warning."""
    warnings.warn(text, DataWarning, stacklevel=3)


@contextmanager
def forward(report: Callable[[str], None]) -> Iterator[None]:
    """Pass each new note in the `with` block to `report`; other warnings go where they went."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        others, last = warnings.showwarning, ""

        def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            nonlocal last
            if issubclass(category, DataWarning):
                if str(message) != last:
                    report(last := str(message))
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield
