"""Outputs that move from node to node: begun, handed over, taken away, and finished, as custody says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from teslafast.config import Settings
from teslafast.errors import Misconfigured, Unreachable
from teslafast.outputs import Context, Event, Moving
from teslafast.outputs.moving import LOST_WITH_THE_LOG, MovingOutputs
from teslafast.outputs.settings import OutputPlan, planned

from tests.outputs.test_group import Hub
from tests.support import virtual_time

EPOCH = bytes.fromhex("0123456789abcdef")


class Held(NamedTuple):
    run: bytes = b""
    label: str = ""
    seq: int = 0
    here: bool = False


class Custody:
    """Allows a batch while `allowed`, and remembers what it is told."""

    def __init__(self) -> None:
        self.allowed = True
        self.runs_besides = 0
        self.yielding = False
        self.left = False
        self.noted: list[int] = []
        self.has_yielded: list[str] = []
        self.holds = Held()
        self.held = 0

    def note(self, output: str, seq: int, lost: tuple[int, int] | None = None) -> None:
        self.noted.append(seq)

    def may_send(self, output: str) -> bool:
        return self.allowed

    def is_yielding(self, output: str) -> bool:
        return self.yielding

    def yielded(self, output: str) -> None:
        self.has_yielded.append(output)

    def holding(self, output: str) -> Held:
        return self.holds

    def leave(self) -> None:
        self.left = True


class Broker:
    """`made`: how many there have been; all of them write into one `seqs`."""

    def __init__(self, context: Context, stage: Stage) -> None:
        self.context = context
        self.stage = stage

    async def connect(self) -> None:
        if self.stage.trouble is not None:
            raise self.stage.trouble

    async def send(self, events: list[Event]) -> None:
        self.stage.tried += [event.seq for event in events]
        if self.stage.silent is not None:
            await self.stage.silent.wait()
        self.stage.seqs += [event.seq for event in events]

    async def close(self) -> None:
        self.stage.closed.append((self.context.moved.is_set(), self.context.ending.is_set()))


class Plan:
    """Stands for an OutputPlan."""

    def __init__(self, stage: Stage) -> None:
        (real,) = planned({"JSONL_PATH": "x"}, Settings())
        self.row, self.name, self.cursor, self.kinds = real.row, real.name, real.cursor, real.kinds
        self.shared, self.reliable = real.shared, real.reliable
        self.shape, self.wants_own_bytes = real.shape, real.wants_own_bytes
        self._stage = stage

    def make(self, context: Context) -> Broker:
        if self._stage.unusable is not None:
            raise self._stage.unusable
        self._stage.made.append(context)
        return Broker(context, self._stage)


class Stage:
    def __init__(self) -> None:
        self.made: list[Context] = []
        self.seqs: list[int] = []
        self.tried: list[int] = []
        self.closed: list[tuple[bool, bool]] = []
        self.trouble: Exception | None = None
        self.unusable: Misconfigured | None = None
        self.silent: asyncio.Event | None = None
        self.hub = Hub()
        self.custody = Custody()
        plans: list[OutputPlan] = [Plan(self)]  # type: ignore[list-item]
        self.outputs = MovingOutputs(plans, self.hub, Moving("TF", 25.0, lambda vin: False), self.no_past)
        self.outputs.custody = self.custody
        self.outputs.start()

    def no_past(self, *_: Any) -> Any:
        raise AssertionError("the ring has it all")

    def publish(self, events: int = 1) -> None:
        for _ in range(events):
            self.hub.publish()
        self.hub.turn.end()

    def begin(self, seq: int = 0, lost: int = 0) -> None:
        self.outputs.begin("jsonl", EPOCH, seq, lost)

    def state(self) -> str:
        return self.outputs.states()["jsonl"]


def play(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await scene(Stage())

    virtual_time.run(run())


def test_nothing_is_sent_until_custody_says_so_and_then_from_the_place_on() -> None:
    async def scene(stage: Stage) -> None:
        stage.publish(5)
        await asyncio.sleep(1)
        assert (stage.seqs, stage.state()) == ([], "waiting")
        stage.begin(2)
        await asyncio.sleep(1)
        assert (stage.seqs, stage.custody.noted, stage.state()) == ([3, 4, 5], [5], "up")
        assert stage.made[-1].epoch == EPOCH.hex()

    play(scene)


def test_the_next_batch_waits_until_the_place_of_the_last_one_is_stored() -> None:
    async def scene(stage: Stage) -> None:
        stage.begin()
        stage.publish()
        await asyncio.sleep(1)
        stage.custody.allowed = False
        stage.publish()
        await asyncio.sleep(10)
        assert stage.seqs == [1]
        stage.custody.allowed = True
        stage.outputs.go_on("jsonl")
        await asyncio.sleep(1)
        assert stage.seqs == [1, 2]

    play(scene)


def test_it_is_handed_over_after_the_batch_that_is_under_way() -> None:
    async def scene(stage: Stage) -> None:
        stage.begin()
        stage.publish()
        await asyncio.sleep(1)
        stage.silent = asyncio.Event()
        stage.publish()
        await asyncio.sleep(1)
        stage.publish()
        stage.custody.yielding = True
        stage.outputs.hand_over("jsonl")
        await asyncio.sleep(5)
        assert stage.custody.has_yielded == []
        stage.silent.set()
        await asyncio.sleep(1)
        assert (stage.seqs, stage.custody.noted, stage.custody.has_yielded) == ([1, 2], [1, 2], ["jsonl"])
        assert stage.closed == [(True, False)], "it knows that another node goes on with it"

    play(scene)


def test_one_that_does_not_get_through_is_handed_over_at_once() -> None:
    async def scene(stage: Stage) -> None:
        stage.trouble = Unreachable("nobody is there")
        stage.begin()
        stage.publish()
        await asyncio.sleep(100)
        stage.custody.yielding = True
        stage.outputs.hand_over("jsonl")
        await asyncio.sleep(0.1)
        assert stage.custody.has_yielded == ["jsonl"]

    play(scene)


def test_one_that_is_taken_away_sends_nothing_more_and_notes_nothing() -> None:
    async def scene(stage: Stage) -> None:
        stage.begin()
        stage.silent = asyncio.Event()
        stage.publish()
        await asyncio.sleep(1)
        stage.outputs.end("jsonl")
        stage.silent.set()
        await asyncio.sleep(5)
        assert (stage.tried, stage.seqs, stage.custody.noted, stage.custody.has_yielded) == ([1], [], [], [])
        stage.begin()
        await asyncio.sleep(1)
        assert stage.seqs == [1]

    play(scene)


def test_counters_outlive_the_runners_that_counted() -> None:
    async def scene(stage: Stage) -> None:
        stage.publish(3)
        stage.begin()
        await asyncio.sleep(1)
        stage.outputs.end("jsonl")
        await asyncio.sleep(1)
        stage.custody.holds = Held(b"another1", "web-2", 3)
        stage.publish(2)
        gauges = stage.outputs.gauges()["jsonl"]
        assert (gauges.sent, gauges.state, gauges.here, gauges.lag_events) == (3, "elsewhere", False, 2)
        assert stage.outputs.nodes()["jsonl"] == ("web-2", b"another1".hex(), False, 2)
        stage.begin(3, lost=7)
        await asyncio.sleep(1)
        gauges = stage.outputs.gauges()["jsonl"]
        assert (gauges.sent, gauges.here, gauges.dropped[LOST_WITH_THE_LOG]) == (5, True, 7)

    play(scene)


def test_at_the_end_of_one_node_another_goes_on_and_what_is_left_is_not_sent_here() -> None:
    async def scene(stage: Stage) -> None:
        stage.begin()
        stage.custody.runs_besides = 1
        stage.outputs.hand_on()
        assert stage.custody.left
        stage.custody.yielding = True
        stage.outputs.hand_over("jsonl")
        stage.publish()
        await stage.outputs.finish(5)
        assert (stage.seqs, stage.custody.has_yielded) == ([], ["jsonl"])

    play(scene)


def test_at_the_end_of_the_only_node_what_is_left_is_sent_first() -> None:
    async def scene(stage: Stage) -> None:
        stage.begin()
        stage.outputs.hand_on()
        assert not stage.custody.left
        stage.custody.allowed = False
        stage.publish(3)
        stage.custody.allowed = True
        await stage.outputs.finish(5)
        assert (stage.seqs, stage.custody.left, stage.custody.has_yielded) == ([1, 2, 3], True, ["jsonl"])
        assert stage.closed == [(False, True)], "nobody goes on with it"

    play(scene)


def test_an_output_whose_file_has_gone_is_tried_again_later() -> None:
    async def scene(stage: Stage) -> None:
        stage.unusable = Misconfigured("MQTT_CERT_PATH", "cannot be read", "name another")
        stage.begin()
        assert stage.custody.has_yielded == []
        await asyncio.sleep(60)
        assert stage.custody.has_yielded == ["jsonl"]

    play(scene)


def test_after_the_stop_nothing_begins() -> None:
    async def scene(stage: Stage) -> None:
        stage.begin()
        await asyncio.sleep(1)
        stage.outputs.stop()
        await asyncio.sleep(1)
        made = len(stage.made)
        stage.begin()
        assert len(stage.made) == made

    play(scene)
