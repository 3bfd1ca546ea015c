"""`/setup`: what everybody may know of the set-up, what a token shows, and who was turned away."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.certificates import folder
from teslafast.certificates.tesla_ca import PINNED
from teslafast.doctor.tls_probe import Endpoint, probe, verify_error
from teslafast.server import setup_page
from teslafast.setup_checks import SetupCheck, UpkeepGauges

from tests.support.certificates import HOST, Pair, World
from tests.support.peers import token
from tests.support.servers import Inside

VIN, OTHER = "5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002"
SOC = {"Soc": {"floatValue": 50.0}}


class FakeUpkeep:
    """Says what a real one would, and notes that it was started and stopped."""

    def __init__(self) -> None:
        self.life: list[str] = []

    def start(self, heard: Callable[[str], float | None]) -> None:
        self.heard = heard
        self.life.append("started")

    def stop(self) -> None:
        self.life.append("stopped")

    def checks(self) -> list[SetupCheck]:
        login = SetupCheck("login", "done", "logged in until 2027-02-20")
        mine = SetupCheck("config", "waiting", "config sent 09:37, not taken yet", "open the Tesla app or drive a little", VIN)
        return [login, mine, SetupCheck("key_on_car", "done", "key on the car", vin=OTHER)]

    def gauges(self) -> UpkeepGauges:
        return UpkeepGauges()


def asked(server: Inside, path: str, key: str | None = None) -> dict[str, Any]:
    answer = server.place.get(path) if key is None else server.place.get(path, Authorization=f"Bearer {key}")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    report: dict[str, Any] = answer.json
    return report


def details(server: Inside, **claims: Any) -> dict[str, Any]:
    return asked(server, "/setup/details", token(**claims))


def check(report: dict[str, Any], name: str) -> dict[str, str]:
    (found,) = (one for one in report["checks"] if one["name"] == name)
    assert isinstance(found, dict)
    return found


def names(report: dict[str, Any]) -> list[str]:
    return [one["name"] for one in report["checks"]]


@pytest.fixture
def plain() -> Iterator[Inside]:
    with Inside() as server:
        yield server


@pytest.fixture(scope="module")
def mutual(world: World) -> Iterator[Inside]:
    """Nothing but the vehicles' port is tried here that would let anybody in: no vehicle ever connects."""
    with Inside(world, VEHICLE_PORT="0", TESLA_VIN=VIN).kept_by(FakeUpkeep()) as server:
        yield server


# ---- for everybody


def test_without_a_token_there_are_three_lines_and_nothing_that_names_anybody(mutual: Inside) -> None:
    report = asked(mutual, "/setup")
    assert list(report) == ["version", "since", "heard", "checks"]
    assert [(one["name"], one["state"]) for one in report["checks"]] == [
        ("server", "done"),
        ("public_key", "missing"),
        ("vehicle", "waiting"),
    ]
    assert report["heard"] is False
    assert VIN not in json.dumps(report)


def test_the_details_want_a_token_and_the_vehicles_port_has_neither(mutual: Inside, world: World) -> None:
    assert mutual.place.get("/setup/details").status == 401
    assert mutual.place.get("/setup/details", Authorization="Bearer a.b.c").status == 401
    for path in ("/setup", "/setup/details"):
        with mutual.place.raw(world.vehicle(VIN), mutual.place.vehicle_port) as vehicle:
            vehicle.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert vehicle.rest().startswith(b"HTTP/1.1 404 ")


def test_a_served_public_key_is_ticked(tmp_path: Path) -> None:
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "key.pem").write_bytes(ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*form))
    with Inside(TESLA_PUBLIC_KEY_PATH=str(tmp_path / "key.pem")) as server:
        assert check(asked(server, "/setup"), "public_key") == {
            "name": "public_key",
            "state": "done",
            "says": "your app's public key is served here",
        }


def test_the_first_message_of_a_vehicle_ticks_its_line(plain: Inside) -> None:
    assert check(asked(plain, "/setup"), "vehicle")["state"] == "waiting"
    with plain.place.vehicle(VIN) as vehicle:
        vehicle.tell(SOC)
        report = asked(plain, "/setup")
    assert (report["heard"], check(report, "vehicle")["state"]) == (True, "done")
    assert VIN not in json.dumps(report)


# ---- for those with a token


def test_a_token_shows_certificate_cas_and_what_the_upkeep_knows(mutual: Inside) -> None:
    report = details(mutual)
    assert names(report) == ["server", "public_key", "vehicle", "certificate", "tesla_cas", "login", "config", "key_on_car"]
    certificate = check(report, "certificate")
    assert certificate["state"] == "done"
    assert f"vehicles' port {mutual.place.vehicle_port}: certificate for localhost" in certificate["says"]
    assert check(report, "config")["remedy"] == "open the Tesla app or drive a little"


def test_a_token_for_one_vehicle_sees_its_lines_alone_and_no_addresses(mutual: Inside) -> None:
    report = details(mutual, vins=[VIN])
    assert OTHER not in json.dumps(report)
    assert check(report, "config")["vin"] == VIN
    assert "turnedAway" not in report
    assert "turnedAway" in details(mutual, vins=["*"])


