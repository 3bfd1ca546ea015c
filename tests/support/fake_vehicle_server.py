"""
A server of vehicles that shares nothing with ours, for the tests of the simulator.

The `websockets` package holds the connection, `flatbuffers` reads envelopes and `protobuf` what is in them (oracle.py). The
server answers as the reference does, or as a test's `answers` say, and remembers what every connection sent.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support import oracle
from tests.support.peers import PATIENCE_S

Answers = Callable[[bytes, bytes], bytes | None]  # (txid, topic) -> the reply; None: no reply


@dataclass
class ReceivedConnection:
    """One connection: who opened it, when, and what was sent over it, in order."""

    vin: str
    path: str
    headers: dict[str, str]
    began: float
    ended: float | None = None
    close_code: int | None = None
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    records: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)
    malformed: int = 0


def ack(txid: bytes, topic: bytes) -> bytes | None:
    return oracle.build_envelope(topic, txid, None)


def error_reply(txid: bytes) -> bytes:
    return oracle.build_envelope(b"", txid, {"payload": b"incorrect message format"})


@dataclass
class FakeVehicleServer:
    """`refuse`: the HTTP status that every upgrade gets, if any. `changed` is set whenever something has arrived or ended."""

    answers: Answers = ack
    refuse: HTTPStatus | None = None
    connections: list[ReceivedConnection] = field(default_factory=list)
    url: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def listening(self, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator["FakeVehicleServer"]:
        server = serve(self.handle, "127.0.0.1", port, ssl=context, process_request=self.before_upgrade, close_timeout=1)
        async with server as bound:
            port = next(iter(bound.sockets)).getsockname()[1]
            self.url = f"{'wss' if context else 'ws'}://localhost:{port}/"
            yield self

    async def until(self, condition: Callable[[], object]) -> None:
        """Returns once the condition holds; the bound is the time limit of `run`."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def handle(self, connection: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        assert connection.request is not None
        headers = dict(connection.request.headers.raw_items())
        received = ReceivedConnection(_certified_vin(connection), connection.request.path, headers, loop.time())
        self.connections.append(received)
        self.changed.set()
        try:
            async for message in connection:
                reply = self.reply(received, bytes(message) if not isinstance(message, str) else b"")
                if reply is not None:
                    await connection.send(reply)
        except ConnectionClosed:
            pass  # vehicles that drop their connection are among what is tested
        finally:
            received.ended, received.close_code = loop.time(), connection.close_code
            self.changed.set()

    def reply(self, received: ReceivedConnection, message: bytes) -> bytes | None:
        """What the server answers, after it has entered the message."""
        try:
            envelope = oracle.envelope(message)
        except oracle.Refused:
            received.malformed += 1
            return error_reply(b"")
        try:
            if envelope.get("topic") not in oracle.TOPICS:
                raise oracle.Refused("no such topic")
            record = oracle.fleet(envelope["topic"], envelope["payload"], received.vin or envelope["device_id"].decode())
        except oracle.Refused:
            received.malformed += 1
            return error_reply(envelope.get("txid", b""))
        received.envelopes.append(envelope)
        received.records.append((envelope["topic"], record))
        self.changed.set()
        return self.answers(envelope["txid"], envelope["topic"])

    def before_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(self.refuse, "no, because\n") if self.refuse else None

    @property
    def records(self) -> list[tuple[bytes, dict[str, Any]]]:
        return [record for received in self.connections for record in received.records]

    @property
    def txids(self) -> list[bytes]:
        return [envelope["txid"] for received in self.connections for envelope in received.envelopes]


def _certified_vin(connection: ServerConnection) -> str:
    """The common name of the client's certificate; empty without one."""
    tls = connection.transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls else None
    if der is None:
        return ""
    name = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return str(name)


def run(test: Coroutine[Any, Any, Any], timeout_s: float = PATIENCE_S) -> Any:
    """A test's coroutine on an event loop of its own; TimeoutError if it hangs."""

    async def bounded() -> Any:
        async with asyncio.timeout(timeout_s):
            return await test

    return asyncio.run(bounded())
