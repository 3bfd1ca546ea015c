"""
The route table: which path on which listener leads to which page or door, and who may use it.

    request ──▶ the first matching Route ──▶ method, handshake ──▶ caller: a token's grant, or a vehicle's certificate
                                                                     ├─▶ Serve(page, grant)       a page is to be run
                                                                     ├─▶ Open(door, admission)    a connection is to be opened
                                                                     └─▶ Answer                   refused

Before that, the head is checked and BASE_PATH taken off. `decide` is pure and runs nothing: the clock, the tokens' verifier and
who is connected are arguments; http_connection.py carries out what is decided here. No answer holds a token.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal, Protocol

from ..config import Settings
from ..core.load import ServerLoad
from ..dashboards.doors import ClientDoor, Opened, StrangerDoor
from ..dashboards.origins import Headers, OriginPolicy
from ..dashboards.tokens import Grant, Verifier, find_tokens
from ..errors import Refused
from ..http_messages import Answer, Request, check_head
from ..protocol.identity import Certificate
from ..refusals import BODY, DRAINING, METHOD, NO_UPGRADE, NOT_VEHICLES_PORT, TWO_CERTIFICATES, UNKNOWN_PATH, Refusal
from ..vehicles.admission import VehicleCaller
from ..vehicles.door import VehicleDoor
from ..websocket.handshake import check_handshake, wants_websocket

Listener = Literal["all", "dashboards", "vehicles", "status", "metrics"]

ANY: frozenset[Listener] = frozenset({"all", "dashboards", "vehicles"})
FOR_VEHICLES: frozenset[Listener] = frozenset({"all", "vehicles"})
FOR_DASHBOARDS: frozenset[Listener] = frozenset({"all", "dashboards"})  # PORT: strangers at VEHICLE_PORT need no page


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Where a connection comes from, the verified certificate that it showed, and the listener that accepted it.

    proxy    the trusted proxy that passed the request on and named `address`; "" if the client is connected itself
    """

    address: str
    listener: Listener = "all"
    secure: bool = False
    certificate: Certificate | None = None
    proxy: str = ""


Page = Callable[[Request, Grant | None], Answer]
WaitingPage = Callable[[Request, Grant | None], Answer | Future[Answer]]  # may ask other nodes first: soon it has an answer
ReadCertificate = Callable[[Request, float], Certificate | None]
FindTokens = Callable[[Request], Sequence[str]]


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


@dataclass(frozen=True, slots=True)
class Route:
    """
    One row: a page, a door, or a refusal.

    on        the listeners at which it exists
    any_body  a body may follow the head: the door passes it over
    when      a further condition on the request, such as a WebSocket handshake; without it the next row is tried
    token     where to look for the caller's token: every door has that, and every page that is not for everybody
    strangers a door that lets those in who show no token here, because it comes in their first message; a bad one is refused here
    cors      pages of ALLOWED_ORIGINS may read it, too
    """

    path: str | Variable
    on: frozenset[Listener]
    page: WaitingPage | None = None
    door: ClientDoor[Any] | None = None
    strangers: StrangerDoor[Any] | None = None
    vehicles: VehicleDoor | None = None
    refusal: Refusal | None = None
    token: FindTokens | None = None
    cors: bool = False
    any_body: bool = False
    when: Callable[[Request], bool] = lambda _: True

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

    page: WaitingPage
    grant: Grant | None


@dataclass(frozen=True, slots=True)
class Open:
    """Let `door.open(admission, address)` take the connection over."""

    door: Door
    admission: Any


Decision = Answer | Serve | Open


def table(
    vehicles: VehicleDoor,
    doors: Sequence[Route],
    health: WaitingPage,
    metrics: WaitingPage,
    status: Page,
    fleet: Page,
    vehicle: Page,
    files: dict[str, Page],
) -> tuple[Route, ...]:
    """Every route of a server. `doors`: clients' (door_routes.py); `files`: path → page, the live page's."""
    return (
        Route("/", FOR_VEHICLES, vehicles=vehicles, when=wants_websocket),
        Route("/", frozenset({"dashboards"}), refusal=NOT_VEHICLES_PORT, when=wants_websocket),
        Route("/health", ANY, page=health),
        Route("/metrics", FOR_DASHBOARDS | {"metrics"}, page=metrics),
        Route("/status", frozenset({"status"}), page=status),
        Route("/vehicles", FOR_DASHBOARDS, page=fleet, token=find_tokens, cors=True),
        Route(Variable("/vehicles/"), FOR_DASHBOARDS, page=vehicle, token=find_tokens, cors=True),
        *doors,
        *(Route(path, FOR_DASHBOARDS, page=page) for path, page in files.items()),
    )


