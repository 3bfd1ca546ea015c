"""
What server-sent events say besides the log's events, and what Teslemetry makes of a vehicle's coming and going.

    state     online, offline: a vehicle's first connection, its last one's end; asleep cannot be told from offline here
    config    the fields that the vehicle has sent: with it a client need not ask Teslemetry's REST API
    snapshot  the last values, isCache

Each `data:` is one line of JSON with `createdAt`: a client that parses times reconnects without it. Nothing here has an id but
the events of the log: a client that is cut off among snapshots gets them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson

from .._fanout import EventStream
from ..core.hub import Hub
from ..core.last_values import VehicleValues
from ..core.records import CONNECTIVITY, DATA
from ..core.registry import Registry
from ..rfc3339 import rfc3339
from .sse_topics import CONFIG, STATE

_STATES = {"CONNECTED": "online", "DISCONNECTED": "offline"}


def block(text: bytes, event_id: str = "") -> bytes:
    """One event of this JSON text."""
    return b"data: %s\n%s\n" % (text, f"id: {event_id}\n".encode() if event_id else b"")


def comment(words: str) -> bytes:
    """One line, and no empty one after it: some clients take that for an event without data."""
    return f": {words}\n".encode()


class SseDialect:
    """Of a reader of these topics. `clock()`: ns since 1970. `streams`: for events that do not come from the ring."""

    def __init__(self, topics: frozenset[str], clock: Callable[[], int], streams: EventStreams) -> None:
        self._topics = topics
        self._streams = streams
        self._clock = clock

    def hello(self, hub: Hub) -> bytes:
        return b""

    def event(self, seq: int, kind: int, vin: str, text: bytes) -> bytes:
        return self._streams.block(self._topics, seq, kind, vin, text)

    def gap(self, first: int, last: int) -> bytes:
        return comment(f"gap {first}-{last}")

    def token_expiring(self, exp: float) -> bytes:
        return b""

    def has_snapshots(self, kinds: int) -> bool:
        return bool(kinds & 1 << DATA) or not self._topics.isdisjoint((STATE, CONFIG))

    def vins(self, hub: Hub) -> Iterator[str]:
        known = dict.fromkeys(hub.last_values.vins())
        return iter(known | dict.fromkeys(entry.vin for entry in hub.registry))

    def snapshot(self, hub: Hub, vin: str) -> bytes | None:
        known = hub.last_values.get(vin)
        told = b""
        if STATE in self._topics and (known is not None or hub.registry.get(vin) is not None):
            told += block(self._state(hub.registry, vin, known))
        if known is None:
            return told or None
        created = rfc3339(known.newest_at(self._clock()))
        if CONFIG in self._topics:
            fields: dict[str, dict[str, object]] = {name: {} for name in known.values}
            told += block(orjson.dumps({"vin": vin, "createdAt": created, "config": {"fields": fields}}))
        if "data" in self._topics:
            told += block(_snapshot(hub.log.seq, vin, created, known.values))
        return told or None

    def _state(self, registry: Registry, vin: str, known: VehicleValues | None) -> bytes:
        entry, now_ns = registry.get(vin), self._clock()
        heard_ns = entry.heard_at(now_ns) if entry is not None else 0
        created_ns = heard_ns or (known.newest_at(now_ns) if known is not None else now_ns)
        state = "online" if registry.is_connected(vin) else "offline"
        return orjson.dumps({"isCache": True, "vin": vin, "createdAt": rfc3339(created_ns), "state": state})


def _snapshot(seq: int, vin: str, created: str, values: dict[str, Any]) -> bytes:
    members = {"type": "snapshot", "seq": seq, "vin": vin, "createdAt": created, "isCache": True, "data": values}
    return orjson.dumps(members)


class EventStreams:
    """The framings of one server's log: one object for all readers with the same needs."""

    def __init__(self, epoch: str, registry: Registry) -> None:
        self._registry = registry
        self._begin(epoch)

    def _begin(self, epoch: str) -> None:
        self._epoch = epoch
        self._plain = EventStream(epoch)
        self._with_state = {shown: EventStream(epoch, 1 << CONNECTIVITY, partial(self._coming, shown)) for shown in (True, False)}

    def framing(self, topics: frozenset[str], epoch: str) -> EventStream:
        """`epoch`: the log's now. A log that several nodes share may begin anew; then all its readers have been closed."""
        if epoch != self._epoch:
            self._begin(epoch)
        return self._with_state["connectivity" in topics] if STATE in topics else self._plain

    def block(self, topics: frozenset[str], seq: int, kind: int, vin: str, text: bytes) -> bytes:
        """One event as these framings give it, for a reader of these topics."""
        if kind == CONNECTIVITY and STATE in topics:
            return self._coming("connectivity" in topics, seq, vin, text)
        return block(text, f"{self._epoch}-{seq}")

    def _coming(self, shown: bool, seq: int, vin: str, text: bytes) -> bytes:
        """A connectivity event: the vehicle's state if it has changed, then the event itself if it is to be shown."""
        event_id = f"{self._epoch}-{seq}"
        body = orjson.loads(text)
        state = _STATES.get(body.get("status"))
        if state is None or (state == "offline" and self._registry.is_connected(vin)):  # an older connection's end
            return block(text, event_id) if shown else b""
        told = orjson.dumps({"vin": vin, "createdAt": body["createdAt"], "state": state})
        return block(told) + block(text, event_id) if shown else block(told, event_id)
