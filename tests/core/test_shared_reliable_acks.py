"""RELIABLE_ACKS where several nodes share the log: what a reply waits for has no seq before the log has shown it."""

from __future__ import annotations

from collections.abc import Callable

from teslafast.core.shared_reliable_acks import SharedReliableAcks

from tests.support.fake_replies import FakeHold


class Log:
    seq = 0


class Shared:
    """`done`: what became of each reply, in its order; a reply is named by its number, and given up with a minus."""

    def __init__(self, *names: str) -> None:
        self.log = Log()
        self.shown = FakeHold()
        self.acks = SharedReliableAcks(self.log, names or ("a",), self.shown)
        self.done: list[int] = []
        self._count = 0

    def hold(self) -> None:
        self._count += 1
        number = self._count
        self.acks.hold(b"ack", self._doing(number), lambda: self.done.append(-number))

    def _doing(self, number: int) -> Callable[[bytes], object]:
        return lambda _: self.done.append(number)

    def show(self, events: int = 1) -> None:
        """The log shows what the replies so far are about, among so many events."""
        self.log.seq += events
        self.shown.succeed()


def test_a_reply_waits_until_its_record_is_shown_and_every_place_has_passed_it() -> None:
    stage = Shared("a", "b")
    stage.log.seq = 10
    stage.hold()
    stage.acks.confirm("a", 50)
    stage.acks.confirm("b", 11)
    assert stage.done == [], "nobody knows its seq yet"
    stage.show(events=2)
    assert stage.done == [], "it may be 12"
    stage.acks.confirm("b", 12)
    assert stage.done == [1]


def test_what_an_output_gives_up_is_acknowledged_by_nobody() -> None:
    stage = Shared()
    stage.hold()
    stage.show()
    stage.hold()
    stage.show()
    stage.acks.lose(1, 1)
    stage.acks.confirm("a", 2)
    assert stage.done == [-1, 2]


def test_who_waits_for_something_on_both_sides_of_a_loss_is_given_up() -> None:
    stage = Shared()
    stage.hold()
    stage.log.seq = 8  # a part of what it waits for, and events of others
    stage.acks.lose(3, 3)
    stage.show()
    stage.acks.confirm("a", 9)
    assert stage.done == [-1]


def test_with_another_log_what_was_shown_is_given_up_and_what_was_not_goes_on() -> None:
    stage = Shared()
    stage.log.seq = 60
    stage.acks.confirm("a", 60)
    stage.hold()
    stage.show()
    stage.hold()
    stage.acks.begin_anew()
    assert stage.done == [-1]
    stage.log.seq = 31
    stage.show()
    stage.acks.confirm("a", 31)
    assert stage.done == [-1]
    stage.acks.confirm("a", 32)
    assert stage.done == [-1, 2]


def test_after_another_log_a_loss_there_is_a_loss_of_what_is_submitted_again() -> None:
    stage = Shared()
    stage.log.seq = 60
    stage.hold()
    stage.acks.begin_anew()
    stage.log.seq = 31
    stage.show()
    stage.acks.lose(32, 32)
    stage.acks.confirm("a", 32)
    assert stage.done == [-1]
