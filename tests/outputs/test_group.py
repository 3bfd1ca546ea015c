"""The outputs of one server: woken by the turn, only by events; cursors that outlive them; their end together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from teslafast._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from teslafast.config import Settings
from teslafast.core.last_values import LastValues
from teslafast.core.turn import ReplyHold
from teslafast.outputs import Context, Event
from teslafast.outputs.group import Outputs
from teslafast.outputs.settings import OutputPlan, planned

from tests.support import virtual_time

RING = 64 * 1024


class Turn:
    def __init__(self) -> None:
        self.watchers: list[Callable[[], None]] = []
        self.hold: ReplyHold | None = None

    def hold_replies_by(self, hold: ReplyHold) -> None:
        self.hold = hold

    def watch(self, callback: Callable[[], None]) -> None:
        self.watchers.append(callback)

    def unwatch(self, callback: Callable[[], None]) -> None:
        self.watchers.remove(callback)

    def end(self) -> None:
        for watcher in self.watchers:
            watcher()


class Hub:
    epoch = "0123456789abcdef"

    def __init__(self) -> None:
        self.turn = Turn()
        self.last_values = LastValues()
        self.log = Fanout(bytearray(bytes_needed(RING)), RING, FLAT_PREFIXES, lambda log: None)

    def publish(self) -> None:
        self.log.publish(0, "A", b'{"vin":"A"}', 1)


class Kept:
    def __init__(self, **first: int) -> None:
        self.first = first
        self.cursors: dict[str, int] = {}

    def put(self, output: str, seq: int) -> None:
        self.cursors[output] = seq

    def close(self) -> None:
        self.first = {}


class Recording:
    def __init__(self) -> None:
        self.seqs: list[int] = []

    async def connect(self) -> None: ...

    async def send(self, events: list[Event]) -> None:
        self.seqs += [event.seq for event in events]

    async def close(self) -> None: ...


class Plan:
    """Stands for an OutputPlan."""

    def __init__(self, output: Recording, reliable: bool = False) -> None:
        (real,) = planned({"JSONL_PATH": "x", "RELIABLE_ACKS": "jsonl" if reliable else ""}, Settings())
        self.row, self.name, self.cursor, self.kinds = real.row, real.name, real.cursor, real.kinds
        self.shared, self.reliable = real.shared, real.reliable
        self.shape, self.wants_own_bytes = real.shape, real.wants_own_bytes
        self._output = output

    def make(self, context: Context) -> Recording:
        assert context.epoch == Hub.epoch
        return self._output


def group(hub: Hub, output: Recording, cursors: Kept | None = None, reliable: bool = False) -> Outputs:
    plans: list[OutputPlan] = [Plan(output, reliable)]  # type: ignore[list-item]
    return Outputs(plans, hub, cursors)


def test_the_end_of_a_turn_wakes_an_output_if_there_is_something_new() -> None:
    async def scene() -> None:
        hub, output = Hub(), Recording()
        outputs = group(hub, output)
        outputs.start()
        await asyncio.sleep(1)
        hub.publish()
        await asyncio.sleep(1)
        assert output.seqs == [], "publishing alone wakes nobody"
        hub.turn.end()
        await asyncio.sleep(1)
        assert output.seqs == [1]
        hub.turn.end()
        await outputs.finish(1)
        assert (output.seqs, hub.turn.watchers) == ([1], [])

    virtual_time.run(scene())


def test_an_output_begins_with_the_next_event_or_where_its_cursor_says() -> None:
    async def scene() -> None:
        for cursors, expected in ((None, [6]), (Kept(jsonl=3), [3, 4, 5, 6])):
            hub, output = Hub(), Recording()
            for _ in range(5):
                hub.publish()
            outputs = group(hub, output, cursors)
            outputs.start()
            hub.publish()
            await outputs.finish(1)
            assert output.seqs == expected
            assert cursors is None or cursors.cursors == {"jsonl": 6}

    virtual_time.run(scene())


def test_states_and_gauges_are_by_name() -> None:
    async def scene() -> None:
        outputs = group(Hub(), Recording())
        assert outputs.states() == {"jsonl": "connecting"}
        outputs.start()
        await asyncio.sleep(1)
        assert outputs.states() == {"jsonl": "up"}
        assert outputs.gauges()["jsonl"].sent == 0
        outputs.stop()

    virtual_time.run(scene())


def test_reading_the_settings_of_an_output_touches_no_file(tmp_path: Path) -> None:
    planned({"JSONL_PATH": str(tmp_path / "events.jsonl")}, Settings())
    assert list(tmp_path.iterdir()) == [], "reading the settings touches nothing"


def test_reliable_acks_hold_the_turn_s_replies_until_the_output_has_the_event() -> None:
    async def scene() -> None:
        hub, output = Hub(), Recording()
        outputs = group(hub, output, reliable=True)
        outputs.start()
        assert hub.turn.hold is outputs.acks is not None
        written: list[bytes] = []
        hub.publish()
        assert outputs.acks.hold(b"ack", written.append, list)
        assert (written, outputs.acks.waiting) == ([], 1)
        hub.turn.end()
        await asyncio.sleep(1)
        assert (written, output.seqs) == ([b"ack"], [1])
        outputs.stop()

    virtual_time.run(scene())


def test_without_reliable_acks_nothing_holds_replies() -> None:
    async def scene() -> None:
        hub = Hub()
        outputs = group(hub, Recording())
        outputs.start()
        assert (outputs.acks, hub.turn.hold) == (None, None)
        outputs.stop()

    virtual_time.run(scene())
