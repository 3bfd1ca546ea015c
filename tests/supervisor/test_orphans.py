"""A supervisor that is killed leaves nothing behind, not even what was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from teslafast.supervisor.child import bound_to_us

from tests.support.nats_servers import NatsServers
from tests.support.nodes import Nodes, wait_until

VIN = "5YJ3E1EA7KF000001"


@pytest.mark.cluster
def test_nothing_is_left_behind_by_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with Nodes(2, tmp_path) as nodes:
        children = [nodes.pid_of(1), nodes.pid_of(2), nodes.nats_pid()]
        nodes.kill()
        wait_until(lambda: not any(_is_alive(pid) for pid in children))
    with Nodes(2, tmp_path) as again:
        assert again.entries()[0]["status"] == "ok"


@pytest.mark.cluster
def test_what_is_stopped_is_not_left_behind_either(tmp_path: Path) -> None:
    with Nodes(2, tmp_path) as nodes:
        children = [nodes.pid_of(1), nodes.pid_of(2), nodes.nats_pid()]
        for stopped in children[1:]:
            os.kill(stopped, signal.SIGSTOP)
        nodes.kill()
        wait_until(lambda: not any(_is_alive(pid) for pid in children))


@pytest.mark.cluster
def test_a_stopped_node_of_a_log_that_goes_on_wakes_when_its_supervisor_is_killed_and_drains(tmp_path: Path) -> None:
    with (
        NatsServers(tmp_path) as nats,
        Nodes(1, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1") as nodes,
        nodes.place.vehicle(VIN) as vehicle,
    ):
        vehicle.tell({"Soc": {"doubleValue": 1.0}})
        node = nodes.pid_of(1)
        os.kill(node, signal.SIGSTOP)
        nodes.kill()
        assert vehicle.close_code() == 1001
        wait_until(lambda: not _is_alive(node))


def test_a_program_whose_parent_has_gone_before_it_could_be_bound_to_it_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = bound_to_us(signal.SIGKILL, ["/bin/sh", "-c", f"echo $$ > {ran}"])
    subprocess.run(command, check=True)
    assert ran.exists()
    ran.unlink()
    command[command.index(str(os.getpid()))] = "1"
    subprocess.run(command, check=True)
    assert not ran.exists()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
