"""Takes the PROXY header off a socket that was just accepted, and not a byte more: what follows is TLS's, or HTTP's."""

from __future__ import annotations

import asyncio
import socket

from .proxy_protocol import NOT_TRUSTED, V2_AT_MOST, V2_SIGNATURE, ProxyHeader, Unread, looks_like, parse


class NotTrusted(ConnectionError):
    """Somebody who is no trusted proxy speaks the PROXY protocol."""


async def read_proxy_header(loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> tuple[str, int] | None:
    """
    The client that the header names: (host, port); None if there is no header, or it names nobody.

    Raises ValueError for a malformed header, ConnectionError if the peer ends before it was whole, EOFError if
    it ends without a byte, as health checks do. The caller limits the time.
    """
    accepted.setblocking(False)
    seen = 0
    while True:
        await _readable(loop, accepted)
        data = accepted.recv(V2_AT_MOST, socket.MSG_PEEK)
        found = parse(data)
        if found is not Unread.INCOMPLETE:
            break
        if not data:
            raise EOFError("the connection ended before its first byte")
        if len(data) <= seen:  # readable without a new byte: the peer has ended
            raise ConnectionError("the connection ended within the PROXY header")
        seen = len(data)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)  # else the bytes that wait would wake us at once
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    if not isinstance(found, ProxyHeader):
        return None
    accepted.recv(found.size)
    return found.client


def refuse_proxy_header(accepted: socket.socket) -> None:
    """
    Looks at the first bytes, which are there, and leaves them there: OpenSSL would only say that they are not TLS.

    Raises NotTrusted if they are a PROXY header's.
    """
    if looks_like(accepted.recv(len(V2_SIGNATURE), socket.MSG_PEEK)):
        raise NotTrusted(NOT_TRUSTED)


async def _readable(loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(accepted.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(accepted.fileno())
