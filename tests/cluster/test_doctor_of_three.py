"""Doctor before three real NATS servers, by the command as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.scene import ANode
from tests.support.nats_logins import nkey_login
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S
from tests.support.servers import spawn

pytestmark = pytest.mark.cluster
AWAY_S = 10.0  # after which a leader says of a follower that it is not current


def doctor(**environment: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Its exit status, and (state, what it says) by check."""
    process = spawn(["doctor", "--json"], {"NODE_ENV": "development"} | environment, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=3 * PATIENCE_S)  # a server that hangs takes a few steps' time
    found: dict[str, list[tuple[str, str]]] = {}
    for row in map(json.loads, out.splitlines()):
        found.setdefault(row["check"], []).append((row["state"], row["says"]))
    return process.returncode, {check: rows for check, rows in found.items() if check.startswith("NATS")}


def test_three_servers_are_examined_and_the_one_that_hangs_is_named(tmp_path: Path) -> None:
    login = nkey_login(tmp_path)
    with NatsServers(tmp_path, 3, always=True, options=login.options) as nats, ExitStack() as stack:
        monitors = ",".join(f"http://127.0.0.1:{port}" for port in nats.monitors)
        settings = {"CLUSTER_URL": nats.url, "CLUSTER_MONITOR_URL": monitors} | login.settings
        stack.enter_context(ANode(None, **settings)).lines.wait_for("cluster_joined")
        _, found = doctor(**settings)
        addresses = [f"NATS 127.0.0.1:{port}" for port in nats.ports]
        assert list(found) == [*addresses, "NATS rights", "NATS stream", "NATS replicas", "NATS clock", "NATS disk"]
        assert [state for state, _ in found["NATS disk"]] == ["well"] * 3
        ((state, says),) = found.pop("NATS replicas")
        assert (state, "are 1 machine" in says) == ("note", True), "as they are here"
        assert {state for rows in found.values() for state, _ in rows} == {"well"}
        away = (nats.leader() + 1) % 3
        nats.tell(away, signal.SIGSTOP)
        time.sleep(AWAY_S + 1)
        status, found = doctor(**settings)
        nats.tell(away, signal.SIGCONT)
    assert status == 1
    assert found[addresses[away]][0][0] == "wrong"
    assert found["NATS replicas"][0][0] == "wrong"
    assert f"n{away} is away or behind" in found["NATS replicas"][0][1]
