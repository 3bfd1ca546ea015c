"""
Every connection starts here: one request head is read, `gate` decides, and either the answer goes out or picows takes over.

    accept ──▶ TLS ──▶ Door: bytes until an empty line ──▶ gate.decide ──▶ Answer:  written, closed
                        │ HEAD_LIMIT bytes, HANDSHAKE_TIMEOUT             └▶ Admit*: transport and bytes handed to picows

Only the page's files leave the connection open for the next request: a browser wants two dozen of them, and over TLS a handshake
for each costs more than the file. Such a connection has MOST_REQUESTS and KEPT_S, and gets no second answer ahead of the first.

picows' own listener factory knows neither the peer nor its certificate, takes only GET, and refuses Firefox's `Connection`
header. So the Door reads the head itself and gives picows a plain one that asks for the same, with the bytes that came after it.
`hand_over` is the one place that uses picows' WSProtocol constructor, which is no documented API: hence the pinned version.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools
from picows import WSUpgradeRequest, WSUpgradeResponse
from picows.common import WSUpgradeResponseWithListener
from picows.picows import WSAutoPingStrategy, WSProtocol  # type: ignore[attr-defined]  # not in picows' stub

from ..dashboards.admission import AdmitDashboard
from ..http_messages import Answer, Request
from ..logs import fields, log
from ..vehicles.admission import AdmitVehicle
from ..websocket._transport import FrameLimit
from .routes import Peer

HEAD_LIMIT = 16 * 1024
READ_BUFFER = 2048  # what picows starts with, a connection; it grows with the messages
LINGER_S = 1.0  # for a client that is still sending what will not be read
MOST_REQUESTS = 32  # on one connection
KEPT_S = 3.0  # from the first answer on: a page has been read by then

Admit = AdmitVehicle | AdmitDashboard


def _answer_to(status: HTTPStatus, cause: str, reason: str) -> Answer:
    return Answer(status, f"{status.value} {status.phrase}: {reason}\n".encode(), cause=cause, reason=reason)


_NOT_HTTP = _answer_to(HTTPStatus.BAD_REQUEST, "not_http", "this is no HTTP/1.1 request")
_TOO_LARGE = _answer_to(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", f"a request head has {HEAD_LIMIT} bytes at most"
)
_TOO_SLOW = _answer_to(HTTPStatus.REQUEST_TIMEOUT, "head_too_slow", "no whole request head came within HANDSHAKE_TIMEOUT")


@dataclass(frozen=True, slots=True)
class Welcome:
    """What picows is to call. Frames of more than `largest` bytes: close with 1009, or tell it (`on_too_large`) and go on."""

    listener: Any
    largest: int
    answers_too_large: bool


class PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """Where picows' words go: what a peer did wrong is told by the line at the connection's end, our own faults are shown."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 — logging's name
        return level >= logging.ERROR and super().isEnabledFor(level)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args)

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        log.error("connection_failed", extra=fields(what=str(msg)), exc_info=exc_info)


_picows_log = PicowsLog(log, {})


