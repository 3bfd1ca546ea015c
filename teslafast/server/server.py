"""
A server's life: start, serve, drain, stop.

Two layouts: one port for everything, or a second one for vehicles only. `intake` accepts, `door` and `gate` decide, `vehicle` and
`dashboard` are the connections; here is what ties them together, and the few pages that are answered over plain HTTP.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import ssl
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson

from .. import __version__
from ..certificates import anchors, peer
from ..config import Settings
from ..core.connections import Connection
from ..dashboards.tokens import Grant, Verifier
from ..dashboards.websocket import MESSAGE_LIMIT, DashboardConnection, dashboard_rules
from ..errors import Misconfigured
from ..http_messages import Answer, Request
from ..logs import fields, log
from ..vehicles.admission import AdmitVehicle
from ..vehicles.connection import VehicleConnection, vehicle_rules
from ..vehicles.rate_limit import RateLimits
from . import gc_policy, prometheus, static_files, tls
from .acceptor import Acceptor, bind
from .admission import PendingConnections
from .assemble import assembled
from .certificate_reload import CertificateReload
from .drain import drain
from .http_connection import Admit, Door, Welcome
from .routes import Gate, Listener, Now, Peer

ROUND_S = 1.0  # every connection is looked at once in so long …
ROUND_PARTS = 20  # … in so many parts
TURNS_TO_END = 10


class Server:
    """One server on one event loop. `start` binds, `drain` ends it cleanly, `stop` at once."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop, contexts: tls.Contexts | None = None) -> None:
        """`contexts`: TLS for PORT and for VEHICLE_PORT, if it is to be other than what the settings say. Misconfigured."""
        self.settings = settings
        self._loop = loop
        key_path = settings.jwt_public_key_path
        public_key = anchors.read_file("JWT_PUBLIC_KEY_PATH", key_path) if key_path is not None else None
        self._verifier = Verifier.from_settings(settings, public_key)
        pages = {"/health": self._health, "/metrics": self._metrics}
        pages |= static_files.answers(settings.map_tiles, settings.map_credit)
        locked = {"/vehicles": self._vehicles, "/vehicles/*": self._vehicle}
        self._gate = Gate(settings, self._verifier, pages, locked)
        self._contexts = contexts or tls.contexts(settings)
        self.hub, self._checkpointer = assembled(settings, loop)
        self._intakes: list[Acceptor] = []
        renewed = any(self._contexts) and settings.tls
        self._renewal = CertificateReload(settings, self._contexts, self._use, self.hub.counts) if renewed else None
        self._vehicle_rules, self._dashboard_rules = vehicle_rules(self.hub, loop), dashboard_rules(self.hub, loop)
        self._limits = RateLimits(settings.vehicle_rate_limit)
        self._waiting = PendingConnections(self.hub.counts.refused_connections)
        self._round: deque[Connection] = deque()
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
        self._say_kernel_tls()
        self._warn_of_openness()
        self._loop.call_later(ROUND_S / ROUND_PARTS, self._go_round)

    def _say_kernel_tls(self) -> None:
        if self.settings.kernel_tls and self.settings.tls:
            missing = tls.kernel_tls_missing()
            log.info(
                "kernel_tls", extra=fields(on=missing is None, reason=missing or "the kernel encrypts where it knows the cipher")
            )

    def _warn_of_openness(self) -> None:
        """What an operator may not have meant."""
        settings = self.settings
        asks = settings.request_client_cert or settings.vehicle_port is not None
        if settings.production and not asks:
            meaning = "no client certificates are asked for: set REQUEST_CLIENT_CERT=true or VEHICLE_PORT, and CA_PATH"
            log.warning("vehicles_cannot_connect", extra=fields(meaning=meaning))
        elif asks and not settings.tesla_vin:
            meaning = "TESLA_VIN is empty: every vehicle with a certificate from CA_PATH may connect"
            log.warning("any_vehicle_may_connect", extra=fields(meaning=meaning))

    def _listen(self, variable: str, port: int, listener: Listener, context: ssl.SSLContext | None) -> None:
        try:
            bound = bind(self.settings.host, port)
        except (OSError, UnicodeError) as error:  # the latter: what no host can be called
            raise _not_to_be_had(variable, self.settings.host, port, error) from None
        handshake_s = self.settings.handshake_timeout
        intake = Acceptor(self._loop, bound, listener, context, handshake_s, self._make_door, self._waiting, self.hub.counts)
        intake.open()
        self._intakes.append(intake)

    def _use(self, contexts: tls.Contexts) -> None:
        for intake, context in zip(self._intakes, contexts, strict=False):  # without VEHICLE_PORT there is one intake
            intake.use(context)

    @property
    def ports(self) -> list[int]:
        """The ports in use: PORT's, then VEHICLE_PORT's if there is one."""
        return [intake.port for intake in self._intakes]

    # ---- serve

    def _make_door(self, address: str, listener: Listener, done: Callable[[], None]) -> Door:
        return Door(partial(_peer, address, listener), self._decide, self._welcome, self._count_refusal, done)

    def _count_refusal(self, cause: str) -> None:
        self.hub.counts.refuse_request(cause)

    def _decide(self, request: Request, peer: Peer) -> Admit | Answer:
        hub = self.hub
        now = Now(time.time(), hub.registry.connected, len(hub.connections.dashboards), hub.registry.is_connected, hub.draining)
        return self._gate.decide(request, peer, now)

    def _welcome(self, admitted: Admit, peer: Peer) -> Welcome:
        if isinstance(admitted, AdmitVehicle):
            return Welcome(
                VehicleConnection(self.hub, self._vehicle_rules, self._limits, admitted, peer.address),
                self.settings.max_frame_bytes,
                answers_too_large=True,
            )
        return Welcome(
            DashboardConnection(self.hub, self._dashboard_rules, self._verifier, admitted, peer.address),
            MESSAGE_LIMIT,
            answers_too_large=False,
        )

    def _go_round(self) -> None:
        """Looks at a part of the connections: pings those that are idle, ends those that are gone or out of time."""
        now = time.monotonic()
        for _ in range(len(self.hub.connections) // ROUND_PARTS + 1):
            if not self._round:
                self._round.extend(self.hub.connections)
                break
            self._round.popleft().check(now)
        if self._checkpointer is not None:
            self._checkpointer.check()
        if self._renewal is not None:
            self._renewal.check(time.time(), now)
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
                "time_ms": time.time_ns() // 1_000_000,
                "vehicles": hub.registry.connected,
                "dashboards": len(hub.connections.dashboards),
                "seq": hub.log.seq,
                "oldest": hub.log.oldest,
                "epoch": hub.epoch,
            },
        )

    def _metrics(self, request: Request, grant: Grant | None) -> Answer:
        return Answer(HTTPStatus.OK, prometheus.text(self._reading()), prometheus.CONTENT_TYPE)

    def _reading(self) -> prometheus.Gauges:
        hub = self.hub
        dashboards = hub.connections.dashboards
        return prometheus.Gauges(
            counts=hub.counts,
            vehicles=hub.registry.connected,
            connections={"vehicle": len(hub.connections.vehicles), "dashboard": len(dashboards)},
            readers={"flat": hub.log.readers} | hub.views.readers,
            blocked=sum(one.blocked for one in dashboards),
            most_behind=max((one.behind for one in dashboards), default=0),
            sent_bytes=hub.counts.sent_bytes + sum(one.sent_bytes for one in dashboards),
            seq=hub.log.seq,
            events_kept=hub.log.kept,
            bytes_kept=hub.log.kept_bytes,
            ring_bytes=hub.log.capacity,
            known_vehicles=len(hub.last_values),
            uptime_s=time.monotonic() - self._started_at,
            draining=hub.draining,
            certificate_days=self._renewal.days(time.time()) if self._renewal is not None else None,
            unadmitted=len(self._waiting),
            journal=self._checkpointer.reading() if self._checkpointer is not None else None,
        )

    def _vehicles(self, request: Request, grant: Grant | None) -> Answer:
        entries = [entry.report() for entry in self.hub.registry if grant is not None and grant.allows(entry.vin)]
        return _json(HTTPStatus.OK, {"vehicles": entries})

    def _vehicle(self, request: Request, grant: Grant | None) -> Answer:
        vin = request.path.rpartition("/")[2]
        if grant is None or not grant.allows(vin):
            return Answer(HTTPStatus.FORBIDDEN, b"403 Forbidden: the token does not grant this VIN\n", cause="vin_not_granted")
        entry, known = self.hub.registry.get(vin), self.hub.last_values.get(vin)
        if entry is None and known is None:
            return Answer(HTTPStatus.NOT_FOUND, b"404 Not Found: nothing has been heard of this vehicle\n", cause="unknown_vin")
        report: dict[str, Any] = entry.report() if entry is not None else {"vin": vin, "connected": False}
        return _json(HTTPStatus.OK, report | (known.report() if known is not None else {"data": {}, "times": {}}))

    # ---- drain, stop

    async def drain(self) -> None:
        """Takes nothing new, says everything that is owed, and says good-bye to all; in DRAIN_SECONDS at most."""
        await drain(self.hub, self.settings.drain_seconds)

    def stop(self) -> None:
        """Closes the ports and whatever is still open."""
        for intake in self._intakes:
            intake.close()
        for connection in list(self.hub.connections):
            connection.abort()

    def renew_certificates(self) -> None:
        """Reads CERT_PATH, KEY_PATH and CA_PATH again, now."""
        if self._renewal is not None:
            self._renewal.renew(time.time())

    def finish(self) -> None:
        """After `stop` and the last connection's end: what is kept goes to the disk, and the files are given up."""
        if self._checkpointer is not None:
            self._checkpointer.finish()


