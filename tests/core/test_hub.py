"""A turn: everything that came in together is in the log first, then acknowledged, then given to its readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import pytest
from picows import WSCloseCode
from teslafast.config import Settings
from teslafast.core import records
from teslafast.core.hub import LET_GO_PER_TURN, Hub
from teslafast.core.records import Report
from teslafast.core.views import ViewKey
from teslafast.errors import Malformed

from tests.support.fake_log import Dashboard

VIN = "5YJ3E1EA7KF000001"
CREATED_NS = 1_795_420_800_123_000_000


class Loop:
    """Does what it was asked for when it is told to: `turn` what is ready, `elapse` what waits for a time."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], object]] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def call_soon(self, callback: Callable[[], object], /) -> None:
        self.ready.append(callback)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.timers.append((delay, callback))

    def turn(self) -> None:
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()

    def settle(self) -> None:
        while self.ready:
            self.turn()

    def elapse(self) -> list[float]:
        """Everything that waits is due now; the delays that it was to wait."""
        timers, self.timers = self.timers, []
        for _, callback in timers:
            callback()
        self.settle()
        return [delay for delay, _ in timers]


def hub(**variables: str) -> tuple[Hub, Loop]:
    loop = Loop()
    environment = {"NODE_ENV": "development", "RING_BYTES": "4MiB", "MAX_FRAME_BYTES": "1MiB"}
    return Hub(Settings.from_env(environment | variables), loop), loop


def data(number: int = 1, **values: object) -> Report:
    fields = values or {"Soc": number}
    body = {"vin": VIN, "createdAt": "2026-11-23T08:00:00.123Z", "data": fields, "isResend": False}
    return Report("data", body, CREATED_NS + number, False, len(fields))


def publish(to: Hub, report: Report) -> int:
    return to.publish(VIN, report, lambda: {"fleet": report.body})


def reader(of: Hub, after: int | None = None) -> Dashboard:
    dashboard = Dashboard()
    of.log.subscribe(dashboard.reader, after=after)
    return dashboard


class Vehicle:
    """Has replies to send, and looks at the log while it sends them."""

    def __init__(self, of: Hub) -> None:
        self._hub = of
        self.sent_at: list[int] = []

    def send_replies(self) -> None:
        self.sent_at.append(self._hub.log.seq)


def test_a_published_record_is_in_the_log_at_once_and_with_its_readers_after_the_turn() -> None:
    own, loop = hub()
    dashboard = reader(own)
    assert publish(own, data()) == 1
    assert own.log.seq == 1
    assert dashboard.messages() == []
    loop.settle()
    assert dashboard.messages() == [{"type": "data", "seq": 1, **data().body}]


def test_seqs_rise_by_one() -> None:
    own, _ = hub()
    assert [publish(own, data(number)) for number in range(5)] == [1, 2, 3, 4, 5]


def test_all_that_comes_in_one_turn_is_one_write_to_a_reader() -> None:
    own, loop = hub()
    dashboard = reader(own)
    for number in range(10):
        publish(own, data(number))
    loop.settle()
    assert len(dashboard.wire.writes) == 1
    assert dashboard.seqs() == list(range(1, 11))


def test_acks_leave_when_their_frames_are_in_the_log_and_before_the_readers_get_them() -> None:
    own, loop = hub()
    dashboard, vehicle = reader(own), Vehicle(own)
    given_before: list[int] = []
    dashboard.wire.on_write = lambda: given_before.append(len(vehicle.sent_at))
    publish(own, data())
    own.owe(vehicle)
    assert vehicle.sent_at == []
    loop.settle()
    assert vehicle.sent_at == [1]
    assert given_before == [1]


def test_a_turn_is_asked_for_once() -> None:
    own, loop = hub()
    reader(own)
    for number in range(3):
        publish(own, data(number))
        own.owe(Vehicle(own))
    assert len(loop.ready) == 1


