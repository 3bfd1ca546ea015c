"""
The connection to the NATS servers of CLUSTER_URL, by nats-py's client: made, kept up, and made anew.

nats-py connects again by itself for ever, except after an error that a server tells while it is connected ("authorization
violation", when somebody takes the user out of the configuration; credentials that expire): then its client is closed for good.
Another one takes its place, so that a node goes on once that is mended.

The first connection is another matter: what only a person can mend ends the start (nats_refusals).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..disk_thread import DiskReader
from ..errors import Misconfigured
from ..logs import fields, log
from .access import INBOX, credentials, login_of, rights_of
from .nats_refusals import AWAY_REMEDY, PERMISSIONS_VIOLATION, RIGHTS_REMEDY, Attempts, NatsLogin, denied, lacking

if TYPE_CHECKING:
    from .nats_parser import DeliveryParser

SAID_AGAIN_S = 30.0  # the same trouble is logged again after so long
TROUBLES_AT_MOST = 100  # troubles that are remembered for that
CLIENT_AGAIN_S = 1.0  # before another client takes the place of one that has been closed
RIGHTS_S = 5.0  # for the servers to deal with what tries our rights; they are not asked otherwise


class NatsSession:
    """
    client         nats-py's, which is another one after `on_client` has been called again; `parser`: what reads for it
    on_client      called with each new client, once it is connected: whoever subscribes does so then
    on_connected   called after each connection but the first
    """

    def __init__(self, settings: Settings) -> None:
        """Raises Misconfigured."""
        self._urls: Sequence[str] = settings.cluster_url
        self._stream = settings.cluster_stream
        self._options: Mapping[str, Any] = login_of(settings)
        self._login = NatsLogin(settings)
        self._creds = settings.cluster_creds_path
        self._files = DiskReader("cluster_files")
        self._attempts: Attempts | None = None
        self._denied: list[str] | None = None  # what was refused while our rights are tried
        self._tasks: set[asyncio.Task[Any]] = set()
        self._said: dict[str, float] = {}
        self._closing = False
        self.client: Any = None
        self.parser: DeliveryParser | None = None
        self.last_error = ""
        self.on_client: list[Callable[[Any], Coroutine[Any, Any, object]]] = []
        self.on_connected: Callable[[], object] = lambda: None

    # ---- its life

    async def connect(self) -> None:
        """Returns once there is a connection, however long that takes. Raises Misconfigured."""
        self._attempts = Attempts(self._login, len(self._urls))
        try:
            await self._open()
        finally:
            self._attempts = None
        await self._try_rights()

    async def _open(self) -> None:
        from nats.aio.client import Client

        from ..nats_client import give_transport
        from .nats_parser import watched

        client: Any = Client()
        give_transport(client, tls="tls" in self._options)
        self.client = client
        self.parser = watched(client)

        async def on_closed() -> None:
            if client is self.client and not self._closing:
                self.spawn(self._open_again())

        await client.connect(
            servers=list(self._urls),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            ping_interval=2,
            max_outstanding_pings=2,
            connect_timeout=2,
            pending_size=8 * 1024 * 1024,
            inbox_prefix=INBOX.encode(),
            error_cb=self.on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=on_closed,
            **self._options,
        )
        self._denied = [] if self._attempts is not None else None  # before anything is subscribed
        for begin in self.on_client:
            await begin(client)

    @property
    def connected(self) -> bool:
        return self.client is not None and bool(self.client.is_connected)

    async def close(self) -> None:
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        if self.client is not None:
            from ..nats_client import CLOSED_S, close_client

            with contextlib.suppress(Exception):  # it is over either way
                await close_client(self.client, CLOSED_S)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _renew_login(self) -> None:
        """Credentials that have expired may have been replaced in their file; what cannot be read stays as it was."""
        if self._creds is None:
            return
        try:
            self._options["user_credentials"].data = await self._files.read(self._creds, partial(credentials, self._creds))
        except (OSError, Misconfigured) as error:
            await self.on_error(error)

    async def _on_disconnected(self) -> None:
        if not self._closing:
            self.spawn(self._renew_login())
            log.warning("cluster_connection_lost", extra=fields(reason=self.last_error[:300]))

    async def _on_reconnected(self) -> None:
        log.info("cluster_connected", extra=fields(server=self.server))
        self.on_connected()

    async def _open_again(self) -> None:
        from ..nats_client import close_client

        closed = self.client
        while not self._closing:
            await asyncio.sleep(CLIENT_AGAIN_S)
            await self._renew_login()
            try:
                await self._open()
            except Exception as error:  # its login's file cannot be read, or the connection has broken before we had subscribed
                unfit, self.client = self.client, closed
                await self.on_error(error)
                await close_client(unfit, CLIENT_AGAIN_S)
            else:
                await self._on_reconnected()
                return

    @property
    def server(self) -> str:
        """Name and version of the server that we are connected to."""
        return f"nats-server {self.client.connected_server_version}"

    # ---- what goes wrong

    async def on_error(self, error: Exception) -> None:
        """nats-py's: an attempt to connect that failed, or what a server says. Raises Misconfigured while it connects first."""
        said = " ".join(str(error).split()) or type(error).__name__
        if self._denied is not None and PERMISSIONS_VIOLATION in said.lower():
            self._denied.append(said.lower())
            return
        self.last_error = said
        refusal = self._login.refusal(error)
        fatal = self._attempts.failed(error) if self._attempts is not None else None
        if fatal is not None:
            raise fatal
        if refusal is not None and self._attempts is None:
            self.spawn(self._renew_login())
        now_s = time.monotonic()
        if now_s - self._said.get(said, -SAID_AGAIN_S) >= SAID_AGAIN_S:
            if len(self._said) > TROUBLES_AT_MOST:
                self._said.clear()
            self._said[said] = now_s
            self._tell(said, refusal)

    def _tell(self, said: str, refusal: Misconfigured | None) -> None:
        if refusal is not None:
            reason, remedy = f"{refusal.subject}: {refusal.fault}", refusal.remedy
        elif PERMISSIONS_VIOLATION in said.lower():
            reason, remedy = f"{self._login.setting}: {said}", RIGHTS_REMEDY
        else:
            reason, remedy = said, AWAY_REMEDY
        log.warning("cluster_connection_error", extra=fields(reason=reason[:300], remedy=remedy))

    async def _try_rights(self) -> None:
        """A server tells what it refuses, while whoever waits for an answer sees only that none comes. Raises Misconfigured."""
        from ..nats_client import flush_client

        rights = rights_of(self._stream)
        try:
            async with asyncio.timeout(RIGHTS_S):
                for right in rights:
                    if right.verb == "subscribe":
                        await (await self.client.subscribe(right.probe, cb=_ignore)).unsubscribe()
                    else:
                        await self.client.publish(right.probe, right.payload, headers=dict(right.headers) or None)
                await flush_client(self.client, RIGHTS_S)
        except Exception as error:  # the connection is gone again, and what is missing shows when it is needed
            log.info("cluster_rights_not_tried", extra=fields(reason=str(error)[:300]))
        said, self._denied = self._denied or [], None
        missing = denied(rights, said)
        if any(right.vital for right in missing):
            raise lacking(self._login, missing)
        if missing:
            fault = lacking(self._login, missing)
            log.warning("cluster_right_missing", extra=fields(reason=f"{fault.subject}: {fault.fault}", remedy=fault.remedy))


async def _ignore(message: object) -> None: ...