def _not_to_be_had(variable: str, host: str, port: int, error: OSError | UnicodeError) -> Misconfigured:
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES):
        fault = f"{host or '*'}:{port} cannot be had: {error.strerror}"
        return Misconfigured(variable, fault, "give a free port that this user may listen on")
    reason = error.strerror if isinstance(error, OSError) else "no host can be called that"
    return Misconfigured("HOST", f"{host!r} cannot be listened on: {reason}", "give an address of this machine, or none for all")


def _peer(address: str, listener: Listener, transport: Any) -> Peer:
    ssl_object = transport.get_extra_info("ssl_object")
    return Peer(address, listener, ssl_object is not None, peer.peer_certificate(ssl_object))


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, orjson.dumps(value), "application/json")


async def serve(settings: Settings) -> None:
    """Runs a server until SIGTERM or SIGINT, then drains it; a second signal ends it at once. Raises Misconfigured."""
    loop = asyncio.get_running_loop()
    server = Server(settings, loop)
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
    loop.add_signal_handler(signal.SIGHUP, server.renew_certificates)
    server.start()
    gc_policy.settle(loop)
    await asyncio.wait([living])
    server.stop()
    for _ in range(TURNS_TO_END):  # what was broken off takes a few turns to say so
        await asyncio.sleep(0)
    if not living.cancelled():
        living.result()
        server.finish()
    log.info("stopped", extra=fields(cleanly=not living.cancelled()))
