"""
A server that an output asks one thing at a time: over one connection, which is opened when it is wanted and kept in between.
"""

from __future__ import annotations

import asyncio
import ssl

from ..urls import authority
from .http_client import Hasty, HttpAnswer, PostConnection, PostTarget


async def with_tls(target: PostTarget) -> PostTarget:
    """The same over TLS, with the system's CAs: to read them takes some 20 ms, in a thread."""
    return target._replace(tls=await asyncio.to_thread(ssl.create_default_context))


class KeptConnection:
    """`host_header`: what a request to it says in `host`. Addresses of private networks are allowed: an operator named it."""

    def __init__(self, host: str, port: int, *, encrypted: bool) -> None:
        self.host = host
        self.host_header = authority(host, port)
        self._encrypted = encrypted
        self._target = PostTarget(host, port, None, private=True)
        self._connection: PostConnection | None = None

    async def ask(self, request: bytes) -> HttpAnswer:
        """
        The answer to a whole request. Raises Undelivered.

        It is sent once, or twice if the connection was an old one that the server closed just then.
        """
        if self._connection is not None and self._connection.usable:
            try:
                return await self._connection.post(request)
            except Hasty:
                pass  # the server closed it meanwhile, as it may; what the new one says counts
        self.close()
        if self._encrypted and self._target.tls is None:
            self._target = await with_tls(self._target)
        self._connection = await PostConnection.open(self._target)
        return await self._connection.post(request)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
