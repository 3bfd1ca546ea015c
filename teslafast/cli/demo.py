"""
`teslafast demo`: a server, simulated vehicles that speak the real protocol over mutual TLS, and a dashboard in the terminal.

Everything is on this machine's loopback, with certificates in a folder that is deleted when the demo ends. The page and `/stream`
are plain HTTP here, because no browser would trust those certificates; the vehicles' port is as it is in production.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from .. import vin
from ..certificates import folder as certs
from ..config import Settings
from ..dashboards import tokens
from ..errors import Misconfigured
from ..logs import set_up
from ..scratch import scratch_folder
from ..server import tls
from ..server.server import Server
from ..simulator.fleet import simulate
from ..watch.client import watch

DEFAULT_PORT = 3000
TOKEN_TTL_S = 86_400.0  # a day: nobody leaves a demo running for longer
INTERVAL_S = 0.5  # as often as a real vehicle sends at most


def run(port: int | None, vehicles: int, seconds: float | None, *, open_page: bool = False) -> None:
    """Ends after `seconds`, or on SIGINT or SIGTERM. Raises Misconfigured."""
    import uvloop

    set_up("warning", None)
    with scratch_folder("teslafast-demo-") as folder:
        uvloop.run(_demo(folder, port, vehicles, seconds, open_page))


async def _demo(folder: Path, port: int | None, vehicles: int, seconds: float | None, open_page: bool) -> None:
    vins = [vin.sample_vin(number) for number in range(vehicles)]
    made = certs.init(folder / "certs", "127.0.0.1", vins, durable=False)
    server = _start(_settings(made.directory, made.vins, DEFAULT_PORT if port is None else port), may_move=port is None)
    at, vehicles_at = (f"127.0.0.1:{bound}" for bound in server.ports)
    token = tokens.mint(server.settings, "demo", (), TOKEN_TTL_S, time.time())
    click.echo("\n".join(_greeting(at, vehicles_at, token, vehicles, seconds)), err=True)
    if open_page:
        _open(f"http://{at}/#token={token}")
    driving = simulate(f"wss://{vehicles_at}/", vehicles=vehicles, interval_s=INTERVAL_S, certs_dir=made.directory)
    tasks = [asyncio.create_task(driving), asyncio.create_task(watch(f"ws://{at}/stream", token=token))]
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    waiting = asyncio.create_task(ended.wait())
    try:
        done, _ = await asyncio.wait([*tasks, waiting], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in [*tasks, waiting]:
            task.cancel()
        with suppress(BrokenPipeError):
            await asyncio.gather(*tasks, waiting, return_exceptions=True)
        await server.drain()
        server.stop()
    for task in done:
        if task is not waiting:
            task.result()  # it ended by itself: this raises the reason


def _open(url: str) -> None:
    """In a thread that nobody waits for: some browsers' launchers return when the browser is closed."""

    def launch() -> None:
        if not webbrowser.open(url):
            click.echo("no browser was found: open the page's address yourself", err=True)

    threading.Thread(target=launch, daemon=True).start()


def _greeting(at: str, vehicles_at: str, token: str, vehicles: int, seconds: float | None) -> Iterator[str]:
    """What to open, how to end it, and what to do next. On stderr: stdout holds events alone, for programs that read them."""
    yield f"page    http://{at}/#token={token}"
    yield f"stream  ws://{at}/stream?token={token}"
    yield f"{vehicles} simulated vehicle{'s' if vehicles != 1 else ''} over mutual TLS at wss://{vehicles_at}/"
    end = "Ctrl-C ends it." if seconds is None else f"Ctrl-C ends it, or {seconds:g} s."
    yield f"{end} Next: open the page; then a server of your own: teslafast certs init certs --hostname localhost\n"


def _settings(directory: Path, vins: Sequence[str], port: int) -> Settings:
    return Settings(
        host="127.0.0.1",
        port=port,
        vehicle_port=0,
        jwt_secret=secrets.token_hex(32).encode(),
        cert_path=directory / "server.pem",
        key_path=directory / "server.key",
        ca_path=directory / "vehicle_ca.pem",
        tesla_vin=frozenset(vins),
        drain_seconds=3.0,
    )


def _start(settings: Settings, may_move: bool) -> Server:
    """A started server; on any free port if the default one is taken and no port was given."""
    loop = asyncio.get_running_loop()
    server = Server(settings, loop, contexts=(None, tls.contexts(settings)[1]))
    try:
        server.start()
    except Misconfigured:
        server.stop()
        if not may_move or settings.port == 0:
            raise
        return _start(replace(settings, port=0), may_move=False)
    return server
