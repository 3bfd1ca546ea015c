"""Settings that keep the server from starting, or vehicles from connecting: each gets a line with the fault and the remedy."""

from __future__ import annotations

import pytest
from teslafast.doctor.finding import State

from tests.support.certificates import HOST
from tests.support.ports import free_port
from tests.support.sites import VIN, N, Site, W, assert_said

# name -> what is changed in the environment, and the check, state, fault and remedy that must be reported
BROKEN: dict[str, tuple[dict[str, str], str, State, str, str]] = {
    "no secret": ({"JWT_SECRET": ""}, "settings", W, "JWT_SECRET is not set", "openssl rand -hex 32"),
    "a bad port": ({"PORT": "443/tcp"}, "settings", W, "PORT '443/tcp' is not usable", "0 to 65535"),
    "no TLS": (
        {"CERT_PATH": "", "KEY_PATH": "", "REQUEST_CLIENT_CERT": ""}, "layout", W, "there is no TLS", "CERT_PATH, KEY_PATH"),
    "nobody asked": (
        {"REQUEST_CLIENT_CERT": "false"}, "layout", W, "does not ask vehicles for their certificate", "VEHICLE_PORT"),
    "development": ({"NODE_ENV": "development"}, "mode", N, "NODE_ENV is development", "NODE_ENV=production"),
    "any vehicle": (
        {"TESLA_VIN": ""}, "TESLA_VIN", N, "every vehicle whose certificate CA_PATH verifies", "list your vehicles' VINs"),
    "a short VIN": ({"TESLA_VIN": VIN[1:]}, "TESLA_VIN", W, f"'{VIN[1:]}' is not a vehicle's VIN", "17 characters"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_setting_that_keeps_vehicles_out_is_reported_with_its_remedy(site: Site, name: str) -> None:
    changed, check, state, says, remedy = BROKEN[name]
    site.environment |= changed
    site.options["url"] = f"https://{HOST}:{free_port()}"
    assert_said(site.look(0), check, state, says, remedy)
