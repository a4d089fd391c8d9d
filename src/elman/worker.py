"""One thread that computes for many who wait: what arrives together and is alike is computed together."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from elman.errors import ElmanError

Run = Callable[[list[Any]], list[Any]]
"""What is computed of some payloads: a result for each. A result may be an exception, for that one alone."""


class BusyError(Exception):
    """More wait than may."""


class _Job(NamedTuple):
    payload: Any
    future: asyncio.Future[Any]
    counted: bool


class _Batch(NamedTuple):
    run: Run
    jobs: list[_Job]


class Worker:
    """A thread that serves the callers of one event loop, first come, first served.

    Those who wait with the same key are served by one call. Where that call raises an `ElmanError`, each is
    served by itself, so that nobody sees another's fault.

    Args:
        waiting: most that may wait.
        together: most that one call serves.
        told: gets the size of each batch, in the thread.
    """

    def __init__(self, waiting: int, together: int, told: Callable[[int], None]) -> None:
        self._most, self._together, self._told = waiting, together, told
        self._batches: OrderedDict[Hashable, _Batch] = OrderedDict()
        self._ready, self._waiting, self._stopped = threading.Condition(threading.Lock()), 0, False
        self._thread = threading.Thread(target=self._serve, name="elman-worker", daemon=True)

    @property
    def waiting(self) -> int:
        """How many of those wait that are bounded."""
        return self._waiting

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End when all who wait are served; returns at once."""
        with self._ready:
            self._stopped = True
            self._ready.notify()

    def submit(self, key: Hashable, run: Run, payload: Any) -> asyncio.Future[Any]:
        """Wait for a result; to be called in the loop.

        Args:
            key: with whom it may be served by one `run`; None: by itself.
            run: what computes the results of some payloads; the same for the same key.
            payload: what it gets.

        Raises:
            BusyError: too many wait.
        """
        if self._waiting >= self._most:
            raise BusyError
        return self._put(key, run, _Job(payload, asyncio.get_running_loop().create_future(), True))

    def order(self, key: Hashable, run: Run, payload: Any) -> asyncio.Future[Any]:
        """As `submit`, of one whose number the caller bounds: it is never refused."""
        return self._put(key, run, _Job(payload, asyncio.get_running_loop().create_future(), False))

    def _put(self, key: Hashable, run: Run, job: _Job) -> asyncio.Future[Any]:
        with self._ready:
            self._waiting += job.counted
            batch = self._batches.get(key) if key is not None else None
            if batch is None:
                self._batches[object() if key is None else key] = _Batch(run, [job])
            else:
                batch.jobs.append(job)
            self._ready.notify()
        return job.future

    def _next(self) -> _Batch | None:
        """The jobs that are served next; None when all is done and no more will come."""
        with self._ready:
            while not self._batches:
                if self._stopped:
                    return None
                self._ready.wait()
            key, batch = self._batches.popitem(last=False)
            now, later = batch.jobs[: self._together], batch.jobs[self._together :]
            if later:
                self._batches[key] = _Batch(batch.run, later)  # behind the others
            self._waiting -= sum(job.counted for job in now)
            return _Batch(batch.run, now)

    def _serve(self) -> None:
        while batch := self._next():
            jobs = [job for job in batch.jobs if not job.future.cancelled()]
            if not jobs:
                continue
            self._told(len(jobs))
            results = _results(batch.run, [job.payload for job in jobs])
            try:
                jobs[0].future.get_loop().call_soon_threadsafe(_deliver, jobs, results)
            except RuntimeError:  # the loop has ended meanwhile, and nobody waits any more
                return


def _results(run: Run, payloads: list[Any]) -> list[Any]:
    try:
        return run(payloads)
    except ElmanError as error:
        if len(payloads) == 1:
            return [error]
        return [result for payload in payloads for result in _results(run, [payload])]
    except Exception as error:  # our own fault: whoever waits shall hear of it, and the thread goes on
        return [error] * len(payloads)


def _deliver(jobs: list[_Job], results: list[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
