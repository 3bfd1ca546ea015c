"""
All ports of one server: opened together, and closed so that nobody who waits in a queue is reset.

A port that several processes share (REUSE_PORT) has one queue for each of them, and what waits in the queue of a socket that is
closed is lost. So before the others take over, the queue is emptied: `hand_over`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable

from ..config import Settings
from ..metrics import Counts
from .acceptor import Acceptor
from .admission import PendingConnections
from .binding import bind
from .http_connection import HttpConnection
from .listening import PLAIN_LISTENERS, cannot_listen, plain_listeners, url_of
from .routes import FOR_VEHICLES, Listener
from .tls import Contexts
from .waiting import wait_until

HAND_OVER_S = 2.0  # for the queues to be empty, and for those that were in them to be admitted

MakeConnection = Callable[[str, Listener, Callable[[], None]], HttpConnection]
TurnedAway = Callable[[str, str, str], None]


class Listeners:
    """Arguments: as Acceptor has them. `turned_away` is told of vehicles alone."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        connection: MakeConnection,
        pending: PendingConnections,
        counts: Counts,
        trusts: Callable[[str], bool],
        turned_away: TurnedAway,
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._connection = connection
        self.pending = pending
        self._counts = counts
        self._trusts = trusts
        self._turned_away = turned_away
        self._acceptors: list[Acceptor] = []
        self.shared = settings.reuse_port  # with other processes

    def open(self, contexts: Contexts) -> None:
        """Raises Misconfigured."""
        port, vehicle_port = self._settings.port, self._settings.vehicle_port
        self._open("PORT", port, "all" if vehicle_port is None else "dashboards", contexts[0])
        if vehicle_port is not None:
            self._open("VEHICLE_PORT", vehicle_port, "vehicles", contexts[1])
        for variable, host, plain_port, page in plain_listeners(self._settings):
            self._open(variable, plain_port, page, None, host)

    def _open(
        self, variable: str, port: int, listener: Listener, context: ssl.SSLContext | None, host: str | None = None
    ) -> None:
        host = self._settings.host if host is None else host
        try:
            bound = bind(host, port, self._settings.reuse_port)
        except (OSError, UnicodeError) as error:  # the latter: not even a possible host name
            raise cannot_listen(variable, host, port, error) from None
        acceptor = Acceptor(
            self._loop,
            bound,
            listener,
            context,
            self._settings.handshake_timeout,
            self._connection,
            self.pending,
            self._counts,
            self._trusts,
            self._turned_away if listener in FOR_VEHICLES else lambda cause, meaning, address: None,
        )
        acceptor.open(url_of(self._settings, acceptor.port, listener, context is not None))
        self._acceptors.append(acceptor)

    def use(self, contexts: Contexts) -> None:
        """For handshakes from now on."""
        for acceptor in self._acceptors:
            if acceptor.listener not in PLAIN_LISTENERS:
                acceptor.use(contexts[acceptor.listener == "vehicles"])

    @property
    def ports(self) -> list[int]:
        """PORT's, then VEHICLE_PORT's if there is one; empty until they are open."""
        return [acceptor.port for acceptor in self._acceptors if acceptor.listener not in PLAIN_LISTENERS]

    @property
    def ending(self) -> bool:
        """Whether ends of connections wait for their turn."""
        return any(acceptor.ends.busy for acceptor in self._acceptors)

    def check(self, now_s: float) -> None:
        for acceptor in self._acceptors:
            acceptor.check(now_s)

    async def hand_over(self) -> None:
        """Others listen on the same ports: takes in who waits in our queues, closes them, and lets these be admitted."""
        until_s = time.monotonic() + HAND_OVER_S
        for acceptor in self._acceptors:
            acceptor.leave()
        await wait_until(until_s, lambda: all(acceptor.left for acceptor in self._acceptors))
        _stop_listening(self._acceptors)
        await wait_until(until_s, lambda: not len(self.pending))

    def close(self) -> None:
        """Accepts no more, and cancels the handshakes under way."""
        for acceptor in self._acceptors:
            acceptor.close()


def _stop_listening(acceptors: Iterable[Acceptor]) -> None:
    for acceptor in acceptors:
        acceptor.stop_listening()
