"""The door at `/sse` and `/sse/VIN`: Teslemetry's server-sent events, for its clients, for browsers' EventSource and for curl."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from ..core.hub import Hub
from ..errors import BadQuery, Refused
from ..http_messages import Request
from ..refusals import UNKNOWN_PATH
from ..text import one_line
from ..websocket.rules import Rules
from .admission import AdmitDashboard
from .session import DashboardSession
from .sse_connection import SseConnection, lost_since, response_head
from .sse_events import EventStreams, SseDialect
from .sse_topics import parse_event_id, parse_topics, subscription
from .subscription import parse_vins, vins_asked
from .tessie_door import is_full_vin
from .tokens import Grant, Verifier


@dataclass(frozen=True, slots=True)
class AdmitSse:
    """A reader that may connect: what it may see, and which topics it asked for."""

    dashboard: AdmitDashboard
    topics: frozenset[str]


class SseDoor:
    name = "sse"
    websocket = False

    def __init__(self, hub: Hub, rules: Rules, verifier: Verifier) -> None:
        self._hub = hub
        self._rules = rules
        self._verifier = verifier
        self._streams = EventStreams(hub.epoch, hub.registry)

    def admit(self, request: Request, grant: Grant) -> AdmitSse:
        """Raises Refused (400, 403, 404)."""
        query = request.query
        topics = parse_topics(query)
        granted = grant.narrowed(self._vin(request.path, grant))
        vins = granted.narrowed(vins_asked(query, self._hub.settings.production)).vins  # a filter is never passed over
        return AdmitSse(AdmitDashboard(grant, subscription(query, topics, vins), None), topics)

    def _vin(self, path: str, grant: Grant) -> frozenset[str] | None:
        """The VIN in `/sse/VIN`, None without one. In development a vehicle may have another name, if anybody has heard of it."""
        part = path.removeprefix("/sse").strip("/")
        if not part:
            return None
        try:
            vins = parse_vins([part], self._hub.settings.production)
        except BadQuery as error:
            raise Refused(UNKNOWN_PATH, str(error)) from None
        (vin,) = vins
        known = self._hub.last_values.get(vin) is not None or self._hub.registry.get(vin) is not None or vin in (grant.vins or ())
        if not known and not is_full_vin(vin):
            raise Refused(UNKNOWN_PATH, f"{one_line(vin, 40)!r} is not a VIN, and no vehicle of that name has connected")
        return vins

    def open(self, admission: AdmitSse, address: str) -> OpenedSse:
        return OpenedSse(self, admission, address)

    def begin(self, admission: AdmitSse, address: str, transport: Any, request: Request) -> None:
        """Answers the request, and goes on after `Last-Event-ID` if the log still has all that came after it."""
        hub, dashboard, lost = self._hub, admission.dashboard, None
        place = parse_event_id(request.header("last-event-id"))
        if place is not None and place.epoch == hub.epoch and (place.seq <= hub.log.seq or hub.shares_log):
            lost = lost_since(hub, place) if hub.past is None else None
            if lost is None:
                asked = replace(dashboard.subscription, since=place.seq, epoch=place.epoch)
                dashboard = replace(dashboard, subscription=asked)
        framing = self._streams.framing(admission.topics, hub.epoch)
        dialect = SseDialect(admission.topics, time.time_ns, self._streams)
        session = DashboardSession(hub, self._verifier, dashboard, time.time(), dialect)
        connection = SseConnection(hub, self._rules, session, address)
        connection.begin(transport, response_head(request.header("origin")), framing, lost)


@dataclass(frozen=True, slots=True)
class OpenedSse:
    """`doors.Opened` of this door."""

    door: SseDoor
    admission: AdmitSse
    address: str

    def take(self, transport: Any, request: Request, rest: bytes) -> None:
        """`rest`, the body of a request that should have none, is passed over."""
        if request.method == "HEAD":
            transport.write(response_head(request.header("origin")))
            transport.close()
        else:
            self.door.begin(self.admission, self.address, transport, request)
