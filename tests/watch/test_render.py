"""The board as lines of text."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.watch.render import COLUMNS, render

from tests.support.fake_stream_server import HELLO, VIN, data
from tests.support.stream_events import EVENTS, board


def test_a_row_holds_the_last_known_values_of_a_vehicle() -> None:
    other = "5YJ3TEST7PF000002"
    made = board(
        HELLO,
        {**data(4, Soc=81.0, VehicleSpeed=None, Gear="ShiftStateP"), "type": "snapshot"},
        data(5, Soc=80.26, VehicleSpeed=41.53, Gear="ShiftStateD", Location={"latitude": 37.44191, "longitude": -122.143}),
        data(6, other, Soc=55, DetailedChargeState="DetailedChargeStateCharging", ACChargingPower=11.02, DCChargingPower=0.0),
    )
    made.status = "connected"
    assert render(made, 103.2, 100, 20) == [
        "wss://h/stream  connected  vehicles 2  events 2  seq 6",
        "VIN                HEARD  SOC %  MPH    GEAR  CHARGING            PLACE                 SEQ",
        f"{VIN}  3s     80.3   41.5   D     -                   37.4419, -122.1430    5",
        f"{other}  3s     55.0   -      -     Charging 11.0 kW    -                     6",
    ]


def test_a_vehicle_known_only_by_a_snapshot_has_no_age_and_no_seq() -> None:
    lines = render(board({**data(5, Soc=50.0), "type": "snapshot"}), 100, 100, 20)
    assert lines[2].split() == [VIN, "-", "50.0", "-", "-", "-", "-", "-"]
    assert "events 0" in lines[0]


@pytest.mark.parametrize(
    ("later", "shown"), [(0.0, "now"), (0.9, "now"), (1.0, "1s"), (99.0, "99s"), (100.0, "1m"), (7200.0, "2h"), (400_000.0, "4d")]
)
def test_the_age_of_the_last_event_is_shown_in_its_largest_unit(later: float, shown: str) -> None:
    assert render(board(data(5), now=50.0), 50.0 + later, 100, 20)[2].split()[1] == shown


def test_many_notices_leave_room_for_the_table() -> None:
    made = board(*({"type": "gap", "from": number, "to": number} for number in range(100)), data(5))
    assert [line[:17] for line in render(made, 100, 80, 6)] == [
        "wss://h/stream  c",
        "VIN              ",
        VIN,
        "gap: the server n",
        "gap: the server n",
    ]


def test_a_disconnected_vehicle_is_shown_as_away() -> None:
    gone = {"type": "connectivity", "seq": 6, "vin": VIN, "status": "DISCONNECTED", "networkInterface": "wifi"}
    assert render(board(data(5), gone), 100, 100, 20)[2].split()[1] == "away"


def test_gaps_are_counted_in_the_title_and_noted_below_the_table() -> None:
    lines = render(board({"type": "gap", "from": 5, "to": 9}, data(10)), 100, 100, 24)
    assert lines[0].endswith("events 1  seq 10  gaps 1")
    assert lines[-1] == "gap: the server no longer has events 5 to 9"


def test_vehicles_without_room_are_counted_in_the_last_row() -> None:
    lines = render(board(*(data(n, f"VIN{n:03}") for n in range(50))), 100, 80, 12)
    assert len(lines) == 12
    assert [line[:6] for line in lines[2:5]] == ["VIN000", "VIN001", "VIN002"]
    assert lines[-1] == "... and 41 more"


def test_a_narrow_terminal_leaves_out_columns_by_their_rank() -> None:
    made = board(data(5, Soc=80.0, Gear="ShiftStateD"))
    heads = {width: render(made, 100, width, 10)[1].split("  ") for width in (200, 60, 40, 25, 17, 5)}
    assert {width: [head.strip() for head in names if head.strip()] for width, names in heads.items()} == {
        200: [column.name for column in COLUMNS],
        60: ["VIN", "HEARD", "SOC %", "MPH", "GEAR"],
        40: ["VIN", "SOC %", "MPH", "GEAR"],
        25: ["VIN", "SOC %"],
        17: ["VIN"],
        5: ["VIN"],
    }


@given(st.lists(EVENTS, max_size=6), st.integers(1, 120), st.integers(1, 30))
def test_after_any_events_the_table_fits_its_size_and_is_printable(events: list[dict[str, Any]], width: int, height: int) -> None:
    made = board(*events)
    lines = render(made, 101.0, width, height)
    assert len(lines) <= height
    for line in lines:
        assert line.isprintable()
        shown = [one for one in line if not unicodedata.combining(one)]
        assert sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in shown) <= width


def test_a_board_without_vehicles_says_what_to_do_and_how_to_end_it() -> None:
    shown = "\n".join(render(board(HELLO), 0.0, 200, 20))
    assert "teslafast doctor" in shown
    assert "Ctrl-C ends this" in shown
