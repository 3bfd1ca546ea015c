"""What a dashboard meets: is the server well, does a token open /stream. Only a server that verifies gets the token."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus

from ..config import Settings
from ..dashboards import tokens
from ..errors import Misconfigured, Unhealthy
from ..text import one_line
from ..urls import is_this_machine, origin
from .finding import Finding, skipped, well, wrong
from .health import check_health
from .options import DoctorOptions
from .tls_probe import STEP_S, Endpoint, upgrade, verified_connection

TOKEN_S = 60  # one request; a token that leaks from here is of no use later


def check_dashboards(options: DoctorOptions, settings: Settings | None, ca: str) -> Iterator[Finding]:
    """Whether the server is well, and whether a dashboard's token opens /stream."""
    at = options.dashboards_at
    if at is None:
        return
    if options.dashboards is None and settings is not None and settings.vehicle_port is not None:
        yield skipped("health", "vehicles have a port of their own: give the dashboards' address with --dashboards")
        return
    scheme, host, port = at
    if scheme == "http" and not is_this_machine(host):
        yield wrong(
            "dashboard",
            f"tokens would travel unencrypted to {host}",
            "put TLS in front of the server, and give dashboards an https:// address",
        )
        return
    address = options.address_of(host)
    try:
        yield well("health", check_health(origin(scheme, address, port)))
    except (Misconfigured, Unhealthy) as error:
        remedy = "start the server; if vehicles have a port of their own, give the other one with --dashboards"
        yield wrong("health", error.fault, remedy)
        return
    token = options.token or _minted(options, settings)
    if token:
        yield _stream(Endpoint(address, host, port), scheme, ca, token)
    else:
        yield skipped("dashboard", "there is no token: give one with --token, or set JWT_SECRET to the server's")


def _minted(options: DoctorOptions, settings: Settings | None) -> str:
    known = settings is not None and settings.needs_secret and bool(options.environment.get("JWT_SECRET"))
    return tokens.mint(settings, "doctor", (), TOKEN_S, options.now.timestamp()) if settings is not None and known else ""


def _stream(endpoint: Endpoint, scheme: str, ca: str, token: str) -> Finding:
    path, bearer = "/stream?snapshot=0", f"Bearer {token}"
    try:
        if scheme == "http":
            with socket.create_connection((endpoint.address, endpoint.port), STEP_S) as plain:
                status = upgrade(plain, endpoint, path, Authorization=bearer).status
        else:
            with verified_connection(endpoint, ca, public=True) as secure:
                status = upgrade(secure, endpoint, path, Authorization=bearer).status
    except ssl.SSLCertVerificationError as error:
        remedy = "use a certificate that dashboards trust: a public one, or import your ca.pem into them"
        return wrong("dashboard", f"does not trust the server ({error.verify_message}), so doctor did not send the token", remedy)
    except OSError as error:
        return wrong("dashboard", f"the server ended the connection ({one_line(str(error))})", "see the server's log")
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return well("dashboard", "the token opens /stream")
    return wrong("dashboard", f"/stream answers {status or 'nothing'}", _DASHBOARD_REMEDIES.get(status, "see the server's log"))


_DASHBOARD_REMEDIES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "mint the token with the server's JWT_SECRET, JWT_AUDIENCE and JWT_ISSUER",
    HTTPStatus.FORBIDDEN: "the server does not allow the token or the Origin: check ALLOWED_ORIGINS and the token's vins",
    HTTPStatus.NOT_FOUND: "this is the vehicles' port, or not teslafast: give the dashboards' address with --dashboards",
    HTTPStatus.SERVICE_UNAVAILABLE: "wait if the server is draining, or raise MAX_DASHBOARDS",
    HTTPStatus.UPGRADE_REQUIRED: "a proxy in between removes the upgrade: let it pass WebSockets",
    HTTPStatus.BAD_REQUEST: "a proxy in between removes the upgrade: let it pass WebSockets",
}
