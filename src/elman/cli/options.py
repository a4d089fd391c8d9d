"""What commands have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, field, fields, make_dataclass
from typing import Annotated, Any, TypeAlias

from cyclopts import Group, Parameter, Token

from elman.core.run_config import DataSettings, Reading
from elman.core.settings import Settings


def _whole(kind: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number, where the parser itself rounds 2.5."""
    text = tokens[0].value.strip()
    if re.fullmatch(r"[+-]?0[xob]\w+", text, re.IGNORECASE):
        return int(text, 0)
    if re.fullmatch(r"[+-]?[\d_]+", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise ValueError(f'expected a whole number, got "{text}"')
    return int(number)


Whole: TypeAlias = Annotated[int, Parameter(converter=_whole)]
"""An option that is a whole number."""

_KINDS = {"int": int, "float": float, "str": str, "bool": bool}


def options_class(
    section: type[Settings],
    *,
    without: Container[str] = (),
    usual: Mapping[str, str] = {},
    about: Mapping[str, str] = {},
) -> Any:
    """Make the class of a command's parameter that takes a section's settings as options.

    Args:
        section: the settings.
        without: names of settings that the command has no option for.
        usual: texts in the help in place of some defaults.
        about: texts in the help in place of some explanations.
    """
    rows = [row for row in options(section, usual, about) if row[0] not in without]
    return make_dataclass(
        section.__name__, rows, frozen=True, kw_only=True, namespace={"__module__": __name__}
    )


def given(chosen: Any) -> dict[str, Any]:
    """Return the options that were given, by their names."""
    return {name: value for name, value in asdict(chosen).items() if value is not None}


def options(
    section: type[Settings], usual: Mapping[str, str] = {}, about: Mapping[str, str] = {}
) -> list[tuple[str, Any, Any]]:
    """Make options of the command line from the section's settings; None where one is not given."""
    group = Group(section.section.capitalize())
    rows = []
    for setting in fields(section):
        choices, default = setting.metadata["choices"], setting.default
        text = about.get(setting.name, setting.metadata["doc"]) + (
            f": {', '.join(choices)}" if choices else ""
        )
        text += "" if default is None or default == "" else f" (default: {usual.get(setting.name, default)})"
        kind = _KINDS[str(setting.type).removesuffix(" | None")]
        convert = _whole if kind is int else None
        parameter = Parameter(help=text, group=group, show_default=False, converter=convert)
        rows.append((setting.name, Annotated[kind | None, parameter], field(default=None)))
    return rows


_NAMED = {"target": "to be predicted", "group": "that name sequences", "time": "that orders their rows"}

ReadingOptions: Any = options_class(
    DataSettings,
    without={setting.name for setting in fields(DataSettings)} - set(Reading.__annotations__),
    usual={"header": "as the settings of the run say", "dates": "as in the training data"},
    about={
        "strict": "refuse DATA with a record that cannot be used, instead of leaving it out and saying so",
        "input": "columns of DATA to read, if their names are not those that the model learnt from",
        **{name: f"the same for columns {words}" for name, words in _NAMED.items()},
    },
)
"""How a file is read that is not learnt from: `elman.core.run_config.Reading`."""
