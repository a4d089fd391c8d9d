"""`elman train` and `elman init`."""

from __future__ import annotations

from dataclasses import asdict, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from elman.cli.options import options
from elman.cli.task_options import OWN
from elman.core.errors import ConfigError
from elman.core.run_config import SECTIONS
from elman.core.settings import parse_value
from elman.tasks import registry

Options: Any = make_dataclass(
    "Options",
    [row for section in SECTIONS for row in options(section) if row[0] != "path"],
    frozen=True,
    kw_only=True,
    namespace={"__module__": __name__},
)
_NONE = Options()
KNOWN = frozenset(
    name.replace("_", "-")
    for name in (
        *(field.name for field in fields(Options)),
        "task",
        "out",
        "resume",
        "config",
        "explain",
        "set",
        "help",
    )
)
"""What `elman train` has for options beside the settings of single tasks."""
_TASK = f"Kind of problem: {registry.listed(list(registry.TASKS))}; inferred from the data if not given."


def train(
    data: str | None = None,
    /,
    *,
    task: Annotated[str | None, Parameter(help=_TASK)] = None,
    out: Path | None = None,
    resume: Path | None = None,
    config: Path | None = None,
    explain: Annotated[bool, Parameter(negative=())] = False,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)] = (),
    own: Annotated[tuple[str, ...], Parameter(name=OWN, negative=(), show=False)] = (),
    chosen: Annotated[Options, Parameter(name="*")] = _NONE,
) -> None:
    """Train a network on a file, a folder or sample:NAME (none: the task's own sample, or the built-in text).

    Defaults of settings are those of a language model; elman init --task NAME writes down another task's, and
    its own settings, which are options here too: --task forecast --horizon 24.

    Parameters
    ----------
    data
        What to learn from.
    out
        Folder to make for the run; the next free one below runs/ if not given.
    resume
        Run folder to go on with. Settings of training may stand beside it: more --epochs for a run that is
        finished, a lower --lr for one that diverged.
    config
        TOML file with settings, as elman init writes it; options here prevail over it.
    explain
        Print the settings that are chosen from the data, and why, without training.
    set_
        A setting as section.key=value, such as training.lr=0.01; may be given again and again.
    own
        A setting of the task's own, as name=value.
    """
    given = {key: value for key, value in asdict(chosen).items() if value is not None}
    if resume and (data or task or out or config or explain):
        remedy = "a run keeps its data and its task; settings of training may be given"
        raise ConfigError("--resume", "data, --task, --out, --config or --explain beside it", remedy=remedy)
    given |= {name: parse_value(value) for name, _, value in (text.partition("=") for text in own)}
    # Settings are checked before torch is loaded: a wrong word is answered at once.
    for section in SECTIONS:
        known = {setting.name for setting in fields(section)}
        section.of({key: value for key, value in given.items() if key in known})
    from elman.core.console import shown
    from elman.runs.folder import RunFolder
    from elman.training import resolve
    from elman.training import train as training_train

    if resume:
        model = training_train.continue_run(resume, shown(), given, set_)
    else:
        run, choice = resolve.resolve(data, task, config, given, set_)
        if explain:
            print(f"# {choice.words}")
            print(training_train.recipe_of(run, choice).to_toml())
            return
        model = training_train.begin(run, out, shown(), choice)
    if not RunFolder(model.path).finished:
        raise KeyboardInterrupt


def init(path: Path = Path("elman.toml"), /, *, task: str = "language", force: bool = False) -> None:
    """Write a commented file with all settings and their defaults, for elman train --config.

    Parameters
    ----------
    path
        The file to write.
    task
        Kind of problem whose settings to write.
    force
        Replace a file that is there.
    """
    if path.exists() and not force:
        raise ConfigError(path, "a file that is there already", remedy="another name, or --force")
    from elman.core import atomic_files
    from elman.core.run_config import RunConfig

    atomic_files.write_text(path, RunConfig.of({}, registry.get(task).Config).to_toml())
    print(f"wrote {path}; train with: elman train --config {path}")
