"""Everything that the OpenAPI description allows, and much that it does not: no answer is a fault of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

import elman
from elman.server.limits import Limits

pytest.importorskip("starlette")
schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient  # noqa: E402

from elman.server import Application  # noqa: E402

EXAMPLES = 25
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(scope="module")
def client(run: Path, classifier: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("fuzzed")
    options = {"epochs": 1, "hidden": 8, "threads": 1, "quiet": True}
    (folder / "days.csv").write_text("t,y\n" + "".join(f"{day},{10 + day % 7}\n" for day in range(200)))
    (folder / "waves.jsonl").write_text(
        "".join(
            f'{{"series": {[(i * j) % 5 for j in range(12)]}, "label": "{"ab"[i % 2]}"}}\n' for i in range(40)
        )
    )
    (folder / "drawn.jsonl").write_text(
        "".join(f'{{"strokes": {[[i % 3, j, 0] for j in range(6)] + [[0, 1, 1]]}}}\n' for i in range(40))
    )
    models = {
        "text": elman.load(run),
        "films": elman.load(classifier),
        "days": elman.train(folder / "days.csv", task="forecast", out=folder / "days", **options),
        "waves": elman.train(folder / "waves.jsonl", task="classify", out=folder / "waves", **options),
        "drawn": elman.train(folder / "drawn.jsonl", task="draw", out=folder / "drawn", **options),
    }
    app = Application(models, bounds=Limits(steps=200, values=4))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def described(client):
    return schemathesis.openapi.from_dict(client.get("/openapi.json").json())


def sent(client, case):
    """The answer to a case."""
    asked = case.as_transport_kwargs(base_url="http://127.0.0.1")
    known = {
        name: asked[name]
        for name in ("method", "url", "params", "headers", "json")
        if asked.get(name) is not None
    }
    data = asked.get("data")
    return client.request(**known, **({} if data is None else {"content": data}))


def operations(described):
    return [result.ok() for result in described.get_all_operations()]


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.name
)
def test_no_answer_is_a_fault_of_ours(client, described, mode):
    asked = 0
    for operation in operations(described):
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        def ask(case):
            nonlocal asked
            case.validate_response(sent(client, case), checks=CHECKS)
            asked += 1

        ask()
    assert asked > 100


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
keys = st.sampled_from(["step", "steps", "feed", "finish", "reset", "fork", "state", "last", "x"])
messages = (
    st.dictionaries(keys, junk | st.sampled_from(["the", [0, 1, 0], True, [[0.5, 1, 0]]]), max_size=3) | junk
)


@pytest.mark.parametrize("name", ["text", "days", "drawn"])
def test_no_message_ends_a_stream(client, name):
    with client.websocket_connect(f"ws://127.0.0.1/models/{name}/stream") as socket:
        socket.receive_json()

        @given(message=messages)
        @settings(max_examples=150, deadline=None, database=None, derandomize=True)
        def ask(message):
            socket.send_json(message)
            said = socket.receive_json()
            assert {"error", "output", "outputs", "fork"} & set(said)

        ask()
