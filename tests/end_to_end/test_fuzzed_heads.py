"""
Requests, tokens and TLS hellos that are made at random from what means something to the server: each is answered, with less than
500, or its connection ended; and nothing of it becomes an error in the log.

    TESLAFAST_EXAMPLES=100000 pytest tests/end_to_end/test_fuzzed_heads.py
"""

from __future__ import annotations

import logging
import os
import random
import ssl
from typing import Any

import pytest
from teslafast.refusals import SERVER_FAULT
from websockets.frames import Frame, Opcode

from tests.programs.fuzz_server import mutated
from tests.support.certificates import World
from tests.support.peers import KEY, PATIENCE_S, Place, Raw, token
from tests.support.servers import Inside
from tests.support.vins import vin_of

pytestmark = pytest.mark.faults

EXAMPLES = int(os.environ.get("TESLAFAST_EXAMPLES", "0")) or 120
SEED = int(os.environ.get("TESLAFAST_SEED", "20261126"))
VIN = vin_of("a")

PATHS = f"""
    / /stream /sse /sse/ /sse/{VIN} /{VIN} /streaming/ /streaming /x.y.z/streaming/ /health /metrics /metrics/vehicles /vehicles
    /vehicles/{VIN} /vehicles/ /api/1/products /api/1/vehicles /api/1/vehicles/1 /api/1/vehicles/{VIN}/vehicle_data /setup // /..
    /app/main.js /fonts/inter.woff2 /%2e%2e/%00 * http://h/stream /.well-known/appspecific/com.tesla.3p.public-key.pem
""".split()
NAMES = f"""
    vin vins type types since epoch snapshot format interval control token access_token topics cache scope
{""}""".split()
VALUES = f"0 1 -1 1e400 {'9' * 30} a {VIN} {VIN},{VIN} * data,alerts flat fleet 1000 nan % %zz %00 %ed%a0%80 + null".split()
HEADERS = f"""
    Host Origin Upgrade Connection Sec-WebSocket-Key Sec-WebSocket-Version Sec-WebSocket-Protocol Sec-WebSocket-Extensions
    Authorization X-Forwarded-For Forwarded Client-Cert Client-Cert-Chain Last-Event-ID Content-Length Transfer-Encoding Accept
    Accept-Encoding Range If-None-Match X-Network-Interface Version X-TXID Expect Cookie Access-Control-Request-Method
{""}""".split()
CONTENTS = f"""
    localhost [::1]:x http://[ https://xn-- null websocket Upgrade,close {KEY} {"A" * 24} 13 8 teslafast.v1 teslafast.v1,bearer.
    Bearer Basic:eDp5 for="[::1]";proto=x for=_,for 1.2.3.4,,:: :AAAA: :MIIB:;a *;q=x bytes=0- " e-1 - 18446744073709551616 \xff
    application/openmetrics-text;version=1.0.0;q=9 chunked 100-continue
""".split()
CLAIMS: dict[str, list[Any]] = {
    "exp": [None, 0, -1, 1e300, "x", True, [], {"a": 1}, 2**70],
    "nbf": [None, 0, 1e18, "x"],
    "sub": [None, 1, 1.5, True, [], {}, "\ud800", "x" * 500, "\u202e"],
    "vins": [None, [], ["*"], [VIN], VIN, [1], ["<img>"], {"a": 1}, [VIN.lower()], ["x"] * 300],
    "aud": [None, "x", ["x"], 5],
    "iat": ["x", 1e300],
}


def pick(chance: random.Random, words: list[Any]) -> Any:
    return words[chance.randrange(len(words))]


def bearer(chance: random.Random) -> str:
    if chance.random() < 0.2:
        return mutated(token().encode(), chance).decode("latin-1")
    claims = {name: pick(chance, values) for name, values in CLAIMS.items() if chance.random() < 0.25}
    return token(**claims)


def target(chance: random.Random) -> str:
    query = "&".join(f"{pick(chance, NAMES)}={pick(chance, VALUES)}" for _ in range(chance.choice((0, 0, 1, 2, 40))))
    if chance.random() < 0.3:
        query += f"&token={bearer(chance)}"
    return str(pick(chance, PATHS)) + ("?" + query if query else "")


