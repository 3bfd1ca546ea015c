"""
deploy/prometheus.yml, alerts.yml and "grafana.json" before promtool and a real Prometheus, which scrapes a demo fleet.

Needs Debian's prometheus; run by `make test-deploy`.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_grafana import expressions
from tests.support import ROOT
from tests.support.certificates import World
from tests.support.peers import PATIENCE_S, Place, token
from tests.support.ports import free_port
from tests.support.servers import Process, spawn

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="apt install prometheus"),
]

DEPLOY = ROOT / "deploy"
# What a healthy server has no series of: each is a count of a cause that did not happen.
EMPTY_WHEN_HEALTHY = {
    "teslafast_messages_refused_total",
    "teslafast_requests_refused_total",
    "teslafast_connections_refused_total",
    "teslafast_tls_failures_total",
    "teslafast_closes_total",
    "teslafast_certificate_reloads_total",
    "teslafast_anchor_reloads_total",
}


def promtool(*words: str | Path, stdin: bytes | None = None, folder: Path = DEPLOY) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["promtool", *words], input=stdin, capture_output=True, cwd=folder, check=False)


def test_the_scrape_configuration_and_its_rules_are_valid() -> None:
    done = promtool("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"7 rules found" in done.stdout


def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    tests = ROOT / "tests" / "deploy" / "alerts_test.yml"
    shutil.copy(tests, tmp_path)
    done = promtool("test", "rules", tests.name, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = {one["alertname"] for test in yaml.safe_load(tests.read_text())["tests"] for one in test["alert_rule_test"]}
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    assert tested == {rule["alert"] for rule in rules}


@pytest.fixture(scope="module")
def servers(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """The ports of a demo with a fleet, and of a server with certificate, journal and output."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    kept = {"JOURNAL_PATH": str(folder / "journal"), "JOURNAL_SYNC_MS": "5", "JSONL_PATH": str(folder / "events")}
    with (
        Process(world, VEHICLE_PORT="0", DASHBOARD_TLS="false", **kept) as server,
        spawn(["demo", "--port", str(port), "--vehicles", "20"], {}, stdout=subprocess.PIPE) as demo,
    ):
        assert demo.stdout is not None
        assert json.loads(demo.stdout.readline())["type"] == "hello"
        reader = threading.Thread(target=demo.stdout.read)  # a demo whose events nobody reads waits for its reader
        reader.start()
        plain = Place(server.place.port, server.place.vehicle_port)  # DASHBOARD_TLS=false
        with plain.dashboard() as dashboard, server.place.vehicle("5YJ3TEST5PF000001") as vehicle:
            vehicle.tell({"Soc": {"floatValue": 71.5}})
            dashboard.until("data")
            yield [port, server.place.port]
        demo.send_signal(signal.SIGINT)
        demo.wait(PATIENCE_S)
        reader.join(PATIENCE_S)


Ask = Callable[[str], list[dict[str, Any]]]


def asked(port: int, expression: str) -> list[dict[str, Any]]:
    """What the Prometheus at this port answers."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


@pytest.fixture(scope="module")
def ask(servers: list[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a Prometheus that has scraped each server several times, by the configuration in deploy/."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    shutil.copy(DEPLOY / "alerts.yml", folder)
    text = (DEPLOY / "prometheus.yml").read_text()
    assert text.count('["localhost:3000"]') == 1
    targets = json.dumps([f"127.0.0.1:{server}" for server in servers])
    config = folder / "prometheus.yml"
    config.write_text(text.replace('["localhost:3000"]', targets).replace("_interval: 15s", "_interval: 1s"))
    where = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with subprocess.Popen(["prometheus", *where, "--log.level=error"]) as prometheus:
        query = partial(asked, port)
        try:
            _wait_for_scrapes(query, len(servers), prometheus)
            yield query
        finally:
            prometheus.terminate()
            prometheus.wait(PATIENCE_S)


def _wait_for_scrapes(query: Ask, count: int, prometheus: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert prometheus.poll() is None
        try:
            found = query("count_over_time(up[1m]) >= 5 and up == 1")
        except OSError:  # it does not listen yet
            found = []
        if len(found) == count:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.2)  # between two questions, not to be safe: a scrape tells nobody that it happened


def filled(expression: str) -> str:
    """As Grafana would ask it with everything selected."""
    for name, value in {"$job": ".*", "$instance": ".*", "$__rate_interval": "20s"}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("expression", expressions())
def test_a_panel_of_the_dashboard_shows_something(ask: Ask, expression: str) -> None:
    found = ask(filled(expression))
    if not EMPTY_WHEN_HEALTHY & set(re.findall(r"\w+", expression)):
        assert found, "no series"
    assert all(one["value"][1] != "NaN" for one in found) or "histogram_quantile" in expression


def test_the_fleet_is_there_under_its_build(ask: Ask) -> None:
    vehicles = {float(one["value"][1]) for one in ask("teslafast_vehicles")}
    assert vehicles == {20.0, 1.0}
    [build] = ask("count by (version) (teslafast_build_info)")
    assert build["value"][1] == "2"
    assert len(ask("time() - teslafast_ring_oldest_timestamp_seconds < 3600")) == 2


def test_no_alert_fires_over_a_healthy_fleet(ask: Ask) -> None:
    assert ask('ALERTS{alertstate="firing"}') == []


def test_prometheus_takes_each_vehicle_s_metrics_and_promtool_finds_nothing_in_them(tmp_path: Path) -> None:
    with Process(VEHICLE_METRICS="true") as server, server.place.vehicle("5YJ3TEST5PF000001") as vehicle:
        driving = {"Odometer": {"doubleValue": 1000.0}, "Gear": {"shiftStateValue": "ShiftStateD"}}
        vehicle.tell({"Soc": {"doubleValue": 64.5}} | driving)
        text = server.place.get("/metrics/vehicles", Authorization=f"Bearer {token()}").body
        done = promtool("check", "metrics", stdin=text)
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")
        (tmp_path / "token").write_text(token())
        port = free_port()
        job = {
            "job_name": "vehicles",
            "metrics_path": "/metrics/vehicles",
            "authorization": {"credentials_file": str(tmp_path / "token")},
            "static_configs": [{"targets": [f"127.0.0.1:{server.place.port}"]}],
        }
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        where = [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        with subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml", *where]) as prometheus:
            try:
                query = partial(asked, port)
                _wait_for_scrapes(query, 1, prometheus)
                [soc] = query("tesla_soc_ratio")
                assert (soc["metric"]["vin"], soc["value"][1]) == ("5YJ3TEST5PF000001", "0.645")
                [gear] = query("tesla_gear == 1")
                assert gear["metric"]["tesla_gear"] == "D"
                assert query("increase(tesla_odometer_meters_total[1m])")[0]["value"][1] == "0"
                vehicle.tell({"Soc": {"invalid": True}})
                deadline = time.monotonic() + PATIENCE_S
                while query("tesla_soc_ratio"):  # the sample is gone with the next scrape, not minutes later
                    assert time.monotonic() < deadline
                    time.sleep(0.2)  # between two questions
            finally:
                prometheus.terminate()
                prometheus.wait(PATIENCE_S)


def test_promtool_finds_nothing_wrong_in_the_metrics(servers: list[int]) -> None:
    for port in servers:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
            text = answer.read()
        done = promtool("check", "metrics", stdin=text)
        assert (done.stdout + done.stderr).decode() == ""
        assert done.returncode == 0
