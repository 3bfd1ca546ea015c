"""Where a reader comes in, and what it is told when it comes too late or takes too long."""

from __future__ import annotations

import time
from random import Random

import pytest
from teslafast._fanout import ALL_KINDS

from tests.support.fake_log import CHUNK, Dashboard, Stage, note

MIB = 1 << 20


# Resuming


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
@pytest.mark.parametrize("after", range(11))
def test_a_resumed_reader_gets_everything_after_and_then_what_comes(vins: set[str] | None, after: int) -> None:
    stage = Stage()
    stage.publish_many(10)
    dashboard = stage.join(vins, after=after)
    stage.publish_many(2)
    stage.settle()
    stage.publish()
    stage.settle()
    assert dashboard.seqs() == list(range(after + 1, 14))
    assert dashboard.gaps == []


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_reader_that_asks_for_too_old_a_seq_is_told_exactly_what_is_gone(vins: set[str] | None) -> None:
    stage = Stage(1024)
    stage.publish_many(20)
    assert stage.log.oldest == 13
    late, just_late, in_time = [stage.join(vins, after=after) for after in (5, 11, 12)]
    stage.settle()
    assert (late.gaps, just_late.gaps, in_time.gaps) == ([(6, 12)], [(12, 12)], [])
    assert late.messages()[0] == {"type": "gap", "from": 6, "to": 12}
    assert late.seqs() == just_late.seqs() == in_time.seqs() == list(range(13, 21))


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
@pytest.mark.parametrize("after", [-1, 21, 1000])
def test_a_reader_whose_place_is_not_known_gets_a_gap_and_all_that_is_kept(vins: set[str] | None, after: int) -> None:
    stage = Stage(1024)
    stage.publish_many(20)
    dashboard = stage.join(vins, after=after)
    stage.settle()
    assert dashboard.gaps == [(0, 12)]
    assert dashboard.seqs() == list(range(13, 21))


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_place_that_is_not_known_stays_so_until_the_gap_is_told(vins: set[str] | None) -> None:
    stage = Stage()
    dashboard = stage.join(vins, after=-1)
    stage.log.resubscribe(dashboard.reader, vins)
    stage.publish()
    stage.settle()
    assert dashboard.gaps == [(0, 0)]
    assert dashboard.seqs() == [1]


def test_a_gap_that_was_never_told_is_not_told_to_the_next_subscription() -> None:
    stage = Stage()
    stage.publish()
    dashboard = stage.join(after=-1)
    stage.log.unsubscribe(dashboard.reader)
    stage.log.subscribe(dashboard.reader)
    stage.publish()
    stage.settle()
    assert dashboard.gaps == []
    assert dashboard.seqs() == [2]


def test_a_resubscription_counts_from_the_first_event_that_was_not_given() -> None:
    stage = Stage()
    dashboard = stage.join({"A"})
    for vin in "AB":
        stage.publish(vin)
    stage.settle()
    dashboard.reader.block()
    for vin in "BABC":
        stage.publish(vin)
    stage.log.resubscribe(dashboard.reader, {"B", "C"})
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.seqs() == [1, 5, 6]
    stage.log.resubscribe(dashboard.reader)
    stage.publish("A")
    stage.settle()
    assert dashboard.seqs() == [1, 5, 6, 7]


class Client:
    """A dashboard's user: reconnects with the last seq that it has had, wherever the connection broke."""

    def __init__(self, stage: Stage, vins: set[str] | None, kinds: int) -> None:
        self.stage = stage
        self.wish = (vins, kinds)
        self.wanted: list[int] = []
        self.had: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.seen = 0
        self.session = stage.join(*self.wish, after=0)

    def published(self, seq: int, vin: str, kind: int) -> None:
        vins, kinds = self.wish
        if (vins is None or vin in vins) and kinds >> kind & 1:
            self.wanted.append(seq)

    def take(self, share: float = 1.0) -> None:
        """Has the first messages of this session; the others are lost with the connection."""
        messages = self.session.messages()
        for message in messages[: round(share * len(messages))]:
            if message["type"] == "gap":
                self.gaps.append((message["from"], message["to"]))
                self.seen = message["to"]
            else:
                self.seen = message["seq"]
                self.had.append(self.seen)

    def reconnect(self, share: float, room: int | None) -> None:
        self.take(share)
        self.stage.log.unsubscribe(self.session.reader)
        self.session = self.stage.join(*self.wish, after=self.seen, room=room)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("ring_bytes", "loses"), [(1 << 19, False), (2048, True)])
