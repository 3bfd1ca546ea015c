"""
Tesla to test against: the login page, the token endpoint and the Fleet API of two regions, as its documents and users describe
them. This module holds what it knows and decides; `fake_tesla_server` puts it on loopback.

    FakeCar      one vehicle: who may see it, whether it has the key, what it was sent
    FakeTesla    one app and one owner; `refuse` makes an endpoint fail as Tesla's do

Refresh tokens are good once; the one that was used last works again, and a refresh ends the access token before it. It takes a
config only if its signature holds, believes no `public_key` but the one that it has fetched, and writes down every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.fake_fleet_api import read_signed

Answer = tuple[int, Any]
SCOPES = ("openid", "offline_access", "vehicle_device_data", "vehicle_location")
YEAR_S = 364 * 86400


def jwt(claims: Mapping[str, Any]) -> str:
    """A token that looks like Tesla's; nobody here verifies its signature."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + ".c2ln"


@dataclass
class FakeCar:
    """`looks`: after so many questions it has taken its config; `pairs_after`: after so many it has the key."""

    name: str = "Road"
    access: str = "OWNER"
    state: str = "online"
    paired: bool = True
    pairs_after: int = 0
    firmware: str = "2026.32.4"
    telemetry_version: str | None = "1.3.0"
    protocol_required: bool = True
    switch: bool | None = None
    keys: int = 3
    skipped: str = ""
    looks: int = 0
    rejects: bool = False
    config: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        return {
            "firmware_version": self.firmware,
            "vehicle_command_protocol_required": self.protocol_required,
            "fleet_telemetry_version": self.telemetry_version,
            "total_number_of_keys": self.keys,
            "safety_screen_streaming_toggle_enabled": self.switch,
        }

    def shown(self) -> dict[str, Any]:
        self.looks -= 1
        synced = self.looks < 0
        config = None if self.rejects and synced else self.config
        return {
            "synced": synced and (config is not None or self.rejects),
            "config": config,
            "limit_reached": False,
            "key_paired": self.paired,
        }


@dataclass
class Refusal:
    """What an endpoint answers instead; `times`: so often, then it works."""

    status: int
    body: Any
    times: int = 1 << 30


