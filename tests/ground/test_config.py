"""Settings: what the environment may say, and in which words it is told that it may not."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.config import Settings
from teslafast.environment import rows
from teslafast.errors import Misconfigured
from teslafast.hosts import WebOrigin

SECRET = "0123456789abcdef0123456789abcdef"
ENOUGH = {"JWT_SECRET": SECRET}
MUTUAL_TLS = {"CERT_PATH": "cert.pem", "KEY_PATH": "key.pem", "CA_PATH": "ca.pem"}
VARIABLES = {"PORT", "HOST", "VEHICLE_PORT", "NODE_ENV", "CERT_PATH", "KEY_PATH", "CA_PATH", "REQUEST_CLIENT_CERT", "TESLA_VIN"}
VARIABLES |= {"JWT_SECRET", "JWT_ALGORITHMS", "JWT_AUDIENCE", "JWT_ISSUER", "JWT_PUBLIC_KEY_PATH", "JWT_PREVIOUS_SECRETS"}
VARIABLES |= {"ALLOWED_ORIGINS", "COALESCE_MS", "RING_BYTES", "MAX_FRAME_BYTES", "VEHICLE_RATE_LIMIT", "MAX_VEHICLES"}
VARIABLES |= {"MAX_DASHBOARDS", "PING_INTERVAL", "HANDSHAKE_TIMEOUT", "DRAIN_SECONDS", "LOG_LEVEL", "LOG_FORMAT"}
ROWS = {row.variable: row for row in rows(Settings)}


def read(**variables: str) -> Settings:
    return Settings.from_env(ENOUGH | variables)


def fault(**variables: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_env(ENOUGH | variables)
    return caught.value


# What is taken


def test_every_documented_variable_has_a_row() -> None:
    assert set(ROWS) >= VARIABLES


def test_with_only_a_secret_set_every_setting_has_its_default() -> None:
    settings = read()
    expected = {
        "port": 3000,
        "host": "",
        "vehicle_port": None,
        "node_env": "production",
        "jwt_algorithms": ("HS256",),
        "request_client_cert": False,
        "tesla_vin": frozenset(),
        "allowed_origins": frozenset(),
        "coalesce_ms": 0,
        "ring_bytes": 64 << 20,
        "max_frame_bytes": 1_000_000,
        "vehicle_rate_limit": 0,
        "max_vehicles": 0,
        "max_dashboards": 0,
        "ping_interval": 20,
        "handshake_timeout": 10,
        "drain_seconds": 25,
        "log_level": "info",
        "log_format": None,
    }
    assert {name: getattr(settings, name) for name in expected} == expected
    assert settings.production
    assert not settings.tls


BOOKS = WebOrigin("https", "xn--bcher-kva.example", 443)
TAKEN: list[tuple[str, str, str, Any]] = [
    ("PORT", "0", "port", 0),
    ("PORT", " 65535 ", "port", 65535),
    ("HOST", "127.0.0.1", "host", "127.0.0.1"),
    ("NODE_ENV", "Development", "node_env", "development"),
    ("JWT_ALGORITHMS", "HS256, HS256", "jwt_algorithms", ("HS256", "HS256")),
    ("JWT_PREVIOUS_SECRETS", f"{'a' * 32}, {'b' * 40}", "jwt_previous_secrets", (b"a" * 32, b"b" * 40)),
    ("JWT_AUDIENCE", "dashboards", "jwt_audience", "dashboards"),
    ("TESLA_VIN", "5YJ3E1EA7KF000001,device-1", "tesla_vin", frozenset({"5YJ3E1EA7KF000001", "device-1"})),
    (
        "ALLOWED_ORIGINS",
        "https://A.example/, http://b.example:8080",
        "allowed_origins",
        frozenset({WebOrigin("https", "a.example", 443), WebOrigin("http", "b.example", 8080)}),
    ),
    ("ALLOWED_ORIGINS", "https://Bücher.example, null", "allowed_origins", frozenset({BOOKS, None})),
    ("ALLOWED_ORIGINS", "capacitor://localhost", "allowed_origins", frozenset({WebOrigin("capacitor", "localhost", None)})),
    ("TESLA_VIN", " 5yj3e1ea7kf000001 ,device-1", "tesla_vin", frozenset({"5YJ3E1EA7KF000001", "device-1"})),
    ("BASE_PATH", "cars/", "base_path", "/cars"),
    ("BASE_PATH", "/a/b-c", "base_path", "/a/b-c"),
    ("BASE_PATH", "/", "base_path", ""),
    ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
    ("MAP_TILES", " http://127.0.0.1:8080/{z}/{x}/{y} ", "map_tiles", "http://127.0.0.1:8080/{z}/{x}/{y}"),
    ("MAP_TILES", "https://t.example.com/a?k=1&z={z}&y={y}&x={x}", "map_tiles", "https://t.example.com/a?k=1&z={z}&y={y}&x={x}"),
    ("RING_BYTES", "128MiB", "ring_bytes", 128 << 20),
    ("RING_BYTES", "1 GB", "ring_bytes", 10**9),
    ("MAX_FRAME_BYTES", "1024", "max_frame_bytes", 1024),
    ("VEHICLE_RATE_LIMIT", "50", "vehicle_rate_limit", 50),
    ("PING_INTERVAL", "500ms", "ping_interval", 0.5),
    ("PING_INTERVAL", "1m", "ping_interval", 60),
    ("HANDSHAKE_TIMEOUT", "3s", "handshake_timeout", 3),
    ("DRAIN_SECONDS", "0", "drain_seconds", 0),
    ("LOG_FORMAT", "JSON", "log_format", "json"),
    ("NODE_ENV", "", "node_env", "production"),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), TAKEN)
def test_a_variable_with_a_good_value_sets_its_setting(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(read(**{variable: text}), name) == value


@pytest.mark.parametrize("text", ["true", "1", "yes", "ON"])
def test_each_word_for_yes_sets_a_switch(text: str) -> None:
    assert read(REQUEST_CLIENT_CERT=text, **MUTUAL_TLS).request_client_cert


@pytest.mark.parametrize("text", ["false", "0", "no", "Off", "", "  "])
def test_each_word_for_no_and_nothing_leaves_a_switch_off(text: str) -> None:
    assert not read(REQUEST_CLIENT_CERT=text, **MUTUAL_TLS).request_client_cert


def test_an_option_of_the_command_line_wins_over_its_variable() -> None:
    assert Settings.from_env(ENOUGH | {"PORT": "1"}, port=2, host=None).port == 2


def test_an_option_of_the_command_line_hides_a_bad_variable() -> None:
    assert Settings.from_env(ENOUGH | {"PORT": "many"}, port=2).port == 2


def test_in_development_a_missing_secret_is_made_at_random_each_time() -> None:
    first, second = (Settings.from_env({"NODE_ENV": "development"}) for _ in range(2))
    assert len(first.jwt_secret) >= 32
    assert first.jwt_secret != second.jwt_secret


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().port = 1  # type: ignore[misc]  # that is the test


# What is refused

REFUSED = [
    ("PORT", "many"),
    ("PORT", "-1"),
    ("PORT", "65536"),
    ("PORT", "٣"),
    ("PORT", "1e3"),
    ("NODE_ENV", "staging"),
    ("JWT_SECRET", "too short"),
    ("JWT_ALGORITHMS", "none"),
    ("JWT_ALGORITHMS", "HS256,none"),
    ("JWT_ALGORITHMS", ","),
    ("REQUEST_CLIENT_CERT", "perhaps"),
    ("TESLA_VIN", "5YJ3E1EA7KF000001;5YJ3E1EA7KF000002"),
    ("ALLOWED_ORIGINS", "example.com"),
    ("ALLOWED_ORIGINS", "*"),
    ("ALLOWED_ORIGINS", "https://*.example.com"),
    ("ALLOWED_ORIGINS", "https://example.com/dashboard"),
    ("ALLOWED_ORIGINS", "https://example.com:99999"),
    ("ALLOWED_ORIGINS", "https://user@example.com"),
    ("ALLOWED_ORIGINS", "https://example.com?x"),
    ("ALLOWED_ORIGINS", "https://"),
    ("BASE_PATH", "/a b"),
    ("BASE_PATH", "/a/../b"),
    ("BASE_PATH", "/a?b"),
    ("TRUSTED_PROXIES", "proxy.example"),
    ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ("CLIENT_CERT_HEADER", "maybe"),
    ("MAP_TILES", "ftp://tiles.example.com/{z}/{x}/{y}.png"),
    ("MAP_TILES", "//tiles.example.com/{z}/{x}/{y}.png"),
    ("MAP_TILES", "https:///{z}/{x}/{y}.png"),
    ("MAP_TILES", "https://*.example.com/{z}/{x}/{y}.png"),
    ("MAP_TILES", "https://{s}.example.com/{z}/{x}/{y}.png"),
    ("MAP_TILES", "https://{z}.example.com/{x}/{y}.png"),
    ("MAP_TILES", "https://me:secret@example.com/{z}/{x}/{y}.png"),
    ("MAP_TILES", "https://tiles.example.com:99999/{z}/{x}/{y}.png"),
    ("MAP_TILES", "https://tiles.example.com:0/{z}/{x}/{y}.png"),
    ("MAP_TILES", "https://tiles.example.com/{z}/{x}.png"),
    ("MAP_TILES", "https://tiles.example.com/{z}/{x}/{y}/{y}.png"),
    ("MAP_TILES", "https://tiles.example.com/{z}/{x}/{y}{r}.png"),
    ("MAP_TILES", "https://tiles.example.com/{z}/{x}/{y}.png#top"),
    *(("MAP_TILES", f"https://tiles.example.com/{mark}{{z}}/{{x}}/{{y}}.png") for mark in " ;,\"'<>\\\n\r\t\x7fé"),
    *(("MAP_TILES", f"https://tiles.example.com{mark}/{{z}}/{{x}}/{{y}}.png") for mark in " ;,\"'\n"),
    ("MAP_CREDIT", "© " + "A" * 199),
    ("MAP_CREDIT", "© A\n© B"),
    ("MAP_CREDIT", "\udcff"),
    ("COALESCE_MS", "10001"),
    ("COALESCE_MS", "0.5"),
    ("RING_BYTES", "1000"),
    ("RING_BYTES", "64 parsecs"),
    ("RING_BYTES", "9" * 400),
    ("MAX_FRAME_BYTES", "0"),
    ("VEHICLE_RATE_LIMIT", "fast"),
    ("MAX_VEHICLES", "-3"),
    ("PING_INTERVAL", "0"),
    ("PING_INTERVAL", "1 fortnight"),
    ("PING_INTERVAL", "1.2.3"),
    ("HANDSHAKE_TIMEOUT", "nan"),
    ("DRAIN_SECONDS", "-1"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
]


@pytest.mark.parametrize(("variable", "text"), REFUSED)
def test_a_bad_value_is_refused_with_the_variables_name_and_the_right_form(variable: str, text: str) -> None:
    error = fault(**{variable: text})
    assert error.subject == variable
    assert error.remedy
    assert str(error).count("\n") == 0
    assert str(error).startswith(f"{variable}: ")


CONTRADICTIONS: list[tuple[str, dict[str, str]]] = [
    ("JWT_SECRET", {"JWT_SECRET": ""}),
    ("JWT_SECRET", {"JWT_SECRET": "\udcff" * 40}),
    ("JWT_SECRET", {"JWT_ALGORITHMS": "HS256,HS512"}),
    ("JWT_ALGORITHMS", {"JWT_ALGORITHMS": "HS256,RS256", "JWT_PUBLIC_KEY_PATH": "key.pem"}),
    ("JWT_PUBLIC_KEY_PATH", {"JWT_ALGORITHMS": "RS256"}),
    ("JWT_PUBLIC_KEY_PATH", {"JWT_PUBLIC_KEY_PATH": "key.pem"}),
    ("JWT_PREVIOUS_SECRETS", {"JWT_PREVIOUS_SECRETS": f"{'a' * 32},short"}),
    ("KEY_PATH", {"CERT_PATH": "cert.pem"}),
    ("CERT_PATH", {"KEY_PATH": "key.pem"}),
    ("VEHICLE_PORT", {"VEHICLE_PORT": "4443"}),
    ("VEHICLE_PORT", {"VEHICLE_PORT": "4443", "CERT_PATH": "cert.pem", "KEY_PATH": "key.pem"}),
    ("VEHICLE_PORT", {"VEHICLE_PORT": "3000", **MUTUAL_TLS}),
    ("REQUEST_CLIENT_CERT", {"REQUEST_CLIENT_CERT": "true"}),
    ("MAP_CREDIT", {"MAP_CREDIT": "© A"}),
    ("RING_BYTES", {"RING_BYTES": "2MiB", "MAX_FRAME_BYTES": "1MiB"}),
]


@pytest.mark.parametrize(("subject", "variables"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_by_name(subject: str, variables: dict[str, str]) -> None:
    error = fault(**variables)
    assert error.subject == subject
    assert error.remedy


def test_a_map_credit_beside_map_tiles_is_kept_without_its_outer_spaces() -> None:
    assert read(MAP_TILES="https://tiles.example.com/{z}/{x}/{y}.png", MAP_CREDIT=" © A & “B” ").map_credit == "© A & “B”"


def test_public_key_algorithms_need_a_key_and_no_secret() -> None:
    settings = Settings.from_env({"JWT_ALGORITHMS": "ES256,EdDSA", "JWT_PUBLIC_KEY_PATH": "key.pem"})
    assert settings.jwt_public_key_path == Path("key.pem")
    assert not settings.needs_secret


def test_both_ports_may_be_0() -> None:
    assert read(PORT="0", VEHICLE_PORT="0", **MUTUAL_TLS).vehicle_port == 0


@pytest.mark.parametrize("variable", [name for name, row in ROWS.items() if row.secret])
def test_a_secrets_value_is_in_no_message_and_in_no_repr(variable: str) -> None:
    settings = Settings.from_env(
        {"JWT_SECRET": "an unusual word, long enough to be a secret"} | {variable: "an unusual word" * 4}
    )
    assert "unusual" not in repr(settings)
    with pytest.raises(Misconfigured) as caught:
        Settings.from_env(ENOUGH | {variable: "unusual"})
    assert "unusual" not in str(caught.value)


@given(st.sampled_from(sorted(ROWS)), st.text().filter(lambda text: "\0" not in text))
def test_any_value_of_any_variable_is_taken_or_refused_in_one_line(variable: str, text: str) -> None:
    told = ""
    try:
        Settings.from_env(ENOUGH | {variable: text})
    except Misconfigured as error:
        told = str(error)
    assert "\n" not in told
