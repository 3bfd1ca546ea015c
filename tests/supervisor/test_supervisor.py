"""`serve --nodes 2` with its own NATS server: real processes, as an operator starts them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import World
from tests.support.nodes import Nodes, kill, wait_until
from tests.support.peers import PATIENCE_S, Place, Vehicle, token
from tests.support.ports import free_port
from tests.support.servers import BASE, spawn

VIN = "5YJ3E1EA7KF000001"
SOC = {"Soc": {"doubleValue": 1.0}}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(2, tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


def vehicles_on_both(nodes: Nodes, place: Place) -> list[Vehicle]:
    """The kernel chooses: so many connections until each node has one."""
    vehicles: list[Vehicle] = []
    while min(entry["vehicles"] for entry in nodes.entries()) == 0:
        assert len(vehicles) < 64
        vehicles.append(place.vehicle(f"5YJ3E1EA7KF1{len(vehicles):05}"))
    return vehicles


def records_of(place: Place) -> float:
    """That all nodes have taken in."""
    found = re.search(r'^record_total\{record_type="V"\} (\S+)$', place.get("/metrics").body.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_any_node_answers_for_all_of_them(two: Nodes) -> None:
    before = records_of(two.place)
    wait_until(lambda: two.place.get("/health").json["vehicles"] == 0)  # whoever an earlier test left
    vehicles = vehicles_on_both(two, two.place)
    for vehicle in vehicles:
        vehicle.tell(SOC)
    for _ in range(8):  # whoever is asked
        health = two.place.get("/health").json
        assert (health["status"], health["scope"], health["vehicles"]) == ("ok", "machine", len(vehicles))
        assert [entry["node"] for entry in health["nodes"]] == ["1", "2"]
        assert sum(entry["vehicles"] for entry in health["nodes"]) == len(vehicles)
        text = two.place.get("/metrics").body.decode()
        assert f"num_connections {len(vehicles)}.0" in text
        assert records_of(two.place) == before + len(vehicles)
        assert 'teslafast_node_up{node="2"} 1.0' in text
    alone = [two.place.get("/health?scope=node").json["vehicles"] for _ in range(16)]
    assert max(alone) < len(vehicles)
    for vehicle in vehicles:
        vehicle.connection.close()
    wait_until(lambda: two.place.get("/health").json["vehicles"] == 0)


def test_a_scope_that_there_is_not_is_refused(two: Nodes) -> None:
    assert two.place.get("/health?scope=world").status == 400


def test_openmetrics_of_the_whole_has_one_end(two: Nodes) -> None:
    found = two.place.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert found.body.endswith(b"# EOF\n")
    assert found.body.count(b"# EOF") == 1
    assert b'teslafast_node_up{node="1"} 1.0' in found.body


def test_all_dashboards_see_one_order_whichever_node_they_are_on(two: Nodes) -> None:
    dashboards = [two.place.dashboard("?snapshot=0") for _ in range(6)]
    epochs = {dashboard.until("hello")["epoch"] for dashboard in dashboards}
    assert len(epochs) == 1
    with two.place.vehicle(VIN) as vehicle, two.place.vehicle("5YJ3E1EA7KF000002") as other:
        for number in range(5):
            vehicle.tell({"Soc": {"doubleValue": float(number)}})
            other.tell({"Soc": {"doubleValue": float(number)}})
        seen = [[dashboard.until("data")["seq"] for _ in range(10)] for dashboard in dashboards]
    assert all(one == seen[0] for one in seen)
    assert seen[0] == sorted(seen[0])
    for dashboard in dashboards:
        dashboard.connection.close()


def test_the_own_nats_server_lets_no_other_user_of_the_machine_in(two: Nodes) -> None:
    folder = _folder(two)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "node.nk").stat().st_mode) == 0o600
    configuration = (folder / "nats.conf").read_text()
    assert "127.0.0.1:" in configuration
    assert "sync_interval: always" in configuration
    seed = (folder / "node.nk").read_text()
    assert seed not in configuration
    assert seed not in two.lines.text
    for pid, command in two.children().items():
        assert seed not in command
        assert seed.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    port = int(configuration.split("127.0.0.1:")[1].split('"')[0])
    program = (
        f"import asyncio, nats\nasyncio.run(nats.connect('nats://127.0.0.1:{port}', allow_reconnect=False, connect_timeout=5))"
    )
    stranger = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert stranger.returncode != 0
    assert "uthorization" in stranger.stderr


def _folder(nodes: Nodes) -> Path:
    return Path(nodes.lines.wait_for("own_nats")[0]["folder"])


@pytest.mark.cluster
def test_a_node_that_is_killed_comes_back_and_is_counted(two: Nodes) -> None:
    before = two.pid_of(2)
    kill(before)
    (ended,) = two.lines.wait_for("process_ended", process="node 2")
    assert (ended["cause"], ended["restarts"]) == ("SIGKILL", 1)
    two.wait_restarted(2)
    assert two.pid_of(2) != before
    assert 'teslafast_node_restarts_total{node="2"} 1.0' in two.place.get("/metrics").body.decode()


@pytest.mark.cluster
def test_its_nats_server_that_is_killed_comes_back_and_nothing_is_lost(two: Nodes) -> None:
    with two.place.dashboard("?snapshot=0") as dashboard, two.place.vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"doubleValue": 1.0}})
        first = dashboard.until("data")["seq"]
        kill(two.nats_pid())
        vehicle.tell({"Soc": {"doubleValue": 2.0}})
        found = dashboard.until("data")
        assert (found["seq"], found["data"]) == (first + 1, {"Soc": 2.0})
    (ended,) = two.lines.wait_for("process_ended", process="nats-server")
    assert (ended["cause"], ended["reason"]) == ("SIGKILL", "")


@pytest.mark.cluster
def test_a_node_that_does_not_answer_is_named(two: Nodes) -> None:
    sleeping = two.pid_of(1)
    os.kill(sleeping, signal.SIGSTOP)
    try:
        wait_until(lambda: "silent" in _statuses(two))
    finally:
        os.kill(sleeping, signal.SIGCONT)
    wait_until(lambda: _statuses(two) == ["ok", "ok"])


def _statuses(nodes: Nodes) -> list[str]:
    """As a node tells them that is awake: the kernel may give the connection to the other one, which says nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{nodes.place.port}/health", timeout=3) as answer:
            return [entry["status"] for entry in json.load(answer)["nodes"]]
    except OSError:
        return []


