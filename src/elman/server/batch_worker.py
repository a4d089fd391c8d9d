"""What many wait for is computed in one thread: what arrives together and is alike is computed together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from elman.core import interruption

_SOON = 0.005
"""Seconds that the loop itself may compute at a time."""

_RUNS = 8
"""Number of runs, about, in the mean that it is compared with."""

Run = Callable[[list[Any]], list[Any]]
"""What is computed of some payloads: a result for each. A result may be an exception, for that one alone."""


class BusyError(Exception):
    """More wait than may."""


class _Job(NamedTuple):
    payload: Any
    future: asyncio.Future[Any]
    counted: bool


class _Batch(NamedTuple):
    key: Hashable
    run: Run
    jobs: list[_Job]


class BatchWorker:
    """A thread that serves the callers of one event loop, first come, first served.

    Those who wait with the same key are served by one call. Where that call raises, each is served by itself,
    so that nobody sees another's fault, whatever it is.

    Args:
        waiting: most that may wait.
        together: most that one call serves.
        on_batch: is called with the size of each batch, from one thread at a time.
    """

    def __init__(self, waiting: int, together: int, on_batch: Callable[[int], None]) -> None:
        self._most, self._together, self._on_batch = waiting, together, on_batch
        self._batches: OrderedDict[Hashable, _Batch] = OrderedDict()
        self._here: dict[Hashable, _Batch] = {}
        self._handed, self._seconds = 0, dict[Hashable, float]()
        self._ready, self._waiting, self._stopped = threading.Condition(threading.Lock()), 0, False
        self._thread = threading.Thread(target=self._serve, name="elman-worker", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """How many of those wait that are bounded."""
        return self._waiting

    def start(self) -> None:
        """Begin to serve; to be called in the loop."""
        self._loop = asyncio.get_running_loop()
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
        return self._put(key, run, self._job(payload, counted=True))

    def submit_unbounded(self, key: Hashable, run: Run, payload: Any) -> asyncio.Future[Any]:
        """As `submit`, of one whose number the caller bounds: it is never refused."""
        return self._put(key, run, self._job(payload))

    def run_inline(self, key: Hashable, run: Run, payload: Any) -> asyncio.Future[Any]:
        """As `order`, of what takes so little that to hand it to the thread and back takes longer.

        The loop computes it, with all of that key that has come in the same turn of the loop, if the thread
        rests. What turns out to take its time goes to the thread.
        """
        if self._handed or self._seconds.setdefault(key, 0.0) > _SOON:
            return self.submit_unbounded(key, run, payload)
        job = self._job(payload)
        if not self._here:
            job.future.get_loop().call_soon(self._serve_here)
        self._here.setdefault(key, _Batch(key, run, [])).jobs.append(job)
        return job.future

    def _job(self, payload: Any, *, counted: bool = False) -> _Job:
        assert self._loop is not None  # to ask for the running one takes a call of the system
        return _Job(payload, self._loop.create_future(), counted)

    def _serve_here(self) -> None:
        here, self._here = self._here, {}
        for batch in here.values():
            for start in range(0, len(batch.jobs), self._together):
                part = batch._replace(jobs=batch.jobs[start : start + self._together])
                if self._handed:
                    for job in part.jobs:
                        self._put(part.key, part.run, job)
                else:
                    _deliver(*self._results(part))

    def _put(self, key: Hashable, run: Run, job: _Job) -> asyncio.Future[Any]:
        self._handed += 1
        with self._ready:
            self._waiting += job.counted
            key = object() if key is None else key
            self._batches.setdefault(key, _Batch(key, run, [])).jobs.append(job)
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
                self._batches[key] = batch._replace(jobs=later)  # behind the others
            self._waiting -= sum(job.counted for job in now)
            return batch._replace(jobs=now)

    def _serve(self) -> None:
        while batch := self._next():
            jobs, results = self._results(batch)
            try:
                loop = batch.jobs[0].future.get_loop()
                loop.call_soon_threadsafe(self._back, len(batch.jobs), jobs, results)
            except RuntimeError:  # the loop has ended meanwhile, and nobody waits any more
                return

    def _back(self, count: int, jobs: list[_Job], results: list[Any]) -> None:
        """In the loop: the thread is done with that many jobs."""
        self._handed -= count
        _deliver(jobs, results)

    def _results(self, batch: _Batch) -> tuple[list[_Job], list[Any]]:
        """The jobs whose callers still wait, and a result for each."""
        jobs = [job for job in batch.jobs if not job.future.cancelled()]
        if not jobs:
            return [], []
        self._on_batch(len(jobs))
        begin = time.thread_time()
        try:
            with interruption.as_long_as(lambda: not all(job.future.cancelled() for job in jobs)):
                results = _computed(batch.run, [job.payload for job in jobs])
        except interruption.NobodyWaits:
            return [], []
        if (before := self._seconds.get(batch.key)) is not None:
            self._seconds[batch.key] = before + (time.thread_time() - begin - before) / _RUNS
        return jobs, results


def _computed(run: Run, payloads: list[Any]) -> list[Any]:
    try:
        return run(payloads)
    except Exception as error:  # of whatever kind, it is for the one alone who caused it
        if len(payloads) == 1:
            return [error]
        return [result for payload in payloads for result in _computed(run, [payload])]


def _deliver(jobs: list[_Job], results: list[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