@dataclass
class FakeTesla:
    """`key`: what Tesla gets when it fetches the public key (a PEM, or text that is none); `region`: the owner's."""

    domain: str
    key: Callable[[], bytes]
    cars: dict[str, FakeCar]
    region: str = "eu"
    client_id: str = "0f3a52c4-1111-4222-8333-444455556666"
    client_secret: str = "ta-secret.a&b+c!d"
    redirect: str = "http://localhost:8765/callback"
    scopes: tuple[str, ...] = SCOPES
    bases: dict[str, str] = field(default_factory=dict)
    registered: dict[str, str] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    lost_answers: int = 0
    refresh_token: str = "EU_first"
    last_used: str = ""
    access_token: str = ""
    partner_tokens: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    refreshed: int = 0
    pushes: int = 0

    def refuse(self, endpoint: str, status: int, error: str | Any, times: int = 1 << 30) -> None:
        """From now on `endpoint` (a part of `METHOD path`) answers so."""
        self.refusals[endpoint] = Refusal(status, {"response": None, "error": error} if isinstance(error, str) else error, times)

    def secrets_known(self) -> list[str]:
        """What must never be seen in any output."""
        known = [self.client_secret, self.refresh_token, self.access_token, self.last_used, *self.partner_tokens, *self.codes]
        return [one for one in known if one]

    # ---- the login page and the token endpoint

    def authorize(self, query: Mapping[str, str]) -> tuple[int, str]:
        """302 and where to, or a page that says what is wrong."""
        self.calls.append(("GET", "/authorize"))
        if query.get("client_id") != self.client_id or query.get("redirect_uri") != self.redirect:
            return 400, "We don't recognize this redirect_uri"
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return 400, "invalid request"
        code = f"{self.region.upper()}_{secrets.token_hex(16)}"
        self.codes[code] = (query["redirect_uri"], query["code_challenge"])
        issuer = "https%3A%2F%2Fauth.tesla.com%2Foauth2%2Fv3"
        return 302, f"{query['redirect_uri']}?code={code}&state={query['state']}&issuer={issuer}"

    def token(self, form: Mapping[str, str]) -> Answer:
        grant = form.get("grant_type", "")
        self.calls.append(("POST", f"/token {grant}"))
        refused = self._refused(f"token {grant}")
        if refused is not None:
            return refused
        if form.get("client_id") != self.client_id or (
            grant != "refresh_token" and form.get("client_secret") != self.client_secret
        ):
            return _oauth(400, "unauthorized_client", "We don't recognize this client_id and client_secret combination")
        match grant:
            case "client_credentials":
                return self._partner(form.get("audience", ""))
            case "authorization_code":
                return self._exchange(form)
            case "refresh_token":
                return self._refresh(form.get("refresh_token", ""))
        return _oauth(400, "invalid_request", "grant_type")

    def _partner(self, audience: str) -> Answer:
        region = next((region for region, base in self.bases.items() if base == audience), None)
        if region is None:
            return _oauth(400, "invalid_request", f"audience {audience!r}")
        token = jwt({"aud": [audience], "gty": "client-credentials", "azp": self.client_id, "n": secrets.token_hex(8)})
        self.partner_tokens[token] = region
        return 200, {"access_token": token, "expires_in": 28800, "token_type": "Bearer"}

    def _exchange(self, form: Mapping[str, str]) -> Answer:
        redirect, challenge = self.codes.pop(form.get("code", ""), ("", ""))
        if not redirect:
            return _oauth(400, "invalid_auth_code", "The code has expired or was used")
        if form.get("redirect_uri") != redirect:
            return _oauth(400, "invalid_redirect_url", "redirect_uri differs")
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != challenge:
            return _oauth(400, "invalid_request", "code_verifier")
        return self._pair()

    def _refresh(self, given: str) -> Answer:
        if given not in (self.refresh_token, self.last_used) or not given:
            return _oauth(401, "login_required", "Login required")
        self.last_used = given
        self.refreshed += 1
        return self._pair()

    def _pair(self) -> Answer:
        self.refresh_token = f"{self.region.upper()}_{secrets.token_hex(16)}"
        claims = {"scp": list(self.scopes), "ou_code": self.region.upper(), "azp": self.client_id, "sub": "owner-1"}
        self.access_token = jwt({**claims, "exp": int(time.time()) + 28800, "n": secrets.token_hex(8)})
        answer = {"access_token": self.access_token, "refresh_token": self.refresh_token, "expires_in": 28800}
        if self.lost_answers:
            self.lost_answers -= 1
            return 0, None  # the connection is cut: Tesla has done it, and nobody heard
        return 200, answer

    # ---- the Fleet API

    def api(self, region: str, method: str, path: str, bearer: str, body: Any) -> Answer:
        self.calls.append((method, path))
        refused = self._refused(f"{method} {path}")
        if refused is not None:
            return refused
        words = path.partition("?")[0].removeprefix("/api/1/").split("/")
        if words[0] == "partner_accounts":
            return self._partner_account(region, method, words[1:], bearer, path, body)
        if bearer != self.access_token or not bearer:
            return _no(401, "invalid bearer token")
        if region != self.region and words != ["users", "region"]:
            return _no(421, f"user out of region, use base URL: {self.bases[self.region]}, see https://developer.tesla.com")
        if words == ["users", "region"]:
            return 200, {"response": {"region": self.region, "fleet_api_base_url": self.bases[self.region]}}
        if region not in self.registered:
            return _no(412, "Account ID must be registered in the current region URL, please see …")
        return self._owners(method, words, body)

    def _partner_account(self, region: str, method: str, words: list[str], bearer: str, path: str, body: Any) -> Answer:
        if self.partner_tokens.get(bearer) != region:
            return _no(403, "Unauthorized missing scopes") if bearer == self.access_token else _no(401, "invalid bearer token")
        match method, words:
            case "POST", []:
                return self._register(region, body["domain"])
            case "GET", ["public_key"] if path.endswith(f"?domain={self.domain}"):
                key = self.registered.get(region)
                return (200, {"response": {"public_key": key}}) if key else _no(404, "account not found")
            case "GET", ["fleet_telemetry_errors"]:
                return 200, {"response": {"fleet_telemetry_errors": self.errors}}
        return _no(404, "not_found")

    def _register(self, region: str, domain: str) -> Answer:
        from cryptography.hazmat.primitives import serialization

        if domain != domain.lower() or "/" in domain:
            return _no(400, f"Invalid domain: {domain}. Ensure that domain is lowercase and starts without https://")
        pem, url = self.key(), f"https://{domain}/.well-known/appspecific/com.tesla.3p.public-key.pem"
        try:
            key = serialization.load_pem_public_key(pem)
        except ValueError:
            return _no(424, f"Public key download failed for {url}, error: too large")
        point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint).hex()
        self.registered[region] = point
        return 200, {"response": {"account_id": "a", "domain": domain, "client_id": self.client_id, "public_key": point}}

    def _owners(self, method: str, words: list[str], body: Any) -> Answer:
        match method, words:
            case "GET", ["vehicles"]:
                return 200, {"response": [self._row(vin, car) for vin, car in self.cars.items()], "count": len(self.cars)}
            case "POST", ["vehicles", "fleet_status"]:
                return self._status(body["vins"])
            case "POST", ["vehicles", "fleet_telemetry_config_jws"]:
                return self._push(body)
            case "GET", ["vehicles", vin, "fleet_telemetry_config"] if vin in self.cars:
                return 200, {"response": self.cars[vin].shown()}
            case "DELETE", ["vehicles", vin, "fleet_telemetry_config"] if vin in self.cars:
                had, self.cars[vin].config = self.cars[vin].config is not None, None
                return 200, {"response": {"updated_vehicles": int(had)}}
        return _no(404, "VIN not_found")

    def _row(self, vin: str, car: FakeCar) -> dict[str, Any]:
        return {"vin": vin, "display_name": car.name, "access_type": car.access, "state": car.state, "api_version": 90}

    def _status(self, vins: list[str]) -> Answer:
        for vin in vins:
            car = self.cars[vin]
            if not car.paired and car.pairs_after:
                car.pairs_after -= 1
                car.paired = car.pairs_after == 0
        paired = [vin for vin in vins if self.cars[vin].paired]
        unpaired = [vin for vin in vins if not self.cars[vin].paired]
        info = {vin: self.cars[vin].status() for vin in vins}
        return 200, {"response": {"key_paired_vins": paired, "unpaired_vins": unpaired, "vehicle_info": info}}

    def _push(self, body: Any) -> Answer:
        self.pushes += 1
        claims = read_signed(body["token"])  # any key passes, as at Tesla: the car alone looks whose it is
        if claims is None:
            return _no(400, "invalid JWS")
        if not str(claims["hostname"]).endswith(self.domain):
            return _no(400, "hostname domain does not match with partner account")
        if not time.time() + 3600 <= claims["exp"] <= time.time() + YEAR_S:
            return _no(400, "expiration should be greater than 1 hour and less than 364 days")
        left_out: dict[str, list[str]] = {}
        for vin in body["vins"]:
            car = self.cars[vin]
            word = car.skipped or ("missing_key" if not car.paired and not car.switch else "")
            if word:
                left_out.setdefault(word, []).append(vin)
            else:
                car.config = {name: value for name, value in claims.items() if name not in ("iss", "aud")}
        updated = len(body["vins"]) - sum(map(len, left_out.values()))
        return 200, {"response": {"updated_vehicles": updated, "skipped_vehicles": left_out}}

    def _refused(self, endpoint: str) -> Answer | None:
        for part, refusal in self.refusals.items():
            if part in endpoint and refusal.times > 0:
                refusal.times -= 1
                return refusal.status, refusal.body
        return None


def _no(status: int, error: str) -> Answer:
    return status, {"response": None, "error": error, "error_description": "", "txid": "00c0ffee"}


def _oauth(status: int, error: str, description: str) -> Answer:
    return status, {"error": error, "error_description": description, "referenceID": "11c0ffee"}
