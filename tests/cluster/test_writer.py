"""One batch at a time, each stored once however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from teslafast.cluster.batch import CONNECTIVITY_CODE, ROSTER, RUN_HELLO, RUN_LEAVE, BatchHead, Entry, read_entries, read_head
from teslafast.cluster.engine import Got, Later, Looked, Published, Stored, Take, TakeSeveral, WrongLast
from teslafast.cluster.writer import UNSTORED_AT_MOST, Known, Writer

from tests.support.fake_loop import FakeLoop

VIN = "5YJ3E1EA7KF000001"


class Sent(NamedTuple):
    subject: str
    payload: bytes
    expected: int
    answer: Callable[[Published], object]

    @property
    def head(self) -> BatchHead:
        return read_head(self.payload)

    @property
    def texts(self) -> list[bytes]:
        return [entry.payload for entry in read_entries(self.payload, self.head)]


class Desk:
    """An engine that keeps what it is given, and the writer's site."""

    connected = True

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.sent: list[Sent] = []
        self.stored_upto = 0
        self.lost: list[tuple[int, int]] = []
        self.troubles: list[str] = []
        self.here: list[Entry] = []
        self.names = iter(range(100))
        self.writer = Writer(self, self.loop, self.loop.clock, lambda: b"run %04d" % next(self.names), self)

    def publish(
        self, subject: str, payload: bytes, expected: int, answer: Callable[[Published], object], *, of_stream: bool = False
    ) -> None:
        self.sent.append(Sent(subject, payload, expected, answer))

    def look(self, answer: Callable[[Looked], object]) -> None: ...
    def get(self, number: int, answer: Callable[[Got], object]) -> None: ...
    def get_last(self, subject: str, answer: Callable[[Got], object]) -> None: ...
    def make_stream(self, answer: Callable[[Looked], object]) -> None: ...
    def read(self, start: int, take: Take, take_several: TakeSeveral) -> None: ...
    def heard_s(self) -> float:
        return self.loop.now_s

    def known(self) -> Known:
        return Known(b"epoch  1", 1, 5, 50)

    def roster(self) -> list[Entry]:
        return self.here

    def on_stored(self, upto: int) -> None:
        self.stored_upto = upto

    def on_lost_last(self, last: int, expected: int) -> None:
        self.lost.append((last, expected))

    def on_trouble(self, reason: str) -> None:
        self.troubles.append(reason)


def opened() -> Desk:
    desk = Desk()
    desk.writer.open()
    desk.sent.pop().answer(Stored(10))
    return desk


def record(text: bytes) -> Entry:
    return Entry(0, VIN, b"", text, 0)


def told(status: bytes) -> Entry:
    return Entry(CONNECTIVITY_CODE, VIN, b"", status, 0)


def test_it_says_hello_before_anything_else_and_nothing_before_the_log_is_known() -> None:
    desk = Desk()
    desk.writer.submit(record(b"1"), None)
    assert desk.sent == []
    desk.writer.open()
    assert desk.sent[0].head.flags == RUN_HELLO
    assert desk.sent[0].expected == 0


def test_what_comes_while_a_batch_is_under_way_goes_into_the_next_one() -> None:
    desk = opened()
    for text in (b"1", b"2", b"3"):
        desk.writer.submit(record(text), None)
    assert [one.texts for one in desk.sent] == [[b"1"]]
    desk.sent[0].answer(Stored(11))
    assert [one.texts for one in desk.sent] == [[b"1"], [b"2", b"3"]]
    assert [one.expected for one in desk.sent] == [10, 11]
    assert desk.stored_upto == 1


def test_a_batch_that_is_not_answered_is_sent_again_as_it_was() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.loop.elapse()
    first, again = desk.sent
    assert (first.payload, first.expected) == (again.payload, again.expected)


def test_a_late_answer_counts_for_its_own_batch_alone() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.loop.elapse()
    desk.sent[1].answer(Stored(11))
    desk.writer.submit(record(b"2"), None)
    desk.sent[0].answer(Stored(11))
    assert desk.stored_upto == 1


def test_coming_back_proves_as_well_as_an_answer() -> None:
    desk = opened()
    desk.writer.returned(1, 10)
    desk.writer.submit(record(b"1"), "handle")
    items = desk.writer.returned(2, 11)
    assert items is not None
    assert [item.handle for item in items] == ["handle"]
    assert desk.stored_upto == 1
    desk.writer.submit(record(b"2"), None)
    assert desk.sent[-1].expected == 11


def test_a_refusal_because_something_later_is_there_is_left_to_the_stream() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.sent[0].answer(WrongLast(11))
    assert (desk.stored_upto, desk.lost) == (0, [])
    desk.writer.returned(2, 11)
    assert desk.stored_upto == 1


def test_a_refusal_because_our_last_message_is_gone_is_told() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.sent[0].answer(WrongLast(7))
    assert desk.lost == [(7, 10)]


def test_not_now_is_tried_again_soon() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.loop.timers.clear()
    desk.sent[0].answer(Later(0.001))
    assert desk.loop.elapse() == [0.001]
    assert len(desk.sent) == 2


def test_another_life_begins_with_what_holds_and_goes_on_with_what_was_not_stored() -> None:
    desk = opened()
    desk.writer.tell(told(b"old"))
    desk.writer.submit(record(b"1"), None)
    desk.writer.begin_run([told(b"now")], unread=False)
    hello = desk.sent[-1]
    assert hello.subject == b"run 0001".hex()
    assert (hello.head.flags, hello.expected) == (RUN_HELLO, 0)
    assert hello.texts == [b"now", b"1"]


def test_a_log_that_is_gone_is_given_again_what_it_had_not_shown() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.sent[-1].answer(Stored(11))
    desk.writer.submit(record(b"2"), None)
    desk.writer.close()
    desk.writer.begin_run([], unread=True)
    desk.writer.open()
    assert desk.sent[-1].texts == [b"1", b"2"]


def test_the_last_batch_of_a_run_comes_after_everything_else() -> None:
    desk = opened()
    desk.writer.submit(record(b"1"), None)
    desk.writer.submit(record(b"2"), None)
    desk.writer.leave()
    desk.sent[-1].answer(Stored(11))
    assert (desk.sent[-1].texts, desk.sent[-1].head.flags) == ([b"2"], RUN_LEAVE)
    assert not desk.writer.left
    desk.sent[-1].answer(Stored(12))
    assert desk.writer.left


def test_a_roster_says_who_is_here_when_it_leaves() -> None:
    desk = opened()
    desk.here = [told(b"here")]
    desk.writer.submit(record(b"1"), None)
    desk.writer.restate()
    desk.here = []
    desk.sent[-1].answer(Stored(11))
    assert (desk.sent[-1].head.flags, desk.sent[-1].texts) == (ROSTER, [])


def test_large_events_travel_in_batches_of_their_own() -> None:
    desk = opened()
    large = b"x" * 300_000
    for _ in range(3):
        desk.writer.submit(record(large), None)
    desk.sent[-1].answer(Stored(11))
    assert [len(one.texts) for one in desk.sent] == [1, 1]


def test_it_is_full_when_the_log_has_taken_nothing_for_long() -> None:
    desk = opened()
    while not desk.writer.full:
        desk.writer.submit(record(b"x" * 100_000), None)
    assert UNSTORED_AT_MOST < desk.writer.unstored_bytes < UNSTORED_AT_MOST + 200_000
    number = 10
    while not desk.writer.idle:
        number += 1
        desk.sent[-1].answer(Stored(number))
    assert desk.writer.unstored_bytes == 0
