"""What a dashboard is told besides events: each is one text frame of JSON."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from teslafast._fanout import ALL_KINDS
from teslafast.dashboards import messages
from websockets.frames import Frame, Opcode

from tests.support.fake_log import frames_in

VIN = "5YJ3E1EA7KF000001"


def only_frame(data: bytes) -> Any:
    (frame,) = frames_in(data)
    assert frame == Frame(Opcode.TEXT, frame.data)
    return json.loads(bytes(frame.data))


def test_hello_says_where_the_log_stands_and_who_speaks() -> None:
    hello = only_frame(messages.hello("e1", 1234, 17))
    assert hello.pop("server").startswith("teslafast/")
    assert hello == {"type": "hello", "epoch": "e1", "seq": 1234, "oldest": 17}


def test_a_gap_names_the_first_and_the_last_that_were_lost() -> None:
    assert only_frame(messages.gap(1300, 1412)) == {"type": "gap", "from": 1300, "to": 1412}


def test_a_snapshot_holds_the_last_values_and_their_newest_time() -> None:
    assert only_frame(messages.snapshot(7, VIN, 0, {"Soc": None})) == {
        "type": "snapshot",
        "seq": 7,
        "vin": VIN,
        "createdAt": "1970-01-01T00:00:00.000Z",
        "isCache": True,
        "data": {"Soc": None},
    }


def test_subscribed_names_vehicles_and_kinds_and_null_stands_for_all() -> None:
    assert only_frame(messages.subscribed({"B", "A"}, ALL_KINDS)) == {"type": "subscribed", "vins": ["A", "B"], "types": None}
    assert only_frame(messages.subscribed(None, 0b1001)) == {
        "type": "subscribed",
        "vins": None,
        "types": ["data", "connectivity"],
    }
    assert only_frame(messages.subscribed((), 1))["vins"] == []


def test_the_warning_says_when_the_token_ends_in_whole_seconds() -> None:
    assert only_frame(messages.token_expiring(1_800_000_000.5)) == {"type": "token_expiring", "exp": 1_800_000_000}


def test_the_answer_to_a_ping_is_a_pong() -> None:
    assert only_frame(messages.PONG_MESSAGE) == {"type": "pong"}


def test_an_invalid_message_is_the_clients_fault() -> None:
    error = messages.invalid("not JSON")
    assert (error.status, str(error)) == (HTTPStatus.BAD_REQUEST, "not JSON")