@pytest.mark.cluster
def test_a_signal_to_all_drains_the_nodes_and_then_ends_nats(tmp_path: Path) -> None:
    with Nodes(2, tmp_path / "nats", STATE_PATH=str(tmp_path / "state")) as nodes:
        with nodes.place.dashboard("?snapshot=0") as dashboard, nodes.place.vehicle(VIN) as vehicle:
            vehicle.tell(SOC)
            dashboard.until("data")
            nodes.process.send_signal(signal.SIGTERM)
            assert vehicle.close_code() == 1001
            assert dashboard.until("connectivity")["status"] == "DISCONNECTED"
            assert dashboard.close_code() == 1012
        assert nodes.process.wait(PATIENCE_S) == 0
    assert len(nodes.lines.wait_for("drained", 2)) == 2
    assert (tmp_path / "state.1").exists()
    assert (tmp_path / "state.2").exists()
    with Nodes(2, tmp_path / "nats") as again, again.place.dashboard("?since=0") as dashboard:
        assert dashboard.until("data")["data"] == {"Soc": 1.0}


@pytest.mark.cluster
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_goes_on_at_whichever_node(tmp_path: Path, world: World, version: ssl.TLSVersion) -> None:
    with Nodes(2, tmp_path, world, VEHICLE_PORT="0") as nodes:
        client = world.client(world.vehicle(VIN))
        client.minimum_version = client.maximum_version = version

        def connected(session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", nodes.place.vehicle_port), PATIENCE_S)
            return client.wrap_socket(plain, server_hostname="localhost", session=session)

        with connected() as secure:
            secure.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(100).startswith(b"HTTP/1.1 200")
            session = secure.session
        for _ in range(12):  # both are met: one in 2^11 is the chance that it is always the same
            with connected(session) as again:
                assert again.session_reused


def ended(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    process = spawn(["serve", *arguments], BASE | {"NODE_ENV": "development"} | environment, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, "", stderr)


def test_a_fault_of_the_settings_ends_the_whole_in_one_line(tmp_path: Path) -> None:
    found = ended(
        "--nodes", "3", NODES_STORE_PATH=str(tmp_path), CERT_PATH=str(tmp_path / "none"), KEY_PATH=str(tmp_path / "none")
    )
    assert found.returncode == 2
    assert found.stderr.count("CERT_PATH") == 1
    assert found.stderr.splitlines()[-1].startswith("teslafast: CERT_PATH: ")
    assert "own_nats" not in found.stderr, "nothing has been started"
    assert list(tmp_path.iterdir()) == []


def test_its_own_nats_server_has_on_the_disk_what_is_acknowledged_and_says_so(two: Nodes) -> None:
    assert two.lines.wait_for("cluster_log")[0]["promise"] == "acknowledged means: the NATS server has it on the disk"


@pytest.mark.cluster
def test_a_folder_that_another_one_uses_is_refused(two: Nodes) -> None:
    found = ended("--nodes", "1", NODES_STORE_PATH=str(_folder(two)))
    assert found.returncode == 2
    assert "NODES_STORE_PATH" in found.stderr
    assert "in use" in found.stderr


def test_a_port_that_another_one_uses_is_refused(two: Nodes, tmp_path: Path) -> None:
    found = ended("--nodes", "1", NODES_STORE_PATH=str(tmp_path), PORT=str(two.place.port))
    assert found.returncode == 2
    assert f"port {two.place.port} is already in use" in found.stderr


def test_a_journal_beside_it_is_refused(tmp_path: Path) -> None:
    found = ended("--nodes", "2", JOURNAL_PATH=str(tmp_path / "journal"))
    assert found.returncode == 2
    assert "JOURNAL_PATH" in found.stderr


def test_more_than_the_disk_holds_is_refused(tmp_path: Path) -> None:
    found = ended("--nodes", "2", NODES_STORE_PATH=str(tmp_path), CLUSTER_MAX_BYTES="9000000GiB")
    assert found.returncode == 2
    assert "CLUSTER_MAX_BYTES" in found.stderr


def test_without_nodes_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, teslafast.server.server, teslafast.cli.commands\n"
        "print([name for name in sys.modules if name.rpartition('.')[2] in ('supervisor', 'lifeline', 'ticket_keys', 'nats')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_health_and_tokens_are_the_same_at_every_node(two: Nodes) -> None:
    for _ in range(8):
        assert two.place.get("/vehicles", Authorization=f"Bearer {token()}").status == 200


@pytest.mark.cluster
def test_the_health_command_finds_it(tmp_path: Path) -> None:
    port = str(free_port())
    with Nodes(1, tmp_path, PORT=port):
        asked = spawn(["health"], {"PORT": port, "NODE_ENV": "development"}, stdout=subprocess.PIPE)
        told, _ = asked.communicate(timeout=PATIENCE_S)
        assert (asked.returncode, told[:3]) == (0, "ok:")
