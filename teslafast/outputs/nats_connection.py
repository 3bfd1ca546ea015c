"""
One connection to a NATS server, until it ends: nats-py's client, without its reconnecting.

nats-py would keep what was published while it has no connection, and forget it when it gives up; here the log is the queue, so
the first trouble ends the connection, and the runner begins anew. The servers are tried one after the other, each with its own
login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..disk_thread import DiskReader
from ..errors import Undelivered, Unreachable
from ..setting_values import NATS_CREDENTIALS_HOLD
from .waiting import first_of

NATS_CONNECT_S = 4.0  # for each server
NATS_FLUSH_S = 20.0
NATS_CLOSE_S = 0.5
NATS_PING_S = 5  # a server that hangs is noticed after two of them


class NatsConnection:
    """
    refused    what the server said that we may not do, "" if nothing
    closed     it has ended
    """

    def __init__(self, urls: Sequence[str], creds: Path | None) -> None:
        self.refused = ""
        self.closed = asyncio.Event()
        self.client: Any = None
        self._urls = urls
        self._creds = creds
        self._credentials: Any = None  # what is in that file, for nats-py
        self._said = ""  # by nats-py, last

    async def open(self) -> None:
        """Raises Unreachable if none of the servers can be reached, Undelivered if one does not let us in."""
        if self._creds is not None:
            self._credentials = await _credentials(self._creds)
        trouble: Undelivered = Unreachable("there is no server")
        for url in self._urls:
            try:
                await self._open(url)
                return
            except Undelivered as error:
                trouble = trouble if isinstance(error, Unreachable) and not isinstance(trouble, Unreachable) else error
        raise trouble

    async def _open(self, url: str) -> None:
        from nats.aio.client import Client
        from nats.errors import NoServersError

        from ..nats_client import give_transport

        parts = urlsplit(url)
        options = self._options(parts.username, parts.password)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        where = f"{host}:{parts.port or 4222}"
        self.client = Client()
        give_transport(self.client, tls=parts.scheme == "tls")
        try:
            async with asyncio.timeout(NATS_CONNECT_S):
                await self.client.connect([f"{parts.scheme}://{where}"], **options)
        except (OSError, NoServersError) as error:
            said = self._said if isinstance(error, NoServersError) and self._said else str(error) or type(error).__name__
            raise Unreachable(f"{where} cannot be reached: {said}") from None
        except TimeoutError:
            raise Unreachable(f"{where} does not answer within {NATS_CONNECT_S:g} s") from None
        except Exception as error:  # nats-py's, and what the keys in the credentials raise
            said = " ".join(str(error).split()) or type(error).__name__
            refused = "authorization" in said.lower()
            raise Undelivered(f"{where} does not let us in" if refused else f"{where}: {said}") from None

    def _options(self, user: str | None, password: str | None) -> dict[str, Any]:
        login: dict[str, Any] = {}
        if self._credentials is not None:
            login["user_credentials"] = self._credentials
        elif user and password is None:
            login["token"] = unquote(user)
        elif user:
            login |= {"user": unquote(user), "password": unquote(password or "")}
        return login | {
            "name": "teslafast",
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0.01,
            "connect_timeout": NATS_CONNECT_S,
            "ping_interval": NATS_PING_S,
            "max_outstanding_pings": 2,
            "skip_subject_validation": True,  # namespaces and VINs hold nothing that a subject may not
            "error_cb": self._on_error,
            "closed_cb": self._on_closed,
        }

    async def _on_error(self, error: Exception) -> None:
        self._said = " ".join(str(error).split()) or type(error).__name__
        if "permissions violation" in self._said.lower():
            self.refused = self._said

    async def _on_closed(self) -> None:
        self.closed.set()

    async def gone(self) -> None:
        """Raises when the connection has ended."""
        await self.closed.wait()
        raise Unreachable(f"the connection has ended{f': {self._said}' if self._said else ''}")

    async def alive(self, wait: Coroutine[Any, Any, object]) -> None:
        """Waits, unless the connection ends."""
        await first_of(wait, self.gone())

    async def flush(self) -> None:
        from ..nats_client import flush_client

        try:
            async with asyncio.timeout(NATS_FLUSH_S):
                await self.alive(flush_client(self.client, NATS_FLUSH_S))
        except TimeoutError:
            raise Unreachable(f"the server does not answer within {NATS_FLUSH_S:g} s") from None
        if self.refused:
            said, self.refused = self.refused, ""
            raise Undelivered(f"the server says: {said}")

    async def answers(self, take: Callable[[Any], object]) -> str:
        """The subject below which answers come to `take`, each with a word of its own at the end."""
        inbox: str = self.client.new_inbox()

        async def taken(message: Any) -> None:
            take(message)

        await self.client.subscribe(f"{inbox}.*", cb=taken)
        return inbox

    async def close(self) -> None:
        from ..nats_client import close_client

        await close_client(self.client, NATS_CLOSE_S)


_files = DiskReader("nats_files")


async def _credentials(path: Path) -> Any:
    """For nats-py, which would read a file without them for ever. Raises Undelivered."""
    from nats.aio.client import RawCredentials

    try:
        content = await _files.read(path, path.read_bytes)
    except OSError as error:
        raise Undelivered(f"NATS_CREDS_PATH: {path} cannot be read ({error.strerror})") from None
    if not all(mark in content for mark in NATS_CREDENTIALS_HOLD):
        raise Undelivered(
            f"NATS_CREDS_PATH: {path} lacks the user's JWT or seed: give the .creds file of the user, as nsc writes it"
        )
    return RawCredentials(content.decode(errors="replace"))
