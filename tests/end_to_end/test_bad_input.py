"""
Whatever a stranger or a broken peer sends: it is answered or ended as the contract says, counted once, logged in one line that
holds no token, and a good vehicle and a good dashboard beside it notice nothing.

A row a case: what is said on a new connection, what comes back, and the counter, cause and log event that tell of it.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from tests.support.certificates import World
from tests.support.peers import SECRET, Dashboard, Raw, Vehicle, envelope, payload, refusal, token, upgrade_head
from tests.support.servers import Inside
from tests.support.vins import vin_of

GOOD_VIN = vin_of("good")

TEXT, BINARY, CONT, CLOSE, PING = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.CLOSE, Opcode.PING
LIMIT = 100_000  # MAX_FRAME_BYTES of the server here
SOC = {"Soc": {"floatValue": 50.0}}
ERROR = "the error reply"
NOISE = random.Random(7).randbytes


def unsigned(algorithm: str) -> str:
    """A token that says of itself that it needs no signature."""
    parts = ({"alg": algorithm, "typ": "JWT"}, {"sub": "x", "exp": 4_000_000_000, "vins": ["*"]})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def request(head: bytes) -> Callable[[Raw], int]:
    """Sends this; the answer's status."""

    def attack(raw: Raw) -> int:
        raw.send(head)
        return raw.status()

    return attack


def with_token(bearer: str) -> Callable[[Raw], int]:
    return request(upgrade_head("/stream", f"Authorization: Bearer {bearer}"))


def opened(raw: Raw, path: str) -> Raw:
    bearer = [f"Authorization: Bearer {token(sub='broken')}"] if path == "/stream" else []
    assert raw.upgrade(path, *bearer).startswith(b"HTTP/1.1 101 ")
    return raw


def frames(path: str, *sent: bytes) -> Callable[[Raw], object]:
    """Opens a WebSocket and sends these frames; the close code, or ERROR if that is what comes first."""

    def attack(raw: Raw) -> object:
        opened(raw, path).send(b"".join(sent))
        while True:
            opcode, data = raw.read_frame()
            if opcode is CLOSE:
                return int.from_bytes(data[:2], "big")
            if (opcode, data) == (BINARY, refusal(b"")):
                return ERROR

    return attack


