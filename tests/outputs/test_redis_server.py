"""A real server and a real Redis, either of them killed: subscribers without our encoder hear all that was acknowledged."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.faults import Load, Victim
from tests.support.histories import VINS, caught_up, outage
from tests.support.mosquitto import Gate
from tests.support.peers import SECRET
from tests.support.record_cases import FORMS, VERSION, by_topic, check_body, send_cases
from tests.support.redis import Heard, Listener, RedisServer
from tests.support.servers import Inside, Process, spawn

pytestmark = pytest.mark.outputs


@pytest.mark.parametrize("form", FORMS)
def test_every_recorded_case_is_heard_on_its_vehicle_s_channel_and_on_a_leased_one(form: str) -> None:
    environment = {"OUTPUT_DECODED": FORMS[form], "REDIS_SUBSCRIBER_SET_PREFIX": "leases"}
    with (
        RedisServer() as redis_server,
        redis_server.client() as client,
        Listener(redis_server.port, "tesla_telemetry_*", "mine") as listener,
        Process(None, REDIS_URL=redis_server.url, **environment) as server,
        server.place.vehicle(Version=VERSION) as vehicle,
    ):
        client.zadd("leases_tesla_telemetry_V_{device-1}", {"mine": int(time.time()) + 600})
        sent = send_cases(vehicle)
        topics = by_topic(sent)
        listener.wait_for(lambda heard: len(heard) >= len(sent) + len(topics["V"]) + 1)  # 1: the connect
    for topic, cases in topics.items():
        heard = [one.body for one in listener.heard if one.channel == f"tesla_telemetry_{topic}_{{device-1}}"]
        for case, body in zip(cases, heard[-len(cases) - (topic == "connectivity") :], strict=False):
            check_body(form, case, body)
        if topic == "V":
            assert heard == [one.body for one in listener.heard if one.channel == "mine"]
            assert len(heard) == len(cases)


def odometers(heard: Sequence[Heard]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in heard:
        if one.channel.startswith("tesla_telemetry_V_"):
            record = json.loads(one.body)
            found.setdefault(record["vin"], []).append(record["data"][0]["value"]["doubleValue"])
    return found


def check_heard(heard: Sequence[Heard], load: Load) -> None:
    """A batch whose answers were lost comes again, from some place in it on; otherwise numbers only rise."""
    for vin, numbers in odometers(heard).items():
        acked = load.acked[vin]
        assert acked
        assert set(acked) <= set(numbers), f"{vin} lacks {len(set(acked) - set(numbers))}"
        first_time = list(dict.fromkeys(numbers))
        assert first_time == sorted(first_time), f"{vin} is out of order"
        assert sum(two < one for one, two in itertools.pairwise(numbers)) <= 3
    assert set(odometers(heard)) == set(VINS)


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_redis_that_is_away_for_half_a_minute_under_load_loses_nothing(tmp_path: Path, also_the_server: bool) -> None:
    """The gate lets us in when the subscriber is back: who is not there hears nothing, with any server."""
    with RedisServer() as broker, Gate(broker) as gate, Listener(broker.port, "tesla_telemetry_*") as listener:
        url = f"redis://{gate.address}"
        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "REDIS_URL": url}

        def kill() -> None:
            gate.is_open = False
            gate.cut()
            with broker.client() as client:  # what Redis has answered must be heard before it is killed
                client.publish("tesla_telemetry_end", b"")
            listener.wait_for(lambda heard: any(one.channel == "tesla_telemetry_end" for one in heard[-1000:]))
            broker.kill()

        def start() -> None:
            broker.start()
            listener.wait_subscribed(2)
            gate.is_open = True

        load = outage(environment, "redis", kill, start, also_the_server)
        listener.wait_for(lambda heard: all(set(load.acked[vin]) <= set(of) for vin, of in odometers(heard).items()))
        check_heard(listener.heard, load)


def test_a_kill_in_the_middle_of_the_load_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    with RedisServer() as broker, Listener(broker.port, "tesla_telemetry_*") as listener:
        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "REDIS_URL": broker.url}
        with Victim(None, **environment) as server, Load(server.place, VINS, 1) as load:
            load.wait_for(5000)
            server.kill()
        with Process(None, **environment) as again, load.resumed(again.place) as load:
            load.wait_for(load.total + 2000)
            load.stop()
            caught_up(again, "redis")
        listener.wait_for(lambda heard: all(set(load.acked[vin]) <= set(of) for vin, of in odometers(heard).items()))
        check_heard(listener.heard, load)


def test_a_server_starts_without_its_redis_and_publishes_everything_once_it_is_there() -> None:
    broker = RedisServer()
    with Gate(broker) as gate, Inside(REDIS_URL=f"redis://{gate.address}") as server:
        server.lines.wait_for("output_connecting", output="redis")
        gate.is_open = False
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 64.5}})
        with broker, Listener(broker.port, "*") as listener:
            gate.is_open = True
            heard = listener.wait_for(lambda heard: len(heard) == 3)
    kinds = [one.channel.split("_")[2] for one in heard]
    assert kinds == ["connectivity", "V", "connectivity"]


def test_the_command_checks_the_server_and_shows_no_password() -> None:
    with RedisServer("--requirepass", "right") as broker:
        variables = {"NODE_ENV": "development", "JWT_SECRET": SECRET}
        for password, code, says in (
            ("right", 0, "logged in to 127.0.0.1"),
            ("hunter2secret", 1, "refuses the login of REDIS_URL"),
        ):
            url = broker.url.replace("//", f"//:{password}@")
            with spawn(["outputs", "check"], variables | {"REDIS_URL": url}, stdout=-1, stderr=-1) as process:
                said, complaint = process.communicate()
            assert (process.returncode, says in said) == (code, True), said
            assert "hunter2" not in said + complaint
