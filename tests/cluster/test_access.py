"""A node logs in to NATS over TLS by its nkey, and needs no right besides those that docs/deploy/cluster.md names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nkeys
import pytest

from tests.cluster.test_nodes import VIN, joined, wait_until
from tests.support import ROOT
from tests.support.certificates import World
from tests.support.nats_servers import NatsServers
from tests.support.servers import Inside

PAGE = ROOT / "docs" / "deploy" / "cluster.md"


def rights(of: str) -> list[str]:
    """The subjects that the page names."""
    found = re.search(rf"^ +{of}: +((?:.+\n)(?: {{15}}.+\n)*)", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1].split()


def quoted(subjects: list[str]) -> str:
    return ", ".join(f'"{subject}"' for subject in subjects)


@pytest.fixture
def guarded(world: World, tmp_path: Path) -> Iterator[tuple[NatsServers, dict[str, str]]]:
    """A server that asks for TLS and an nkey, and the settings of a node that has one."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    path = tmp_path / "node.nk"
    path.write_bytes(seed)
    options = f"""
tls {{ cert_file: "{world.environment["CERT_PATH"]}", key_file: "{world.environment["KEY_PATH"]}" }}
authorization {{ users: [ {{
  nkey: {nkeys.from_seed(seed).public_key.decode()}
  permissions: {{ publish: [{quoted(rights("publish"))}], subscribe: [{quoted(rights("subscribe"))}] }}
}} ] }}
"""
    with NatsServers(tmp_path, options=options) as servers:
        servers.scheme = "tls"
        yield (
            servers,
            {
                "CLUSTER_URL": servers.url,
                "CLUSTER_REPLICAS": "1",
                "CLUSTER_NKEY_PATH": str(path),
                "CLUSTER_CA_PATH": str(world.server_ca),
            },
        )


def test_a_node_needs_no_more_rights_than_the_page_says(guarded: tuple[NatsServers, dict[str, str]]) -> None:
    servers, settings = guarded
    with Inside(None, **settings) as one, Inside(None, **settings) as other:
        here, there = joined(one), joined(other)
        with there.dashboard() as far, here.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            assert far.until("data")["seq"] == 2
            servers.kill(0)
            servers.start(0)
            vehicle.tell({"Soc": {"doubleValue": 2.0}})
            assert far.until("data")["seq"] == 3
        assert "Permissions" not in one.lines.text


def test_a_node_without_its_key_is_told_so_and_lets_nobody_in(guarded: tuple[NatsServers, dict[str, str]]) -> None:
    _, settings = guarded
    del settings["CLUSTER_NKEY_PATH"]
    with Inside(None, **settings) as stranger:
        wait_until(lambda: any(line["event"] == "cluster_connection_error" for line in stranger.lines.read))
        assert "uthorization" in stranger.lines.text
        assert stranger.place.get("/health").status == 503
