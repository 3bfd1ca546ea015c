"""
Tesla's Fleet API, as far as telemetry needs it (tesla-protocol.md 8.1): send a config, look at it, delete it, read the errors.

Two ways for a config to arrive. Signed by us: `send_signed` gives Tesla the finished token. Or through a proxy that signs
(Tesla's own vehicle-command proxy, at TESLA_API_BASE_URL): `send_unsigned` gives it the bare config. The access token goes into
one header and nowhere else: what Tesla says in return is searched for it before it may be shown.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from .. import https
from ..errors import Declined, Misconfigured
from ..text import one_line

NORTH_AMERICA = "https://fleet-api.prd.na.vn.cloud.tesla.com"
TESLAS_DOMAINS = (".tesla.com", ".tesla.cn")

TOKEN_REMEDY = "get a new access token for your app (it lives 8 hours) and set TESLA_ACCESS_TOKEN to it"  # noqa: S105 — no token
SCOPES_FOR_TELEMETRY = ("vehicle_device_data", "vehicle_location")

# HTTP status -> what would help
REMEDIES: Mapping[int, str] = {
    401: TOKEN_REMEDY,
    403: f"authorise your app again with the scopes {' and '.join(SCOPES_FOR_TELEMETRY)}; for errors use a partner token",
    404: "is the VIN right, and does the token's account own the vehicle? is TESLA_API_BASE_URL that of its region?",
    408: "try again later: the vehicle could not be reached",
    412: "register your app's domain in this region first (POST /api/1/partner_accounts with a partner token)",
    421: "set TESLA_API_BASE_URL to the region that Tesla names here",
    429: "too many requests, or the account's billing limit is reached: wait, or look at the limit on developer.tesla.com",
}
LATER = "Tesla's side: try again later"


@dataclass(frozen=True)
class Sent:
    """How many vehicles a config was meant for and went to, and those left out: VIN → Tesla's word for why."""

    updated: int
    skipped: Mapping[str, str]


@dataclass(frozen=True)
class TokenFacts:
    """What an access token says of itself; nothing here is verified. `expires`: seconds since 1970."""

    expires: float | None
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]


class FleetApi:
    """One account at one region's address."""

    def __init__(self, base_url: str, token: str, ask: Callable[..., https.Reply] = https.ask) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self._ask = ask

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> FleetApi:
        """With TESLA_ACCESS_TOKEN, and TESLA_API_BASE_URL or North America's address. Raises Misconfigured."""
        token = environment.get("TESLA_ACCESS_TOKEN", "").strip()
        if not token:
            raise Misconfigured(
                "TESLA_ACCESS_TOKEN", "is not set", "set it to an access token of your app (not its client secret)"
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Misconfigured("TESLA_ACCESS_TOKEN", "holds something that no token has", "give the token alone, without quotes")
        base_url = environment.get("TESLA_API_BASE_URL", "").strip() or NORTH_AMERICA
        parts = urlsplit(base_url)
        local = parts.scheme == "http" and https.is_this_machine(parts.hostname or "")
        if not parts.hostname or not (parts.scheme == "https" or local):
            remedy = f"give an https:// address such as {NORTH_AMERICA}, or your proxy's; http:// only on this machine"
            raise Misconfigured("TESLA_API_BASE_URL", f"{base_url!r} may not be given a token", remedy)
        return cls(base_url, token)

    @property
    def is_teslas(self) -> bool:
        """Whether this is Tesla itself, which takes no unsigned config, rather than a proxy."""
        return (urlsplit(self.base_url).hostname or "").endswith(TESLAS_DOMAINS)

    def send_signed(self, vins: Sequence[str], token: str) -> Sent:
        """A config as jws.token makes it. Raises Declined, Unhealthy."""
        return self._sent(self._call("POST", "/api/1/vehicles/fleet_telemetry_config_jws", {"vins": [*vins], "token": token}))

    def send_unsigned(self, vins: Sequence[str], config: Mapping[str, Any]) -> Sent:
        """A config that a proxy is to sign. Raises Declined, Unhealthy, and Misconfigured if there is no proxy."""
        if self.is_teslas:
            remedy = "sign it with --key, or set TESLA_API_BASE_URL to your vehicle-command proxy"
            raise Misconfigured("TESLA_API_BASE_URL", f"{self.base_url} is Tesla itself, which takes only signed configs", remedy)
        return self._sent(self._call("POST", "/api/1/vehicles/fleet_telemetry_config", {"vins": [*vins], "config": config}))

    def show(self, vin: str) -> dict[str, Any]:
        """Tesla's answer about one vehicle: synced, config, limit_reached, key_paired. Raises Declined, Unhealthy."""
        return self._call("GET", self._of(vin))

    def remove(self, vin: str) -> int:
        """Deletes a vehicle's config; how many vehicles that changed. Raises Declined, Unhealthy."""
        return _count(self._call("DELETE", self._of(vin)))

    def errors(self) -> list[dict[str, Any]]:
        """What vehicles reported, as Tesla lists it; wants a partner token. Raises Declined, Unhealthy."""
        found = self._call("GET", "/api/1/partner_accounts/fleet_telemetry_errors").get("fleet_telemetry_errors")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _of(self, vin: str) -> str:
        return f"/api/1/vehicles/{quote(vin, safe='')}/fleet_telemetry_config"

    def _sent(self, answer: Mapping[str, Any]) -> Sent:
        lists = answer.get("skipped_vehicles")
        lists = lists if isinstance(lists, dict) else {}
        return Sent(_count(answer), {str(vin): str(reason) for reason, vins in lists.items() for vin in vins or ()})

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "User-Agent": "teslafast"}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        reply = self._ask(method, self.base_url + path, headers, data)
        try:
            answer = json.loads(reply.body)
        except ValueError:
            answer = None
        if reply.status != 200:
            raise self._declined(reply, answer)
        response = answer.get("response") if isinstance(answer, dict) else None
        if not isinstance(response, dict):
            where = urlsplit(self.base_url).netloc
            raise Declined(200, f"{where}: HTTP 200, but no Fleet API answer", "is TESLA_API_BASE_URL right?")
        return response

    def _declined(self, reply: https.Reply, answer: object) -> Declined:
        said = answer if isinstance(answer, dict) else {}
        words = [str(said[key]) for key in ("error", "error_description", "txid") if said.get(key)]
        text = one_line(": ".join(words).replace(self.token, "…"))
        fault = f"Fleet API: HTTP {reply.status}" + (f", {text}" if text else "")
        if wait := reply.headers.get("retry-after", ""):
            fault += f" (retry after {one_line(wait, 40)})"
        return Declined(reply.status, fault, REMEDIES.get(reply.status, LATER if reply.status >= 500 else "see Tesla's words"))


def _count(answer: Mapping[str, Any]) -> int:
    count = answer.get("updated_vehicles")
    return count if isinstance(count, int) else 0


def read_token(token: str) -> TokenFacts | None:
    """What an access token (a JWT) says of itself; None if it is none."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return None
    if len(parts) != 3 or not isinstance(claims, dict):
        return None
    expires = claims.get("exp")
    return TokenFacts(float(expires) if isinstance(expires, int | float) else None, _words(claims, "scp"), _words(claims, "aud"))


def _words(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name)
    words = value.split() if isinstance(value, str) else value
    return tuple(map(str, words)) if isinstance(words, list) else ()
