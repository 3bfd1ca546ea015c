"""What is said at the start of a server whose settings allow more than their operator may have meant."""

from __future__ import annotations

import pytest
from teslafast.config import Settings
from teslafast.server.start_warnings import warnings_of

SECRET = "a secret of thirty-two bytes or more"
KEY = {"JWT_PUBLIC_KEY_PATH": "key.pem", "JWT_ALGORITHMS": "RS256"}
TLS = {"CERT_PATH": "c", "KEY_PATH": "k", "CA_PATH": "a", "REQUEST_CLIENT_CERT": "true", "TESLA_VIN": "5YJ3E1EA7KF000001"}


def events(**variables: str) -> list[str]:
    return [event for event, _ in warnings_of(Settings.from_env({"JWT_SECRET": SECRET} | TLS | variables))]


def test_settings_that_leave_nothing_open_are_passed_over_in_silence() -> None:
    assert events() == []
    assert events(**KEY, JWT_AUDIENCE="dashboards") == []


def test_another_issuers_tokens_without_an_audience_are_warned_of() -> None:
    assert events(**KEY) == ["any_token_may_see_all_vehicles"]


@pytest.mark.parametrize("secret", [f'"{SECRET}"', f"'{SECRET}'", f"{SECRET}\r", f"{SECRET}\n", f" {SECRET}"])
def test_a_secret_with_quotes_or_line_ends_is_warned_of_without_being_shown(secret: str) -> None:
    ((event, meaning),) = warnings_of(Settings.from_env(TLS | {"JWT_SECRET": secret}))
    assert event == "secret_with_odd_ends"
    assert SECRET not in meaning


def test_a_server_that_no_vehicle_can_reach_says_so_unless_proxies_pass_certificates_on() -> None:
    assert events(REQUEST_CLIENT_CERT="false") == ["vehicles_cannot_connect"]
    proxied = {"REQUEST_CLIENT_CERT": "false", "CLIENT_CERT_HEADER": "true", "TRUSTED_PROXIES": "10.0.0.1"}
    assert events(**proxied) == []
    assert events(**proxied, TESLA_VIN="") == ["any_vehicle_may_connect"]


def test_pages_of_other_sites_on_the_vehicles_port_are_warned_of() -> None:
    """A browser that is asked for a certificate cancels their WebSockets: tests/web/doors.test.mjs."""
    assert events(ALLOWED_ORIGINS="https://app.example.com") == ["other_sites_share_the_vehicles_port"]
    assert events(ALLOWED_ORIGINS="https://app.example.com", VEHICLE_PORT="3001", REQUEST_CLIENT_CERT="false") == []
