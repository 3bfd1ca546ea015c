"""Settings: what the environment may say, and in which words it is told that it may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.config import Settings, parse_duration, parse_size
from teslafast.errors import Misconfigured
from teslafast.vin import is_vin

SECRET = "0123456789abcdef0123456789abcdef"
ENOUGH = {"JWT_SECRET": SECRET}
MUTUAL_TLS = {"CERT_PATH": "cert.pem", "KEY_PATH": "key.pem", "CA_PATH": "ca.pem"}
VARIABLES = {"PORT", "HOST", "VEHICLE_PORT", "NODE_ENV", "CERT_PATH", "KEY_PATH", "CA_PATH", "REQUEST_CLIENT_CERT", "TESLA_VIN"}
VARIABLES |= {"JWT_SECRET", "JWT_ALGORITHMS", "JWT_AUDIENCE", "JWT_ISSUER", "JWT_PUBLIC_KEY_PATH", "JWT_PREVIOUS_SECRETS"}
VARIABLES |= {"ALLOWED_ORIGINS", "COALESCE_MS", "RING_BYTES", "MAX_FRAME_BYTES", "VEHICLE_RATE_LIMIT", "MAX_VEHICLES"}
VARIABLES |= {"MAX_DASHBOARDS", "PING_INTERVAL", "HANDSHAKE_TIMEOUT", "DRAIN_SECONDS", "LOG_LEVEL", "LOG_FORMAT"}
ROWS = {row.metadata["variable"]: row for row in dataclasses.fields(Settings)}


def read(**variables: str) -> Settings:
    return Settings.from_env(ENOUGH | variables)


def fault(**variables: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        Settings.from_env(ENOUGH | variables)
    return caught.value


def refuses(parse: Callable[[str], float], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return True
    return False


# ---- what is taken


def test_every_variable_of_the_contract_has_a_row() -> None:
    assert set(ROWS) >= VARIABLES


def test_with_a_secret_alone_the_defaults_are_the_contracts() -> None:
    settings = read()
    expected = {
        "port": 3000,
        "host": "",
        "vehicle_port": None,
        "node_env": "production",
        "jwt_algorithms": ("HS256",),
        "request_client_cert": False,
        "tesla_vin": frozenset(),
        "allowed_origins": (),
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
        ("https://a.example", "http://b.example:8080"),
    ),
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
def test_what_is_taken(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(read(**{variable: text}), name) == value


@pytest.mark.parametrize("text", ["true", "1", "yes", "ON"])
def test_many_words_mean_yes(text: str) -> None:
    assert read(REQUEST_CLIENT_CERT=text, **MUTUAL_TLS).request_client_cert


@pytest.mark.parametrize("text", ["false", "0", "no", "Off", "", "  "])
def test_many_words_mean_no(text: str) -> None:
    assert not read(REQUEST_CLIENT_CERT=text, **MUTUAL_TLS).request_client_cert


def test_the_command_line_goes_before_the_environment() -> None:
    assert Settings.from_env(ENOUGH | {"PORT": "1"}, port=2, host=None).port == 2


def test_a_word_of_the_command_line_hides_a_bad_variable() -> None:
    assert Settings.from_env(ENOUGH | {"PORT": "many"}, port=2).port == 2


def test_in_development_a_missing_secret_is_made_at_random_each_time() -> None:
    first, second = (Settings.from_env({"NODE_ENV": "development"}) for _ in range(2))
    assert len(first.jwt_secret) >= 32
    assert first.jwt_secret != second.jwt_secret


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().port = 1  # type: ignore[misc]  # that is the test


# ---- what is refused

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
def test_a_bad_value_is_told_with_the_variables_name_and_what_would_be_right(variable: str, text: str) -> None:
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
def test_values_that_contradict_each_other_are_told(subject: str, variables: dict[str, str]) -> None:
    error = fault(**variables)
    assert error.subject == subject
    assert error.remedy


def test_a_credit_is_taken_with_the_tiles_that_it_is_for() -> None:
    assert read(MAP_TILES="https://tiles.example.com/{z}/{x}/{y}.png", MAP_CREDIT=" © A & “B” ").map_credit == "© A & “B”"


def test_with_a_public_key_no_secret_is_needed() -> None:
    settings = Settings.from_env({"JWT_ALGORITHMS": "ES256,EdDSA", "JWT_PUBLIC_KEY_PATH": "key.pem"})
    assert settings.jwt_public_key_path == Path("key.pem")
    assert not settings.needs_secret


def test_two_listeners_may_both_ask_for_any_free_port() -> None:
    assert read(PORT="0", VEHICLE_PORT="0", **MUTUAL_TLS).vehicle_port == 0


@pytest.mark.parametrize("variable", [name for name, row in ROWS.items() if row.metadata["secret"]])
def test_a_secrets_value_stands_in_no_message_and_in_no_repr(variable: str) -> None:
    settings = Settings.from_env(
        {"JWT_SECRET": "an unusual word, long enough to be a secret"} | {variable: "an unusual word" * 4}
    )
    assert "unusual" not in repr(settings)
    with pytest.raises(Misconfigured) as caught:
        Settings.from_env(ENOUGH | {variable: "unusual"})
    assert "unusual" not in str(caught.value)


# ---- the little parsers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20", 20), ("20s", 20), ("500ms", 0.5), ("15m", 900), ("1h", 3600), ("30d", 2_592_000), (" 1.5 h ", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("7B", 7), ("1K", 1024), ("1kB", 1000), ("1.5MiB", 3 << 19), ("1 GB", 10**9)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "h", "-1h", "1 week", "1h30m", "0x10", "1..5h", ".", "inf", "nan", "１h", "9" * 400])
@pytest.mark.parametrize("parse", [parse_duration, parse_size])
def test_what_is_neither_is_refused(parse: Callable[[str], float], text: str) -> None:
    assert refuses(parse, text)


@given(st.text())
def test_no_text_is_more_than_a_number_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ValueError:
            continue


@given(st.sampled_from(sorted(ROWS)), st.text().filter(lambda text: "\0" not in text))
def test_no_value_is_more_than_taken_or_told(variable: str, text: str) -> None:
    told = ""
    try:
        Settings.from_env(ENOUGH | {variable: text})
    except Misconfigured as error:
        told = str(error)
    assert "\n" not in told


@pytest.mark.parametrize("text", ["5YJ3E1EA7KF000001", "device-1", "a", "a_b", "x" * 64])
def test_what_can_name_a_vehicle(text: str) -> None:
    assert is_vin(text)


@pytest.mark.parametrize("text", ["", "-", "a b", "a/b", "a.b", "*", "é", "x" * 65, "a\n", '"', "a,b"])
def test_what_cannot_name_a_vehicle(text: str) -> None:
    assert not is_vin(text)
