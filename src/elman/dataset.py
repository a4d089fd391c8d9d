"""What a run learns from and is measured on: files and settings -> the parts of the data."""

from __future__ import annotations

from dataclasses import replace

from elman import formats, tasks
from elman.batch import Record
from elman.config import Data, Run
from elman.tasks.base import Parts


def read(run: Run) -> Parts:
    """The records to train, validate and test with; a part with a file of its own takes no share of the rest.

    Raises:
        DataError: a file cannot be read, or is too small for its parts.
    """
    data, task = run.data, run.task
    rest = replace(
        data,
        valid=0.0 if data.valid_path else data.valid,
        test=0.0 if data.test_path else data.test,
    )
    parts = tasks.get(task).split(records(data.path, data, task), rest)
    return Parts(
        parts.train,
        records(data.valid_path, data, task) if data.valid_path else parts.valid,
        records(data.test_path, data, task) if data.test_path else parts.test,
    )


def records(source: str, data: Data, task: str) -> list[Record]:
    """All records of a file, a folder or a sample, read as the settings say and by a format of the task."""
    return formats.read(source, data.encoding, tasks.get(task).formats, data.format)


def there(run: Run) -> bool:
    """Whether the data that the run learnt from are still where they were."""
    data = run.data
    paths = [path for path in (data.path, data.valid_path, data.test_path) if path]
    return all(map(formats.exists, paths))
