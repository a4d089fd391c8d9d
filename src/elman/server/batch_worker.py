"""What many wait for is computed one after the other; what arrives together and is alike, together.

Long work has its turn in slices: where it looks whether somebody still waits (`elman.core.interruption`), it
lets others go first. Each piece of work has a thread of its own, of which one computes at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from elman.core import interruption

_SOON = 0.005
"""Seconds that the loop itself may compute at a time."""

_SLICE = 0.02
"""Seconds that work computes before those who wait have their turn."""

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
    group: Hashable


class _Set(NamedTuple):
    """Work that was set aside in the middle: whose it is, and what its thread waits for."""

    batch: _Batch
    turn: threading.Event


class BatchWorker:
    """Serves the callers of one event loop, first come, first served; long work in slices.

    Those who wait with the same key are served by one call. Where that call raises, each is served by itself,
    so that nobody sees another's fault, whatever it is.

    Args:
        waiting: most that may wait.
        together: most that one call serves.
        on_batch: is called with the size of each batch, from one thread at a time.
        slice: seconds that work computes before others have their turn.
    """

    def __init__(
        self,
        waiting: int,
        together: int,
        on_batch: Callable[[int], None],
        *,
        slice: float = _SLICE,  # noqa: A002
    ) -> None:
        self._most, self._together, self._on_batch, self._slice = waiting, together, on_batch, slice
        self._batches: OrderedDict[Hashable, _Batch] = OrderedDict()
        self._here: dict[Hashable, _Batch] = {}
        self._handed, self._seconds = 0, dict[Hashable, float]()
        self._ready, self._waiting, self._stopped = threading.Condition(threading.Lock()), 0, False
        self._aside: deque[_Set] = deque()
        self._chosen: _Batch | None = None  # to be begun by a thread that rests
        self._busy, self._resting, self._began = False, 0, False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """How many of those wait that are bounded."""
        return self._waiting

    def start(self) -> None:
        """Begin to serve; to be called in the loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """End when all who wait are served; returns at once."""
        with self._ready:
            self._stopped = True
            self._ready.notify_all()

    def submit(self, key: Hashable, run: Run, payload: Any) -> asyncio.Future[Any]:
        """Wait for a result; to be called in the loop.

        Args:
            key: with whom it may be served by one `run`; None: by itself.
            run: what computes the results of some payloads; the same for the same key.
            payload: what it gets.

        Raises:
            BusyError: too many wait.
        """
        if self._waiting + len(self._aside) >= self._most:
            raise BusyError
        return self._put(key, run, self._job(payload, counted=True))

    def submit_unbounded(
        self, key: Hashable, run: Run, payload: Any, *, group: Hashable = None
    ) -> asyncio.Future[Any]:
        """Submit work as `submit` does, but never refuse it: the caller bounds its number.

        Args:
            key, run, payload: as of `submit`.
            group: what it changes: no work of a group begins in the middle of other such; None: nothing.
        """
        return self._put(key, run, self._job(payload), group)

    def run_inline(
        self, key: Hashable, run: Run, payload: Any, *, group: Hashable = None
    ) -> asyncio.Future[Any]:
        """Run, as `order` does, work that takes less time than to hand it to the thread and back.

        The loop computes it, with all of that key that has come in the same turn of the loop, if the thread
        rests. What turns out to take its time goes to the thread.
        """
        if self._handed or self._seconds.setdefault(key, 0.0) > _SOON:
            return self.submit_unbounded(key, run, payload, group=group)
        job = self._job(payload)
        if not self._here:
            job.future.get_loop().call_soon(self._serve_here)
        self._here.setdefault(key, _Batch(key, run, [], group)).jobs.append(job)
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
                        self._put(part.key, part.run, job, part.group)
                else:
                    _deliver(*self._results(part, here=True))

    def _put(self, key: Hashable, run: Run, job: _Job, group: Hashable = None) -> asyncio.Future[Any]:
        self._handed += 1
        with self._ready:
            self._waiting += job.counted
            key = object() if key is None else key
            self._batches.setdefault(key, _Batch(key, run, [], group)).jobs.append(job)
            if not self._busy:
                self._hand_on()
        return job.future

    # With the lock, while nobody computes:

    def _hand_on(self) -> None:
        """Let the next one compute: by turns work that was set aside, and such as has not begun."""
        key = self._startable()
        self._busy = key is not None or bool(self._aside)
        self._began = key is not None and not (self._began and self._aside)
        if self._began:
            self._chosen = self._taken(key)
            if self._resting:
                self._ready.notify()
            else:
                threading.Thread(target=self._serve, name="elman-worker", daemon=True).start()
        elif self._aside:
            self._aside.popleft().turn.set()
        elif self._stopped:
            self._ready.notify_all()

    def _startable(self) -> Hashable:
        """Return the first key that may begin, if any: not in the middle of work of its group."""
        begun = {one.batch.group for one in self._aside} - {None}
        return next((key for key, batch in self._batches.items() if batch.group not in begun), None)

    def _taken(self, key: Hashable) -> _Batch:
        """Take the jobs of that key that are served together now; the others go behind everybody."""
        batch = self._batches.pop(key)
        now, later = batch.jobs[: self._together], batch.jobs[self._together :]
        if later:
            self._batches[key] = batch._replace(jobs=later)
        self._waiting -= sum(job.counted for job in now)
        return batch._replace(jobs=now)

    # In the threads that compute:

    def _serve(self) -> None:
        batch = self._begun()
        while batch is not None:
            jobs, results = self._results(batch)
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits any more
                self._loop.call_soon_threadsafe(self._back, len(batch.jobs), jobs, results)
            batch = self._begun(done=True)

    def _begun(self, *, done: bool = False) -> _Batch | None:
        """Return the batch that this thread is to begin; None when all is done and no more will come."""
        with self._ready:
            self._resting += 1
            if done:
                self._hand_on()
            while self._chosen is None and not (self._stopped and not self._busy):
                self._ready.wait()
            self._resting -= 1
            batch, self._chosen = self._chosen, None
            return batch

    def _set_aside(self, batch: _Batch) -> None:
        """Let others go first, if there are such that may begin or go on."""
        mine = _Set(batch, threading.Event())
        with self._ready:
            self._aside.append(mine)
            if len(self._aside) == 1 and self._startable() is None:
                self._aside.pop()
                return
            self._began = False
            self._hand_on()
        mine.turn.wait()

    def _back(self, count: int, jobs: list[_Job], results: list[Any]) -> None:
        """Note, in the loop, that a thread is done with that many jobs."""
        self._handed -= count
        _deliver(jobs, results)

    def _results(self, batch: _Batch, *, here: bool = False) -> tuple[list[_Job], list[Any]]:
        """Return the jobs whose callers still wait, and a result for each."""
        jobs = [job for job in batch.jobs if not job.future.cancelled()]
        if not jobs:
            return [], []
        self._on_batch(len(jobs))
        begin = time.thread_time()
        try:
            with interruption.as_long_as(self._wanted(batch, jobs, here)):
                results = _computed(batch.run, [job.payload for job in jobs])
        except interruption.NobodyWaits:
            return [], []
        if (before := self._seconds.get(batch.key)) is not None:
            self._seconds[batch.key] = before + (time.thread_time() - begin - before) / _RUNS
        return jobs, results

    def _wanted(self, batch: _Batch, jobs: list[_Job], here: bool) -> Callable[[], bool]:
        """Return what tells whether somebody still waits; except in the loop, it lets others go first."""
        until = time.monotonic() + self._slice

        def wanted() -> bool:
            nonlocal until
            if not here and time.monotonic() >= until:
                self._set_aside(batch)
                until = time.monotonic() + self._slice
            assert self._loop is not None
            return not self._loop.is_closed() and not all(job.future.cancelled() for job in jobs)

        return wanted


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
