"""An HttpConnection over a transport that only takes notes."""

from __future__ import annotations

import asyncio
import http.client
import io
from http import HTTPStatus
from typing import Any

from teslafast.http_messages import Answer, Request
from teslafast.server.http_connection import REQUEST_HEAD_LIMIT, HttpConnection
from teslafast.server.routes import Decision, Peer

GET = b"GET /health?x=1 HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n"
PAGE = GET.replace(b"/health", b"/page")  # is answered with `keeps_open`


class Transport:
    """Keeps what is written to it, and notes what else is done to it."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.ended = False
        self.closed = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.written += data

    def is_closing(self) -> bool:
        return self.ended

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = self.closed = True

    def abort(self) -> None:
        self.ended = self.aborted = True


class Stage:
    """A connection all of whose requests are answered: the requests, the causes counted, and how often it was done."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.done = 0
        self.refused: list[str] = []
        self.transport = Transport()
        self.connection = HttpConnection(self.peer_of, self.decide, lambda cause, *_: self.refused.append(cause), self.on_done)

    def peer_of(self, transport: Any) -> Peer:
        return Peer("192.0.2.1:5")

    def decide(self, request: Request, peer: Peer) -> Decision:
        self.asked.append(request)
        return Answer(HTTPStatus.OK, b"body", headers=(("X-Test", "yes"),), keeps_open=request.path == "/page")

    def on_done(self) -> None:
        self.done += 1

    def feed(self, data: bytes, step: int) -> None:
        for start in range(0, len(data), step):
            chunk = data[start : start + step]
            buffer = self.connection.get_buffer(-1)
            buffer[: len(chunk)] = chunk
            self.connection.buffer_updated(len(chunk))


def sent(data: bytes, step: int = REQUEST_HEAD_LIMIT, expire: bool = False, kind: type[Stage] = Stage) -> Stage:
    """What becomes of a connection that sends this, `step` bytes at a time; `expire`: and nothing more until its time is over."""

    async def run() -> Stage:
        stage = kind()
        stage.connection.connection_made(stage.transport)
        stage.feed(data, step)
        if expire:
            stage.connection.expire()
        return stage

    return asyncio.run(run())


class Recorded:
    """Bytes as the socket that `http.client` wants to read an answer from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def answer(stage: Stage, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
    response = http.client.HTTPResponse(Recorded(stage.transport.written), method=method)  # type: ignore[arg-type]  # all it uses
    response.begin()
    return response.status, response.headers, response.read()