class Head:
    """A request head in the making, filled by httptools' callbacks."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[str, list[str]] = {}

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))


def parse_head(data: bytes) -> Request | None:
    """The request whose head these bytes are, up to and with the empty line; None if it is not HTTP/1."""
    head = Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        return None
    if not head.target or parser.get_http_version() not in ("1.0", "1.1"):
        return None
    length = head.headers.get("content-length", ["0"])
    has_body = length != ["0"] or "transfer-encoding" in head.headers
    method, version = parser.get_method().decode("latin-1"), parser.get_http_version()
    return Request(method, head.target.decode("latin-1"), head.headers, has_body, version)


class Door(asyncio.BufferedProtocol):
    """
    One new connection. `decide(request, peer)` is the gate's; `welcome(admit, peer)` makes what picows will call.

    `on_refused(cause)` counts. `on_done()` is called once, when the connection is no longer the Door's: handed over, or lost.
    """

    _shared = memoryview(bytearray(HEAD_LIMIT))  # read into by every Door, emptied before the next one reads

    def __init__(
        self,
        peer_of: Callable[[Any], Peer],
        decide: Callable[[Request, Peer], Admit | Answer],
        welcome: Callable[[Admit, Peer], Welcome],
        on_refused: Callable[[str], None],
        on_done: Callable[[], None],
    ) -> None:
        self._peer_of = peer_of
        self._decide = decide
        self._welcome = welcome
        self._on_refused = on_refused
        self._on_done: Callable[[], None] | None = on_done
        self._transport: Any = None
        self._head = bytearray()
        self._requests = 0
        self._answered = False  # for the last time
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peer = self._peer_of(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()

    def _done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._on_done is not None:
            on_done, self._on_done = self._on_done, None
            on_done()

    def _wait(self, seconds: float, callback: Callable[[], object]) -> None:
        """Until then, unless the connection ends first; nothing else is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)

    def expire(self) -> None:
        """HANDSHAKE_TIMEOUT is over: says so if no head was there yet; an answer that is not taken by now is given up."""
        if self._transport is None or self._on_done is None:
            return
        if self._answered or self._requests:
            self.abort()
        else:
            self.answer(_TOO_SLOW)

    def abort(self) -> None:
        if self._transport is not None and self._on_done is not None:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        if self._answered:
            return
        self._head += self._shared[:nbytes]
        while not (self._answered or self._on_done is None or self._transport.is_closing()):
            end = self._head.find(b"\r\n\r\n") + 4
            if 4 <= end <= HEAD_LIMIT:
                head = bytes(self._head[:end])
                del self._head[:end]
                self._take(head)
            elif len(self._head) >= HEAD_LIMIT:
                self.answer(_TOO_LARGE)
            else:
                break

    def _take(self, head: bytes) -> None:
        request = parse_head(head)
        if request is None:
            self.answer(_NOT_HTTP)
            return
        decision = self._decide(request, self._peer)
        if isinstance(decision, Answer):
            kept = decision.keeps_open and self._may_ask_again(request)
            self.answer(decision, head_only=request.method == "HEAD", unread=request.has_body, kept=kept)
        else:
            subprotocol = decision.subprotocol if isinstance(decision, AdmitDashboard) else None
            hand_over(self._transport, self._welcome(decision, self._peer), request, subprotocol, bytes(self._head))
            self._done()

    def _may_ask_again(self, request: Request) -> bool:
        """Whether the connection stays open after this one: not for a client that has left an answer waiting."""
        self._requests += 1
        if self._requests == 1:
            self._wait(KEPT_S, self._dismiss)
        wishes = request.version == "1.1" and "close" not in (word.lower() for word in request.tokens("connection"))
        return wishes and self._requests < MOST_REQUESTS and not self._transport.get_write_buffer_size()

    def _dismiss(self) -> None:
        """KEPT_S is over."""
        self._answered = True
        self._transport.close()

    def answer(self, answer: Answer, head_only: bool = False, unread: bool = True, kept: bool = False) -> None:
        """Writes a plain HTTP answer and, unless it is `kept`, ends the connection, with time to stop sending if need be."""
        if answer.cause:
            self._on_refused(answer.cause)
            log.warning(
                "request_refused",
                extra=fields(cause=answer.cause, status=int(answer.status), reason=answer.reason, address=self._peer.address),
            )
        headers = {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "Connection": "keep-alive" if kept else "close",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        } | dict(answer.headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n{lines}\r\n".encode("latin-1")
        self._transport.write(head if head_only else head + answer.body)
        if not kept:
            self._answered = True
            self._head.clear()
            self._end(unread)

    def _end(self, unread: bool) -> None:
        """A close with bytes unread becomes a reset, which can destroy the answer on its way: then linger."""
        if not unread:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._wait(LINGER_S, self._transport.close)


def hand_over(transport: Any, welcome: Welcome, request: Request, subprotocol: str | None, rest: bytes) -> None:
    """Makes picows the transport's protocol: the 101 goes out, the listener hears of it, then of what is in `rest`."""

    def listener_factory(_: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        chosen = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else None
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(chosen), welcome.listener)

    protocol = WSProtocol(
        None,  # host_port
        None,  # ws_path
        False,  # is_client_side
        listener_factory,
        _picows_log,
        True,  # disconnect_on_exception
        None,  # websocket_handshake_timeout: the Door has its own
        False,
        None,
        None,
        WSAutoPingStrategy.PING_WHEN_IDLE,  # auto ping: the server's rounds do it, without a task each
        False,  # auto pong: the listeners do it, within bounds
        welcome.largest,
        None,  # extra_headers
        READ_BUFFER,
    )
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    key = request.header("sec-websocket-key")
    head = (
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    _feed(protocol, head.encode("latin-1"))
    if welcome.answers_too_large:
        protocol = FrameLimit(protocol, welcome.listener, welcome.largest)
        transport.set_protocol(protocol)
    _feed(protocol, rest)


def _feed(protocol: WSProtocol, data: bytes) -> None:
    while data:
        buffer = protocol.get_buffer(len(data))
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
