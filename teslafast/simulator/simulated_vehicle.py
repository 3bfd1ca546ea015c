"""
A simulated vehicle on a real connection: certificate, WebSocket, binary envelopes, and an account of every answer.

A `SimulatedVehicle` advances its drive (drive.py), lets chaos disturb what it sends (chaos.py), and sends over its latest
connection (connection.py); several may be open. When a connection is lost, the vehicle opens another after a back-off and sends
again what the server had not acknowledged: data as one true-up with `isResend`, other records as they were.
"""

import asyncio
import random
import ssl
import uuid
from collections.abc import Iterable

from picows import WSError

from ..backoff import delay_s
from ..websocket.connect import connect, is_final
from ..websocket.connect_error import connect_error
from .ack_tracker import OutgoingMessage
from .chaos import Chaos, Copy, Drop, Overlap, Resend, Send, SendMalformed, Step
from .connection import SimulatedConnection
from .drive import DATA_TOPIC, Drive
from .envelopes import EnvelopeWriter
from .simulation import Simulation

OVERLAP_S = 2.0  # how long the old of two connections stays open: longer than a round trip, so that both carry messages
# By HTTP status; 0: the server ended the connection during the handshake.
VEHICLE_REMEDIES = {
    0: "the server's log says why: CA_PATH must vouch for the vehicle's certificate; use ws:// without TLS and wss:// with TLS",
    401: "vehicles need no token: is this the path of dashboards?",
    403: "the server's log says why: CA_PATH, TESLA_VIN or the certificate's issuer",
    404: "vehicles connect to the path / only",
    426: "a proxy in front of the server does not pass WebSocket upgrades on",
}


class SimulatedVehicle:
    """`number` tells the vehicles of a run apart; `phase` is how far its day has gone (drive.py)."""

    def __init__(self, simulation: Simulation, vin: str, number: int, phase: float, context: ssl.SSLContext | None) -> None:
        # The factor keeps the vehicles of neighbouring seeds apart: runs with seeds 1 and 2 have no vehicle in common.
        seed = simulation.seed * 1_000_003 + number
        self.vin = vin
        self._simulation, self._context = simulation, context
        self._url = simulation.url if context else f"{simulation.url}?vin={vin}"
        self._rng = random.Random(seed)
        self._chaos = Chaos(simulation.chaos, seed)
        self._drive = Drive(vin, seed=seed, start_s=self._now(), phase=phase)
        self._interface = self._rng.choice(("cellular", "cellular", "wifi"))
        self._envelopes = EnvelopeWriter(vin, self._rng)
        self._connections: list[SimulatedConnection] = []
        self._lost: list[OutgoingMessage] = []
        self._last_keys: tuple[str, ...] = ()  # fields of the data message that was sent last
        self.has_tried = self.was_connected = False

    async def connect(self) -> SimulatedConnection:
        """Connects once. Raises OSError or WSError."""
        headers = {
            "X-Network-Interface": self._interface,
            "Version": "1.2.0",
            "X-TXID": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
        }

        def listener() -> SimulatedConnection:
            return SimulatedConnection(self._simulation.tally, self._lost.extend)

        try:
            _, connection = await connect(listener, self._url, self._context, headers)
        finally:
            self.has_tried = True
        self.was_connected = True
        self._connections = [other for other in self._connections if not other.ended.is_set()]
        self._connections.append(connection)
        self._envelopes.begin()
        return connection

    async def drive(self, after_s: float = 0.0) -> None:
        """Sends until it is cancelled, or until the server refuses it for good."""
        await asyncio.sleep(after_s)
        while (connection := await self._connected()) is not None:
            self._send_lost(connection)
            if not connection.acks.full:
                now = self._now()
                messages = [self._envelopes.message(topic, record, now) for topic, record in self._drive.step(now)]
                await self._perform(connection, self._chaos.disturb(messages))
            await asyncio.sleep(self._simulation.interval_s)

    async def settle(self, patience_s: float) -> None:
        """Sends again what was lost and waits until everything is answered, at most for `patience_s`; then closes."""
        try:
            async with asyncio.timeout(patience_s):
                await self._all_answered()
        except TimeoutError:
            pass  # the tally says what is missing
        self.close()
        for connection in self._connections:
            await connection.ended.wait()

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    async def _all_answered(self) -> None:
        held = self._chaos.release()
        while held or self._lost or any(connection.acks for connection in self._connections):
            if self._lost or held:
                latest = await self._connected()
                if latest is None:
                    return
                self._send_lost(latest)
                await self._perform(latest, held)
                held = []
            for connection in self._connections:
                await connection.quiet.wait()

    async def _connected(self) -> SimulatedConnection | None:
        """The latest connection, or a new one, however long that takes; None if the server refuses for good."""
        attempt = 0
        while not self._connections or self._connections[-1].ended.is_set():
            try:
                return await self.connect()
            except (OSError, WSError) as error:
                self._count_failure(error)
                if is_final(error):
                    return None
            await asyncio.sleep(delay_s(attempt, self._rng.random()))
            attempt += 1
        return self._connections[-1]

    def _count_failure(self, error: Exception) -> None:
        self._simulation.failures[connect_error(error, self._simulation.url, VEHICLE_REMEDIES).fault] += 1

    async def _perform(self, connection: SimulatedConnection, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Send(message):
                    connection.send(message)
                    self._last_keys = message.keys or self._last_keys
                case Copy(message):
                    connection.copy(message)
                case SendMalformed(frame, txid):
                    connection.send_malformed(frame, txid)
                case Resend():
                    connection.send(self._true_up(connection.acks.keys or self._last_keys))
                case Overlap():
                    connection = await self._overlapping(connection)
                case Drop():
                    connection.abort()

    async def _overlapping(self, present: SimulatedConnection) -> SimulatedConnection:
        try:
            connection = await self.connect()
        except (OSError, WSError) as error:
            self._count_failure(error)
            return present
        asyncio.get_running_loop().call_later(OVERLAP_S, present.close)
        return connection

    def _send_lost(self, connection: SimulatedConnection) -> None:
        if not self._lost:
            return
        # A copy: if the connection has ended meanwhile, `send` hands its message back into `_lost`.
        lost = self._lost.copy()
        self._lost.clear()
        data = [message for message in lost if message.topic == DATA_TOPIC]
        for message in lost:
            if message.topic != DATA_TOPIC:
                connection.send(message, again=True)
        if data:
            keys = [key for message in data for key in message.keys]
            connection.send(self._true_up(keys, settles=1 + sum(message.settles for message in data)))
        self._simulation.tally.resent += len(lost)

    def _true_up(self, keys: Iterable[str], settles: int = 1) -> OutgoingMessage:
        now = self._now()
        return self._envelopes.message(DATA_TOPIC, self._drive.true_up(keys, now), now, settles)

    def _now(self) -> float:
        """By the vehicle's own clock."""
        return self._simulation.now() + self._chaos.skew_s
