"""A dashboard's connection without a socket: every reason for which it is ended, and that nothing is written after that."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from picows import WSMsgType
from teslafast.close_reasons import (
    DASHBOARD_DRAIN,
    FAULT,
    FLOOD,
    INVALID_MESSAGES,
    NOT_READING,
    STALLED,
    TOKEN_EXPIRED,
    TOO_LARGE,
)
from teslafast.dashboards.admission import AdmitDashboard
from teslafast.dashboards.subscription import Subscription
from teslafast.dashboards.tokens import Grant, Verifier
from teslafast.dashboards.websocket import (
    ANSWER_BYTES_OWED_AT_MOST,
    ANSWERS_OWED_AT_MOST,
    BYTES_AT_MOST,
    FRAMES_AT_MOST,
    FRAMES_UNREAD_AT_MOST,
    MESSAGE_LIMIT,
    DashboardConnection,
    dashboard_rules,
)

from tests.support.fake_log import Dashboard, Wire
from tests.support.fake_loop import data, make_hub, publish
from tests.support.fake_websocket import FakeFrame, FakeTransport
from tests.support.peers import SECRET

TEXT, BINARY, CONT, PING = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.PING
INTERVAL_S = 3000.0  # a machine that stands still for a while changes nothing


class Underlying(Wire):
    """The transport beneath picows'."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0, "it is to be told as soon as anything waits"

    def get_write_buffer_size(self) -> int:
        return 1


class Stage:
    def __init__(self, token_s: float = 3600.0) -> None:
        self.hub, self.loop = make_hub({"PING_INTERVAL": f"{INTERVAL_S}"})
        self.wire = Underlying()
        self.transport = FakeTransport()
        self.transport.underlying_transport = self.wire
        admitted = AdmitDashboard(Grant("tests", None, time.time() + token_s), Subscription(), None)
        verifier = Verifier([SECRET], ["HS256"], None, None)
        rules = dashboard_rules(self.hub, self.loop)
        self.connection = DashboardConnection(self.hub, rules, verifier, "stream", admitted, "192.0.2.1")
        self.connection.transport = self.transport  # type: ignore[assignment]
        self.connection.on_opened()
        self.wire.hold, self.wire.go_on = self.connection.pause_writing, self.connection.resume_writing
        self.loop.settle()

    def frame(self, *frame: Any) -> None:
        self.connection.on_ws_frame(self.transport, FakeFrame(*frame))  # type: ignore[arg-type]

    @property
    def closed_with(self) -> list[int]:
        return [one[1] for one in self.transport.done if one[0] == "close"]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_more_frames_than_a_second_is_for_are_a_flood_and_a_check_begins_anew(stage: Stage) -> None:
    for _ in range(2):
        for _ in range(FRAMES_AT_MOST):
            stage.frame(TEXT, b"ping")
        stage.connection.check(time.monotonic())
    assert stage.closed_with == []
    for _ in range(FRAMES_AT_MOST + 1):
        stage.frame(TEXT, b"ping")
    assert stage.closed_with == [FLOOD.code]


