"""Whoever resumes from before the ring gets it from the stream, by whatever door and in whatever shape. Real NATS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.cluster.test_nodes import VIN, joined, settings
from tests.support.event_stream import listen
from tests.support.nats_servers import NatsServers
from tests.support.peers import Place
from tests.support.servers import Inside

pytestmark = pytest.mark.cluster

OTHER = "5YJ3E1EA7KF000002"
SMALL = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "100000"}
RECORDS = 150


class Away(NamedTuple):
    """
    epoch, head   of the log
    place         a node whose ring has lost what came first
    live          the texts that readers at another node were given when the events were new: `fleet`, and `sse` as blocks
    """

    epoch: str
    head: int
    node: Inside
    place: Place
    live: dict[str, list[Any]]


@pytest.fixture
def away(nats: NatsServers) -> Iterator[Away]:
    with Inside(None, **settings(nats), **SMALL) as one, Inside(None, **settings(nats)) as large:
        here, there = joined(one), joined(large)
        with (
            there.dashboard("?format=fleet") as fleet,
            listen(there, "/sse?cache=false") as sse,
            here.vehicle(OTHER) as other,
            here.vehicle(VIN) as vehicle,
        ):
            for number in range(RECORDS):
                name = {"stringValue": f"{number}" + "x" * 20_000}
                vehicle.tell({"VehicleName": name, "Soc": {"doubleValue": float(number)}})
                if number % 50 == 0:
                    other.tell({"Soc": {"doubleValue": float(number)}})
            health = here.get("/health").json
            head = health["seq"]
            live: dict[str, list[Any]] = {"fleet": [fleet.next() for _ in range(head)], "sse": []}
            live["sse"] += [sse.next() for _ in range(head + 2)]
            assert health["oldest"] > 50
            yield Away(health["epoch"], head, one, here, live)


def since(away: Away, query: str, count: int) -> list[dict[str, Any]]:
    with away.place.dashboard(f"?epoch={away.epoch}&{query}") as dashboard:
        return [dashboard.next() for _ in range(count)]


def test_the_references_shape_is_what_it_was_live(away: Away) -> None:
    assert [event["seq"] for event in away.live["fleet"]] == [*range(1, away.head + 1)]
    assert since(away, "since=0&format=fleet", away.head) == away.live["fleet"]


def test_the_references_shape_goes_on_live_without_a_gap(away: Away) -> None:
    with away.place.dashboard(f"?epoch={away.epoch}&since=3&format=fleet&control=1") as dashboard:
        seen = [dashboard.next() for _ in range(away.head - 2)]
        with away.place.vehicle("5YJ3E1EA7KF000003") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1000.0}})
            seen += [dashboard.next() for _ in range(2)]
    assert seen[0]["type"] == "hello"
    assert [event["seq"] for event in seen[1:]] == [*range(4, away.head + 3)]


def test_merged_by_an_interval(away: Away) -> None:
    """The last value of each field, however much was merged before it; nothing is a gap."""
    with away.place.dashboard(f"?epoch={away.epoch}&since=0&interval=1000&type=data") as dashboard:
        values: dict[str, dict[str, Any]] = {}
        kinds = set()
        while values.get(VIN, {}).get("Soc") != RECORDS - 1.0:
            event = dashboard.next()
            kinds.add(event["type"])
            if event["type"] == "data":
                values.setdefault(event["vin"], {}).update(event["data"])
        assert kinds == {"hello", "data"}
        assert values[OTHER] == {"Soc": 100.0}
        assert values[VIN]["VehicleName"].startswith("149")


def test_server_sent_events_are_what_they_were_live(away: Away) -> None:
    with listen(away.place, "/sse?cache=false", f"Last-Event-ID: {away.epoch}-0") as stream:
        seen = [stream.next() for _ in away.live["sse"]]
    assert seen == away.live["sse"]
    assert not [comment for comment in stream.comments if comment.startswith("gap")]
    assert seen[-1].event_id == f"{away.epoch}-{away.head}"


def test_server_sent_events_of_one_vehicle_and_of_its_state(away: Away) -> None:
    with listen(away.place, f"/sse/{OTHER}?cache=false&topics=data,state", f"Last-Event-ID: {away.epoch}-0") as stream:
        seen = [stream.next() for _ in range(4)]
    assert [event.data.get("state") or event.data["data"]["Soc"] for event in seen] == ["online", 0.0, 50.0, 100.0]


def test_a_place_that_the_stream_has_dropped_is_told_as_a_gap(nats: NatsServers) -> None:
    with Inside(None, **settings(nats), **SMALL, CLUSTER_MAX_BYTES="2MiB") as one:
        here = joined(one)
        epoch = here.get("/health").json["epoch"]
        with here.vehicle(VIN) as vehicle:
            for number in range(200):
                vehicle.tell({"VehicleName": {"stringValue": f"{number}" + "x" * 20_000}})
            with listen(here, "/sse?cache=false", f"Last-Event-ID: {epoch}-5") as stream:
                first = stream.next()
            with here.dashboard(f"?since=5&epoch={epoch}&format=fleet&control=1&snapshot=0") as fleet:
                gap = fleet.until("gap")
            with here.dashboard(f"?since=5&epoch={epoch}&interval=500&snapshot=0") as merged:
                assert merged.until("gap")["from"] == 6
        assert [comment for comment in stream.comments if comment.startswith("gap 6-")]
        assert first.data["seq"] > 100
        assert gap["from"] == 6
