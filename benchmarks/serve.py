"""The server under work: steps a second over WebSockets, and clients that behave badly.

    python benchmarks/serve.py                     # both, on a GRU language model of 256 units, trained first
    python benchmarks/serve.py --seconds 4 --load 10 --run runs/mine
    python benchmarks/serve.py --clients 1 100 --together 16     # 16 steps a message

The server is a process of its own. The client speaks as little WebSocket as can be, so that what is measured
is the server. Only this machine is listened to.

Under load 200 clients each send characters of a text of their own, and compare every answer with that of a
stream that was run beside the server; meanwhile others hang up in the middle, send garbage, send bodies over
the bound, and never read. It ends with 1 where an answer was wrong, a status was no announced one, or memory
grew after the first seconds.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = "/models/{name}/stream"
TEXT = b'{"step":"e"}'
LETTERS = "etaoin shrdlu"
_NO_TEXT = (1007).to_bytes(2)  # what a WebSocket is closed with whose text is not valid UTF-8
_WARM = 10.0  # seconds of load after which memory is what it needs
_MORE = 5.0  # MiB that may have come since, for the heap is never packed the same
ANNOUNCED = {101, 200, 400, 404, 405, 413, 415, 422, 503}


# The server


@contextmanager
def serving(run: Path, *options: str) -> Iterator[tuple[int, int]]:
    """The port and the process id of a server of a run."""
    command = [sys.executable, "-m", "elman", "serve", str(run), "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        port = int(re.search(r":(\d+) ", said)[1])  # pyrefly: ignore
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def memory(pid: int) -> float:
    """MiB that a process has resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def trained(folder: Path) -> Path:
    """A GRU language model of 256 units on the built-in text, of a short training."""
    import elman

    options = {"cell": "gru", "hidden": 256, "epochs": 1, "batch_size": 64, "bptt": 128, "threads": 1}
    elman.train("sample:python-docs", out=folder / "gru256", quiet=True, **options)
    return folder / "gru256"


# A client


