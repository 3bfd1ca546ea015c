"""
One request head and who sent it: let in as a vehicle, let in as a dashboard, or answered. The whole route table.

`decide` is pure: the clock, the tokens' verifier and what is connected just now are arguments. It never sees a payload, and
what it says to the outside never holds a token. `door.py` carries out what is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Literal

from ..config import Settings
from ..dashboards.admission import AdmitDashboard
from ..dashboards.subscription import parse_subscription
from ..dashboards.tokens import Grant, Verifier, find_token
from ..errors import BadQuery, Refused, Unavailable
from ..http_messages import Answer, Request
from ..protocol.identity import Certificate, Device, identify
from ..vehicles.admission import AdmitVehicle, short, uuid_of
from ..vin import is_vin
from ..websocket.handshake import check_handshake, wants_websocket

SUBPROTOCOL = "teslafast.v1"
ON_VEHICLE_PORT = frozenset({"/health"})  # strangers who reach the vehicles' port have no use for another page

Listener = Literal["all", "dashboards", "vehicles"]


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a connection comes from, the verified certificate that it showed, and the listener that took it."""

    address: str
    listener: Listener = "all"
    secure: bool = False
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """What a decision depends on besides the request: seconds since 1970, and who is connected."""

    time: float
    vehicles: int = 0
    dashboards: int = 0
    known_vehicle: Callable[[str], bool] = field(default=lambda vin: False)
    draining: bool = False


Pages = Mapping[str, Callable[[Request, Grant | None], Answer]]


class Gate:
    """
    The route table over one server's settings.

    pages    path → what makes its answer, for `/health` and the like; `locked` ones get the Grant of a token
    """

    def __init__(self, settings: Settings, verifier: Verifier, pages: Pages, locked: Pages) -> None:
        self._settings = settings
        self._verifier = verifier
        self._pages = pages
        self._locked = locked

    def decide(self, request: Request, peer: Peer, now: Now) -> AdmitVehicle | AdmitDashboard | Answer:
        try:
            return self._route(request, peer, now)
        except Unavailable as error:
            return _plain(error, ("Retry-After", str(error.retry_after_s)))
        except Refused as error:
            bearer = (("WWW-Authenticate", "Bearer"),) if error.status is HTTPStatus.UNAUTHORIZED else ()
            return _plain(error, *bearer)

    def _route(self, request: Request, peer: Peer, now: Now) -> AdmitVehicle | AdmitDashboard | Answer:
        path = request.path
        upgrade = wants_websocket(request)
        vehicles_only = peer.listener == "vehicles"
        locked = path if path in self._locked else path.rpartition("/")[0] + "/*"
        if path == "/" and upgrade and peer.listener != "dashboards":
            return self._vehicle(request, peer, now)
        if path == "/stream" and not vehicles_only:
            return self._dashboard(request, now)
        hidden = vehicles_only and path not in ON_VEHICLE_PORT
        if hidden or not (path in self._pages or locked in self._locked):
            raise Refused(HTTPStatus.NOT_FOUND, "unknown_path", "there is nothing at this path")
        _check_method(request)
        if path in self._pages:
            return self._pages[path](request, None)
        return self._locked[locked](request, self._grant(request, now))

    # ---- vehicles

    def _vehicle(self, request: Request, peer: Peer, now: Now) -> AdmitVehicle:
        _check_method(request, HTTPStatus.METHOD_NOT_ALLOWED)
        check_handshake(request)
        device, verified = self._device(request, peer)
        allowed = self._settings.tesla_vin
        if allowed and device.vin not in allowed:
            raise Refused(HTTPStatus.FORBIDDEN, "vin_not_allowed", f"VIN {device.vin} is not in TESLA_VIN")
        limit = self._settings.max_vehicles
        if now.draining or (limit and now.vehicles >= limit and not now.known_vehicle(device.vin)):
            raise _busy(now, "too_many_vehicles", "MAX_VEHICLES vehicles are connected")
        return AdmitVehicle(
            device,
            verified,
            network_interface=short(request.header("x-network-interface")),
            client_version=short(request.header("version")),
            connection_id=uuid_of(request.header("x-txid")),
        )

    def _device(self, request: Request, peer: Peer) -> tuple[Device, bool]:
        if peer.certificate is not None:
            return identify(peer.certificate), True
        vin = dict(request.query).get("vin")
        if self._settings.production or peer.listener == "vehicles":
            raise Refused(HTTPStatus.FORBIDDEN, "no_certificate", _no_certificate(peer, self._settings))
        if vin is not None and not is_vin(vin):
            raise BadQuery("vin is no VIN")
        return Device(vin or "", "vehicle_device"), False

    # ---- dashboards

    def _dashboard(self, request: Request, now: Now) -> AdmitDashboard:
        _check_method(request, HTTPStatus.METHOD_NOT_ALLOWED)
        if not wants_websocket(request):
            raise Refused(HTTPStatus.UPGRADE_REQUIRED, "no_upgrade", "this is a WebSocket: connect with an upgrade")
        check_handshake(request)
        self._check_origin(request)
        grant = self._grant(request, now)
        subscription = parse_subscription(request.query, exact_vins=self._settings.production)
        subscription = replace(subscription, vins=grant.narrowed(subscription.vins).vins)
        limit = self._settings.max_dashboards
        if now.draining or (limit and now.dashboards >= limit):
            raise _busy(now, "too_many_dashboards", "MAX_DASHBOARDS dashboards are connected")
        offered = request.tokens("sec-websocket-protocol")
        return AdmitDashboard(grant, subscription, SUBPROTOCOL if SUBPROTOCOL in offered else None)

    def _check_origin(self, request: Request) -> None:
        """A browser always says where its page comes from; whoever says nothing is no browser."""
        origin = request.header("origin")
        if origin is None:
            return
        allowed = self._settings.allowed_origins
        host = (request.header("host") or "").lower()
        same = origin.lower() in (f"http://{host}", f"https://{host}")
        if not (origin.lower() in allowed or (not allowed and same)):
            raise Refused(HTTPStatus.FORBIDDEN, "origin", "pages of this origin may not connect; see ALLOWED_ORIGINS")

    def _grant(self, request: Request, now: Now) -> Grant:
        token = find_token(request)
        if token is None:
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "no_token", "a token is needed: Authorization: Bearer, subprotocol, or ?token="
            )
        return self._verifier.verify(token, now.time)


