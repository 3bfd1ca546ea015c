"""What is broken at Tesla: the report's lines about the access token, configs and reported errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from teslafast.doctor.finding import State

from tests.support.certificates import HOST, NOW
from tests.support.fake_fleet_api import access_token
from tests.support.ports import free_port
from tests.support.sites import VIN, N, Row, Site, W, assert_said, only


def _told(**members: Any) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        assert site.car.config is not None
        site.car.config |= members

    return change


def _car(**members: Any) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        for name, value in members.items():
            setattr(site.car, name, value)

    return change


def _token(value: str) -> Callable[[Site], None]:
    return _token_of(lambda: value)


def _token_of(make: Callable[[], str]) -> Callable[[Site], None]:
    """Made when its test runs, not when it is collected: tokens age."""

    def change(site: Site) -> None:
        site.environment["TESLA_ACCESS_TOKEN"] = make()

    return change


def _refusal(status: int, error: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.tesla.refusal = (status, {"response": None, "error": error})

    return change


def _an_error_that_the_vehicle_reported(site: Site) -> None:
    site.tesla.errors = [
        {"vin": VIN, "created_at": "2026-11-23", "error_name": "cloud_manager_error", "error": "webconnection error"}
    ]


CONFIG = f"config of {VIN}"
AT_TESLA: list[Row] = [
    ("token expired", _token_of(lambda: access_token(ends_in_s=-7200)), "access token", W,
     "expired 2.0 h ago", "get a new access token"),
    ("scope lacking", _token_of(lambda: access_token(("vehicle_device_data",))), "access token", W,
     "lacks the scope vehicle_location", "authorise"),
    ("no token of Tesla's", _token("abc"), "access token", N, "is not a JWT", "begins with ey"),
    ("two words", _token("a b"), "Fleet API", W, "holds characters that no token has", "without quotes"),
    ("another's token", _token_of(lambda: access_token(ends_in_s=99)), CONFIG, W, "HTTP 401", "get a new access token"),
    ("another region", _refusal(421,
     "user out of region, use base URL: https://fleet-api.prd.eu.vn.cloud.tesla.com"), CONFIG, W, "eu.vn", "TESLA_API_BASE_URL"),
    ("not registered", _refusal(412, "account not registered"), CONFIG, W, "HTTP 412", "register your app's domain"),
    ("no virtual key", _car(key_paired=False, looks=9), CONFIG, W, "virtual key is not on this vehicle", "tesla.com/_ak/"),
    ("takes no key", _car(key_paired=False, looks=9, protocol_required=False), CONFIG, W,
     "takes no virtual key", "Allow Third-Party App Data Streaming"),
    ("consent", _refusal(403, "Unauthorized missing scopes [vehicle_location]"), CONFIG, W, "missing scopes",
     "granted by the owner on the consent page"),
    ("a driver's account", _refusal(404, "VIN not_found"), CONFIG, W, "VIN not_found", "use the account of the owner"),
    ("billing limit", _refusal(403, "account disabled: EXCEEDED_LIMIT"), CONFIG, W, "EXCEEDED_LIMIT", "billing limit"),
    ("rejected", _car(takes=False), CONFIG, W,
     "has rejected its config (synced, but there is none)", "teslafast vehicle errors"),
    ("limit reached", _car(limit_reached=True, looks=9), CONFIG, W, "too many apps already stream from it",
     "remove another app's access"),
    ("no config", _car(config=None), CONFIG, W, "it has no config", "teslafast vehicle configure"),
    ("asleep", _car(looks=9), CONFIG, N, "when it next connects to Tesla", "wake or drive it"),
    ("config expired", _told(exp=int(NOW.timestamp()) - 9), CONFIG, W, "its config expired on", "send it again"),
    ("config expires", _told(exp=int(NOW.timestamp()) + 5 * 86400 + 3600), CONFIG, N,
     "expires in 5 days", "configure the vehicle again"),
    ("another port", _told(port=1), CONFIG, W, f"sends the vehicle to {HOST}:1", "configure the vehicle again"),
    ("another host", _told(hostname="old.example.com"), CONFIG, W,
     "sends the vehicle to old.example.com", "configure the vehicle again"),
    ("a port in text", _told(port="443"), CONFIG, W, "its port is text, '443'", "the port as a number"),
    ("reported", _an_error_that_the_vehicle_reported, "reported errors", W, "cloud_manager_error", "run `teslafast doctor"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "state", "says", "remedy"), [row[1:] for row in AT_TESLA], ids=[row[0] for row in AT_TESLA]
)
def test_a_fault_at_tesla_is_reported_with_its_remedy(
    site: Site, change: Callable[[Site], None], check: str, state: State, says: str, remedy: str
) -> None:
    port = free_port()
    site.told(port)
    change(site)
    assert_said(site.look(port), check, state, says, remedy)


def test_a_vehicle_that_streams_without_a_key_is_well(site: Site) -> None:
    site.told(443)
    site.tesla.cars[VIN].key_paired = False
    assert "streams" in next(one.says for one in only(site.look(free_port()), CONFIG) if one.state is State.WELL)


def test_a_config_whose_ca_does_not_verify_the_server_is_wrong(site: Site) -> None:
    site.told(443, ca=site.world.stranger.pem.decode())
    findings = [one for one in site.look(free_port()) if one.check == "ca" and "in the vehicle's config" in one.says]
    assert [one.state for one in findings] == [State.WRONG]
    assert "teslafast vehicle configure" in findings[0].remedy


def test_without_a_partner_token_reported_errors_are_skipped(site: Site) -> None:
    site.told(443)
    site.tesla.partner = False
    (found,) = only(site.look(free_port()), "reported errors")
    assert found.state is State.SKIPPED
    assert "partner token" in found.says
