"""What a patient reader finds of a past of which the log's limits have dropped the beginning."""

from __future__ import annotations

from typing import Any

from teslafast.cluster.batch import EPOCH, BatchHead, Entry, packed
from teslafast.cluster.contents import entries_of
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.history import Replay

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.world import Host, HostTimer, World

OURS, OTHERS = b"epoch  1", b"epoch  0"


class Past:
    """A stream of batches with one event each, from message 2 on, and what a follower would know of it."""

    epoch = OURS
    epoch_at = 1

    def __init__(self, events: int, behind: int = 0, foreign: tuple[int, ...] = ()) -> None:
        self.world = World(1)
        self.world.copies = 0.0
        stream = self.world.stream
        stream.make()
        stream.store("epoch", packed(BatchHead(EPOCH, OURS, 1, bytes(8), 0, 0, 0, 0), ()))
        for number in range(2, events + 2):
            epoch = OTHERS if number in foreign else OURS
            known = max(1, number - 1 - behind)
            head = BatchHead(0, epoch, 1, b"run    1", number, known, known - 1, 1)
            stream.store("run", packed(head, [Entry(0, "VIN", b"", b"%d" % (number - 1), 0)]))
        self.number = stream.last
        self.engine = FakeEngine(self.world, Host())
        self.taken: list[int] = []
        self.missed: list[tuple[int, int]] = []
        self.failed = 0

    def read(self, after: int, patient: bool = True) -> None:
        timer: Any = HostTimer(self.world, Host())
        follower: Any = self
        self.replay = Replay(self.engine, timer, follower, self.show, after, self.take, self.fail, patient)
        self.replay.more()
        self.world.run(60.0)

    def show(self, first: int, message: StreamMessage) -> list[tuple[int, int, str, bytes]]:
        return [(first + place, 0, entry.vin, entry.payload) for place, entry in enumerate(entries_of(message))]

    def take(self, events: list[Any]) -> None:
        assert all(int(event[3]) == event[0] for event in events), "each under its own seq"
        if self.replay.missed is not None:
            self.missed.append(self.replay.missed)
        self.taken += [event[0] for event in events]
        if self.taken[-1:] != [self.number - 1]:
            self.world.later(0.0, self.replay.more)

    def fail(self) -> None:
        self.failed += 1


def test_what_is_there_is_read_from_the_seq_on_that_was_asked_for() -> None:
    past = Past(200, behind=3)
    past.read(after=50)
    assert (past.taken, past.missed, past.failed) == (list(range(51, 201)), [], 0)


def test_what_has_been_dropped_is_told_and_the_rest_is_read() -> None:
    past = Past(200, behind=3)
    past.world.stream.evict(80)
    past.read(after=50)
    (missed,) = past.missed
    assert missed[0] == 51
    assert past.taken == list(range(missed[1] + 1, 201))
    assert len(past.taken) >= 76, "but for the few whose seq no sender told"


def test_who_is_not_patient_fails_then() -> None:
    past = Past(200)
    past.world.stream.evict(80)
    past.read(after=50, patient=False)
    assert (past.taken, past.failed) == ([], 1)


def test_it_fails_if_nothing_is_left() -> None:
    past = Past(20)
    past.world.stream.evict(0)
    past.read(after=5)
    assert (past.taken, past.failed) == ([], 1)


def test_what_is_dropped_while_it_is_read_is_told_too() -> None:
    past = Past(600, behind=2)
    gone = iter([past.world.stream.evict])

    def take(events: list[Any], then: Any = past.take) -> None:
        then(events)
        for evict in gone:
            evict(100)

    past.take = take  # type: ignore[method-assign]
    past.read(after=0)
    assert past.taken[0] == 1
    (missed,) = past.missed
    assert sorted(past.taken + list(range(missed[0], missed[1] + 1))) == list(range(1, 601))


def test_a_message_of_a_sender_that_did_not_know_the_epoch_yet_tells_nothing_and_hides_nothing() -> None:
    for foreign in ((3,), (3, 4, 5, 6, 7, 8), (30, 31), tuple(range(20, 60))):
        past = Past(60, foreign=foreign)
        past.read(after=0)
        assert (past.taken, past.missed, past.failed) == (list(range(1, 61)), [], 0), foreign


def test_a_log_that_does_not_answer_for_long_is_asked_again() -> None:
    past = Past(30)
    past.engine.disconnect()
    past.world.later(30.0, past.engine.reconnect)
    past.read(after=0)
    assert (past.taken, past.failed) == (list(range(1, 31)), 0)
