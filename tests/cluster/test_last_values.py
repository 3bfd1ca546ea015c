"""Last values that are older than what a node reads of the stream: from its own checkpoint, or from another node. Real NATS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from teslafast.cluster.shared_values import STATE_LINES
from teslafast.config import Settings
from teslafast.core.value_lines import opened, sealed
from teslafast.errors import Misconfigured
from teslafast.server.server import Server

from tests.cluster.test_nodes import VIN, joined, settings, wait_until
from tests.support.nats_servers import NatsServers
from tests.support.peers import Place, token
from tests.support.servers import BASE, Inside

BUSY = "5YJ3E1EA7KF000002"
SMALL = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "100000", "CLUSTER_MAX_BYTES": "2MiB"}
OLD = {"Odometer": 12345.5, "Gear": "P"}


def node(nats: NatsServers, **more: str) -> Inside:
    return Inside(None, **settings(nats), **SMALL, **more)


def tell_old_values_and_bury_them(here: Place) -> None:
    """They are told, and then so much more that the stream has dropped them."""
    with here.vehicle(VIN) as vehicle:
        vehicle.tell({"Odometer": {"doubleValue": 12345.5}, "Gear": {"stringValue": "P"}})
    bury(here)


def bury(here: Place) -> None:
    with here.vehicle(BUSY) as busy:
        for number in range(150):
            busy.tell({"VehicleName": {"stringValue": f"{number}" + "x" * 20_000}})


def values(place: Place, vin: str = VIN) -> dict[str, Any]:
    answer = place.get(f"/vehicles/{vin}", Authorization=f"Bearer {token()}")
    return {name: one["value"] for name, one in answer.json["data"].items()} if answer.status == 200 else {}


def test_a_node_that_joins_has_values_that_the_stream_has_dropped_from_another_node(nats: NatsServers) -> None:
    with node(nats) as one:
        here = joined(one)
        tell_old_values_and_bury_them(here)
        with node(nats) as other:
            there = joined(other)
            assert other.ask(lambda server: server.hub.log.oldest) > 10
            assert values(there) == values(here) == OLD
            with there.dashboard(f"?vin={VIN}") as far:
                assert far.until("snapshot")["data"] == OLD
            with there.vehicle(VIN) as vehicle:
                vehicle.tell({"Gear": {"stringValue": "D"}})
            wait_until(lambda: values(here) == values(there) == OLD | {"Gear": "D"})


def test_a_node_that_joins_knows_who_is_connected_although_the_stream_has_dropped_that(nats: NatsServers) -> None:
    with node(nats) as one:
        here = joined(one)
        with here.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            bury(here)
            with node(nats) as other:
                there = joined(other)
                assert other.ask(lambda server: server.hub.log.oldest) > 10
                wait_until(lambda: connected(there, VIN))
                assert not connected(there, BUSY)
        wait_until(lambda: not connected(here, VIN))


def connected(place: Place, vin: str) -> bool:
    known = place.get("/vehicles", Authorization=f"Bearer {token()}").json["vehicles"]
    return any(one["connected"] for one in known if one["vin"] == vin)


def test_a_node_that_is_alone_has_them_from_its_own_checkpoint(nats: NatsServers, tmp_path: Path) -> None:
    state = {"STATE_PATH": str(tmp_path / "state")}
    with node(nats, **state) as one:
        tell_old_values_and_bury_them(joined(one))
    with node(nats, **state) as again:
        here = joined(again)
        assert values(here) == OLD
        assert len(values(here, BUSY)) == 1
        (line,) = again.lines.wait_for("cluster_joined")
        assert line["vehicles_from_checkpoint"] == 2
    with node(nats) as forgetful:
        assert values(joined(forgetful)) == {}


def test_what_was_told_while_a_node_was_away_comes_from_the_others(nats: NatsServers, tmp_path: Path) -> None:
    state = {"STATE_PATH": str(tmp_path / "state")}
    with node(nats) as one:
        here = joined(one)
        tell_old_values_and_bury_them(here)
        with node(nats, **state) as other:
            joined(other)
        with here.vehicle(VIN) as vehicle:
            vehicle.tell({"Gear": {"stringValue": "R"}})
        bury(here)
        with node(nats, **state) as again:
            assert values(joined(again)) == OLD | {"Gear": "R"}


def written(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def resealed(content: bytes, **changed: object) -> bytes:
    head, *lines = content.splitlines(keepends=True)[:-1]
    return b"".join(sealed([orjson.dumps(orjson.loads(head) | changed, option=orjson.OPT_APPEND_NEWLINE), *lines]))


UNUSABLE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "torn": (lambda content: content[:-30], "it is torn"),
    "a byte changed": (lambda content: content.replace(b'"seq":', b'"sex":'), "it is torn"),
    "another stream": (lambda content: resealed(content, stream="OTHER"), "it is of the stream OTHER, not of TF"),
    "another epoch": (lambda content: resealed(content, epoch="00" * 8), "it is of epoch 0000000000000000"),
    "another version": (lambda content: resealed(content, version=9), "its version is 9"),
    "ahead of the log": (lambda content: resealed(content, number=1 << 40), "the log has lost its end"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_checkpoint_that_cannot_be_used_is_said_and_written_anew(nats: NatsServers, tmp_path: Path, name: str) -> None:
    change, reason = UNUSABLE[name]
    path = tmp_path / "state"
    with node(nats, STATE_PATH=str(path)) as one, joined(one).vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"doubleValue": 1.0}})
    written(path, change)
    with node(nats, STATE_PATH=str(path)) as again:
        assert values(joined(again)) == {"Soc": 1.0}  # the log says so
        (line,) = again.lines.wait_for("state_not_used")
        assert line["reason"].startswith(reason)
    assert len(opened(path.read_bytes(), STATE_LINES)[1]) == 1


@pytest.fixture
def odd(tmp_path: Path) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        path = tmp_path / "odd"
        match kind:
            case "a folder":
                path.mkdir()
            case "a FIFO":
                os.mkfifo(path)
            case "a link to nothing":
                path.symlink_to(tmp_path / "nothing")
            case "something else":
                path.write_text("precious")
            case _:
                path = tmp_path / "no folder" / "state"
        return path

    return make


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("a folder", "Is a directory"),
        ("a FIFO", "is a FIFO, not a file"),
        ("a link to nothing", "which does not exist"),
        ("something else", "is a file of something else"),
        ("in no folder", "No such file or directory — make its folder first"),
    ],
)
def test_a_path_that_cannot_be_a_checkpoint_stops_the_start(odd: Callable[[str], Path], kind: str, fault: str) -> None:
    path = odd(kind)
    variables = BASE | {"NODE_ENV": "development", "CLUSTER_URL": "nats://127.0.0.1:9", "STATE_PATH": str(path)}
    loop = asyncio.new_event_loop()
    server = Server(Settings.from_env(variables), loop)
    with pytest.raises(Misconfigured) as caught:
        server.start()
    server.stop()
    loop.close()
    assert caught.value.subject == "STATE_PATH"
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)
    assert kind != "something else" or path.read_text() == "precious"
