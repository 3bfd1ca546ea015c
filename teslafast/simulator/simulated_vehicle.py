"""
A vehicle that is not there, on a connection that is: certificate, WebSocket, binary envelopes, and an eye on every answer.

A `Phantom` steps its drive (drive.py), lets chaos disturb it (chaos.py) and sends over its latest connection (uplink.py), of
which there may be several. A connection that is lost is replaced after a back-off, and what it took with it is told again: data
as one true-up with `isResend`, other records as they were.
"""

import asyncio
import random
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from picows import WSError

from ..backoff import delay_s
from ..protocol._wire import write_envelope, write_record
from ..websocket.connect import connect, is_final
from ..websocket.connect_error import connect_error
from .ack_tracker import Message, Tally
from .chaos import Chaos, Copy, Drop, Overlap, Resend, Send, SendMalformed, Step
from .connection import Uplink
from .drive import Drive, Record, V

OVERLAP_S = 2.0
REMEDIES = {
    0: "its log says why: CA_PATH must vouch for the vehicle's certificate; ws:// is without TLS, wss:// with it",
    401: "vehicles need no token: is this the path of dashboards?",
    403: "its log says why: CA_PATH, TESLA_VIN or the certificate's issuer",
    404: "vehicles connect to the path / only",
    426: "something in front of the server does not pass WebSocket upgrades on",
}


@dataclass
class Fleet:
    """What all phantoms of a run share: where they call, how often they look, their wall clock, and what came of it."""

    url: str
    interval_s: float
    chaos: frozenset[str] = frozenset()
    seed: int = 1
    tally: Tally = field(default_factory=Tally)
    failures: Counter[str] = field(default_factory=Counter)  # calls that failed, by cause
    started_s: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.time)

    def now(self) -> float:
        """Seconds since 1970, never falling, whatever is done to the machine's clock."""
        return self.started_at + time.monotonic() - self.started_s


class Phantom:
    """`number` tells the vehicles of a fleet apart; `phase` is how far its day has gone (drive.py)."""

    def __init__(self, fleet: Fleet, vin: str, number: int, phase: float, context: ssl.SSLContext | None) -> None:
        seed = fleet.seed * 1_000_003 + number
        self.vin = vin
        self._fleet, self._context = fleet, context
        self._url = fleet.url if context else f"{fleet.url}?vin={vin}"
        self._lot = random.Random(seed)
        self._chaos = Chaos(fleet.chaos, seed)
        self._drive = Drive(vin, seed=seed, start_s=self._now(), phase=phase)
        self._interface = self._lot.choice(("cellular", "cellular", "wifi"))
        self._sender_id, self._device_id = f"vehicle_device.{vin}".encode(), vin.encode()
        self._uplinks: list[Uplink] = []
        self._lost: list[Message] = []
        self._told: tuple[str, ...] = ()
        self._prefix, self._count = b"", 0
        self.has_called = False

    async def call(self) -> Uplink:
        """A connection, without a second try. Raises OSError or WSError."""
        headers = {
            "X-Network-Interface": self._interface,
            "Version": "1.2.0",
            "X-TXID": str(uuid.UUID(int=self._lot.getrandbits(128), version=4)),
        }
        try:
            _, uplink = await connect(lambda: Uplink(self._fleet.tally, self._lost.extend), self._url, self._context, headers)
        finally:
            self.has_called = True
        self._uplinks = [other for other in self._uplinks if not other.ended.is_set()]
        self._uplinks.append(uplink)
        self._prefix, self._count = self._lot.randbytes(11).hex().encode(), 0
        return uplink

    @property
    def was_connected(self) -> bool:
        return bool(self._prefix)

    async def drive(self, after_s: float = 0.0) -> None:
        """Until it is cancelled, or refused for good."""
        await asyncio.sleep(after_s)
        while (uplink := await self._connected()) is not None:
            self._tell_again(uplink)
            if not uplink.ledger.full:
                messages = [self._message(topic, record) for topic, record in self._drive.step(self._now())]
                await self._perform(uplink, self._chaos.disturb(messages))
            await asyncio.sleep(self._fleet.interval_s)

    async def settle(self, patience_s: float) -> None:
        """Waits until all is answered, telling again what was lost, but not longer than `patience_s`; then hangs up."""
        try:
            async with asyncio.timeout(patience_s):
                await self._answered()
        except TimeoutError:
            pass  # the tally says what is missing
        self.hang_up()
        for uplink in self._uplinks:
            await uplink.ended.wait()

    def hang_up(self) -> None:
        for uplink in self._uplinks:
            uplink.close()

    async def _answered(self) -> None:
        held = self._chaos.release()
        while held or self._lost or any(uplink.ledger for uplink in self._uplinks):
            if self._lost or held:
                latest = await self._connected()
                if latest is None:
                    return
                self._tell_again(latest)
                await self._perform(latest, held)
                held = []
            for uplink in self._uplinks:
                await uplink.quiet.wait()

    async def _connected(self) -> Uplink | None:
        """The latest connection, or a new one, however long that takes; None if there will never be one."""
        attempt = 0
        while not self._uplinks or self._uplinks[-1].ended.is_set():
            try:
                return await self.call()
            except (OSError, WSError) as error:
                self._fleet.failures[connect_error(error, self._fleet.url, REMEDIES).fault] += 1
                if is_final(error):
                    return None
            await asyncio.sleep(delay_s(attempt, self._lot.random()))
            attempt += 1
        return self._uplinks[-1]

    async def _perform(self, uplink: Uplink, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Send(message):
                    uplink.send(message)
                    self._told = message.keys or self._told
                case Copy(message):
                    uplink.copy(message)
                case SendMalformed(frame, txid):
                    uplink.send_malformed(frame, txid)
                case Resend():
                    uplink.send(self._true_up(uplink.ledger.keys or self._told))
                case Overlap():
                    uplink = await self._overlapping(uplink)
                case Drop():
                    uplink.abort()

    async def _overlapping(self, present: Uplink) -> Uplink:
        try:
            uplink = await self.call()
        except (OSError, WSError) as error:
            self._fleet.failures[connect_error(error, self._fleet.url, REMEDIES).fault] += 1
            return present
        asyncio.get_running_loop().call_later(OVERLAP_S, present.close)
        return uplink

    def _tell_again(self, uplink: Uplink) -> None:
        if not self._lost:
            return
        lost = self._lost.copy()
        self._lost.clear()
        data = [message for message in lost if message.topic == V]
        for message in lost:
            if message.topic != V:
                uplink.send(message, again=True)
        if data:
            keys = [key for message in data for key in message.keys]
            uplink.send(self._true_up(keys, settles=1 + sum(message.settles for message in data)))
        self._fleet.tally.resent += len(lost)

    def _true_up(self, keys: Iterable[str], settles: int = 1) -> Message:
        return self._message(V, self._drive.true_up(keys, self._now()), settles)

    def _message(self, topic: bytes, record: Record, settles: int = 1) -> Message:
        self._count += 1
        txid = b"%s-%09d" % (self._prefix, self._count)
        frame = write_envelope(
            topic,
            txid,
            write_record(topic, record),
            sender_id=self._sender_id,
            device_type=b"vehicle_device",
            device_id=self._device_id,
            created_at=int(self._now()),
        )
        keys = tuple(datum["key"] for datum in record.get("data", ()))
        return Message(txid, topic, frame, keys, settles)

    def _now(self) -> float:
        """By the vehicle's own clock."""
        return self._fleet.now() + self._chaos.skew_s
