"""Outputs of several nodes over one real NATS server: each event once, in one order, by whichever node has the output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cluster.test_nodes import VIN, joined, wait_until
from tests.support.nats_servers import NatsServers
from tests.support.peers import Place
from tests.support.servers import Inside


def node(nats: NatsServers, folder: Path, name: str, **settings: str) -> Inside:
    return Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", **{"JSONL_PATH": str(folder / f"{name}.jsonl"), **settings})


def written(folder: Path) -> list[dict[str, Any]]:
    """What all nodes have written, by seq."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted((json.loads(line) for line in lines), key=lambda event: int(event["seq"]))


def works(place: Place, output: str = "jsonl") -> bool:
    return bool(place.get("/health").json["output_nodes"][output]["here"])


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
