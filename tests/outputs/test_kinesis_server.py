"""A real server and moto's Kinesis, either of them killed: boto3 reads all that was acknowledged, in order, with its key."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.histories import caught_up, outage
from tests.support.kinesis import CREDENTIALS, KinesisServer, Stored
from tests.support.mosquitto import Gate
from tests.support.peers import SECRET
from tests.support.record_cases import FORMS, VERSION, by_topic, check_body, send_cases
from tests.support.servers import Process, spawn

pytestmark = pytest.mark.outputs


@pytest.mark.parametrize("form", FORMS)
def test_every_recorded_case_is_in_its_stream_under_its_vehicle_s_key(form: str) -> None:
    streams = {"V": "tesla_telemetry_V", "alerts": "tesla_telemetry_alerts", "errors": "mistakes"}
    streams["connectivity"] = "tesla_telemetry_connectivity"
    environment = {
        "KINESIS_STREAM": "tesla_telemetry_{type}",
        "KINESIS_STREAM_ERRORS": "mistakes",
        "OUTPUT_DECODED": FORMS[form],
        **CREDENTIALS,
    }
    with KinesisServer() as kinesis:
        kinesis.start(*streams.values())
        with (
            Process(None, KINESIS_ENDPOINT=kinesis.url, **environment) as server,
            server.place.vehicle(Version=VERSION) as vehicle,
        ):
            topics = by_topic(send_cases(vehicle))
            caught_up(server, "kinesis")
        for topic, cases in topics.items():
            stored = kinesis.until(streams[topic], len(cases))
            bodies = [one.body for one in stored]
            if topic == "connectivity":  # those of the test's own vehicle are before and behind
                bodies = bodies[1:-1]
            assert {one.key for one in stored} == {"device-1"}
            assert len(bodies) == len(cases)
            for case, body in zip(cases, bodies, strict=True):
                check_body(form, case, body)


def odometers(stored: Sequence[Stored]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in stored:
        record = json.loads(one.body)
        assert record["vin"] == one.key
        found.setdefault(one.key, []).append(record["data"][0]["value"]["doubleValue"])
    return found


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_kinesis_that_is_away_for_half_a_minute_and_forgets_everything_loses_nothing(
    tmp_path: Path, also_the_server: bool
) -> None:
    with KinesisServer() as kinesis, Gate(kinesis) as gate:
        kinesis.start("cars", "others")
        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "KINESIS_ENDPOINT": f"http://{gate.address}"}
        environment |= {"KINESIS_STREAM": "others", "KINESIS_STREAM_V": "cars", **CREDENTIALS}
        before: list[Stored] = []

        def kill() -> None:
            nonlocal before
            kinesis.until("cars", 100)
            gate.is_open = False
            gate.cut()
            while len(before) != len(before := kinesis.read("cars")):
                time.sleep(1)  # what has been taken is lost with the process
            kinesis.kill()

        def start() -> None:
            kinesis.start("cars", "others")
            gate.is_open = True

        load = outage(environment, "kinesis", kill, start, also_the_server)
        stored = odometers([*before, *kinesis.read("cars")])
    for vin, acked in load.acked.items():
        first_time = list(dict.fromkeys(stored[vin]))
        assert set(acked) <= set(first_time), f"{vin} lacks {len(set(acked) - set(first_time))}"
        assert first_time == sorted(first_time), f"{vin} is out of order"


def test_the_command_checks_the_service_and_says_what_is_missing() -> None:
    variables = {"NODE_ENV": "development", "JWT_SECRET": SECRET, "KINESIS_STREAM": "cars", "AWS_EC2_METADATA_DISABLED": "true"}

    def check(**more: str) -> tuple[int, str]:
        with spawn(["outputs", "check"], variables | more, stdout=-1, stderr=-1) as process:
            said, complaint = process.communicate()
        assert "s3cret" not in said + complaint
        return process.returncode, said + complaint

    with KinesisServer() as kinesis:
        kinesis.start("cars")
        code, said = check(KINESIS_ENDPOINT=kinesis.url, **CREDENTIALS)
        assert (code, f"logged in to {kinesis.url}" in said) == (0, True), said
        code, said = check(KINESIS_ENDPOINT=kinesis.url, KINESIS_STREAM_V="trucks", **CREDENTIALS)
        assert (code, "the stream trucks does not exist" in said) == (1, True), said
        code, said = check(KINESIS_ENDPOINT=kinesis.url, AWS_REGION="eu-west-1", HOME="/nowhere")
        assert (code, "there are no credentials" in said) == (1, True), said
    code, said = check(KINESIS_ENDPOINT=kinesis.url, **CREDENTIALS)
    assert (code, "cannot be reached" in said) == (1, True), said
