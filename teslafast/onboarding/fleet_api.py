"""
Tesla's Fleet API, as far as telemetry needs it (docs/protocol.md): send, show and delete a config, and list the errors.

There are two ways to send a config. `send_signed` gives Tesla a token that we have signed. `send_unsigned` gives the bare config
to a proxy that signs it (Tesla's own vehicle-command proxy, at TESLA_API_BASE_URL). The access token goes into one header and
nowhere else: it is removed from Tesla's answers before they are shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .. import https
from ..errors import Declined, Misconfigured
from ..text import one_line
from .access_token import is_token
from .answers_of_tesla import asked_pause_s, json_of, words_of
from .refusals_of_tesla import APPS_OWN_TOKEN, NOT_AN_ANSWER, NOT_FOLLOWED, PARTNER_REMEDY, is_limit, remedy
from .tesla_hosts import NORTH_AMERICA, TESLAS_DOMAINS, base_url, host_named, trusted_base

KEY_PAIRED = "key_paired"  # in `fleet_status`: added here from Tesla's list `key_paired_vins`
LONGEST_PAGE = 100  # vehicles in one answer, Tesla's most
MOST_PAGES = 20  # 2,000 vehicles: a fleet that is larger is configured by its list of VINs


@dataclass(frozen=True)
class Sent:
    """How many vehicles the config went to, and those that Tesla skipped: VIN → Tesla's word for why."""

    updated: int
    skipped: Mapping[str, str]


