"""
MQTT: each field of each vehicle as a topic, retained, and the vehicle in Home Assistant by itself.

    event ─▶ mqtt_topics | teslamate_topics ─▶ mqtt_pace ─▶ mqtt_connection ─▶ broker      the cursor moves when it has confirmed

    BASE/teslafast/status    `online` while this server is connected, else `offline` (the will): retained. With several nodes it
                             stays `online` while the output moves from one to the next
    BASE/teslafast/gap       {"from","to"}: the ring overtook these before they could be published

What the broker has confirmed is remembered, and published again on each new connection, because a broker may have lost what it
retained. Values of before our own start come from the server's last values, once everything newer in the log has been published.
Nothing here waits for anything but the broker; there is no queue but the log, and the bounded one of mqtt_pace.py.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import orjson

from .. import __version__
from ..core.records import CONNECTIVITY, DATA
from ..core.tail import Event
from ..errors import Undelivered, Unreachable
from ..rfc3339 import rfc3339
from . import Context
from . import home_assistant as ha
from .home_assistant_entities import THRESHOLDS
from .mqtt_announcer import Announcer
from .mqtt_broker import OtherVersion, Publication
from .mqtt_connection import BrokerConnection, opened
from .mqtt_pace import Pace, Value
from .mqtt_packets import V5, V311, Will
from .mqtt_settings import TESLAMATE, MqttSettings, address
from .mqtt_topics import FleetLayout, Layout, Placed
from .teslamate_topics import TeslamateLayout

__all__ = ["MqttOutput", "MqttSettings"]

TESLAMATE_BASE = "teslamate"  # what its users have, unless they say otherwise
FLEET_BASE = "telemetry"
STATUSES_AT_MOST = 10_000  # whose connection is remembered: 200 bytes each
SUBSCRIBED_S = 1.0  # after a device message Home Assistant collects its subscriptions for 0.5 s: until then it hears no values


class MqttOutput:
    def __init__(self, settings: MqttSettings, context: Context, luck: Callable[[], float] = random.random) -> None:
        """Raises Misconfigured if a file cannot be used."""
        self._settings = settings
        self._context = context
        self._address = address(settings)
        self._versions = [V5, V311]  # what is tried; the one that the broker speaks, once it is known
        self._base, self._layout = _layout(settings)
        self._client_id = settings.client_id or f"teslafast-{_own_name(context, self._base)}"
        self._status = f"{self._base}/teslafast/status"
        self._pace = Pace(settings.interval_s, THRESHOLDS)
        self._connection: BrokerConnection | None = None
        self._statuses: dict[str, Mapping[str, Any]] = {}  # VIN → its last connectivity event
        self._seeded = False  # the last values of before our start have been published
        places = ha.Places(settings.discovery_prefix, self._base, self._status, __version__)
        announces = settings.discovery_prefix and settings.layout != TESLAMATE
        self._announcer = Announcer(places, luck) if announces else None
        for cause in ("superseded", "outdated", "refused"):
            context.dropped[cause] += 0  # a counter is there before it counts

    # ---- the runner's calls

    async def connect(self) -> None:
        connection = self._connection = await self._dial(self._client_id, will=True)
        await connection.publish([Publication(self._status.encode(), ha.ONLINE, 1, True)])
        await self._forget(connection)
        if self._announcer is not None:
            await self._announcer.connected(connection)
        if self._settings.retain:
            statuses = [self._layout.reports(vin, body) for vin, body in self._statuses.items()]
            await self._publish([(0, placed) for report in statuses for placed in report], list(self._pace.published()))

    async def send(self, events: Sequence[Event]) -> None:
        values: list[Value] = []
        reports: list[tuple[int, Placed]] = []
        for event in events:
            if event.vin not in self._settings.forget:
                self._sort(event, values, reports)
        now_s = asyncio.get_running_loop().time()
        if self._settings.interval_s:
            values = self._pace.due(now_s)
        self._count()
        if self._announcer is not None:
            await self._announcer.announce(self._live())
        await self._publish(reports, values)

    def _sort(self, event: Event, values: list[Value], reports: list[tuple[int, Placed]]) -> None:
        body = orjson.loads(event.text)
        if event.kind != DATA:
            reports.extend((event.seq, placed) for placed in self._layout.reports(event.vin, body))
            if event.kind == CONNECTIVITY:
                self._note_status(event.vin, body)
            return
        if self._announcer is not None:
            self._announcer.notice(event.vin, body["data"])
        now_s = asyncio.get_running_loop().time()
        created = body["createdAt"]
        for field, value in body["data"].items():
            one = Value((event.vin, field), value, event.seq, created)
            if self._settings.interval_s:
                self._pace.offer(one, body["isResend"], now_s)
            else:
                values.append(one)

    def _note_status(self, vin: str, body: Mapping[str, Any]) -> None:
        if len(self._statuses) >= STATUSES_AT_MOST:
            self._statuses.clear()
        self._statuses[vin] = body

    async def gap(self, first: int, last: int) -> None:
        text = orjson.dumps({"from": first, "to": last})
        await self._live().publish([Publication(f"{self._base}/teslafast/gap".encode(), text, self._settings.qos, False)])

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._context.moving is None or self._context.ending.is_set():
            await connection.close(Publication(self._status.encode(), ha.OFFLINE, 0, True))
        elif (self._session_s and self._versions == [V5]) or not self._context.moved.is_set():
            await connection.close(goodbye=False)  # the will tells, unless another connection takes this one's place in time
        else:
            await connection.close()

    @property
    def _session_s(self) -> int:
        """
        How long the broker waits with the will until another node has taken over.

        Not with QoS 2: the next client would use packet ids that the broker has not released yet, and what it publishes
        under them would be taken for a repetition.
        """
        moving = self._context.moving
        return 0 if moving is None or self._settings.qos == 2 else round(moving.within_s)

    # ---- of its own accord

    async def attend(self) -> None:
        now_s = asyncio.get_running_loop().time()
        birth_s = self._announcer.due_s if self._announcer is not None else None
        times = [time_s for time_s in (self._pace.due_s(), birth_s) if time_s is not None]
        try:
            async with asyncio.timeout(max(0.0, min(times) - now_s) if times else None):
                await self._live().news()
        except TimeoutError:
            return

    async def flush(self, everything: bool) -> None:
        now_s = asyncio.get_running_loop().time()
        await self._publish([], self._pace.due(now_s, everything))
        if not self._seeded:
            await self._seed()
            self._seeded = True
        if self._announcer is not None:
            await self._announcer.announce(self._live())
            if await self._announcer.answer_birth(self._live(), now_s) and not self._settings.retain:
                await asyncio.sleep(SUBSCRIBED_S)
                await self._publish([], list(self._pace.published()))

    def held_from(self) -> int | None:
        return self._pace.held_from()

    async def _seed(self) -> None:
        """The last values of before our start: a broker that has lost them gets them back; a car that sleeps is there at once."""
        for vin, values in self._context.last_values():
            if vin in self._settings.forget:
                continue
            if self._announcer is not None:
                self._announcer.notice(vin, values)
                await self._announcer.announce(self._live())
            if self._settings.retain:
                fresh = [Value((vin, field), value, 0, None) for field, value in values.items()]
                await self._publish(self._ended(vin), [one for one in fresh if not self._pace.knows(one.key)])

    def _ended(self, vin: str) -> list[tuple[int, Placed]]:
        """That a vehicle is not connected, if nothing else is known: a kill of ours left it connected for ever."""
        moving = self._context.moving
        if vin in self._statuses or (moving is not None and moving.is_connected(vin)):
            return []
        body = {"connectionId": "", "createdAt": rfc3339(time.time_ns()), "status": "DISCONNECTED"}
        self._note_status(vin, body)
        return [(0, placed) for placed in self._layout.reports(vin, body)]

    # ---- publishing

    async def _publish(self, reports: list[tuple[int, Placed]], values: Iterable[Value]) -> None:
        """In the order of the log. A value is remembered when it is confirmed."""
        found: list[tuple[int, Placed, Value | None]] = [(seq, placed, None) for seq, placed in reports]
        for value in values:
            placed = self._layout.values(*value.key, value.value)
            found.extend((value.seq, one, value) for one in placed)
            if not placed:
                self._confirmed(value)  # this layout has no topic for it
        found.sort(key=lambda one: one[0])
        messages = [self._message(placed.topic, placed.payload, placed.lasting) for _, placed, _ in found]
        if not messages:
            return

        def arrived(place: int) -> None:
            value = found[place][2]
            if value is not None:
                self._confirmed(value)

        try:
            hopeless = await self._live().publish(messages, arrived)
        except BaseException:
            self._pace.again()
            raise
        self._context.dropped["refused"] += len(hopeless)

    def _confirmed(self, value: Value) -> None:
        self._pace.confirmed(value, asyncio.get_running_loop().time())

    def _message(self, topic: bytes, payload: bytes, lasting: bool = True) -> Publication:
        return Publication(topic, payload, self._settings.qos, self._settings.retain and lasting)

    def _count(self) -> None:
        self._context.dropped["superseded"] = self._pace.superseded
        self._context.dropped["outdated"] = self._pace.outdated

    def _live(self) -> BrokerConnection:
        if self._connection is None:
            raise Unreachable(f"{self._address} is not connected")
        return self._connection

    # ---- connecting

    async def _dial(self, client_id: str, will: bool) -> BrokerConnection:
        """With version 5, or with 3.1.1 if the broker does not speak that."""
        last = Will(self._status.encode(), ha.OFFLINE) if will else None
        session_s = self._session_s if will else 0
        for version in self._versions:
            try:
                connection = await opened(self._address, version, client_id, last, self._received, session_s)
            except OtherVersion:
                if version == self._versions[-1]:
                    raise
                continue
            self._versions = [version]
            return connection
        raise Undelivered(f"{self._address} speaks no version of MQTT that we do")

    def _received(self, topic: bytes, payload: bytes) -> None:
        if self._announcer is not None:
            self._announcer.received(topic, payload, asyncio.get_running_loop().time())

    async def _forget(self, connection: BrokerConnection) -> None:
        """Takes what the broker has retained of the vehicles that are to be forgotten, Home Assistant's entities first."""
        for vin in self._settings.forget:
            if self._announcer is not None:
                await self._announcer.forget(connection, vin)
            kept = await connection.retained([self._layout.wildcard(vin)])
            await connection.publish([Publication(topic, b"", 1, True) for topic in kept])

    async def check(self) -> str:
        """Under another client id, without a will: a server that runs with these settings does not notice it."""
        connection = await self._dial(f"{self._client_id[:100]}-check", will=False)
        try:
            await connection.publish([Publication(f"{self._base}/teslafast/check".encode(), b"check", 1, False)])
        finally:
            await connection.close()
        version = "5" if self._versions == [V5] else "3.1.1"
        return f"{self._address} takes messages, MQTT {version}{', TLS' if self._address.tls is not None else ''}"


def _own_name(context: Context, base: str) -> str:
    """Of all nodes of a cluster the same: whoever takes the output over ends the connection of whoever had it."""
    if context.moving is None:
        return secrets.token_hex(6)
    return sha256(f"{context.moving.cluster} {base}".encode()).hexdigest()[:12]


def _layout(settings: MqttSettings) -> tuple[str, Layout]:
    if settings.layout != TESLAMATE:
        return settings.topic_base, FleetLayout(settings.topic_base)
    base = TESLAMATE_BASE if settings.topic_base == FLEET_BASE else settings.topic_base
    return base, TeslamateLayout(base, settings.vehicles)
