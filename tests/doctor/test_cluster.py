"""What doctor says of real NATS servers: each fault that keeps a node out is one line that names it, and nothing is changed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.cluster.access import rights_of
from teslafast.config import Settings
from teslafast.doctor import cluster, nats_probe
from teslafast.doctor.cluster import ahead_s, check_cluster
from teslafast.doctor.finding import Finding, State
from teslafast.doctor.nats_probe import NatsServer

from tests.cluster.test_nodes import VIN, joined
from tests.support.certificates import World
from tests.support.nats_logins import PUBLISH, SUBSCRIBE, Login, creds_login, nkey_login
from tests.support.nats_servers import NatsServers
from tests.support.ports import free_port
from tests.support.servers import Inside
from tests.support.sites import answering


def findings(url: str, **changed: str) -> dict[str, list[Finding]]:
    """By check."""
    environment = {"NODE_ENV": "development", "CLUSTER_URL": url, "CLUSTER_REPLICAS": "1"} | changed
    found: dict[str, list[Finding]] = {}
    for one in check_cluster(Settings.from_env(environment)):
        found.setdefault(one.check, []).append(one)
    return found


def only(found: dict[str, list[Finding]], check: str) -> Finding:
    (one,) = found[check]
    return one


def address(url: str) -> str:
    return "NATS " + url.partition("://")[2]


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServers]:
    with NatsServers(tmp_path) as servers:
        yield servers


def test_without_a_cluster_nothing_is_said() -> None:
    assert list(check_cluster(Settings.from_env({"NODE_ENV": "development"}))) == []


# ---- what is well


@pytest.mark.parametrize("login", [nkey_login, creds_login])
def test_a_node_with_the_rights_that_it_needs_has_nothing_to_mend(tmp_path: Path, login: Any) -> None:
    made: Login = login(tmp_path)
    with NatsServers(tmp_path, options=made.options, always=True) as nats:
        monitor = f"http://127.0.0.1:{nats.monitors[0]}"
        with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", **made.settings) as server:
            joined(server)
            before = nats.ask(0, "/jsz")["messages"]
            found = findings(nats.url, CLUSTER_MONITOR_URL=monitor, **made.settings)
            assert {one.state for each in found.values() for one in each} == {State.WELL}
            assert list(found) == [address(nats.url), "NATS rights", "NATS stream", "NATS clock", "NATS disk"]
            assert "sync_interval: always" in only(found, "NATS disk").says
            assert nats.ask(0, "/jsz")["messages"] - before <= 1, "a beat of the node, and nothing of doctor's"


def test_over_tls_a_server_is_verified_by_the_ca_that_is_named(world: World, tmp_path: Path) -> None:
    with NatsServers(tmp_path, options=tls_section(world)) as nats:
        found = findings(f"tls://127.0.0.1:{nats.ports[0]}", CLUSTER_CA_PATH=str(world.server_ca))
        assert only(found, address(nats.url)).says.endswith("lets us in over TLS")
        stranger = findings(f"tls://127.0.0.1:{nats.ports[0]}")
        refused = only(stranger, address(nats.url))
        assert (refused.state, "does not verify" in refused.says, "CLUSTER_CA_PATH" in refused.remedy) == (
            State.WRONG,
            True,
            True,
        )
        plain = only(findings(nats.url), address(nats.url))
        assert (plain.state, plain.says) == (State.WRONG, "wants TLS")


def tls_section(world: World, more: str = "") -> str:
    paths = world.environment
    return f'tls {{ cert_file: "{paths["CERT_PATH"]}", key_file: "{paths["KEY_PATH"]}" \n {more} }}'


# ---- each right


@pytest.mark.parametrize("right", rights_of("TF"), ids=lambda right: f"{right.verb}-{right.subject}")
def test_a_right_that_is_missing_is_named(tmp_path: Path, right: Any) -> None:
    granted = {"publish": PUBLISH, "subscribe": SUBSCRIBE}
    granted[right.verb] = [subject for subject in granted[right.verb] if subject != right.subject]
    made = nkey_login(tmp_path, granted["publish"], granted["subscribe"])
    with NatsServers(tmp_path, options=made.options) as nats:
        missing = only(findings(nats.url, **made.settings), "NATS rights")
    assert missing.state is State.WRONG
    assert missing.remedy == f"add it to the user's permissions: {right.verb}: {right.subject}"


# ---- what keeps a node out


def test_a_server_that_is_away_is_named_and_the_others_are_examined(nats: NatsServers) -> None:
    gone = f"127.0.0.1:{free_port()}"
    found = findings(f"{nats.url},nats://{gone}")
    assert (only(found, f"NATS {gone}").state, only(found, f"NATS {gone}").says) == (State.WRONG, "nothing listens there")
    assert only(found, address(nats.url)).state is State.WELL
    assert "NATS stream" in found


def test_a_name_that_dns_does_not_know_is_said() -> None:
    assert only(findings("nats://nowhere.invalid:4222"), "NATS nowhere.invalid:4222").says == "DNS does not know it"


def test_a_server_that_waits_for_its_client_to_speak_is_told_from_nats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_probe, "STEP_S", 0.2)
    with answering(None, b"HTTP/1.1 200 OK\r\n\r\n") as port:
        says = only(findings(f"nats://127.0.0.1:{port}"), f"NATS 127.0.0.1:{port}").says
    assert "is not a NATS server" in says


@pytest.mark.parametrize(
    "greeting", [b"220 mail.example.com ESMTP\r\n", b"INFO []\r\n", b"INFO {\r\n", b"", b"INFO " + b"x" * 100_000]
)
def test_another_greeting_is_told_from_nats(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            accepted, _ = listener.accept()
            with accepted, contextlib.suppress(OSError):
                accepted.sendall(greeting)

        greeter = threading.Thread(target=greet)
        greeter.start()
        found = only(findings(f"nats://127.0.0.1:{port}"), f"NATS 127.0.0.1:{port}")
        greeter.join()
    assert (found.state, found.says) == (State.WRONG, "is not a NATS server")


def test_a_server_without_tls_is_told_where_tls_is_asked_for(nats: NatsServers) -> None:
    refused = only(findings(f"tls://127.0.0.1:{nats.ports[0]}"), address(nats.url))
    assert (refused.state, refused.says) == (State.WRONG, "speaks no TLS")


def test_a_server_that_wants_a_client_certificate_is_told(world: World, tmp_path: Path) -> None:
    options = tls_section(world, f'verify: true, ca_file: "{world.server_ca}"')
    with NatsServers(tmp_path, options=options) as nats:
        found = findings(f"tls://127.0.0.1:{nats.ports[0]}", CLUSTER_CA_PATH=str(world.server_ca))
    assert "wants a client certificate" in only(found, address(nats.url)).says


def test_a_login_that_is_refused_is_named_by_its_public_key(tmp_path: Path) -> None:
    known = nkey_login(tmp_path)
    (tmp_path / "other").mkdir()
    stranger = nkey_login(tmp_path / "other")
    with NatsServers(tmp_path, options=known.options) as nats:
        refused = only(findings(nats.url, **stranger.settings), address(nats.url))
        assert refused.says == f"does not let in the nkey {stranger.public}"
        assert only(findings(nats.url), address(nats.url)).says == "wants a login"


def test_credentials_that_have_expired_are_told_from_those_that_are_unknown(tmp_path: Path) -> None:
    made = creds_login(tmp_path, exp=int(time.time()) - 60)
    with NatsServers(tmp_path, options=made.options) as nats:
        refused = only(findings(nats.url, **made.settings), address(nats.url))
    assert refused.says.startswith("does not let in the credentials in CLUSTER_CREDS_PATH")


def test_a_file_that_is_no_login_is_said_before_anything_is_tried(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("not a login\n")
    for variable, word in (("CLUSTER_NKEY_PATH", "nkey seed"), ("CLUSTER_CREDS_PATH", "JWT or seed")):
        found = only(findings("nats://127.0.0.1:9", **{variable: str(tmp_path / "empty")}), "NATS")
        assert (found.state, found.says.startswith(variable), word in found.says) == (State.WRONG, True, True)


def test_whoever_lets_everybody_in_is_told(nats: NatsServers) -> None:
    assert "forge events" in only(findings(nats.url), "NATS login").says


# ---- the stream


def test_a_stream_that_does_not_exist_is_made_by_the_first_node(nats: NatsServers) -> None:
    assert only(findings(nats.url), "NATS stream").state is State.NOTE


def test_more_replicas_than_a_server_that_stands_alone_can_keep_are_told(nats: NatsServers) -> None:
    found = only(findings(nats.url, CLUSTER_REPLICAS="3"), "NATS stream")
    assert (found.state, "stands alone" in found.says) == (State.WRONG, True)


def test_a_stream_of_another_configuration_is_told(nats: NatsServers) -> None:
    with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1") as server:
        joined(server)
    found = only(findings(nats.url, CLUSTER_MAX_AGE="1h"), "NATS stream")
    assert (found.state, "max_age is 259200s, not 3600s (CLUSTER_MAX_AGE)" in found.says) == (State.WRONG, True)


def test_a_server_without_streams_is_told(tmp_path: Path) -> None:
    with NatsServers(tmp_path) as nats:
        path = tmp_path / "n0.conf"
        path.write_text(
            "\n".join(line for line in path.read_text().splitlines() if "jetstream" not in line and line.strip() != "}")
        )
        nats.kill(0)
        nats.start(0)
        nats.wait_ready()
        assert "nobody there keeps streams" in only(findings(nats.url), address(nats.url)).says


def test_a_smaller_message_than_a_vehicles_is_told(tmp_path: Path) -> None:
    with NatsServers(tmp_path, options="max_payload: 65536") as nats:
        found = only(findings(nats.url), address(nats.url))
    assert (found.state, found.remedy) == (State.WRONG, "raise its max_payload, or set MAX_FRAME_BYTES to 61440 at most")


@pytest.mark.parametrize(
    ("version", "state"), [("2.9.25", State.WRONG), ("2.12.1", State.NOTE), ("2.15.1", State.WELL), ("3.0.0", State.WELL)]
)
def test_an_old_server_is_told(version: str, state: State) -> None:
    server = NatsServer("n1:4222", info={"version": version, "server_name": "n1"})
    settings = Settings.from_env({"NODE_ENV": "development", "CLUSTER_URL": "nats://n1"})
    assert cluster._reached(server, settings).state is state


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        ({}, State.WRONG, "no leader"),
        (
            {"leader": "n0", "replicas": [{"name": "n1", "current": True}, {"name": "n2", "current": True}]},
            State.WELL,
            "n1 and n2",
        ),
        (
            {"leader": "n0", "replicas": [{"name": "n1", "current": True}, {"name": "n2", "offline": True}]},
            State.WRONG,
            "n2 is away",
        ),
    ],
)
def test_who_keeps_the_stream_is_told(told: dict[str, Any], state: State, words: str) -> None:
    settings = Settings.from_env({"NODE_ENV": "development", "CLUSTER_URL": "nats://n1"})
    servers = [NatsServer(f"n{number}:4222", f"10.0.0.{number}") for number in range(3)]
    (found,) = cluster._replicas({"cluster": told}, servers, settings)
    assert (found.state, words in found.says) == (state, True)


def test_three_servers_on_one_machine_are_told() -> None:
    settings = Settings.from_env({"NODE_ENV": "development", "CLUSTER_URL": "nats://n1"})
    servers = [NatsServer(f"n{number}:4222", "10.0.0.1") for number in range(3)]
    (found,) = cluster._replicas({"cluster": {"leader": "n0"}}, servers, settings)
    assert "3 addresses of CLUSTER_URL are 1 machine" in found.says


# ---- clocks


@pytest.mark.parametrize(("theirs_s", "ahead"), [(99.0, 1.0), (100.5, 0.0), (103.0, -2.0)])
def test_a_clock_is_off_by_what_the_way_there_and_back_does_not_explain(theirs_s: float, ahead: float) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(theirs_s)) + f".{int(theirs_s % 1 * 10)}00000000Z"
    assert ahead_s(NatsServer("n1", answer={"ts": stamp}, asked_s=100.0, answered_s=101.0)) == pytest.approx(ahead)


def test_a_clock_that_is_off_is_told() -> None:
    (found,) = cluster._clock([NatsServer("n1", answer={"ts": "1970-01-01T00:01:30Z"}, asked_s=100.0, answered_s=101.0)])
    assert (found.state, "10.0 s ahead" in found.says) == (State.NOTE, True)


def test_a_vehicle_streams_on_while_doctor_looks(nats: NatsServers) -> None:
    with Inside(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1") as server:
        place = joined(server)
        with place.dashboard() as dashboard, place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            findings(nats.url)
            vehicle.tell({"Soc": {"doubleValue": 2.0}})
            assert [dashboard.until("data")["seq"] for _ in range(2)] == [2, 3]
