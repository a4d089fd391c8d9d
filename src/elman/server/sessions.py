"""All streams of a server: who is open, who waits to be resumed, who has waited for too long."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from elman.core.errors import ElmanError, TaskError
from elman.server.service import HttpError, Served, Service
from elman.streaming.streams import Streams

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_SUFFIX = ".safetensors"
_TICK = 1.0  # seconds between two looks at who has waited for too long

_Made = TypeVar("_Made")


@dataclass
class Session:
    """A stream.

    Args:
        served: its model.
        key: what the engine calls it; None while it has not got it yet.
        file: where it was kept, before it is taken up.
        task: the connection that has it; None: it waits to be resumed.
        since: when what it waits for began.
        waits: for what: "idle" for a message, or to be resumed; "slow" for its client to read; "late" for
            the answer to be computed.
        ended: whether the connection is being ended, because that took too long.
        steps: how many steps it has made.
    """

    served: Served
    key: int | None = None
    file: Path | None = None
    task: asyncio.Task[Any] | None = None
    since: float = 0.0
    waits: str = "idle"
    ended: bool = False
    steps: int = 0


class SessionManager:
    """All streams of a server.

    Args:
        service: models, bounds, the thread that computes.
        folder: where streams are kept while the server is down; None: nowhere.

    Attributes:
        engines: those of the models that stream, by the models' names.
        reasons: why the other models do not.
        ending: whether the server ends, so that streams whose connections end are kept.
    """

    def __init__(self, service: Service, folder: Path | None) -> None:
        self.service, self._folder, self.ending = service, folder, False
        self.engines, self.reasons = dict[str, Streams](), dict[str, str]()
        self._sessions: dict[str, Session] = {}
        for name, served in service.served.items():
            try:
                self.engines[name] = Streams(served.model)
            except TaskError as error:
                self.reasons[name] = str(error)
        self._find()

    def __len__(self) -> int:
        """Return how many there are but those that lie in files."""
        return sum(session.file is None for session in self._sessions.values())

    async def begin(self, served: Served, name: str, start: str) -> tuple[str, Session]:
        """Begin a new stream under a name for a connection, or take that one, which waits to be resumed.

        Args:
            served: the model.
            name: of the stream that waits; empty: a new one.
            start: what a new one starts from, where the task knows of such.

        Raises:
            RefusedError: there are too many, or none of that name waits.
            TaskError, DataError: it cannot start from that.
        """
        if served.name not in self.engines:
            raise HttpError(422, self.reasons[served.name])
        if not name:
            name, session = self._new(served, asyncio.current_task())
            await self._fill(name, session, lambda engine: engine.open(start or None))
            return name, session
        session = self._sessions.get(name)
        if session is None or session.served is not served or session.task is not None:
            raise HttpError(404, "no resumable session with this id")
        if session.file is not None:
            self._check()
            await self._restore(name, session, session.file)
        session.task = asyncio.current_task()
        return name, session

    async def fork(self, of: Session) -> str:
        """Return the name of a stream that goes on from where that one is, and waits to be resumed."""
        key = of.key
        assert key is not None
        name, session = self._new(of.served, None)
        await self._fill(name, session, lambda engine: engine.fork(key))
        return name

    def release(self, name: str) -> None:
        """End a connection's stream with it, unless the server ends and streams are kept."""
        session = self._sessions[name]
        session.task, session.since, session.waits = None, _now(), "idle"
        if not self.ending or self._folder is None:
            self._drop(name)

    async def watch(self) -> None:
        """End, again and again, what has waited for too long."""
        bounds = self.service.bounds
        while True:
            await asyncio.sleep(_TICK)
            for name, session in list(self._sessions.items()):
                most = bounds.idle if session.waits == "idle" else bounds.seconds
                if session.key is None or session.ended or _now() - session.since <= most:
                    continue
                self.service.metrics.dropped.labels(session.waits).inc()
                session.ended = True
                if session.task is None:
                    self._drop(name)
                else:
                    session.task.cancel()

    async def keep(self) -> None:
        """Write all streams to files, if they are kept."""
        if self._folder is None:
            return
        for name, session in self._sessions.items():
            if session.key is not None:
                path, key = self._folder / session.served.name / f"{name}{_SUFFIX}", session.key
                _make_private(path.parent)
                await self._do(session.served, lambda engine, key=key, path=path: _keep(engine, key, path))

    def _find(self) -> None:
        """Know the streams that an earlier server kept: names that are asked for are looked up here alone."""
        for name in self.engines if self._folder is not None else ():
            assert self._folder is not None
            for path in (self._folder / name).glob(f"*{_SUFFIX}"):
                if _ID.fullmatch(path.stem):
                    self._sessions[path.stem] = Session(self.service.served[name], file=path)

    def _check(self) -> None:
        if len(self) >= (most := self.service.bounds.streams):
            raise HttpError(503, f"{most} streams are open, and no more may be")

    def _new(self, served: Served, task: asyncio.Task[Any] | None) -> tuple[str, Session]:
        self._check()
        name, session = secrets.token_urlsafe(16), Session(served, task=task, since=_now())
        self._sessions[name] = session
        return name, session

    async def _fill(self, name: str, session: Session, make: Callable[[Streams], int]) -> None:
        """Have the engine make the stream; it is there afterwards, or nothing of it."""
        made = asyncio.ensure_future(self._do(session.served, make))
        try:
            session.key = await asyncio.shield(made)
        except BaseException:
            made.add_done_callback(lambda done: self._undo(name, session, done))
            raise

    def _undo(self, name: str, session: Session, done: asyncio.Future[int]) -> None:
        session.key = None if done.cancelled() or done.exception() else done.result()
        self._drop(name)

    async def _restore(self, name: str, session: Session, path: Path) -> None:
        session.file, session.task, session.since = None, asyncio.current_task(), _now()

        def take(engine: Streams) -> int:
            key = engine.restore(path)
            path.unlink()
            return key

        try:
            await self._fill(name, session, take)
        except ElmanError as error:
            words = str(error).replace(str(path), "its file")
            raise HttpError(422, f"the stream cannot be resumed: {words}") from error

    def _drop(self, name: str) -> None:
        session = self._sessions.pop(name)
        engine, key = self.engines[session.served.name], session.key
        if key is not None:
            self.service.worker.submit_unbounded(None, lambda _: [engine.close(key)], None, group=engine)

    async def _do(self, served: Served, work: Callable[[Streams], _Made]) -> _Made:
        engine = self.engines[served.name]
        return await self.service.worker.submit_unbounded(None, lambda _: [work(engine)], None, group=engine)


def _keep(engine: Streams, key: int, path: Path) -> None:
    engine.save(key, path, private=True)


def _make_private(folder: Path) -> None:
    """Make the folder, or see that nobody else reads it: streams' names are secrets, as what they read is."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid == os.getuid():
        folder.chmod(0o700)


def _now() -> float:
    return asyncio.get_running_loop().time()
