"""One request head off a new connection: whatever its bytes are and however they come, it is answered or handed over."""

from __future__ import annotations

import asyncio
import http.client
import io
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.http_messages import Answer, Request
from teslafast.server.http_connection import HEAD_LIMIT, MOST_REQUESTS, Door, parse_head
from teslafast.server.routes import Peer

from tests.support.peers import ACCEPT, Place, token, upgrade_head
from tests.support.servers import Inside

GET = b"GET /health?x=1 HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n"


# ---- the head


def test_a_head_is_read() -> None:
    assert parse_head(GET) == Request("GET", "/health?x=1", {"host": ["x"], "accept": ["a", "b"]})


@pytest.mark.parametrize(
    ("lines", "has_body"),
    [
        (b"", False),
        (b"Content-Length: 0\r\n", False),
        (b"Content-Length: 1\r\n", True),
        (b"Transfer-Encoding: chunked\r\n", True),
    ],
)
def test_a_body_is_noticed(lines: bytes, has_body: bool) -> None:
    request = parse_head(b"POST / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    assert request is not None
    assert (request.method, request.has_body) == ("POST", has_body)


def test_the_version_is_noticed() -> None:
    request = parse_head(b"GET / HTTP/1.0\r\n\r\n")
    assert request is not None
    assert request.version == "1.0"


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_head_is_none(head: bytes) -> None:
    assert parse_head(head) is None


@given(st.binary(max_size=300) | st.builds(lambda *parts: b"GET ".join(parts), st.binary(), st.binary()))
def test_no_bytes_are_more_than_a_request_or_none(data: bytes) -> None:
    request = parse_head(data + b"\r\n\r\n")
    assert request is None or request.target


# ---- the door


class Transport:
    """Keeps what is written to it, and notes what else is done to it."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.ended = False
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
        self.ended = True

    def abort(self) -> None:
        self.ended = self.aborted = True


class Stage:
    """A door whose gate answers everything: the requests that got so far, the causes counted, and how often it was done."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.done = 0
        self.refused: list[str] = []
        self.transport = Transport()
        self.door = Door(lambda transport: Peer("192.0.2.1:5"), self.decide, self.welcome, self.refused.append, self.on_done)

    def decide(self, request: Request, peer: Peer) -> Answer:
        self.asked.append(request)
        return Answer(HTTPStatus.OK, b"body", headers=(("X-Test", "yes"),), keeps_open=request.path == "/page")

    def welcome(self, *_: object) -> Any:
        raise AssertionError("this gate lets nobody in")

    def on_done(self) -> None:
        self.done += 1

    def feed(self, data: bytes, step: int) -> None:
        for start in range(0, len(data), step):
            chunk = data[start : start + step]
            buffer = self.door.get_buffer(-1)
            buffer[: len(chunk)] = chunk
            self.door.buffer_updated(len(chunk))


def let_in(data: bytes, step: int = HEAD_LIMIT, expire: bool = False) -> Stage:
    """What becomes of a connection that sends this, `step` bytes at a time; `expire`: and then nothing more for too long."""

    async def run() -> Stage:
        stage = Stage()
        stage.door.connection_made(stage.transport)
        stage.feed(data, step)
        if expire:
            stage.door.expire()
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


@pytest.mark.parametrize("step", [1, 2, 3, 7, len(GET) - 1, len(GET)])
def test_a_head_may_come_in_any_pieces(step: int) -> None:
    stage = let_in(GET, step)
    status, headers, body = answer(stage)
    assert (status, body, headers["X-Test"]) == (200, b"body", "yes")
    assert [request.target for request in stage.asked] == ["/health?x=1"]
    assert stage.transport.ended


def test_every_answer_ends_the_connection_and_says_so() -> None:
    _, headers, _ = answer(let_in(GET))
    assert headers["Connection"] == "close"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_answered_without_a_body_but_with_its_length() -> None:
    stage = let_in(GET.replace(b"GET", b"HEAD"))
    status, headers, body = answer(stage, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "4", b"")
    assert stage.transport.written.endswith(b"\r\n\r\n")


def test_what_comes_after_an_answered_head_is_not_read() -> None:
    stage = let_in(GET + GET + b"x" * 70_000)
    assert len(stage.asked) == 1
    assert stage.transport.written.count(b"HTTP/1.1") == 1


def test_what_is_no_http_is_answered_400() -> None:
    stage = let_in(b"nonsense\r\n\r\n")
    assert (answer(stage)[0], stage.refused) == (400, ["not_http"])


def padded(size: int) -> bytes:
    """A head of exactly so many bytes."""
    start, end = b"GET / HTTP/1.1\r\nHost: x\r\nPad: ", b"\r\n\r\n"
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("step", [1000, HEAD_LIMIT])
def test_a_head_of_the_limit_is_read_and_one_byte_more_is_answered_431(step: int) -> None:
    assert answer(let_in(padded(HEAD_LIMIT), step))[0] == 200
    for head in (padded(HEAD_LIMIT + 1), b"x" * HEAD_LIMIT):
        stage = let_in(head, step)
        assert (answer(stage)[0], stage.refused) == (431, ["head_too_large"])
        assert stage.asked == []


@pytest.mark.parametrize("data", [b"", b"GET / HT", GET[:-1]])
def test_half_a_head_and_then_silence_is_answered_408(data: bytes) -> None:
    stage = let_in(data, expire=True)
    assert (answer(stage)[0], stage.refused) == (408, ["head_too_slow"])


def test_who_was_answered_is_not_answered_again_when_the_time_is_over() -> None:
    stage = let_in(GET, expire=True)
    assert stage.transport.written.count(b"HTTP/1.1") == 1
    assert stage.transport.aborted, "it has had its time, and has not taken the answer"


def test_a_door_is_done_with_once() -> None:
    stage = let_in(GET)
    stage.door.connection_lost(None)
    stage.door.connection_lost(None)
    assert stage.done == 1


def test_time_may_be_over_before_the_connection_is_made() -> None:
    stage = Stage()
    stage.door.expire()
    assert stage.transport.written == b""


@given(st.binary(max_size=2000), st.integers(1, 100))
def test_no_bytes_make_more_than_one_answer(data: bytes, step: int) -> None:
    stage = let_in(data, step, expire=True)
    assert stage.transport.written.count(b"Content-Length:") == 1
    assert answer(stage)[0] in (200, 400, 408)


# ---- the page's files, many on one connection

PAGE = GET.replace(b"/health", b"/page")


@pytest.mark.parametrize("step", [1, 5, len(PAGE), HEAD_LIMIT])
def test_a_file_of_the_page_leaves_the_connection_open_for_the_next(step: int) -> None:
    stage = let_in(PAGE * 3, step)
    assert [request.path for request in stage.asked] == ["/page"] * 3
    assert stage.transport.written.count(b"Connection: keep-alive\r\n") == 3
    assert not stage.transport.ended


def test_what_is_no_file_of_the_page_ends_it() -> None:
    stage = let_in(PAGE + GET + PAGE)
    assert [request.path for request in stage.asked] == ["/page", "/health"]
    assert stage.transport.written.count(b"Connection: close\r\n") == 1
    assert stage.transport.ended


@pytest.mark.parametrize(
    "head",
    [
        PAGE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PAGE.replace(b"Host: x", b"Connection: Close"),
        PAGE.replace(b"Host: x", b"Connection: te, close"),
    ],
)
def test_who_wants_it_closed_is_obeyed(head: bytes) -> None:
    stage = let_in(head + PAGE)
    assert (len(stage.asked), stage.transport.ended) == (1, True)
    assert answer(stage)[1]["Connection"] == "close"


def test_a_connection_has_so_many_requests() -> None:
    stage = let_in(PAGE * (MOST_REQUESTS + 1))
    assert len(stage.asked) == MOST_REQUESTS
    assert stage.transport.written.count(b"Connection: close\r\n") == 1
    assert stage.transport.ended


def test_who_takes_no_answer_is_not_given_another_after_the_next() -> None:
    async def run() -> Stage:
        stage = Stage()
        stage.door.connection_made(stage.transport)
        stage.feed(PAGE, HEAD_LIMIT)
        stage.transport.waiting = 1
        stage.feed(PAGE * 5, HEAD_LIMIT)
        return stage

    stage = asyncio.run(run())
    assert (len(stage.asked), stage.transport.ended) == (2, True)


@pytest.mark.parametrize("data", [PAGE, PAGE + b"GET / HT"])
def test_an_open_connection_is_cut_off_without_a_word_when_the_time_is_over(data: bytes) -> None:
    stage = let_in(data, expire=True)
    assert stage.transport.aborted
    assert stage.transport.written.count(b"HTTP/1.1") == 1


def test_an_open_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.server.http_connection.KEPT_S", 0.0)

    async def run() -> Stage:
        stage = Stage()
        stage.door.connection_made(stage.transport)
        stage.feed(PAGE, HEAD_LIMIT)
        for _ in range(3):  # turns of the loop, in which what is due is done
            await asyncio.sleep(0)
        assert stage.transport.ended
        stage.feed(PAGE, HEAD_LIMIT)
        return stage

    stage = asyncio.run(run())
    assert (len(stage.asked), stage.transport.aborted) == (1, False)


# ---- handing over, to real picows over a real socket


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Inside() as server:
        yield server.place


def test_the_handshake_is_answered_as_rfc_6455_wants_it_and_with_nothing_else(place: Place) -> None:
    with place.raw() as raw:
        head = raw.upgrade("/?vin=A", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    named = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}
    assert named == {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": ACCEPT}


@pytest.mark.parametrize("value", ["keep-alive, Upgrade", "UPGRADE", "x,upgrade,y"])
def test_firefox_may_connect(place: Place, value: str) -> None:
    with place.raw() as raw:
        assert raw.upgrade("/?vin=A", f"Connection: {value}").startswith(b"HTTP/1.1 101 ")


def test_a_handshake_may_come_byte_by_byte(place: Place) -> None:
    with place.raw() as raw:
        for byte in upgrade_head("/?vin=A"):
            raw.send(bytes([byte]))
        assert raw.status() == 101


def test_our_subprotocol_is_answered_and_the_token_is_not(place: Place) -> None:
    secret = token()
    with place.raw() as raw:
        head = raw.upgrade("/stream", f"Sec-WebSocket-Protocol: teslafast.v1, bearer.{secret}")
    assert b"Sec-WebSocket-Protocol: teslafast.v1\r\n" in head
    assert secret.encode() not in head
