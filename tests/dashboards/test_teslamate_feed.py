"""From the log to rows: a day of simulated drives gives the rows that TeslaMate wants, and no others."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from teslafast.core.hub import Hub
from teslafast.core.records import Report, connectivity
from teslafast.dashboards._teslamate_rows import RowShape, VehicleRows
from teslafast.dashboards.teslamate_feed import EVENTS_IN_A_TURN, RowFeed
from teslafast.dashboards.teslamate_rows import ROW_FIELDS, TESLAMATE_COLUMNS
from teslafast.protocol import _wire
from teslafast.protocol.encode import write_record
from teslafast.rfc3339 import parse_rfc3339, rfc3339
from teslafast.simulator.drive import DATA_TOPIC, Drive

from tests.support.drives import DAY_S, START, VIN
from tests.support.fake_loop import FakeLoop, make_hub
from tests.support.teslamate import Row, read_row

PARKED: dict[str, Any] = {"Location": {"latitude": 1.5, "longitude": 2.5}, "Gear": "ShiftStateP"}
ALL = RowShape(b"", TESLAMATE_COLUMNS)
NOW_MS = 1_790_000_000_000


class RowList:
    """`batches`: how many rows came in each turn of the loop."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.batches: list[int] = []
        self._new = 0

    def give_row(self, vin: str, rows: VehicleRows) -> None:
        self.rows.append(read_row(ALL.value(rows)))
        self._new += 1

    def flush(self) -> None:
        self.batches.append(self._new)
        self._new = 0


class Road:
    """A hub with a feed: vehicles say something at a time."""

    def __init__(self, **settings: str) -> None:
        self.hub: Hub
        self.loop: FakeLoop
        self.hub, self.loop = make_hub(settings)
        self.feed = RowFeed(self.hub, self.loop)

    def settle(self) -> None:
        """Until all that has been said is read."""
        self.loop.settle()
        while self.loop.timers:
            self.loop.elapse()

    def connect(self, vin: str = VIN, at_ms: int = NOW_MS) -> None:
        self.hub.registry.join(vin)
        self._publish(vin, connectivity(vin, True, "c", "wifi", at_ms * 1_000_000), at_ms)

    def leave(self, vin: str = VIN, at_ms: int = NOW_MS) -> None:
        entry = self.hub.registry.get(vin)
        assert entry is not None
        self.hub.registry.leave(entry)
        self._publish(vin, connectivity(vin, False, "c", "wifi", at_ms * 1_000_000), at_ms)

    def say(self, values: dict[str, Any], at_ms: int, vin: str = VIN, resend: bool = False, came_ms: int = 0) -> None:
        body = {"vin": vin, "createdAt": rfc3339(at_ms * 1_000_000), "data": values, "isResend": resend}
        self._publish(vin, Report("data", body, at_ms * 1_000_000, resend, len(values)), came_ms or at_ms)

    def _publish(self, vin: str, report: Report, at_ms: int) -> None:
        self.hub.submit(vin, report, lambda: report.body, b"", at_ms * 1_000_000)


@pytest.fixture
def road() -> Road:
    return Road()


def test_a_connected_vehicles_records_give_a_row_each(road: Road) -> None:
    road.connect()
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    road.say(PARKED, NOW_MS)
    road.say({"Soc": 70}, NOW_MS + 500)
    road.settle()
    assert [(row.time_ms, row.cells["soc"]) for row in reader.rows] == [(NOW_MS, None), (NOW_MS + 500, 70)]
    assert reader.batches == [2], "one write for what came in one turn"


def test_nothing_is_said_of_what_was_before_the_subscription(road: Road) -> None:
    road.connect()
    road.say(PARKED | {"Soc": 44}, NOW_MS)
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    road.settle()
    assert reader.rows == []
    road.say({"VehicleSpeed": None}, NOW_MS + 1)
    road.settle()
    assert [row.cells["soc"] for row in reader.rows] == [44]


def test_nothing_is_said_while_the_vehicle_is_not_connected(road: Road) -> None:
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    road.say(PARKED, NOW_MS)
    road.connect(at_ms=NOW_MS + 1)
    road.settle()
    assert reader.rows == []
    road.say({"Soc": 1}, NOW_MS + 2)
    road.leave(at_ms=NOW_MS + 3)
    road.say({"Soc": 2}, NOW_MS + 4)
    road.settle()
    assert [row.cells["soc"] for row in reader.rows] == [1]


def test_a_time_ahead_of_its_receipt_counts_as_that(road: Road) -> None:
    road.connect()
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    road.say(PARKED, NOW_MS + 86_400_000, came_ms=NOW_MS)
    road.say({"Soc": 3}, NOW_MS + 1000)
    road.settle()
    assert [row.time_ms for row in reader.rows] == [NOW_MS, NOW_MS + 1000]


def test_who_comes_back_finds_the_values_as_they_were_and_no_step_back(road: Road) -> None:
    road.connect()
    first, second = RowList(), RowList()
    road.feed.subscribe(VIN, first)
    road.say(PARKED | {"Soc": 70}, NOW_MS)
    road.settle()
    road.feed.unsubscribe(VIN, first)
    road.say({"Soc": 69}, NOW_MS + 1000)
    road.settle()
    road.feed.subscribe(VIN, second)
    road.say({"Soc": 71}, NOW_MS + 500, came_ms=NOW_MS + 1001)
    road.say({"GpsHeading": 10}, NOW_MS + 2000)
    road.settle()
    assert len(first.rows) == 1
    assert [(row.time_ms, row.cells["soc"]) for row in second.rows] == [(NOW_MS + 2000, 69)]


