"""Every number of every request as people and programs send it: refused in one line, or answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import elman
from elman.server.limits import Limits

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

from elman.server import Application
from elman.server.service import OURS

KINDS = ('"3"', "true", "[]", "{}")
WRONG = (
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "1e20",
    "1" + "0" * 400,
    "-1",
    "2.5",
    '"3"',
    "true",
    "[]",
    "{}",
)
"""As JSON; not all is wrong everywhere: 2.5 may be a temperature."""
NEVER = ("1e400", "NaN", "Infinity", '"3"', "true", "[]", "{}", "1" + "0" * 400)
"""What no number may be."""

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(scope="module")
def client(run: Path, classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("numbers")
    options = {"epochs": 1, "hidden": 8, "threads": 1, "quiet": True}
    (folder / "days.csv").write_text("t,y\n" + "".join(f"{day},{10 + day % 7}\n" for day in range(200)))
    pairs = "".join(f"{'ab' * (i % 3 + 1)}{i % 7},{i % 7}x\n" for i in range(60))
    (folder / "pairs.csv").write_text("source,target\n" + pairs)
    drawn = "".join(f'{{"strokes": {[[i % 3, j, 0] for j in range(6)] + [[0, 1, 1]]}}}\n' for i in range(40))
    (folder / "drawn.jsonl").write_text(drawn)
    models = {
        "text": elman.load(run),
        "films": elman.load(classifier),
        "days": elman.train(folder / "days.csv", task="forecast", out=folder / "days", **options),
        "pairs": elman.train(
            folder / "pairs.csv", task="translate", unit="char", out=folder / "pairs", batch_size=8, **options
        ),
        "drawn": elman.train(folder / "drawn.jsonl", task="draw", out=folder / "drawn", **options),
    }
    app = Application(models, bounds=Limits(steps=50, values=4))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def is_number(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", ())
    return bool({"integer", "number"} & {*([kinds] if isinstance(kinds, str) else kinds)})


def numbers(client: TestClient) -> Iterator[tuple[str, str]]:
    """The path of each operation, and its fields that are numbers."""
    for path, calls in client.get("/openapi.json").json()["paths"].items():
        body = calls.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, schema in body.get("schema", {}).get("properties", {}).items():
            if is_number(schema):
                yield path, name


def required(client: TestClient, path: str) -> dict[str, Any]:
    """The least body: what the operation asks for."""
    ready = {"values": ["the cat"], "texts": ["the cat"], "text": "the cat", "prompt": "the "}
    call = client.get("/openapi.json").json()["paths"][path]["post"]
    schema = call["requestBody"]["content"]["application/json"]["schema"]
    return {name: ready.get(name) for name in schema.get("required", ())}


def asked(client: TestClient, path: str, fields: dict[str, Any], name: str, value: str) -> Any:
    others = "".join(f"{json.dumps(key)}: {json.dumps(each)}, " for key, each in fields.items())
    return client.post(
        path, content=f"{{{others}{json.dumps(name)}: {value}}}", headers={"content-type": "application/json"}
    )


def test_no_number_of_a_request_is_a_fault_of_the_server(client):
    fields = [*numbers(client)]
    assert {name for _, name in fields} >= {"temperature", "length", "count"}
    for path, name in fields:
        least = required(client, path)
        for value in (*WRONG, "null"):
            answer = asked(client, path, least, name, value)
            assert answer.status_code < 500, (path, name, value, answer.text)
            if value in NEVER:
                error = answer.json()["error"]
                assert answer.status_code in (400, 413, 422), (path, name, value, answer.text)
                assert error.count("\n") == 0
                assert len(error) < 500


NUMBERS_OF_STEPS = (
    "1e400",
    "NaN",
    "1" + "0" * 400,
    "1e308",
    "-1e308",
    "true",
    "null",
    "[]",
    '"3"',
    "{}",
    "2.5",
)


@pytest.mark.parametrize("op", ["step", "feed", "steps"])
def test_no_number_of_a_stream_is_a_fault_of_the_server(client, op):
    for value in NUMBERS_OF_STEPS:
        for form in (value, f"[{value}]", f"[1, {value}]", f"[[1, {value}]]"):
            with client.websocket_connect("ws://127.0.0.1/models/days/stream") as socket:
                socket.send_text(f'{{"{op}": {form}}}')
                told = socket.receive_json()
                assert told.get("error", "") != OURS, (op, form, told)


@pytest.mark.parametrize("value", [*NUMBERS_OF_STEPS, "1e20", "-1", "5e-324"])
def test_no_number_of_a_row_is_a_fault_of_the_server(client, value):
    rows = [f'{{"t": {day}, "y": {day % 7}}}' for day in range(100)]
    for place in ("t", "y"):
        row = {"t": "100", "y": "3"} | {place: value}
        body = ", ".join([*rows, f'{{"t": {row["t"]}, "y": {row["y"]}}}'])
        answer = client.post("/models/days/forecast", content=f'{{"rows": [{body}]}}')
        assert answer.status_code < 500, (place, value, answer.text)
        assert "NaN" not in answer.text
        assert "Infinity" not in answer.text
