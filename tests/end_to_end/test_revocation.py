"""What ends while somebody is connected: tokens, their keys, and what they grant. At every door that takes a token."""

from __future__ import annotations

import datetime
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.server.server import Server
from websockets.frames import Opcode

from tests.support.certificates import DAY, NOW, World
from tests.support.clocks import SetClockAhead
from tests.support.peer_connections import secured
from tests.support.peers import Place, Raw, upgrade_head
from tests.support.servers import Inside
from tests.support.vins import vin_of

A, B = vin_of("a"), vin_of("b")
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
HOUR_S = 3600
DATA = {"Location": {"locationValue": {"latitude": 1.0, "longitude": 2.0}}, "Gear": {"stringValue": "P"}}


def pem(*keys: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return "".join(key.public_key().public_bytes(*form).decode() for key in keys)


def token(key: int = 0, seconds: float = HOUR_S, **claims: Any) -> str:
    return jwt.encode({"sub": "tests", "exp": time.time() + seconds} | claims, KEYS[key], "ES256")


class Files(Inside):
    """A server whose keys are in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(pem(*KEYS))
        super().__init__(JWT_ALGORITHMS="ES256", JWT_PUBLIC_KEY_PATH=str(path), JWT_SECRET="")

    def remove_first_key(self) -> None:
        self.path.write_text(pem(KEYS[1]))
        self.ask(lambda running: running.renew_certificates())
        self.lines.wait_for("token_keys_renewed")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Files]:
    with Files(tmp_path / "keys.pem") as running:
        yield running


def stream(place: Place, bearer: str) -> Raw:
    raw = place.raw()
    raw.send(upgrade_head("/stream", f"Authorization: Bearer {bearer}"))
    return raw


def sse(place: Place, bearer: str) -> Raw:
    raw = place.raw()
    raw.send(f"GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
    return raw


def tessie(place: Place, bearer: str) -> Raw:
    raw = place.raw()
    raw.send(upgrade_head(f"/{A}?access_token={bearer}"))
    return raw


def teslamate(place: Place, bearer: str) -> Raw:
    raw = place.raw()
    raw.upgrade("/streaming/")
    raw.frame(Opcode.TEXT, json.dumps(asking(bearer, A)).encode())
    return raw


def teslamate_url(place: Place, bearer: str) -> Raw:
    raw = place.raw()
    raw.send(upgrade_head(f"/{bearer}/streaming/"))
    return raw


def asking(bearer: str, tag: str) -> dict[str, str]:
    return {"msg_type": "data:subscribe_oauth", "token": bearer, "tag": tag, "value": "speed,shift_state"}


DOORS = [stream, sse, tessie, teslamate, teslamate_url]
Door = Callable[[Place, str], Raw]


def is_dashboard(server: Inside, count: int = 1) -> None:
    server.lines.wait_for("dashboard_connected", count)


def check_dashboards(running: Server) -> None:
    for dashboard in running.hub.connections.dashboards:
        dashboard.check(time.monotonic())


@pytest.mark.parametrize("door", DOORS)
def test_a_token_that_ends_ends_its_connection(server: Files, door: Door, set_clock_ahead: SetClockAhead) -> None:
    with door(server.place, token()) as raw:
        is_dashboard(server)
        set_clock_ahead(HOUR_S)
        raw.rest()
    server.lines.wait_for("dashboard_disconnected", cause="token_expired")


@pytest.mark.parametrize("door", DOORS)
def test_a_key_that_is_taken_out_ends_the_connections_of_its_tokens_and_no_other(server: Files, door: Door) -> None:
    with door(server.place, token(0)) as first, door(server.place, token(1)) as second:
        is_dashboard(server, 2)
        server.remove_first_key()
        first.rest()
        (line,) = server.lines.wait_for("dashboard_disconnected")
        assert line["cause"] == "token_key_removed"
        assert server.ask(lambda running: len(running.hub.connections.dashboards)) == 1
        second.socket.close()


def test_a_renewal_with_a_key_that_stays_keeps_the_connection(server: Files) -> None:
    with server.place.dashboard(bearer=token(0)) as dashboard:
        dashboard.say({"type": "auth", "token": token(1)})
        dashboard.until("auth")
        server.remove_first_key()
        server.ask(check_dashboards)
        dashboard.say({"type": "ping"})
        dashboard.until("pong")
        dashboard.say({"type": "auth", "token": token(0)})
        assert "signature" in dashboard.until("error")["reason"]


@pytest.mark.parametrize("query", ["", "?interval=100", "?format=fleet&control=1", "?since=0"])
def test_a_narrower_renewal_shows_no_other_vehicle_from_then_on(server: Files, query: str) -> None:
    with server.place.dashboard(query, bearer=token(vins=[A, B])) as dashboard:
        dashboard.until("hello")
        dashboard.say({"type": "auth", "token": token(vins=[A])})
        dashboard.until("auth")
        for vin in (B, A):
            with server.place.vehicle(vin) as vehicle:
                vehicle.tell(DATA)
        while (told := dashboard.next()).get("vin") != A or "data" not in told:
            assert told.get("vin") != B, told
        dashboard.say({"type": "subscribe", "vins": [B]})
        assert "grant" in dashboard.until("error")["reason"]


def test_a_narrower_token_at_teslamates_door_ends_the_tags_that_it_does_not_grant(server: Files) -> None:
    with teslamate(server.place, token(vins=[A, B])) as raw:
        raw.frame(Opcode.TEXT, json.dumps(asking(token(vins=[A, B]), B)).encode())
        raw.frame(Opcode.TEXT, json.dumps(asking(token(vins=[A]), A)).encode())
        raw.frame(Opcode.TEXT, json.dumps(asking(token(vins=[A]), B)).encode())
        while json.loads(said := raw.read_frame()[1])["msg_type"] != "data:error":
            pass
        assert json.loads(said)["tag"] == B
        for vin in (B, A):
            with server.place.vehicle(vin) as vehicle:
                vehicle.tell(DATA, created="2026-11-23T08:00:00.000Z")
        while json.loads(said := raw.read_frame()[1])["msg_type"] != "data:update":
            pass
        assert json.loads(said)["tag"] == A


def test_a_narrower_renewal_is_not_made_wider_by_what_was_subscribed_before(server: Files) -> None:
    with server.place.dashboard(f"?vin={A},{B}", bearer=token(vins=[A, B])) as dashboard:
        for vins in ([B], [A]):
            dashboard.say({"type": "auth", "token": token(vins=vins)})
            dashboard.until("auth")
        with server.place.vehicle(B) as vehicle:
            vehicle.tell(DATA)
        dashboard.say({"type": "ping"})
        dashboard.until("pong")
    assert not [told for told in dashboard.seen if told.get("vin")], "of A it has asked for nothing since it saw only B"


def test_whoever_is_shown_out_may_not_come_back_with_the_same_token(server: Files) -> None:
    old = token(0)
    with stream(server.place, old) as raw:
        is_dashboard(server)
        server.remove_first_key()
        raw.rest()
    for door in DOORS[:3]:
        with door(server.place, old) as raw:
            assert raw.status() == 401


@pytest.mark.faults
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_vehicles_certificate_that_ends_ends_its_connection_and_session(world: World, version: ssl.TLSVersion) -> None:
    """In real time: nothing of the server is changed."""
    ends = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(seconds=8)
    context = world.client(world.pair(world.issuing, f"ends-{version}", valid=(NOW - DAY, ends)))
    context.minimum_version = context.maximum_version = version
    with Inside(world, VEHICLE_PORT="0") as server:

        def connect(session: ssl.SSLSession | None) -> Raw:
            return Raw(secured(context, server.place.bare(server.place.vehicle_port).socket, session))

        def ask(session: ssl.SSLSession | None) -> tuple[int, bool | None, ssl.SSLSession | None]:
            """0: TLS ended it. OpenSSL's clock lags some ms behind the server's own, which answers 403 then."""
            try:
                with connect(session) as raw:
                    assert isinstance(raw.socket, ssl.SSLSocket)
                    raw.send(upgrade_head("/"))
                    return raw.status(), raw.socket.session_reused, raw.socket.session
            except (ssl.SSLError, ConnectionError, EOFError):
                return 0, False, None

        with connect(None) as raw:
            assert isinstance(raw.socket, ssl.SSLSocket)
            raw.send(upgrade_head("/"))
            assert raw.status() == 101
            session = raw.socket.session
            assert raw.close_code() == 1008
        assert datetime.datetime.now(datetime.UTC) >= ends
        server.lines.wait_for("vehicle_disconnected", cause="certificate_expired")
        if version is ssl.TLSVersion.TLSv1_3:  # a ticket of TLS 1.2 may come again for ever: it is not taken
            status, reused, session = ask(session)
            assert (status, reused) == (403, True)
            server.lines.wait_for("request_refused", cause="expired")
        for offered in (session, None):
            status, reused, _ = ask(offered)
            assert (status in (0, 403), reused) == (True, False)
