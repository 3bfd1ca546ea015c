"""
One request head and who sent it: let in as a vehicle, let in as a dashboard, or answered. The whole route table.

`decide` is pure: the clock, the tokens' verifier and what is connected just now are arguments. It never sees a payload, and
what it says to the outside never holds a token. `door.py` carries out what is decided here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl

from ._fanout import ALL_KINDS, KINDS
from .auth import Grant, Verifier
from .config import Settings, is_vin
from .errors import Refused, Unavailable
from .identity import Certificate, Device, identify

SUBPROTOCOL = "teslafast.v1"
TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 — a prefix, no token
INTERVALS_MS = (100, 250, 500, 1000, 2000, 5000, 10_000)
MOST_QUERY_FIELDS = 32
NOT_ON_VEHICLE_PORT = frozenset({"/metrics"})  # pages that strangers who reach the vehicles' port have no use for

Listener = Literal["all", "dashboards", "vehicles"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request head. `headers`: lower-case names, each with its values in order; `target`: as it was sent."""

    method: str
    target: str
    headers: Mapping[str, Sequence[str]]
    has_body: bool = False
    version: str = "1.1"

    @property
    def path(self) -> str:
        """The target's path, as it was sent; the host of an absolute target (`http://host/path`) is passed over."""
        path = self.target.partition("?")[0].partition("#")[0]
        if path.startswith("/"):
            return path
        _, absolute, rest = path.partition("://")
        return "/" + rest.partition("/")[2] if absolute else path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Raises Refused (400)."""
        text = self.target.partition("?")[2].partition("#")[0]
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS, errors="strict")
        except ValueError:
            raise _bad("the query cannot be read") from None

    def header(self, name: str) -> str | None:
        values = self.headers.get(name)
        return values[0] if values else None

    def tokens(self, name: str) -> list[str]:
        """The comma-separated words of a header that may come in several lines, as they were sent."""
        return [word for value in self.headers.get(name, ()) for word in (part.strip() for part in value.split(",")) if word]


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a connection comes from, the verified certificate that it showed, and the listener that took it."""

    address: str
    listener: Listener = "all"
    secure: bool = False
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a dashboard asked `/stream` for (contract.md). `vins`: only these, and no others than its token grants (None = all);
    `kinds`: bit k = KINDS[k]; `since`: a seq, `epoch`: whose.
    """

    vins: frozenset[str] | None = None
    kinds: int = ALL_KINDS
    since: int | None = None
    epoch: str | None = None
    snapshot: bool = True
    fleet: bool = False
    interval_ms: int = 0


@dataclass(frozen=True, slots=True)
class AdmitVehicle:
    """
    `verified`: its certificate says who it is. Otherwise (development only) it named itself, or will do so in its first message
    (`device.vin` is empty until then), and it may send JSON text.
    """

    device: Device
    verified: bool
    network_interface: str
    client_version: str
    connection_id: str | None


@dataclass(frozen=True, slots=True)
class AdmitDashboard:
    grant: Grant
    wish: Wish
    subprotocol: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A plain HTTP answer. `cause`: a fixed word for counters and the log, "" where there is nothing to note."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    cause: str = ""
    reason: str = ""


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
        hidden = vehicles_only and (path in NOT_ON_VEHICLE_PORT or locked in self._locked)
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
            network_interface=_short(request.header("x-network-interface")),
            client_version=_short(request.header("version")),
            connection_id=_uuid(request.header("x-txid")),
        )

    def _device(self, request: Request, peer: Peer) -> tuple[Device, bool]:
        if peer.certificate is not None:
            return identify(peer.certificate), True
        vin = dict(request.query).get("vin")
        if self._settings.production or peer.listener == "vehicles":
            raise Refused(HTTPStatus.FORBIDDEN, "no_certificate", _no_certificate(peer, self._settings))
        if vin is not None and not is_vin(vin):
            raise _bad("vin is no VIN")
        return Device(vin or "", "vehicle_device"), False

    # ---- dashboards

    def _dashboard(self, request: Request, now: Now) -> AdmitDashboard:
        _check_method(request, HTTPStatus.METHOD_NOT_ALLOWED)
        if not wants_websocket(request):
            raise Refused(HTTPStatus.UPGRADE_REQUIRED, "no_upgrade", "this is a WebSocket: connect with an upgrade")
        check_handshake(request)
        self._check_origin(request)
        grant = self._grant(request, now)
        query = dict(request.query)
        wish = replace(_wish(query), vins=grant.narrowed(_vins(query.get("vin"))).vins)
        limit = self._settings.max_dashboards
        if now.draining or (limit and now.dashboards >= limit):
            raise _busy(now, "too_many_dashboards", "MAX_DASHBOARDS dashboards are connected")
        offered = request.tokens("sec-websocket-protocol")
        return AdmitDashboard(grant, wish, SUBPROTOCOL if SUBPROTOCOL in offered else None)

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


def wants_websocket(request: Request) -> bool:
    """Whether it asks for an upgrade to WebSocket, in whatever case and company (Firefox: `keep-alive, Upgrade`)."""
    return "upgrade" in (word.lower() for word in request.tokens("connection")) and "websocket" in (
        word.lower() for word in request.tokens("upgrade")
    )


def check_handshake(request: Request) -> None:
    """The rest of RFC 6455, 4.2.1. Raises Refused (400)."""
    if request.method != "GET":
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method", "a WebSocket is opened with GET")
    try:
        key = base64.b64decode(request.header("sec-websocket-key") or "", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if request.version != "1.1":
        raise Refused(HTTPStatus.BAD_REQUEST, "handshake", "a WebSocket is opened with HTTP/1.1")
    if len(key) != 16:
        raise Refused(HTTPStatus.BAD_REQUEST, "handshake", "Sec-WebSocket-Key is missing or is not 16 bytes in base64")
    if request.header("sec-websocket-version") != "13":
        raise Refused(HTTPStatus.BAD_REQUEST, "handshake", "Sec-WebSocket-Version must be 13")


def find_token(request: Request) -> str | None:
    """The token from wherever it may stand: the header, then the subprotocols, then the query."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    for word in request.tokens("sec-websocket-protocol"):
        if word.startswith(TOKEN_SUBPROTOCOL):
            return word.removeprefix(TOKEN_SUBPROTOCOL)
    query = dict(request.query)
    return query.get("token") or query.get("access_token")


