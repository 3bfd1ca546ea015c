"""Request heads off a new connection: whatever the bytes are and however they arrive, they are answered or handed over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.http_messages import Answer, Request
from teslafast.server.http_connection import REQUEST_HEAD_LIMIT, parse_head
from teslafast.server.routes import Decision, Open, Peer, Serve

from tests.support.http_stage import GET, Stage, answer, sent

# ---- the head


def test_a_request_head_is_parsed() -> None:
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
def test_a_body_is_recognised_by_its_headers(lines: bytes, has_body: bool) -> None:
    request = parse_head(b"POST / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    assert request is not None
    assert (request.method, request.has_body) == ("POST", has_body)


def test_the_http_version_is_parsed() -> None:
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
def test_a_malformed_head_is_parsed_as_none(head: bytes) -> None:
    assert parse_head(head) is None


@given(st.binary(max_size=300) | st.builds(lambda *parts: b"GET ".join(parts), st.binary(), st.binary()))
def test_any_bytes_are_parsed_as_a_request_or_none(data: bytes) -> None:
    request = parse_head(data + b"\r\n\r\n")
    assert request is None or request.target


# ---- answers


@pytest.mark.parametrize("step", [1, 2, 3, 7, len(GET) - 1, len(GET)])
def test_a_head_in_any_pieces_is_answered(step: int) -> None:
    stage = sent(GET, step)
    status, headers, body = answer(stage)
    assert (status, body, headers["X-Test"]) == (200, b"body", "yes")
    assert [request.target for request in stage.asked] == ["/health?x=1"]
    assert stage.transport.ended


def test_an_answer_closes_the_connection_and_says_so() -> None:
    _, headers, _ = answer(sent(GET))
    assert headers["Connection"] == "close"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_answered_without_a_body_but_with_its_length() -> None:
    stage = sent(GET.replace(b"GET", b"HEAD"))
    status, headers, body = answer(stage, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "4", b"")
    assert stage.transport.written.endswith(b"\r\n\r\n")


def test_bytes_after_an_answered_head_are_not_read() -> None:
    stage = sent(GET + GET + b"x" * 70_000)
    assert len(stage.asked) == 1
    assert stage.transport.written.count(b"HTTP/1.1") == 1


def test_bytes_that_are_not_http_are_answered_400() -> None:
    stage = sent(b"nonsense\r\n\r\n")
    assert (answer(stage)[0], stage.refused) == (400, ["not_http"])


def padded(size: int) -> bytes:
    """A head of exactly so many bytes."""
    start, end = b"GET / HTTP/1.1\r\nHost: x\r\nPad: ", b"\r\n\r\n"
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("step", [1000, REQUEST_HEAD_LIMIT])
def test_a_head_of_16_kib_is_answered_and_a_larger_one_is_answered_431(step: int) -> None:
    assert answer(sent(padded(REQUEST_HEAD_LIMIT), step))[0] == 200
    for head in (padded(REQUEST_HEAD_LIMIT + 1), b"x" * REQUEST_HEAD_LIMIT):
        stage = sent(head, step)
        assert (answer(stage)[0], stage.refused) == (431, ["head_too_large"])
        assert stage.asked == []


@pytest.mark.parametrize("data", [b"", b"GET / HT", GET[:-1]])
def test_an_incomplete_head_is_answered_408_when_its_time_is_over(data: bytes) -> None:
    stage = sent(data, expire=True)
    assert (answer(stage)[0], stage.refused) == (408, ["head_too_slow"])


def test_a_client_that_does_not_take_its_answer_is_aborted_when_its_time_is_over() -> None:
    stage = sent(GET, expire=True)
    assert stage.transport.written.count(b"HTTP/1.1") == 1
    assert stage.transport.aborted, "it has had its time, and has not taken the answer"


def test_one_who_has_sent_nothing_is_not_waited_for_after_the_answer() -> None:
    assert sent(b"", expire=True).transport.closed
    assert not sent(b"GET / HT", expire=True).transport.closed


class Asker(Stage):
    """`told`: the bytes of which the connection has said that they are not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []
        self.connection.on_unsent = self.told.append