def test_nobody_pays_when_nobody_has_subscribed(road: Road) -> None:
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    watched = road.hub.turn.watched
    assert watched
    road.feed.unsubscribe(VIN, reader)
    road.feed.unsubscribe(VIN, reader)
    watched = road.hub.turn.watched
    assert not watched
    assert road.feed.behind == 0


def test_many_events_are_read_in_several_turns_and_none_is_lost(road: Road) -> None:
    road.connect()
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    for number in range(3 * EVENTS_IN_A_TURN):
        road.say(PARKED | {"Odometer": number}, NOW_MS + number)
    road.settle()
    assert [row.cells["odometer"] for row in reader.rows] == list(range(3 * EVENTS_IN_A_TURN))
    assert max(reader.batches) <= EVENTS_IN_A_TURN


def test_a_feed_that_the_ring_overtakes_goes_on_with_the_last_values() -> None:
    road = Road(RING_BYTES="1MiB", MAX_FRAME_BYTES="64KiB")
    road.connect()
    reader = RowList()
    road.feed.subscribe(VIN, reader)
    for number in range(10_000):
        road.say(PARKED | {"Soc": number % 90, "VehicleName": "x" * 200}, NOW_MS + number)
    assert road.hub.log.oldest > 1000
    road.settle()
    road.say({"GpsHeading": 7}, NOW_MS + 20_000)
    road.settle()
    assert (reader.rows[-1].cells["heading"], reader.rows[-1].cells["soc"]) == (7, 9999 % 90)
    assert road.hub.counts.gaps == 1


# ---- a day


def expected_rows(records: list[dict[str, Any]]) -> list[int]:
    """The times of the rows that a reader of all records wants: what holds a column's field, once gear and place are known."""
    seen: set[str] = set()
    times = []
    for record in records:
        fields = ROW_FIELDS & set(record["data"])
        seen |= fields
        if fields and not record["isResend"] and {"Gear", "Location"} <= seen:
            nanoseconds = parse_rfc3339(record["createdAt"])
            assert nanoseconds is not None
            times.append(nanoseconds // 1_000_000)
    return times


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_simulated_drives_gives_the_rows_that_are_wanted_and_no_others(seed: int) -> None:
    """Re-sent records and late ones are strewn in; each of them would be a wrong position."""
    road, reader, rng = Road(RING_BYTES="16MiB"), RowList(), random.Random(seed)
    drive = Drive(VIN, seed=seed, start_s=START, phase=0.0)
    road.connect(at_ms=int(START * 1000))
    road.feed.subscribe(VIN, reader)
    live: list[dict[str, Any]] = []
    truths: list[dict[str, Any]] = []
    known: dict[str, Any] = {}
    for second in range(int(DAY_S)):
        now_s = START + second
        for topic, fleet in drive.step(now_s):
            if topic != DATA_TOPIC:
                continue
            record = decoded(fleet)
            publish(road, record, now_s)
            body = orjson.loads(orjson.dumps(record.body))
            live.append(body)
            known.update(body["data"])
            if expected_rows([{**body, "data": known}]) and ROW_FIELDS & set(body["data"]):
                truths.append(dict(known))
        if rng.random() < 0.02:
            publish(road, decoded(drive.true_up(["Location", "Gear"], now_s)), now_s)
        if rng.random() < 0.02 and len(live) > 1:
            late = rng.choice(live[:-1])  # one that has been on its way for long, or comes again
            publish(road, Report("data", late, parse_rfc3339(late["createdAt"]), False, len(late["data"])), now_s)
        road.settle()
    assert [row.time_ms for row in reader.rows] == expected_rows(live)
    assert len(reader.rows) > 1000
    gears = {row.cells["shift_state"] for row in reader.rows}
    assert {"P", "D"} <= gears <= {"P", "D", "R", "N", None}
    for row, truth in zip(reader.rows, truths, strict=True):
        check(row, truth)


def decoded(record: dict[str, Any]) -> Any:
    """A record of the simulator as the server takes it in."""
    return _wire.read_record(DATA_TOPIC, write_record(DATA_TOPIC, record), VIN)


def publish(road: Road, record: Any, now_s: float) -> None:
    road.hub.submit(VIN, record, lambda: record.body, b"", round(now_s * 1000) * 1_000_000)


def check(row: Row, truth: dict[str, Any]) -> None:
    """Each cell is what the vehicle has said last, in the form that TeslaMate reads."""
    cells, place = row.cells, truth["Location"]
    assert (cells["est_lat"], cells["est_lng"]) == (place["latitude"], place["longitude"])
    for column, field in (("speed", "VehicleSpeed"), ("soc", "Soc"), ("heading", "GpsHeading"), ("est_range", "EstBatteryRange")):
        value = truth.get(field)
        assert (cells[column] is None) == (value is None), column
        assert value is None or abs(cells[column] - value) <= 0.5, column
    assert cells["odometer"] == truth["Odometer"]
    assert cells["elevation"] is None
    charging = max(truth.get("ACChargingPower") or 0, truth.get("DCChargingPower") or 0)
    battery = -truth["PackVoltage"] * truth["PackCurrent"] / 1000
    assert abs(cells["power"] - (-charging if charging else battery)) <= 0.5
