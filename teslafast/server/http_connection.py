"""
Every connection starts here: request heads are read, `decide` says what becomes of them, and answers are written.

    accept ──▶ TLS ──▶ HttpConnection: bytes until an empty line ──▶ decide ──▶ Answer, Serve:  answered, closed
                        │ REQUEST_HEAD_LIMIT bytes, HANDSHAKE_TIMEOUT        └▶ Open: the transport and the bytes go to a door

Only answers that say `keeps_open`, the page's files, leave the connection open for the next request: a browser wants two dozen of
them, and over TLS a handshake for each costs more than the file. Such a connection has MOST_REQUESTS and KEPT_S, and gets no
second answer while the first one waits to be taken.

An exception that nobody expected is answered 500, counted as `fault`, and logged in one line; it never leaves this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools

from ..errors import Refused
from ..http_messages import Answer, Request
from ..logs import fields, log
from ..refusals import HEAD_TOO_LARGE, HEAD_TOO_SLOW, NOT_HTTP, SERVER_FAULT
from . import proxy_protocol
from .routes import Decision, Open, Peer, Serve

REQUEST_HEAD_LIMIT = 16 * 1024  # room for a token of LONGEST_TOKEN, and three times as much; h11 has the same default
LINGER_S = 1.0  # for a client that is still sending what will not be read: three slow round trips
MOST_REQUESTS = 32  # on one connection: the page has two dozen files
KEPT_S = 3.0  # from the first answer on: a page has been read by then


class Head:
    """The parts of a request head, as httptools' callbacks deliver them."""

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