def test_a_thousand_reconnects_leave_every_sequence_complete_and_without_a_repeat(
    ring_bytes: int, loses: bool, seed: int
) -> None:
    random = Random(seed)
    stage = Stage(ring_bytes)
    clients = [
        Client(stage, vins, kinds) for vins, kinds in [(None, ALL_KINDS), ({"A"}, ALL_KINDS), ({"B", "C"}, 3), (None, 4)] * 5
    ]
    for _ in range(1000):
        for _ in range(random.randrange(8)):
            vin, kind = random.choice("ABC"), random.randrange(4)
            seq = stage.publish(vin, kind)
            for client in clients:
                client.published(seq, vin, kind)
        if random.random() < 0.6:
            stage.turn()
        random.choice(clients).session.wire.drain(random.choice([None, 0, 500]))
        random.choice(clients).reconnect(random.random(), random.choice([None, None, 0, 200]))
    for client in clients:
        client.session.wire.drain()
    stage.settle()
    for client in clients:
        client.take()
        lost = {seq for seq in client.wanted if any(first <= seq <= last for first, last in client.gaps)}
        assert client.had == [seq for seq in client.wanted if seq not in lost]
    assert any(client.gaps for client in clients) == loses


# Slow readers


def test_a_reader_whose_transport_holds_bytes_is_left_alone_until_it_has_drained() -> None:
    stage = Stage()
    dashboard = stage.join(room=10)
    stage.publish()
    stage.settle()
    stage.publish_many(5)
    stage.settle()
    assert len(dashboard.wire.writes) == 1
    assert dashboard.reader.behind == 5
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.seqs() == [1, 2, 3, 4, 5, 6]
    assert len(dashboard.wire.writes) == 2


def test_a_blocked_reader_knows_since_when() -> None:
    dashboard = Dashboard()
    before = time.monotonic()
    dashboard.reader.block()
    assert dashboard.reader.blocked
    assert before <= dashboard.reader.blocked_at <= time.monotonic()
    dashboard.reader.wake()
    assert not dashboard.reader.blocked


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_reader_is_served_when_its_transport_has_taken_all_that_there_is_for_it(vins: set[str] | None) -> None:
    stage = Stage()
    dashboard = stage.join(vins, room=10)

    def served() -> bool:
        return dashboard.reader.served

    assert served()
    stage.publish("B")
    assert served() == (vins is not None)
    stage.publish("A")
    assert not served()
    stage.settle()
    assert not served()
    dashboard.wire.drain()
    assert served()
    dashboard.reader.say([note("one more")])
    assert not served()
    stage.settle()
    assert served()


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_reader_that_was_lapped_is_told_exactly_what_it_missed_and_goes_on_from_the_oldest(vins: set[str] | None) -> None:
    stage = Stage(1024)
    slow, quick = stage.join(vins, room=1), stage.join(vins)
    for _ in range(30):
        stage.publish()
        stage.settle()
    slow.wire.drain()
    stage.settle()
    assert slow.gaps == [(2, 22)]
    assert slow.reader.gaps == 1
    assert [message.get("seq", message["type"]) for message in slow.messages()] == [1, "gap", *range(23, 31)]
    assert quick.seqs() == list(range(1, 31))
    assert quick.gaps == []


def test_a_filtered_reader_is_not_told_of_the_loss_of_what_it_does_not_want() -> None:
    stage = Stage(1024)
    dashboard = stage.join({"A"})
    dashboard.reader.block()
    stage.publish_many(20, "B")
    stage.publish("A")
    stage.publish_many(7, "B")
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.gaps == []
    assert dashboard.seqs() == [21]
    dashboard.reader.block()
    stage.publish("B")
    stage.publish("A")
    stage.publish_many(6, "B")
    stage.publish("A")
    stage.publish_many(2, "B")
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.gaps == [(30, 31)]
    assert dashboard.seqs() == [21, 37]


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_reader_that_was_lapped_halfway_is_not_told_of_what_it_had(vins: set[str] | None) -> None:
    stage = Stage(8 * CHUNK)
    dashboard = stage.join(vins, room=2 * CHUNK // 3)
    stage.publish_many(8, pad=CHUNK // 3)
    stage.settle()
    assert dashboard.seqs() == [1, 2]
    stage.publish_many(30, pad=CHUNK // 3)
    dashboard.wire.drain()
    stage.settle()
    oldest = stage.log.oldest
    assert dashboard.gaps == [(3, oldest - 1)]
    assert dashboard.seqs() == [1, 2, *range(oldest, 39)]


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_stalled_reader_holds_one_chunk_outside_the_ring_and_no_more(vins: set[str] | None) -> None:
    stage = Stage(MIB)
    dashboard = stage.join(vins, room=0)
    for _ in range(20):
        for _ in range(10):
            stage.publish_many(10, pad=3000)
            stage.settle()
        assert 0 < dashboard.wire.backlog <= CHUNK
        assert len(dashboard.wire.writes[-1]) == dashboard.wire.backlog
        dashboard.wire.drain(room=0)
        stage.settle()
    while dashboard.reader.behind:
        assert 0 < dashboard.wire.backlog <= CHUNK
        dashboard.wire.drain(room=0)
        stage.settle()


def test_where_a_seq_stands_for_several_frames_a_gap_begins_and_ends_with_what_may_be_lost_in_part() -> None:
    stage = Stage(1024)
    dashboard = stage.join(room=0)
    for seq in (5, *[5] * 7, *[6] * 7):
        stage.publish(seq=seq)
        stage.settle()
    assert stage.log.oldest == 5
    stage.publish(seq=6)
    assert stage.log.oldest == 6
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.gaps == [(5, 6)]
