"""
When vehicles are announced to Home Assistant: what to send, and what has been sent.

    a vehicle is new, or its name or version has changed  ──▶ its device message
    we have connected, Home Assistant has started         ──▶ all of them again, and its birth is waited for
    the broker has one from an earlier version of ours    ──▶ first the removal of what we have no more
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..logs import fields, log
from . import home_assistant as ha
from .home_assistant import AnnouncedCar, Places
from .mqtt_broker import Publication
from .mqtt_connection import BrokerConnection

BIRTH_DELAY_S = 2.0  # so long at most after Home Assistant's birth: not every publisher of a house at the same moment
ANNOUNCED_AT_MOST = 10_000  # a device message has 50 kB; whoever has more vehicles does not look at them in Home Assistant
QOS = 1  # whatever the values have: an announcement that is lost is a car that is missing


class Announcer:
    """`due_s`: when Home Assistant's birth is to be answered; None: it has been."""

    def __init__(self, places: Places, luck: Callable[[], float]) -> None:
        self._places = places
        self._luck = luck
        self._cars: dict[str, AnnouncedCar] = {}
        self._changed: dict[str, None] = {}  # VINs, as an ordered set: whose message is to be sent
        self._examined: set[str] = set()  # VINs of which we know what the broker had
        self.due_s: float | None = None

    def notice(self, vin: str, data: Mapping[str, Any]) -> None:
        """Values of a vehicle: its first ones, its name and its version make its message."""
        known = self._cars.get(vin)
        if known is None:
            if len(self._cars) >= ANNOUNCED_AT_MOST:
                return
            known = AnnouncedCar(vin)
        elif "VehicleName" not in data and "Version" not in data:
            return
        name, version = data.get("VehicleName"), data.get("Version")
        car = AnnouncedCar(
            vin, name if isinstance(name, str) else known.name, version if isinstance(version, str) else known.version
        )
        if self._cars.get(vin) != car:
            self._cars[vin] = car
            self._changed[vin] = None

    async def connected(self, connection: BrokerConnection) -> None:
        if not await connection.subscribe([ha.birth_topic(self._places.prefix)]):
            remedy = "allow this user to read it; until then, what Home Assistant forgets comes back with our next start"
            topic = ha.birth_topic(self._places.prefix).decode()
            log.warning("mqtt_birth_not_readable", extra=fields(topic=topic, remedy=remedy))
        self._changed.update(dict.fromkeys(self._cars))
        await self.announce(connection)

    def received(self, topic: bytes, payload: bytes, now_s: float) -> None:
        if topic == ha.birth_topic(self._places.prefix) and payload == ha.BIRTH:
            self.due_s = now_s + BIRTH_DELAY_S * self._luck()

    async def answer_birth(self, connection: BrokerConnection, now_s: float) -> bool:
        """Sends all messages again if Home Assistant has started; whether it has."""
        if self.due_s is None or self.due_s > now_s:
            return False
        self._changed.update(dict.fromkeys(self._cars))
        await self.announce(connection)
        self.due_s = None
        return True

    async def announce(self, connection: BrokerConnection) -> None:
        """Sends what has changed, one vehicle after the other: a broker queues so many messages for a client, and no more."""
        while self._changed:
            vin = next(iter(self._changed))
            topic = ha.config_topic(self._places.prefix, vin)
            if vin not in self._examined:
                kept = await connection.retained([topic])
                gone = ha.removed(kept.get(topic, b""))
                if gone:
                    await self._send(connection, topic, ha.discovery(self._cars[vin], self._places, gone))
                self._examined.add(vin)
            await self._send(connection, topic, ha.discovery(self._cars[vin], self._places))
            del self._changed[vin]

    async def _send(self, connection: BrokerConnection, topic: bytes, payload: bytes) -> None:
        hopeless = await connection.publish([Publication(topic, payload, QOS, True)])
        if hopeless and payload:
            remedy = "raise the broker's limit, or set MQTT_DISCOVERY_PREFIX=none"
            log.warning("mqtt_discovery_refused", extra=fields(bytes=len(payload), cause=hopeless[0], remedy=remedy))

    async def forget(self, connection: BrokerConnection, vin: str) -> None:
        """Takes a vehicle out of Home Assistant. It warns if the entities of a device are gone before the device is."""
        topic = ha.config_topic(self._places.prefix, vin)
        if topic in await connection.retained([topic]):
            await self._send(connection, topic, b"")
