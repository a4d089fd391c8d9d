"""The inputs: a raw value becomes a sequence in a tensor, of symbols or of features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from elman.core.errors import DataError, RunError, nearest
from elman.core.records import RawValue
from elman.core.run_config import RunConfig
from elman.inputs.base import Input
from elman.inputs.image import Image
from elman.inputs.signals.signal_input import Signal
from elman.inputs.text.text_input import Text

# In this order they are asked whether a value is theirs: a picture is read as a signal, by rows or pixels,
# unless a task asks for `Image`.
INPUTS: dict[str, type[Input]] = {member.name: member for member in (Signal, Text, Image)}


def takes(value: Any) -> bool:
    """Whether some input reads such a value."""
    return name_of(value) != ""


def name_of(value: Any) -> str:
    """The name of the input that reads such a value; empty, if none does."""
    return next((name for name, member in INPUTS.items() if member.takes(value)), "")


def learn(values: Sequence[RawValue], run: RunConfig) -> Input:
    """The input that reads values such as the first one, learnt from all of them.

    Args:
        values: of the training part, at least one.
        run: the settings.

    Raises:
        DataError: no input reads such a value, or one is broken.
    """
    first = values[0]
    if name := name_of(first.value):
        return INPUTS[name].learn(values, run)
    raise DataError(
        first.where,
        f"an input of the type {type(first.value).__name__}",
        expected="a text, numbers, or the path of a sound or a picture",
        remedy="name the column with --input",
    )


def to_content(member: Input) -> dict[str, Any]:
    """The input in terms of JSON."""
    return {"input": member.name, **member.content()}


def restore(content: dict[str, Any], run: RunConfig, where: object) -> Input:
    """The input that `to_content` described.

    Raises:
        RunError: the description is damaged, or of an input that is not known.
    """
    content = dict(content)
    name = content.pop("input", None)
    if name not in INPUTS:
        raise RunError(where, f"an unknown input {json.dumps(name):.60}", remedy=nearest(str(name), INPUTS))
    return INPUTS[name].restore(content, run, where)