class Routes:
    """The table over one server's settings. An exact path goes before a variable one; among equals the first row wins."""

    def __init__(
        self, settings: Settings, verifier: Verifier, routes: Sequence[Route], passed_on: ReadCertificate | None = None
    ) -> None:
        """`passed_on(request, time)`: the verified certificate that a trusted proxy passed on (CLIENT_CERT_HEADER), if any."""
        self._passed_on = passed_on
        self._settings = settings
        self._verifier = verifier
        self._origins = OriginPolicy(settings.allowed_origins)
        self._exact: dict[str, list[Route]] = {}
        self._variable: list[Route] = []
        for route in routes:
            rows = self._exact.setdefault(route.path, []) if isinstance(route.path, str) else self._variable
            rows.append(route)

    def decide(self, request: Request, peer: Peer, load: ServerLoad) -> Decision:
        headers: Headers = ()
        try:
            check_head(request)
            below = self._below_base(request)
            route = self._find(below or request, peer.listener, below is not None)
            if route.cors:
                headers = self._origins.cors(request)
            decision = self._decide(route, below or request, peer, load)
        except Refused as error:
            # an EventSource comes back after a broken connection, and never after an answer that refuses it
            answer = replace(Answer.of(error), hangs_up=error.refusal is DRAINING and request.is_event_source)
            return _with(headers, answer)
        if isinstance(decision, Serve) and (below is not None or headers):
            return Serve(_changed(decision.page, below or request, headers), decision.grant)
        return decision

    def _decide(self, route: Route, request: Request, peer: Peer, load: ServerLoad) -> Decision:
        if route.cors and request.method == "OPTIONS" and request.header("origin") is not None:
            return Answer(HTTPStatus.NO_CONTENT, headers=self._origins.preflight(request))
        _check_method(request, route.any_body)
        if route.vehicles is not None:
            check_handshake(request)
            return Open(route.vehicles, route.vehicles.admit(request, self._vehicle_caller(request, peer, load)))
        door: Door | None = route.door or route.strangers
        if door is not None:
            if door.websocket:
                _require_handshake(request)
            caller = self._dashboard_caller(route.token or find_tokens, request, peer, load, required=route.strangers is None)
            return Open(door, door.admit(request, caller))
        if route.page is not None:
            return Serve(route.page, None if route.token is None else self._grant(route.token, request, load))
        raise Refused(route.refusal or UNKNOWN_PATH)

    def _below_base(self, request: Request) -> Request | None:
        """The request as if BASE_PATH did not stand before its path; None if it does not."""
        base, path = self._settings.base_path, request.path
        if not base or not path.startswith(f"{base}/"):
            return None
        _, mark, query = request.target.partition("?")
        return replace(request, target=path.removeprefix(base) + mark + query)

    def _find(self, request: Request, listener: Listener, below_base: bool) -> Route:
        path = request.path
        candidates: list[Route] = [*self._exact.get(path, ()), *self._variable]
        for route in candidates:
            if route.matches(request, path, listener):
                if below_base and (route.vehicles or route.refusal):  # a vehicle's path is `/` and no other
                    break
                return route
        if path == self._settings.base_path != "" and listener != "vehicles":
            return Route(path, frozenset({listener}), page=_to_its_folder)
        raise Refused(UNKNOWN_PATH)

    # ---- who asks

    def _vehicle_caller(self, request: Request, peer: Peer, load: ServerLoad) -> VehicleCaller:
        """Raises Refused (403): for what a trusted proxy says of the vehicle's certificate."""
        strict = self._settings.production or peer.listener == "vehicles"
        certificate = peer.certificate
        if self._passed_on is not None and peer.proxy:
            named = self._passed_on(request, load.time)
            if named is not None and certificate is not None:
                raise Refused(TWO_CERTIFICATES)
            certificate = named or certificate
        return VehicleCaller(certificate, _no_certificate(peer, self._settings) if strict else None, load)

    def _dashboard_caller(self, find: FindTokens, request: Request, peer: Peer, load: ServerLoad, required: bool) -> Grant | None:
        """None only if no token is `required`. A stranger learns of a bad token before learning that the server is full."""
        self._origins.require(request, behind_proxy=bool(peer.proxy))
        grant = self._grant(find, request, load) if required or find(request) else None
        load.require_room_for_dashboard(self._settings.max_dashboards, grant.sub if grant is not None else "")
        return grant

    def _grant(self, find: FindTokens | None, request: Request, load: ServerLoad) -> Grant:
        return self._verifier.verify_first(find(request) if find is not None else (), load.time)


def _to_its_folder(request: Request, _: Grant | None) -> Answer:
    """BASE_PATH itself: the page's addresses are relative, and mean its folder only with the `/`."""
    location = f"{request.path.rpartition('/')[2]}/"
    return Answer(HTTPStatus.PERMANENT_REDIRECT, headers=(("Location", location),))


def _with(headers: Headers, answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, *headers)) if headers else answer


def _changed(page: WaitingPage, request: Request, headers: Headers) -> WaitingPage:
    """The page over another request, its answer with these headers too (a page that waits has none for other sites)."""
    return lambda _, grant: _with(headers, one) if isinstance(one := page(request, grant), Answer) else one


def _check_method(request: Request, any_body: bool) -> None:
    if request.method not in ("GET", "HEAD"):
        raise Refused(METHOD)
    if request.has_body and not any_body:
        raise Refused(BODY)


def _require_handshake(request: Request) -> None:
    if not wants_websocket(request):
        raise Refused(NO_UPGRADE)
    check_handshake(request)


def _no_certificate(peer: Peer, settings: Settings) -> str:
    if settings.client_cert_header and peer.proxy:
        return f"the proxy {peer.proxy} passed no Client-Cert header on: did the vehicle show it a certificate?"
    if not peer.secure:
        return "vehicles connect over mutual TLS: set CERT_PATH, KEY_PATH, CA_PATH and REQUEST_CLIENT_CERT, or VEHICLE_PORT"
    if peer.listener == "all" and not settings.request_client_cert:
        return "the server did not ask for a certificate: set REQUEST_CLIENT_CERT=true and CA_PATH, or use VEHICLE_PORT"
    return "the client showed no certificate: a browser, a scanner, or a proxy in between that ends TLS"
