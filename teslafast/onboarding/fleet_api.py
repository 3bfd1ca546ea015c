"""
Tesla's Fleet API, as far as telemetry needs it (docs/protocol.md): send, show and delete a config, and list the errors.

There are two ways to send a config. `send_signed` gives Tesla a token that we have signed. `send_unsigned` gives the bare config
to a proxy that signs it (Tesla's own vehicle-command proxy, at TESLA_API_BASE_URL). The access token goes into one header and
nowhere else: it is removed from Tesla's answers before they are shown.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from .. import https
from ..errors import Declined, Misconfigured
from ..text import one_line
from ..urls import is_this_machine, parse_url
from .refusals_of_tesla import PARTNER_REMEDY, region_named, remedy

NORTH_AMERICA = "https://fleet-api.prd.na.vn.cloud.tesla.com"
TESLAS_DOMAINS = (".tesla.com", ".tesla.cn")


@dataclass(frozen=True)
class Sent:
    """How many vehicles the config went to, and those that Tesla skipped: VIN → Tesla's word for why."""

    updated: int
    skipped: Mapping[str, str]


@dataclass(frozen=True)
class TokenFacts:
    """The claims of an access token; nothing here is verified. `expires`: seconds since 1970."""

    expires: float | None
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]


class FleetApi:
    """One account, at the address of one region; of the region that Tesla sends it to, if it is at another."""

    def __init__(self, base_url: str, token: str, request: Callable[..., https.Reply] = https.request) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self._request = request

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> FleetApi:
        """With TESLA_ACCESS_TOKEN, and TESLA_API_BASE_URL or North America's address. Raises Misconfigured."""
        token = environment.get("TESLA_ACCESS_TOKEN", "").strip()
        if not token:
            raise Misconfigured(
                "TESLA_ACCESS_TOKEN", "is not set", "set it to an access token of your app (not its client secret)"
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Misconfigured(
                "TESLA_ACCESS_TOKEN", "holds characters that no token has", "give the token alone, without quotes"
            )
        base_url = environment.get("TESLA_API_BASE_URL", "").strip() or NORTH_AMERICA
        parts = parse_url(base_url, ("https", "http"), default="", example=NORTH_AMERICA, subject="TESLA_API_BASE_URL")
        if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
            remedy = f"give an https:// address such as {NORTH_AMERICA}, or your proxy's; http:// is only for this machine"
            raise Misconfigured("TESLA_API_BASE_URL", f"{base_url!r} would carry the token unencrypted", remedy)
        return cls(base_url, token)

    @property
    def is_teslas(self) -> bool:
        """Whether this is Tesla itself, which accepts no unsigned config, and not a proxy."""
        return (urlsplit(self.base_url).hostname or "").endswith(TESLAS_DOMAINS)

    def send_signed(self, vins: Sequence[str], token: str) -> Sent:
        """Sends a config that `jws.token` has signed. Raises Declined, Unhealthy."""
        return self._sent(self._call("POST", "/api/1/vehicles/fleet_telemetry_config_jws", {"vins": [*vins], "token": token}))

    def send_unsigned(self, vins: Sequence[str], config: Mapping[str, Any]) -> Sent:
        """Sends a config for a proxy to sign. Raises Declined, Unhealthy, and Misconfigured if there is no proxy."""
        if self.is_teslas:
            remedy = "sign it with --key, or set TESLA_API_BASE_URL to your vehicle-command proxy"
            raise Misconfigured(
                "TESLA_API_BASE_URL", f"{self.base_url} is Tesla itself, which accepts only signed configs", remedy
            )
        return self._sent(self._call("POST", "/api/1/vehicles/fleet_telemetry_config", {"vins": [*vins], "config": config}))

    def show(self, vin: str) -> dict[str, Any]:
        """Tesla's answer about one vehicle: synced, config, limit_reached, key_paired. Raises Declined, Unhealthy."""
        return self._call("GET", _config_path(vin))

    def fleet_status(self, vins: Sequence[str]) -> dict[str, dict[str, Any]]:
        """VIN → what Tesla knows of it, such as `vehicle_command_protocol_required`. Raises Declined, Unhealthy."""
        found = self._call("POST", "/api/1/vehicles/fleet_status", {"vins": [*vins]}).get("vehicle_info")
        return {vin: info for vin, info in found.items() if isinstance(info, dict)} if isinstance(found, dict) else {}

    def remove(self, vin: str) -> int:
        """Deletes a vehicle's config; the number of vehicles that had one. Raises Declined, Unhealthy."""
        return _count(self._call("DELETE", _config_path(vin)))

    def errors(self) -> list[dict[str, Any]]:
        """The errors that vehicles reported, as Tesla lists them; needs a partner token. Raises Declined, Unhealthy."""
        try:
            found = self._call("GET", "/api/1/partner_accounts/fleet_telemetry_errors").get("fleet_telemetry_errors")
        except Declined as error:
            owners = error.status == 403 and "exceeded_limit" not in error.fault.lower()
            raise Declined(403, error.fault, PARTNER_REMEDY) if owners else error from None
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _sent(self, answer: Mapping[str, Any]) -> Sent:
        lists = answer.get("skipped_vehicles")
        lists = lists if isinstance(lists, dict) else {}
        return Sent(_count(answer), {str(vin): str(reason) for reason, vins in lists.items() for vin in vins or ()})

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        reply, answer = self._exchange(method, path, body)
        region = region_named(_words_of(answer)) if reply.status == HTTPStatus.MISDIRECTED_REQUEST and self.is_teslas else ""
        if region and region != self.base_url:
            self.base_url = region  # for the calls that follow, too
            reply, answer = self._exchange(method, path, body)
        if reply.status != HTTPStatus.OK:
            raise self._declined(reply, answer)
        response = answer.get("response") if isinstance(answer, dict) else None
        if not isinstance(response, dict):
            where = urlsplit(self.base_url).netloc
            raise Declined(200, f"{where}: HTTP 200, but not an answer of the Fleet API", "correct TESLA_API_BASE_URL")
        return response

    def _exchange(self, method: str, path: str, body: object) -> tuple[https.Reply, object]:
        """The reply, and the JSON in it; None if it holds none."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "User-Agent": "teslafast"}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        reply = self._request(method, self.base_url + path, headers, data)
        try:
            return reply, json.loads(reply.body)
        except ValueError:
            return reply, None

    def _declined(self, reply: https.Reply, answer: object) -> Declined:
        text = one_line(_words_of(answer).replace(self.token, "…"))
        fault = f"Fleet API: HTTP {reply.status}" + (f", {text}" if text else "")
        if wait := reply.headers.get("retry-after", ""):
            fault += f" (retry after {one_line(wait, 40)})"
        return Declined(reply.status, fault, remedy(reply.status, text))


def _words_of(answer: object) -> str:
    """What Tesla said in an error's members."""
    members = answer if isinstance(answer, dict) else {}
    return ": ".join(str(members[key]) for key in ("error", "error_description", "txid") if members.get(key))


def _config_path(vin: str) -> str:
    return f"/api/1/vehicles/{quote(vin, safe='')}/fleet_telemetry_config"


def _count(answer: Mapping[str, Any]) -> int:
    count = answer.get("updated_vehicles")
    return count if isinstance(count, int) else 0


def read_token(token: str) -> TokenFacts | None:
    """The claims of an access token; None if it is not a JWT."""
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
