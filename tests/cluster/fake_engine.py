"""
The engine of a simulated node: every request takes its time, may be lost, and may be carried out twice.

What goes wrong here is what has been seen of nats-server and nats-py: a publication that was made while the connection was away
is sent when it is back; a reader that loses messages silently, begins again at its start, or falls silent; an answer that
never comes; "not now" right after an acknowledgement, and after an election.
"""

from __future__ import annotations

from collections.abc import Callable

from teslafast.cluster.engine import Got, Looked, Published, StreamMessage, Take, TakeSeveral

from tests.cluster.world import Host, World

HEARTBEAT_EVERY_S = 1.0


class FakeEngine:
    """`on_connected` is the node's, set by whoever makes both."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host
        self._connection = 1  # counts connections; 0: there is none
        self._connections = 1
        self._buffered: list[Callable[[], None]] = []
        self._reader = 0
        self._deliver_at = 0.0
        self._heard_s = world.now_s
        self._take: Take = lambda message: None
        self._take_several: TakeSeveral = lambda messages, place: place
        self._lossy = 0.0
        self._following = False
        self._start = 1
        self.on_connected: Callable[[], object] = lambda: None
        world.stream.readers.append(self._new_message)
        self._heartbeat()

    @property
    def connected(self) -> bool:
        return self._connection > 0

    def heard_s(self) -> float:
        return self._heard_s

    # ---- requests

    def publish(
        self, subject: str, payload: bytes, expected: int, answer: Callable[[Published], object], *, of_stream: bool = False
    ) -> None:
        def do() -> Published:
            return self._world.stream.publish(subject, payload, expected, of_stream)

        self._request(do, answer)
        if self._world.random.random() < self._world.copies:  # a copy that took another way
            self._world.later(self._world.random.uniform(0.001, 2.0), lambda: None if self._world.stream.away else do())

    def look(self, answer: Callable[[Looked], object]) -> None:
        self._request(self._world.stream.info, answer)

    def get(self, number: int, answer: Callable[[Got], object]) -> None:
        self._request(lambda: self._world.stream.get(number), answer)

    def get_last(self, subject: str, answer: Callable[[Got], object]) -> None:
        self._request(lambda: self._world.stream.get_last(subject), answer)

    def make_stream(self, answer: Callable[[Looked], object]) -> None:
        self._request(self._world.stream.make, answer)

    def _request(self, do: Callable[[], object], answer: Callable[..., object]) -> None:
        if not self.connected:
            if self._world.random.random() < 0.5:  # it is sent when the connection is back
                self._buffered.append(lambda: self._request(do, answer))
            return
        connection = self._connection
        world = self._world

        def arrive() -> None:
            if world.stream.away or world.random.random() < 0.003:
                return
            found = do()
            if world.random.random() >= 0.01:
                world.later(world.latency(), lambda: answer(found) if connection == self._connection else None, self._host)

        world.later(world.latency(), arrive)

    # ---- from node to node

    def ask_peer(self, run: bytes, question: bytes, answer: Callable[[bytes | None], object]) -> None:
        world = self._world
        if not self.connected or world.random.random() < world.unanswered:
            return
        connection = self._connection

        def told(said: bytes | None) -> None:
            if world.random.random() >= world.unanswered:
                slow_s = world.random.choice((0.0, 0.3))  # as a large part over a busy network is
                world.later(slow_s, lambda: answer(said) if connection == self._connection else None, self._host)

        def arrive() -> None:
            peer = world.peers.get(run)
            if peer is None or not peer[0].alive:
                told(None)
            elif peer[1]():
                world.later(0.0, lambda: peer[2](question, told), peer[0])
                if world.random.random() < world.copies:
                    world.later(world.random.uniform(0.001, 2.0), lambda: peer[2](question, told), peer[0])

        world.later(world.latency(), arrive)

    def answer_peers(self, run: bytes, take: Callable[[bytes, Callable[[bytes], object]], object]) -> None:
        self._world.peers = {name: peer for name, peer in self._world.peers.items() if peer[0] is not self._host}
        self._world.peers[run] = (self._host, lambda: self.connected, take)

    # ---- reading

    def read(self, start: int, take: Take, take_several: TakeSeveral = lambda messages, place: place) -> None:
        self._take, self._take_several = take, take_several
        self._heard_s = self._world.now_s
        self._lossy = 0.0
        self._begin(start)

    def _begin(self, start: int) -> None:
        self._reader += 1
        self._start = start
        self._following = True
        self._deliver_at = self._world.now_s
        stream = self._world.stream
        for message in stream.messages[max(0, start - stream.first) :]:
            self._deliver(message)

    def _new_message(self, message: StreamMessage) -> None:
        if self._following and self._host.alive and self.connected:
            self._deliver(message)

    def _deliver(self, message: StreamMessage) -> None:
        world = self._world
        if self._lossy and world.random.random() < self._lossy:
            return
        self._deliver_at = max(self._deliver_at, world.now_s + world.latency())
        reader, connection = self._reader, self._connection
        world.later(self._deliver_at - world.now_s, lambda: self._arrive(reader, connection, message), self._host)

    def _arrive(self, reader: int, connection: int, message: StreamMessage) -> None:
        if reader == self._reader and connection == self._connection:
            self._heard_s = self._world.now_s
            # Every other one as if it had come with others.
            if message.number % 2 or not self._take_several([message], 0):
                self._take(message)

    def _heartbeat(self) -> None:
        if self.connected and self._following and not self._world.stream.away:
            self._heard_s = self._world.now_s
        self._world.later(HEARTBEAT_EVERY_S, self._heartbeat, self._host)

    # ---- faults

    def disconnect(self) -> None:
        self._connection = 0
        self._following = False

    def reconnect(self) -> None:
        if not self.connected and self._host.alive:
            self._connections += 1
            self._connection = self._connections
            buffered, self._buffered = self._buffered, []
            for again in buffered:
                again()
            self._world.later(0.0, self.on_connected, self._host)

    def lose_messages(self) -> None:
        """Its reader drops some of what comes, and says nothing."""
        self._lossy = 0.5

    def start_again(self) -> None:
        """The server with the reader has restarted: it begins again where it began once."""
        if self._following:
            self._begin(self._start)

    def fall_silent(self) -> None:
        self._following = False

    def die(self) -> None:
        self._following = False
        self._connection = 0
        self._world.stream.readers.remove(self._new_message)
