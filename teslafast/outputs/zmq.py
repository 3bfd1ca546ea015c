"""
ZeroMQ: each event is two frames, NAMESPACE_TYPE and the body, at a socket that subscribers connect to, as with Tesla's server.

PUB and SUB have no acknowledgements. What can be promised, and is:

    nobody is subscribed              events wait in the log (after UNHEARD_S: `connecting`); the first subscriber gets those of
                                      the last FRAMES_SETTLE_S before the last one left, and all since
    a subscriber's queue is full      it is waited for, FULL_QUEUE_S at most; then it misses events until it reads again, and each
                                      is counted (`high_water`) and never acknowledged
    this server is killed             the cursor stays FRAMES_SETTLE_S behind what was sent: what libzmq had
                                      not written comes again

What a subscriber has not read when *it* is killed is lost to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ..errors import Unheard
from . import Context, Event
from .shapes import topic
from .zmq_publisher import InUse, ZmqPublisher
from .zmq_settings import ZmqSettings

__all__ = ["ZmqOutput", "ZmqSettings"]

HIGH_WATER = "high_water"  # why an event was given up: the queue of one subscriber at least was full
FRAMES_SLICE = 64  # events: some 0.3 ms of the event loop
FRAMES_LOOK_S = 0.01  # libzmq has no callbacks: while something is waited for, it is asked as often
FRAMES_IDLE_S = 0.5  # the same while there is nothing to send
UNHEARD_S = 2.0
FULL_QUEUE_S = 1.0
SUBSCRIBER_S = 50.0  # less than a runner's patience
FRAMES_SETTLE_S = 0.25  # a subscriber that reads has it by then


class ZmqOutput:
    def __init__(self, settings: ZmqSettings, context: Context) -> None:
        """Raises Misconfigured if a file of keys cannot be used."""
        self._publisher = ZmqPublisher(settings)
        self._context = context
        context.dropped[HIGH_WATER] += 0  # a counter is there before it counts
        self._through: set[int] = set()  # seqs of the batch that is being sent
        self._settling: deque[tuple[Sequence[Event], float]] = deque()  # batches, and when they were sent
        self._again: list[Event] = []  # had not settled when the last subscriber left
        self._waits = False  # for a subscriber: the socket stays
        self._lossy = False  # a queue has been full for long
        self._topics: dict[int, bytes] = {}

    # ---- of an Output

    async def connect(self) -> None:
        self._waits = False
        if not self._publisher.is_open:
            await self._publisher.open()
            task = asyncio.current_task()
            if task is not None:  # the runner's: when it is cancelled in a pause, it does not close what was kept
                task.add_done_callback(lambda _: self._publisher.end())
            return
        if not await self._until(self._heard, SUBSCRIBER_S):
            self._nobody()

    async def send(self, events: Sequence[Event]) -> None:
        left = [event for event in (*self._again, *events) if event.seq not in self._through]
        for start in range(0, len(left), FRAMES_SLICE):
            if not self._heard() and not await self._until(self._heard, UNHEARD_S):
                self._nobody()
            some = left[start : start + FRAMES_SLICE]
            for event in some:
                await self._put(event)
            if not self._heard():  # perhaps before they were sent
                self._nobody()
            self._through.update(event.seq for event in some)
            await asyncio.sleep(0)
        self._through.clear()
        self._again.clear()
        self._settling.append((events, asyncio.get_running_loop().time()))

    async def attend(self) -> None:
        """Returns when something has settled; takes note of subscribers meanwhile."""
        while True:
            held = self.held_from()
            await asyncio.sleep(FRAMES_IDLE_S if held is None else FRAMES_SETTLE_S / 5)
            if not self._heard() and held is not None:
                self._nobody()
            if held != self.held_from():
                return

    async def flush(self, everything: bool) -> None:
        if everything:
            self._settling.clear()

    def held_from(self) -> int | None:
        now_s = asyncio.get_running_loop().time()
        while self._settling and self._settling[0][1] + FRAMES_SETTLE_S <= now_s:
            self._settling.popleft()
        if self._again:
            return self._again[0].seq
        return self._settling[0][0][0].seq if self._settling else None

    async def check(self) -> str:
        try:
            await self._publisher.open()
            return f"{self._publisher.bind} can be bound"
        except InUse:
            if await _is_zeromq(self._publisher.bind):
                return f"{self._publisher.bind} is bound by ZeroMQ already: by this server, if it runs"
            raise
        finally:
            await self._publisher.close()

    async def close(self) -> None:
        if not self._waits:
            await self._publisher.close()

    # ---- one event

    async def _put(self, event: Event) -> None:
        name = self._topics.get(event.kind)
        if name is None:
            name = self._topics[event.kind] = f"{self._context.shared.namespace}_{topic(event)}".encode()
        body = event.body

        def put() -> bool:
            return self._publisher.put(name, body)

        arrived = put() or (not self._lossy and await self._until(put, FULL_QUEUE_S))
        self._lossy = not arrived and not self._publisher.put(name, body, lossy=True)
        if self._lossy and event.seq not in self._context.given_up:
            self._context.give_up(event.seq, HIGH_WATER)

    # ---- subscribers

    def _heard(self) -> bool:
        self._publisher.hear()
        return self._publisher.subscriptions > 0

    def _nobody(self) -> None:
        self._waits = not self._context.ending.is_set()
        self._again += [event for batch, _ in self._settling for event in batch]
        self._settling.clear()
        raise Unheard(f"nobody is subscribed at {self._publisher.bind}")

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        clock = asyncio.get_running_loop().time
        until_s = clock() + seconds
        while not reached():
            if clock() > until_s or (reached == self._heard and self._context.ending.is_set()):
                return False
            await asyncio.sleep(FRAMES_LOOK_S)
        return True


async def _is_zeromq(address: str) -> bool:
    """Whether who has the address greets as ZeroMQ does. A socket file tells nothing."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not address.startswith("tcp://"):
        return False
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1" if host == "*" else host.strip("[]"), int(port))
    except OSError:
        return False
    try:
        async with asyncio.timeout(1.0):
            greeting = await reader.readexactly(10)
        return greeting[0] == 0xFF and greeting[9] == 0x7F
    except (TimeoutError, EOFError, OSError):
        return False
    finally:
        writer.close()
