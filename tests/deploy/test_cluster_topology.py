"""
What deploy/cluster/compose.yaml starts, run here without Docker: three nats-server, two nodes and Debian's HAProxy, each with the
file that is shipped and the settings that compose.yaml gives it. Only names, ports and folders are this machine's.

Vehicles come over mutual TLS through HAProxy's TCP, dashboards over HAProxy's TLS. Whatever is replaced one at a time, or killed:
nothing that was acknowledged is lost, repeated or out of order.
"""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.cluster.road import Road
from tests.deploy.support.nats_files import CLUSTER
from tests.support.certificates import World
from tests.support.faults import Victim
from tests.support.nats_logins import nkey_login
from tests.support.nats_servers import PROGRAM, NatsServers
from tests.support.peers import PATIENCE_S, SECRET, Connection, Place
from tests.support.ports import free_ports
from tests.support.proxies import haproxy, running

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="apt install haproxy"),
]

COMPOSE: dict[str, Any] = yaml.safe_load((CLUSTER / "compose.yaml").read_text())
NODES = ("node1", "node2")
SERVERS = ("n1", "n2", "n3")
VINS = [f"5YJ3E1EA7KF{number:06}" for number in range(8)]


class ShippedServers(NatsServers):
    """Three, by deploy/cluster/nats.conf and compose.yaml's commands."""

    def _write(self, number: int) -> None:
        text = (CLUSTER / "nats.conf").read_text().replace("0.0.0.0", "127.0.0.1").replace("$NODE_NKEY", self._options)
        for port, mine in ((4222, self.ports), (6222, self._routes), (8222, self.monitors)):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{mine[number]}")
        for place, name in enumerate(SERVERS):
            text = text.replace(f"nats://{name}:6222", f"nats://127.0.0.1:{self._routes[place]}")
        assert not re.search(r"\b[468]222\b", re.sub("#.*", "", text)), "a port that is not this machine's"
        assert "store_dir: /data" in text
        (self.folder / f"n{number}.conf").write_text(text.replace("store_dir: /data", f'store_dir: "{self.store(number)}"'))

    def start(self, number: int) -> None:
        words = COMPOSE["services"][SERVERS[number]]["command"]
        command = [self.folder / f"n{number}.conf" if word == "/etc/nats/nats.conf" else word for word in words]
        log = ["-l", str(self.folder / f"n{number}.log")]
        quiet = subprocess.DEVNULL
        self.processes[number] = subprocess.Popen([str(PROGRAM), *map(str, command), *log], stdout=quiet, stderr=quiet)


class Topology:
    """`dashboards_at`, `vehicles_at`: HAProxy's ports."""

    def __init__(self, stack: ExitStack, world: World, folder: Path, nats: NatsServers, nkey: str) -> None:
        self._stack, self._world, self.nats, self._nkey = stack, world, nats, nkey
        self.dashboards_at, self.vehicles_at, *ports = free_ports(6)
        self._ports = {name: (ports[2 * place], ports[2 * place + 1]) for place, name in enumerate(NODES)}
        self.nodes = {name: self.start(name) for name in NODES}
        stack.enter_context(running(haproxy, self._haproxy(folder), self.dashboards_at))
        self.wait_until(lambda: all(self.served_by(name) for name in NODES))
        for vin in VINS:
            world.vehicle(vin)  # made here: the road has a thread of its own
        self.road = stack.enter_context(Road([self.dashboards_at], world=world, vehicle_ports=[self.vehicles_at]))

    def _haproxy(self, folder: Path) -> Path:
        """The shipped file, on this machine's ports; `show servers state` over a socket tells whom it serves by."""
        public = self._world.server
        (folder / "public.pem").write_bytes(public.certificate.read_bytes() + public.key.read_bytes())
        text = (CLUSTER / "haproxy.cfg").read_text().replace("/public/public.pem", str(folder / "public.pem"))
        text = text.replace("bind :8443", f"bind 127.0.0.1:{self.vehicles_at}").replace(
            "bind :443", f"bind 127.0.0.1:{self.dashboards_at}"
        )
        for name, (plain, vehicles) in self._ports.items():
            text = text.replace(f"server {name} {name}:8443", f"server {name} 127.0.0.1:{vehicles} check port {plain}")
            text = text.replace(f"server {name} {name}:3000", f"server {name} 127.0.0.1:{plain}")
        text = text.replace("check port 3000 ", "").replace("maxconn 20000", "maxconn 1000")
        return self._write(folder, text)

    def _write(self, folder: Path, text: str) -> Path:
        self._socket = folder / "haproxy.sock"
        (folder / "haproxy.cfg").write_text(text.replace("global\n", f"global\n    stats socket {self._socket}\n", 1))
        return folder / "haproxy.cfg"

    def served_by(self, name: str) -> bool:
        """Whether HAProxy takes the node for well, for vehicles and for dashboards."""
        try:
            with socket.socket(socket.AF_UNIX) as asked:
                asked.connect(str(self._socket))
                asked.sendall(b"show stat\n")
                said = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
        except FileNotFoundError:  # it opens its ports first
            return False
        rows = [line.split(",") for line in said.splitlines()]
        return all(row[17] == "UP" for row in rows if len(row) > 17 and row[1] == name)

    def start(self, name: str) -> Victim:
        plain, vehicles = self._ports[name]
        given = dict(COMPOSE["services"][name]["environment"])
        ours = {
            "PORT": str(plain),
            "VEHICLE_PORT": str(vehicles),
            "CLUSTER_URL": self.nats.url,
            "CLUSTER_MONITOR_URL": ",".join(f"http://127.0.0.1:{port}" for port in self.nats.monitors),
            "CLUSTER_NKEY_PATH": self._nkey,
            "TRUSTED_PROXIES": "127.0.0.1",
            "JWT_SECRET": SECRET,
            "TESLA_VIN": ",".join(VINS),
        }
        node = self._stack.enter_context(Victim(self._world, **given | self._world.environment | ours))
        node.lines.wait_for("cluster_joined")
        return node

    def replace(self, name: str) -> None:
        """As `docker compose up --no-deps --wait NAME` does: SIGTERM, its drain, a new one; on only when that is well."""
        old = self.nodes[name]
        if old.process.poll() is None:
            old.process.send_signal(signal.SIGTERM)
            assert old.process.wait(PATIENCE_S * 3) == 0, old.lines.text
        self.nodes[name] = self.start(name)
        self.wait_until(lambda: self.served_by(name))

    def wait_until(self, reached: Callable[[], bool]) -> None:
        until_s = time.monotonic() + 3 * PATIENCE_S
        while not reached():
            assert time.monotonic() < until_s
            time.sleep(0.05)  # HAProxy asks once a second


