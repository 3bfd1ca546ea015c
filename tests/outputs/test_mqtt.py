"""MQTT against a real mosquitto, read by paho: nothing lost, nothing overtaken, last values kept, refusals said once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import CLIENT_AUTH, SERVER_AUTH, Authority, World
from tests.support.faults import Load, Victim, events_since, numbers_in
from tests.support.histories import OUTAGE_S, caught_up
from tests.support.mosquitto import Gate, Mosquitto, Subscriber
from tests.support.peers import Place
from tests.support.servers import Inside, Process

pytestmark = pytest.mark.outputs

PER_S = 200  # messages: three vehicles with 15 ms between two
VINS = ["one", "two", "three"]
STATUS = "telemetry/teslafast/status"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, "max_queued_messages 0") as running:  # else it drops what a slow subscriber has not taken
        yield running


def drive(place: Place, vin: str = "one", **fields: object) -> None:
    kinds = {str: "stringValue", float: "doubleValue", bool: "booleanValue"}
    with place.vehicle(vin) as vehicle:
        vehicle.tell({name: {kinds[type(value)]: value} for name, value in fields.items()})


def numbers(subscriber: Subscriber, vin: str) -> list[int]:
    return [int(float(payload)) for payload in subscriber.of(f"telemetry/{vin}/v/Odometer")]


def is_in_order(published: list[int]) -> bool:
    """Going back only to repeat a last batch: each number's first time comes after the first time of the one before it."""
    firsts = list(dict.fromkeys(published))
    return firsts == sorted(firsts)


# ---- outages


def test_a_broker_that_is_killed_under_load_and_comes_back_loses_nothing_and_keeps_the_order(broker: Mosquitto) -> None:
    with (
        Gate(broker) as gate,
        Inside(MQTT_URL=gate.url, MQTT_INTERVAL="0") as server,
        Subscriber(broker, "telemetry/+/v/#") as seen,
    ):
        with Load(server.place, VINS, 1, pause_s=0.015) as load:
            load.wait_for(100)
            broker.kill()
            gate.is_open = False
            server.lines.wait_for("output_connecting", output="mqtt")
            for _ in range(int(OUTAGE_S)):
                load.wait_for(load.total + PER_S)
            broker.start()
            seen.wait_subscribed(2)
            gate.is_open = True
            load.wait_for(load.total + 100)
        caught_up(server, "mqtt", 2 * OUTAGE_S + 60)  # the pause between two attempts grows with an outage
        published = numbers_in(events_since(server.place, 0))
        total = sum(map(len, published.values()))
        seen.wait_for(lambda got: len(got) >= total and all(set(published[vin]) <= set(numbers(seen, vin)) for vin in VINS))
        for vin in VINS:
            assert is_in_order(numbers(seen, vin))
            assert len(numbers(seen, vin)) - len(set(numbers(seen, vin))) <= 512 + 1, "more than the last batch came twice"


def test_a_connection_that_is_cut_again_and_again_loses_nothing(broker: Mosquitto) -> None:
    with (
        Gate(broker) as gate,
        Inside(MQTT_URL=gate.url, MQTT_INTERVAL="0") as server,
        Subscriber(broker, "telemetry/+/v/#") as seen,
    ):
        with Load(server.place, VINS, 1, pause_s=0.01) as load:
            for cut in range(1, 5):
                load.wait_for(load.total + 100)
                gate.cut()
                server.lines.wait_for("output_up", cut + 1, output="mqtt")
        published = numbers_in(events_since(server.place, 0))
        seen.wait_for(lambda _: all(set(published[vin]) <= set(numbers(seen, vin)) for vin in VINS))
        assert all(is_in_order(numbers(seen, vin)) for vin in VINS)


def test_a_kill_of_the_server_loses_nothing_with_a_journal(broker: Mosquitto, tmp_path: Path) -> None:
    environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "MQTT_URL": broker.url, "MQTT_INTERVAL": "0"}
    with Subscriber(broker, "telemetry/+/v/#") as seen:
        load = None
        for _ in range(3):
            with Victim(None, **environment) as victim:
                load = Load(victim.place, VINS, 1) if load is None else load.resumed(victim.place)
                with load:
                    load.wait_for(load.total + 400)
                    victim.kill()
        assert load is not None
        with Process(None, **environment) as process:
            published = numbers_in(events_since(process.place, 0))
            seen.wait_for(lambda _: all(set(published[vin]) <= set(numbers(seen, vin)) for vin in VINS))
        assert all(set(load.acked[vin]) <= set(numbers(seen, vin)) for vin in VINS)


