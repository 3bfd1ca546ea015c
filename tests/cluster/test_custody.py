"""Who works which output: what one node decides, from what it reads, about its own life and about others'."""

from __future__ import annotations

from teslafast.cluster.batch import PLACE, BatchHead
from teslafast.cluster.custody import MARGIN_S, WISH_EVERY_S, Custody
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.held_output import STALE_S
from teslafast.cluster.places import NOBODY, OutputPlace, packed_place, read_place
from teslafast.cluster.runs import Runs, beats_needed
from teslafast.cluster.writer import Known

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.world import Host, HostTimer, World

OURS, THEIRS = b"run    1", b"run    2"
EPOCH, NEXT_EPOCH = b"epoch  1", b"epoch  2"
DEAD_S = 10.0
OUTPUTS = ("kafka", "mqtt", "webhook")


class Desk:
    """A node's custody over a world without faults: its site, and its workers."""

    run = OURS

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.world = World(1)
        self.world.copies = 0.0
        self.world.stream.make()
        engine = FakeEngine(self.world, Host())
        self.runs = Runs()
        self.runs.heard(OURS, 1, 0.0, 0)
        self.is_well = True
        self.slept_s = 0.0
        self.read_upto = self.read_seq = 0
        self.working: dict[str, int] = {}
        self.happened: list[str] = []
        timer = HostTimer(self.world, Host())
        self.custody = Custody(
            engine, timer, self.world.clock, lambda: 0.0, self, self, OUTPUTS, DEAD_S, "here", lambda: self.read_seq
        )
        engine.read(1, self.take)
        self.custody.on_epoch(EPOCH)
        self.tick()

    # ---- the site

    @property
    def proven_s(self) -> float:
        return self.world.now_s - self.slept_s

    @property
    def beats(self) -> int:
        return int(self.world.now_s)

    def known(self) -> Known:
        return Known(EPOCH, 1, 0, 0)

    def on_trouble(self, reason: str) -> None:
        raise AssertionError(reason)

    # ---- the workers

    def begin(self, output: str, epoch: bytes, seq: int, lost: int) -> None:
        self.working[output] = seq
        self.happened.append(f"{output} begins after {seq}, {lost} lost")

    def hand_over(self, output: str) -> None:
        self.happened.append(f"{output} is to be handed over")

    def end(self, output: str) -> None:
        del self.working[output]
        self.happened.append(f"{output} ends")

    def go_on(self, output: str) -> None: ...
    def confirm(self, output: str, seq: int) -> None:
        self.told.append(("confirm", seq))

    def lose(self, output: str, first: int, last: int) -> None:
        self.told.append(("lose", first, last))

    # ---- the world

    def take(self, message: StreamMessage) -> None:
        self.read_upto = message.number
        self.custody.on_place(message)

    def tick(self) -> None:
        self.world.later(0.25, self.tick)
        self.custody.tick()

    def another_writes(self, output: str, place: OutputPlace) -> None:
        head = BatchHead(PLACE, place.epoch, 1, THEIRS, 1, 0, 0, 0)
        self.world.stream.store(f"output-{output}", packed_place(head, place))

    def place(self, output: str) -> OutputPlace:
        message = self.world.stream.get(self.world.stream.by_subject[f"output-{output}"][-1])
        assert message is not None
        return read_place(message.payload)


def with_all_of_them_held_by(holder: bytes, seq: int = 40) -> Desk:
    desk = Desk()
    for output in OUTPUTS:
        desk.another_writes(output, OutputPlace(holder, EPOCH, seq, NOBODY, "there"))
    return desk


def test_a_lone_node_takes_all_and_a_new_output_begins_with_what_it_may_have_taken_in_first() -> None:
    desk = Desk()
    desk.read_seq = 7
    desk.custody.on_joined()
    desk.read_seq = 9
    desk.world.run(5.0)
    assert desk.working == dict.fromkeys(OUTPUTS, 7)
    assert desk.place("mqtt") == OutputPlace(OURS, EPOCH, 7, NOBODY, "here", 1, 7)
    assert ("lose", 1, 7) in desk.told


def test_what_a_living_node_holds_is_left_to_it_until_it_leaves_or_is_declared_dead() -> None:
    desk = with_all_of_them_held_by(THEIRS)
    desk.runs.heard(THEIRS, 1, 0.0, 0)
    desk.custody._wished_s = desk.world.now_s + 1000.0
    desk.world.run(60.0)
    assert desk.working == {}
    assert desk.custody.holding("mqtt").label == "there"
    desk.custody.on_ended(THEIRS)
    assert desk.custody.holding("mqtt").run == b""
    desk.world.run(5.0)
    assert desk.working == dict.fromkeys(OUTPUTS, 40)


def test_a_holder_of_whom_nothing_has_ever_been_heard_is_waited_for_as_long_as_for_a_silent_one() -> None:
    desk = with_all_of_them_held_by(THEIRS)
    desk.world.run(DEAD_S - 1.0)
    assert desk.working == {}
    desk.world.run(beats_needed(DEAD_S) + 2.0)
    assert set(desk.working) == set(OUTPUTS)


def test_a_node_that_may_have_been_declared_dead_stops_and_goes_on_when_it_is_proven_to_live() -> None:
    desk = Desk()
    desk.world.run(5.0)
    desk.custody.note("mqtt", 12)
    desk.slept_s = DEAD_S - MARGIN_S
    desk.world.run(1.0)
    assert desk.working == {}
    assert not desk.custody.may_send("mqtt")
    desk.slept_s = 0.0
    desk.world.run(1.0)
    assert desk.working == {"kafka": 0, "mqtt": 12, "webhook": 0}, "what had been noted is not forgotten"