@contextmanager
def topology(world: World, folder: Path) -> Iterator[Topology]:
    login = nkey_login(folder)
    with ShippedServers(folder, 3, options=login.public) as nats, ExitStack() as stack:
        made = Topology(stack, world, folder, nats, login.settings["CLUSTER_NKEY_PATH"])
        made.road.until_acked(200)
        yield made
        made.road.settle()
        made.road.judge()
        print(f"acknowledged {made.road.acked}, longest pause {made.road.longest_pause_s():.2f} s")


def test_everything_is_replaced_one_at_a_time_and_a_node_is_killed(world: World, tmp_path: Path) -> None:
    with topology(world, tmp_path) as cluster:
        cluster.road.until_acked(200)
        for name in NODES:
            cluster.replace(name)
            cluster.road.until_acked(200)
        for number in range(3):
            cluster.nats.end(number, signal.SIGUSR2)
            cluster.nats.start(number)
            cluster.nats.wait_ready()
            cluster.road.until_acked(200)
        cluster.nodes["node1"].kill()
        cluster.wait_until(lambda: not cluster.served_by("node1"))
        cluster.road.until_acked(400)
        cluster.replace("node1")
        cluster.road.until_acked(200)


def test_haproxy_passes_on_whose_a_connection_is_and_hides_metrics(world: World, tmp_path: Path) -> None:
    with topology(world, tmp_path) as cluster:
        plain = socket.create_connection(("127.0.0.1", cluster.vehicles_at), PATIENCE_S, source_address=("127.0.0.9", 0))
        secure = world.client(world.vehicle(VINS[0])).wrap_socket(plain, server_hostname="localhost")
        vehicle = Connection(secure, ClientProtocol(parse_uri(f"wss://localhost:{cluster.vehicles_at}/")), {})
        logs = [node.lines for node in cluster.nodes.values()]
        cluster.wait_until(lambda: any('"127.0.0.9:' in lines.text for lines in logs))
        vehicle.close()
        assert not any(line["event"] == "tls_failed" for lines in logs for line in lines.read)
        assert [https(cluster.dashboards_at, world, path) for path in ("/health", "/metrics")] == [200, 404]
        metrics = Place(cluster.nodes["node1"].place.port, 0).get("/metrics").body.decode()
        assert not re.search(r"^teslafast_proxy_headers_ignored_total\S* [1-9]", metrics, re.MULTILINE)


def https(port: int, world: World, path: str) -> int:
    connection = http.client.HTTPSConnection("localhost", port, context=world.client(), timeout=PATIENCE_S)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status
