"""Requests to the server, and messages of its WebSockets, in one process with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, final

from elman.server import Application
from elman.server.limits import Limits
from fuzz import trained
from fuzz.base import Input, Kind, WrongError
from fuzz.mutations import mutated
from fuzz.structure import KNOWN

_STEPS: dict[str, Any] = {
    "language": "t",
    "classify": "cat",
    "tag": "cat",
    "forecast": ["2024-03-01", 1.0],
    "draw": [1.0, 1.0, 0.0],
    "recognize": [0.1, 0.2],
    "label": [0.1, 0.2],
}
_VALUES: dict[str, Any] = {
    "classify": "the cat",
    "tag": ["the", "cat"],
    "recall": [0, 1, None, 0, 1],
    "recognize": [[0.1, 0.2], [0.3, 0.4]] * 3,
    "label": [[0.1, 0.2], [0.3, 0.4]] * 3,
    "caption": [[[0, 0, 0]]],
    "translate": "the cat",
}


def bodies(task: str) -> dict[str, Any]:
    """The calls that models of a task may serve, each with a body."""
    found: dict[str, Any] = {"predict": {"values": [_VALUES[task]]}} if task in _VALUES else {}
    if task == "language":
        written = {"prompt": "the", "length": 3, "temperature": 0.5, "top_k": 2, "top_p": 0.9, "seed": 1}
        found |= {"sample": written, "write": written, "complete": {"text": "the c", "count": 2}}
    if task == "forecast":
        rows = [{"day": f"2024-03-{1 + i:02}", "y": i / 3} for i in range(12)]
        found["forecast"] = {"rows": rows, "horizon": 2}
    if task == "draw":
        found["draw"] = {
            "count": 1,
            "length": 2,
            "start": "a",
            "prefix": [[1, 1, 0]],
            "temperature": 0.5,
            "seed": 1,
        }
    if task == "translate":
        found["translate"] = {"values": ["the cat"], "beam": 2, "nbest": 1}
    return found


def messages(task: str) -> list[Any]:
    """What may be sent to a stream."""
    step = _STEPS[task]
    many = step * 3 if isinstance(step, str) else [step] * 3
    asked = [
        {"step": step},
        {"steps": [step, step]},
        {"feed": many},
        {"finish": True},
        {"reset": True},
        {"fork": True},
    ]
    return [*asked, {"step": step, "state": True}, {"steps": [step], "last": True, "state": True}]


class _Asked(Kind):
    """What both have in common: a server, and a loop that it lives in."""

    group = "server"

    def prepare(self, folder: Path) -> None:
        """See `Kind`."""
        super().prepare(folder)
        self._models = {task: trained.model_of(task, folder) for task in trained.RUNS}

    def begin(self) -> None:
        """See `Kind`."""
        super().begin()
        self._app = Application(self._models, bounds=Limits(steps=200, values=4, streams=4))
        self._loop = asyncio.new_event_loop()
        self._lives = self._loop.create_task(self._life())
        self._loop.run_until_complete(asyncio.sleep(0.05))

    async def _life(self) -> None:
        events = asyncio.Queue[dict[str, Any]]()
        await events.put({"type": "lifespan.startup"})
        await self._app({"type": "lifespan", "asgi": {"version": "3.0"}}, events.get, _nothing)

    def run(self, given: Input, folder: Path) -> None:
        """See `Kind`."""
        self._loop.run_until_complete(asyncio.wait_for(self.ask(given), 20))

    async def ask(self, given: Input) -> None:
        """Send it, and look at the answer."""
        raise NotImplementedError

    def scope(self, kind: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """What a connection is, as ASGI says it."""
        known = {"host": "127.0.0.1", **headers}
        named = [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in known.items()
        ]
        place, _, query = path.partition("?")
        common = {
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "headers": named,
            "client": ("127.0.0.1", 1),
        }
        raw = {
            "path": place,
            "raw_path": place.encode("utf-8", "replace"),
            "query_string": query.encode("utf-8", "replace"),
        }
        return {"type": kind, "scheme": "http", "server": ("127.0.0.1", 80), "root_path": "", **common, **raw}


async def _nothing(event: Any) -> None:
    """Told to nobody."""


def _checked(text: str, where: str) -> Any:
    """An answer as JSON, which has no NaN."""

    def refuse(word: str) -> None:
        raise WrongError(f"{where} with {word}")

    return json.loads(text, parse_constant=refuse)


@final
class Requests(_Asked):
    """Bodies of requests."""

    name = "requests"

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        task = rng.choice(trained.RUNS)
        call, body = rng.choice(list(bodies(task).items()))
        _, other = rng.choice(list(bodies(rng.choice(trained.RUNS)).items()))
        data = mutated(rng, json.dumps(body).encode(), json.dumps(other).encode(), KNOWN[".json"])
        about = {
            "path": f"/models/{task}/{call}",
            "type": "application/json",
            "length": str(len(data)),
            "method": "POST",
        }
        if rng.random() < 0.03:
            name = rng.choice(("path", "type", "length", "method"))
            about[name] = mutated(rng, about[name].encode(), b"/models", ()).decode("latin-1")
        return Input({"body": data}, about)

    async def ask(self, given: Input) -> None:
        """See `_Asked`."""
        about, said = given.about, list[Any]()
        headers = {"content-type": about["type"], "content-length": about["length"]}
        scope = self.scope("http", about["path"], headers) | {"method": about["method"]}
        events = [{"type": "http.request", "body": given.files["body"], "more_body": False}]

        async def receive() -> Any:
            return events.pop() if events else await asyncio.sleep(100, {"type": "http.disconnect"})

        async def send(event: Any) -> None:
            said.append(event)

        await self._app(scope, receive, send)
        text = b"".join(event.get("body", b"") for event in said).decode()
        kinds = dict(said[0]["headers"]).get(b"content-type", b"")
        if said[0]["status"] >= 500:
            raise WrongError(f"status {said[0]['status']} of {about['path']}")
        for line in text.splitlines() if b"jsonl" in kinds else [text] if b"json" in kinds else []:
            _checked(line, "an answer")


@final
class Messages(_Asked):
    """Messages to the streams of a server."""

    name = "messages"

    def make(self, rng: Random) -> Input:
        """See `Kind`."""
        task = rng.choice(list(_STEPS))
        asked = messages(task)
        files = {
            str(number): mutated(
                rng,
                json.dumps(rng.choice(asked)).encode(),
                json.dumps(rng.choice(asked)).encode(),
                KNOWN[".json"],
            )
            for number in range(rng.choice((1, 1, 3)))
        }
        query = "" if rng.random() < 0.97 else "?start=" + rng.choice(("a", "\0", "x" * 2000, "%00", "{a}"))
        return Input(files, {"path": f"/models/{task}/stream{query}", "bytes": rng.random() < 0.01})

    async def ask(self, given: Input) -> None:
        """See `_Asked`."""
        about, said, key = given.about, list[Any](), "bytes" if given.about["bytes"] else "text"
        sent = [data if about["bytes"] else data.decode("utf-8", "replace") for data in given.files.values()]
        events: list[dict[str, Any]] = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", key: one} for one in sent),
        ]
        events.append({"type": "websocket.disconnect", "code": 1000})

        async def receive() -> Any:
            return events.pop(0)

        async def send(event: Any) -> None:
            said.append(event)

        await self._app(self.scope("websocket", about["path"], {}) | {"subprotocols": []}, receive, send)
        answers = [event["text"] for event in said if event["type"] == "websocket.send"]
        for text in answers:
            _checked(text, "a message")
        if answers and len(answers) != 1 + len(sent):
            raise WrongError("a message without an answer")
