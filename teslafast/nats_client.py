"""
What every use of nats-py needs here. Imported only where NATS is: it imports nats-py.

    give_transport  nats-py speaks plain text, login and all, to a server that does not ask for TLS, whatever `tls://` says: so
                    whoever stands between could take that word out of the server's greeting. With `tls`, nothing is written
                    before TLS. Besides, what a failed attempt to connect has opened is closed
    flush_client    returns when the server has dealt with what was sent. nats-py's own sends its PING before what waits to be
                    written, so that is written first
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from nats.aio.transport import TcpTransport

CLOSED_S = 1.0  # a connection that does not say that it is closed is left


class SpeaksNoTls(ConnectionError):
    """The server's greeting does not ask for TLS, and `tls://` does."""


class _OverTls(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """Streams stay open for writing after the other end's last byte; TLS cannot, and asyncio logs that it was asked to."""
        super().eof_received()
        return False


class _Transport(TcpTransport):
    def __init__(self, tls: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wants_tls = tls
        self._is_tls = False

    async def connect(self, *arguments: Any, **options: Any) -> None:
        self.close()
        self._is_tls = False
        await super().connect(*arguments, **options)

    async def connect_tls(self, uri: Any, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int) -> None:
        plain = self._io_writer
        if plain is None:
            raise SpeaksNoTls("there is no connection yet")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = _OverTls(reader)
        name = uri if isinstance(uri, str) else uri.hostname
        upgrade = loop.start_tls(plain.transport, protocol, ssl_context, server_hostname=name)
        transport: Any = await asyncio.wait_for(upgrade, connect_timeout)
        self._io_reader, self._io_writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
        self._is_tls = True

    def __bool__(self) -> bool:
        """Even before it is connected, or the client would take another transport."""
        return True

    def close(self) -> None:
        if self._io_writer is not None:
            self._io_writer.close()

    async def wait_closed(self) -> None:
        """Not for ever, as after a TLS handshake that has failed: no other server would be tried."""
        if self._io_writer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSED_S):
                    await self._io_writer.wait_closed()

    def _require_tls(self) -> None:
        if self._wants_tls and not self._is_tls:
            raise SpeaksNoTls("the server speaks no TLS, and its address is tls://")

    def write(self, payload: Any) -> Any:
        self._require_tls()
        return super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: Any) -> Any:
        self._require_tls()
        return super().writelines(payload)  # type: ignore[no-untyped-call]


def give_transport(client: Any, tls: bool) -> None:
    """Before it connects."""
    client._transport = _Transport(tls)


async def flush_client(client: Any, within_s: float) -> None:
    """A refusal comes before the answer to this."""
    while client.pending_data_size:  # noqa: ASYNC110 — nats-py's flush would overtake what its own task has not written
        await asyncio.sleep(0)
    await client.flush(within_s)


async def close_client(client: Any, within_s: float) -> None:
    """None: there is no client yet."""
    if client is not None and not client.is_closed:
        with contextlib.suppress(TimeoutError):  # nats-py waits for ever for the end of a TLS handshake that has failed
            async with asyncio.timeout(within_s):
                await client.close()