class HttpConnection(asyncio.BufferedProtocol):
    """
    One new connection. `decide(request, peer)` is asked for each request.

    `client_of(request, peer)`: the peer as a proxy names it in this request. `on_refused(cause, reason, address)` counts and
    remembers. `on_done()` is called once, when the connection is no longer this object's: handed over, or lost.
    """

    # every HttpConnection reads into it, and empties it before the next one reads
    _shared = memoryview(bytearray(REQUEST_HEAD_LIMIT))

    def __init__(
        self,
        peer_of: Callable[[Any], Peer],
        decide: Callable[[Request, Peer], Decision],
        on_refused: Callable[[str, str, str], None],
        on_done: Callable[[], None],
        client_of: Callable[[Request, Peer], Peer] = lambda request, peer: peer,
    ) -> None:
        self._client_of = client_of
        self._peer_of = peer_of
        self._decide = decide
        self._on_refused = on_refused
        self._on_done: Callable[[], None] | None = on_done
        self._transport: Any = None
        self._head = bytearray()
        self._requests = 0
        self._answered = False  # for the last time
        self._awaited = False  # a page asks other nodes first
        self._opening = False  # a door has the transport: no more HTTP
        self._timer: asyncio.TimerHandle | None = None
        # Called with the bytes of a request head that is not whole yet; may abort this connection.
        self.on_unfinished: Callable[[int], object] | None = None
        # Called with the bytes of an answer that the client has yet to take; likewise.
        self.on_unsent: Callable[[int], object] | None = None

    @property
    def admitted(self) -> bool:
        """Whether a door has it."""
        return self._opening

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        try:
            self._peer = self._connected = self._peer_of(transport)
        except Exception as error:
            self._peer = self._connected = Peer("unknown")
            self._fail(error)

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
        """Calls back after so long, unless the connection ends first. A connection has one timer: this replaces any other."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)

    def expire(self) -> None:
        """HANDSHAKE_TIMEOUT is over: answers so if no head has arrived; an answer that the client has not taken is abandoned."""
        if self._transport is None or self._on_done is None:
            return
        if self._answered or self._awaited or self._requests:
            self.abort()
        else:
            self.answer(Answer.of(Refused(HEAD_TOO_SLOW)), unread=bool(self._head))  # a silent one has nothing to stop

    def abort(self) -> None:
        if self._transport is not None and self._on_done is not None:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        if self._answered or self._awaited:
            return
        self._head += self._shared[:nbytes]
        while not (self._answered or self._awaited or self._on_done is None or self._transport.is_closing()):
            end = self._head.find(b"\r\n\r\n") + 4
            if 4 <= end <= REQUEST_HEAD_LIMIT:
                head = bytes(self._head[:end])
                del self._head[:end]
                self._take(head)
            elif len(self._head) >= REQUEST_HEAD_LIMIT:
                self.answer(Answer.of(Refused(HEAD_TOO_LARGE)))
            else:
                if self._head and self.on_unfinished is not None:
                    self.on_unfinished(len(self._head))
                break

    def _take(self, head: bytes) -> None:
        request = parse_head(head)
        if request is None:
            spoken = head + self._head[: len(proxy_protocol.V2_SIGNATURE)]
            reason = proxy_protocol.NOT_TRUSTED if proxy_protocol.looks_like(spoken) else ""
            self.answer(Answer.of(Refused(NOT_HTTP, reason)))
            return
        try:
            self._peer = self._client_of(request, self._connected)
            self._carry_out(request, self._decide(request, self._peer))
        except Exception as error:
            self._fail(error)

    def _carry_out(self, request: Request, decision: Decision) -> None:
        if isinstance(decision, Open):
            try:
                opened = decision.door.open(decision.admission, self._peer.address)
            except Refused as error:
                self.answer(Answer.of(error))
                return
            self._opening = True
            opened.take(self._transport, request, bytes(self._head))
            self._done()
            return
        answer = decision.page(request, decision.grant) if isinstance(decision, Serve) else decision
        if isinstance(answer, Answer):
            self._give(answer, request)
            return
        self._awaited = True
        answer.add_done_callback(lambda given: self._give_awaited(given, request))

    def _give(self, answer: Answer, request: Request) -> None:
        kept = answer.keeps_open and self._may_ask_again(request)
        self.answer(answer, head_only=request.method == "HEAD", unread=request.has_body, kept=kept)

    def _give_awaited(self, given: asyncio.Future[Answer], request: Request) -> None:
        """To whoever still waits for it. Nothing else is read before: such an answer is the connection's last."""
        if given.cancelled() or self._on_done is None or self._answered or self._transport.is_closing():
            return
        try:
            self._give(given.result(), request)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Our own fault: an answer if one can still be sent, and one line in the log."""
        cause, address = SERVER_FAULT.cause, self._peer.address
        log.error("request_failed", extra=fields(cause=cause, reason=type(error).__name__, address=address), exc_info=error)
        self._on_refused(cause, SERVER_FAULT.meaning, address)
        if self._opening or self._answered:  # the transport speaks another protocol already, or has had its answer
            self._transport.abort()
            self._done()  # the transport tells the door's protocol of its end, if that is set already
            return
        self._write(Answer.of(Refused(SERVER_FAULT)), head_only=False, kept=False)
        self._end(unread=True)

    def _may_ask_again(self, request: Request) -> bool:
        """Whether the connection stays open after this request: not for a client that has left an answer waiting."""
        self._requests += 1
        if self._requests == 1:
            self._wait(KEPT_S, self._dismiss)
        wanted = request.version == "1.1" and "close" not in (word.lower() for word in request.tokens("connection"))
        return wanted and self._requests < MOST_REQUESTS and not self._transport.get_write_buffer_size()

    def _dismiss(self) -> None:
        """KEPT_S is over."""
        self._answered = True
        self._transport.close()

    def answer(self, answer: Answer, head_only: bool = False, unread: bool = True, kept: bool = False) -> None:
        """Writes a plain HTTP answer. Unless `kept`, ends the connection; a client that is still sending gets time to stop."""
        if answer.cause:
            self._on_refused(answer.cause, answer.reason, self._peer.address)
            log.warning(
                "request_refused",
                extra=fields(cause=answer.cause, status=int(answer.status), reason=answer.reason, address=self._peer.address),
            )
        if answer.hangs_up:
            self._answered = True
            self._transport.abort()
            return
        self._write(answer, head_only, kept)
        if not kept:
            self._end(unread)

    def _write(self, answer: Answer, head_only: bool, kept: bool) -> None:
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
        unsent = self._transport.get_write_buffer_size()
        if unsent and self.on_unsent is not None:
            self.on_unsent(unsent)

    def _end(self, unread: bool) -> None:
        """A close with bytes unread becomes a reset, which can destroy the answer on its way: then linger."""
        self._answered = True
        self._head.clear()
        if not unread:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._wait(LINGER_S, self._transport.close)