def _wish(query: Mapping[str, str]) -> Wish:
    since = query.get("since")
    if since is not None and not (since.isascii() and since.isdigit() and len(since) <= 20):
        raise _bad("since is not a sequence number")
    interval = query.get("interval", "0")
    if interval != "0" and interval not in map(str, INTERVALS_MS):
        raise _bad(f"interval is not one of {', '.join(map(str, INTERVALS_MS))}")
    shape = query.get("format", "flat")
    if shape not in ("flat", "fleet"):
        raise _bad("format is neither flat nor fleet")
    if shape == "fleet" and interval != "0":
        raise _bad("interval goes with format=flat only")
    snapshot = query.get("snapshot", "0" if since is not None else "1")
    if snapshot not in ("0", "1"):
        raise _bad("snapshot is neither 0 nor 1")
    return Wish(
        kinds=kinds_of(query["type"].split(",")) if query.get("type") else ALL_KINDS,
        since=None if since is None else int(since),
        epoch=query.get("epoch"),
        snapshot=snapshot == "1",
        fleet=shape == "fleet",
        interval_ms=int(interval),
    )


def kinds_of(words: Sequence[str]) -> int:
    """The mask of the kinds named. Raises Refused (400)."""
    mask = 0
    for word in words:
        if word not in KINDS:
            raise _bad(f"type is not among {', '.join(KINDS)}")
        mask |= 1 << KINDS.index(word)
    return mask


def _vins(text: str | None) -> list[str] | None:
    if not text:
        return None
    vins = text.split(",")
    if not all(map(is_vin, vins)):
        raise _bad("vin holds something that is no VIN")
    return vins


def _bad(reason: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "query", reason)


def _busy(now: Now, cause: str, reason: str) -> Unavailable:
    return Unavailable("draining", "the server is restarting") if now.draining else Unavailable(cause, reason)


def _no_certificate(peer: Peer, settings: Settings) -> str:
    if not peer.secure:
        return "vehicles connect over mutual TLS: set CERT_PATH, KEY_PATH, CA_PATH and REQUEST_CLIENT_CERT, or VEHICLE_PORT"
    if peer.listener == "all" and not settings.request_client_cert:
        return "no certificate was asked for: set REQUEST_CLIENT_CERT=true and CA_PATH, or use VEHICLE_PORT"
    return "the client showed no certificate: a browser or scanner, or a proxy in between that ends TLS"


def _short(text: str | None) -> str:
    """A header's value fit for a log and a page: printable ASCII, 32 characters at most."""
    return "".join(character for character in (text or "")[:32] if " " <= character <= "~")


def _uuid(text: str | None) -> str | None:
    """X-TXID names the connection if it is a UUID in any of the usual spellings; otherwise it is passed over."""
    digits = (text or "").lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _plain(error: Refused, *headers: tuple[str, str]) -> Answer:
    """The answer to a refusal; the reason goes out too, except where it would tell a stranger about our set-up."""
    reason = str(error) if error.status is not HTTPStatus.FORBIDDEN else error.cause.replace("_", " ")
    version = (("Sec-WebSocket-Version", "13"),) if error.cause in ("handshake", "no_upgrade") else ()
    upgrade = (("Upgrade", "websocket"),) if error.status is HTTPStatus.UPGRADE_REQUIRED else ()
    allow = (("Allow", "GET, HEAD"),) if error.status is HTTPStatus.METHOD_NOT_ALLOWED else ()
    body = f"{error.status.value} {error.status.phrase}: {reason}\n".encode()
    return Answer(error.status, body, headers=(*headers, *version, *upgrade, *allow), cause=error.cause, reason=str(error))