def test_more_bytes_than_a_second_is_for_are_a_flood(stage: Stage) -> None:
    ping = b'{"type":"ping"}'.ljust(MESSAGE_LIMIT)
    for _ in range(BYTES_AT_MOST // MESSAGE_LIMIT):
        stage.frame(TEXT, ping)
    assert stage.closed_with == []
    stage.frame(TEXT, ping)
    assert stage.closed_with == [FLOOD.code]


def test_too_many_frames_while_it_reads_nothing_end_the_connection(stage: Stage) -> None:
    stage.connection.pause_writing()
    for _ in range(FRAMES_UNREAD_AT_MOST - 1):
        stage.frame(TEXT, b"ping")
    assert stage.closed_with == []
    stage.frame(PING)
    assert stage.closed_with == [NOT_READING.code]


def test_answers_that_pile_up_at_one_that_reads_slower_than_it_asks_end_the_connection(stage: Stage) -> None:
    for _ in range(2):
        stage.connection.resume_writing()  # it has taken something, but not what it is owed: the loop has no turn
        stage.connection.pause_writing()
        for _ in range(ANSWERS_OWED_AT_MOST // 2):
            stage.frame(TEXT, b"ping")
        assert stage.closed_with == []
    stage.connection.resume_writing()
    stage.connection.pause_writing()
    stage.frame(TEXT, b"ping")
    assert stage.closed_with == [NOT_READING.code]


def test_answers_that_take_much_memory_pile_up_to_their_bytes_only(stage: Stage) -> None:
    vins = [f"5YJ3E1EA7KF{number:06}" for number in range(150)]
    subscribe = json.dumps({"type": "subscribe", "vins": vins}).encode()
    stage.connection.pause_writing()
    said = 0
    while not stage.closed_with:
        stage.frame(TEXT, subscribe)
        said += 1
    assert stage.closed_with == [NOT_READING.code]
    assert said <= ANSWER_BYTES_OWED_AT_MOST // (17 * len(vins)) + 2


def test_one_that_takes_nothing_for_two_intervals_is_stalled_and_is_not_pinged_meanwhile(stage: Stage) -> None:
    stage.connection.pause_writing()
    blocked_at = time.monotonic()
    stage.connection.check(blocked_at + 2 * INTERVAL_S - 100)
    assert stage.transport.done == []
    assert stage.connection.stalled_s(blocked_at + 1000) == pytest.approx(1000, abs=100)
    stage.connection.check(blocked_at + 2 * INTERVAL_S)
    assert stage.closed_with == [STALLED.code]


def test_a_pong_that_came_while_it_was_slow_is_a_sign_of_life(stage: Stage) -> None:
    pinged_at = time.monotonic() + INTERVAL_S
    stage.connection.check(pinged_at)
    assert stage.transport.done == ["ping"]
    stage.connection.pause_writing()
    before = stage.connection._heard_at
    stage.frame(WSMsgType.PONG)
    assert stage.connection._heard_at > before


def test_when_its_token_has_ended_it_is_ended() -> None:
    stage = Stage(token_s=-1)
    stage.connection.check(time.monotonic())
    assert stage.closed_with == [TOKEN_EXPIRED.code]


def test_a_fault_in_serving_it_ends_it_and_nobody_else(stage: Stage) -> None:
    def fail() -> None:
        raise RuntimeError("not to be written to")

    stage.wire.on_write = fail
    other = Dashboard()
    stage.hub.log.subscribe(other.reader)
    publish(stage.hub, data())
    stage.loop.settle()
    assert stage.closed_with == [FAULT.code]
    assert other.seqs() == [1]
    assert stage.hub.log.readers == 1


def test_a_message_beyond_the_limit_in_fragments_ends_it_and_is_counted(stage: Stage) -> None:
    stage.frame(TEXT, b"x" * MESSAGE_LIMIT, False)
    stage.frame(CONT, b"x")
    assert stage.closed_with == [TOO_LARGE.code]
    assert stage.hub.counts.refused_messages == {"too_large": 1}


def test_ten_binary_messages_are_ten_invalid_ones(stage: Stage) -> None:
    for _ in range(10):
        stage.frame(BINARY, b"x")
    assert stage.closed_with == [INVALID_MESSAGES.code]
    assert b"as text, not as binary" in stage.wire.writes[-1]


def test_after_its_close_nothing_is_written_whatever_happens() -> None:
    stage = Stage(token_s=10)
    stage.connection.close(DASHBOARD_DRAIN)
    written = len(stage.wire.writes)
    publish(stage.hub, data())
    stage.frame(TEXT, b"nonsense")
    stage.connection.check(time.monotonic() + 1000)
    stage.connection.resume_writing()
    stage.loop.settle()
    assert len(stage.wire.writes) == written
    assert stage.closed_with == [DASHBOARD_DRAIN.code]


def test_its_end_is_counted_with_what_it_was_sent_and_gives_its_place_back(stage: Stage) -> None:
    publish(stage.hub, data())
    stage.loop.settle()
    assert (stage.connection.up_to_date, stage.connection.behind, stage.connection.blocked) == (True, 0, False)
    event_bytes = stage.connection.sent_bytes
    assert event_bytes > 0
    stage.connection.on_ws_disconnected(stage.transport)  # type: ignore[arg-type]
    assert stage.hub.counts.sent_bytes == event_bytes
    assert (stage.hub.log.readers, len(stage.hub.connections)) == (0, 0)
    assert stage.hub.counts.closes == {"peer": 1}
