"""Two servers over one real NATS server: what a vehicle tells the one, dashboards of both see, in one order."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from teslafast.server.prometheus import CLUSTER_ROWS

from tests.support.event_stream import listen
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S, Place, token
from tests.support.servers import Inside, spawn

VIN = "5YJ3E1EA7KF000001"


def node(nats: NatsServers) -> Inside:
    return Inside(None, **settings(nats))


def settings(nats: NatsServers) -> dict[str, str]:
    return {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": "1"}


def joined(node: Inside) -> Place:
    wait_for(node.place, "ok")
    return node.place


def wait_for(place: Place, state: str) -> None:
    """Until the node is in this state; its log says nothing of the kind, and two servers of one process share it."""
    wait_until(lambda: place.get("/health").json["cluster"]["state"] == state)


def wait_until(reached: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < until_s


def test_what_one_node_takes_in_is_shown_by_both_under_the_same_seqs(nats: NatsServers) -> None:
    with node(nats) as one, node(nats) as other:
        here, there = joined(one), joined(other)
        with here.dashboard() as near, there.dashboard() as far, here.vehicle(VIN) as vehicle:
            hellos = [dashboard.until("hello") for dashboard in (near, far)]
            assert hellos[0]["epoch"] == hellos[1]["epoch"]
            for number in range(3):
                vehicle.tell({"Soc": {"doubleValue": float(number)}})
            seen = [[dashboard.until("connectivity")] + [dashboard.until("data") for _ in range(3)] for dashboard in (near, far)]
        assert seen[0] == seen[1]
        assert [event["seq"] for event in seen[0]] == [1, 2, 3, 4]


def test_health_tells_of_the_cluster(nats: NatsServers) -> None:
    with node(nats) as one:
        health = joined(one).get("/health").json
        assert health["status"] == "ok"
        cluster = health["cluster"]
        assert cluster.keys() == {"state", "behind", "unstored", "oldest_unstored_s", "runs", "stream_seq"}
        assert (cluster["state"], cluster["behind"], cluster["unstored"], cluster["runs"]) == ("ok", 0, 0, 1)


def test_a_node_that_cannot_reach_the_log_lets_nobody_in_and_says_so() -> None:
    with Inside(CLUSTER_URL="nats://127.0.0.1:9") as alone:
        answer = alone.place.get("/health")
        assert (answer.status, answer.json["status"], answer.json["cluster"]["state"]) == (503, "catching_up", "catching_up")
        with alone.place.raw() as refused:
            head = refused.upgrade(f"/?vin={VIN}")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after:" in head.lower()


def test_a_dashboard_goes_on_at_another_node_by_since(nats: NatsServers) -> None:
    with node(nats) as one, node(nats) as other:
        here, there = joined(one), joined(other)
        with here.vehicle(VIN) as vehicle:
            with here.dashboard() as near:
                epoch = near.until("hello")["epoch"]
                vehicle.tell({"Soc": {"doubleValue": 1.0}})
                last = near.until("data")["seq"]
            vehicle.tell({"Soc": {"doubleValue": 2.0}})
            with there.dashboard(f"?since={last}&epoch={epoch}") as far:
                assert far.until("data")["data"] == {"Soc": 2.0}
                assert [event["type"] for event in far.seen] == ["hello", "data"]


def test_a_node_that_joins_has_the_ring_and_the_last_values_of_the_others(nats: NatsServers) -> None:
    with node(nats) as one:
        here = joined(one)
        with here.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            vehicle.tell({"Gear": {"stringValue": "P"}})
            with node(nats) as other:
                there = joined(other)
                with there.dashboard() as far:
                    assert far.until("snapshot")["data"].keys() == {"Soc", "Gear"}
                with there.dashboard("?since=0") as far:
                    assert [far.until("data")["seq"] for _ in range(2)] == [2, 3]
                assert there.get("/health").json["seq"] == here.get("/health").json["seq"]


def test_a_stream_of_another_configuration_stops_the_start_in_one_line(nats: NatsServers) -> None:
    with node(nats) as one:
        joined(one)
    ended = run(nats, CLUSTER_MAX_BYTES="1GiB")
    assert ended.returncode == 2
    last = ended.stderr.strip().splitlines()[-1]
    assert "CLUSTER_STREAM" in last
    assert "max_bytes is 4294967296, not 1073741824" in last


def test_replicas_that_one_server_cannot_keep_stop_the_start(nats: NatsServers) -> None:
    ended = run(nats, CLUSTER_REPLICAS="3")
    assert ended.returncode == 2
    assert "CLUSTER_REPLICAS: is 3" in ended.stderr.strip().splitlines()[-1]


def test_without_a_cluster_nothing_of_nats_is_imported() -> None:
    program = (
        "import sys, teslafast.server.server, teslafast.cli.commands; print([name for name in sys.modules if 'nats' in name])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def run(nats: NatsServers, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {"NODE_ENV": "development", "HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "json"}
    process = spawn(["serve"], environment | settings(nats) | changed, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, "", stderr)


def test_nothing_is_acknowledged_while_the_log_is_away_and_everything_is_afterwards(nats: NatsServers) -> None:
    with node(nats) as one, node(nats) as other:
        here, there = joined(one), joined(other)
        with there.dashboard() as far, here.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 0.0}})
            one.wait_until(lambda server: server.hub.log.seq == 2)  # the stream had it at the ack; the node reads it there
            nats.kill(0)
            for number in range(1, 4):
                vehicle.send({"Soc": {"doubleValue": float(number)}})
            wait_for(here, "degraded")
            assert one.ask(lambda server: server.hub.log.seq) == 2
            nats.start(0)
            for _ in range(3):
                vehicle.reply()
            assert [far.until("data")["data"]["Soc"] for _ in range(4)] == [0.0, 1.0, 2.0, 3.0]
            wait_for(here, "ok")


def test_every_node_knows_who_is_connected_anywhere(nats: NatsServers) -> None:
    with node(nats) as one, node(nats) as other:
        here, there = joined(one), joined(other)
        with there.dashboard() as far, here.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            far.until("data")
            bearer = f"Bearer {token()}"
            (known,) = there.get("/vehicles", Authorization=bearer).json["vehicles"]
            assert (known["vin"], known["connected"], known["connections"], known["messages"]) == (VIN, True, 0, 1)
            with node(nats) as third:
                late = joined(third)
                wait_until(lambda: late.get("/vehicles", Authorization=bearer).json["vehicles"][0]["connected"])
        wait_until(lambda: not there.get("/vehicles", Authorization=bearer).json["vehicles"][0]["connected"])


def test_metrics_tell_of_the_cluster(nats: NatsServers) -> None:
    with node(nats) as one:
        text = joined(one).get("/metrics").body.decode()
        assert "teslafast_cluster_runs 1.0" in text
        assert all(f"teslafast_cluster_{name}" in text for name, _, _ in CLUSTER_ROWS)


def test_since_ahead_of_a_node_waits_until_that_has_come_so_far(nats: NatsServers) -> None:
    with node(nats) as one:
        here = joined(one)
        with here.dashboard() as near, here.vehicle(VIN) as vehicle:
            epoch = near.until("hello")["epoch"]
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            ahead = near.until("data")["seq"] + 1
            with here.dashboard(f"?since={ahead}&epoch={epoch}") as early:
                early.until("hello")
                vehicle.tell({"Soc": {"doubleValue": 2.0}})
                vehicle.tell({"Soc": {"doubleValue": 3.0}})
                assert early.next()["data"] == {"Soc": 3.0}


def test_since_of_a_seq_that_never_comes_is_told_a_gap(nats: NatsServers) -> None:
    with node(nats) as one:
        here = joined(one)
        epoch = here.get("/health").json["epoch"]
        with here.dashboard(f"?since=1000000&epoch={epoch}") as lost:
            lost.until("gap")


def test_a_server_sent_events_id_names_the_shared_epoch(nats: NatsServers) -> None:
    with node(nats) as one:
        here = joined(one)
        epoch = here.get("/health").json["epoch"]
        with listen(here) as stream, here.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            assert stream.until("data").event_id == f"{epoch}-2"


def test_a_vehicle_that_moved_is_told_as_connected_where_it_is(nats: NatsServers) -> None:
    with node(nats) as one, node(nats) as other:
        here, there = joined(one), joined(other)
        with there.dashboard() as far:
            with here.vehicle(VIN, X_TXID="11111111-1111-1111-1111-111111111111") as old:
                old.tell({"Soc": {"doubleValue": 1.0}})
                new = there.vehicle(VIN, X_TXID="22222222-2222-2222-2222-222222222222")
                first, second = far.until("connectivity"), far.until("connectivity")
            third = far.until("connectivity")
            new.connection.close()
            last = far.until("connectivity")
        assert [one["status"] for one in (first, second, third, last)] == ["CONNECTED"] * 3 + ["DISCONNECTED"]
        assert third["connectionId"] == second["connectionId"] != first["connectionId"]


def test_since_older_than_the_ring_is_read_from_the_stream(nats: NatsServers) -> None:
    small = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "100000"}
    with Inside(None, **settings(nats), **small) as one:
        here = joined(one)
        epoch = here.get("/health").json["epoch"]
        with here.vehicle(VIN) as vehicle, here.vehicle("5YJ3E1EA7KF000002") as other:
            for number in range(150):
                vehicle.tell({"VehicleName": {"stringValue": f"{number}" + "x" * 20_000}})
            other.tell({"Soc": {"doubleValue": 1.0}})
            assert here.get("/health").json["oldest"] > 50
            with here.dashboard(f"?since=5&epoch={epoch}") as away:
                seqs = [away.until("data")["seq"] for _ in range(148)]
                assert [event["type"] for event in away.seen] == ["hello"] + ["data"] * 148
                vehicle.tell({"Soc": {"doubleValue": 2.0}})
                assert away.next()["data"] == {"Soc": 2.0}
            assert seqs == [*range(6, 154)]
            with here.dashboard(f"?since=5&epoch={epoch}&vin=5YJ3E1EA7KF000002") as filtered:
                assert filtered.until("data")["data"] == {"Soc": 1.0}
                assert [event["type"] for event in filtered.seen] == ["hello", "data"]


def test_since_of_what_the_stream_has_dropped_is_told_a_gap(nats: NatsServers) -> None:
    small = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "100000", "CLUSTER_MAX_BYTES": "2MiB"}
    with Inside(None, **settings(nats), **small) as one:
        here = joined(one)
        epoch = here.get("/health").json["epoch"]
        with here.vehicle(VIN) as vehicle:
            for number in range(200):
                vehicle.tell({"VehicleName": {"stringValue": f"{number}" + "x" * 20_000}})
            with here.dashboard(f"?since=5&epoch={epoch}") as away:
                gap = away.until("gap")
                assert gap["from"] == 6
                assert away.until("data")["seq"] == gap["to"] + 1
