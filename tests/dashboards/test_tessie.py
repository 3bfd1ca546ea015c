"""`/VIN`, Tessie's door, and TeslaLogger at `/stream`: records of the fleet shape, and never anything else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.support.clocks import SetClockAhead
from tests.support.peers import Place, Raw, token, upgrade_head
from tests.support.servers import Inside
from tests.support.vins import vin_of

A, B = vin_of("a"), vin_of("b")
# What TeslaLogger says first: https://github.com/bassmaster187/TeslaLogger, TelemetryConnectionWS; 1.5 KB with Tesla's token.
LOGIN = {
    "type": "login",
    "vin": A,
    "token": "t",
    "FW": "2026.1",
    "accesstoken": "x" * 1300,
    "regionurl": "",
    "config": "",
    "version": "1",
}


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


def tell(place: Place, vin: str = A, **values: float) -> None:
    with place.vehicle(vin) as vehicle:
        vehicle.tell({field: {"floatValue": value} for field, value in values.items()})


def connect(place: Place, path: str) -> Raw:
    raw = place.raw()
    assert raw.upgrade(path).startswith(b"HTTP/1.1 101 ")
    return raw


def record(raw: Raw) -> dict[str, Any]:
    opcode, data = raw.read_frame()
    assert opcode == Opcode.TEXT
    parsed: dict[str, Any] = json.loads(data)
    return parsed


def test_records_of_one_vehicle_come_in_teslas_json_and_nothing_comes_before_them(server: Inside) -> None:
    tell(server.place, A, Soc=1.0)
    with connect(server.place, f"/{A}?access_token={token()}") as raw:
        tell(server.place, B, Soc=2.0)
        tell(server.place, A, Soc=3.0)
        first, second, third = (record(raw) for _ in range(3))
    assert (first["status"], third["status"]) == ("CONNECTED", "DISCONNECTED")
    assert [datum["key"] for datum in second["data"]] == ["Soc"]
    assert {one["vin"] for one in (first, second, third)} == {A}


@pytest.mark.parametrize(
    ("path", "claims", "status"),
    [
        (f"/{A}", {"exp": 1}, 401),
        (f"/{A}", {"vins": [B]}, 403),
        (f"/{A.lower()}", {}, 404),
        (f"/{A}/", {}, 404),
        (f"/{A[:-1]}", {}, 404),
        (f"/{A[:-1]}O", {}, 404),
    ],
)
def test_what_is_no_vin_or_not_granted_is_refused_at_the_handshake(
    server: Inside, path: str, claims: dict[str, Any], status: int
) -> None:
    with server.place.raw() as raw:
        raw.send(upgrade_head(f"{path}?access_token={token(**claims)}"))
        assert raw.status() == status


def test_without_a_websocket_the_door_says_so(server: Inside) -> None:
    assert server.place.get(f"/{A}?access_token={token()}").status == 426


def test_a_query_of_tessies_is_not_looked_at(server: Inside) -> None:
    with connect(server.place, f"/{A}?access_token={token()}&use_cache=true"):
        assert server.ask(lambda it: [one.door for one in it.hub.connections.dashboards]) == ["tessie"]


def test_a_closed_door_is_not_there() -> None:
    with Inside(DOORS="stream,sse") as server, server.place.raw() as raw:
        raw.send(upgrade_head(f"/{A}?access_token={token()}"))
        assert raw.status() == 404


@pytest.mark.parametrize("path", [f"/{A}?", "/stream?format=fleet&type=data,alerts&"])
def test_what_a_client_says_is_never_answered(server: Inside, path: str) -> None:
    with connect(server.place, f"{path}access_token={token()}") as raw:
        for said in (LOGIN, {"type": "ping"}, {"type": "auth", "token": token()}, {"type": "nonsense"}, "ping", [1]):
            raw.frame(Opcode.TEXT, json.dumps(said).encode())
        raw.frame(Opcode.BINARY, b"\x00")
        raw.frame(Opcode.PING, b"seen")
        assert raw.read_frame() == (Opcode.PONG, b"seen"), "all before it has been read, and nothing was said"


@pytest.mark.parametrize("path", [f"/{A}?", "/stream?format=fleet&type=data,alerts&"])
def test_a_tokens_end_is_not_announced_and_ends_with_a_close(path: str, set_clock_ahead: SetClockAhead) -> None:
    with Inside() as server:
        with connect(server.place, f"{path}access_token={token(exp=time.time() + 3600)}") as raw:
            set_clock_ahead(3600)
            frames = [one for one in raw.frames() if one[0] is not Opcode.PING]
        assert [opcode for opcode, _ in frames] == [Opcode.CLOSE]
        assert frames[0][1][:2] == (1008).to_bytes(2, "big")


def test_a_gap_is_not_told(server: Inside) -> None:
    with connect(server.place, f"/{A}?access_token={token()}") as raw:
        server.ask(lambda it: [one.on_gap(1, 2) for one in it.hub.connections.dashboards])  # type: ignore[attr-defined]
        tell(server.place, A, Soc=1.0)
        assert [set(record(raw)) & {"data", "status"} for _ in range(3)] == [{"status"}, {"data"}, {"status"}]


def test_a_drain_sends_what_is_owed_and_then_closes(server: Inside) -> None:
    with connect(server.place, f"/{A}?access_token={token()}") as raw, server.place.vehicle(A) as vehicle:
        vehicle.tell({"Soc": {"floatValue": 1.0}})
        server.drain()
        *records, last = raw.frames()
        assert last == (Opcode.CLOSE, (1012).to_bytes(2, "big") + b"the server is restarting")
        assert json.loads(records[-1][1])["status"] == "DISCONNECTED"
