"""What doctor and `outputs check` say of outputs: each a line, with what the running server says of it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.doctor.finding import State
from teslafast.doctor.options import DoctorOptions
from teslafast.doctor.outputs import _words, check_outputs, read_gauges

from tests.outputs.test_check import run
from tests.support.ports import free_port
from tests.support.servers import Inside
from tests.support.webhook_receiver import Receiver


def findings(**environment: str) -> list[tuple[str, State, str]]:
    variables = {"NODE_ENV": "development", "PORT": str(free_port())} | environment
    options = DoctorOptions(environment=variables, now=datetime.datetime.now(datetime.UTC))
    return [(one.check, one.state, one.says) for one in check_outputs(options, Settings.from_env(variables))]


def test_without_outputs_nothing_is_said() -> None:
    assert findings() == []


def test_each_output_is_a_line_and_one_that_is_down_is_to_be_mended(tmp_path: Path) -> None:
    found = findings(
        JSONL_PATH=str(tmp_path / "events"), WEBHOOK_URL=f"http://127.0.0.1:{free_port()}/secret", WEBHOOK_PRIVATE="true"
    )
    assert [(check, state) for check, state, _ in found] == [("output jsonl", State.WELL), ("output webhook", State.WRONG)]
    assert "cannot be reached" in found[1][2]
    assert "secret" not in found[1][2]


def test_a_setting_that_is_wrong_is_said() -> None:
    ((check, state, says),) = findings(RELIABLE_ACKS="kafak")
    assert (check, state) == ("outputs", State.WRONG)
    assert "'kafak' is not an output" in says


def test_a_webhook_is_connected_to_and_nothing_is_posted() -> None:
    with Receiver() as receiver:
        ((_, state, says),) = findings(WEBHOOK_URL=receiver.url, WEBHOOK_PRIVATE="true")
        assert state is State.WELL
        assert says == "127.0.0.1 answers at 127.0.0.1; nothing was posted (unsigned: WEBHOOK_SECRET is not set)"
        receiver.wait_connected(1)
        assert (receiver.posted, receiver.connections) == ([], 1)


def test_the_running_server_says_how_far_behind_an_output_is(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "events"
    with Inside(JSONL_PATH=str(path)) as server:
        server.lines.wait_for("output_failing")
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            code, said, _ = run(JSONL_PATH=str(path), PORT=str(server.place.port), HOST="127.0.0.1")
    assert code == 1
    assert "the running server does not get through at the moment, and has 2 events left to send, the oldest " in said


def test_gauges_are_read_by_output() -> None:
    text = 'teslafast_output_up{output="a-2"} 1.0\n# HELP x\nteslafast_output_lag_events{output="a-2"} 3.0\nteslafast_up 1.0\n'
    assert read_gauges(text) == {"a-2": {"up": 1.0, "lag_events": 3.0}}
    assert read_gauges("<html>") == {}


@pytest.mark.parametrize(
    ("events", "left"),
    [
        (0, "nothing left to send"),
        (1, "1 event left to send, the oldest 3 s old"),
        (2, "2 events left to send, the oldest 3 s old"),
    ],
)
def test_what_is_left_is_counted_in_words(events: int, left: str) -> None:
    assert _words({"up": 1.0, "lag_events": events, "lag_seconds": 3.0}).endswith(f", and has {left}")