def test_whoever_owes_during_a_turn_is_asked_in_the_next() -> None:
    own, loop = hub()
    late = Vehicle(own)

    class Early(Vehicle):
        def send_replies(self) -> None:
            own.owe(late)

    own.owe(Early(own))
    loop.turn()
    assert late.sent_at == []
    loop.turn()
    assert late.sent_at == [0]


# ---- COALESCE_MS


def test_with_coalescing_the_first_event_after_a_pause_goes_at_once_and_the_next_ones_wait() -> None:
    own, loop = hub(COALESCE_MS="10000")
    dashboard = reader(own)
    publish(own, data(1))
    loop.settle()
    assert dashboard.seqs() == [1]
    publish(own, data(2))
    publish(own, data(3))
    loop.settle()
    assert dashboard.seqs() == [1]
    (delay,) = loop.elapse()
    assert 9 < delay <= 10
    assert dashboard.seqs() == [1, 2, 3]


def test_with_coalescing_acks_still_leave_at_once() -> None:
    own, loop = hub(COALESCE_MS="10000")
    vehicle = Vehicle(own)
    for _ in range(2):
        publish(own, data())
        own.owe(vehicle)
        loop.settle()
    assert vehicle.sent_at == [1, 2]


# ---- what is remembered


def test_data_is_remembered_field_by_field_and_other_kinds_are_not() -> None:
    own, _ = hub()
    publish(own, data(1, Soc=50, Gear="ShiftStateP"))
    publish(own, data(2, Soc=51))
    publish(own, records.connectivity("other", True, "c1", "wifi", CREATED_NS))
    vehicle = own.state.get(VIN)
    assert vehicle is not None
    assert vehicle.values == {"Soc": 51, "Gear": "ShiftStateP"}
    assert own.state.get("other") is None


# ---- what cannot be kept


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [nested(300), 1 << 70, "x" * (5 << 20), "\ud800"])
def test_what_cannot_be_kept_is_malformed_and_leaves_no_trace(value: object) -> None:
    own, loop = hub()
    dashboard = reader(own)
    with pytest.raises(Malformed):
        publish(own, data(1, Soc=value))
    assert own.log.seq == 0
    assert own.state.get(VIN) is None
    assert publish(own, data(2)) == 1
    loop.settle()
    assert dashboard.seqs() == [1]


def test_numbers_that_json_does_not_have_are_null() -> None:
    own, loop = hub()
    dashboard = reader(own)
    publish(own, data(1, Soc=float("nan"), Odometer=float("inf")))
    loop.settle()
    assert dashboard.messages()[0]["data"] == {"Soc": None, "Odometer": None}


def test_a_record_that_no_view_can_hold_is_in_the_log_all_the_same() -> None:
    own, loop = hub()
    flat, fleet = reader(own), Dashboard()
    own.views.log_for(ViewKey("fleet"), own.log).subscribe(fleet.reader)
    assert own.publish(VIN, data(1), lambda: {"data": "x" * (5 << 20)}) == 1
    publish(own, data(2))
    loop.settle()
    assert flat.seqs() == [1, 2]
    assert [message["seq"] for message in fleet.messages()] == [2]


def test_the_epoch_is_another_one_for_every_hub() -> None:
    assert hub()[0].epoch != hub()[0].epoch


# ---- connections that have ended


class Ended:
    """A connection, as far as the hub sees it."""

    def check(self, now: float) -> None: ...
    def close(self, code: WSCloseCode, cause: str, reason: str = "") -> None: ...
    def abort(self) -> None: ...


def test_the_memory_of_a_fleet_that_has_gone_is_given_back_in_parts() -> None:
    of, loop = hub()
    fleet = [Ended() for _ in range(3 * LET_GO_PER_TURN)]
    alive = WeakSet(fleet)
    of.connections.update(fleet)
    while fleet:
        of.part(fleet.pop())
    assert not of.connections
    left = []
    while loop.timers:
        loop.elapse()
        left.append(len(alive))
    assert left == [2 * LET_GO_PER_TURN, LET_GO_PER_TURN, 0]
    of.part(Ended())
    loop.elapse()
    assert not of._gone
