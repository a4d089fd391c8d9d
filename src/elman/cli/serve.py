"""`elman serve`: models at work for others."""

from __future__ import annotations

import secrets
import socket
from dataclasses import asdict, make_dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from elman.cli.options import Whole, options
from elman.core import optional
from elman.core.errors import ConfigError
from elman.server.limits import Limits as limits_Limits

Limits: Any = make_dataclass(
    "Limits", options(limits_Limits), frozen=True, kw_only=True, namespace={"__module__": __name__}
)
_NONE = Limits()
_NEEDED = ("starlette", "uvicorn", "websockets")


def serve(
    *runs: Path,
    port: Whole = 8000,
    host: str = "127.0.0.1",
    token: str = "",
    state_dir: Path | None = None,
    device: str = "auto",
    limits: Annotated[Limits, Parameter(name="*")] = _NONE,
) -> None:
    """Serve models over HTTP and WebSocket, with a page to try them.

    Ctrl-C or SIGTERM ends it: requests are answered first, streams are kept in --state-dir. A second Ctrl-C
    ends it at once.

    Parameters
    ----------
    runs
        Run folders; each model is asked by the name of its folder.
    port
        Port to listen at; 0: a free one, which is printed.
    host
        Address to listen at: 127.0.0.1 is this machine alone; 0.0.0.0 every network it is in.
    token
        What must be known to ask (Authorization: Bearer TOKEN). Where others can reach the server and none is
        given, one is made and printed.
    state_dir
        Folder where streams are kept while the server is down; left out: they end with it.
    device
        cpu, cuda, cuda:1 or mps; auto: the best available.
    """
    bounds = limits_Limits.of({key: value for key, value in asdict(limits).items() if value is not None})
    names = _names(runs)
    _require()
    listening = _listen(host, port)  # before torch is loaded: that it cannot is told at once
    made = "" if token or _is_here(host) else secrets.token_urlsafe(24)
    from elman.runs.load import load
    from elman.server import app as server_app

    models = {name: load(run, device=device) for name, run in names.items()}
    app = server_app.Application(models, bounds=bounds, token=token or made, state_dir=state_dir)
    at = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    print(f"serving {', '.join(names)} at {at}{f'/#{made}' if made else ''} (Ctrl-C ends it)", flush=True)
    if made:
        print(f"token: {made}", flush=True)
    server_app.serve(app, listening)


def _names(runs: tuple[Path, ...]) -> dict[str, Path]:
    """Return the run folders by the names that models are asked by."""
    if not runs:
        raise ConfigError(
            "elman serve", "no run folder", expected="one or more", remedy="elman serve runs/NAME"
        )
    names = {run.resolve().name: run for run in runs}
    if len(names) < len(runs):
        raise ConfigError("elman serve", "two folders of one name", expected="names that differ")
    return names


def _require() -> None:
    for name in _NEEDED:
        got = f"a server, which takes {name}, and that is not installed"
        optional.require(name, "serve", "elman serve", got=got)


def _listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens there; port 0 takes a free one.

    Raises:
        ConfigError: the port is taken, or there is no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if not 0 <= port < 1 << 16:
            raise ConfigError("--port", str(port)[:40], expected="a number from 0 to 65,535")
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = str(error.strerror or error).partition(" (")[0]
        got = f"{host}:{port}, where it cannot listen ({why})"
        raise ConfigError("--port", got, remedy="choose another --port or --host") from error


def _is_here(host: str) -> bool:
    """Return whether nobody but this machine can ask there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