def head(chance: random.Random) -> bytes:
    method = chance.choice(("GET",) * 12 + ("HEAD", "OPTIONS", "POST", "CONNECT", "get", "\xff"))
    lines = [f"{method} {target(chance)} HTTP/{chance.choice(('1.1',) * 8 + ('1.0', '2.0', '1.1 '))}"]
    usual = ["Host: localhost"]
    if chance.random() < 0.6:
        usual += ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"]
    if chance.random() < 0.5:
        usual.append(f"Authorization: Bearer {bearer(chance)}")
    usual = [line for line in usual if chance.random() < 0.97]
    usual += [f"{pick(chance, HEADERS)}: {pick(chance, CONTENTS)}" for _ in range(chance.randrange(4))]
    chance.shuffle(usual)
    text = "\r\n".join([*lines, *usual, "", ""]).encode("latin-1", "replace")
    return mutated(text, chance) if chance.random() < 0.25 else text


def words(chance: random.Random) -> bytes:
    """What may come after the upgrade."""
    said = [
        b'{"type":"subscribe","vins":null}',
        b'{"type":"auth","token":"%s"}' % bearer(chance).encode("latin-1", "replace"),
        b'{"msg_type":"data:subscribe_oauth","token":"x","tag":7,"value":null}',
        b'{"vin":"A","data":{"Soc":1e999}}',
        b"ping",
        b"\x00" * 8,
    ]
    sent = b"".join(Frame(chance.choice((Opcode.TEXT, Opcode.BINARY)), pick(chance, said)).serialize(mask=True) for _ in range(2))
    return mutated(sent, chance) if chance.random() < 0.5 else sent


def answered(raw: Raw, data: bytes) -> int:
    """The answer's status; 0: the connection ended without one."""
    try:
        raw.send(data)
        return raw.status()
    except (EOFError, OSError, ValueError):
        return 0


def no_errors(server: Inside, caplog: pytest.LogCaptureFixture) -> None:
    """Of no logger: what the event loop tells of a callback is one, too."""
    assert server.place.get("/health").status == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert server.counts("refused_requests").keys().isdisjoint({SERVER_FAULT.cause})


def fuzz(server: Inside, place: Place, chance: random.Random, examples: int) -> set[int]:
    statuses = set()
    for number in range(examples):
        data = head(chance) + (words(chance) if chance.random() < 0.5 else b"")
        with place.raw() as raw:
            raw.socket.settimeout(0.3 if b"\r\n\r\n" not in data[:-4] else PATIENCE_S)
            status = answered(raw, data)
        assert status < 500 or status == 503, (SEED, number, data)
        statuses.add(status)
    return statuses


@pytest.mark.parametrize(
    "settings", [{}, {"TRUSTED_PROXIES": "127.0.0.1", "BASE_PATH": "/x", "ALLOWED_ORIGINS": "https://a.example"}]
)
def test_whatever_is_asked_of_a_plain_port_is_answered_or_ended_and_no_fault_of_ours(
    settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    everything = {"VEHICLE_METRICS": "true", "TESLAMATE_API": "true", "HANDSHAKE_TIMEOUT": "0.3"}
    with Inside(None, **everything, **settings) as server:
        statuses = fuzz(server, server.place, random.Random(SEED), EXAMPLES)
        no_errors(server, caplog)
    assert {101, 400, 401, 404} <= statuses


def test_whatever_is_asked_over_tls_is_answered_or_ended_and_no_fault_of_ours(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with Inside(world, REQUEST_CLIENT_CERT="true") as server:
        assert {101, 400, 401} <= fuzz(server, server.place, random.Random(SEED + 1), EXAMPLES // 2)
        no_errors(server, caplog)


def test_whatever_a_handshake_says_it_ends_in_a_line_and_no_fault_of_ours(world: World, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(SEED + 2)
    with Inside(world, VEHICLE_PORT="0") as server:
        for _ in range(EXAMPLES // 2):
            to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
            end = world.client(world.vehicle("device-1")).wrap_bio(to_client, to_server, server_hostname="localhost")
            with server.place.bare(server.place.vehicle_port) as raw:
                raw.socket.settimeout(0.02)
                for _ in range(chance.randrange(1, 4)):
                    try:
                        end.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        pass
                    except ssl.SSLError:
                        break
                    data = to_server.read()
                    try:
                        raw.send(mutated(data, chance) if chance.random() < 0.5 else data)
                        to_client.write(raw.socket.recv(65536))
                    except OSError:
                        break
        no_errors(server, caplog)
        with server.place.vehicle() as vehicle:
            vehicle.tell({"Soc": {"floatValue": 1.0}})
        server.wait_until(lambda running: not len(running.listeners.pending))
