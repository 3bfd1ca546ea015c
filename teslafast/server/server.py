"""
A server's life: start, serve, drain, stop.

Two layouts: one port for everything, or a second one for vehicles only. The acceptor accepts, routes decide, http_connection
answers or hands over to a door, pages are answered; here is what ties them together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..certificates import peer
from ..config import Settings
from ..core.connections import STRANGERS_AT_MOST
from ..core.hub import Hub
from ..core.load import ServerLoad
from ..dashboards.tokens import Verifier
from ..disk_thread import DiskThread
from ..http_messages import Request
from ..vehicles.connection import VehicleConnection, vehicle_rules
from ..vehicles.door import VehicleDoor
from ..vehicles.rate_limit import RateLimits
from . import pages, setup_page, static_files, tls
from .admission import PendingConnections
from .app_key_page import app_key_files, app_key_page
from .assemble import assembled, assembled_cluster, assembled_outputs, passed_on_certificates, prepared
from .certificate_reload import CertificateReload
from .descriptors import STRANGERS_SHARE, raise_limit
from .door_routes import clients_doors
from .drain import drain
from .free_memory import FreeMemory
from .http_connection import HttpConnection
from .key_reload import verifier_of
from .listeners import Listeners
from .neighbours import Neighbours
from .prometheus import Gauges
from .rounds import Rounds
from .routes import Decision, Listener, Peer, Route, Routes, table
from .scopes import Scopes
from .start_warnings import log_warnings
from .teslamate_routes import teslamate_routes
from .trusted_proxies import TrustedProxies
from .turned_away import OF_A_VEHICLE, TurnedAwayMemory
from .vehicle_metrics import vehicle_metrics_routes
from .watched_files import FileReload

if TYPE_CHECKING:
    from ..outputs.settings import OutputPlan
    from ..storage.checkpointer import Checkpointer
    from .assemble import AnyOutputs
    from .clustered import ClusteredServer
    from .lifeline import Lifeline
    from .upkeep import Upkeep


class Server:
    """One server on one event loop. `start` binds, `drain` ends it cleanly, `stop` at once. The constructor only stores."""

    hub: Hub

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        contexts: tls.Contexts | None = None,
        outputs: Sequence[OutputPlan] = (),
        upkeep: Upkeep | None = None,
        lifeline: Lifeline | None = None,
    ) -> None:
        """
        contexts   TLS for PORT and for VEHICLE_PORT, in the place of what the settings say
        outputs    those that the environment asks for, as `outputs.settings.planned` reads them
        upkeep     what keeps the set-up alive, with TESLAFAST_STATE
        lifeline   to the supervisor that has started this process as one of several; `cluster` is set then
        """
        self.settings = settings
        self._loop = loop
        self._contexts = contexts
        self._reload: CertificateReload | None = None
        self._checkpointer: Checkpointer | None = None
        self._watched: list[FileReload[Any]] = []
        self._disk = DiskThread("files", "no change of certificates and keys is noticed")
        self._plans = outputs
        self._outputs: AnyOutputs | None = None
        self._upkeep = upkeep
        self._lifeline = lifeline
        self._tickets = lifeline.tickets if lifeline is not None else None
        self._turned_away = TurnedAwayMemory()
        self._started = False
        self._started_at = 0.0
        self.cluster: ClusteredServer | None = None

    # ---- start

    def start(self) -> None:
        """Reads keys and certificates, recovers the journal, binds, and begins to accept. Raises Misconfigured."""
        try:
            self._start()
        except BaseException:
            if self._checkpointer is not None:  # a journal made for nothing would keep its room of the disk
                self._checkpointer.unmake()
            raise

    def _start(self) -> None:
        settings = self.settings
        self._started_at = time.monotonic()
        verifier, keys = verifier_of(settings, self._disk)
        passed_on = passed_on_certificates(settings, self._disk)
        self._app_key = app_key_page(settings, self._disk)
        self._watched = [one for one in (keys, passed_on, self._app_key) if one is not None]
        descriptors = raise_limit(settings)
        self._most_of_a_sub = max(1, descriptors // 2)
        contexts = self._contexts or tls.contexts(settings, self._tickets)
        self.hub, self._checkpointer = assembled(settings, self._loop, self._plans)
        self.hub.connections.strangers_at_most = min(STRANGERS_AT_MOST, descriptors // STRANGERS_SHARE)
        self.cluster = assembled_cluster(settings, self.hub, self._loop)
        self._outputs = assembled_outputs(self._plans, self.hub, self._checkpointer, self.cluster)
        self._proxies = TrustedProxies(settings.trusted_proxies, self.hub.counts.ignored_headers)
        self.listeners = self._make_listeners()
        self._neighbours = Neighbours(self.hub, self.listeners, self.cluster, self._lifeline)
        self.scopes = self._make_scopes()
        self._started = True
        self._routes = Routes(settings, verifier, self._table(verifier), passed_on.of_request if passed_on is not None else None)
        if any(contexts) and settings.tls:
            self._reload = CertificateReload(settings, contexts, self.listeners.use, self.hub.counts, self._tickets, self._disk)
        self._neighbours.listen(lambda: self._reload.contexts if self._reload is not None else contexts)
        tls.log_kernel_tls(settings)
        log_warnings(settings)
        if self._outputs is not None:
            self._outputs.start()
        if self.cluster is not None:
            self.cluster.start()
        if self._upkeep is not None:
            self._upkeep.start(partial(setup_page.last_heard, self.hub))
        self._rounds().begin()

    def _table(self, verifier: Verifier) -> tuple[Route, ...]:
        hub, settings = self.hub, self.settings
        connect = partial(VehicleConnection, hub, vehicle_rules(hub, self._loop), RateLimits(settings.vehicle_rate_limit))
        return table(
            vehicles=VehicleDoor(settings, prepared(verifier, connect)),
            doors=(
                *clients_doors(hub, self._loop, verifier),
                *setup_page.setup_routes(self._setup_sources()),
                *vehicle_metrics_routes(hub),
            ),
            health=self.scopes.health,
            metrics=self.scopes.metrics,
            status=pages.status,
            fleet=pages.fleet(hub.registry),
            vehicle=pages.vehicle(hub.registry, hub.last_values),
            files=static_files.answers(settings.map_tiles, settings.map_credit) | app_key_files(self._app_key),
        ) + teslamate_routes(hub, self._loop, verifier, self._load)

    def _make_listeners(self) -> Listeners:
        counts, trusts = self.hub.counts, self._proxies.trusts
        pending = PendingConnections(counts.refused_connections)
        return Listeners(self.settings, self._loop, self._connection, pending, counts, trusts, self._remember_turned_away)

    def _make_scopes(self) -> Scopes:
        kept = self._checkpointer
        stopped = kept.journal_stopped if kept is not None else None
        own = pages.health(self.hub, self._started_at, self._outputs, stopped, self.cluster)
        return self._neighbours.scopes(self._loop, own, self._gauges, self.settings.node_dead_seconds)

    def _setup_sources(self) -> setup_page.SetupSources:
        return setup_page.SetupSources(
            settings=self.settings,
            hub=self.hub,
            started_ns=time.time_ns(),
            serves_app_key=self._app_key is not None,
            turned_away=self._turned_away,
            certificates=lambda: self._reload,
            vehicle_port=lambda: self.ports[-1],
            upkeep=lambda: self._upkeep.checks() if self._upkeep is not None else (),
        )

    @property
    def ports(self) -> list[int]:
        """The ports in use: PORT's, then VEHICLE_PORT's if there is one. Empty for a node that does not listen yet."""
        return self.listeners.ports

    # ---- serve

    def _connection(self, address: str, listener: Listener, done: Callable[[], None]) -> HttpConnection:
        return HttpConnection(partial(_peer, address, listener), self._decide, self._count_refusal, done, self._client_of)

    def _count_refusal(self, cause: str, reason: str, address: str) -> None:
        self.hub.counts.refuse_request(cause)
        if cause in OF_A_VEHICLE:
            self._remember_turned_away(cause, reason, address)

    def _remember_turned_away(self, cause: str, meaning: str, address: str) -> None:
        self._turned_away.note(time.time_ns(), cause, meaning, address)

    def _decide(self, request: Request, peer: Peer) -> Decision:
        return self._routes.decide(request, peer, self._load())

    def _load(self) -> ServerLoad:
        hub = self.hub
        return ServerLoad(
            time.time(),
            hub.registry.connected,
            len(hub.connections.dashboards),
            hub.registry.is_connected,
            hub.draining,
            hub.connections.dashboards_of,
            self._most_of_a_sub,
            self.cluster is not None and self.cluster.lets_nobody_in,
            self.cluster is not None and self.cluster.log_away,
        )

    def _client_of(self, request: Request, peer: Peer) -> Peer:
        """The peer as trusted proxies name it in this request."""
        address, proxy = self._proxies.client(request, peer.address)
        return replace(peer, address=address, proxy=proxy) if proxy else peer

    def _gauges(self) -> Gauges:
        ends_s = self._reload.ends_s if self._reload is not None else None
        journal = self._checkpointer.reading() if self._checkpointer is not None else None
        kept = self._upkeep.gauges() if self._upkeep is not None else None
        pending = len(self.listeners.pending)
        return pages.gauges(self.hub, self._started_at, pending, ends_s, journal, self._outputs, kept, self.cluster)

    def _rounds(self) -> Rounds:
        memory = FreeMemory.of_this_process().check
        checks: dict[str, Callable[[float], object]] = {
            "unadmitted": self.listeners.check,
            "memory": memory,
            "files": self._disk.check,
        }
        checkpointer, reload = self._checkpointer, self._reload
        if checkpointer is not None:
            checks["checkpoint"] = lambda now_s: checkpointer.check()
        if reload is not None:
            checks["certificates"] = lambda now_s: reload.check(time.time(), now_s)
        checks |= {watched.name: watched.check for watched in self._watched}
        checks |= {"state": self.cluster.check} if self.cluster is not None else {}
        return Rounds(self._loop, self.hub.connections, checks, self.settings.ping_interval / 2, self.hub.counts)

    # ---- drain, stop

    async def drain(self, together: bool = False) -> None:
        """
        Lets nobody new in, sends everything that is owed, and closes all connections; in DRAIN_SECONDS at most.

        `together` with all that share its ports; else these get its place in the queue first.
        """
        await self._neighbours.make_room(together)
        await drain(self.hub, self.settings.drain_seconds, self._outputs, self._neighbours.leaving(together), together)

    def stop(self) -> None:
        """Closes the ports and whatever is still open. Does nothing to a server that never listened."""
        if not self._started:
            return
        self.listeners.close()
        for connection in list(self.hub.connections):
            connection.abort()
        if self._outputs is not None:
            self._outputs.stop()
        if self.cluster is not None:
            self.cluster.stop()
        if self._upkeep is not None:
            self._upkeep.stop()

    def renew_certificates(self) -> None:
        """Begins to read CERT_PATH, KEY_PATH, CA_PATH, JWT_PUBLIC_KEY_PATH and TESLA_PUBLIC_KEY_PATH again."""
        if self._reload is not None:
            self._reload.renew(time.time())
        for watched in self._watched:
            watched.renew()

    @property
    def rereading(self) -> bool:
        """Whether files that may have changed are being read."""
        return any(one.rereading.under_way for one in (self._reload, *self._watched) if one is not None)

    def finish(self) -> None:
        """After `stop` and the last connection's end: writes what is to be kept to the disk, and closes the files."""
        for keeper in (self._checkpointer, self.cluster):
            if keeper is not None:
                keeper.finish()
        if self._outputs is not None:
            self._outputs.close()


def _peer(address: str, listener: Listener, transport: Any) -> Peer:
    ssl_object = transport.get_extra_info("ssl_object")
    return Peer(address, listener, ssl_object is not None, peer.peer_certificate(ssl_object, tls.chain_ends_at(ssl_object)))
