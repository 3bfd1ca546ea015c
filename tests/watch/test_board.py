"""What the board keeps of the events that it takes in."""

from typing import Any

import pytest
from teslafast.watch.board import MOST_VEHICLES, NOTICES

from tests.support.fake_stream_server import ESCAPES, HELLO, VIN, data
from tests.support.stream_events import board

GONE = {"type": "connectivity", "seq": 6, "vin": VIN, "status": "DISCONNECTED", "networkInterface": "wifi"}
ALERT: dict[str, Any] = {"name": "APP_w222", "startedAt": "x", "endedAt": None, "audiences": []}
ERROR = {"name": "unsupported_field", "tags": {"field_name": "X"}, "body": "", "createdAt": "x"}


def test_only_shown_fields_are_kept_and_later_values_replace_earlier_ones() -> None:
    made = board(data(5, Soc=80.0, Odometer=1.0), data(6, Soc=79.0, Gear=None))
    assert made.vehicles[VIN].values == {"Soc": 79.0, "Gear": None}
    assert (made.vehicles[VIN].seq, made.seq, made.events) == (6, 6, 2)


def test_a_snapshot_sets_values_but_counts_as_no_event() -> None:
    made = board(HELLO, {**data(5, Soc=50.0), "type": "snapshot"})
    vehicle = made.vehicles[VIN]
    assert (vehicle.values, vehicle.heard_s, vehicle.seq) == ({"Soc": 50.0}, None, None)
    assert (made.events, made.seq) == (0, None)


def test_a_vehicle_is_disconnected_until_its_next_event_which_a_snapshot_is_not() -> None:
    made = board(data(5), GONE)
    assert made.vehicles[VIN].disconnected
    made.take({**data(6), "type": "snapshot"}, 100)
    assert made.vehicles[VIN].disconnected
    made.take(data(7), 100)
    assert not made.vehicles[VIN].disconnected


@pytest.mark.parametrize(
    ("event", "notices"),
    [
        ({"type": "gap", "from": 5, "to": 9}, ["gap: the server no longer has events 5 to 9"]),
        (
            {"type": "alerts", "seq": 10, "vin": VIN, "alerts": [ALERT, {**ALERT, "endedAt": "y"}]},
            [f"{VIN} alert APP_w222 began", f"{VIN} alert APP_w222 ended"],
        ),
        ({"type": "errors", "seq": 11, "vin": VIN, "errors": [ERROR]}, [f"{VIN} error unsupported_field field_name=X"]),
        (GONE, [f"{VIN} disconnected wifi"]),
        ({"type": "error", "reason": "no such kind"}, ["the server reports: no such kind"]),
        ({"type": "token_expiring"}, ["the token expires soon: mint another with `teslafast token`"]),
        ({"type": "a type of a later version", "seq": 12}, []),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_remarkable_event_becomes_a_notice(event: dict[str, Any], notices: list[str]) -> None:
    assert list(board(event).notices) == notices


def test_control_characters_in_an_event_become_question_marks() -> None:
    made = board({"type": "error", "reason": ESCAPES}, data(5, ESCAPES))
    assert all(notice.isprintable() for notice in made.notices)
    assert all(vin.isprintable() for vin in made.vehicles)


def test_only_the_last_few_notices_are_kept() -> None:
    made = board(*({"type": "gap", "from": number, "to": number} for number in range(100)))
    assert [notice.split()[-1] for notice in made.notices] == [str(number) for number in range(100 - NOTICES, 100)]
    assert made.gaps == 100


def test_vehicles_beyond_the_limit_are_left_out() -> None:
    made = board(*(data(number, f"VIN{number}") for number in range(MOST_VEHICLES + 10)))
    assert len(made.vehicles) == MOST_VEHICLES
    assert made.events == MOST_VEHICLES + 10
