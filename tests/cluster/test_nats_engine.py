"""What only real servers show of the engine: a server that looks well, and has no way to the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from nats.aio.client import Client
from teslafast.cluster import nats_engine, nats_parser
from teslafast.cluster.nats_reader import NatsReader
from teslafast.config import Settings
from teslafast.doctor.cluster import check_cluster
from teslafast.doctor.finding import State

from tests.cluster.test_nodes import VIN, joined, node, settings
from tests.support.nats_servers import NatsServers
from tests.support.servers import Inside


def take_subjects(nats: NatsServers, subjects: list[str]) -> None:
    """The stream takes these from now on, and no others."""

    async def update() -> None:
        client = Client()
        await client.connect(nats.url)
        info = orjson.loads((await client.request("$JS.API.STREAM.INFO.TF", b"", timeout=5)).data)
        config = orjson.dumps(info["config"] | {"subjects": subjects})
        answer = orjson.loads((await client.request("$JS.API.STREAM.UPDATE.TF", config, timeout=5)).data)
        assert "error" not in answer, answer
        await client.close()

    asyncio.run(update())


@contextmanager
def deaf(nats: NatsServers) -> Iterator[None]:
    """What a missing route does: the stream is there and tells of itself, and what is published does not reach it."""
    take_subjects(nats, ["elsewhere.*"])
    yield
    take_subjects(nats, ["tf.*"])


def test_a_server_that_does_not_pass_on_what_is_published_is_left(nats: NatsServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_engine, "UNTAKEN_S", 0.2)
    with node(nats) as server:
        place = joined(server)
        with place.dashboard() as dashboard, place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            with deaf(nats):
                vehicle.send({"Soc": {"doubleValue": 2.0}})
                server.lines.wait_for("cluster_connection_error")
                server.lines.wait_for("cluster_connected")
                assert f"at 127.0.0.1:{nats.ports[0]}: another server is tried" in server.lines.text
            vehicle.reply()
            assert [dashboard.until("data")["data"]["Soc"] for _ in range(2)] == [1.0, 2.0]


def test_doctor_names_such_a_server(nats: NatsServers) -> None:
    with node(nats) as server:
        joined(server)
        with deaf(nats):
            found = list(check_cluster(Settings.from_env({"NODE_ENV": "development"} | settings(nats))))
    (reached,) = [one for one in found if one.check == f"NATS 127.0.0.1:{nats.ports[0]}"]
    assert (reached.state, "does not reach the stream" in reached.says) == (State.WRONG, True)


def test_a_node_whose_nats_py_reads_by_itself_shows_the_same(nats: NatsServers, monkeypatch: pytest.MonkeyPatch) -> None:
    with node(nats) as before, joined(before).vehicle(VIN) as vehicle:
        slowly: list[object] = []
        monkeypatch.setattr(NatsReader, "_on_message", lambda *told: slowly.append(told[-1].data))
        vehicle.tell({"Soc": {"doubleValue": 1.0}})
        assert not any(slowly)  # signs of life, and no message of the log
        monkeypatch.undo()
        monkeypatch.setattr(nats_parser, "watched", lambda client: None)
        with node(nats) as server:
            place = joined(server)
            assert [parser_of(one) is None for one in (before, server)] == [False, True]
            assert server.ask(lambda one: VIN in one.hub.last_values.vins())
            with place.dashboard("?snapshot=0") as dashboard:
                vehicle.tell({"Soc": {"doubleValue": 2.0}})
                assert dashboard.until("data")["data"]["Soc"] == 2.0


def parser_of(node: Inside) -> object:
    return node.ask(lambda server: server.cluster._engine.parser if server.cluster is not None else None)
