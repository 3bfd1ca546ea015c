"""The server's settings: whether `serve` would start with them, and whether a vehicle could get in."""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Settings
from ..errors import Misconfigured
from .finding import Finding, mendable, note, well, wrong
from .options import Case


def settings(case: Case) -> tuple[Settings | None, list[Finding]]:
    """The server's settings as `serve` would read them, and whether vehicles could get in with them."""
    try:
        read = Settings.from_env(case.environment)
    except Misconfigured as error:
        return None, [mendable("settings", error)]
    return read, [well("settings", f"are readable, NODE_ENV is {read.node_env}"), *_layout(read), *_allowed(read)]


def _layout(read: Settings) -> Iterator[Finding]:
    mutual = "set CERT_PATH, KEY_PATH, CA_PATH, and REQUEST_CLIENT_CERT=true (one port) or VEHICLE_PORT (a second one)"
    if not read.tls:
        yield wrong("layout", "there is no TLS: vehicles connect over mutual TLS only", mutual)
    elif read.vehicle_port is None and not read.request_client_cert:
        yield wrong("layout", "vehicles are not asked for their certificate, so all are refused", mutual)
    elif read.vehicle_port is not None:
        yield well("layout", f"vehicles on VEHICLE_PORT {read.vehicle_port}, dashboards on PORT {read.port}")
    else:
        yield well("layout", f"vehicles and dashboards on PORT {read.port}")
    if not read.production:
        yield note("mode", "NODE_ENV is development", "set NODE_ENV=production where others can reach it")


def _allowed(read: Settings) -> Iterator[Finding]:
    odd = sorted(vin for vin in read.tesla_vin if len(vin) != 17 or vin != vin.upper())
    if odd:
        yield wrong("TESLA_VIN", f"{odd[0]!r} is no vehicle's name", "give VINs of 17 characters, letters in upper case")
    elif not read.tesla_vin:
        yield note("TESLA_VIN", "is empty: every vehicle that Tesla ever made may connect", "list your vehicles' VINs in it")
    else:
        yield well("TESLA_VIN", f"{len(read.tesla_vin)} vehicles may connect")
