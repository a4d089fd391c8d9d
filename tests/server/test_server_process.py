"""`elman serve` as a process: it says where it is, ends when it is told to, and refuses what it cannot do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from elman import cli
from elman.core import optional

pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")
client = pytest.importorskip("websockets.sync.client")
closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
command = import_module("elman.cli.serve")  # the package has a function of that name


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[str, subprocess.Popen]]:
    """The address of a server, and its process."""
    words = [sys.executable, "-m", "elman", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        line = process.stdout.readline()
        yield re.search(r"http://[\d.:]+", line)[0], process
    finally:
        process.kill()
        process.wait()


def connected(address: str, query: str = ""):
    return client.connect(f"{address.replace('http', 'ws')}/models/run/stream{query}", compression=None)


def test_it_ends_when_told_and_keeps_its_streams(run, tmp_path):
    with serving(run, "--state-dir", tmp_path) as (address, process):
        assert httpx.get(f"{address}/health").json() == {"status": "ok"}
        with connected(address) as socket_:
            name = json.loads(socket_.recv())["stream"]
            socket_.send('{"feed": "the cat", "last": true}')
            said = json.loads(socket_.recv())
            process.send_signal(signal.SIGTERM)
            with pytest.raises(closed):
                socket_.recv(timeout=20)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert [path.stem for path in (tmp_path / "run").iterdir()] == [name]
    with (
        serving(run, "--state-dir", tmp_path) as (address, process),
        connected(address, f"?stream={name}") as other,
    ):
        assert json.loads(other.recv())["steps"] == 7
        other.send('{"steps": [" "]}')
        assert said["steps"] + 1 == json.loads(other.recv())["steps"]


def test_a_second_ctrl_c_ends_it_at_once(run):
    with serving(run, "--seconds", 60) as (address, process):
        threading.Thread(target=_long, args=(address,), daemon=True).start()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(25) == 130


def _long(address: str) -> None:
    """A request that takes longer than anyone would wait: its body never comes."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as plain:
        head = "POST /models/run/sample HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        plain.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        time.sleep(30)


def _refusal_of_a_long_message(address: str) -> str:
    """How the server ends a connection on which too long a message comes."""
    with connected(address) as one:
        one.recv()
        with contextlib.suppress(closed):  # before all is sent, or after it
            one.send("x" * (1 << 21))
        with pytest.raises(closed) as ended:
            one.recv(timeout=20)
    return str(ended.value)


def test_what_is_sent_raw_does_no_harm(run):
    with serving(run, "--seconds", 1) as (address, process):
        host, port = address.removeprefix("http://").split(":")
        for sent in (
            b"\0\xff" * 100,
            b"GET",
            b"GET / HTTP/9\r\n\r\n",
            b"POST /models HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            with socket.create_connection((host, int(port))) as plain:
                plain.sendall(sent)
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            head = (
                b"POST /models/run/sample HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            )
            slow.sendall(head + b"Content-Length: 100\r\n\r\n{")
            assert b" 408 " in slow.recv(4096)
        # With the rest of the message unread, TCP may reset a connection before its close frame is read.
        assert any("1009" in _refusal_of_a_long_message(address) for _ in range(10))
        assert httpx.get(f"{address}/health").status_code == 200
        assert process.poll() is None


def test_a_port_that_is_taken_is_told_in_one_line(run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.run(["serve", str(run), "--port", str(port)]) == 2
    words = f"elman: --port: 127.0.0.1:{port}, where it cannot listen (Address already in use); "
    assert capsys.readouterr().err == f"{words}choose another --port or --host\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "elman serve: expected one or more, got no run folder; elman serve runs/NAME"),
        (["a/x", "b/x"], "two folders of one name"),
        (["x", "--queue", "0"], "bounds.queue: expected a value at least 1, got 0"),
        (["/nowhere/run", "--port", "0"], "/nowhere/run"),
    ],
)
def test_what_it_cannot_do_is_told_in_one_line(arguments, words, capsys):
    assert cli.run(["serve", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_without_its_libraries_it_says_how_to_get_them(run, monkeypatch, capsys):
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    assert cli.run(["serve", str(run)]) == 2
    assert "pip install 'elman[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),
        ("a.org", False),
    ],
)
def test_a_token_is_made_where_others_can_ask(run, host, here, monkeypatch, capsys):
    from elman import server
    from elman.server import app

    served: list[server.Application] = []
    monkeypatch.setattr(command, "_listen", lambda host, port: socket.create_server(("127.0.0.1", 0)))
    monkeypatch.setattr(app, "serve", lambda app, listening: (served.append(app), listening.close()))
    assert cli.run(["serve", str(run), "--host", host]) == 0
    told = capsys.readouterr().out
    assert len(served) == 1
    assert ("token: " in told) is not here
    assert Path(run).name in told
