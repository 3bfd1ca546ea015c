"""A real server and Google's emulator, either of them killed: a subscriber over REST reads all that was acknowledged."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.histories import caught_up, outage
from tests.support.mosquitto import Gate
from tests.support.peers import SECRET
from tests.support.pubsub import PROGRAM, PubsubEmulator, Pulled
from tests.support.record_cases import FORMS, VERSION, by_topic, check_body, send_cases
from tests.support.servers import Process, spawn

pytestmark = [pytest.mark.outputs, pytest.mark.skipif(not PROGRAM.exists(), reason="Google's emulator is not installed")]
TOPIC = "tesla_telemetry_V"


@pytest.mark.parametrize("form", FORMS)
def test_every_recorded_case_is_in_its_topic_with_its_attributes(form: str) -> None:
    with PubsubEmulator() as emulator:
        for kind in ("V", "alerts", "errors", "connectivity"):
            emulator.subscribe(f"tesla_telemetry_{kind}")
        with (
            Process(None, OUTPUT_DECODED=FORMS[form], **emulator.environment) as server,
            server.place.vehicle(Version=VERSION) as vehicle,
        ):
            topics = by_topic(send_cases(vehicle))
            caught_up(server, "pubsub")
            epoch = server.place.get("/health").json["epoch"]
        topics.pop("connectivity", None)
        for kind, cases in topics.items():
            pulled = emulator.until(f"tesla_telemetry_{kind}", len(cases))
            pulled.sort(key=lambda one: int(one.attributes["event_id"].rpartition("-")[2]))
            assert len(pulled) == len(cases)
            for one, case in zip(pulled, cases, strict=True):
                attributes = dict(one.attributes)
                assert attributes.pop("event_id").startswith(f"{epoch}-")
                assert int(attributes.pop("receivedat")) > 1_700_000_000_000
                assert attributes == {
                    "vin": "device-1",
                    "timestamp": "0",
                    "txid": case.txid.encode("latin-1").decode("utf-8", "replace"),  # an attribute is text
                    "txtype": kind,
                    "version": "0",
                    "device_client_version": VERSION,
                }
                assert one.ordering_key == ""
                check_body(form, case, one.body)


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_service_that_is_away_for_half_a_minute_and_forgets_everything_loses_nothing(
    tmp_path: Path, also_the_server: bool
) -> None:
    with PubsubEmulator() as emulator, Gate(emulator) as gate:
        emulator.subscribe(TOPIC, ordered=True)
        environment = emulator.environment | {"PUBSUB_EMULATOR_HOST": gate.address, "PUBSUB_ORDERING": "true"}
        environment |= {"JOURNAL_PATH": str(tmp_path / "journal")}
        got: list[Pulled] = []

        def kill() -> None:
            got.extend(emulator.until(TOPIC, 100))
            gate.is_open = False
            gate.cut()
            got.extend(_all(emulator))
            emulator.kill()

        def start() -> None:
            emulator.start()
            emulator.subscribe(TOPIC, ordered=True)
            gate.is_open = True

        load = outage(environment, "pubsub", kill, start, also_the_server)
        got += _all(emulator)
    for vin, acked in load.acked.items():
        mine = [one for one in got if one.ordering_key == vin]
        numbers = [json.loads(one.body)["data"][0]["value"]["doubleValue"] for one in mine]
        first_time = list(dict.fromkeys(numbers))
        assert set(acked) <= set(numbers), f"{vin} lacks {len(set(acked) - set(numbers))}"
        assert first_time == sorted(first_time), f"{vin} is out of order"


def _all(emulator: PubsubEmulator) -> list[Pulled]:
    """What it has by now: nobody can send it more."""
    found: list[Pulled] = []
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 3:
        if more := emulator.pull(TOPIC):
            found += more
            quiet_since = time.monotonic()
    return found


def test_the_command_makes_the_topics_that_are_missing() -> None:
    with PubsubEmulator() as emulator:
        variables = {"NODE_ENV": "development", "JWT_SECRET": SECRET, "OUTPUT_TYPES": "data,alerts", **emulator.environment}
        with spawn(["outputs", "check"], variables, stdout=-1, stderr=-1) as process:
            said, _ = process.communicate()
        assert (process.returncode, "lets us into the project my-project" in said) == (0, True), said
        _, topics = emulator.ask("GET", "topics")
        names = {one["name"].rpartition("/")[2] for one in topics["topics"]}
        assert names == {"tesla_telemetry_V", "tesla_telemetry_alerts"}
