"""What a dashboard meets: is the server well, does a token open /stream. The token goes only to a server that verifies."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus

from ..config import Settings
from ..dashboards import tokens
from ..errors import TeslafastError
from ..https import is_this_machine
from ..text import one_line
from . import health
from .finding import Finding, skipped, well, wrong
from .options import Case
from .tls_probe import TIMEOUT_S, Place, exchange, status_of, trusted, upgrade

TOKEN_S = 60


def examine(case: Case, read: Settings | None, ca: str) -> Iterator[Finding]:
    """Whether the server is well, and whether a dashboard's token opens /stream."""
    at = case.dashboards_at
    if at is None:
        return
    if case.dashboards is None and read is not None and read.vehicle_port is not None:
        yield skipped("health", "vehicles have a port of their own: name the dashboards' address with --dashboards")
        return
    scheme, host, port = at
    if scheme == "http" and not is_this_machine(host):
        yield wrong(
            "dashboard", f"tokens would travel in clear to {host}", "put TLS before it: give dashboards an https:// address"
        )
        return
    address = case.address_of(host)
    try:
        yield well("health", health.health(f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}"))
    except TeslafastError as error:
        remedy = "start the server; if vehicles have a port of their own, name the other one with --dashboards"
        yield wrong("health", str(error), remedy)
        return
    token = case.token or _minted(case, read)
    if token:
        yield _stream(Place(address, host, port), scheme, ca, token)
    else:
        yield skipped("dashboard", "no token: give one with --token, or set JWT_SECRET to the server's")


def _minted(case: Case, read: Settings | None) -> str:
    known = read is not None and read.needs_secret and bool(case.environment.get("JWT_SECRET"))
    return tokens.mint(read, "doctor", (), TOKEN_S, case.now.timestamp()) if read is not None and known else ""


def _stream(place: Place, scheme: str, ca: str, token: str) -> Finding:
    request = upgrade(place, "/stream?snapshot=0", f"Authorization: Bearer {token}")
    try:
        if scheme == "http":
            with socket.create_connection((place.address, place.port), TIMEOUT_S) as plain:
                head = exchange(plain, request)
        else:
            with trusted(place, ca, public=True) as secure:
                head = exchange(secure, request)
    except ssl.SSLCertVerificationError as error:
        remedy = "dashboards need a certificate that they trust: a public one, or import your ca.pem there"
        return wrong("dashboard", f"does not trust the server ({error.verify_message}), the token was not sent", remedy)
    except OSError as error:
        return wrong("dashboard", f"is cut off ({one_line(str(error))})", "see the server's log")
    status = status_of(head)
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        return well("dashboard", "the token opens /stream")
    return wrong("dashboard", f"/stream answers {status}", _DASHBOARD_REMEDIES.get(status, "see the server's log"))


_DASHBOARD_REMEDIES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "mint the token with the JWT_SECRET, JWT_AUDIENCE and JWT_ISSUER that the server has",
    HTTPStatus.FORBIDDEN: "the token or the Origin is not allowed there: see ALLOWED_ORIGINS and the token's vins",
    HTTPStatus.NOT_FOUND: "this is the vehicles' port, or no teslafast: name the dashboards' address with --dashboards",
    HTTPStatus.SERVICE_UNAVAILABLE: "MAX_DASHBOARDS is reached, or the server is draining",
    HTTPStatus.UPGRADE_REQUIRED: "something in between takes the upgrade away: let it pass WebSockets",
    HTTPStatus.BAD_REQUEST: "something in between takes the upgrade away: let it pass WebSockets",
}
