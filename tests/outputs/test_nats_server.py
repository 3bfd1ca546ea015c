"""A real server and a real nats-server, either of them killed: NATS' own client reads all that was acknowledged."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import trustme
from teslafast.errors import Undelivered
from teslafast.outputs import Context
from teslafast.outputs.nats import NatsOutput, NatsSettings

from tests.support.histories import caught_up, check_history, outage
from tests.support.nats_credentials import credentials
from tests.support.nats_reader import NatsMessage, NatsReader, make_stream, stream_of
from tests.support.nats_servers import NatsServers
from tests.support.output_events import EPOCH, data
from tests.support.peers import SECRET
from tests.support.ports import free_port
from tests.support.record_cases import FORMS, VERSION, by_topic, check_body, send_cases
from tests.support.servers import Inside, Process, spawn

pytestmark = pytest.mark.outputs
SUBJECTS = "tesla_telemetry.>"
KINDS = {"V": "data"}


@pytest.mark.parametrize("form", FORMS)
def test_every_recorded_case_has_its_subject_and_its_body(tmp_path: Path, form: str) -> None:
    with (
        NatsServers(tmp_path) as broker,
        NatsReader(broker.url, SUBJECTS) as reader,
        Process(None, NATS_URL=broker.url, OUTPUT_DECODED=FORMS[form]) as server,
        server.place.vehicle(Version=VERSION) as vehicle,
    ):
        sent = by_topic(send_cases(vehicle))
        sent.pop("connectivity", None)
        for topic, cases in sent.items():
            subject = f"tesla_telemetry.device-1.{KINDS.get(topic, topic)}"
            reader.until(
                lambda got, subject=subject, cases=cases: sum(one.subject == subject for one in got) >= len(cases)  # type: ignore[misc]
            )
        epoch = server.place.get("/health").json["epoch"]
    for topic, cases in sent.items():
        arrived = [one for one in reader.got if one.subject == f"tesla_telemetry.device-1.{KINDS.get(topic, topic)}"]
        assert len(arrived) == len(cases)
        for one, case in zip(arrived, cases, strict=True):
            assert list(one.headers) == ["Nats-Msg-Id"]
            assert one.headers["Nats-Msg-Id"].startswith(f"{epoch}-")
            check_body(form, case, one.body)


def odometers(messages: list[NatsMessage]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for one in messages:
        if one.subject.endswith(".data"):
            [datum] = json.loads(one.body)["data"]
            found[one.subject.split(".")[1]].append(datum["value"]["doubleValue"])
    return found


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_stream_that_is_away_for_half_a_minute_under_load_misses_nothing(tmp_path: Path, also_the_server: bool) -> None:
    with NatsServers(tmp_path) as broker:
        make_stream(broker.url, "CARS", SUBJECTS)

        def start() -> None:
            broker.start(0)
            broker.wait_ready()

        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "NATS_URL": broker.url, "NATS_STREAM": "CARS"}
        load = outage(environment, "nats", lambda: broker.kill(0), start, also_the_server)
        messages = stream_of(broker.url, "CARS")
    check_history(odometers(messages), load)
    ids = [one.headers["Nats-Msg-Id"] for one in messages]
    assert len(ids) == len(set(ids)), "the stream knows what comes again"


def test_a_server_starts_without_its_broker_and_a_vehicle_has_its_ack_when_the_stream_has_the_record(tmp_path: Path) -> None:
    broker = NatsServers(tmp_path)
    with Inside(NATS_URL=broker.url, NATS_STREAM="CARS", RELIABLE_ACKS="nats") as server:
        server.lines.wait_for("output_connecting", output="nats")
        with server.place.vehicle("one") as vehicle:
            told = threading.Thread(target=vehicle.tell, args=[{"Soc": {"doubleValue": 64.5}}])
            told.start()
            with broker:
                server.lines.wait_for("output_failing", output="nats")  # nobody takes the subject
                assert told.is_alive()
                make_stream(broker.url, "CARS", SUBJECTS)
                told.join(60)
                assert not told.is_alive()
                caught_up(server, "nats")
                assert [one.subject.split(".")[2] for one in stream_of(broker.url, "CARS")] == ["connectivity", "data"]


def send(url: str, *bodies: int, stream: str = "", dropped: Counter[str] | None = None, creds: Path | None = None) -> str:
    """What is wrong, "" if nothing."""

    async def sent() -> str:
        context = Context(EPOCH, Counter() if dropped is None else dropped)
        output = NatsOutput(NatsSettings(urls=tuple(url.split(",")), stream=stream, creds_path=creds), context)
        try:
            await output.connect()
            await output.send([data(seq, {"VehicleName": "x" * size}) for seq, size in enumerate(bodies, 1)])
        except Undelivered as error:
            return str(error)
        finally:
            await output.close()
        return ""

    return asyncio.run(sent())


def test_an_event_that_is_too_large_is_dropped_alone(tmp_path: Path) -> None:
    with NatsServers(tmp_path, options="max_payload: 4KB") as broker:
        dropped: Counter[str] = Counter()
        assert send(broker.url, 10, 5000, 10, dropped=dropped) == ""
        assert dropped == {"refused": 1}
        make_stream(broker.url, "CARS", SUBJECTS, max_msg_size=2000)
        assert send(broker.url, 11, 2500, 5000, 12, stream="CARS", dropped=dropped) == ""
        assert dropped == {"refused": 3}
        assert len(stream_of(broker.url, "CARS")) == 2


def test_what_a_server_or_a_stream_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    users = (
        'authorization { users: [ { user: me, password: "p@ss", permissions: { publish: { deny: "tesla_telemetry.>" } } }, '
        "{ user: all, password: all } ] }"
    )
    with NatsServers(tmp_path, options=users) as broker:
        url = f"nats://me:p%40ss@127.0.0.1:{broker.ports[0]}"
        assert "permissions violation" in send(url, 1).lower()
        assert "does not let us in" in send(url.replace("p%40ss", "hunter2"), 1)
        assert "hunter2" not in send(url.replace("p%40ss", "hunter2"), 1)
        make_stream(f"nats://all:all@127.0.0.1:{broker.ports[0]}", "OTHER", SUBJECTS)
        mine = f"nats://all:all@127.0.0.1:{broker.ports[0]}"
        assert "expected stream does not match" in send(mine, 1, stream="CARS")
        assert send(f"nats://127.0.0.1:{free_port()},{mine}", 1, stream="OTHER") == ""


def test_a_file_of_credentials_logs_in(tmp_path: Path) -> None:
    file = tmp_path / "user.creds"
    with NatsServers(tmp_path, options=credentials(file)) as broker:
        assert send(broker.url, 10, creds=file) == ""
        assert "does not let us in" in send(broker.url, 10)
        seed_alone = "\n".join(line for line in file.read_text().splitlines() if "JWT" not in line)
        for content in ("nothing\n", "", seed_alone):  # nats-py would look for ever for a JWT behind a seed
            (tmp_path / "bad.creds").write_text(content)
            assert "lacks the user's JWT or seed" in send(broker.url, 10, creds=tmp_path / "bad.creds")


def test_a_tls_server_is_believed_only_if_this_machine_trusts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1", "localhost")
    pair.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with NatsServers(tmp_path, options=f'tls {{ cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem" }}') as broker:
        url = f"tls://localhost:{broker.ports[0]}"
        assert "certificate verify failed" in send(url, 10)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert send(url, 10) == ""


def test_the_command_checks_the_server_and_the_stream(tmp_path: Path) -> None:
    def check(url: str, **more: str) -> tuple[int, str]:
        variables = {"NODE_ENV": "development", "PORT": str(free_port()), "JWT_SECRET": SECRET, "NATS_URL": url}
        with spawn(["outputs", "check"], variables | more, stdout=-1, stderr=-1) as process:
            said, complaint = process.communicate()
        return process.returncode, said + complaint

    with NatsServers(tmp_path) as broker:
        code, said = check(broker.url)
        assert (code, "connected to nats-server" in said) == (0, True), said
        code, said = check(broker.url, NATS_STREAM="CARS")
        assert (code, "there is no stream CARS" in said) == (1, True), said
        make_stream(broker.url, "CARS", SUBJECTS)
        assert "the stream CARS takes tesla_telemetry.>" in check(broker.url, NATS_STREAM="CARS")[1]
    code, said = check(broker.url.replace("//", "//me:hunter2@"))
    assert (code, "cannot be reached" in said, "hunter2" in said) == (1, True, False), said