def _check_method(request: Request, refusal: HTTPStatus = HTTPStatus.METHOD_NOT_ALLOWED) -> None:
    if request.method not in ("GET", "HEAD"):
        raise Refused(refusal, "method", "only GET and HEAD are answered here")
    if request.has_body:
        raise Refused(HTTPStatus.BAD_REQUEST, "body", "a request body is not taken here")


def _busy(now: Now, cause: str, reason: str) -> Unavailable:
    return Unavailable("draining", "the server is restarting") if now.draining else Unavailable(cause, reason)


def _no_certificate(peer: Peer, settings: Settings) -> str:
    if not peer.secure:
        return "vehicles connect over mutual TLS: set CERT_PATH, KEY_PATH, CA_PATH and REQUEST_CLIENT_CERT, or VEHICLE_PORT"
    if peer.listener == "all" and not settings.request_client_cert:
        return "no certificate was asked for: set REQUEST_CLIENT_CERT=true and CA_PATH, or use VEHICLE_PORT"
    return "the client showed no certificate: a browser or scanner, or a proxy in between that ends TLS"


def _plain(error: Refused, *headers: tuple[str, str]) -> Answer:
    """The answer to a refusal; the reason goes out too, except where it would tell a stranger about our set-up."""
    reason = str(error) if error.status is not HTTPStatus.FORBIDDEN else error.cause.replace("_", " ")
    version = (("Sec-WebSocket-Version", "13"),) if error.cause in ("handshake", "no_upgrade") else ()
    upgrade = (("Upgrade", "websocket"),) if error.status is HTTPStatus.UPGRADE_REQUIRED else ()
    allow = (("Allow", "GET, HEAD"),) if error.status is HTTPStatus.METHOD_NOT_ALLOWED else ()
    body = f"{error.status.value} {error.status.phrase}: {reason}\n".encode()
    return Answer(error.status, body, headers=(*headers, *version, *upgrade, *allow), cause=error.cause, reason=str(error))