def test_a_broker_that_is_down_at_the_start_gates_nothing_and_gets_everything_later(broker: Mosquitto) -> None:
    broker.kill()
    with Inside(MQTT_URL=broker.url, MQTT_INTERVAL="0") as server:
        drive(server.place, Odometer=1.0)
        said = server.lines.wait_for("output_connecting", output="mqtt")
        assert "cannot be reached" in said[0]["reason"]
        assert server.place.get("/health").json["outputs"] == {"mqtt": "connecting"}
        broker.start()
        with Subscriber(broker) as seen:
            assert seen.value("telemetry/one/v/Odometer") == b"1"
        assert len(server.lines.wait_for("output_connecting")) == 1


# ---- what the broker keeps


def test_last_values_and_our_status_are_retained_and_an_end_says_offline(broker: Mosquitto) -> None:
    with Process(None, MQTT_URL=broker.url) as process:
        drive(process.place, Odometer=7.5, Gear="P", Locked=True)
        with Subscriber(broker) as seen:
            assert seen.value("telemetry/one/v/Locked") == b"true"
            assert seen.value(STATUS) == b"online"
    with Subscriber(broker) as seen:
        assert json.loads(seen.value("telemetry/one/connectivity"))["Status"] == "DISCONNECTED"
        assert [seen.value(f"telemetry/one/v/{field}") for field in ("Odometer", "Gear", "Locked")] == [b"7.5", b'"P"', b"true"]
        assert seen.value(STATUS) == b"offline"
        assert all(one.retained for one in seen.messages)


def test_a_kill_of_the_server_says_offline_by_the_will(broker: Mosquitto) -> None:
    with Subscriber(broker, STATUS) as seen, Victim(None, MQTT_URL=broker.url) as victim:
        seen.wait_for(lambda messages: [one.payload for one in messages][-1:] == [b"online"])
        victim.kill()
        seen.wait_for(lambda messages: [one.payload for one in messages][-1:] == [b"offline"])


def test_a_broker_that_forgot_everything_gets_it_back_while_the_car_sleeps(broker: Mosquitto) -> None:
    with Inside(MQTT_URL=broker.url) as server:
        drive(server.place, Odometer=7.5)
        with Subscriber(broker) as seen:
            assert seen.value("telemetry/one/v/Odometer") == b"7.5"
        broker.kill()
        broker.start()
        server.lines.wait_for("output_up", 2, output="mqtt")
        with Subscriber(broker) as seen:
            assert seen.value("telemetry/one/v/Odometer") == b"7.5"
            assert seen.value(STATUS) == b"online"


def test_after_a_restart_of_both_the_last_values_of_the_journal_are_there(broker: Mosquitto, tmp_path: Path) -> None:
    environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "MQTT_URL": broker.url}
    with Process(None, **environment) as process:
        drive(process.place, Odometer=7.5)
    broker.kill()
    broker.start()
    with Process(None, **environment), Subscriber(broker) as seen:
        assert seen.value("telemetry/one/v/Odometer") == b"7.5"
        assert seen.value("homeassistant/device/teslafast_one/config")
        assert json.loads(seen.value("telemetry/one/connectivity"))["Status"] == "DISCONNECTED"


def test_a_field_is_published_once_an_interval_and_its_newest_value_is_never_given_up(broker: Mosquitto) -> None:
    with Subscriber(broker, "telemetry/+/v/#") as seen, Inside(MQTT_URL=broker.url, MQTT_INTERVAL="300ms") as server:
        with server.place.vehicle("one") as vehicle:
            for number in range(200):
                vehicle.tell({"Odometer": {"doubleValue": float(number)}})
        seen.wait_for(lambda _: 199 in numbers(seen, "one"))
        published = numbers(seen, "one")
        assert published == sorted(published)
        assert len(published) < 200
        dropped = server.place.get("/metrics").body.decode()
        assert f'teslafast_output_dropped_total{{cause="superseded",output="mqtt"}} {200 - len(published)}.0' in dropped


@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_every_quality_of_service_delivers_everything(broker: Mosquitto, qos: str) -> None:
    with Subscriber(broker, "telemetry/+/v/#") as seen, Inside(MQTT_URL=broker.url, MQTT_QOS=qos, MQTT_INTERVAL="0") as server:
        with server.place.vehicle("one") as vehicle:
            for number in range(300):
                vehicle.tell({"Odometer": {"doubleValue": float(number)}})
        seen.wait_for(lambda _: numbers(seen, "one") == list(range(300)))


# ---- Home Assistant

CONFIG = "homeassistant/device/teslafast_one/config"


