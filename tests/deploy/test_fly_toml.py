"""fly.toml against the settings, and its layout served here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.doctor import health
from teslafast.environment import parse_size
from teslafast.setup.fly_deployment import CERTIFICATE_SECRETS, PUBLIC_KEY_AT, PUBLIC_KEY_SECRET, VOLUME

from tests.deploy.support.fly import DASHBOARDS, FLY, SECRETS, VEHICLES, settings_on_fly
from tests.support.certificates import World
from tests.support.peers import Place
from tests.support.servers import Inside


@pytest.fixture(scope="module")
def settings() -> Settings:
    return settings_on_fly()


def test_every_variable_is_a_setting_and_has_a_value_that_it_takes(settings: Settings) -> None:
    rows = {row.metadata["variable"]: row.name for row in dataclasses.fields(Settings)}
    assert FLY["env"].keys() <= rows.keys()
    assert settings.production
    assert not [name for name in FLY["env"] if getattr(settings, rows[name]) is None]


def test_no_secret_stands_in_it(settings: Settings) -> None:
    secret = {row.metadata["variable"] for row in dataclasses.fields(Settings) if row.metadata["secret"]}
    assert not secret & FLY["env"].keys()


def test_vehicles_come_in_untouched_and_dashboards_over_flys_tls(settings: Settings) -> None:
    assert (VEHICLES["internal_port"], DASHBOARDS["internal_port"]) == (settings.vehicle_port, settings.port)
    assert [port.get("handlers", []) for port in VEHICLES["ports"]] == [["proxy_proto"]], "which leaves TLS as it is"
    assert settings.trusted_proxies, "else the PROXY header would be taken for broken TLS"
    assert {port["port"]: port["handlers"] for port in DASHBOARDS["ports"]} == {80: ["http"], 443: ["tls", "http"]}
    assert next(port for port in DASHBOARDS["ports"] if port["port"] == 80)["force_https"]
    assert not settings.dashboard_tls


def test_what_fly_writes_from_secrets_is_what_the_server_reads(settings: Settings) -> None:
    written = {file["guest_path"] for file in FLY["files"]}
    assert written == {str(settings.cert_path), str(settings.key_path), str(settings.ca_path), PUBLIC_KEY_AT}
    named = {file["secret_name"]: Path(file["guest_path"]).name for file in FLY["files"]}
    assert named == {**CERTIFICATE_SECRETS, PUBLIC_KEY_SECRET: Path(PUBLIC_KEY_AT).name}


def test_a_drain_has_its_time(settings: Settings) -> None:
    assert FLY["kill_signal"] == "SIGTERM"
    assert settings.drain_seconds < FLY["kill_timeout"] <= 300


def test_one_machine_runs_and_is_never_stopped() -> None:
    for service in (VEHICLES, DASHBOARDS):
        assert service["auto_stop_machines"] == "off"
        assert service["min_machines_running"] == 1
    assert FLY["deploy"]["strategy"] == "rolling"  # the other ways do not go with a volume


def test_fly_passes_on_as_many_as_the_server_takes(settings: Settings) -> None:
    for service, most in ((VEHICLES, settings.max_vehicles), (DASHBOARDS, settings.max_dashboards)):
        limits = service["concurrency"]
        assert limits["type"] == "connections"  # a vehicle's lasts for hours
        assert limits["soft_limit"] < limits["hard_limit"] == most


def test_the_journal_lies_on_the_volume_and_fits_there() -> None:
    (mount,) = FLY["mounts"]
    assert Path(FLY["env"]["JOURNAL_PATH"]).parent == Path(mount["destination"])
    assert mount["source"] == VOLUME
    assert parse_size(FLY["env"]["RING_BYTES"]) < parse_size(mount["initial_size"].upper())


def test_health_and_metrics_are_asked_where_they_are_answered(settings: Settings) -> None:
    (check,) = DASHBOARDS["http_checks"]
    assert (check["path"], check["protocol"]) == ("/health", "http")
    assert not {"tcp_checks", "http_checks"} & VEHICLES.keys()  # neither has a certificate to show
    assert (FLY["metrics"]["port"], FLY["metrics"]["path"]) == (settings.port, "/metrics")


def test_its_layout_is_served_plain_for_dashboards_and_mutual_for_vehicles(world: World) -> None:
    kept = {name: value for name, value in FLY["env"].items() if name in ("DASHBOARD_TLS", "NODE_ENV", "MAX_VEHICLES")}
    with Inside(world, **kept, VEHICLE_PORT="0") as server:
        plain = Place(server.place.port, server.place.vehicle_port)
        assert plain.get("/health").json["status"] == "ok"
        with plain.dashboard() as dashboard, server.place.vehicle("5YJ3TEST5PF000001") as vehicle:
            assert dashboard.next()["type"] == "hello"
            vehicle.tell({"Soc": {"floatValue": 71.5}})
            assert dashboard.until("data")["vin"] == "5YJ3TEST5PF000001"
        with plain.raw(port=server.place.vehicle_port) as nobody:
            nobody.send(b"GET / HTTP/1.1\r\n\r\n")
            assert b"HTTP/1.1 1" not in nobody.rest()
        server.lines.wait_for("tls_failed", cause="plain_http")


def test_health_without_a_url_asks_the_server_of_its_environment(settings: Settings, world: World) -> None:
    assert health.local_url(settings) == "http://127.0.0.1:3000"
    assert (
        health.local_url(Settings.from_env(SECRETS | world.environment | {"HOST": "::1", "PORT": "443"})) == "https://[::1]:443"
    )
    assert health.local_url(Settings.from_env(SECRETS | {"HOST": "0.0.0.0"})) == "http://127.0.0.1:3000"
