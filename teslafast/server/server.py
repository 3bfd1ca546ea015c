"""
A server's life: start, serve, drain, stop.

Two layouts: one port for everything, or a second one for vehicles only. The acceptor accepts, routes decide, http_connection
answers or hands over to a door, pages are answered; here is what ties them together.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..certificates import anchors, peer
from ..config import Settings
from ..core.connections import Connection
from ..core.hub import Hub
from ..core.load import ServerLoad
from ..dashboards.stream_door import StreamDoor
from ..dashboards.tokens import Verifier
from ..dashboards.websocket import DashboardConnection, dashboard_rules
from ..errors import Misconfigured
from ..http_messages import Request
from ..logs import fields, log
from ..storage.checkpointer import Checkpointer
from ..vehicles.connection import VehicleConnection, vehicle_rules
from ..vehicles.door import VehicleDoor
from ..vehicles.rate_limit import RateLimits
from . import gc_policy, pages, static_files, tls
from .acceptor import Acceptor, bind
from .admission import PendingConnections
from .assemble import assembled, assembled_outputs
from .certificate_reload import CertificateReload
from .drain import drain
from .http_connection import HttpConnection
from .prometheus import Gauges
from .routes import Decision, Listener, Peer, Route, Routes, table
from .terminal import StartingTerminal
from .teslamate_routes import teslamate_routes

if TYPE_CHECKING:
    from ..outputs.group import Outputs
    from ..outputs.settings import OutputPlan

ROUND_S = 1.0  # every connection is checked once in so long …
ROUND_PARTS = 20  # … in so many parts, so that no part holds the event loop up for longer than a few ms
TURNS_TO_END = 10  # turns of the event loop: an aborted connection takes a few to report its end


class Server:
    """One server on one event loop. `start` binds, `drain` ends it cleanly, `stop` at once. The constructor only stores."""

    hub: Hub

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        contexts: tls.Contexts | None = None,
        outputs: Sequence[OutputPlan] = (),
    ) -> None:
        """
        contexts   TLS for PORT and for VEHICLE_PORT, in the place of what the settings say
        outputs    those that the environment asks for, as `outputs.settings.planned` reads them
        """
        self.settings = settings
        self._loop = loop
        self._contexts = contexts
        self._acceptors: list[Acceptor] = []
        self._reload: CertificateReload | None = None
        self._checkpointer: Checkpointer | None = None
        self._plans = outputs
        self._outputs: Outputs | None = None
        self._round: deque[Connection] = deque()
        self._started_at = 0.0

    # ---- start

    def start(self) -> None:
        """Reads keys and certificates, recovers the journal, binds, and begins to accept. Raises Misconfigured."""
        settings = self.settings
        self._started_at = time.monotonic()
        verifier = _verifier(settings)
        contexts = self._contexts or tls.contexts(settings)
        self.hub, self._checkpointer = assembled(settings, self._loop)
        self._outputs = assembled_outputs(self._plans, self.hub, self._checkpointer)
        self._pending = PendingConnections(self.hub.counts.refused_connections)
        self._routes = Routes(settings, verifier, self._table(verifier))
        if any(contexts) and settings.tls:
            self._reload = CertificateReload(settings, contexts, self._use, self.hub.counts)
        self._listen(contexts)
        self._log_kernel_tls()
        self._warn_of_openness()
        if self._outputs is not None:
            self._outputs.start()
        self._loop.call_later(ROUND_S / ROUND_PARTS, self._go_round)

    def _table(self, verifier: Verifier) -> tuple[Route, ...]:
        hub, settings, kept = self.hub, self.settings, self._checkpointer
        limits = RateLimits(settings.vehicle_rate_limit)
        return table(
            vehicles=VehicleDoor(settings, partial(VehicleConnection, hub, vehicle_rules(hub, self._loop), limits)),
            stream=StreamDoor(settings.production, partial(DashboardConnection, hub, dashboard_rules(hub, self._loop), verifier)),
            health=pages.health(hub, self._started_at, self._outputs, kept.journal_stopped if kept is not None else None),
            metrics=pages.metrics(self._gauges),
            fleet=pages.fleet(hub.registry),
            vehicle=pages.vehicle(hub.registry, hub.last_values),
            files=static_files.answers(settings.map_tiles, settings.map_credit),
        ) + teslamate_routes(hub, self._loop, verifier)

    def _listen(self, contexts: tls.Contexts) -> None:
        port, vehicle_port = self.settings.port, self.settings.vehicle_port
        self._open("PORT", port, "all" if vehicle_port is None else "dashboards", contexts[0])
        if vehicle_port is not None:
            self._open("VEHICLE_PORT", vehicle_port, "vehicles", contexts[1])

    def _open(self, variable: str, port: int, listener: Listener, context: ssl.SSLContext | None) -> None:
        try:
            bound = bind(self.settings.host, port)
        except (OSError, UnicodeError) as error:  # the latter: not even a possible host name
            raise _cannot_listen(variable, self.settings.host, port, error) from None
        handshake_s, counts = self.settings.handshake_timeout, self.hub.counts
        acceptor = Acceptor(self._loop, bound, listener, context, handshake_s, self._connection, self._pending, counts)
        acceptor.open()
        self._acceptors.append(acceptor)

    def _use(self, contexts: tls.Contexts) -> None:
        for acceptor, context in zip(self._acceptors, contexts, strict=False):  # without VEHICLE_PORT there is one acceptor
            acceptor.use(context)

    def _log_kernel_tls(self) -> None:
        if self.settings.kernel_tls and self.settings.tls:
            missing = tls.kernel_tls_missing()
            reason = missing or "the kernel encrypts connections whose cipher it knows"
            log.info("kernel_tls", extra=fields(on=missing is None, reason=reason))

    def _warn_of_openness(self) -> None:
        """What an operator may not have meant."""
        settings = self.settings
        asks = settings.request_client_cert or settings.vehicle_port is not None
        if settings.production and not asks:
            meaning = "the server asks for no client certificates: set REQUEST_CLIENT_CERT=true or VEHICLE_PORT, and CA_PATH"
            log.warning("vehicles_cannot_connect", extra=fields(meaning=meaning))
        elif asks and not settings.tesla_vin:
            meaning = "TESLA_VIN is empty: every vehicle with a certificate from CA_PATH may connect"
            log.warning("any_vehicle_may_connect", extra=fields(meaning=meaning))

    @property
    def ports(self) -> list[int]:
        """The ports in use: PORT's, then VEHICLE_PORT's if there is one."""
        return [acceptor.port for acceptor in self._acceptors]

    # ---- serve

    def _connection(self, address: str, listener: Listener, done: Callable[[], None]) -> HttpConnection:
        return HttpConnection(partial(_peer, address, listener), self._decide, self._count_refusal, done)

    def _count_refusal(self, cause: str) -> None:
        self.hub.counts.refuse_request(cause)

    def _decide(self, request: Request, peer: Peer) -> Decision:
        hub = self.hub
        dashboards = len(hub.connections.dashboards)
        load = ServerLoad(time.time(), hub.registry.connected, dashboards, hub.registry.is_connected, hub.draining)
        return self._routes.decide(request, peer, load)

    def _gauges(self) -> Gauges:
        days = self._reload.days(time.time()) if self._reload is not None else None
        journal = self._checkpointer.reading() if self._checkpointer is not None else None
        return pages.gauges(self.hub, self._started_at, len(self._pending), days, journal, self._outputs)

    def _go_round(self) -> None:
        """Checks a part of the connections: pings those that are idle, ends those that are gone or out of time."""
        now = time.monotonic()
        for _ in range(len(self.hub.connections) // ROUND_PARTS + 1):
            if not self._round:
                self._round.extend(self.hub.connections)
                break
            self._round.popleft().check(now)
        if self._checkpointer is not None:
            self._checkpointer.check()
        if self._reload is not None:
            self._reload.check(time.time(), now)
        self._loop.call_later(min(ROUND_S, self.settings.ping_interval / 2) / ROUND_PARTS, self._go_round)

    # ---- drain, stop

    async def drain(self) -> None:
        """Lets nobody new in, sends everything that is owed, and closes all connections; in DRAIN_SECONDS at most."""
        await drain(self.hub, self.settings.drain_seconds, self._outputs)

    def stop(self) -> None:
        """Closes the ports and whatever is still open. Does nothing to a server that never listened."""
        if not self._acceptors:
            return
        for acceptor in self._acceptors:
            acceptor.close()
        for connection in list(self.hub.connections):
            connection.abort()
        if self._outputs is not None:
            self._outputs.stop()

    def renew_certificates(self) -> None:
        """Reads CERT_PATH, KEY_PATH and CA_PATH again, now."""
        if self._reload is not None:
            self._reload.renew(time.time())

    def finish(self) -> None:
        """After `stop` and the last connection's end: writes what is to be kept to the disk, and closes the files."""
        if self._checkpointer is not None:
            self._checkpointer.finish()
        if self._outputs is not None:
            self._outputs.close()


