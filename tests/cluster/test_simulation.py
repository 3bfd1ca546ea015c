"""A cluster in virtual time, with faults chosen by a seed: what it promises holds in every run."""

from collections.abc import Callable, Iterable

import pytest
from teslafast.cluster.batch import Entry
from teslafast.cluster.custody import Custody
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.finder import Finder
from teslafast.cluster.follower import Follower
from teslafast.cluster.held_output import HeldOutput
from teslafast.cluster.history import Replay
from teslafast.cluster.node import Node
from teslafast.cluster.peer_values import PeerQuestions
from teslafast.cluster.places import PlaceSubject, PlaceWrite
from teslafast.cluster.shared_values import SharedValues
from teslafast.cluster.stored_replies import StoredReplies
from teslafast.cluster.writer import Flight, Writer
from teslafast.core.shared_reliable_acks import SharedReliableAcks
from teslafast.core.value_lines import ValueLine

from tests.cluster.simulation import Simulation

SEEDS = 300  # `make soak-cluster` runs 10,000, and longer ones
BATCH = 25
ENOUGH = 200  # seeds within which each of the mistakes below shows


def run(seed: int) -> Simulation:
    return Simulation(seed, disasters=seed % 5 == 4).run(12.0)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_nothing_is_lost_repeated_or_out_of_order_whatever_fails(first: int) -> None:
    for seed in range(first, first + BATCH):
        ended = run(seed)
        assert not ended.judge.faults, f"seed {seed}: {ended.judge.faults[:5]} after {ended.happened}"


# Whether the judge would notice: each of these is a mistake that one could make in the node.


def ack_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    submit = Writer.submit

    def too_early(writer: Writer, entry: Entry, handle: object) -> None:
        submit(writer, entry, handle)
        writer._site.on_stored(writer.submitted - 1)

    monkeypatch.setattr(Writer, "submit", too_early)


def expect_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry with what the stream has now, instead of what its batch took off with."""
    send = Writer._send

    def newest(writer: Writer, flight: Flight) -> None:
        engine: object = writer._engine
        stream = engine._world.stream  # type: ignore[attr-defined]
        flight.expected = next(iter(reversed(stream.by_subject.get(writer.run.hex(), ()))), 0)
        send(writer, flight)

    monkeypatch.setattr(Writer, "_send", newest)


def ignore_the_obituary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Node, "_be_fenced", lambda node: None)


def overlook_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follower, "_out_of_order", lambda *_: None)


def forget_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has lost its end is taken for the same one."""
    monkeypatch.setattr(Finder, "_sure", lambda finder: False)


def work_what_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Custody, "is_free", lambda *_: True)


def replace_whatever_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output's place is written over the newest one, instead of the one that was read."""
    send = PlaceSubject._send

    def newest(subject: PlaceSubject, flight: PlaceWrite) -> None:
        engine: object = subject._engine
        stream = engine._world.stream  # type: ignore[attr-defined]
        flight.expected = next(iter(reversed(stream.by_subject.get(subject._subject, ()))), 0)
        send(subject, flight)

    monkeypatch.setattr(PlaceSubject, "_send", newest)


def send_before_the_place_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeldOutput, "may_send", property(lambda output: output.working and not output.is_yielding))


def work_on_without_being_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has been asleep, or is cut off, believes that an output is still its own."""
    monkeypatch.setattr(HeldOutput, "is_ours", property(lambda output: output.working or OURS(output)))
    monkeypatch.setattr(Custody, "is_proven", property(lambda custody: True))


OURS = HeldOutput.is_ours.fget  # type: ignore[attr-defined]


def acknowledge_what_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedReliableAcks, "lose", lambda *_: None)


def acknowledge_when_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """RELIABLE_ACKS: before anybody knows its seq."""
    monkeypatch.setattr(StoredReplies, "stored", StoredReplies._release)


def acknowledge_across_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedReliableAcks, "begin_anew", lambda acks: None)


def put_values_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer's or a checkpoint's, whatever seq they are of."""

    def at_once(values: SharedValues, lines: Iterable[ValueLine], says_all_since: int) -> None:
        for line in lines:
            values._values.put(line.vin, line.vehicle)

    monkeypatch.setattr(SharedValues, "_wait", at_once)


def ask_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has read a part takes that for all."""
    monkeypatch.setattr(PeerQuestions, "_ask", lambda questions, asking, again: questions._answered(questions._step, None))
    begin = SharedValues.begin

    def all_known(values: SharedValues, epoch: bytes, seq: int) -> None:
        begin(values, epoch, seq)
        values.says_all_since = 1

    monkeypatch.setattr(SharedValues, "begin", all_known)


def restate_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells one who joins which vehicles are connected."""
    monkeypatch.setattr(Writer, "restate", lambda writer: None)


def replay_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that takes its reader for one message further than it is."""
    halve = Replay._halve

    def too_far(replay: Replay, number: int, message: StreamMessage | None) -> None:
        before = replay._next
        halve(replay, number, message)
        if not before and replay._next:
            replay._seq += 1

    monkeypatch.setattr(Replay, "_halve", too_far)


# Each with the seed at which the search begins, for it shows there today; all the others follow.
MISTAKES = [(ack_at_once, 80), (expect_the_newest, 4), (ignore_the_obituary, 15), (overlook_holes, 0), (forget_what_was_lost, 5)]
MISTAKES += [(work_what_others_work, 0), (replace_whatever_stands_there, 2), (send_before_the_place_is_stored, 14)]
MISTAKES += [(work_on_without_being_sure, 15), (acknowledge_what_was_given_up, 0), (acknowledge_when_it_is_stored, 0)]
MISTAKES += [
    (acknowledge_across_epochs, 0),
    (put_values_in_at_once, 21),
    (ask_no_peer, 0),
    (restate_nothing, 1),
    (replay_from_anywhere, 0),
]


@pytest.mark.parametrize(("mistake", "first"), MISTAKES)
def test_the_judge_notices_a_mistake(
    mistake: Callable[[pytest.MonkeyPatch], None], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    seeds = [*range(first, ENOUGH), *range(first)]
    runs = (Simulation(seed, disasters=disasters).run(12.0) for seed in seeds for disasters in (False, True))
    assert any(ended.judge.faults for ended in runs)
