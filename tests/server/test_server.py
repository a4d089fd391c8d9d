"""The server as those see it who ask: answers, bounds, who may ask, streams that are their own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

import elman
from conftest import TINY
from elman.core import interruption
from elman.core.errors import ConfigError
from elman.server.limits import Limits

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from elman.server import Application

HERE = "http://127.0.0.1"
STREAM = "ws://127.0.0.1/models/text/stream"

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(scope="module")
def models(run: Path, classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, elman.Model]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("served")
    rows = "".join(f"{day},{10 + day % 7}\n" for day in range(200))
    (folder / "days.csv").write_text("t,y\n" + rows, encoding="utf-8")
    (folder / "pairs.csv").write_text(
        "source,target\n" + "".join(f"{'ab' * (i % 3 + 1)}{i % 7},{i % 7}x\n" for i in range(60))
    )
    options = {"epochs": 1, "hidden": 8, "threads": 1, "quiet": True}
    days = elman.train(folder / "days.csv", task="forecast", out=folder / "days", **options)
    pairs = elman.train(
        folder / "pairs.csv", task="translate", unit="char", out=folder / "pairs", batch_size=8, **options
    )
    return {"text": elman.load(run), "films": elman.load(classifier), "days": days, "pairs": pairs}


@pytest.fixture
def client(models) -> Iterator[TestClient]:
    with TestClient(Application(models), base_url=HERE) as client:
        yield client


def asked(models, **settings) -> TestClient:
    """A client of a server with other settings; to be entered."""
    options = {name: settings.pop(name) for name in ("token", "state_dir") if name in settings}
    return TestClient(Application(models, bounds=Limits(**settings), **options), base_url=HERE)


def told(answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]


def test_what_is_there_is_told(client, models):
    listed = {one["name"]: one for one in client.get("/models").json()}
    assert set(listed) == set(models)
    assert listed["text"]["calls"] == ["complete", "sample", "write"]
    assert listed["films"]["calls"] == ["predict"]
    assert listed["films"]["reads"] == "text"
    assert listed["text"]["streams"] == ""
    assert "bidirectional" in listed["films"]["streams"]
    assert client.get("/health").json() == {"status": "ok"}
    said = client.get("/openapi.json").json()
    for one in listed.values():
        for call in one["calls"]:
            assert f"/models/{one['name']}/{call}" in said["paths"]
    assert list(said["x-websockets"]) == ["/models/text/stream", "/models/days/stream"]
    page = client.get("/")
    assert page.text.startswith("<!doctype html>")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_answers_are_those_of_the_model(client, models):
    values = ["it was good in place 1", "so so dull"]
    answers = client.post("/models/films/predict", json={"values": values}).json()["answers"]
    assert answers == models["films"].predict(values)
    words = client.post("/models/text/complete", json={"text": "the c", "count": 3}).json()["words"]
    expected = models["text"].complete("the c", 3)
    assert [(one["word"], one["probability"]) for one in words] == [(w, round(p, 6)) for w, p in expected]
    (lines,) = client.post("/models/pairs/translate", json={"values": ["ab3"], "count": 2}).json()[
        "translations"
    ]
    assert [line["text"] for line in lines] == [
        one.text for one in models["pairs"].translate(["ab3"], count=2)[0]
    ]
    assert len(lines[0]["looks"]) == len(lines[0]["symbols"])


def test_a_text_is_written_whole_or_as_it_comes(client, models):
    body = {"prompt": "the ", "length": 80, "seed": 3}
    expected = models["text"].sample("the ", 80, seed=3)
    assert client.post("/models/text/sample", json=body).json() == {"text": expected}
    with client.stream("POST", "/models/text/write", json=body) as answer:
        assert answer.headers["content-type"] == "application/jsonl"
        pieces = [json.loads(line)["text"] for line in answer.iter_lines()]
    assert "".join(pieces) == expected
    assert len(pieces) == 80


def test_a_forecast_follows_rows_of_a_table(client, models):
    (row, *_) = rows = next(one for one in client.get("/models").json() if one["name"] == "days")["example"]
    assert set(row) == {"t", "y"}
    (future,) = client.post("/models/days/forecast", json={"rows": rows}).json()["forecasts"]
    assert len(future["times"]) == len(future["median"]) == 8
    assert len(future["past"]) == len(rows)
    answer = client.post("/models/days/forecast", json={"rows": rows[:3]})
    assert answer.status_code == 422
    assert "steps" in told(answer)
    answer = client.post("/models/days/forecast", json={"rows": [{"t": 1, "y": 2}, {"t": 2}]})
    assert told(answer).startswith("row 2: expected those of row 1")


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/models/films/predict", b"{", 400, "body: not valid JSON"),
        ("/models/films/predict", b"[" * 9000, 400, "nested too deeply"),
        ("/models/films/predict", b"[]", 422, "expected an object"),
        ("/models/films/predict", b"{}", 422, "no 'values'"),
        ("/models/films/predict", b'{"values": [3]}', 422, "values[0]: expected a text, got 3"),
        ("/models/films/predict", b'{"values": ["\\ud800"]}', 422, "half of a surrogate pair"),
        ("/models/films/predict", b'{"values": []}', 422, "at least 1"),
        ("/models/text/sample", b'{"prompt": "~"}', 422, "'~' (U+007E)"),
        ("/models/text/sample", b'{"top_p": 0}', 422, "top_p: expected at least 0.001, got 0"),
        ("/models/text/complete", b'{"txt": ""}', 422, "did you mean 'text'?"),
        ("/models/text/predict", b"{}", 404, "GET /models"),
        ("/models/none/predict", b"{}", 404, "GET /models"),
        ("/../../etc/passwd", b"{}", 404, "GET /models"),
        ("/models", b"{}", 405, "Method Not Allowed"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line(client, path, body, status, words):
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert words in told(answer)
    assert "\n" not in told(answer)


def test_a_body_must_be_said_to_be_json(client):
    assert client.post("/models/films/predict", content=b'{"values": ["a"]}').status_code == 415


def test_bounds_are_kept(models):
    with asked(models, body=1024, steps=50, values=2) as client:
        path = "/models/films/predict"
        assert client.post(path, json={"values": ["a" * 2000]}).status_code == 413
        answer = client.post(
            path, content=(b"[" for _ in range(3000)), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"  # else what is left of it would be waited for
        assert "at most 50 characters" in told(client.post(path, json={"values": ["a" * 51]}))
        assert "at most 2" in told(client.post(path, json={"values": ["a"] * 3}))
        assert "at most 50" in told(client.post("/models/text/sample", json={"length": 51}))


def test_too_many_who_wait_are_sent_away(models):
    with asked(models, queue=1) as client:
        app = client.app
        event = threading.Event()
        worker = app._service.worker

        async def block():
            worker.submit_unbounded(None, lambda _: [event.wait()], None)
            worker.submit(None, lambda _: [1], None)

        client.portal.call(block)
        answer = client.post("/models/films/predict", json={"values": ["a"]})
        event.set()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "too many requests wait" in told(answer)
        while worker.waiting:
            time.sleep(0.001)
        assert client.post("/models/films/predict", json={"values": ["a"]}).status_code == 200


def test_what_takes_too_long_is_given_up(models):
    with asked(models, seconds=0.3) as client:
        event = threading.Event()

        async def block():
            client.app._service.worker.submit_unbounded(None, lambda _: [event.wait()], None)

        client.portal.call(block)
        answer = client.post("/models/text/sample", json={})
        assert answer.status_code == 503
        assert "took too long" in told(answer)
        event.set()


def test_requests_that_come_together_are_computed_together(models):
    with asked(models) as client:
        event = threading.Event()
        service = client.app._service

        async def block():
            service.worker.submit_unbounded(None, lambda _: [event.wait()], None)

        client.portal.call(block)
        texts = [f"it was good in place {number}" for number in range(6)] + [""]
        found: dict[str, object] = {}

        def ask(text: str) -> None:
            answer = client.post("/models/films/predict", json={"values": [text, "it was nice"]})
            found[text] = answer.json()["answers"]

        threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        while service.worker.waiting < len(texts):
            time.sleep(0.01)
        event.set()
        for thread in threads:
            thread.join()
        for text in texts:
            (expected, nice) = models["films"].predict([text, "it was nice"])
            for got, right in zip(found[text], (expected, nice), strict=True):
                assert got["prediction"] == right["prediction"]
                assert got["probability"] == pytest.approx(right["probability"], abs=1e-5)
        assert 'elman_batch_size_bucket{le="4.0"} 1' in client.get("/metrics").text


def test_a_token_must_be_known(models):
    with asked(models, token="abc-123") as client:
        assert client.get("/health").status_code == client.get("/").status_code == 200
        for path in ("/models", "/metrics", "/openapi.json", "/none"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert client.get(path, headers={"Authorization": "Bearer abc"}).status_code == 401
        known = {"Authorization": "Bearer abc-123", "Host": "example.org"}
        assert client.get("/models", headers=known).status_code == 200
        assert client.get("/openapi.json", headers=known).json()["security"] == [{"token": []}]
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(STREAM):
            pass
        assert refused.value.status_code == 401
        with client.websocket_connect(STREAM, subprotocols=["elman", "token.abc-123"]) as socket:
            assert socket.accepted_subprotocol == "elman"
            assert socket.receive_json()["steps"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Host": "[::"},
        {"Host": ""},
    ],
)
def test_without_a_token_only_this_machine_is_answered_and_no_other_page(client, headers):
    assert client.get("/models", headers=headers).status_code == 403
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect(STREAM, headers=headers):
        pass
    assert (
        client.get("/models", headers={"Host": "localhost:99", "Origin": "http://localhost:99"}).status_code
        == 200
    )


def test_names_that_no_address_can_have_are_refused(models):
    with pytest.raises(ConfigError, match="a model's name"):
        Application({"a/b": models["text"]})


def test_metrics_are_counted(client):
    client.post("/models/films/predict", json={"values": ["a"]})
    client.get("/nowhere")
    with client.websocket_connect(STREAM) as socket:
        socket.receive_json()
        socket.send_json({"feed": "the cat"})
        socket.receive_json()
        text = client.get("/metrics").text
    assert 'elman_requests_total{path="/models/films/predict",status="200"} 1' in text
    assert 'elman_requests_total{path="other",status="404"} 1' in text
    assert 'elman_stream_steps_total{model="text"} 7' in text
    assert "elman_streams 1" in text


# Streams


def talk(socket, message) -> dict:
    socket.send_json(message)
    return socket.receive_json()


def test_a_stream_is_that_of_the_model_and_of_nobody_else(client, models):
    texts = ["the cat sat", "on a mat. that", "dog"]
    with ExitStack() as stack:
        sockets = [stack.enter_context(client.websocket_connect(STREAM)) for _ in texts]
        for socket in sockets:
            assert socket.receive_json()["steps"] == 0
        alone = [models["text"].stream() for _ in texts]
        for at in range(max(map(len, texts))):
            for socket, text in zip(sockets, texts, strict=True):
                if at < len(text):
                    socket.send_json({"step": text[at]})
            for socket, text, stream in zip(sockets, texts, alone, strict=True):
                if at < len(text):
                    got, right = socket.receive_json(), stream.answer(stream.step(text[at]))
                    assert got["steps"] == at + 1
                    assert list(got["output"]["probabilities"]) == list(right["probabilities"])
                    values = right["probabilities"].values()
                    assert list(got["output"]["probabilities"].values()) == pytest.approx(
                        list(values), abs=1e-5
                    )


def test_what_a_stream_can_be_asked(client):
    with client.websocket_connect(STREAM) as socket:
        name = socket.receive_json()["stream"]
        one = talk(socket, {"steps": list("the c"), "state": True})
        assert len(one["outputs"]) == one["steps"] == 5
        assert len(one["state"][0]) == 16
        forked = talk(socket, {"fork": True})["fork"]
        assert forked != name
        assert talk(socket, {"reset": True})["steps"] == 0
        last = talk(socket, {"feed": "the c", "last": True})
        assert last["output"]["probabilities"] == pytest.approx(one["outputs"][-1]["probabilities"], abs=1e-5)
        assert talk(socket, {"finish": True})["outputs"] == []
        with client.websocket_connect(f"{STREAM}?stream={forked}") as other:
            assert other.receive_json() == {"stream": forked, "model": "text", "steps": 5}
            assert talk(other, {"step": "a"})["steps"] == 6
        assert talk(socket, {"step": "a"})["steps"] == 6


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("{", "message: not valid JSON"),
        ("[]", "message: expected an object"),
        ("{}", "expected one of step, steps, feed, finish, reset, fork"),
        ('{"step": "a", "reset": true}', "expected one of"),
        ('{"step": 3}', "message.step: expected a text, got 3"),
        ('{"stp": "a"}', "did you mean 'step'?"),
        ('{"step": "the"}', ""),
        ('{"step": "\\ud800"}', "half of a surrogate pair"),
        ('{"feed": "' + "a" * 20_000 + '"}', "at most 10,000 characters"),
        ('{"reset": false}', "expected one of True"),
        (b"\0", "expected a message of text, got bytes"),
    ],
)
def test_a_message_that_cannot_be_read_is_told_and_the_stream_is_as_it_was(client, sent, words):
    with client.websocket_connect(STREAM) as socket:
        socket.receive_json()
        talk(socket, {"step": "t"})
        socket.send_text(sent) if isinstance(sent, str) else socket.send_bytes(sent)
        said = socket.receive_json()
        assert words in said["error"]
        assert said["steps"] == 1
        assert talk(socket, {"step": "h"})["steps"] == 2


def test_streams_are_bounded_and_free_when_they_end(models):
    with asked(models, streams=2) as client:
        sessions = client.app._sessions
        with client.websocket_connect(STREAM) as one, client.websocket_connect(STREAM) as two:
            one.receive_json(), two.receive_json()
            assert "no more may be" in talk(one, {"fork": True})["error"]
            with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(STREAM):
                pass
            assert refused.value.status_code == 503
        until = time.monotonic() + 5
        while len(sessions) and time.monotonic() < until:
            time.sleep(0.01)
        assert len(sessions) == 0
        with client.websocket_connect(STREAM) as again:
            assert talk(again, {"step": "a"}) is not None
        while len(sessions.engines["text"]) and time.monotonic() < until:
            time.sleep(0.01)
        assert len(sessions.engines["text"]) == 0


def test_a_model_that_does_not_stream_says_so(client):
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(STREAM.replace("text", "films")),
    ):
        pass
    assert refused.value.status_code == 422
    assert "train with classify.bidirectional = false" in refused.value.json()["error"]


@pytest.mark.parametrize("name", ["a" * 22, "../../secret", "", "%00"])
def test_a_stream_that_does_not_wait_cannot_be_taken_up(client, name):
    if not name:
        with client.websocket_connect(f"{STREAM}?stream=") as socket:
            assert socket.receive_json()["steps"] == 0
        return
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(f"{STREAM}?stream={name}"),
    ):
        pass
    assert refused.value.status_code == 404


def test_a_stream_that_another_has_cannot_be_taken_up(client):
    with client.websocket_connect(STREAM) as socket:
        name = socket.receive_json()["stream"]
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect(f"{STREAM}?stream={name}"):
            pass


def test_who_says_nothing_for_too_long_is_hung_up_on(models):
    with asked(models, idle=0.2) as client, client.websocket_connect(STREAM) as socket:
        socket.receive_json()
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
        assert (ended.value.code, ended.value.reason) == (1008, "it was idle for too long")
        assert 'elman_streams_dropped_total{why="idle"} 1' in client.get("/metrics").text


def test_a_forked_stream_that_nobody_takes_up_ends(models):
    with asked(models, idle=1.5) as client, client.websocket_connect(STREAM) as socket:
        socket.receive_json()
        talk(socket, {"fork": True})
        until = time.monotonic() + 10
        while len(client.app._sessions) > 1 and time.monotonic() < until:
            talk(socket, {"step": "a"})
            time.sleep(0.1)
        assert len(client.app._sessions) == 1


def test_a_fault_of_a_stream_is_told_to_it_alone_whatever_it_is(models, monkeypatch):
    days = STREAM.replace("text", "days")
    with (
        asked(models) as client,
        client.websocket_connect(days) as one,
        client.websocket_connect(days) as two,
    ):
        assert [socket.receive_json()["steps"] for socket in (one, two)] == [0, 0]
        one.send_text('{"feed": [1' + 400 * "0" + "]}")
        assert "number" in one.receive_json()["error"]
        engine = client.app._sessions.engines["days"]
        (mine, *_), whole = list(engine._open), engine.answers

        def answers(outputs):
            if any(output.after > 50 for output in outputs):
                raise OverflowError("beyond the calendar")
            return whole(outputs)

        monkeypatch.setattr(engine, "answers", answers)
        one.send_json({"feed": [1.0] * 60})
        two.send_json({"feed": [1.0] * 50})
        assert one.receive_json()["error"] == "a fault of Elman; the server's log tells it"
        assert two.receive_json()["steps"] == 50
        assert mine in engine
        assert "steps" in talk(one, {"reset": True})


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("pairs", lambda model: model.translate(["ab3"])),
        ("pairs", lambda model: model.predict(["ab3"])),
        ("films", lambda model: model.predict(["so so"])),
        ("days", lambda model: model.forecast()),
        ("text", lambda model: model.sample("the ", 5)),
        ("text", lambda model: model.complete("the c")),
    ],
)
def test_long_work_ends_when_nobody_waits_for_it(models, name, ask):
    with pytest.raises(interruption.NobodyWaits), interruption.as_long_as(lambda: False):
        ask(models[name])


def test_streams_are_kept_while_the_server_is_down(models, tmp_path):
    (tmp_path / "text").mkdir(mode=0o755)
    with asked(models, state_dir=tmp_path) as client:
        with client.websocket_connect(STREAM) as socket:
            name = socket.receive_json()["stream"]
            talk(socket, {"feed": "the cat"})
            gone = talk(socket, {"fork": True})["fork"]
            right = talk(socket, {"step": " "})["output"]
            talk(socket, {"reset": True})
            talk(socket, {"feed": "the cat"})
            client.app.end()
        until = time.monotonic() + 5
        while client.app._sessions._sessions[name].task and time.monotonic() < until:
            time.sleep(0.01)
    kept = sorted((tmp_path / "text").iterdir())
    assert [path.stat().st_mode & 0o777 for path in (kept[0], kept[0].parent)] == [0o600, 0o700]
    assert [path.name for path in kept] == sorted([f"{name}.safetensors", f"{gone}.safetensors"])
    (tmp_path / "text" / f"{gone}.safetensors").write_bytes(b"damaged")
    (tmp_path / "text" / "other.safetensors").write_bytes(b"not ours")
    with asked(models, state_dir=tmp_path) as client:
        with client.websocket_connect(f"{STREAM}?stream={name}") as socket:
            assert socket.receive_json()["steps"] == 7
            assert talk(socket, {"step": " "})["output"] == right
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(f"{STREAM}?stream={gone}"),
        ):
            pass
        assert refused.value.status_code == 422
        assert "damaged" in refused.value.json()["error"]
        assert str(tmp_path) not in refused.value.json()["error"]
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect(f"{STREAM}?stream=other"):
            pass
    assert not (tmp_path / "text" / f"{name}.safetensors").exists()


def test_a_stream_of_numbers_takes_no_paths(models, tmp_path):
    with asked(models) as client, client.websocket_connect(STREAM.replace("text", "days")) as socket:
        socket.receive_json()
        assert talk(socket, {"step": 3.5})["output"] is None
        assert talk(socket, {"step": [2, 4]})["steps"] == 2
        assert talk(socket, {"step": {"y": 4}})["steps"] == 3
        assert "error" in talk(socket, {"step": "/etc/passwd.npy"})
        assert "error" in talk(socket, {"feed": "/etc/passwd.npy"})
        said = talk(socket, {"feed": [10 + day % 7 for day in range(60)], "last": True})
        assert len(said["output"]["median"]) == 8


def test_settings_of_a_tiny_run_are_known():
    assert TINY["hidden"] == 16  # what the state of a stream above has


def test_work_ends_when_its_asker_has_gone(models, monkeypatch):
    """A client that hangs up leaves nothing behind that is computed for nobody."""
    begun, ended = threading.Event(), threading.Event()

    def endless(values, **options):
        begun.set()
        try:
            while True:
                interruption.look()
        except interruption.NobodyWaits:
            ended.set()
            raise

    monkeypatch.setattr(models["films"], "predict", endless)
    app = Application(models, bounds=Limits(seconds=600))
    body = [{"type": "http.request", "body": b'{"values": ["a"]}', "more_body": False}]

    async def receive():
        if body:
            return body.pop()
        await asyncio.to_thread(begun.wait)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    head = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "POST", "path": "/models/films/predict", "headers": head}
    scope |= {"query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http"}

    async def ask():
        async with app._living(None):
            await app(scope, receive, send)
            await asyncio.to_thread(ended.wait)

    asyncio.run(ask())
    assert ended.is_set()


def test_short_requests_are_answered_while_a_long_one_is_computed(models, monkeypatch):
    begun, short = threading.Event(), threading.Event()
    plain = models["films"].predict

    def slow(values, **options):
        begun.set()
        while not short.is_set():
            interruption.look()
        return plain(values, **options)

    monkeypatch.setattr(models["films"], "predict", slow)
    with asked(models, seconds=600) as client:
        found: list[int] = []
        body = {"values": ["so dull"]}
        asker = threading.Thread(
            target=lambda: found.append(client.post("/models/films/predict", json=body).status_code)
        )
        asker.start()
        begun.wait()
        for path, ask in [
            ("text/complete", {"text": "the c"}),
            ("text/sample", {"length": 20}),
            ("pairs/translate", {"values": ["ab3"]}),
        ]:
            assert client.post(f"/models/{path}", json=ask).status_code == 200
        with client.websocket_connect(STREAM) as socket:
            socket.receive_json()
            assert talk(socket, {"feed": "the cat"})["steps"] == 7
        assert not found
        short.set()
        asker.join()
        assert found == [200]
