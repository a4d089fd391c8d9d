"""The settings that the data suggest: a task's recipe, followed where a user has set nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from elman.core import run_config
from elman.core.records import Record
from elman.core.run_config import RunConfig
from elman.tasks import registry
from elman.tasks.base import Choice


class Recipe(NamedTuple):
    """The settings of a run, and those among them that the data have a say in.

    Args:
        run: the settings.
        choices: what was chosen from the data.
        kept: what would have been chosen, had a user not set it.
    """

    run: RunConfig
    choices: Sequence[Choice]
    kept: Sequence[Choice]

    def words(self) -> str:
        """Return the choices in one line; "" where there are none."""
        chosen = ", ".join(f"{choice.setting.partition('.')[2]} {choice.value}" for choice in self.choices)
        return f"recipe: {chosen}; elman train --explain says why" if chosen else ""

    def to_toml(self) -> str:
        """Return the choices as the sections of a settings file, each with its reason."""
        return "\n".join(self._lines()).lstrip("\n")

    def _lines(self) -> Iterator[str]:
        why = {choice.setting: choice.reason for choice in self.choices}
        why |= {choice.setting: "set by you" for choice in self.kept}
        if self.run.complete:
            yield "# Nothing is chosen from the data: the settings file says all, the rest has its default."
        elif not why:
            yield f"# Nothing is chosen from the data: the task {self.run.task} has its usual settings."
        for section in self.run.sections:
            rows = [name for name in vars(section) if f"{section.section}.{name}" in why]
            yield from ["", f"[{section.section}]"] if rows else []
            for name in rows:
                value = run_config.toml_value(getattr(section, name))
                yield f"{name} = {value}  # {why[f'{section.section}.{name}']}"


def follow(run: RunConfig, records: Sequence[Record]) -> Recipe:
    """Return the settings that suit the records of `data.path`; what a user set stays as it is.

    A settings file with a section network or training stays as it is, too; the rest has its default.
    """
    choices = [] if run.complete else registry.get(run.task).recipe(records, run)
    free = [choice for choice in choices if choice.setting not in run.given]
    kept = [choice for choice in choices if choice.setting in run.given]
    return Recipe(run.but({choice.setting: choice.value for choice in free}), free, kept)
