"""Batches that are taken many at once do what they do one by one, and what is not plain is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from teslafast.cluster.application import Applied
from teslafast.cluster.batch import (
    BEAT,
    CONNECTIVITY_CODE,
    EPOCH,
    HEAD_BYTES,
    ROSTER,
    RUN_HELLO,
    TEXT_CODE,
    BatchHead,
    Entry,
    packed,
)
from teslafast.cluster.counting import MARKS_AT_MOST
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.finder import Beginning
from teslafast.cluster.node import Node
from teslafast.core.records import ALERTS, DATA

from tests.cluster.fleet import Process
from tests.cluster.fleet_outputs import OUTPUTS
from tests.cluster.fleet_sinks import Sink
from tests.cluster.judge import Judge
from tests.cluster.world import World

EPOCH_NAME = b"epoch  1"
ONE, OTHER = b"run    1", b"run    2"
VIN = "5YJ3E1EA7KF000001"


class Log:
    """Messages as nodes write them, numbered and counted; `add` takes what is to be wrong about the next one."""

    def __init__(self) -> None:
        founding = BatchHead(EPOCH, EPOCH_NAME, 1, bytes(8), 0, 0, 0, 0)
        self.messages = [StreamMessage(1, "tf.epoch", 1000, packed(founding, ()))]
        self.events = 0
        for run in (ONE, OTHER):
            self.add(self.event(), run=run)

    @staticmethod
    def event(code: int = DATA, payload: bytes = b"record") -> Entry:
        return Entry(code, VIN, b"1", payload, 1)

    def add(self, *entries: Entry, behind: int = 0, skipped: int = 0, torn: int = 0, **head: Any) -> None:
        number = self.messages[-1].number + 1 + skipped
        known = self.messages[-1].number if not behind else 1
        told = BatchHead(0, EPOCH_NAME, 1, ONE, number, known, 0 if behind else self.events, len(entries))._replace(**head)
        payload = packed(told, entries)
        self.messages.append(StreamMessage(number, "tf.x", 1000 + number, payload[: len(payload) - torn]))
        self.events += told.counted


PLAIN: dict[str, Callable[[Log], object]] = {
    "one event": lambda log: log.add(log.event()),
    "several events": lambda log: log.add(log.event(), log.event(ALERTS), log.event(TEXT_CODE)),
    "another run": lambda log: log.add(log.event(), run=OTHER),
    "what an old sender knows": lambda log: log.add(log.event(), behind=1),
    "what nobody has marked": lambda log: log.add(log.event(), known_stream=1 << 40, known_event=1 << 63),
    "a code of another version": lambda log: log.add(log.event(200)),
}
OTHERS: dict[str, Callable[[Log], object]] = {
    "a vehicle comes": lambda log: log.add(log.event(), log.event(CONNECTIVITY_CODE, b'{"status":"CONNECTED"}')),
    "a vehicle goes": lambda log: log.add(log.event(CONNECTIVITY_CODE, b'{"status":"DISCONNECTED"}'), run=OTHER),
    "a beat": lambda log: log.add(flags=BEAT),
    "a roster": lambda log: log.add(log.event(CONNECTIVITY_CODE, b'{"status":"CONNECTED"}'), flags=ROSTER),
    "somebody joins": lambda log: log.add(flags=RUN_HELLO, run=b"run    3"),
    "an unknown run": lambda log: log.add(log.event(), run=b"run    4"),
    "a hole": lambda log: log.add(log.event(), skipped=1),
    "another version": lambda log: log.add(log.event(), version=2),
    "no version": lambda log: log.add(log.event(), version=0),
    "another count": lambda log: log.add(log.event(), known_event=77),
    "a torn event": lambda log: log.add(log.event(), torn=3),
    "a torn head": lambda log: log.add(torn=3),
    "more events than bytes": lambda log: log.add(log.event(), entries=1 << 31),
    "nothing": lambda log: log.add(),
    "no batch": lambda log: log.add(torn=HEAD_BYTES),
}


class Reading:
    """A node that reads these messages; what it has applied, with seq and time."""

    def __init__(self) -> None:
        self.applied: list[tuple[int, int, Entry]] = []
        self.process = Process(World(1), Judge(), 0, {name: Sink() for name in OUTPUTS})
        self.process.apply = self._apply  # type: ignore[method-assign]
        self.node: Node = self.process.node

    def _apply(self, events: Applied) -> None:
        for place, (entry, time_ms) in enumerate(zip(events.entries, events.times_ms, strict=True)):
            self.applied.append((events.first + place, time_ms, entry))

    def read(self, messages: Sequence[StreamMessage], together: bool) -> list[int]:
        """Places of those that were taken by themselves."""
        self.node.follower.begin(Beginning(1, len(messages), b"", 0))
        engine, place, alone = self.process.engine, 0, []
        while place < len(messages):
            after = engine._take_several(list(messages), place) if together else place
            if after == place:
                alone.append(place)
                engine._take(messages[place])
                after += 1
            place = after
        return alone

    def outcome(self) -> dict[str, Any]:
        follower, counting = self.node.follower, self.node.follower._counting
        assert counting is not None
        runs = {run.name: (run.last, run.heard_s, run.beats, dict(run.vehicles)) for run in self.node.runs}
        return {
            "applied": self.applied,
            "counted": (counting.next, counting.base, counting.counted, counting.marks, list(counting._order)),
            "wrong": (follower.holes, follower.foreign, follower.disagreed, follower._strays),
            "end": (follower.last_head, counting.ended),
            "runs": runs,
        }


def outcome(messages: Sequence[StreamMessage], together: bool) -> dict[str, Any]:
    reading = Reading()
    reading.read(messages, together)
    return reading.outcome()


STEPS = st.sampled_from([*PLAIN.values(), *PLAIN.values(), *OTHERS.values()])


@settings(deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_the_same_comes_of_it(steps: list[Callable[[Log], object]]) -> None:
    log = Log()
    for step in steps:
        step(log)
    assert outcome(log.messages, together=True) == outcome(log.messages, together=False)


@pytest.mark.parametrize("step", PLAIN.values(), ids=PLAIN)
def test_what_is_plain_is_taken_with_what_stands_around_it(step: Callable[[Log], object]) -> None:
    log = Log()
    before = len(log.messages)
    for one in (PLAIN["one event"], step, PLAIN["one event"]):
        one(log)
    assert Reading().read(log.messages, together=True) == list(range(before))  # the founding, and who is not known yet


@pytest.mark.parametrize("step", OTHERS.values(), ids=OTHERS)
def test_what_is_not_plain_is_taken_by_itself(step: Callable[[Log], object]) -> None:
    log = Log()
    before = len(log.messages)
    for one in (PLAIN["one event"], step):
        one(log)
    assert Reading().read(log.messages, together=True) == [*range(before), before + 1]


def test_what_this_node_has_written_itself_is_taken_by_itself() -> None:
    reading, log = Reading(), Log()
    before = len(log.messages)
    for _ in range(2):
        log.add(log.event(), run=reading.node.writer.run)
    assert reading.read(log.messages, together=True) == [*range(before), before, before + 1]


def test_no_more_messages_are_remembered_than_are_one_by_one() -> None:
    log = Log()
    for _ in range(MARKS_AT_MOST + 10):
        log.add(log.event())
    assert outcome(log.messages, together=True) == outcome(log.messages, together=False)
