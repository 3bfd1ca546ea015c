"""A cursor over the log: every event once and in order, or said to be lost; held against a list that forgets as the ring does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from teslafast._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from teslafast.core.tail import Event, Tail

RING = 4096
SMALL, LARGE = 40, 1500  # bytes of padding: a ring of 4 KiB holds some thirty small ones, or two large ones

A_STEP = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from([SMALL, SMALL, SMALL, LARGE])),
    st.tuples(st.just("take"), st.integers(0, 12)),
    st.tuples(st.just("take bytes"), st.integers(1, 3000)),
    st.tuples(st.just("missed"), st.just(0)),
)


class Ring:
    """A log, and all events that it has ever taken."""

    def __init__(self) -> None:
        self.log = Fanout(bytearray(bytes_needed(RING)), RING, FLAT_PREFIXES, lambda log: None)
        self.events: list[Event] = []

    def publish(self, size: int = SMALL) -> Event:
        number = len(self.events) + 1
        vin, kind = f"VIN{number % 5}", number % 4
        body = b'{"vin":"%s","pad":"%s"}' % (vin.encode(), b"x" * size)
        seq = self.log.publish(kind, vin, body, 1000 + number)
        text = FLAT_PREFIXES[kind] + b"%d," % seq + body[1:]
        self.events.append(Event(seq, kind, vin, text, 1000 + number))
        return self.events[-1]

    def overtake(self, tail: Tail) -> None:
        """Publishes until the tail's next event has gone."""
        while self.log.oldest <= tail.next:
            self.publish()


@given(st.lists(A_STEP, max_size=150), st.integers(0, 40))
def test_each_event_is_taken_once_in_order_or_told_as_missed_once(steps: list[tuple[str, int]], before: int) -> None:
    ring = Ring()
    for _ in range(before):
        ring.publish()
    tail = Tail(ring.log, ring.log.oldest)
    expected = tail.next  # the model: what must come next, taken or missed
    lost = 0
    for what, number in steps:
        owed = max(0, ring.log.oldest - expected)
        if what == "publish":
            ring.publish(number)
        elif what == "missed":
            assert tail.missed() == ((expected, expected + owed - 1) if owed else None)
            expected, lost = expected + owed, lost + owed
        else:
            taken = tail.take(number) if what == "take" else tail.take(100, number)
            waiting = [] if owed else ring.events[expected - 1 :]
            assert taken == (waiting[:number] if what == "take" else up_to(waiting, number))
            expected += len(taken)
        assert tail.next <= ring.log.seq + 1
        assert lost <= tail.lost <= lost + max(0, ring.log.oldest - expected)


def up_to(events: list[Event], most_bytes: int) -> list[Event]:
    """Those up to the one with which their texts come to `most_bytes`."""
    total = 0
    for number, event in enumerate(events, 1):
        total += len(event.text)
        if total >= most_bytes:
            return events[:number]
    return events


def test_an_event_says_its_vehicle_kind_time_and_text() -> None:
    ring = Ring()
    event = ring.publish()
    assert Tail(ring.log, 1).take(10) == [event]
    assert (event.vin, event.kind, event.time_ms) == ("VIN1", 1, 1001)
    assert event.text.startswith(b'{"type":"alerts","seq":1,"vin":"VIN1"')


def test_an_event_larger_than_the_byte_limit_is_taken_alone() -> None:
    ring = Ring()
    large, small = ring.publish(LARGE), ring.publish(SMALL)
    tail = Tail(ring.log, 1)
    assert tail.take(10, most_bytes=100) == [large]
    assert tail.take(10, most_bytes=100) == [small]


def test_a_tail_that_begins_beyond_the_log_begins_with_the_next_event() -> None:
    ring = Ring()
    ring.publish()
    tail = Tail(ring.log, 99)
    assert tail.next == 2
    event = ring.publish()
    assert tail.take(10) == [event]


def test_two_stretches_that_are_missed_before_anybody_asks_are_told_as_one() -> None:
    ring = Ring()
    tail = Tail(ring.log, 1)
    for _ in range(2):
        ring.overtake(tail)
        assert tail.take(10) == [], "what was missed comes before what is there"
    assert tail.missed() == (1, ring.log.oldest - 1)
    assert tail.lost == ring.log.oldest - 1
    assert tail.missed() is None
    assert tail.take(1)[0].seq == ring.log.oldest


def test_what_was_taken_stays_the_takers_when_the_ring_goes_on() -> None:
    ring = Ring()
    first = ring.publish()
    tail = Tail(ring.log, 1)
    taken = tail.take(1)
    ring.overtake(tail)
    assert taken == [first]
