"""
Those who talk to a server, none of whose code is ours: `websockets` speaks for vehicles and dashboards, `http.client` asks pages,
and a bare socket says what no well-behaved peer would.

    Place       where a server listens, and the certificates that open it: makes the peers below
    Dashboard   a reader of /stream
    Vehicle     a connection to /, whose messages are written by `flatbuffers` and `protobuf`

What they say is in peer_messages.py, how they speak in peer_connections.py; tests find all of it here.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from tests.support.certificates import Pair, World
from tests.support.peer_connections import ACCEPT, KEY, PATIENCE_S, Connection, Raw, upgrade_head
from tests.support.peer_messages import SECRET, ack, envelope, payload, refusal, token

__all__ = [
    "ACCEPT",
    "KEY",
    "PATIENCE_S",
    "SECRET",
    "Connection",
    "Dashboard",
    "Place",
    "Raw",
    "Response",
    "Vehicle",
    "ack",
    "envelope",
    "payload",
    "refusal",
    "token",
    "upgrade_head",
]


class Dashboard:
    """What it has read so far is in `seen`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []

    def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv())
        self.seen.append(message)
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """The next message of this type; those before it are passed over."""
        while (message := self.next()).get("type") != kind:
            pass
        return message

    def say(self, message: object) -> None:
        self.connection.send(json.dumps(message))

    def close_code(self) -> int | None:
        """Reads on until the server ends the connection; the code that it gave (None: it gave none)."""
        return _close_code(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()


class Vehicle:
    """Its txids count up."""

    def __init__(self, connection: Connection, vin: str) -> None:
        self.connection = connection
        self.vin = vin
        self._numbers = itertools.count(1)

    def send(self, data: Mapping[str, Any], **members: Any) -> bytes:
        """Sends one record of topic V; returns its txid."""
        return self.send_payload(b"V", payload(data, **members))

    def send_payload(self, topic: bytes, content: bytes) -> bytes:
        txid = b"78ae54a58800468194dc95-%09d" % next(self._numbers)
        self.connection.send(envelope(topic, txid, content, self.vin))
        return txid

    def tell(self, data: Mapping[str, Any], **members: Any) -> None:
        """Sends one record of topic V, and waits until it is acknowledged."""
        txid = self.send(data, **members)
        assert self.reply() == ack(txid)

    def reply(self) -> bytes:
        message = self.connection.recv()
        assert isinstance(message, bytes)
        return message

    def close_code(self) -> int | None:
        return _close_code(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()


def _close_code(connection: Connection) -> int | None:
    try:
        while True:
            connection.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@dataclass(frozen=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Place:
    """Where a server listens. `world`: its certificates, None if it speaks plain; `vehicle_port`: its own if it has one."""

    port: int
    vehicle_port: int
    world: World | None = None

    def tls(self, pair: Pair | None = None) -> ssl.SSLContext | None:
        return self.world.client(pair) if self.world is not None else None

    def dashboard(
        self, query: str = "", bearer: str | None = None, subprotocols: Sequence[str] = (), origin: str | None = None
    ) -> Dashboard:
        """`bearer`: the token in its header, a good one if None, none at all if empty."""
        headers = {"Authorization": f"Bearer {token() if bearer is None else bearer}"} if bearer != "" else {}
        return Dashboard(self._connect(self.port, f"/stream{query}", self.tls(), headers, subprotocols, origin))

    def vehicle(self, vin: str = "device-1", **headers: str) -> Vehicle:
        """With its certificate where there is TLS; otherwise it names itself. Header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path, tls = (f"/?vin={vin}", None) if self.world is None else ("/", self.world.client(self.world.vehicle(vin)))
        return Vehicle(self._connect(self.vehicle_port, path, tls, named), vin)

    def _connect(
        self,
        port: int,
        path: str,
        tls: ssl.SSLContext | None,
        headers: Mapping[str, str],
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
    ) -> Connection:
        connected = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        if tls is not None:
            connected = tls.wrap_socket(connected, server_hostname="localhost")
        protocol = ClientProtocol(
            parse_uri(f"{'ws' if tls is None else 'wss'}://localhost:{port}{path}"),
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=None,
        )
        return Connection(connected, protocol, headers)

    def get(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Response:
        """A page; header names with `_` for `-`."""
        tls = self.tls()
        if tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=tls)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def raw(self, pair: Pair | None = None, port: int | None = None, receive_bytes: int = 0) -> Raw:
        """A socket to PORT or to another, through TLS if the server speaks that; `receive_bytes`: what it takes unread."""
        plain = self.bare(port, receive_bytes)
        tls = self.tls(pair)
        if tls is not None:
            plain.socket = tls.wrap_socket(plain.socket, server_hostname="localhost")
        return plain

    def raw_vehicle(self, vin: str = "device-1", then: bytes = b"") -> Raw:
        """A vehicle's WebSocket whose frames are the caller's own."""
        pair = self.world.vehicle(vin) if self.world is not None else None
        opened = self.raw(pair, self.vehicle_port)
        head = opened.upgrade("/" if self.world is not None else f"/?vin={vin}", then=then)
        assert head.startswith(b"HTTP/1.1 101 ")
        return opened

    def raw_dashboard(self, query: str = "", then: bytes = b"") -> Raw:
        """A dashboard's WebSocket that takes little at once, so that it is slow as soon as it does not read."""
        opened = self.raw(receive_bytes=4096)
        head = opened.upgrade(f"/stream{query}", f"Authorization: Bearer {token()}", then=then)
        assert head.startswith(b"HTTP/1.1 101 ")
        return opened

    def bare(self, port: int | None = None, receive_bytes: int = 0) -> Raw:
        """A socket that has not spoken TLS yet, even if the server expects that."""
        made = socket.socket()
        made.settimeout(PATIENCE_S)
        if receive_bytes:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)  # before connecting, or it comes too late
        made.connect(("127.0.0.1", self.port if port is None else port))
        return Raw(made)
