"""A task's own settings as bare options of `elman train`: --horizon 24, as in Python horizon=24."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from elman.core.errors import ConfigError

OWN = "--own"
"""The option, of which nobody hears, that takes them to the command as name=value."""


def placed(tokens: Sequence[str], known: Collection[str]) -> list[str]:
    """Return the tokens of `elman train` with settings of tasks in a form that it takes.

    Args:
        tokens: after the command's name.
        known: the options that the command has, without their hyphens.

    Raises:
        ConfigError: an option that no task has either.
    """
    found: list[str] = []
    rest = list(tokens)
    while rest:
        token = rest.pop(0)
        name, equals, value = token.removeprefix("--").partition("=")
        bare = name.removeprefix("no-")
        if token == "--":
            return [*found, token, *rest]
        if not token.startswith("--") or name in known or bare in known or "." in name:
            found.append(token)
            continue
        kind = _kind(name if name == bare else bare, _task(tokens), token)
        if kind == "bool":
            flag = rest.pop(0) if not equals and rest and rest[0] in ("true", "false") else value or "true"
            value = flag if name == bare else "false"
        elif not equals:
            if not rest:
                raise ConfigError(token, "nothing after it", expected="a value")
            value = rest.pop(0)
        found += [OWN, f"{bare.replace('-', '_')}={json.dumps(value) if kind == 'str' else value}"]
    return found


def _task(tokens: Sequence[str]) -> str:
    """Return the task that is named among the tokens, if one is."""
    for token, after in zip(tokens, [*tokens[1:], ""], strict=True):
        if token == "--task" or token.startswith("--task="):
            return token.partition("=")[2] or after
    return ""


def _kind(name: str, task: str, token: str) -> str:
    """Return the type of a setting, by the task that is named or else by any that has it."""
    from elman.tasks import settings_index

    name = name.replace("-", "_")
    owners = settings_index.owners(name)
    if not owners:
        raise ConfigError(
            token.partition("=")[0], "an unknown option", remedy=settings_index.hint(name, option=True)
        )
    return str(owners.get(task, next(iter(owners.values()))).type)
