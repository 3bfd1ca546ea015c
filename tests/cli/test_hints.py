"""What is told of an environment with which a server starts, but which is probably not meant so."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from teslafast.cli.hints import Hint, all_rows, hints, rows_in_use
from teslafast.config import Settings

SECRET = "0123456789abcdef0123456789abcdef"


def told(**environment: str) -> dict[str, str]:
    return {hint.variable: hint.meaning for hint in hints(environment, None, all_rows())}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("JWT_SECRE", "JWT_SECRET"),
        ("JWT_SECRT", "JWT_SECRET"),
        ("RING_BYTE", "RING_BYTES"),
        ("MAX_VEHICLE", "MAX_VEHICLES"),
        ("port", "PORT"),
        ("JWT_SECRET_FILE", "JWT_SECRET"),
        ("JWT_PUBLIC_KEY", "JWT_PUBLIC_KEY_PATH"),
        ("TESLA_ACCES_TOKEN", "TESLA_ACCESS_TOKEN"),
        ("JSONL_PAHT", "JSONL_PATH"),
    ],
)
def test_a_name_that_is_nearly_a_settings_is_told_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert told(**{typed: "x"}) == {typed: f"is not a setting: did you mean {meant}?"}


@pytest.mark.parametrize(
    "name",
    [
        "HOME",
        "PATH",
        "PWD",
        "LANG",
        "SHLVL",
        "HOSTNAME",
        "POST",
        "USER",
        "TERM",
        "LOGNAME",
        "KAFKA_PORTS",
        "NODE_PATH",
        "_",
        "HOSTTYPE",
        "LINES",
        "COLUMNS",
        "SHELL",
        "VIRTUAL_ENV",
        "KUBERNETES_PORT",
        "KUBERNETES_SERVICE_HOST",
        "NODE_VERSION",
        "NODE_OPTIONS",
        "FLY_APP_NAME",
        "SSL_CERT_FILE",
        "TESLAFAST_PORT",
        "TESLAFAST_SERVICE_PORT",
        "LOG_FILE",
        "HTTPS_PROXY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "NOTIFY_SOCKET",
    ],
)
def test_other_programs_variables_are_left_alone(name: str) -> None:
    assert told(**{name: "x"}) == {}


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("MQTT_CLIENT_ID", "MQTT_URL"),
        ("KINESIS_STREAM_V", "KINESIS_STREAM"),
        ("INFLUX_TOKEN", "INFLUX_URL"),
        ("JSONL_KEEP", "JSONL_PATH"),
    ],
)
def test_a_setting_of_an_output_that_is_off_is_told_and_one_that_is_on_not(name: str, switch: str) -> None:
    assert told(**{name: "x"}) == {name: f"does nothing: {switch} is not set"}
    assert told(**{name: "x", switch: "x"}) == {}
    assert told(**{name: " "}) == {}


def test_an_output_that_is_not_set_is_not_imported_for_its_rows() -> None:
    assert "JSONL_KEEP" not in {row.variable for row in rows_in_use({})}
    assert "JSONL_KEEP" in {row.variable for row in rows_in_use({"JSONL_PATH": "x"})}


def test_no_setting_is_taken_for_a_misspelt_other() -> None:
    assert [
        one for one in hints({row.variable: "1" for row in all_rows()}, None, all_rows()) if "did you mean" in one.meaning
    ] == []


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('"quoted"', "is in quotes"),
        ("'quoted'", "is in quotes"),
        ("end\r", "a carriage return"),
        ("end\n", "line break"),
        (" x", "blank"),
    ],
)
def test_a_value_with_what_an_env_file_left_on_it_is_told(value: str, says: str) -> None:
    shown = told(JWT_AUDIENCE=value)["JWT_AUDIENCE"]
    assert says in shown
    assert repr(value) in shown


def test_a_secret_in_quotes_is_told_without_its_value() -> None:
    meaning = told(JWT_SECRET=f'"{SECRET}"')["JWT_SECRET"]
    assert "is in quotes" in meaning
    assert SECRET not in meaning


def test_a_file_that_is_a_mount_of_its_own_is_told(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("31 22 8:1 /x /certs/server.pem ro - ext4 /dev/sda1 rw\n")
    settings = Settings(cert_path=Path("/certs/server.pem"), key_path=Path("/certs/server.key"))
    (found,) = hints({}, settings, (), tmp_path / "mountinfo")
    assert found.variable == "CERT_PATH"
    assert "a renewal will not be seen" in found.meaning


def test_a_host_with_two_addresses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert hints({}, Settings(host="localhost"), (), tmp_path) == [
        Hint("HOST", "localhost is ::1 and 127.0.0.1: the server listens on the first alone; give an address")
    ]
