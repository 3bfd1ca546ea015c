"""What a simulated vehicle sends, and when."""

import json
import math
import re
from itertools import pairwise
from typing import Any

import pytest
from teslafast.simulator.car import CAR_FIELDS, MILE_M, Car
from teslafast.simulator.drive import ALERTS_TOPIC, DATA_INTERVAL_S, DATA_TOPIC, ERRORS_TOPIC, Drive
from teslafast.simulator.timetable import timetable

from tests.support import SHARED
from tests.support.drives import DAY_S, START, VIN, datums, played

INTERVALS = {field.key: field.interval_s for field in CAR_FIELDS}
SCHEMA = SHARED / "tesla" / "schema.json"
FIELD_TYPES = SCHEMA.with_name("field_types.json")
needs_shared = pytest.mark.skipif(not SCHEMA.exists(), reason="the shared facts are not part of this repository")


def test_the_first_message_holds_every_field_and_later_ones_only_changed_fields() -> None:
    known: dict[str, Any] = {}
    sizes = []
    for _, topic, record in played(3600):
        if topic == DATA_TOPIC:
            sent = datums(record)
            assert all(known.get(key) != value for key, value in sent.items())
            known.update(sent)
            sizes.append(len(sent))
    assert sizes[0] == len(CAR_FIELDS) == len({field.key for field in CAR_FIELDS})
    assert max(sizes[1:]) < len(CAR_FIELDS)


@pytest.mark.parametrize("every_s", [0.05, 0.5, 0.7, 3.0])
def test_a_field_is_sent_at_most_once_an_interval_and_data_messages_are_half_a_second_apart(every_s: float) -> None:
    last: dict[str, float] = {}
    messages = []
    for at, topic, record in played(200, every_s=every_s):
        if topic == DATA_TOPIC:
            messages.append(at)
            for key in datums(record):
                assert at - last.get(key, -math.inf) >= INTERVALS[key] - 1e-6, key
                last[key] = at
    assert len(messages) > 30
    assert min(after - before for before, after in pairwise(messages)) >= DATA_INTERVAL_S - 1e-6


@needs_shared
def test_every_value_has_the_alternative_that_cars_send_and_every_name_is_the_protocols() -> None:
    schema, types = json.loads(SCHEMA.read_text()), json.loads(FIELD_TYPES.read_text())["fields"]
    text = json.dumps(schema)
    seen = set()
    for _, topic, record in played(DAY_S, seed=2):
        for key, value in datums(record).items() if topic == DATA_TOPIC else ():
            ((alternative, content),) = value.items()
            snake = re.sub("([A-Z])", r"_\1", alternative).lower()
            assert snake in (types[key]["likely_value"], "invalid"), key
            if snake not in ("invalid", "string_value") and isinstance(content, str):
                assert f'"{content}"' in text, content
            seen.add(alternative)
    assert {"doubleValue", "locationValue", "doorValue", "shiftStateValue", "detailedChargeStateValue", "invalid"} <= seen


def test_alerts_begin_and_end_and_errors_are_rare() -> None:
    messages = list(played(10 * 3600, seed=3))
    alerts = [record["alerts"][0] for _, topic, record in messages if topic == ALERTS_TOPIC]
    first = next(at for at, topic, _ in messages if topic == ALERTS_TOPIC)
    assert 6 <= first <= 41
    assert len(alerts) > 40
    for begun, ended in zip(alerts[::2], alerts[1::2], strict=False):
        assert begun["endedAt"] is None
        assert (ended["name"], ended["startedAt"]) == (begun["name"], begun["startedAt"])
        assert ended["endedAt"] > ended["startedAt"]
    errors = [record["errors"][0] for _, topic, record in messages if topic == ERRORS_TOPIC]
    assert 5 < len(errors) < 60
    assert all(error["name"] and error["tags"]["field_name"] for error in errors)


def test_the_same_seed_gives_the_same_drive_and_another_seed_gives_another() -> None:
    assert list(played(60, seed=7)) == list(played(60, seed=7))
    assert list(played(5, seed=7)) != list(played(5, seed=8))


def test_cars_begin_in_different_places_at_different_times_of_their_day() -> None:
    first = [next(played(1, seed, phase=seed / 9))[2] for seed in range(9)]
    assert len({tuple(datums(record)["Location"]["locationValue"].values()) for record in first}) == 9
    assert len({datums(record)["Gear"].get("shiftStateValue") for record in first}) > 1


def test_after_a_long_pause_the_odometer_has_gone_on() -> None:
    drive = Drive(VIN, seed=1, start_s=START)
    drive.step(START)
    ((_, record), *_) = drive.step(START + 40 * DAY_S + 20)
    odometer = datums(record)["Odometer"]["doubleValue"]
    assert odometer > Car.from_seed(1, 0).odometer_miles + 40 * 0.9 * timetable()[-1].distance_m / MILE_M


def test_a_true_up_holds_the_latest_values_of_the_fields_asked_for() -> None:
    drive = Drive(VIN, seed=1, start_s=START)
    known: dict[str, Any] = {}
    for tick in range(30):
        for topic, record in drive.step(START + tick):
            known.update(datums(record) if topic == DATA_TOPIC else {})
    record = drive.true_up(["Gear", "Odometer", "Gear", "NoSuchField"], START + 30)
    assert record["isResend"] is True
    assert [datum["key"] for datum in record["data"]] == ["Gear", "Odometer"]
    assert datums(record) == {key: known[key] for key in ("Gear", "Odometer")}
