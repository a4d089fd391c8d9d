"""Drawing sequences of numbers: what a task needs for it, and what a user gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import nn

from elman.core.json_schema import Schema
from elman.decoding.options import SamplingOptions
from elman.inputs import payloads
from elman.tasks.abilities import Ability
from elman.tasks.draw.result import Drawings, GeneratedSequence
from elman.tasks.model import Model, check_counts
from elman.tasks.operations import (
    COUNT,
    NUMBER,
    TEXT,
    WEIGHTS,
    Operation,
    Request,
    RequestLimits,
    alone,
    list_of,
    object_of,
    options_of,
    warm,
)


class DrawerModel(Model):
    """A model that makes sequences of numbers: drawings, music, curves."""

    def draw(
        self,
        count: int = 1,
        *,
        length: int = 400,
        start: str = "",
        prefix: Any = None,
        temperature: float = 0.8,
        seed: int | None = None,
    ) -> Drawings:
        """Drawings, pieces of music or other sequences, step by step in constant memory.

        Args:
            count: how many.
            length: most steps of each; strokes end by themselves, other sequences have exactly this many.
            start: a class or a text to start from, such as the model learnt; empty: nothing.
            prefix: steps [T, C] to go on from, in the data's own units, or the path of a `.npy` file.
            temperature: below 1 the likely becomes likelier, 0 takes the likeliest always.
            seed: the same seed draws the same; None: another each time.

        Raises:
            TaskError: the task does not draw.
            DataError: the start is unknown, or the prefix is no such sequence.
            ConfigError: a setting is out of bounds.
        """
        drawer = self._able(Drawer)
        check_counts(count=count, length=length, seed=seed)
        made = drawer.draw(
            self.network,
            count=count,
            length=length,
            start=start,
            prefix=prefix,
            temperature=temperature,
            seed=seed,
        )
        return Drawings(made)


def _to_draw(model: DrawerModel, limits: RequestLimits) -> Schema:
    prefix = {"anyOf": [{"type": "null"}, payloads.schema("steps", limits.steps)], "default": None}
    start = {"type": "string", "maxLength": min(limits.steps, 1000), "default": ""}
    sampling = options_of(SamplingOptions, limits)
    return object_of(
        {
            "count": COUNT | {"default": 1, "description": "how many"},
            "length": {"type": "integer", "minimum": 1, "maximum": limits.steps, "default": 400},
            "start": start | {"description": "a class or a text that they start from"},
            "prefix": prefix | {"description": "steps to go on from"},
            "temperature": sampling["temperature"],
            "seed": sampling["seed"],
        }
    )


def _draw(model: DrawerModel, limits: RequestLimits, requests: Sequence[Request]) -> list[Any]:
    return [
        {"drawings": [_drawing(one) for one in model.draw(**_with_prefix(request, limits))]}
        for request in requests
    ]


def _with_prefix(request: Request, limits: RequestLimits) -> dict[str, Any]:
    prefix = request["prefix"]
    if prefix is not None:
        prefix = payloads.decode_payload("steps", prefix, "prefix", limits.steps)
    return {**warm(request), "prefix": prefix}


def _drawing(drawing: GeneratedSequence) -> dict[str, Any]:
    window = None if drawing.window is None else drawing.window.round(4).tolist()
    return {
        "field": drawing.field,
        "steps": drawing.steps.tolist(),
        "start": drawing.start,
        "looks": window,
    }


_DRAWING = object_of(
    {
        "field": {"type": "string", "description": "what its steps are: strokes, notes, series"},
        "steps": list_of(list_of(NUMBER)),
        "start": TEXT,
        "looks": WEIGHTS,
    }
)

DRAW = Operation(
    name="draw",
    about="Draw, make music, make other sequences of numbers.",
    takes=_to_draw,
    gives=object_of({"drawings": list_of(_DRAWING)}),
    together=alone,
    run=_draw,
)


class Drawer(Ability):
    """A task whose models make sequences of numbers: drawings, music, curves.

    Networks come in evaluation mode.
    """

    lacks = "a task that does not draw"
    methods = DrawerModel
    operations = (DRAW,)

    @abstractmethod
    def draw(
        self,
        network: nn.Module,
        *,
        count: int,
        length: int,
        start: str,
        prefix: Any,
        temperature: float,
        seed: int | None,
    ) -> list[GeneratedSequence]:
        """Draw `count` sequences of at most `length` steps, from a start and after a prefix."""
