"""Whoever begins to read anywhere counts as those do who have read everything."""

import pytest
from teslafast.cluster.batch import EPOCH, ROSTER, BatchHead
from teslafast.cluster.counting import LAST_SEQ, MARKS_AT_MOST, Counting


def batch(entries: int, known_stream: int = 0, known_event: int = 0, flags: int = 0) -> BatchHead:
    return BatchHead(flags, b"epoch  1", 1, b"run    1", 1, known_stream, known_event, entries)


def test_from_the_founding_on_everything_is_counted_from_nothing() -> None:
    counting = Counting(1)
    counting.count(batch(0, flags=EPOCH))
    assert counting.base == 0
    assert counting.count(batch(3)) == 0
    assert counting.count(batch(2)) == 3
    assert counting.seq == 5


def test_a_roster_and_what_is_no_batch_take_a_place_and_no_seq() -> None:
    counting = Counting(1)
    counting.count(batch(0, flags=EPOCH))
    counting.count(batch(9, flags=ROSTER))
    counting.count(None)
    assert (counting.seq, counting.next) == (0, 4)


def test_who_begins_later_is_placed_by_what_a_batch_knows_of_a_message_that_was_read() -> None:
    counting = Counting(10)
    counting.count(batch(3))
    assert not counting.place(batch(1, known_stream=8, known_event=90)), "that lies before what was read"
    counting.count(batch(1))
    assert counting.place(batch(1, known_stream=10, known_event=103))
    assert counting.base == 100
    counting.count(batch(1))
    assert counting.seq == 105


def test_what_is_known_of_the_message_before_the_first_is_enough() -> None:
    counting = Counting(10)
    assert counting.place(batch(1, known_stream=9, known_event=100))
    assert counting.base == 100


@pytest.mark.parametrize("known", [2**64 - 1, LAST_SEQ, 2])
def test_nobody_is_placed_by_a_seq_that_cannot_be(known: int) -> None:
    counting = Counting(10)
    counting.count(batch(3))
    assert not counting.place(batch(1, known_stream=10, known_event=known))
    assert counting.base is None


def test_another_count_is_noticed() -> None:
    counting = Counting(10)
    counting.place(batch(1, known_stream=9, known_event=100))
    counting.count(batch(1))
    counting.place(batch(1, known_stream=10, known_event=101))
    assert counting.disagreed == 0
    counting.place(batch(1, known_stream=10, known_event=102))
    assert counting.disagreed == 1


def test_what_lies_far_behind_is_forgotten_and_does_not_place() -> None:
    counting = Counting(1)
    counting.count(batch(0, flags=EPOCH))
    for _ in range(MARKS_AT_MOST + 10):
        counting.count(batch(1))
    counting.place(batch(1, known_stream=2, known_event=77))
    assert counting.disagreed == 0
