"""Every file under deploy/ is run or checked by a real tool, in a test that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ROOT

# file: (the test, the tool)
CHECKED = {
    "alerts.yml": ("test_prometheus.py", "promtool"),
    "cluster/compose.yaml": ("test_cluster_compose.py", "docker-compose"),
    "cluster/fly/nats-common.conf": ("test_cluster_nats.py", "nats-server"),
    "cluster/fly/nats-one.conf": ("test_cluster_nats.py", "nats-server"),
    "cluster/fly/nats.Dockerfile": ("test_cluster_fly.py", "instructions"),
    "cluster/fly/nats.conf": ("test_cluster_nats.py", "nats-server"),
    "cluster/fly/nats.toml": ("test_cluster_fly.py", "tomllib"),
    "cluster/fly/start-nats": ("test_cluster_fly.py", "shellcheck"),
    "cluster/fly/teslafast.toml": ("test_cluster_fly.py", "tomllib"),
    "cluster/haproxy.cfg": ("test_cluster_topology.py", "haproxy"),
    "cluster/kubernetes/nats-values.yaml": ("test_cluster_kubernetes.py", "nats-server"),
    "cluster/kubernetes/teslafast.yaml": ("test_cluster_kubernetes.py", "kubernetes_validate"),
    "cluster/nats.conf": ("test_cluster_nats.py", "nats-server"),
    "grafana-influxdb.json": ("test_history_dashboards.py", "influxdb"),
    "grafana-postgres.json": ("test_history_dashboards.py", "postgres"),
    "grafana.json": ("test_prometheus.py", "prometheus"),
    "haproxy.cfg": ("test_proxies.py", "haproxy"),
    "kubernetes/teslafast.yaml": ("test_kubernetes.py", "kubernetes_validate"),
    "nginx.conf": ("test_proxies.py", "nginx"),
    "prometheus.yml": ("test_prometheus.py", "promtool"),
    "systemd/teslafast.env.example": ("test_systemd.py", "env_file"),
    "systemd/teslafast.service": ("test_systemd.py", "systemd-analyze"),
}


def test_no_file_is_without_a_test() -> None:
    found = {path.relative_to(ROOT / "deploy").as_posix() for path in (ROOT / "deploy").rglob("*") if path.is_file()}
    assert found == CHECKED.keys(), "give each new file a test that runs it with its own tool, and a row in CHECKED"


@pytest.mark.parametrize("file", CHECKED)
def test_the_test_names_the_tool_and_where_the_file_lies(file: str) -> None:
    name, tool = CHECKED[file]
    text = Path(__file__).with_name(name).read_text()
    assert any(named in text for named in (f'"{tool}"', f"{tool}.", f"{tool}("))
    assert any(f'"{part}"' in text for part in (file, Path(file).name, Path(file).parent.name))
