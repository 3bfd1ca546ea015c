"""The server's certificate: taken anew when its files change, kept when what they hold is no good."""

from __future__ import annotations

import datetime
import re
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from teslafast.certificates import folder
from teslafast.certificates.renewal import renew
from teslafast.config import Settings
from teslafast.metrics import Counts
from teslafast.server import tls
from teslafast.server.certificate_reload import WARN_DAYS, CertificateReload
from teslafast.server.watched_files import LOOK_EVERY_S

from tests.support.certificates import EXPIRED, HOST, NOW, SERVER_AUTH, VALID, Authority, Pair, Validity, World
from tests.support.handshakes import Ends
from tests.support.peers import SECRET
from tests.support.servers import Inside, Process

_OURS = Authority.root("A server's CA")
TIME = NOW.timestamp()


def minted(folder: Path, name: str, valid: Validity = VALID) -> Pair:
    world_of_one = World.__new__(World)
    world_of_one._directory, world_of_one._pairs = folder, {}
    folder.mkdir(exist_ok=True)
    return world_of_one.pair(_OURS, name, usages=(SERVER_AUTH,), valid=valid, hosts=("localhost", HOST, "127.0.0.1"))


class Files:
    """CERT_PATH and KEY_PATH, and what is put there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"

    def put(self, name: str, valid: Validity = VALID) -> Pair:
        self._number += 1
        pair = minted(self._folder / str(self._number), name, valid)
        shutil.copyfile(pair.certificate, self.certificate)
        shutil.copyfile(pair.key, self.key)
        return pair

    @property
    def environment(self) -> dict[str, str]:
        return {"CERT_PATH": str(self.certificate), "KEY_PATH": str(self.key)}


class Stage:
    def __init__(self, files: Files) -> None:
        settings = Settings.from_env({"JWT_SECRET": SECRET} | files.environment)
        self.contexts = tls.contexts(settings)
        counts = Counts()
        self.outcomes = counts.certificate_reloads
        self.reload = CertificateReload(settings, self.contexts, lambda _: None, counts)
        self.clock_s = 1000.0

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock_s += LOOK_EVERY_S
            self.reload.check(TIME, self.clock_s)

    @property
    def shown(self) -> str:
        """The common name of the certificate that a handshake shows now."""
        context = self.contexts[0]
        assert context is not None
        return name_shown(context)


def name_shown(server: ssl.SSLContext) -> str:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return name_of(Ends(client, server).shake().client.getpeercert(binary_form=True))


def name_of(der: bytes | None) -> str:
    from cryptography import x509

    assert der is not None
    return x509.load_der_x509_certificate(der).subject.rfc4514_string().removeprefix("CN=")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.put("first")
    return made


@pytest.fixture
def stage(files: Files) -> Stage:
    return Stage(files)


def test_unchanged_files_are_not_read_again(stage: Stage) -> None:
    stage.look(5)
    assert (stage.shown, stage.outcomes) == ("first", {})


def test_a_new_pair_is_used_once_it_stays_the_same(stage: Stage, files: Files) -> None:
    stage.look()
    files.put("second")
    stage.look()
    assert stage.shown == "first"
    stage.look()
    assert (stage.shown, stage.outcomes) == ("second", {"taken": 1})
    stage.look(3)
    assert stage.outcomes == {"taken": 1}


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_same_certificate_written_again_is_not_called_renewed(
    stage: Stage, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "teslafast")
    content = files.certificate.read_bytes()
    files.certificate.unlink()
    files.certificate.write_bytes(content + b"\n")
    stage.look(3)
    stage.reload.renew(TIME)
    assert set(events(caplog)) == {"certificate_unchanged"}
    files.put("second")
    stage.look(2)
    assert events(caplog)[-1] == "certificate_renewed"


def test_a_renewed_certificate_of_certs_init_is_taken_by_a_running_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "teslafast")
    made = Files(folder.init(tmp_path / "certs", HOST, vehicles=1, durable=False).directory)
    made.certificate, made.key = tmp_path / "certs" / "server.pem", tmp_path / "certs" / "server.key"
    stage = Stage(made)
    serial = renew(tmp_path / "certs").leaf.serial_number
    stage.look(2)
    assert [record.getMessage() for record in caplog.records] == ["certificate_renewed"]
    assert getattr(caplog.records[0], "fields")["serial"] == f"{serial:x}"  # noqa: B009 — `extra` of the log call


def test_the_files_are_looked_at_once_in_10_seconds(stage: Stage, files: Files) -> None:
    stage.look()
    files.put("second")
    for _ in range(100):
        stage.reload.check(TIME, stage.clock_s + 1)
    assert stage.outcomes == {}


def break_key(files: Files) -> None:
    shutil.copyfile(minted(files.key.parent / "other", "other").key, files.key)


def break_certificate(files: Files) -> None:
    files.certificate.write_text("no certificate")


def cut_certificate(files: Files) -> None:
    files.certificate.write_text(files.certificate.read_text()[:-200])


def remove_key(files: Files) -> None:
    files.key.unlink()


def expire(files: Files) -> None:
    files.put("expired", EXPIRED)


@pytest.mark.parametrize("spoil", [break_key, break_certificate, cut_certificate, remove_key, expire])
def test_an_invalid_pair_is_refused_once_and_the_old_one_stays(
    stage: Stage, files: Files, spoil: Callable[[Files], None], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(files)
    stage.look(5)
    assert (stage.shown, stage.outcomes) == ("first", {"refused": 1})
    assert "certificate_refused" in caplog.text
    files.put("third")
    stage.look(2)
    assert (stage.shown, stage.outcomes) == ("third", {"refused": 1, "taken": 1})


def test_the_days_left_are_those_of_the_certificate_in_use(stage: Stage, files: Files) -> None:
    assert stage.reload.days(TIME) == pytest.approx(30)
    assert stage.reload.days(TIME + 31 * 86400) == pytest.approx(-1)
    files.put("longer", (VALID[0], NOW + datetime.timedelta(days=90)))
    stage.reload.renew(TIME)
    assert stage.reload.days(TIME) == pytest.approx(90)


def warnings(records: Sequence[object]) -> int:
    return sum(getattr(record, "msg", "") == "certificate_ends" for record in records)


def test_a_certificate_that_expires_soon_is_logged_once_a_day(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.put("short", (VALID[0], NOW + datetime.timedelta(days=WARN_DAYS, hours=1)))
    stage = Stage(files)
    stage.look()
    assert warnings(caplog.records) == 0
    for hour in range(49):
        stage.reload.check(TIME + 2 * 3600 + hour * 3600, stage.clock_s + 100 + hour * 3600)
    assert warnings(caplog.records) == 3


# ---- a server


@pytest.fixture
def server(world: World, files: Files) -> Iterator[Inside]:
    with Inside(world, **files.environment, VEHICLE_PORT="0") as inside:
        yield inside


def shown_at(port: int, world: World) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    pair = world.vehicle("device-1")
    context.load_cert_chain(pair.certificate, pair.key)
    import socket

    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return name_of(secure.getpeercert(binary_form=True))


def test_both_ports_show_the_new_certificate_and_connections_stay(server: Inside, files: Files, world: World) -> None:
    ports = server.ask(lambda inside: inside.ports)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    raw = server.place.bare()
    raw.socket = client.wrap_socket(raw.socket)
    with raw:
        files.put("second")
        server.renew_certificates()
        assert [shown_at(port, world) for port in ports] == ["second", "second"]
        raw.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        text = raw.rest()
    assert b'teslafast_certificate_reloads_total{outcome="taken"} 1.0' in text
    ends = re.search(rb"^teslafast_certificate_expiry_timestamp_seconds (\S+)\r?$", text, re.MULTILINE)
    assert ends is not None
    ends_s = float(ends[1])
    assert 29 < (ends_s - time.time()) / 86_400 <= 30


def test_sighup_reads_the_files_again(world: World, files: Files) -> None:
    import signal

    with Process(world, **files.environment, REQUEST_CLIENT_CERT="true") as process:
        files.put("second")
        process.process.send_signal(signal.SIGHUP)
        process.lines.wait_for("certificate_renewed")
        assert shown_at(process.place.port, world) == "second"
        files.certificate.write_text("rubbish")
        process.process.send_signal(signal.SIGHUP)
        process.lines.wait_for("certificate_refused")
        assert shown_at(process.place.port, world) == "second"


def test_sighup_without_tls_changes_nothing() -> None:
    import signal

    with Process() as process:
        process.process.send_signal(signal.SIGHUP)
        assert process.place.get("/health").status == 200
