"""
A Fleet API to test against, shaped as tesla-protocol.md 8 describes Tesla's: an HTTP server on loopback with a few cars behind
it.

    Car       what Tesla knows of one vehicle, and what it was sent
    FleetServer   `with FleetServer(...) as tesla`: answers until the block ends; `tesla.calls` is what was asked

It takes a signed config only from the app whose public key it knows, and checks the signature before it believes a word.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.onboarding import jws

WHOLE = ("openid", "vehicle_device_data", "vehicle_location")


def access_token(scopes: tuple[str, ...] = WHOLE, ends_in_s: float = 8 * 3600) -> str:
    """A token that looks like Tesla's; nobody here verifies its signature."""
    claims = {"iss": "https://fleet-auth.tesla.com/oauth2/v3/nts", "scp": list(scopes), "exp": int(time.time() + ends_in_s)}
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    text = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*text, "c2lnbmF0dXJl"])


@dataclass
class Car:
    """`skipped`: Tesla's word for leaving it out; `looks`: after so many it has taken its config (or rejected it: `takes`)."""

    key_paired: bool = True
    limit_reached: bool = False
    skipped: str = ""
    looks: int = 0
    takes: bool = True
    config: dict[str, Any] | None = None
    token: str = ""
    protocol_required: bool | None = True

    def shown(self) -> dict[str, Any]:
        synced = self.looks <= 0 and (self.config is not None or not self.takes)
        self.looks -= 1
        config = self.config if self.takes or not synced else None
        return {"synced": synced, "config": config, "limit_reached": self.limit_reached, "key_paired": self.key_paired}


@dataclass
class FleetServer:
    """`token`: the access token that opens it; `app`: the public key of the app; `errors`: what vehicles reported."""

    cars: dict[str, Car]
    token: str = field(default_factory=access_token)
    app: ec.EllipticCurvePublicKey | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    refusal: tuple[int, Mapping[str, Any]] | None = None
    partner: bool = True
    calls: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = fleet.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _do  # noqa: N815 — http.server's names

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What the `vehicle` commands need to find it."""
        return {"TESLA_API_BASE_URL": f"http://127.0.0.1:{self._server.server_port}", "TESLA_ACCESS_TOKEN": self.token}

    def answer(self, method: str, path: str, authorization: str, body: Any) -> tuple[int, Mapping[str, Any]]:
        self.calls.append((method, path))
        if self.refusal is not None:
            return self.refusal
        if authorization != f"Bearer {self.token}":
            return 401, {"response": None, "error": "invalid bearer token", "error_description": f"you sent {authorization}"}
        words = path.strip("/").split("/")
        match method, words[2:]:
            case "POST", ["vehicles", "fleet_telemetry_config_jws"]:
                return self._signed(body)
            case "POST", ["vehicles", "fleet_telemetry_config"]:
                return 200, self._take(body["vins"], body["config"], "")
            case "GET", ["vehicles", vin, "fleet_telemetry_config"] if vin in self.cars:
                return 200, {"response": self.cars[vin].shown()}
            case "DELETE", ["vehicles", vin, "fleet_telemetry_config"] if vin in self.cars:
                had, self.cars[vin].config = self.cars[vin].config is not None, None
                return 200, {"response": {"updated_vehicles": int(had)}}
            case "POST", ["vehicles", "fleet_status"]:
                info = {vin: {"vehicle_command_protocol_required": self.cars[vin].protocol_required} for vin in body["vins"]}
                return 200, {"response": {"key_paired_vins": [], "unpaired_vins": [], "vehicle_info": info}}
            case "GET", ["partner_accounts", "fleet_telemetry_errors"]:
                if not self.partner:
                    return 403, {"response": None, "error": "Unauthorized missing scopes"}
                return 200, {"response": {"fleet_telemetry_errors": self.errors}}
        return 404, {"response": None, "error": "not_found"}

    def _signed(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        claims = read_signed(body["token"], self.app)
        if claims is None:
            return 400, {"response": None, "error": "invalid_token", "error_description": "the signature does not hold"}
        return 200, self._take(body["vins"], {**claims}, body["token"])

    def _take(self, vins: list[str], config: dict[str, Any], token: str) -> dict[str, Any]:
        reasons = ("missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs")
        left_out: dict[str, list[str]] = {reason: [] for reason in reasons}
        for vin in vins:
            car = self.cars[vin]
            if car.skipped:
                left_out[car.skipped].append(vin)
            else:
                car.config, car.token = config, token
        updated = len(vins) - sum(map(len, left_out.values()))
        return {"response": {"updated_vehicles": updated, "skipped_vehicles": left_out}}


def read_signed(token: str, app: ec.EllipticCurvePublicKey | None = None) -> dict[str, Any] | None:
    """The claims of a config, as a vehicle reads them: None if the signature is not that of `iss`, or `iss` is not the app."""
    signing_input, _, signature = token.rpartition(".")
    header, claims = (json.loads(_decoded(part)) for part in signing_input.split("."))
    issuer = base64.b64decode(claims["iss"])
    known = app is None or ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), issuer) == app
    fit = header == {"alg": "Tesla.SS256", "typ": "JWT"} and claims["aud"] == "com.tesla.fleet.TelemetryClient"
    holds = jws.verify(issuer, signing_input.encode(), _decoded(signature))
    return claims if known and fit and holds else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
