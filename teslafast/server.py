"""
A server's life: start, serve, drain, stop.

Connections are accepted here, not by the event loop's own server, for three things that it cannot do: say in plain words why a
TLS handshake failed, take handshakes in at a bounded rate so that the loop breathes while thousands of vehicles come back at
once, and count a connection's time from the accept on. Two layouts: one port for everything, or a second one for vehicles only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import aiofastnet
import orjson
from picows import WSCloseCode, WSListener

from . import __version__, tls
from .auth import Grant, Verifier
from .config import Settings
from .dashboard import LARGEST_MESSAGE, Dashboard
from .door import Admit, Door
from .errors import Misconfigured
from .gate import AdmitVehicle, Answer, Gate, Listener, Now, Peer, Request
from .hub import Connection, Hub
from .logs import log, of
from .vehicle import Vehicle

BACKLOG = 4096
ACCEPTS_PER_TURN = 64
HANDSHAKES_AT_ONCE = 16  # each step costs milliseconds of CPU: so many may come up in one turn of the loop
BIO_BYTES = 32 * 1024  # TLS buffers of a connection, each way: two records
TLS_GOODBYE_S = 2.0
ROUND_S = 1.0  # every connection is looked at once in so long …
ROUND_PARTS = 4  # … in so many parts
PAUSE_AFTER_FULL_S = 0.5  # no descriptors left: when to try again

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

LANDING = "This is teslafast. Vehicles connect here over WebSocket with a client certificate; dashboards connect to /stream with a token.\n"


class Server:
    """One server on one event loop. `start` binds, `drain` ends it cleanly, `stop` at once."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.hub = Hub(settings, loop)
        self._loop = loop
        key_path = settings.jwt_public_key_path
        public_key = tls.read_file("JWT_PUBLIC_KEY_PATH", key_path) if key_path is not None else None
        self._verifier = Verifier.from_settings(settings, public_key)
        pages = {"/health": self._health, "/": self._landing}
        locked = {"/vehicles": self._vehicles, "/vehicles/*": self._vehicle}
        self._gate = Gate(settings, self._verifier, pages, locked)
        self._contexts = tls.contexts(settings)
        self._sockets: list[tuple[socket.socket, Listener, ssl.SSLContext | None]] = []
        self._handshakes = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        self._doors: set[asyncio.Task[None]] = set()
        self._round: Iterator[Connection] = iter(())
        self._started_at = time.monotonic()

    # ---- start

    def start(self) -> None:
        """Binds and begins to accept. Raises Misconfigured if a port cannot be had."""
        everything, vehicles = self._contexts
        second = self.settings.vehicle_port
        first: Listener = "all" if second is None else "dashboards"
        self._listen("PORT", self.settings.port, first, everything)
        if second is not None:
            self._listen("VEHICLE_PORT", second, "vehicles", vehicles)
        self._loop.call_later(ROUND_S / ROUND_PARTS, self._go_round)

    def _listen(self, variable: str, port: int, listener: Listener, context: ssl.SSLContext | None) -> None:
        try:
            bound = _bind(self.settings.host, port)
        except OSError as error:
            fault = f"{self.settings.host or '*'}:{port} cannot be had: {os.strerror(error.errno or 0)}"
            raise Misconfigured(variable, fault, "give a free port and, in HOST, an address of this machine") from None
        self._sockets.append((bound, listener, context))
        self._loop.add_reader(bound.fileno(), self._accept, bound, listener, context)
        log.info("listening", extra=of(port=bound.getsockname()[1], takes=listener, tls=context is not None))

    @property
    def ports(self) -> list[int]:
        """The ports in use: PORT's, then VEHICLE_PORT's if there is one."""
        return [bound.getsockname()[1] for bound, _, _ in self._sockets]

    # ---- serve

    def _accept(self, bound: socket.socket, listener: Listener, context: ssl.SSLContext | None) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, address = bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._pause_accepting(bound, listener, context, error)
                return
            task = self._loop.create_task(self._open_door(accepted, _shown(address), listener, context))
            self._doors.add(task)
            task.add_done_callback(self._doors.discard)

    def _pause_accepting(self, bound: socket.socket, listener: Listener, context: ssl.SSLContext | None, error: OSError) -> None:
        """Keeps those who are here and lets new ones wait in the kernel's queue."""
        reason = os.strerror(error.errno or 0)
        log.error("accept_paused", extra=of(cause="resources", reason=reason, remedy="raise the limit of open files (ulimit -n)"))
        self._loop.remove_reader(bound.fileno())
        again = partial(self._loop.add_reader, bound.fileno(), self._accept, bound, listener, context)
        self._loop.call_later(PAUSE_AFTER_FULL_S, lambda: again() if bound.fileno() >= 0 else None)

    async def _open_door(self, accepted: socket.socket, address: str, listener: Listener, context: ssl.SSLContext | None) -> None:
        """From an accepted socket to a Door that reads the request head; a failed TLS handshake is said and counted."""
        timer: asyncio.TimerHandle | None = None

        def done() -> None:
            if timer is not None:
                timer.cancel()

        door = Door(partial(_peer, address, listener), self._decide, self._listener_for, done)
        timer = self._loop.call_later(self.settings.handshake_timeout, door.expire)
        if context is None:
            await aiofastnet.connect_accepted_socket(self._loop, lambda: door, accepted)
            return
        try:
            async with self._handshakes:
                await aiofastnet.connect_accepted_socket(
                    self._loop,
                    lambda: door,
                    accepted,
                    ssl=context,
                    ssl_handshake_timeout=self.settings.handshake_timeout,
                    ssl_shutdown_timeout=TLS_GOODBYE_S,
                    ssl_incoming_bio_size=BIO_BYTES,
                    ssl_outgoing_bio_size=BIO_BYTES,
                )
        except (OSError, ssl.SSLError) as error:
            done()
            accepted.close()
            cause, meaning = tls.failure(error)
            self.hub.counts.tls_failures[cause] += 1
            log.warning("tls_failed", extra=of(cause=cause, meaning=meaning, address=address))

    def _decide(self, request: Request, peer: Peer) -> Admit | Answer:
        hub = self.hub
        now = Now(time.time(), hub.roster.connected, hub.dashboards, hub.roster.is_connected, hub.draining)
        decision = self._gate.decide(request, peer, now)
        if isinstance(decision, Answer) and decision.cause:
            hub.counts.refused_requests[decision.cause] += 1
        return decision

    def _listener_for(self, admitted: Admit, peer: Peer) -> tuple[WSListener, int]:
        if isinstance(admitted, AdmitVehicle):
            return Vehicle(self.hub, admitted, peer.address), self.settings.max_frame_bytes
        return Dashboard(self.hub, self._verifier, admitted, peer.address), LARGEST_MESSAGE

    def _go_round(self) -> None:
        """Looks at a part of the connections: pings those that are idle, ends those that are gone or out of time."""
        now = time.monotonic()
        for _ in range(len(self.hub.connections) // ROUND_PARTS + 1):
            connection = next(self._round, None)
            if connection is None:
                self._round = iter(list(self.hub.connections))
                break
            connection.check(now)
        self._loop.call_later(min(ROUND_S, self.settings.ping_interval / 2) / ROUND_PARTS, self._go_round)

    # ---- pages

    def _health(self, request: Request, grant: Grant | None) -> Answer:
        hub = self.hub
        status = HTTPStatus.SERVICE_UNAVAILABLE if hub.draining else HTTPStatus.OK
        return _json(
            status,
            {
                "status": "draining" if hub.draining else "ok",
                "version": __version__,
                "uptime_s": round(time.monotonic() - self._started_at, 3),
                "vehicles": hub.roster.connected,
                "dashboards": hub.dashboards,
                "seq": hub.log.seq,
                "oldest": hub.log.oldest,
                "epoch": hub.epoch,
            },
        )

    def _landing(self, request: Request, grant: Grant | None) -> Answer:
        return Answer(HTTPStatus.OK, LANDING.encode())

    def _vehicles(self, request: Request, grant: Grant | None) -> Answer:
        entries = [entry.report() for entry in self.hub.roster if grant is not None and grant.allows(entry.vin)]
        return _json(HTTPStatus.OK, {"vehicles": entries})

    def _vehicle(self, request: Request, grant: Grant | None) -> Answer:
        vin = request.path.rpartition("/")[2]
        if grant is None or not grant.allows(vin):
            return Answer(HTTPStatus.FORBIDDEN, b"403 Forbidden: the token does not grant this VIN\n", cause="vin_not_granted")
        entry, known = self.hub.roster.get(vin), self.hub.state.get(vin)
        if entry is None and known is None:
            return Answer(HTTPStatus.NOT_FOUND, b"404 Not Found: nothing has been heard of this vehicle\n", cause="unknown_vin")
        report: dict[str, Any] = entry.report() if entry is not None else {"vin": vin, "connected": False}
        return _json(HTTPStatus.OK, report | {"data": known.report() if known is not None else {}})

    # ---- drain, stop

    async def drain(self) -> None:
        """
        Takes nothing new, says everything that is owed, then says good-bye: 1001 to vehicles, 1012 to dashboards.

        Returns when all are gone, or after DRAIN_SECONDS.
        """
        self.hub.draining = True
        deadline = time.monotonic() + self.settings.drain_seconds
        log.info("draining", extra=of(vehicles=self.hub.roster.connected, dashboards=self.hub.dashboards))
        for connection in list(self.hub.connections):
            if isinstance(connection, Vehicle):
                connection.close(WSCloseCode.GOING_AWAY, "drain", "the server restarts")
        await self._until(deadline, lambda: self.hub.roster.connected == 0)
        await self._until(deadline, self._all_told)
        for connection in list(self.hub.connections):
            connection.close(WSCloseCode.SERVICE_RESTART, "drain", "the server restarts")
        await self._until(deadline, lambda: not self.hub.connections)

    def _all_told(self) -> bool:
        return all(one.up_to_date for one in self.hub.connections if isinstance(one, Dashboard))

    async def _until(self, deadline: float, reached: Any) -> None:
        while not reached() and time.monotonic() < deadline:  # noqa: ASYNC110 — what a drain waits for has no event of its own
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Closes the ports and whatever is still open."""
        for bound, _, _ in self._sockets:
            self._loop.remove_reader(bound.fileno())
            bound.close()
        for task in self._doors:
            task.cancel()
        for connection in list(self.hub.connections):
            connection.abort()


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; without a host one that takes IPv4 and IPv6 alike, or IPv4 alone where there is no IPv6."""
    if host:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
    elif socket.has_dualstack_ipv6():
        bound, address = socket.socket(socket.AF_INET6, socket.SOCK_STREAM), ("::", port)
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    else:
        bound, address = socket.socket(socket.AF_INET, socket.SOCK_STREAM), ("0.0.0.0", port)  # noqa: S104 — contract: all interfaces
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _shown(address: Any) -> str:
    """`1.2.3.4:5` of a socket's address; IPv4 in IPv6's clothes as IPv4."""
    host = str(address[0]).removeprefix("::ffff:")
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def _peer(address: str, listener: Listener, transport: Any) -> Peer:
    ssl_object = transport.get_extra_info("ssl_object")
    return Peer(address, listener, ssl_object is not None, tls.peer_certificate(ssl_object))


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, orjson.dumps(value), "application/json")


async def serve(settings: Settings) -> None:
    """Runs a server until SIGTERM or SIGINT, then drains it; a second signal ends it at once. Raises Misconfigured."""
    loop = asyncio.get_running_loop()
    server = Server(settings, loop)
    server.start()
    signalled = asyncio.Event()
    draining: asyncio.Task[None] | None = None

    def on_signal() -> None:
        if signalled.is_set() and draining is not None:
            draining.cancel()
        signalled.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await signalled.wait()
    draining = loop.create_task(server.drain())
    await asyncio.wait([draining])
    server.stop()
    log.info("stopped", extra=of(cleanly=not draining.cancelled()))
    await asyncio.sleep(0)