class SlowAsker(Asker):
    def __init__(self) -> None:
        super().__init__()
        self.transport.waiting = 5000


@pytest.mark.parametrize(("kind", "told"), [(SlowAsker, [5000]), (Asker, [])])
def test_an_answer_that_its_client_has_not_taken_is_told_in_bytes(kind: type[Asker], told: list[int]) -> None:
    stage = sent(GET, kind=kind)
    assert isinstance(stage, Asker)
    assert stage.told == told


def test_the_end_of_a_connection_is_reported_once() -> None:
    stage = sent(GET)
    stage.connection.connection_lost(None)
    stage.connection.connection_lost(None)
    assert stage.done == 1


def test_a_timeout_before_the_connection_is_made_does_nothing() -> None:
    stage = Stage()
    stage.connection.expire()
    assert stage.transport.written == b""


@given(st.binary(max_size=2000), st.integers(1, 100))
def test_any_bytes_get_exactly_one_answer(data: bytes, step: int) -> None:
    stage = sent(data, step, expire=True)
    assert stage.transport.written.count(b"Content-Length:") == 1
    assert answer(stage)[0] in (200, 400, 408)


# ---- handing over


class Spoken(Stage):
    """Whose requests go to a door that speaks HTTP itself, as server-sent events would."""

    name, websocket = "spoken", False

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, bytes]] = []

    def decide(self, request: Request, peer: Peer) -> Decision:
        return Open(self, "admission")

    def admit(self, request: Request, caller: object) -> str:
        raise AssertionError("the decision has been made")

    def open(self, admission: object, address: str) -> Spoken:
        assert (admission, address) == ("admission", "192.0.2.1:5")
        return self

    def take(self, transport: Any, request: Request, rest: bytes) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\n\r\ndata: x\n\n")
        self.taken.append((request.target, rest))


def test_a_door_gets_the_transport_the_request_and_the_bytes_after_its_head() -> None:
    stage = sent(GET + b"rest", kind=Spoken)
    assert isinstance(stage, Spoken)
    assert stage.taken == [("/health?x=1", b"rest")]
    assert stage.transport.written.endswith(b"data: x\n\n")
    assert (stage.done, stage.refused, stage.transport.ended) == (1, [], False)


# ---- our own faults


class Failing(Stage):
    """Whose table of routes has a fault."""

    def decide(self, request: Request, peer: Peer) -> Decision:
        raise RuntimeError("not expected")


class FailingPage(Stage):
    def decide(self, request: Request, peer: Peer) -> Decision:
        def page(asked: Request, grant: object) -> Answer:
            raise RuntimeError("not expected")

        return Serve(page, None)


class Nameless(Stage):
    """Of whose peer nothing can be read."""

    def peer_of(self, transport: Any) -> Peer:
        raise RuntimeError("not expected")


class HalfOpen(Stage):
    """Whose door fails when it takes the transport over."""

    name, websocket = "half", False

    def decide(self, request: Request, peer: Peer) -> Decision:
        return Open(self, None)

    def admit(self, request: Request, caller: object) -> None: ...

    def open(self, admission: object, address: str) -> HalfOpen:
        return self

    def take(self, transport: Any, request: Request, rest: bytes) -> None:
        raise RuntimeError("not expected")


@pytest.mark.parametrize("kind", [Failing, FailingPage, Nameless])
def test_an_unexpected_exception_is_answered_500_counted_and_logged_in_one_line(
    kind: type[Stage], caplog: pytest.LogCaptureFixture
) -> None:
    stage = sent(GET + GET, kind=kind)
    assert answer(stage)[0] == 500
    assert stage.transport.written.count(b"HTTP/1.1 ") == 1
    assert b"not expected" not in stage.transport.written
    assert stage.refused == ["fault"]
    assert [(record.getMessage(), record.fields["reason"]) for record in caplog.records] == [("request_failed", "RuntimeError")]  # type: ignore[attr-defined]  # our own
    assert stage.transport.ended


def test_a_door_that_fails_while_it_takes_the_transport_over_ends_the_connection() -> None:
    stage = sent(GET, kind=HalfOpen)
    assert (stage.transport.written, stage.transport.aborted, stage.done, stage.refused) == (b"", True, 1, ["fault"])