def test_cas_that_are_not_teslas_are_told_apart(mutual: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strangers = check(details(mutual), "tesla_cas")
    assert (strangers["state"], strangers["says"]) == ("wrong", "none of the 4 CAs in CA_PATH is known to be Tesla's")
    made = folder.init(tmp_path / "certs", "localhost", vehicles=0, durable=False).directory
    tls = {"CERT_PATH": f"{made}/server.pem", "KEY_PATH": f"{made}/server.key", "CA_PATH": f"{made}/vehicle_ca.pem"}
    with Inside(None, NODE_ENV="production", VEHICLE_PORT="0", DASHBOARD_TLS="false", **tls) as server:
        test_ca = check(details(server), "tesla_cas")
        assert (test_ca["state"], test_ca["says"]) == ("wrong", "CA_PATH holds the CA of test vehicles: real ones are refused")
        assert "certs tesla-ca" in test_ca["remedy"]
        monkeypatch.setattr(setup_page, "_fingerprint", lambda der: next(iter(PINNED)))
        assert check(details(server), "tesla_cas")["state"] == "done"


@pytest.mark.parametrize(
    ("days", "state", "says"), [(-1, "wrong", "has expired"), (20, "wrong", "19 days left"), (30, "done", "29 days left")]
)
def test_a_certificate_that_has_ended_or_ends_soon_is_red(
    days: int, state: str, says: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Inside(world, VEHICLE_PORT="0") as server:
        ends_s = server.ask(lambda inside: inside._reload.ends_s if inside._reload is not None else 0.0)
        monkeypatch.setattr(setup_page, "_now", lambda: ends_s - days * 86_400 + 60)
        found = check(details(server), "certificate")
    assert found["state"] == state
    assert says in found["says"]


@pytest.mark.parametrize("production", [True, False])
def test_a_server_that_no_vehicle_can_reach_says_what_to_set(production: bool) -> None:
    with Inside(NODE_ENV="production" if production else "development") as server:
        found = check(details(server), "certificate")
    assert found["state"] == "missing"
    assert ("no vehicle can connect" in found["says"]) == production
    assert "CERT_PATH" in found["remedy"]


# ---- who was turned away


def knock(server: Inside, pair: Pair) -> None:
    """As a vehicle with this certificate, until the server has had enough of it."""
    with contextlib.suppress(ssl.SSLError, OSError), server.place.raw(pair, server.place.vehicle_port) as knocking:
        knocking.send(b"GET / HTTP/1.1\r\n\r\n")
        knocking.rest()


def turned_away(server: Inside, count: int) -> list[dict[str, Any]]:
    server.lines.wait_for("tls_failed", count)
    found: list[dict[str, Any]] = details(server)["turnedAway"]
    return found


def test_who_is_turned_away_in_the_handshake_is_told_with_the_remedy(world: World) -> None:
    stranger = world.pair(world.stranger, VIN)
    with Inside(world, VEHICLE_PORT="0") as server:
        for _ in range(2):
            knock(server, stranger)
        (found,) = turned_away(server, 2)
        assert (found["cause"], found["from"], found["times"]) == ("unknown_ca", "127.0.0.1", 2)
        assert found["meaning"] == "the client's certificate is not from a CA in CA_PATH"
        assert "certs tesla-ca" in found["remedy"]
        assert "turnedAway" not in asked(server, "/setup")


def test_the_doctors_own_probes_are_nobody_who_knocked(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0") as server:
        endpoint = Endpoint("127.0.0.1", HOST, server.place.vehicle_port or 0)
        assert probe(endpoint).refused
        assert verify_error(endpoint, world.server_ca.read_text()) == ""
        assert verify_error(endpoint, world.anchors.read_text())  # the server hears that it is unknown
        assert turned_away(server, 3) == []
        assert server.counts("tls_failures")["we_are_unknown"] == 1  # it is counted, and stands in the log
        knock(server, world.pair(world.stranger, VIN))
        assert [one["cause"] for one in turned_away(server, 4)] == ["unknown_ca"]


def test_a_vehicle_that_is_refused_after_the_handshake_is_told_too(mutual: Inside) -> None:
    with pytest.raises(Exception, match="403"), mutual.place.vehicle(OTHER):
        pass
    found = [one for one in details(mutual)["turnedAway"] if one["cause"] == "vin_not_allowed"]
    assert [one["remedy"] for one in found] == ["add the VIN to TESLA_VIN"]


def test_dashboards_without_a_token_are_not_among_them(plain: Inside) -> None:
    assert plain.place.get("/vehicles").status == 401
    assert details(plain)["turnedAway"] == []


# ---- the upkeep's life


def test_the_upkeep_lives_as_long_as_the_server() -> None:
    upkeep = FakeUpkeep()
    with Inside().kept_by(upkeep):
        assert upkeep.life == ["started"]
    assert upkeep.life == ["started", "stopped"]