def test_a_car_is_announced_once_and_again_when_its_name_changes_or_home_assistant_starts(broker: Mosquitto) -> None:
    with Subscriber(broker) as seen, Inside(MQTT_URL=broker.url) as server:
        drive(server.place, Odometer=1.0)
        drive(server.place, Odometer=2.0)
        assert json.loads(seen.value(CONFIG))["device"]["name"] == "Tesla one"
        drive(server.place, VehicleName="Sparky")
        seen.wait_for(lambda _: len(seen.of(CONFIG)) == 2)
        assert json.loads(seen.value(CONFIG))["device"]["name"] == "Sparky"
        seen.publish("homeassistant/status", b"online")
        seen.wait_for(lambda _: len(seen.of(CONFIG)) == 3)
        assert seen.of(CONFIG)[2] == seen.of(CONFIG)[1]


def test_an_entity_of_an_earlier_version_is_removed_explicitly_first(broker: Mosquitto) -> None:
    old = {"components": {"soc": {"platform": "sensor"}, "old": {"platform": "sensor"}}}
    with Subscriber(broker) as seen:
        seen.publish(CONFIG, json.dumps(old).encode(), retain=True)
        with Inside(MQTT_URL=broker.url) as server:
            drive(server.place, Odometer=1.0)
            seen.wait_for(lambda _: len(seen.of(CONFIG)) == 3)
    first, second = (json.loads(text)["components"] for text in seen.of(CONFIG)[1:])
    assert first["old"] == {"platform": "sensor"}
    assert "old" not in second


def test_a_car_that_is_to_be_forgotten_leaves_nothing_on_the_broker(broker: Mosquitto) -> None:
    with Inside(MQTT_URL=broker.url) as server:
        for vin in ("one", "two"):
            drive(server.place, vin, Odometer=1.0)
        with Subscriber(broker) as seen:
            seen.value("telemetry/two/v/Odometer")
            seen.value(CONFIG.replace("one", "two"))
    with Inside(MQTT_URL=broker.url, MQTT_FORGET="one") as server:
        server.lines.wait_for("output_up", output="mqtt")
        drive(server.place, "one", Odometer=2.0)
        drive(server.place, "two", Odometer=2.0)
        with Subscriber(broker) as seen:
            seen.wait_for(lambda _: seen.of("telemetry/two/v/Odometer")[-1:] == [b"2"])
            assert not [one.topic for one in seen.messages if "/one/" in one.topic or "_one/" in one.topic]


def test_an_empty_prefix_announces_nothing(broker: Mosquitto) -> None:
    with Subscriber(broker) as seen, Inside(MQTT_URL=broker.url, MQTT_DISCOVERY_PREFIX="") as server:
        drive(server.place, Odometer=1.0)
        seen.value("telemetry/one/v/Odometer")
        assert not [one for one in seen.messages if one.topic.startswith("homeassistant")]


def test_teslamates_layout_has_its_topics_and_no_others(broker: Mosquitto) -> None:
    with Subscriber(broker) as seen, Inside(MQTT_URL=broker.url, MQTT_LAYOUT="teslamate") as server:
        drive(server.place, Odometer=100.0, Locked=True)
        assert seen.value("teslamate/cars/one/odometer") == b"160.93"
        assert {one.topic.split("/")[0] for one in seen.messages} == {"teslamate"}


# ---- who is let in


def test_a_wrong_password_is_said_in_one_line_without_it(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "us", "secret-7"], check=True, capture_output=True)
    with Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        right, wrong = (broker.url.replace("//", f"//us:{word}@") for word in ("secret-7", "wrong-8"))
        with Inside(MQTT_URL=wrong) as server:
            said = server.lines.wait_for("output_failing", output="mqtt")
            assert "user name or the password in MQTT_URL is missing or wrong" in said[0]["reason"]
            assert "wrong-8" not in server.lines.text
        with Inside(MQTT_URL=right) as server:
            server.lines.wait_for("output_up", output="mqtt")
            assert "secret-7" not in server.lines.text


def test_tls_wants_the_right_ca_and_takes_a_client_certificate(world: World, tmp_path: Path) -> None:
    authority = Authority.root("The broker's CA")
    ca = world.write("broker-ca.pem", authority.pem)
    pair = world.pair(authority, "broker", usages=(SERVER_AUTH,), hosts=("127.0.0.1",))
    client = world.pair(authority, "teslafast", usages=(CLIENT_AUTH,))
    tls = (f"cafile {ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}", "require_certificate true")
    with Mosquitto(tmp_path, *tls) as broker:
        url = broker.url.replace("mqtt://", "mqtts://")
        ours = {"MQTT_CERT_PATH": str(client.certificate), "MQTT_KEY_PATH": str(client.key)}
        with Inside(None, MQTT_URL=url, **ours) as server:
            said = server.lines.wait_for("output_failing", output="mqtt")
            assert "is not trusted" in said[0]["reason"]
            assert "MQTT_CA_PATH" in said[0]["reason"]
        with Inside(None, MQTT_URL=url, MQTT_CA_PATH=str(ca), **ours) as server:
            server.lines.wait_for("output_up", output="mqtt")