class FleetApi:
    """
    One account, at the address of one region; of the region that Tesla sends it to, if it is at another.

    renew: gives another token in place of one that Tesla has refused (401); it is asked once a call. `calls`: how many were made,
    which is how many Tesla bills. `domain`: the app's, for the links that are shown; "" if it is not known. `is_partner`: it is
    the app's own token, for which no owner need log in.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        request: Callable[..., https.Reply] = https.request,
        renew: Callable[[str], str] | None = None,
        domain: str = "",
        is_partner: bool = False,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self.calls = 0
        self.domain = domain
        self._is_partner = is_partner
        self._request = request
        self._renew = renew

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> FleetApi:
        """With TESLA_ACCESS_TOKEN, and TESLA_API_BASE_URL or North America's address. Raises Misconfigured."""
        return cls(base_url(environment) or NORTH_AMERICA, token_in(environment))

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
        answer = self._call("POST", "/api/1/vehicles/fleet_status", {"vins": [*vins]})
        found, paired = answer.get("vehicle_info"), answer.get("key_paired_vins")
        known = {vin: info for vin, info in found.items() if isinstance(info, dict)} if isinstance(found, dict) else {}
        has_key = set(map(str, paired)) if isinstance(paired, list) else set()
        entries = known | {vin: {} for vin in vins if vin in has_key and vin not in known}
        return {vin: {**info, KEY_PAIRED: vin in has_key} for vin, info in entries.items()}

    def vehicles(self) -> list[dict[str, Any]]:
        """The account's vehicles: vin, display_name, access_type, state. Wakes none. Raises Declined, Unhealthy."""
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            query = urlencode({"page": page, "page_size": LONGEST_PAGE})
            rows = self._ask("GET", f"/api/1/vehicles?{query}")
            if not isinstance(rows, list):
                raise self._not_an_answer()
            found += [row for row in rows if isinstance(row, dict) and isinstance(row.get("vin"), str)]
            if len(rows) < LONGEST_PAGE:
                break
        return found

    def region(self) -> tuple[str, str]:
        """The owner's region, and its base URL ("" if the token may not go there). Raises Declined, Unhealthy."""
        answer = self._call("GET", "/api/1/users/region")
        return str(answer.get("region") or ""), trusted_base(str(answer.get("fleet_api_base_url") or ""), self.base_url)

    # ---- with a partner token

    def register(self, domain: str) -> str:
        """Registers the app in this region, for which Tesla fetches its key; the key that it got, as hex. Raises Declined."""
        return str(self._call("POST", "/api/1/partner_accounts", {"domain": domain}).get("public_key") or "").lower()

    def registered_key(self, domain: str) -> str:
        """The app's public key as Tesla has it, as hex; "" if the domain is not registered here. Raises Declined, Unhealthy."""
        try:
            answer = self._call("GET", f"/api/1/partner_accounts/public_key?{urlencode({'domain': domain})}")
        except Declined as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return ""
            raise
        return str(answer.get("public_key") or "").lower()

    def remove(self, vin: str) -> int:
        """Deletes a vehicle's config; the number of vehicles that had one. Raises Declined, Unhealthy."""
        return _count(self._call("DELETE", _config_path(vin)))

    def errors(self) -> list[dict[str, Any]]:
        """The errors that vehicles reported, as Tesla lists them. Raises Declined, Unhealthy."""
        try:
            found = self._call("GET", "/api/1/partner_accounts/fleet_telemetry_errors").get("fleet_telemetry_errors")
        except Declined as error:
            if is_limit(error.words) or error.status != HTTPStatus.FORBIDDEN:
                raise
            raise Declined(error.status, error.fault, PARTNER_REMEDY, error.words) from None
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _sent(self, answer: Mapping[str, Any]) -> Sent:
        lists = answer.get("skipped_vehicles")
        lists = lists if isinstance(lists, dict) else {}
        skipped = {str(reason): vins for reason, vins in lists.items() if isinstance(vins, list)}
        return Sent(_count(answer), {str(vin): reason for reason, vins in skipped.items() for vin in vins})

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        response = self._ask(method, path, body)
        if not isinstance(response, dict):
            raise self._not_an_answer()
        return response

    def _ask(self, method: str, path: str, body: object = None) -> object:
        """The `response` in Tesla's answer. A new region is followed once, a token that Tesla refuses is renewed once."""
        reply, answer = self._exchange(method, path, body)
        if reply.status == HTTPStatus.MISDIRECTED_REQUEST and (base := self._sent_on(reply, answer)):
            self.base_url = base  # for the calls that follow, too
            reply, answer = self._exchange(method, path, body)
        if reply.status == HTTPStatus.UNAUTHORIZED and self._renew is not None:
            self.token = self._renew(self.token)
            reply, answer = self._exchange(method, path, body)
        if not reply.is_success:
            raise self._declined(reply, answer)
        return answer.get("response") if isinstance(answer, dict) else None

    def _sent_on(self, reply: https.Reply, answer: object) -> str:
        """The other region's address in an answer 421, "" if the token may not go there."""
        named = (words_of(reply, answer), reply.headers.get("alt-svc", ""))
        return next((base for text in named if (base := trusted_base(text, self.base_url)) and base != self.base_url), "")

    def _strange_host(self, reply: https.Reply, answer: object) -> str:
        """The host in an answer 421 that is neither Tesla's nor may have the token, "" if there is none."""
        named = [
            text for text in (words_of(reply, answer), reply.headers.get("alt-svc", "")) if not trusted_base(text, self.base_url)
        ]
        return next((host for text in named if (host := host_named(text)) and not host.endswith(TESLAS_DOMAINS)), "")

    def _not_an_answer(self) -> Declined:
        where = urlsplit(self.base_url).netloc
        fault = f"{where}: HTTP 200, but {NOT_AN_ANSWER} the Fleet API"
        return Declined(200, fault, remedy(200, fault), fault)

    def _exchange(self, method: str, path: str, body: object) -> tuple[https.Reply, object]:
        """The reply, and the JSON in it; None if it holds none."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "User-Agent": "teslafast"}
        headers["Content-Type"] = "application/json"  # without a body, too: Tesla answers 406 to requests that do not say it
        data = None if body is None else json.dumps(body).encode()
        self.calls += 1
        reply = self._request(method, self.base_url + path, headers, data)
        return reply, json_of(reply)

    def _declined(self, reply: https.Reply, answer: object) -> Declined:
        text = one_line(words_of(reply, answer).replace(self.token, "…"))
        if reply.status == HTTPStatus.MISDIRECTED_REQUEST and (strange := self._strange_host(reply, answer)):
            text = f"{text} ({NOT_FOLLOWED}: {strange})"
        if reply.status == HTTPStatus.UNAUTHORIZED and self._is_partner:
            text = f"{text} ({APPS_OWN_TOKEN})"
        fault = f"Fleet API: HTTP {reply.status}" + (f", {text}" if text else "")
        if wait := asked_pause_s(reply):
            fault += f" (retry after {wait} s)"
        return Declined(reply.status, fault, remedy(reply.status, text), text)


def token_in(environment: Mapping[str, str]) -> str:
    """TESLA_ACCESS_TOKEN. Raises Misconfigured."""
    token = environment.get("TESLA_ACCESS_TOKEN", "").strip()
    if not token:
        raise Misconfigured(
            "TESLA_ACCESS_TOKEN", "is not set", "log in: teslafast login; or set it to an access token of your app"
        )
    if not is_token(token):
        raise Misconfigured("TESLA_ACCESS_TOKEN", "holds characters that no token has", "give the token alone, without quotes")
    return token


def _config_path(vin: str) -> str:
    return f"/api/1/vehicles/{quote(vin, safe='')}/fleet_telemetry_config"


def _count(answer: Mapping[str, Any]) -> int:
    count = answer.get("updated_vehicles")
    return count if isinstance(count, int) else 0
