"""A real server and real brokers, either of them killed: consumers without our encoder read all that was acknowledged."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.faults import Load
from tests.support.histories import caught_up, outage
from tests.support.kafka import KafkaReader, MockCluster, Read, Tansu
from tests.support.peers import SECRET
from tests.support.ports import free_port
from tests.support.record_cases import FORMS, VERSION, by_topic, check_body, send_cases
from tests.support.servers import Inside, Process, spawn

pytestmark = pytest.mark.outputs


def first_of_each(got: list[Read]) -> list[tuple[int, Read]]:
    """(seq, record) by the header `event_id`, in the order of reading; what came again is left out."""
    seen: set[bytes] = set()
    found = []
    for one in got:
        name = dict(one.headers)["event_id"]
        if name not in seen:
            seen.add(name)
            found.append((int(name.rpartition(b"-")[2]), one))
    return found


def check_history(got: list[Read], load: Load) -> None:
    odometers: dict[str, list[float]] = defaultdict(list)
    for _, one in first_of_each(got):
        if one.topic == "tesla_telemetry_V":
            [datum] = json.loads(one.body)["data"]
            odometers[one.key.decode()].append(datum["value"]["doubleValue"])
    for vin, acked in load.acked.items():
        assert acked, vin
        assert set(acked) <= set(odometers[vin]), f"{vin} lacks {len(set(acked) - set(odometers[vin]))}"
        assert odometers[vin] == sorted(odometers[vin]), f"{vin} is out of order"


@pytest.mark.parametrize("form", FORMS)
def test_every_recorded_case_has_its_topic_its_key_its_headers_and_its_body(form: str) -> None:
    with (
        MockCluster() as cluster,
        Process(None, KAFKA_BOOTSTRAP_SERVERS=cluster.servers, OUTPUT_DECODED=FORMS[form]) as server,
        server.place.vehicle(Version=VERSION) as vehicle,
    ):
        sent = by_topic(send_cases(vehicle))
        sent.pop("connectivity", None)
        reader = KafkaReader(cluster.servers)
        got = reader.until(
            lambda got: all(sum(one.topic == f"tesla_telemetry_{topic}" for one in got) >= len(of) for topic, of in sent.items())
        )
        reader.close()
        epoch = server.place.get("/health").json["epoch"]
    for topic, cases in sent.items():
        arrived = [(seq, one) for seq, one in sorted(first_of_each(got)) if one.topic == f"tesla_telemetry_{topic}"]
        assert len(arrived) == len(cases)
        assert len({one.partition for _, one in arrived}) == 1
        for (seq, one), case in zip(arrived, cases, strict=True):
            assert one.key == b"device-1"
            headers = dict(one.headers)
            assert int(headers.pop("receivedat")) > 1_700_000_000_000
            assert headers == {
                "vin": b"device-1",
                "timestamp": b"0",
                "txid": case.txid.encode("latin-1"),
                "txtype": topic.encode(),
                "version": b"0",
                "device_client_version": VERSION.encode(),
                "event_id": f"{epoch}-{seq}".encode(),
            }
            check_body(form, case, one.body)


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_broker_that_is_away_for_half_a_minute_and_forgets_everything_loses_nothing(
    tmp_path: Path, also_the_server: bool
) -> None:
    with Tansu() as broker:
        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "KAFKA_BOOTSTRAP_SERVERS": broker.servers}
        reader = KafkaReader(broker.servers)

        def kill() -> None:
            reader.until(lambda got: len(got) > 100)
            broker.gate.shut()
            reader.to_the_end()
            broker.kill()

        def start() -> None:
            broker.start()
            broker.gate.is_open = True
            reader.again()

        load = outage(environment, "kafka", kill, start, also_the_server)
        reader.to_the_end()
        check_history(reader.got, load)
        reader.close()


def test_a_server_starts_without_its_broker_and_sends_everything_once_it_is_there() -> None:
    broker = Tansu()
    with Inside(KAFKA_BOOTSTRAP_SERVERS=broker.servers) as server:
        server.lines.wait_for("output_connecting", output="kafka")
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 64.5}})
        with broker:
            caught_up(server, "kafka")
            reader = KafkaReader(broker.servers)
            got = reader.until(lambda got: len(got) >= 3)
            reader.close()
    assert sorted(one.topic for one in got) == ["tesla_telemetry_V"] + 2 * ["tesla_telemetry_connectivity"]


def test_a_vehicle_has_its_ack_only_when_a_broker_has_the_record() -> None:
    with Tansu() as broker, Inside(KAFKA_BOOTSTRAP_SERVERS=broker.servers, RELIABLE_ACKS="kafka") as server:
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            broker.gate.shut()
            told = threading.Thread(target=vehicle.tell, args=[{"Soc": {"doubleValue": 2.0}}])
            told.start()
            server.lines.wait_for("output_connecting", output="kafka")
            assert told.is_alive()
            broker.gate.is_open = True
            told.join(60)
            assert not told.is_alive()
        reader = KafkaReader(broker.servers)
        got = reader.until(lambda got: sum(one.topic == "tesla_telemetry_V" for one in got) == 2)
        reader.close()
    assert len(first_of_each(got)) == len(got), "librdkafka sends none twice"


def test_the_command_checks_the_cluster_and_says_what_librdkafka_does_not_take() -> None:
    variables = {"NODE_ENV": "development", "PORT": str(free_port()), "JWT_SECRET": SECRET}

    def check(**more: str) -> tuple[int, str]:
        with spawn(["outputs", "check"], variables | more, stdout=-1, stderr=-1) as process:
            said, complaint = process.communicate()
        return process.returncode, said + complaint

    with MockCluster() as cluster:
        assert check(KAFKA_BOOTSTRAP_SERVERS=cluster.servers)[0] == 0
        code, said = check(KAFKA_BOOTSTRAP_SERVERS=cluster.servers, KAFKA_SASL_PASSWORD="hunter2secret", KAFKA_LINGER_MS="soon")
        assert code != 0
        assert "KAFKA_LINGER_MS: 'soon' is not usable" in said
        assert "hunter2secret" not in said
    code, said = check(KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    assert (code, "cannot be reached" in said) == (1, True), said
