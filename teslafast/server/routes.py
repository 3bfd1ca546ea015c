"""
The route table: which path on which listener leads to which page or door, and who may use it.

    request ──▶ the first matching Route ──▶ method, handshake ──▶ caller: a token's grant, or a vehicle's certificate
                                                                     ├─▶ Serve(page, grant)       a page is to be run
                                                                     ├─▶ Open(door, admission)    a connection is to be opened
                                                                     └─▶ Answer                   refused

`decide` is pure and runs nothing: the clock, the tokens' verifier and who is connected are arguments; http_connection.py carries
out what is decided here. What a client is answered never holds a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..config import Settings
from ..core.load import ServerLoad
from ..dashboards.doors import ClientDoor, Opened, StrangerDoor
from ..dashboards.tokens import Grant, Verifier, find_token
from ..errors import Refused
from ..http_messages import Answer, Request
from ..protocol.identity import Certificate
from ..refusals import BODY, METHOD, NO_TOKEN, NO_UPGRADE, NOT_VEHICLES_PORT, ORIGIN, UNKNOWN_PATH, Refusal
from ..vehicles.admission import VehicleCaller
from ..vehicles.door import VehicleDoor
from ..websocket.handshake import check_handshake, wants_websocket

Listener = Literal["all", "dashboards", "vehicles"]

ANY: frozenset[Listener] = frozenset({"all", "dashboards", "vehicles"})
FOR_VEHICLES: frozenset[Listener] = frozenset({"all", "vehicles"})
FOR_DASHBOARDS: frozenset[Listener] = frozenset({"all", "dashboards"})  # PORT: strangers at VEHICLE_PORT need no page


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a connection comes from, the verified certificate that it showed, and the listener that accepted it."""

    address: str
    listener: Listener = "all"
    secure: bool = False
    certificate: Certificate | None = None


Page = Callable[[Request, Grant | None], Answer]
FindToken = Callable[[Request], str | None]


class Door(Protocol):
    """A `dashboards.doors.ClientDoor` or a `vehicles.door.VehicleDoor`, for those who only need to open one."""

    @property
    def name(self) -> str: ...
    @property
    def websocket(self) -> bool: ...
    def admit(self, request: Request, caller: Any, /) -> Any: ...
    def open(self, admission: Any, address: str, /) -> Opened: ...


@dataclass(frozen=True, slots=True)
class Variable:
    """A path with one variable part: `Variable("/vehicles/")` is `/vehicles/VIN`. `accepts`: which parts it may be."""

    prefix: str
    suffix: str = ""
    accepts: Callable[[str], bool] = bool

    def matches(self, path: str) -> bool:
        part = path.removeprefix(self.prefix)
        if len(path) < len(self.prefix) + len(self.suffix) or part == path or not part.endswith(self.suffix):
            return False
        part = part.removesuffix(self.suffix)
        return "/" not in part and self.accepts(part)


def _always(_: Request) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Route:
    """
    One row: a page, a door, or a refusal.

    on        the listeners at which it exists
    when      a further condition on the request, such as a WebSocket handshake; without it the next row is tried
    token     where to look for the caller's token: every door has that, and every page that is not for everybody
    strangers a door that lets those in who show no token here, because it comes in their first message; a bad one is refused here
    """

    path: str | Variable
    on: frozenset[Listener]
    page: Page | None = None
    door: ClientDoor[Any] | None = None
    strangers: StrangerDoor[Any] | None = None
    vehicles: VehicleDoor | None = None
    refusal: Refusal | None = None
    token: FindToken | None = None
    when: Callable[[Request], bool] = _always

    def __post_init__(self) -> None:
        doors = [one for one in (self.door, self.strangers) if one is not None]
        leads_to = [one for one in (self.page, *doors, self.vehicles, self.refusal) if one is not None]
        if len(leads_to) != 1 or (doors and self.token is None):
            raise ValueError(f"the route {self.path} needs one page, door or refusal, and a door needs a place for its token")

    def matches(self, request: Request, path: str, listener: Listener) -> bool:
        right_path = path == self.path if isinstance(self.path, str) else self.path.matches(path)
        return right_path and listener in self.on and self.when(request)


@dataclass(frozen=True, slots=True)
class Serve:
    """Run `page(request, grant)` and send its answer."""

    page: Page
    grant: Grant | None


@dataclass(frozen=True, slots=True)
class Open:
    """Let `door.open(admission, address)` take the connection over."""

    door: Door
    admission: Any


Decision = Answer | Serve | Open


