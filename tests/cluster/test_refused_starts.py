"""What only a person can mend ends a start, in one line with the setting and the remedy; a server that is away does not."""

from __future__ import annotations

import signal
import ssl
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from teslafast.cluster.access import Right, rights_of
from teslafast.cluster.nats_refusals import NatsLogin
from teslafast.config import Settings

from tests.cluster.test_nodes import VIN, joined, wait_until
from tests.support.certificates import World
from tests.support.nats_logins import PUBLISH, SUBSCRIBE, Login, creds_login, nkey_login
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S
from tests.support.servers import Inside, spawn

pytestmark = pytest.mark.cluster
DOCTOR = "`teslafast doctor`"


def last_line(nats: NatsServers, settings: Mapping[str, str]) -> str:
    """That of a start which has ended with status 2."""
    environment = {"NODE_ENV": "development", "HOST": "127.0.0.1", "PORT": "0", "LOG_FORMAT": "json"}
    process = spawn(
        ["serve"], environment | {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": "1"} | dict(settings), stderr=subprocess.PIPE
    )
    _, stderr = process.communicate(timeout=2 * PATIENCE_S)
    assert process.returncode == 2, stderr
    assert "Traceback" not in stderr
    assert "eof_received" not in stderr
    return str(stderr.strip().splitlines()[-1])


def tls_lines(world: World) -> str:
    return f'tls {{ cert_file: "{world.environment["CERT_PATH"]}", key_file: "{world.environment["KEY_PATH"]}" }}'


def test_another_ca_than_the_servers(world: World, tmp_path: Path) -> None:
    with NatsServers(tmp_path, options=tls_lines(world)) as nats:
        nats.scheme = "tls"
        line = last_line(nats, {"CLUSTER_CA_PATH": world.environment["CA_PATH"]})
        assert line.startswith("teslafast: CLUSTER_CA_PATH: is not the CA of a NATS server: ")
        assert DOCTOR in line
        line = last_line(nats, {})
        assert line.startswith("teslafast: CLUSTER_CA_PATH: is not set, and the certificate of a NATS server does not verify: ")


def test_another_name_than_the_certificates() -> None:
    error = ssl.SSLCertVerificationError("certificate verify failed: Hostname mismatch")
    error.verify_message = "Hostname mismatch, certificate is not valid for 'n4'."
    refused = NatsLogin(Settings.from_env({"NODE_ENV": "development"})).refusal(error)
    assert refused is not None
    assert (refused.subject, "certificate is not valid for 'n4'" in refused.fault) == ("CLUSTER_URL", True)


def test_a_server_that_speaks_no_tls_is_given_neither_login_nor_events(nats: NatsServers, tmp_path: Path) -> None:
    nats.scheme = "tls"
    line = last_line(nats, nkey_login(tmp_path).settings)
    assert line.startswith("teslafast: CLUSTER_URL: says tls://, and a NATS server there speaks no TLS")


@pytest.mark.parametrize("make", [nkey_login, creds_login])
def test_a_login_that_the_servers_do_not_know(tmp_path: Path, make: Callable[[Path], Login]) -> None:
    (tmp_path / "others").mkdir()
    stranger, known = make(tmp_path / "others"), make(tmp_path)
    with NatsServers(tmp_path, options=known.options) as nats:
        (setting, path), *_ = stranger.settings.items()
        line = last_line(nats, stranger.settings)
        assert line.startswith(f"teslafast: {setting}: {path}: the NATS servers do not let in ")
        assert DOCTOR in line
        line = last_line(nats, {})
        assert line.startswith("teslafast: CLUSTER_URL: leads to NATS servers that want a login")


@pytest.mark.parametrize("right", rights_of("TF"), ids=lambda right: f"{right.verb} {right.subject}")
def test_a_right_that_is_missing(tmp_path: Path, right: Right) -> None:
    publish = [one for one in PUBLISH if right.verb != "publish" or not one.startswith(right.subject)]
    subscribe = [one for one in SUBSCRIBE if right.verb != "subscribe" or one != right.subject]
    login = nkey_login(tmp_path, publish or ["nothing"], subscribe)
    with NatsServers(tmp_path, options=login.options) as nats:
        if right.vital:
            line = last_line(nats, login.settings)
            assert line.startswith(
                f"teslafast: CLUSTER_NKEY_PATH: this login lacks a right: {right.verb} {right.subject} — add it to"
            )
            assert DOCTOR in line
            return
        with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", **login.settings) as node:
            (told,) = node.lines.wait_for("cluster_right_missing")
            assert f"{right.verb} {right.subject}" in told["reason"]


def test_an_account_without_jetstream(tmp_path: Path) -> None:
    login = nkey_login(tmp_path)
    account = login.options.replace("authorization {", "accounts { A {") + " }"
    with NatsServers(tmp_path, options=account) as nats:
        line = last_line(nats, login.settings)
        assert line.startswith("teslafast: CLUSTER_URL: leads to NATS servers that keep no streams: JetStream is off")


def test_a_limit_of_the_servers_that_is_too_small_for_the_stream(tmp_path: Path) -> None:
    with NatsServers(tmp_path, options="") as nats:
        path = tmp_path / "n0.conf"
        path.write_text(path.read_text().replace("jetstream {", "jetstream { max_file_store: 1MB,"))
        nats.kill(0)
        nats.start(0)
        nats.wait_ready()
        line = last_line(nats, {})
        assert line.startswith("teslafast: CLUSTER_STREAM: TF cannot be made: ")
        assert DOCTOR in line


def test_a_server_that_is_away_is_waited_for_and_the_line_says_what_to_do(nats: NatsServers) -> None:
    nats.kill(0)
    with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1") as node:
        (told, *_) = node.lines.wait_for("cluster_connection_error")
        assert told["remedy"] == f"start the NATS servers of CLUSTER_URL, or correct it; {DOCTOR} examines each server"
        nats.start(0)
        joined(node)


def test_a_login_that_is_taken_away_and_given_back_while_the_node_runs(tmp_path: Path) -> None:
    login = nkey_login(tmp_path)
    with (
        NatsServers(tmp_path, options=login.options) as nats,
        Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", **login.settings) as node,
    ):
        place = joined(node)
        with place.dashboard() as dashboard, place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            (tmp_path / "other").mkdir()
            reconfigure(nats, nkey_login(tmp_path / "other").options)
            wait_until(lambda: "do not let in whose nkey it is" in node.lines.text)
            (told, *_) = [line for line in node.lines.read if "do not let in" in line.get("reason", "")]
            assert (told["event"], DOCTOR in told["remedy"]) == ("cluster_connection_error", True)
            vehicle.send({"Soc": {"doubleValue": 2.0}})
            reconfigure(nats, login.options)
            vehicle.reply()
            assert [dashboard.until("data")["data"]["Soc"] for _ in range(2)] == [1.0, 2.0]


def reconfigure(nats: NatsServers, options: str) -> None:
    nats._options = options
    nats._write(0)
    nats.tell(0, signal.SIGHUP)


def test_the_end_of_a_tls_connection_leaves_no_line_of_asyncios(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with NatsServers(tmp_path, options=tls_lines(world)) as nats:
        nats.scheme = "tls"
        with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", CLUSTER_CA_PATH=str(world.server_ca)) as node:
            joined(node)
            nats.end(0, signal.SIGTERM)
            node.lines.wait_for("cluster_connection_lost")
            nats.start(0)
            node.lines.wait_for("cluster_connected")
    assert "eof_received" not in caplog.text
