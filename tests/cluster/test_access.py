"""A node logs in to NATS over TLS, by an nkey or credentials, and needs no right that docs/deploy/cluster.md does not name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from teslafast.cluster.access import login_of, rights_of
from teslafast.config import Settings

from tests.cluster.test_nodes import VIN, joined, wait_until
from tests.support import ROOT
from tests.support.certificates import World
from tests.support.nats_logins import creds_login, nkey_login
from tests.support.nats_servers import NatsServers
from tests.support.servers import Inside

PAGE = ROOT / "docs" / "deploy" / "cluster.md"


def rights(of: str) -> list[str]:
    """The subjects that the page names."""
    found = re.search(rf"^ +{of}: +((?:.+\n)(?: {{15}}.+\n)*)", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1].split()


@pytest.fixture(params=[nkey_login, creds_login])
def guarded(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[NatsServers, dict[str, str]]]:
    """A server that asks for TLS and a login, and the settings of a node that has one."""
    login = request.param(tmp_path, rights("publish"), rights("subscribe"))
    tls = f'tls {{ cert_file: "{world.environment["CERT_PATH"]}", key_file: "{world.environment["KEY_PATH"]}" }}'
    with NatsServers(tmp_path, options=f"{tls}\n{login.options}") as servers:
        servers.scheme = "tls"
        settings = {"CLUSTER_URL": servers.url, "CLUSTER_REPLICAS": "1", "CLUSTER_CA_PATH": str(world.server_ca)}
        yield servers, settings | login.settings


def test_the_page_names_the_rights_that_doctor_asks_for() -> None:
    for verb in ("publish", "subscribe"):
        assert set(rights(verb)) == {right.subject for right in rights_of("TF") if right.verb == verb}


def test_a_node_needs_no_more_rights_than_the_page_says(guarded: tuple[NatsServers, dict[str, str]], tmp_path: Path) -> None:
    """The second node reads the log's last message (DIRECT.GET), and what was before. An output's place is in the log, too."""
    servers, settings = guarded
    events = tmp_path / "events.jsonl"
    with Inside(None, JSONL_PATH=str(events), **settings) as one:
        here = joined(one)
        with here.vehicle(VIN) as vehicle, Inside(None, **settings) as other:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            there = joined(other)
            with there.dashboard("?since=0") as far:
                assert far.until("data")["seq"] == 2
                servers.kill(0)
                servers.start(0)
                vehicle.tell({"Soc": {"doubleValue": 2.0}})
                assert far.until("data")["seq"] == 3
                assert other.ask(lambda server: server.cluster.backplane.node.peer_values.asked if server.cluster else 0)
                wait_until(lambda: events.exists() and '"seq":3' in events.read_text())
        assert "ermissions" not in one.lines.text + other.lines.text


def test_nodes_may_ask_each_other_and_nobody_else(guarded: tuple[NatsServers, dict[str, str]]) -> None:
    """Over core NATS, below `tfc`: question and answer both."""
    servers, settings = guarded
    said: list[str] = []

    async def refused(error: Exception) -> None:
        said.append(str(error))

    async def talk() -> bytes:
        client = Client()
        login = login_of(Settings.from_env({"NODE_ENV": "development"} | settings))
        await client.connect(servers.url, inbox_prefix=b"_INBOX_TF", error_cb=refused, **login)
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def answer(message: object) -> None:
            await client.publish("tfc.reply.asker", b"here")

        async def take(message: object) -> None:
            heard.put_nowait(getattr(message, "data", b""))

        await client.subscribe("tfc.state.one", cb=answer)
        await client.subscribe("tfc.reply.asker", cb=take)
        await client.publish("tfc.state.one", b"where are you?")
        got = await asyncio.wait_for(heard.get(), 5)
        await client.publish("elsewhere", b"")
        await client.subscribe("elsewhere", cb=take)
        await client.flush()
        async with asyncio.timeout(5):
            while len(said) < 2:  # noqa: ASYNC110 — nats-py tells them from tasks of its own
                await asyncio.sleep(0.01)
        await client.close()
        return got

    assert asyncio.run(talk()) == b"here"
    assert [('"elsewhere"' in one, "ermissions" in one) for one in said] == [(True, True)] * 2