def table(
    vehicles: VehicleDoor,
    stream: ClientDoor[Any],
    health: Page,
    metrics: Page,
    fleet: Page,
    vehicle: Page,
    files: dict[str, Page],
) -> tuple[Route, ...]:
    """Every route of a server. `files`: path → page, the live page's."""
    return (
        Route("/", FOR_VEHICLES, vehicles=vehicles, when=wants_websocket),
        Route("/", frozenset({"dashboards"}), refusal=NOT_VEHICLES_PORT, when=wants_websocket),
        Route("/health", ANY, page=health),
        Route("/metrics", FOR_DASHBOARDS, page=metrics),
        Route("/vehicles", FOR_DASHBOARDS, page=fleet, token=find_token),
        Route(Variable("/vehicles/"), FOR_DASHBOARDS, page=vehicle, token=find_token),
        Route("/stream", FOR_DASHBOARDS, door=stream, token=find_token),
        *(Route(path, FOR_DASHBOARDS, page=page) for path, page in files.items()),
    )


class Routes:
    """The table over one server's settings. An exact path goes before a variable one; among equals the first row wins."""

    def __init__(self, settings: Settings, verifier: Verifier, routes: Sequence[Route]) -> None:
        self._settings = settings
        self._verifier = verifier
        self._exact: dict[str, list[Route]] = {}
        self._variable: list[Route] = []
        for route in routes:
            rows = self._exact.setdefault(route.path, []) if isinstance(route.path, str) else self._variable
            rows.append(route)

    def decide(self, request: Request, peer: Peer, load: ServerLoad) -> Decision:
        try:
            return self._decide(request, peer, load)
        except Refused as error:
            return Answer.of(error)

    def _decide(self, request: Request, peer: Peer, load: ServerLoad) -> Decision:
        route = self._find(request, peer.listener)
        _check_method(request)
        if route.vehicles is not None:
            check_handshake(request)
            return Open(route.vehicles, route.vehicles.admit(request, self._vehicle_caller(peer, load)))
        if route.door is not None:
            if route.door.websocket:
                _require_handshake(request)
            return Open(route.door, route.door.admit(request, self._dashboard_caller(route.token, request, load)))
        if route.strangers is not None:
            if route.strangers.websocket:
                _require_handshake(request)
            return Open(route.strangers, route.strangers.admit(request, self._possible_caller(route.token, request, load)))
        if route.page is not None:
            return Serve(route.page, None if route.token is None else self._grant(route.token, request, load))
        raise Refused(route.refusal or UNKNOWN_PATH)

    def _find(self, request: Request, listener: Listener) -> Route:
        path = request.path
        candidates: list[Route] = [*self._exact.get(path, ()), *self._variable]
        for route in candidates:
            if route.matches(request, path, listener):
                return route
        raise Refused(UNKNOWN_PATH)

    # ---- who asks

    def _vehicle_caller(self, peer: Peer, load: ServerLoad) -> VehicleCaller:
        strict = self._settings.production or peer.listener == "vehicles"
        return VehicleCaller(peer.certificate, _no_certificate(peer, self._settings) if strict else None, load)

    def _dashboard_caller(self, find: FindToken | None, request: Request, load: ServerLoad) -> Grant:
        """A stranger learns that the token is bad before learning that the server is full."""
        self._check_origin(request)
        grant = self._grant(find, request, load)
        load.require_room_for_dashboard(self._settings.max_dashboards)
        return grant

    def _possible_caller(self, find: FindToken | None, request: Request, load: ServerLoad) -> Grant | None:
        """None: the request has no token."""
        self._check_origin(request)
        shown = find is not None and find(request) is not None
        grant = self._grant(find, request, load) if shown else None
        load.require_room_for_dashboard(self._settings.max_dashboards)
        return grant

    def _check_origin(self, request: Request) -> None:
        """A browser always sends the origin of its page; a client that sends none is not a browser."""
        origin = request.header("origin")
        if origin is None:
            return
        allowed = self._settings.allowed_origins
        host = (request.header("host") or "").lower()
        same = origin.lower() in (f"http://{host}", f"https://{host}")
        if not (origin.lower() in allowed or (not allowed and same)):
            raise Refused(ORIGIN, "pages of this origin may not connect; see ALLOWED_ORIGINS")

    def _grant(self, find: FindToken | None, request: Request, load: ServerLoad) -> Grant:
        token = find(request) if find is not None else None
        if token is None:
            raise Refused(NO_TOKEN)
        return self._verifier.verify(token, load.time)


def _check_method(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise Refused(METHOD)
    if request.has_body:
        raise Refused(BODY)


def _require_handshake(request: Request) -> None:
    if not wants_websocket(request):
        raise Refused(NO_UPGRADE)
    check_handshake(request)


def _no_certificate(peer: Peer, settings: Settings) -> str:
    if not peer.secure:
        return "vehicles connect over mutual TLS: set CERT_PATH, KEY_PATH, CA_PATH and REQUEST_CLIENT_CERT, or VEHICLE_PORT"
    if peer.listener == "all" and not settings.request_client_cert:
        return "the server did not ask for a certificate: set REQUEST_CLIENT_CERT=true and CA_PATH, or use VEHICLE_PORT"
    return "the client showed no certificate: a browser, a scanner, or a proxy in between that ends TLS"