def _verifier(settings: Settings) -> Verifier:
    path = settings.jwt_public_key_path
    return Verifier.from_settings(settings, None if path is None else anchors.read_file("JWT_PUBLIC_KEY_PATH", path))


def _cannot_listen(variable: str, host: str, port: int, error: OSError | UnicodeError) -> Misconfigured:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        fault = f"port {port} is already in use"
        return Misconfigured(variable, fault, f"stop the other process, or set {variable} to a free port")
    if number == errno.EACCES:
        fault = f"this user may not listen on port {port}"
        return Misconfigured(variable, fault, f"set {variable} to a port above 1023, or grant CAP_NET_BIND_SERVICE")
    reason = error.strerror if isinstance(error, OSError) else "not a valid host name"
    return Misconfigured("HOST", f"cannot listen on {host!r}: {reason}", "give an address of this machine, or none for all")


def _peer(address: str, listener: Listener, transport: Any) -> Peer:
    ssl_object = transport.get_extra_info("ssl_object")
    return Peer(address, listener, ssl_object is not None, peer.peer_certificate(ssl_object))


def log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler: a fault that reached the loop is one log line, like everything else."""
    error = context.get("exception")
    cause = type(error).__name__ if error is not None else "unknown"
    log.error("fault", extra=fields(cause=cause, what=str(context.get("message", ""))), exc_info=error)


async def serve(settings: Settings, outputs: Sequence[OutputPlan] = ()) -> None:
    """Runs a server until SIGTERM or SIGINT, then drains it; a second signal ends it at once. Raises Misconfigured."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_exception)
    server = Server(settings, loop, outputs=outputs)
    signalled = asyncio.Event()

    async def live() -> None:
        await signalled.wait()
        await server.drain()

    living = loop.create_task(live())

    def on_signal() -> None:
        if signalled.is_set():
            living.cancel()
        signalled.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    terminal = StartingTerminal()
    loop.add_signal_handler(signal.SIGHUP, lambda: on_signal() if terminal.has_gone() else server.renew_certificates())
    server.start()
    gc_policy.settle(loop)
    await asyncio.wait([living])
    server.stop()
    for _ in range(TURNS_TO_END):
        await asyncio.sleep(0)
    if not living.cancelled():
        living.result()
        server.finish()
    log.info("stopped", extra=fields(cleanly=not living.cancelled()))
