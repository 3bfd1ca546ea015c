"""How far an output has come, as a message of the log: its bytes, and one writer's way to replace it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.cluster.batch import PLACE, BatchHead, NotABatch, packed, read_head
from teslafast.cluster.engine import StreamInfo, StreamMessage
from teslafast.cluster.places import NOBODY, NODE_LABEL_AT_MOST, OutputPlace, PlaceSubject, output_of, packed_place, read_place
from teslafast.cluster.writer import Known

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.world import Host, HostTimer, World

HEAD = BatchHead(PLACE, b"epoch  1", 1, b"run    1", 7, 5, 50, 0)
PLACE_OF = OutputPlace(b"run    1", b"epoch  1", 42, NOBODY, "web-1")


def test_a_place_is_read_as_it_was_written_behind_a_batchs_head() -> None:
    message = packed_place(HEAD, PLACE_OF)
    assert read_place(message) == PLACE_OF
    assert read_head(message) == HEAD


@given(st.binary(max_size=200))
def test_garbage_is_not_a_place_and_harms_nobody(garbage: bytes) -> None:
    try:
        place = read_place(garbage)
    except NotABatch:
        return
    assert len(place.label) <= NODE_LABEL_AT_MOST


def test_a_label_is_cut_to_what_a_page_can_show() -> None:
    assert read_place(packed_place(HEAD, PLACE_OF._replace(label="ä" * 500))).label == "ä" * NODE_LABEL_AT_MOST


@pytest.mark.parametrize(
    ("subject", "output"),
    [("tf.output-mqtt", "mqtt"), ("output-webhook-1a2b", "webhook-1a2b"), ("tf.epoch", ""), ("tf.0123", "")],
)
def test_the_subject_tells_the_output(subject: str, output: str) -> None:
    assert output_of(subject) == output


class Desk:
    """A subject over a world without faults, and its site."""

    run = b"run    1"

    def __init__(self) -> None:
        self.world = World(1)
        self.world.copies = 0.0
        self.world.stream.make()
        self.engine = FakeEngine(self.world, Host())
        self.read_upto = 0
        self.changes = 0
        self.subject = PlaceSubject(self.engine, HostTimer(self.world, Host()), "mqtt", self, self.change)
        self.engine.read(1, self.take)

    @property
    def state(self) -> tuple[OutputPlace | None, object]:
        return self.subject.place, self.subject.flight

    def change(self) -> None:
        self.changes += 1

    def take(self, message: StreamMessage) -> None:
        self.read_upto = message.number
        if output_of(message.subject) == "mqtt":
            self.subject.read(message)

    def known(self) -> Known:
        return Known(b"epoch  1", 1, 0, 0)

    def on_trouble(self, reason: str) -> None:
        raise AssertionError(reason)

    def another_writes(self, place: OutputPlace) -> None:
        self.world.stream.store("output-mqtt", packed_place(HEAD, place))


def test_what_is_written_is_known_when_it_has_been_read() -> None:
    desk = Desk()
    desk.subject.look()
    desk.world.run(1.0)
    assert (desk.subject.number, desk.subject.place) == (0, None)
    desk.subject.write(PLACE_OF)
    assert desk.subject.place is None
    desk.world.run(5.0)
    assert desk.subject.number == 1
    assert desk.state == (PLACE_OF, None)


def test_of_two_writers_one_is_refused_and_reads_what_the_other_wrote() -> None:
    desk = Desk()
    desk.subject.look()
    desk.world.run(1.0)
    other = PLACE_OF._replace(holder=b"run    2")
    desk.another_writes(other)
    desk.subject.write(PLACE_OF)
    desk.world.run(5.0)
    assert desk.state == (other, None)
    assert [read_place(message.payload).holder for message in desk.world.stream.messages] == [b"run    2"]


def test_a_writer_whose_last_message_the_limits_have_dropped_writes_on() -> None:
    desk = Desk()
    desk.subject.look()
    desk.world.run(1.0)
    desk.subject.write(PLACE_OF)
    desk.world.run(5.0)
    desk.world.stream.store("0123", packed(HEAD._replace(flags=0), ()))
    desk.world.stream.evict(1)
    found = desk.world.stream.info()
    assert isinstance(found, StreamInfo)
    assert found.first == 2
    desk.subject.write(PLACE_OF._replace(seq=43))
    desk.world.run(5.0)
    assert desk.state == (PLACE_OF._replace(seq=43), None)


def test_an_answer_that_was_not_the_newest_is_asked_for_again() -> None:
    desk = Desk()
    for number in range(3):
        desk.another_writes(PLACE_OF._replace(seq=number))
    desk.world.run(1.0)
    desk.subject.forget()
    old = desk.world.stream.messages[1]
    desk.subject._take(old)
    desk.subject.write(PLACE_OF._replace(seq=9))
    desk.world.run(5.0)
    assert desk.subject.number is None, "it was refused, and does not know what stands there"
    desk.subject.look()
    desk.world.run(2.0)
    assert desk.subject.number == 3


def desk_that_has_written_and_reads_nothing() -> Desk:
    desk = Desk()
    desk.subject.look()
    desk.world.run(1.0)
    desk.engine._following = False
    desk.subject.write(PLACE_OF)
    return desk


def test_what_the_log_had_stored_and_lost_before_anybody_read_it_is_written_again() -> None:
    desk = desk_that_has_written_and_reads_nothing()
    desk.world.run(1.0)
    assert (len(desk.world.stream.messages), desk.subject.place) == (1, None), "stored, and not read"
    desk.world.stream.roll_back(1)
    desk.engine.read(1, desk.take)
    desk.world.run(10.0)
    assert desk.state == (PLACE_OF, None)


def test_what_is_stored_and_read_late_stands_there_once() -> None:
    desk = desk_that_has_written_and_reads_nothing()
    desk.world.run(20.0)
    desk.engine.read(1, desk.take)
    desk.world.run(10.0)
    assert len(desk.world.stream.messages) == 1
    assert desk.state == (PLACE_OF, None)
