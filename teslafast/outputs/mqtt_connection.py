"""
One connection to an MQTT broker: it logs in, publishes until everything is confirmed, and notices when it ends.

    opened ──▶ publish … publish ──▶ close     what goes wrong is Undelivered with a reason; Unreachable if nobody is there

Messages go in windows: as many as the broker takes unconfirmed, then all their confirmations, then the next. So nothing is
queued here, nothing is overtaken, and an event loop's turn has one window's work at most. Confirmed means PUBACK with QoS 1,
PUBCOMP with QoS 2, and with QoS 0 that the broker has read that far: it has answered a ping that was sent behind them.

It runs on the event loop, without a thread: the packets are our own (mqtt_packets.py), and only the transport writes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from ..errors import Undelivered, Unreachable
from . import mqtt_packets as packets
from .mqtt_broker import HOPELESS, Address, OtherVersion, Publication, acknowledge_at_once, refusal

WINDOW = 64  # messages without confirmation, if the broker allows as many: some 0.3 ms of work, which no dashboard notices
KEEP_ALIVE_S = 30  # between our pings; a broker takes us for dead, and publishes our will, after 1.5 times as long
ANSWER_S = 10.0  # a broker that answers nothing for so long is gone
KEPT_AT_MOST = 10_000  # topics of one vehicle: ten times what all its fields are


class BrokerConnection(asyncio.Protocol):
    """Made by `opened`. `received` is called with (topic, payload) of what is subscribed to."""

    def __init__(self, address: Address, version: int, received: Callable[[bytes, bytes], object]) -> None:
        self._address = address
        self._version = version
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._parser = packets.Packets()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None  # for whatever `_due` says is still to come
        self._due: dict[int, tuple[int, int]] = {}  # packet id → (the kind that confirms it, the place of its message)
        self._pings = 0  # not answered yet
        self._connack: packets.Packet | None = None
        self._suback = b""
        self._kept: dict[bytes, bytes] | None = None  # what is retained, while it is asked for
        self._refused: dict[int, int] = {}  # place of a message → the reason code
        self._last_number = 0
        self._silent: asyncio.TimerHandle | None = None
        self._heard_s = self._loop.time()
        self._lost: Exception | None = None
        self._news = asyncio.Event()
        self._closed = asyncio.Event()  # the transport has let go of its socket
        self.limits = packets.Limits(0)

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        acknowledge_at_once(self._transport)

    def data_received(self, data: bytes) -> None:
        self._heard_s = self._loop.time()
        if self._transport is not None:
            acknowledge_at_once(self._transport)
        if self._connack is None and data[0] >> 4 != packets.CONNACK:
            self._end(Undelivered(f"{self._address} does not speak MQTT"))
            return
        try:
            for packet in self._parser.feed(data):
                self._take(packet)
        except ValueError as error:
            self._end(Undelivered(f"{self._address} does not speak MQTT: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._closed.set()
        self._end(Unreachable(f"{self._address} has ended the connection" + (f": {error}" if error is not None else "")))

    def _end(self, error: Exception) -> None:
        """The first reason is the one that counts."""
        self._lost = self._lost or error
        self._news.set()
        if self._silent is not None:
            self._silent.cancel()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._lost)
        if self._transport is not None:
            self._transport.abort()

    def _take(self, packet: packets.Packet) -> None:
        match packet.kind:
            case packets.PUBACK | packets.PUBREC | packets.PUBCOMP:
                self._confirmed(packet)
            case packets.PUBLISH:
                self._got(packet)
            case packets.PINGRESP:
                self._pings = max(0, self._pings - 1)
            case packets.CONNACK:
                self._connack = packet
                self._pings = max(0, self._pings - 1)  # `log_in` waits for it as for the answer to a ping
            case packets.SUBACK:
                number, self._suback = packets.granted(self._version, packet)
                self._due.pop(number, None)
            case packets.DISCONNECT:
                code = packets.ended(self._version, packet)
                says = "another client has connected with this client id" if code == 0x8E else f"MQTT's reason {code:#04x}"
                self._end(Unreachable(f"{self._address} has ended the connection: {says}"))
        if self._waiter is not None and not self._waiter.done() and not self._due and not self._pings:
            self._waiter.set_result(None)

    def _got(self, packet: packets.Packet) -> None:
        topic, payload = packets.message(self._version, packet)
        if self._kept is not None and packet.head & packets.RETAIN:
            if len(self._kept) < KEPT_AT_MOST:
                self._kept[topic] = payload
            return
        self._received(topic, payload)
        self._news.set()

    def _confirmed(self, packet: packets.Packet) -> None:
        number, code = packets.answer(packet)
        kind, place = self._due.get(number, (0, 0))
        if kind != packet.kind:
            return
        if code >= 0x80:
            self._refused[place] = code
        elif kind == packets.PUBREC and self._transport is not None:
            self._due[number] = (packets.PUBCOMP, place)
            self._transport.write(packets.release(number))
            return
        del self._due[number]

    # ---- ours

    async def log_in(self, client_id: str, will: packets.Will | None, session_s: int = 0) -> None:
        """`session_s`: see mqtt_packets.connect."""
        hello = packets.connect(self._version, client_id, self._address.login, will, KEEP_ALIVE_S, session_s)
        await self._exchange(hello, pings=1)
        if self._connack is None:
            raise Undelivered(f"{self._address} does not speak MQTT: it answered something else to CONNECT")
        self.limits = packets.limits(self._version, self._connack)
        if self.limits.code:
            raise refusal(self._address, self.limits)
        self._watch()

    def _watch(self) -> None:
        """Pings while nothing else is said, and ends a connection on which nothing is answered."""
        keep_alive_s = KEEP_ALIVE_S if self.limits.keep_alive_s is None else min(KEEP_ALIVE_S, self.limits.keep_alive_s)
        if keep_alive_s and self._transport is not None:
            if self._loop.time() - self._heard_s > keep_alive_s + ANSWER_S:
                self._end(Unreachable(f"{self._address} does not answer"))
                return
            self._pings += 1
            self._transport.write(packets.PINGREQ)
            self._silent = self._loop.call_later(keep_alive_s / 2, self._watch)

    async def publish(
        self, messages: Sequence[Publication], arrived: Callable[[int], object] = lambda place: None
    ) -> dict[int, str]:
        """
        Returns when all are confirmed. `arrived(n)` is called when the message in place n is.

        Returned: the places of messages that the broker will never take, each with the cause. Raises Undelivered, Unreachable.
        """
        hopeless: dict[int, str] = {}
        step = min(WINDOW, self.limits.in_flight)
        for first in range(0, len(messages), step):
            await self._window(messages[first : first + step], first, hopeless)
            for place in range(first, min(first + step, len(messages))):
                arrived(place)
        return hopeless

    async def _window(self, messages: Sequence[Publication], first: int, hopeless: dict[int, str]) -> None:
        out = []
        pings = 0
        self._refused = {}
        for place, (topic, payload, qos, retain) in enumerate(messages, first):
            qos = min(qos, self.limits.qos)
            number = self._number() if qos else 0
            packet = packets.publish(self._version, topic, payload, qos, retain and self.limits.retain, number)
            if len(packet) > self.limits.packet_bytes or len(topic) > packets.HIGHEST_ID:
                hopeless[place] = "too_large"
                continue
            out.append(packet)
            if qos:
                self._due[number] = (packets.PUBACK if qos == 1 else packets.PUBREC, place)
            else:
                pings = 1
        if out:
            await self._exchange(b"".join(out) + packets.PINGREQ * pings, pings)
        for place, code in self._refused.items():
            if code not in HOPELESS:
                where = messages[place - first].topic.decode(errors="replace")
                why = "not authorized" if code == 0x87 else f"MQTT's reason {code:#04x}"
                raise Undelivered(f"{self._address} refuses {where}: {why}")
            hopeless[place] = HOPELESS[code]

    async def subscribe(self, topics: list[bytes]) -> bool:
        """Returns when what is retained there has been received; False if the broker refuses one of them."""
        number = self._number()
        self._due[number] = (packets.SUBACK, 0)
        await self._exchange(packets.subscribe(self._version, number, topics) + packets.PINGREQ, pings=1)
        return all(code < 0x80 for code in self._suback)

    async def retained(self, topics: list[bytes]) -> dict[bytes, bytes]:
        """What the broker keeps there, by topic: KEPT_AT_MOST of it. Nothing, if we may not read it."""
        self._kept = {}
        try:
            await self.subscribe(topics)
            return self._kept
        finally:
            self._kept = None
            if self._transport is not None and self._lost is None:
                self._transport.write(packets.unsubscribe(self._version, self._number(), topics))

    async def news(self) -> None:
        """Until something has been received. Raises Unreachable when the connection ends."""
        await self._news.wait()
        self._news.clear()
        if self._lost is not None:
            raise self._lost

    async def _exchange(self, data: bytes, pings: int) -> None:
        """Writes, and returns when everything that is due has come. `pings`: how many answers besides those in `_due`."""
        if self._lost is not None:
            raise self._lost
        if self._transport is None:
            raise Unreachable(f"{self._address} is not connected")
        self._waiter = self._loop.create_future()
        self._pings += pings
        self._transport.write(data)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._waiter
        except TimeoutError:
            raise Unreachable(f"{self._address} does not answer") from None

    def _number(self) -> int:
        self._last_number = self._last_number % packets.HIGHEST_ID + 1
        return self._last_number

    def abort(self) -> None:
        self._end(Unreachable(f"{self._address} is not wanted any more"))

    async def close(self, last: Publication | None = None, goodbye: bool = True) -> None:
        """Says goodbye, after `last`, so that the broker does not publish the will; or not. Returns when the socket is closed."""
        if self._silent is not None:
            self._silent.cancel()
        if self._transport is None:
            return
        try:
            if not goodbye:
                self._transport.abort()
            elif self._lost is None:
                words = b""
                if last is not None:
                    words = packets.publish(self._version, last.topic, last.payload, 0, last.retain, 0)
                self._transport.write(words + packets.BYE)
                self._transport.close()
            await self._closed.wait()
        finally:
            self._transport.abort()  # nothing, if it is closed by now


async def opened(
    address: Address,
    version: int,
    client_id: str,
    will: packets.Will | None,
    received: Callable[[bytes, bytes], object],
    session_s: int = 0,
) -> BrokerConnection:
    """A connection that has logged in. Raises Undelivered, Unreachable."""
    connection = await _dialled(address, version, received)
    try:
        await connection.log_in(client_id, will, session_s)
    except BaseException as error:
        connection.abort()
        if version == packets.V5 and isinstance(error, Unreachable):  # some old brokers just hang up
            raise OtherVersion(str(error)) from None
        raise
    return connection


async def _dialled(address: Address, version: int, received: Callable[[bytes, bytes], object]) -> BrokerConnection:
    name = address.host if address.tls is not None else None
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: BrokerConnection(address, version, received),
            address.host,
            address.port,
            ssl=address.tls,
            server_hostname=name,
        )
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the certificate of {address} is not trusted: {error.verify_message}; see MQTT_CA_PATH") from None
    except ssl.SSLError as error:
        raise Undelivered(f"no TLS with {address}: {error.reason or error}") from None
    except OSError as error:
        raise Unreachable(f"{address} cannot be reached: {error.strerror or error}") from None
    return connection