def frame(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def many(count: int, data: bytes) -> bytes:
    return b"".join(frame(TEXT, data) for _ in range(count))


@dataclass(frozen=True)
class Case:
    """`by`: who it is, a "stranger" without a certificate or a "vehicle" with a good one."""

    by: str
    attack: Callable[[Raw], object]
    outcome: object
    counter: str
    cause: str
    event: str


def answered(outcome: int, cause: str, attack: Callable[[Raw], object], by: str = "stranger") -> Case:
    return Case(by, attack, outcome, "refused_requests", cause, "request_refused")


def refused(outcome: object, cause: str, *sent: bytes) -> Case:
    """A vehicle's message that is not taken."""
    return Case("vehicle", frames("/", *sent), outcome, "refused_messages", cause, "message_refused")


def shown_out(outcome: int, cause: str, *sent: bytes) -> Case:
    """A dashboard that is ended for what it says."""
    return Case("stranger", frames("/stream", *sent), outcome, "closes", cause, "dashboard_disconnected")


def broken(*sent: bytes) -> Case:
    """A vehicle whose frames break RFC 6455."""
    return Case("vehicle", frames("/", *sent), 1002, "closes", "protocol", "vehicle_disconnected")


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CASES = {
    # requests
    "noise instead of HTTP": answered(400, "not_http", request(NOISE(200).replace(b"\r\n\r\n", b"") + b"\r\n\r\n")),
    "another protocol": answered(400, "not_http", request(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    "HTTP/2 from the start": answered(400, "not_http", request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    "an unknown path": answered(404, "unknown_path", request(GET.replace(b" / ", b" /../../etc/passwd "))),
    "a POST": answered(405, "method", request(GET.replace(b"GET", b"POST"))),
    "a POST with a body": answered(405, "method", request(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789")),
    "a GET with a body": answered(400, "body", request(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")),
    "half a request and then silence": answered(408, "head_too_slow", request(b"GET / HTTP/1.1\r\nHos")),
    "a head of more than 16 KiB": answered(431, "head_too_large", request(GET[:-2] + b"Pad: " + b"x" * 16_384 + b"\r\n\r\n")),
    "a head without an end": answered(431, "head_too_large", request(b"x" * 16_384)),
    "a handshake of another version": answered(400, "handshake", request(upgrade_head("/stream", "Sec-WebSocket-Version: 8"))),
    "a handshake without a key": answered(400, "handshake", request(upgrade_head("/stream", "Sec-WebSocket-Key:"))),
    "no upgrade": answered(426, "no_upgrade", request(GET.replace(b" / ", b" /stream "))),
    # tokens
    "no token": answered(401, "no_token", request(upgrade_head("/stream"))),
    "no token at all": answered(401, "token_invalid", with_token("nonsense")),
    "an expired token": answered(401, "token_expired", with_token(token(exp=1))),
    "another secret's token": answered(401, "token_signature", with_token(token(secret="somebody else's secret of 32 bytes"))),
    "a token that needs no signature": answered(401, "token_invalid", with_token(unsigned("none"))),
    "a token that needs no signature, spelt otherwise": answered(401, "token_invalid", with_token(unsigned("NoNe"))),
    "a token in the query": answered(401, "token_expired", request(upgrade_head(f"/stream?token={token(exp=1)}"))),
    "a token that is too long": answered(401, "token_too_long", with_token("x" * 9000)),
    "a VIN that is not granted": answered(
        403,
        "vin_not_granted",
        request(upgrade_head(f"/stream?vin={vin_of('B')}", f"Authorization: Bearer {token(vins=[GOOD_VIN])}")),
    ),
    "a page of another host": answered(403, "origin", request(upgrade_head("/stream", "Origin: https://evil.example"))),
    "a query that makes no sense": answered(
        400, "query", request(upgrade_head("/stream?since=%00", f"Authorization: Bearer {token()}"))
    ),
    "a vehicle without a certificate": answered(403, "no_certificate", request(upgrade_head("/"))),
    # a vehicle's messages
    "noise": refused(ERROR, "malformed", frame(BINARY, NOISE(200))),
    "a message of 2 MB": refused(ERROR, "too_large", frame(BINARY, b"x" * 2_000_000)),
    "2 MB in fragments": refused(
        ERROR, "too_large", *[frame(BINARY, b"x" * 50_000, False)], *[frame(CONT, b"x" * 50_000, False)] * 39, frame(CONT)
    ),
    "a text": refused(1003, "text", frame(TEXT, b'{"data":{"Soc":1}}')),
    "a text that is not UTF-8": refused(1007, "not_utf8", frame(TEXT, b"\xff\xfe")),
    "a fragment without a beginning": refused(1002, "fragments", frame(CONT, b"x")),
    "a message within a message": refused(1002, "fragments", frame(BINARY, b"x", False), frame(BINARY, b"y")),
    "a compressed frame": refused(1002, "reserved_bits", b"\xc2\x80mask"),
    # a vehicle's frames
    "a frame without a mask": broken(b"\x82\x01x"),
    "an opcode that is none": broken(b"\x83\x80mask"),
    "a control frame of more than 125 bytes": broken(b"\x89\xfe\x00\x7emask" + b"x" * 126),
    "a control frame in fragments": broken(b"\x09\x80mask"),
    "a length that is none": broken(b"\x82\xff" + b"\xff" * 8 + b"mask"),
    # a dashboard's messages
    "a dashboard's message of more than 4 KiB": shown_out(1009, "too_large", frame(TEXT, b"x" * 5000)),
    "ten invalid messages": shown_out(1008, "errors", many(10, b"nonsense")),
    "a dashboard's compressed frame": shown_out(1002, "reserved_bits", b"\xc1\x80mask"),
    "a dashboard's frame without a mask": shown_out(1002, "protocol", b"\x81\x01x"),
}


@dataclass
class Good:
    """A vehicle and a dashboard that are there all the time."""

    vehicle: Vehicle
    dashboard: Dashboard

    def notice_nothing(self) -> None:
        self.vehicle.tell(SOC)
        event = self.dashboard.next()
        assert (event["type"], event["vin"], event["data"]) == ("data", GOOD_VIN, {"Soc": 50.0})


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Inside]:
    settings = {"REQUEST_CLIENT_CERT": "true", "HANDSHAKE_TIMEOUT": "2", "MAX_FRAME_BYTES": str(LIMIT)}
    with Inside(world, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def good(server: Inside) -> Iterator[Good]:
    with server.place.vehicle(GOOD_VIN) as vehicle, server.place.dashboard(f"?vin={GOOD_VIN}&snapshot=0") as dashboard:
        dashboard.next()
        yield Good(vehicle, dashboard)


@pytest.mark.parametrize("name", CASES)
def test_it_is_answered_or_ended_counted_and_logged_and_nobody_else_notices(server: Inside, good: Good, name: str) -> None:
    case = CASES[name]
    world = server.place.world
    assert world is not None
    before = server.counts(case.counter).get(case.cause, 0)
    with server.place.raw(world.vehicle("broken") if case.by == "vehicle" else None) as raw:
        host, port = raw.socket.getsockname()
        assert case.attack(raw) == case.outcome
    lines = server.lines.wait_for(case.event, cause=case.cause, address=f"{host}:{port}")
    assert len(lines) == 1
    assert server.counts(case.counter)[case.cause] == before + 1
    good.notice_nothing()
    assert_nothing_is_told(server.lines.text)


def assert_nothing_is_told(text: str) -> None:
    """No secret, no token, no payload."""
    assert SECRET not in text
    assert "eyJ" not in text, "the beginning of every token"
    assert "xxxxxxxx" not in text
    assert "Traceback" not in text


def test_bytes_that_come_with_the_handshake_are_the_first_frames(server: Inside, good: Good) -> None:
    world = server.place.world
    assert world is not None
    message = frame(BINARY, envelope(b"V", b"tx-1", payload(SOC)))
    with server.place.raw(world.vehicle("broken")) as raw:
        raw.send(upgrade_head("/") + message * 50 + frame(PING, b"p"))
        assert raw.status() == 101
        received = [raw.read_frame()[0] for _ in range(51)]
    assert sorted(received) == sorted([BINARY] * 50 + [Opcode.PONG])
    good.notice_nothing()


def test_firefox_is_nothing_bad(server: Inside, good: Good) -> None:
    with server.place.raw() as raw:
        head = raw.upgrade("/stream", "Connection: keep-alive, Upgrade", f"Authorization: Bearer {token()}")
    assert head.startswith(b"HTTP/1.1 101 ")
    good.notice_nothing()


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_any_kind_is_survived(server: Inside, good: Good, seed: int) -> None:
    chance = random.Random(seed)
    world = server.place.world
    assert world is not None
    kinds: list[Callable[[Raw], Any]] = [
        lambda raw: raw.send(chance.randbytes(chance.randrange(1, 30_000))),
        lambda raw: opened(raw, "/").send(chance.randbytes(chance.randrange(1, 30_000))),
        lambda raw: opened(raw, "/").send(frame(BINARY, chance.randbytes(chance.randrange(1, 30_000))) * 3),
        lambda raw: opened(raw, "/stream").send(chance.randbytes(chance.randrange(1, 10_000))),
    ]
    with server.place.raw(world.vehicle("broken")) as raw:
        kinds[seed % len(kinds)](raw)
        server.place.get("/health")
    good.notice_nothing()
    assert_nothing_is_told(server.lines.text)