def test_a_batch_may_be_sent_when_the_place_of_the_one_before_is_in_the_log_and_the_log_answers() -> None:
    desk = Desk()
    desk.world.run(5.0)
    assert desk.custody.may_send("mqtt")
    desk.custody.note("mqtt", 3)
    assert not desk.custody.may_send("mqtt")
    desk.world.run(2.0)
    assert desk.custody.may_send("mqtt")
    assert desk.place("mqtt").seq == 3
    desk.is_well = False
    assert not desk.custody.may_send("mqtt")


def test_whoever_holds_two_fewer_asks_for_one_and_is_given_it_after_the_holders_batch() -> None:
    desk = with_all_of_them_held_by(THEIRS)
    desk.runs.heard(THEIRS, 1, 0.0, 0)
    desk.world.run(WISH_EVERY_S + 1.0)
    (asked,) = [output for output in OUTPUTS if desk.place(output).wanted == OURS]
    assert desk.place(asked).holder == THEIRS
    desk.another_writes(asked, OutputPlace(OURS, EPOCH, 55))
    desk.world.run(2.0)
    assert desk.working == {asked: 55}
    desk.world.run(20.0)
    assert len(desk.working) == 1, "one and two are as even as three can be"


def test_a_holder_that_is_asked_hands_over_and_the_place_says_to_whom() -> None:
    desk = Desk()
    desk.world.run(5.0)
    desk.runs.heard(THEIRS, 1, 0.0, 0)
    desk.another_writes("mqtt", desk.place("mqtt")._replace(wanted=THEIRS))
    desk.world.run(1.0)
    assert desk.happened[-1] == "mqtt is to be handed over"
    assert desk.custody.is_yielding("mqtt")
    desk.custody.note("mqtt", 8)
    desk.custody.yielded("mqtt")
    desk.world.run(2.0)
    assert desk.place("mqtt")[:4] == (THEIRS, EPOCH, 8, NOBODY)


def test_who_asks_and_is_gone_is_not_given_anything() -> None:
    desk = Desk()
    desk.world.run(5.0)
    desk.another_writes("mqtt", desk.place("mqtt")._replace(wanted=b"run    9"))
    desk.world.run(5.0)
    assert "mqtt is to be handed over" not in desk.happened


def test_a_node_that_leaves_hands_everything_over_and_takes_nothing_back() -> None:
    desk = Desk()
    desk.world.run(5.0)
    desk.custody.leave()
    for output in OUTPUTS:
        desk.custody.yielded(output)
    desk.world.run(5.0)
    assert [desk.place(output).holder for output in OUTPUTS] == [NOBODY] * 3
    assert desk.custody.held == 0


def test_a_node_that_leaves_while_the_log_is_away_begins_no_further_batch_when_it_comes_back() -> None:
    desk = Desk()
    desk.world.run(5.0)
    desk.is_well = False
    desk.custody.leave()
    desk.is_well = True
    assert not desk.custody.may_send("mqtt"), "its worker may be the first to notice that the log is back"
    desk.world.run(0.5)
    assert desk.custody.is_yielding("mqtt")


def test_an_old_answer_about_an_output_that_was_handed_to_this_node_is_not_believed_for_ever() -> None:
    desk = with_all_of_them_held_by(THEIRS)
    desk.runs.heard(THEIRS, 1, 0.0, 0)
    desk.custody._wished_s = desk.world.now_s + 1000.0
    desk.world.run(1.0)
    old = desk.world.stream.get(desk.world.stream.by_subject["output-mqtt"][-1])
    assert old is not None
    desk.another_writes("mqtt", OutputPlace(OURS, EPOCH, 50))
    desk.world.run(0.5)
    assert desk.working == {"mqtt": 50}
    desk.custody.on_epoch(NEXT_EPOCH)
    desk.custody._outputs["mqtt"].subject.read(old)
    desk.world.run(1.0)
    assert "mqtt" not in desk.working
    desk.world.run(3 * STALE_S)
    assert "mqtt" in desk.working


def test_another_name_of_the_same_life_keeps_what_it_has_but_not_after_an_obituary() -> None:
    desk = Desk()
    desk.world.run(5.0)
    desk.run = b"run    3"
    desk.world.run(2.0)
    assert desk.place("mqtt").holder == b"run    3"
    assert "mqtt ends" not in desk.happened
    desk.custody.on_ended(b"run    3")
    assert desk.working == {}


def test_a_new_epoch_begins_with_its_first_event_and_what_was_lost_with_the_old_one_is_counted() -> None:
    desk = Desk()
    desk.read_seq = 30
    desk.custody.on_joined()
    desk.world.run(5.0)
    desk.custody.note("mqtt", 34)
    desk.world.run(2.0)
    desk.read_seq = 50
    desk.custody.on_epoch(NEXT_EPOCH)
    assert desk.working == {}
    desk.world.run(5.0)
    assert "mqtt begins after 0, 16 lost" in desk.happened
    assert "kafka begins after 0, 20 lost" in desk.happened
    assert desk.place("mqtt").epoch == NEXT_EPOCH


def test_what_an_output_gives_up_is_told_once_with_the_place_that_passes_it() -> None:
    desk = Desk()
    desk.custody.on_joined()
    desk.world.run(5.0)
    desk.told.clear()
    desk.custody.note("mqtt", 9, (3, 5))
    desk.world.run(1.0)
    assert desk.told == [("lose", 3, 5), ("confirm", 9)]
    desk.told.clear()
    desk.custody.note("mqtt", 12)
    desk.world.run(1.0)
    assert desk.told == [("confirm", 12)]
