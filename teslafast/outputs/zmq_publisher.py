"""
The one ZeroMQ socket: bound, with CURVE if there are keys, and used from the event loop alone. Nothing here waits.

It is an XPUB socket: to subscribers the same as PUB, but it tells of subscriptions, and refuses to send while a subscriber's
queue is full (XPUB_NODROP) instead of dropping in silence.

libzmq's own thread does the network. With ZMQ_ALLOWED_KEYS_PATH one more thread, pyzmq's, says who is let in.
"""

from __future__ import annotations

import asyncio
import errno
import threading
import weakref
from typing import Any

from ..errors import Misconfigured, Undelivered
from ..logs import fields, log
from .zmq_settings import ZmqSettings, allowed_keys, server_key

QUEUE_EVENTS = 1000  # libzmq's high-water mark for each subscriber, as Tesla's server leaves it
SAID_BYTES = 4096  # longest message of a subscriber: it has nothing to say but what it wants
HEARD_AT_MOST = 1000  # subscriptions at a stretch
LINGER_MS = 500
KEEPALIVE_IDLE_S = 30


class Allowed:
    """What pyzmq's authenticator asks."""

    def __init__(self, keys: frozenset[bytes]) -> None:
        self._keys = keys

    def callback(self, domain: str, key: bytes) -> bool:
        if key not in self._keys:
            log.debug("zmq_subscriber_refused", extra=fields(key=key.decode("latin-1")))
        return key in self._keys


class ZmqPublisher:
    """`subscriptions`: how many different ones there are now, of all subscribers."""

    def __init__(self, settings: ZmqSettings) -> None:
        """Raises Misconfigured if a file of keys cannot be used, or ZeroMQ has no CURVE."""
        import zmq

        self._zmq: Any = zmq
        self.bind = settings.bind
        self.subscriptions = 0
        self._keys = None if settings.server_key_path is None else server_key(settings.server_key_path)
        self._allowed = None if settings.allowed_keys_path is None else allowed_keys(settings.allowed_keys_path)
        if self._keys is not None and not zmq.has("curve"):
            raise Misconfigured("ZMQ_SERVER_KEY_PATH", "this build of ZeroMQ has no CURVE", "install pyzmq's wheel from PyPI")
        if self._keys is not None and zmq.curve_public(self._keys[0]) != self._keys[1]:
            fault = f"the public key in {settings.server_key_path} does not belong to the secret one"
            raise Misconfigured("ZMQ_SERVER_KEY_PATH", fault, "make a pair with zmq.curve_keypair()")
        self._socket: Any = None
        self._context: Any = None
        self._authenticator: Any = None
        self._end: Any = None  # if nobody closes it: a server that is ended at once

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def open(self) -> None:
        zmq = self._zmq
        self._context = context = zmq.Context()
        if self._allowed is not None:
            from zmq.auth.thread import ThreadAuthenticator

            self._authenticator = ThreadAuthenticator(context)
            await asyncio.to_thread(self._authenticator.start)
            self._authenticator.configure_curve_callback("*", Allowed(self._allowed))
        self._socket = socket = context.socket(zmq.XPUB)
        for option, value in (
            (zmq.LINGER, LINGER_MS),
            (zmq.SNDHWM, QUEUE_EVENTS),
            (zmq.XPUB_NODROP, 1),
            (zmq.MAXMSGSIZE, SAID_BYTES),
            (zmq.IPV6, 1),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S),
        ):
            socket.setsockopt(option, value)
        if self._keys is not None:
            socket.curve_server = True
            socket.curve_secretkey = self._keys[0]
        self._end = weakref.finalize(self, _let_go, socket, self._authenticator, context, 0)
        self.subscriptions = 0
        try:
            socket.bind(self.bind)
        except zmq.ZMQError as error:
            raise InUse(self.bind) if error.errno == errno.EADDRINUSE else Undelivered(f"{self.bind}: {error.strerror}") from None

    def put(self, topic: bytes, body: bytes, lossy: bool = False) -> bool:
        """
        False if a subscriber's queue is full: nobody has got it then. `lossy`: whoever has room gets it, and False says that
        somebody had none.
        """
        zmq, socket = self._zmq, self._socket
        try:
            socket.send(topic, zmq.NOBLOCK | zmq.SNDMORE)
        except zmq.Again:
            if lossy:
                self._put_lossy(topic, body)
            return False
        try:
            socket.send(body, zmq.NOBLOCK)
        except zmq.Again:  # the topic's frame has gone already: the body must follow
            socket.setsockopt(zmq.XPUB_NODROP, 0)
            socket.send(body, zmq.NOBLOCK)
            socket.setsockopt(zmq.XPUB_NODROP, 1)
        return True

    def _put_lossy(self, topic: bytes, body: bytes) -> None:
        zmq, socket = self._zmq, self._socket
        socket.setsockopt(zmq.XPUB_NODROP, 0)
        try:
            socket.send_multipart((topic, body), zmq.NOBLOCK)
        finally:
            socket.setsockopt(zmq.XPUB_NODROP, 1)

    def hear(self) -> None:
        """Takes note of subscriptions that have come or gone."""
        for _ in range(HEARD_AT_MOST):
            try:
                said = self._socket.recv(self._zmq.NOBLOCK)
            except self._zmq.Again:
                return
            if said[:1] in (b"\0", b"\1"):
                self.subscriptions += 1 if said[0] else -1

    def end(self) -> None:
        """At once, with nothing sent any more; nothing if it is closed."""
        end, self._end, self._socket = self._end, None, None
        if end is not None:
            end()

    async def close(self) -> None:
        """What libzmq still has is sent for LINGER_MS."""
        held = self._socket, self._authenticator, self._context
        self._socket = self._context = self._authenticator = None
        self.subscriptions = 0
        if self._end is not None:
            self._end.detach()
            self._end = None
            ending = threading.Thread(target=_let_go, args=(*held, LINGER_MS))
            ending.start()  # not a call that waits in the loop's threads: that one may be cancelled before it begins
            await asyncio.to_thread(ending.join)


def _let_go(socket: Any, authenticator: Any, context: Any, linger_ms: int) -> None:
    """In this order: the context's end waits for the sockets'."""
    socket.close(linger_ms)
    if authenticator is not None:
        authenticator.stop()
    context.term()


class InUse(Undelivered):
    """Somebody has bound the address already."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is already in use: stop the other process, or set ZMQ_BIND")
