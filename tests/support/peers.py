"""
Those who talk to a server, none of whose code is ours: `websockets` speaks for vehicles and dashboards, `http.client` asks pages,
and a bare socket says what no well-behaved peer would.

    Place       where a server listens, and the certificates that open it: makes the peers below
    Connection  a WebSocket, as `websockets` speaks it
    Dashboard   a reader of /stream
    Vehicle     a connection to /, whose messages are written by `flatbuffers` and `protobuf`
    Raw         a socket: bytes out, an HTTP answer and WebSocket frames in

Nothing waits for longer than PATIENCE_S, and nobody sleeps.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import jwt
from google.protobuf.json_format import ParseDict
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Response as Handshake
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from tests.support import oracle
from tests.support.certificates import Pair, World

PATIENCE_S = 10.0
SECRET = "a secret that only these tests know, of 32 bytes or more"  # minted for no server but those started here
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455's own sample
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # and what it must be answered with


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A dashboard's token as another program would mint it; `exp` in an hour unless it is given; a claim of None is left out."""
    claims = {"sub": "tests", "exp": time.time() + 3600} | claims
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm)


def payload(data: Mapping[str, Any], created: str = "2026-11-23T08:00:00.123Z", **members: Any) -> bytes:
    """A record of topic V; `data`: field → the alternative it has and its value, `{"Soc": {"floatValue": 1.0}}`."""
    datums = [{"key": key, "value": value} for key, value in data.items()]
    record = {"data": datums, "createdAt": created} | members
    return bytes(ParseDict(record, oracle.CLASSES[b"V"]()).SerializeToString())


def envelope(topic: bytes, txid: bytes, content: bytes, vin: str = "device-1") -> bytes:
    stream = {
        "created_at": 1_700_000_000,
        "sender_id": f"vehicle_device.{vin}".encode(),
        "payload": content,
        "device_type": b"vehicle_device",
        "device_id": vin.encode(),
    }
    return oracle.build_envelope(topic, txid, stream)


def ack(txid: bytes, topic: bytes = b"V") -> bytes:
    """The acknowledgement of a message, as the reference's builder makes it."""
    return oracle.build_envelope(topic, txid, None)


def refusal(txid: bytes) -> bytes:
    """The error reply to a message, as the reference's builder makes it."""
    return oracle.build_envelope(b"", txid, {"payload": b"incorrect message format"})


class Connection:
    """
    What `websockets` knows of the protocol, over a blocking socket and in one thread. Its own blocking client reads in a second
    thread, and two threads at one TLS connection now and then lose a write (OpenSSL forbids it; Python locks only since 3.13).
    """

    def __init__(self, connected: socket.socket, protocol: ClientProtocol, headers: Mapping[str, str]) -> None:
        """Shakes hands. Raises what `websockets` says of an answer that is no upgrade (InvalidStatus)."""
        self._socket = connected
        self._protocol = protocol
        self._messages: deque[str | bytes] = deque()
        request = protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        protocol.send_request(request)
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            self._fill()
        if protocol.handshake_exc is not None:
            connected.close()
            raise protocol.handshake_exc

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    def recv(self) -> str | bytes:
        """The next message. Raises ConnectionClosed."""
        while not self._messages:
            self._fill()
        return self._messages.popleft()

    def close(self) -> None:
        """Says goodbye, if nobody has yet, and waits until the server has ended the connection."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
        try:
            while True:
                self._fill()
        except ConnectionClosed:
            pass
        finally:
            self._socket.close()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # an empty one would end our half of the connection: it is closed as a whole
                self._socket.sendall(data)

    def _fill(self) -> None:
        """Takes in what comes next. Raises ConnectionClosed when nothing will."""
        if self._protocol.state is State.CLOSED and self._protocol.handshake_exc is None:
            raise self._protocol.close_exc
        try:
            self._flush()
            data = self._socket.recv(65536)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            self._take(event)

    def _take(self, event: object) -> None:
        if isinstance(event, Handshake):
            return
        assert isinstance(event, Frame)
        assert event.fin, "a server does not fragment"
        if event.opcode is Opcode.TEXT:
            self._messages.append(bytes(event.data).decode())
        elif event.opcode is Opcode.BINARY:
            self._messages.append(bytes(event.data))


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


class Raw:
    """A connected socket, with or without TLS."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def upgrade(self, path: str, *headers: str, then: bytes = b"") -> bytes:
        """A WebSocket handshake in one write, with whatever comes after it; the answer's head."""
        self.send(upgrade_head(path, *headers) + then)
        return self.head()

    def frame(self, opcode: Opcode, data: bytes = b"", fin: bool = True) -> None:
        self.send(Frame(opcode, data, fin).serialize(mask=True))

    def head(self) -> bytes:
        """The next HTTP answer's head, up to and with the empty line."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def status(self) -> int:
        return int(self.head().split(b" ", 2)[1])

    def rest(self) -> bytes:
        """All that comes until the server ends the connection, however it does that."""
        try:
            while chunk := self.socket.recv(65536):
                self._buffer += chunk
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass
        return self._buffer

    def read_some(self) -> bool:
        """Takes in what is there; False at the connection's end."""
        try:
            chunk = self.socket.recv(1 << 20)
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():  # no selector tells of these
                chunk += self.socket.recv(1 << 20)
        except (ConnectionResetError, ssl.SSLEOFError):
            chunk = b""
        self._buffer += chunk
        return bool(chunk)

    def read_frame(self) -> tuple[Opcode, bytes]:
        """The next WebSocket frame, which must be whole and unmasked."""
        first, second = self._take(2)
        assert not second & 0x80, "a server does not mask"
        assert first & 0x80, "a server does not fragment"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        return Opcode(first & 0x0F), self._take(size)

    def frames(self) -> list[tuple[Opcode, bytes]]:
        """All frames until the server ends the connection."""
        self.rest()
        return self.frames_read()

    def frames_read(self) -> list[tuple[Opcode, bytes]]:
        """Those that have been taken in."""
        read = []
        while self._buffer:
            read.append(self.read_frame())
        return read

    def close_code(self) -> int:
        """Reads on until the server says goodbye, and does not wait for the connection's end."""
        while True:
            opcode, data = self.read_frame()
            if opcode is Opcode.CLOSE:
                return int.from_bytes(data[:2], "big")

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill(self) -> None:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise EOFError(f"the server ended the connection after {self._buffer!r}")
        self._buffer += chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()


def upgrade_head(path: str, *headers: str) -> bytes:
    """A WebSocket handshake; a header given here takes the place of the usual one, `Name:` alone takes it out."""
    lines = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    for header in headers:
        name, _, value = header.partition(":")
        lines[name] = value.strip()
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"GET {path} HTTP/1.1\r\n{written}\r\n".encode()


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
