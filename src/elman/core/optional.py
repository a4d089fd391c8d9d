"""Optional libraries: whether one is installed, and what to install where it is not."""

from __future__ import annotations

from importlib.util import find_spec

from elman.core.errors import ElmanError, TaskError


def is_installed(module: str) -> bool:
    """Return whether a library is installed; it is not imported."""
    return find_spec(module) is not None


def require(
    module: str,
    extra: str,
    where: object,
    *,
    got: str = "",
    instead: str = "",
    error: type[ElmanError] = TaskError,
) -> None:
    """See that an optional library is installed.

    Args:
        module: of the library.
        extra: of Elman, that installs it.
        where: what needs it.
        got: what is wrong without it, in words; empty: that it is not installed.
        instead: what else can be done, after "pip install ...".
        error: the class of the error.

    Raises:
        ElmanError: of that class: it is not installed.
    """
    if not is_installed(module):
        got, also = got or f"{module} is not installed", f", {instead}" if instead else ""
        raise error(where, got, remedy=f"pip install 'elman[{extra}]'{also}")
