"""
How those speak who talk to a server, none of whose code is ours.

    Connection  a WebSocket, as `websockets` speaks it
    Raw         a socket: bytes out, an HTTP answer and WebSocket frames in

Nothing waits for longer than PATIENCE_S, and nobody sleeps.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Response as Handshake
from websockets.protocol import State

PATIENCE_S = 60.0  # nobody waits so long for what comes at all: a machine that others use may stand still for seconds
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455's own sample
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # and what it must be answered with


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


def secured(context: ssl.SSLContext, plain: socket.socket, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """The same socket with TLS, for localhost; it is closed if there is none to be had."""
    try:
        return context.wrap_socket(plain, server_hostname="localhost", session=session)
    except BaseException:
        plain.close()
        raise


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

    def take_all(self) -> bytes:
        """What is there, at least a byte; nothing at the connection's end."""
        if not self._buffer:
            self.read_some()
        taken, self._buffer = self._buffer, b""
        return taken

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
