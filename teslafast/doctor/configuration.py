"""The server's settings: whether `serve` would start with them, and whether a vehicle could get in."""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Settings
from ..errors import Misconfigured
from ..vin import VIN_LENGTH
from .finding import Finding, from_error, note, well, wrong
from .options import DoctorOptions


def check_settings(options: DoctorOptions) -> tuple[Settings | None, list[Finding]]:
    """The settings as `serve` would read them, None if it would not start; and whether vehicles can connect with them."""
    try:
        settings = Settings.from_env(options.environment)
    except Misconfigured as error:
        return None, [from_error("settings", error)]
    return settings, [well("settings", f"are valid, NODE_ENV is {settings.node_env}"), *_layout(settings), *_allowed(settings)]


def _layout(settings: Settings) -> Iterator[Finding]:
    mutual = "set CERT_PATH, KEY_PATH, CA_PATH, and REQUEST_CLIENT_CERT=true (one port) or VEHICLE_PORT (a second one)"
    if not settings.tls:
        yield wrong("layout", "there is no TLS: vehicles connect only over mutual TLS", mutual)
    elif settings.vehicle_port is None and not settings.request_client_cert:
        yield wrong("layout", "the server does not ask vehicles for their certificate, so it refuses all of them", mutual)
    elif settings.vehicle_port is not None:
        yield well("layout", f"vehicles on VEHICLE_PORT {settings.vehicle_port}, dashboards on PORT {settings.port}")
    else:
        yield well("layout", f"vehicles and dashboards on PORT {settings.port}")
    if not settings.production:
        yield note("mode", "NODE_ENV is development", "set NODE_ENV=production where others can reach the server")


def _allowed(settings: Settings) -> Iterator[Finding]:
    odd = sorted(vin for vin in settings.tesla_vin if len(vin) != VIN_LENGTH)
    if odd:
        yield wrong("TESLA_VIN", f"{odd[0]!r} is not a vehicle's VIN", "give VINs of 17 characters")
    elif not settings.tesla_vin:
        yield note(
            "TESLA_VIN",
            "is empty: every vehicle whose certificate CA_PATH verifies may connect",
            "list your vehicles' VINs in TESLA_VIN",
        )
    else:
        yield well("TESLA_VIN", f"{len(settings.tesla_vin)} vehicles may connect")