class Wire:
    """One WebSocket: a frame each way, with the mask of zeros, which changes nothing."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        )
        self.socket.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self._more()
        line, _, self.rest = self.rest.partition(b"\r\n\r\n")
        self.status = int(line.split()[1])

    def _more(self) -> bytes:
        found = self.socket.recv(1 << 16)
        if not found:
            raise ConnectionError("the server hung up")
        return found

    def send(self, text: bytes) -> None:
        """Send a message."""
        self.socket.sendall(frame(text))

    def receive(self) -> bytes:
        """The next message."""
        while (found := parsed(self.rest)) is None:
            self.rest += self._more()
        text, self.rest = found
        return text

    def ask(self, message: object) -> dict:
        """The answer to a message."""
        self.send(json.dumps(message).encode())
        return json.loads(self.receive())


def frame(text: bytes) -> bytes:
    size = len(text)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x81, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x81, 0xFF, size)
    return head + b"\0\0\0\0" + text


def parsed(rest: bytes) -> tuple[bytes, bytes] | None:
    """The text of the first frame that is whole, and what follows it."""
    if len(rest) < 2:
        return None
    size, at = rest[1] & 127, 2
    if size == 126:
        size, at = int.from_bytes(rest[2:4]), 4
    elif size == 127:
        size, at = int.from_bytes(rest[2:10]), 10
    return (rest[at : at + size], rest[at + size :]) if len(rest) >= at + size else None


def rate(port: int, path: str, clients: int, seconds: float, message: bytes) -> float:
    """Messages a second of clients that each send the next one when the last one is answered."""
    chosen, data, wires = selectors.DefaultSelector(), frame(message), []
    for _ in range(clients):
        wire = Wire(port, path)
        wire.receive()
        wire.socket.setblocking(False)
        chosen.register(wire.socket, selectors.EVENT_READ, wire)
        wires.append(wire)
    for wire in wires:
        wire.socket.send(data)
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        for key, _ in chosen.select(1):
            wire = key.data
            wire.rest += wire.socket.recv(1 << 16)
            while (found := parsed(wire.rest)) is not None:
                wire.rest = found[1]
                count += 1
                wire.socket.send(data)
    took = time.monotonic() - start
    for wire in wires:
        wire.socket.close()
    return count / took


def speed(run: Path, clients: list[int], seconds: float, together: int) -> None:
    """Print steps a second."""
    message = TEXT if together == 1 else json.dumps({"steps": ["e"] * together}).encode()
    with serving(run) as (port, pid):
        path = PATH.format(name=run.name)
        rate(port, path, 1, 1.0, message)
        for count in clients:
            found = rate(port, path, count, seconds, message)
            print(
                f"{count:>5} clients, {together} steps a message: {found * together:>8,.0f} steps/s,", end=" "
            )
            print(f"{memory(pid):.0f} MiB", flush=True)


# Load


class Tally:
    """What happened, counted by many threads."""

    def __init__(self) -> None:
        self.counts, self.faults, self._lock = Counter[str](), list[str](), threading.Lock()

    def add(self, what: str, by: int = 1) -> None:
        """Count."""
        with self._lock:
            self.counts[what] += by

    def fault(self, words: str) -> None:
        """Note what should not have been."""
        with self._lock:
            self.faults.append(words)


def expected(run: Path, texts: list[str]) -> list[list[dict]]:
    """What a stream of each text answers, step by step, run beside the server."""
    import torch

    import elman

    torch.set_num_threads(1)
    model, found = elman.load(run), []
    for text in texts:
        stream = model.stream()
        found.append([stream.answer(stream.step(letter))["probabilities"] for letter in text])
    return found


def steady(
    port: int, path: str, text: str, right: list[dict], until: float, tally: Tally, dice: random.Random
) -> None:
    """A client that goes through its text again and again, and now and then hangs up in the middle."""
    while time.monotonic() < until:
        wire = Wire(port, path)
        if wire.status != 101:
            tally.add(f"status {wire.status}")
            if wire.status not in ANNOUNCED:
                tally.fault(f"a status {wire.status}")
            time.sleep(0.05)
            continue
        wire.receive()
        for letter, answer in zip(text[: dice.randint(1, len(text))], right, strict=False):
            got = wire.ask({"step": letter})["output"]["probabilities"]
            same = all(abs(got.get(symbol, 0) - p) < 1e-4 for symbol, p in answer.items() if p > 1e-3)
            tally.add("steps")
            if not same:
                tally.fault(f"another stream's answer after {letter!r}: {got}, not {answer}")
        wire.socket.close()
        tally.add("hung up")


def bad(port: int, path: str, kind: int, until: float, tally: Tally) -> None:
    """A client that sends garbage, too much, half a request, or never reads."""
    while time.monotonic() < until:
        try:
            (_garbage, _over, _half, _deaf)[kind % 4](port, path, tally)
        except (OSError, ConnectionError):
            tally.add("was hung up on")
        time.sleep(0.02)


def _garbage(port: int, path: str, tally: Tally) -> None:
    wire = Wire(port, path)
    if wire.status != 101:
        tally.add(f"status {wire.status}")
        return
    wire.receive()
    long = b'{"feed": "' + b"a" * 20_000 + b'"}'
    for text in (b"{", b"[" * 5000, b'{"step": 3}', long, os.urandom(20).hex().encode(), b"\xff\xfe"):
        wire.send(text)
        tally.add("garbage")
        said = wire.receive()
        if b"error" not in said and said[:2] != _NO_TEXT:
            tally.fault(f"garbage was answered with {said[:100]!r}")


def _over(port: int, path: str, tally: Tally) -> None:
    with socket.create_connection(("127.0.0.1", port)) as plain:
        head = f"POST {path.replace('stream', 'sample')} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += "Content-Type: application/json\r\n"
        plain.sendall(f"{head}Content-Length: 99999999\r\n\r\n".encode() + b"x" * 1000)
        status = int(plain.recv(4096).split()[1])
        tally.add(f"status {status}")
        if status not in ANNOUNCED:
            tally.fault(f"a status {status} for a body over the bound")


def _half(port: int, path: str, tally: Tally) -> None:
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"POST /models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
    wire = Wire(port, path)
    wire.socket.sendall(frame(b'{"feed": "' + b"a" * 2000 + b'"}')[:1000])
    wire.socket.close()
    tally.add("half")


def _deaf(port: int, path: str, tally: Tally) -> None:
    wire = Wire(port, path)
    wire.socket.settimeout(1.0)
    data = frame(b'{"feed": "' + b"e" * 2000 + b'"}')
    try:
        for _ in range(50):
            wire.socket.sendall(data)
    except TimeoutError:
        tally.add("the server stopped reading")
    time.sleep(1)
    wire.socket.close()


def work(port: int, path: str, texts: list[str], right: list[list[dict]], seconds: float) -> Tally:
    """What happened in some seconds of steady clients and of bad ones."""
    tally, until = Tally(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=steady, args=(port, path, text, answers, until, tally, random.Random(text)))
        for text, answers in zip(texts, right, strict=True)
    ]
    threads += [threading.Thread(target=bad, args=(port, path, kind, until, tally)) for kind in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(3)
    return tally


def load(run: Path, clients: int, seconds: float) -> int:
    """Clients for some seconds; 1 where something went wrong."""
    dice = random.Random(1)
    texts = ["".join(dice.choices(LETTERS, k=60)) for _ in range(clients)]
    right = expected(run, texts)
    with serving(run, "--streams", str(clients)) as (port, pid):
        path = PATH.format(name=run.name)
        fresh = memory(pid)
        work(port, path, texts, right, _WARM)
        before = memory(pid)
        tally = work(port, path, texts, right, seconds)
        after = memory(pid)
        left = socket.create_connection(("127.0.0.1", port))
        left.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        told = b"".join(iter(lambda: left.recv(1 << 16), b"")).decode()
    open_still = re.search(r"^elman_streams (\d+)\.0$", told, re.MULTILINE)
    failed = [line for line in told.splitlines() if re.search(r'status="5(?!03)', line)]
    print(
        f"{clients} clients and 16 bad ones for {seconds:g} s: "
        + ", ".join(f"{n:,} {w}" for w, n in sorted(tally.counts.items()))
    )
    print(
        f"memory {fresh:.0f} MiB at first, {before:.0f} MiB after {_WARM:g} s of that,",
        f"{after:.0f} MiB after all; {open_still[1] if open_still else '?'} streams left open",
    )
    for words in [*tally.faults[:10], *failed]:
        print("FAULT:", words)
    return int(bool(tally.faults or failed) or after > before + _MORE)


def main() -> int:
    """Measure, then load."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--together", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--load", type=float, default=60.0, help="seconds under load; 0: none")
    parser.add_argument("--load-clients", type=int, default=200)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = said.run or trained(Path(folder))
        for together in said.together if said.clients else ():
            speed(run, said.clients, said.seconds, together)
        return load(run, said.load_clients, said.load) if said.load else 0


if __name__ == "__main__":
    sys.exit(main())
