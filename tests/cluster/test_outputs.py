"""Outputs of several nodes over one real NATS server: each event once, in one order, by whichever node has the output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.test_nodes import VIN, joined, wait_until
from tests.support.nats_reader import NatsMessage, NatsReader
from tests.support.nats_servers import NatsServers
from tests.support.peers import Place
from tests.support.record_cases import FORMS, VERSION, SentCase, by_topic, check_body, send_cases
from tests.support.servers import Inside
from tests.support.webhook_receiver import Answer, Receiver

pytestmark = pytest.mark.cluster


def node(nats: NatsServers, folder: Path, name: str, **settings: str) -> Inside:
    return Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", **{"JSONL_PATH": str(folder / f"{name}.jsonl"), **settings})


def written(folder: Path) -> list[dict[str, Any]]:
    """What all nodes have written, by seq."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted((json.loads(line) for line in lines), key=lambda event: int(event["seq"]))


def works(place: Place, output: str = "jsonl") -> bool:
    return bool(place.get("/health").json["output_nodes"][output]["here"])


def drained(server: Inside) -> None:
    """Ends its part in the cluster, as SIGTERM does."""
    server.drain()
    wait_until(lambda: server.ask(lambda it: it.cluster is not None and it.cluster.backplane.node.writer.left))


def test_one_of_two_nodes_works_an_output_and_both_say_which(nats: NatsServers, tmp_path: Path) -> None:
    with node(nats, tmp_path, "one") as one, node(nats, tmp_path, "other") as other:
        here, there = joined(one), joined(other)
        wait_until(lambda: works(here) or works(there))
        with here.vehicle(VIN) as near, there.vehicle("5YJ3E1EA7KF000002") as far:
            for number in range(10):
                near.tell({"Odometer": {"doubleValue": float(number)}})
                far.tell({"Odometer": {"doubleValue": float(number)}})
        wait_until(lambda: len(written(tmp_path)) == 24)
        assert [event["seq"] for event in written(tmp_path)] == list(range(1, 25))
        reports = [place.get("/health").json for place in (here, there)]
        assert sorted(report["outputs"]["jsonl"] for report in reports) == ["elsewhere", "up"]
        nodes = [report["output_nodes"]["jsonl"] for report in reports]
        assert nodes[0]["run"] == nodes[1]["run"]
        assert nodes[0]["here"] != nodes[1]["here"]


def test_an_output_that_is_set_on_one_node_alone_waits_for_it_and_misses_nothing(nats: NatsServers, tmp_path: Path) -> None:
    with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1") as without:
        here = joined(without)
        with here.vehicle(VIN) as vehicle:
            for _ in range(2):
                with node(nats, tmp_path, "with") as worker:
                    there = joined(worker)
                    wait_until(lambda place=there: works(place))  # type: ignore[misc]
                    vehicle.tell({"Odometer": {"doubleValue": 1.0}})
                    drained(worker)
                vehicle.tell({"Odometer": {"doubleValue": 2.0}})
            with node(nats, tmp_path, "with") as worker:
                joined(worker)
                wait_until(lambda: [event["seq"] for event in written(tmp_path)][-1:] == [5])
        assert "output_nodes" not in here.get("/health").json
    assert [event["seq"] for event in written(tmp_path)] == [2, 3, 4, 5]


SMALL = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "200000"}
LONG = {"VehicleName": {"stringValue": "x" * 60_000}}


def test_a_receiver_that_was_away_for_longer_than_the_ring_gets_everything_from_the_stream(nats: NatsServers) -> None:
    with Receiver() as receiver:
        receiver.usual = Answer(503)
        hook = {"WEBHOOK_URL": receiver.url, "WEBHOOK_PRIVATE": "true", "WEBHOOK_TYPES": "data"}
        with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", **SMALL, **hook) as one:
            here = joined(one)
            wait_until(lambda: works(here, "webhook"))
            with here.vehicle(VIN) as vehicle:
                for _ in range(40):
                    vehicle.tell(LONG)
            assert here.get("/health").json["oldest"] > 20
            refused = len(receiver.posted)
            receiver.usual = Answer()
            receiver.wait_for(lambda posted: bool(posted) and posted[-1].seq == 41)
        assert list(dict.fromkeys(receiver.seqs[refused:])) == list(range(2, 42))


@pytest.mark.parametrize("form", FORMS)
def test_a_node_that_takes_over_sends_the_records_own_bytes_from_the_ring_and_from_the_stream(
    nats: NatsServers, tmp_path: Path, form: str
) -> None:
    """The vehicle is connected to a node that has no output."""
    cluster = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": "1", **SMALL}
    output = {"NATS_URL": nats.url, "OUTPUT_DECODED": FORMS[form]}
    with (
        NatsReader(nats.url, "tesla_telemetry.>") as reader,
        Inside(None, **cluster) as taking,
        joined(taking).vehicle(Version=VERSION) as vehicle,
    ):
        with Inside(None, **cluster, **output) as first:
            there = joined(first)
            wait_until(lambda: works(there, "nats"))
            check_all(reader, form, send_all(vehicle))
            drained(first)
        sent = send_all(vehicle)
        for _ in range(40):
            vehicle.tell(LONG)
        reader.got.clear()
        with Inside(None, **cluster, **output) as second:
            joined(second)
            assert second.ask(lambda server: server.hub.log.oldest) > 20
            check_all(reader, form, sent)


def send_all(vehicle: Any) -> Mapping[str, list[SentCase]]:
    sent = by_topic(send_cases(vehicle))
    sent.pop("connectivity", None)
    return sent


def check_all(reader: NatsReader, form: str, sent: Mapping[str, list[SentCase]]) -> None:
    for topic, cases in sent.items():
        subject = f"tesla_telemetry.device-1.{'data' if topic == 'V' else topic}"

        def of_topic(got: list[NatsMessage], subject: str = subject) -> list[NatsMessage]:
            return [one for one in got if one.subject == subject]

        reader.until(lambda got, of_topic=of_topic, cases=cases: len(of_topic(got)) >= len(cases))  # type: ignore[misc]
        for one, case in zip(of_topic(reader.got), cases, strict=False):
            check_body(form, case, one.body)
