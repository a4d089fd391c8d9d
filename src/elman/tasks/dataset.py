"""What a run learns from and is measured on: files and settings -> the parts of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from elman.core import notes
from elman.core.records import Record
from elman.core.run_config import DataSettings, RunConfig
from elman.data import renaming
from elman.data.columns import Columns
from elman.data.formats import registry
from elman.data.formats.base import ReadingHints
from elman.data.long_tables import LongTable
from elman.tasks import registry as tasks_registry
from elman.tasks import selection
from elman.tasks.base import Parts


class Loaded(NamedTuple):
    """The records that a run's parts are made of.

    Args:
        records: those of data.path that can be used, with rows that are steps joined to sequences.
        table: how they were joined; None: they were not.
        columns: those guessed from all of the records, as `Task.guess_columns` has them.
    """

    records: list[Record]
    table: LongTable | None
    columns: Any


def load(run: RunConfig) -> Loaded:
    """Return the records of `data.path`, without those that cannot be used.

    Raises:
        DataError: a file cannot be read.
    """
    kind, given = tasks_registry.get(run.task), records(run.data.path, run.data, run.task)
    table = kind.arrange(given, run.data)
    given = joined(given, table)
    columns = kind.guess_columns(given, run.data)
    return Loaded(_whole(given, "in all", replace(run, columns=columns)), table, columns)


def load_parts(run: RunConfig, loaded: Loaded | None = None) -> Parts:
    """Return the records to train, validate and test with; a part with a file of its own takes no share.

    Args:
        run: the settings.
        loaded: what `load` gave; None: it is loaded here.

    Raises:
        DataError: a file cannot be read, or is too small for its parts.
    """
    data, task = run.data, run.task
    given, table, columns = loaded or load(run)
    test = records(data.test_path, data, task, table) if data.test_path else []
    if test and _is_unlabelled(test, columns, data):
        test = []
    rest = data.but(valid=0.0 if data.valid_path else data.valid, test=0.0 if test else data.test)
    parts = tasks_registry.get(task).split(given, rest)
    return Parts(
        _whole(parts.train, "to learn from", replace(run, columns=columns)),
        records(data.valid_path, data, task, table) if data.valid_path else parts.valid,
        test or parts.test,
    )


def _is_unlabelled(test: Sequence[Record], columns: Any, data: DataSettings) -> bool:
    """Return whether records to test on lack the target, as in competitions; a note reports it."""
    wanted = (columns.targets or (columns.target,)) if isinstance(columns, Columns) else ()
    missing = [name for name in wanted if name not in test[0].fields]
    if not missing or data.strict:
        return False
    share = f"a share of {data.path} is tested on" if data.test else "nothing is tested on"
    notes.note(f"{data.test_path}: no column {missing[0]!r} to test on; {share} (elman predict reads it)")
    return True


def _whole(given: list[Record], use: str, run: RunConfig) -> list[Record]:
    faults = tasks_registry.get(run.task).faults(given, run)
    if 2 * len(faults) > len(given):  # what is wrong is not some records: the task tells
        return given
    return selection.usable(given, faults, use, strict=run.data.strict)


def records(
    source: str,
    data: DataSettings,
    task: str,
    table: LongTable | None = None,
    roles: Mapping[str, Sequence[str]] = {},
) -> list[Record]:
    """Read all records of a file, a folder or a sample by the settings and by a format of the task.

    Args:
        source: where they are.
        data: the settings.
        task: the name of the task.
        table: how rows are joined to sequences.
        roles: the columns that a model learnt from, as `Task.roles` has them.
    """
    formats = tasks_registry.get(task).formats
    found = registry.read(source, data.encoding, formats, data.format, hints(data, roles))
    return joined(renaming.matched(found, roles, data), table)


def joined(found: list[Record], table: LongTable | None) -> list[Record]:
    """Return the records, rows of a table of steps joined to sequences."""
    return table.join(found) if table else found


def hints(data: DataSettings, roles: Mapping[str, Sequence[str]] = {}) -> ReadingHints:
    """Return what the settings say of a file. That columns are named here makes no use of them."""
    said = [vars(data)[key] for key in ("input", "target", "group", "time")]
    names = {name.strip() for named in said for name in (named, *named.split(","))}
    names |= {name for learnt in roles.values() for name in learnt if not name.isdecimal()}
    names = frozenset(filter(None, names))
    return ReadingHints(header=data.header, decimal=data.decimal, names=names, strict=data.strict)


def there(run: RunConfig) -> bool:
    """Return whether the data that the run learnt from are still where they were."""
    data = run.data
    paths = [path for path in (data.path, data.valid_path, data.test_path) if path]
    return all(map(registry.exists, paths))
