"""What the settings allow that their operator may not have meant: said once, at the start."""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Settings
from ..logs import fields, log

_QUOTES = (b'"', b"'")


def warnings_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """(event, meaning) of each."""
    asks = settings.request_client_cert or settings.vehicle_port is not None
    if settings.production and not asks and not settings.client_cert_header:
        yield (
            "vehicles_cannot_connect",
            "the server asks for no client certificates: set REQUEST_CLIENT_CERT=true or VEHICLE_PORT, and CA_PATH",
        )
    elif (asks or settings.client_cert_header) and not settings.tesla_vin:
        yield "any_vehicle_may_connect", "TESLA_VIN is empty: every vehicle with a certificate from CA_PATH may connect"
    if settings.allowed_origins and settings.request_client_cert and settings.tls and settings.vehicle_port is None:
        yield (
            "other_sites_share_the_vehicles_port",
            "Chrome cancels a WebSocket from a page in ALLOWED_ORIGINS when the server asks for a certificate: set VEHICLE_PORT, "
            "so that PORT asks for none",
        )
    if settings.jwt_public_key_path is not None and not settings.jwt_audience:
        yield (
            "any_token_may_see_all_vehicles",
            "JWT_AUDIENCE is not set: every token of this issuer is accepted, whatever it was issued for, and one without `vins` "
            "sees all vehicles. Set JWT_AUDIENCE to the `aud` of the dashboards' tokens",
        )
    if _has_odd_ends(settings.jwt_secret):
        yield (
            "secret_with_odd_ends",
            "JWT_SECRET begins or ends with a quote, a blank or a line end, which became part of the secret: does the .env file "
            "hold quotes, or end its lines with CR? Other programs may read it without them",
        )


def _has_odd_ends(secret: bytes) -> bool:
    return secret != secret.strip() or (secret[:1] in _QUOTES and secret[:1] == secret[-1:])


def log_warnings(settings: Settings) -> None:
    for event, meaning in warnings_of(settings):
        log.warning(event, extra=fields(meaning=meaning))
