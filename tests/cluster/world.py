"""
A world for nodes without a network: virtual time, one seed, and a stream whose servers do what real ones do when they fail.

    World        what happens when, in the order of virtual time; every choice comes from one seeded generator
    Host         one process: it may be paused (what happens meanwhile waits) or killed (it never happens)
    FakeStream   the messages, compare-and-set, and what goes wrong with a store: dropped, cut off at its end, deleted
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

from teslafast.cluster.engine import Later, Looked, NoStream, Published, Stored, StreamInfo, StreamMessage, WrongLast

WALL_MS = 1_795_420_800_000


class Host:
    """A process. `paused`: SIGSTOP; what is due meanwhile happens when it goes on."""

    def __init__(self) -> None:
        self.alive = True
        self.paused = False
        self.backlog: list[Callable[[], object]] = []


# A node that others may ask: whether it is connected, and what takes a question.
Peer = tuple[Host, Callable[[], bool], Callable[[bytes, Callable[[bytes], object]], object]]


class World:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 1000.0
        self._queue: list[tuple[float, int, Host | None, Callable[[], object]]] = []
        self._order = itertools.count()
        self.copies = 0.02  # how likely a publication is to arrive a second time
        self.unanswered = 0.02  # and what nodes ask each other, or answer, not to arrive
        self.peers: dict[bytes, Peer] = {}
        self.stream = FakeStream(self)

    def clock(self) -> float:
        return self.now_s

    def wall_ns(self) -> int:
        return WALL_MS * 1_000_000 + int(self.now_s * 1e9)

    def name(self) -> bytes:
        return self.random.randbytes(8)

    def later(self, delay: float, callback: Callable[[], object], host: Host | None = None) -> None:
        heapq.heappush(self._queue, (self.now_s + delay, next(self._order), host, callback))

    def run(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self._queue and self._queue[0][0] <= until_s:
            due_s, _, host, callback = heapq.heappop(self._queue)
            self.now_s = max(self.now_s, due_s)
            if host is None:
                callback()
            elif host.paused:
                host.backlog.append(callback)
            elif host.alive:
                callback()
        self.now_s = until_s

    def resume(self, host: Host) -> None:
        host.paused = False
        backlog, host.backlog = host.backlog, []
        if self.random.random() < 0.3:  # timers and sockets have no order among each other
            backlog.reverse()
        for callback in backlog:
            self.later(0.0, callback, host)

    def latency(self) -> float:
        """Of one way: mostly a millisecond, now and then long."""
        dice = self.random.random()
        return self.random.uniform(0.0002, 0.002) if dice < 0.97 else self.random.uniform(0.05, 0.4)


class HostTimer:
    """What a node's timers are: they stop with it."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self._world.later(delay, callback, self._host)


class FakeStream:
    """
    `messages[k]` has the number `first + k`. `away_until`: no leader, so nothing is answered. `changed` is called with each new
    message, and with None when messages have gone.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._created = itertools.count(1)
        self.exists = False
        self.created = ""
        self.first = 1
        self.messages: list[StreamMessage] = []
        self.by_subject: dict[str, list[int]] = {}
        self.away_until = 0.0
        self.settling_until = 0.0  # a new leader has not applied everything yet
        self.readers: list[Callable[[StreamMessage], object]] = []

    @property
    def away(self) -> bool:
        return self._world.now_s < self.away_until

    @property
    def last(self) -> int:
        return self.first + len(self.messages) - 1

    def make(self) -> Looked:
        if not self.exists:
            self.exists = True
            self.created = f"stream {next(self._created)}"
            self.first, self.messages, self.by_subject = 1, [], {}
        return self.info()

    def info(self) -> Looked:
        if not self.exists:
            return NoStream()
        return StreamInfo(self.created, self.first, self.last, sum(len(one.payload) for one in self.messages[-50:]))

    def publish(self, subject: str, payload: bytes, expected: int, of_stream: bool) -> Published:
        if not self.exists:
            return NoStream()
        if self._world.now_s < self.settling_until and self._world.random.random() < 0.5:
            return Later(self._world.random.choice((0.001, 0.05, 0.1)))
        last = self.last if of_stream else next(iter(reversed(self.by_subject.get(subject, ()))), 0)
        if last != expected:
            return WrongLast(last)
        message = StreamMessage(self.last + 1, subject, self._world.wall_ns() // 1_000_000, payload)
        self.messages.append(message)
        self.by_subject.setdefault(subject, []).append(message.number)
        self.settling_until = self._world.now_s + (0.0005 if self._world.random.random() < 0.1 else 0.0)
        for tell in list(self.readers):
            tell(message)
        return Stored(message.number)

    def store(self, subject: str, payload: bytes) -> int:
        """As a writer that tries again does it: stored for certain; its number."""
        while True:
            how = self.publish(subject, payload, self.last, of_stream=True)
            if isinstance(how, Stored):
                return how.number

    def get(self, number: int) -> StreamMessage | None:
        return self.messages[number - self.first] if self.first <= number <= self.last else None

    def get_last(self, subject: str) -> StreamMessage | None:
        """Now and then from a server that has not the newest yet."""
        numbers = self.by_subject.get(subject, [])[-2:]
        if len(numbers) > 1 and self._world.random.random() < 0.2:
            del numbers[1]
        return self.get(numbers[-1]) if numbers else None

    # ---- disasters

    def evict(self, kept: int) -> None:
        """The limits drop all but the newest."""
        gone = max(0, len(self.messages) - kept)
        self.first += gone
        del self.messages[:gone]
        self._forget(lambda number: number < self.first)

    def roll_back(self, lost: int) -> None:
        """The servers come back without the newest messages, although they had been stored."""
        keep = max(0, len(self.messages) - lost)
        del self.messages[keep:]
        self._forget(lambda number: number > self.last)

    def delete(self) -> None:
        self.exists = False
        self.messages, self.by_subject, self.first = [], {}, 1

    def _forget(self, gone: Callable[[int], bool]) -> None:
        left = {subject: [one for one in numbers if not gone(one)] for subject, numbers in self.by_subject.items()}
        self.by_subject = {subject: numbers for subject, numbers in left.items() if numbers}
