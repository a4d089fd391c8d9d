"""Declare settings: options with a default, bounds and an explanation, and tables of them in TOML."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from elman.core.errors import ConfigError, nearest
from elman.core.json_schema import shown

FORMAT = 1
"""The version of the run folder's layout; a run of a newer one is refused."""


def option(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    most: int = 10**9,
    choices: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    among: tuple[str, ...] = (),
    later: bool = False,
) -> Any:
    """Declare a dataclass field, its explanation and bounds: low <= value <= high, above < value < below.

    No whole number may be above `most`, beyond which nothing can come of it but the end of the memory. An
    option that came `later` is left out of fingerprints at its default, so that what was saved before fits.

    A setting that `needs` others has an effect only where one of these is on, or has a value `among` some.
    """
    bounds = {"low": low, "above": above, "high": high, "below": below, "choices": choices}
    meta = {"doc": doc, "most": most, "needs": (needs, among), "later": later, **bounds}
    return dataclasses.field(default=default, metadata=meta)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One section of the settings. A subclass names its `section` and its fields by `option`.

    A task's own section may have `defaults` for the common ones: section -> setting -> value.
    """

    section: ClassVar[str]
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _typed(self, field)
            object.__setattr__(self, field.name, value)
            _check_bounds(f"{self.section}.{field.name}", value, field.metadata)

    def but(self, **changes: Any) -> Self:
        """Return the settings with these changed; none of them counts as read by that."""
        return type(self)(**{**vars(self), **changes})

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Make the section that `table` describes; an error about an unknown key names the nearest one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in table:
            if key not in known:
                raise ConfigError(f"{cls.section}.{key}", "an unknown setting", remedy=nearest(key, known))
        return cls(**table)


def fingerprint(section: Settings) -> str:
    """Return a section in words that stay the same when settings are added: see `option`."""
    kept = [
        f"{field.name}={value!r}"
        for field in dataclasses.fields(section)
        if (value := getattr(section, field.name)) != field.default or not field.metadata["later"]
    ]
    return f"{type(section).__name__}({', '.join(kept)})"


def read_tables(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file.

    Raises:
        ConfigError: there is no such file, or it is not valid TOML (with line and column).
    """
    try:
        return _checked(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(path, "no such file", remedy="elman init writes one") from None
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(path, "not valid TOML: values nested too deep") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"not valid TOML: {error}") from error
    except ValueError as error:  # of whole numbers, which TOML bounds
        raise ConfigError(path, "not valid TOML: a whole number of more than 64 bits") from error


def _checked(tables: dict[str, Any]) -> dict[str, Any]:
    """Check that the whole numbers of the tables are of 64 bits, as TOML has them.

    Raises:
        ValueError: one has more.
    """
    values: list[Any] = [tables]
    while values:
        value = values.pop()
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and value.bit_length() > 63:
            raise ValueError("a whole number of more than 64 bits")
    return tables


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested tables: a later one's keys replace an earlier one's."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = merge(merged[key], value) if both else value
    return merged


def parse_override(text: str) -> dict[str, Any]:
    """Return the nested table of one `section.key=value`; a value that is not TOML is taken as a string.

    Raises:
        ConfigError: the text has another form.
    """
    match = re.fullmatch(r"\s*([\w-]+)\.([\w-]+)\s*=\s*(.*?)\s*", text, re.DOTALL)
    if not match:
        raise ConfigError("--set", repr(text), expected="section.key=value, such as training.lr=0.01")
    section, key, value = match.groups()
    return {section: {key.replace("-", "_"): parse_value(value)}}


def parse_value(text: str) -> Any:
    """Return the value that a text is in TOML; one that is not valid there is taken as a string."""
    try:
        return _checked(tomllib.loads(f"value = {text}"))["value"]
    except (ValueError, RecursionError):  # also of what has too many digits, or is nested too deep
        return text


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, bool) else shown(value)


_KINDS = {"int": "a whole number", "float": "a number", "str": "a string", "bool": "true or false"}


def _typed(section: Settings, field: dataclasses.Field[Any]) -> Any:
    """Return the field's value in the type that it is declared with (an int serves as a float)."""
    value = vars(section)[field.name]
    kind = field.type if isinstance(field.type, str) else field.type.__name__
    if kind == "float" and type(value) is int and value.bit_length() < sys.float_info.max_exp:
        return float(value)
    if type(value).__name__ != kind or (kind == "float" and not math.isfinite(value)):
        raise ConfigError(f"{section.section}.{field.name}", _shown(value), expected=_KINDS[kind])
    return value


_BOUNDS = {
    "low": ("at least", operator.ge),
    "high": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}


def _check_bounds(where: str, value: Any, meta: Mapping[str, Any]) -> None:
    if meta["choices"] and value not in meta["choices"]:
        raise ConfigError(where, _shown(value), expected=f"one of {', '.join(meta['choices'])}")
    bounds = [
        (words, holds, meta[name]) for name, (words, holds) in _BOUNDS.items() if meta[name] is not None
    ]
    if not all(holds(value, bound) for _, holds, bound in bounds):
        expected = "a value " + " and ".join(f"{words} {bound:g}" for words, _, bound in bounds)
        raise ConfigError(where, _shown(value), expected=expected)
    if type(value) is int and value > meta["most"]:
        raise ConfigError(where, _shown(value), expected=f"at most {meta['most']:,}")
