"""Whom CA_PATH vouches for: changed while the server runs, and held against real handshakes."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.metrics import Counts
from teslafast.server import tls
from teslafast.server.certificate_reload import CertificateReload
from teslafast.server.watched_files import LOOK_EVERY_S

from tests.support.certificates import NOW, Authority, Pair, World
from tests.support.peers import PATIENCE_S, SECRET, upgrade_head
from tests.support.servers import Inside, Process

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Files:
    """The three files, where they can be changed; two makers of vehicles, of whom CA_PATH may name either."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world = world
        self.one = Authority.root("Tesla Motors Product Issuing CA")
        self.other = Authority.root("Tesla Motors GF3 Product Issuing CA")
        self.bundle, self.certificate, self.key = folder / "anchors.pem", folder / "cert.pem", folder / "key.pem"
        self.put_pair(world.server)
        self.put_anchors(self.one)

    def put_pair(self, pair: Pair) -> None:
        shutil.copyfile(pair.certificate, self.certificate)
        shutil.copyfile(pair.key, self.key)

    def put_anchors(self, *authorities: Authority) -> None:
        self.bundle.write_bytes(b"".join(authority.pem for authority in authorities))

    @property
    def environment(self) -> dict[str, str]:
        paths = {"CERT_PATH": self.certificate, "KEY_PATH": self.key, "CA_PATH": self.bundle}
        return {name: str(path) for name, path in paths.items()}


@pytest.fixture
def files(tmp_path: Path, world: World) -> Files:
    return Files(tmp_path, world)


@pytest.fixture
def server(files: Files) -> Iterator[Inside]:
    with Inside(files.world, **files.environment, VEHICLE_PORT="0", REQUEST_CLIENT_CERT="true") as inside:
        yield inside


def renew(server: Inside) -> None:
    server.renew_certificates()


class Maker:
    """Vehicles of one authority that knock at a port, each time with the session of the last time."""

    def __init__(self, world: World, authority: Authority, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self._client = world.client(world.pair(authority, "device-1"))
        self._client.minimum_version = self._client.maximum_version = version
        self._session: ssl.SSLSession | None = None
        self.resumed = False

    def open(self, port: int) -> ssl.SSLSocket:
        """A connection on which the server has answered. Raises OSError (ssl.SSLError is one) if it refuses the certificate."""
        secure = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        try:
            secure = self._client.wrap_socket(secure, server_hostname="localhost", session=self._session)
            secure.sendall(upgrade_head("/"))
            assert secure.recv(12) in (b"HTTP/1.1 101", b"HTTP/1.1 421"), "PORT answers 421: it accepts no vehicles"
        except BaseException:
            secure.close()
            raise
        self._session, self.resumed = secure.session, bool(secure.session_reused)
        return secure

    def gets_in(self, port: int) -> bool:
        try:
            self.open(port).close()
        except OSError:
            return False
        return True


def test_a_changed_bundle_is_read_once_it_stays_the_same(files: Files) -> None:
    settings = Settings.from_env({"JWT_SECRET": SECRET, "VEHICLE_PORT": "0"} | files.environment)
    contexts, used, counts = tls.contexts(settings), list[tls.Contexts](), Counts()
    reload = CertificateReload(settings, contexts, used.append, counts)

    def look(number: int) -> None:
        reload.check(NOW.timestamp(), 1000 + number * LOOK_EVERY_S)

    look(1)
    files.put_anchors(files.other)
    look(2)
    assert used == []
    look(3)
    assert [context and context.asked for context in used[0]] == [ssl.CERT_NONE, ssl.CERT_REQUIRED]
    files.put_anchors(files.other, files.other)
    for number in range(4, 9):
        look(number)
    assert len(used) == 1, "the same anchors in other bytes are no change"
    assert (counts.anchor_reloads, counts.certificate_reloads) == ({"taken": 1}, {})


def test_an_added_anchor_is_used_at_both_ports(server: Inside, files: Files) -> None:
    ports = [server.place.port, server.place.vehicle_port]
    one, other = Maker(files.world, files.one), Maker(files.world, files.other)
    assert [other.gets_in(port) for port in ports] == [False, False]
    files.put_anchors(files.one, files.other)
    renew(server)
    assert [maker.gets_in(port) for maker in (one, other) for port in ports] == [True] * 4
    assert server.lines.wait_for("anchors_renewed", added=1, removed=0)
    assert server.counts("anchor_reloads") == {"taken": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_removed_anchor_is_refused_even_when_a_session_is_resumed(
    server: Inside, files: Files, version: ssl.TLSVersion
) -> None:
    ports = [server.place.port, server.place.vehicle_port]
    makers = [Maker(files.world, files.one, version) for _ in ports]
    for again in (False, True):
        assert [maker.gets_in(port) for maker, port in zip(makers, ports, strict=True)] == [True, True]
        assert [maker.resumed for maker in makers] == [again, again]
    files.put_anchors(files.other)
    renew(server)
    assert [maker.gets_in(port) for maker, port in zip(makers, ports, strict=True)] == [False, False]
    assert Maker(files.world, files.other, version).gets_in(server.place.vehicle_port)
    assert server.counts("tls_failures")["unknown_ca"] == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_can_be_resumed_after_a_new_certificate(server: Inside, files: Files, version: ssl.TLSVersion) -> None:
    maker = Maker(files.world, files.one, version)
    assert maker.gets_in(server.place.vehicle_port)
    renew(server)  # CA_PATH is read again too, and says what it said
    assert maker.gets_in(server.place.vehicle_port)
    assert maker.resumed
    assert server.counts("certificate_reloads") == {"taken": 1}
    assert server.counts("anchor_reloads") == {}


def test_a_connected_vehicle_stays_when_its_anchor_is_removed(server: Inside, files: Files) -> None:
    from websockets.frames import Frame, Opcode

    with Maker(files.world, files.one).open(server.place.vehicle_port) as there:
        files.put_anchors(files.other)
        renew(server)
        while not there.recv(4096).endswith(b"\r\n\r\n"):
            pass
        there.sendall(Frame(Opcode.PING, b"still there").serialize(mask=True))
        assert there.recv(4096) == Frame(Opcode.PONG, b"still there").serialize(mask=False)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nMIIB\n", None])
def test_an_invalid_bundle_is_refused_and_the_old_anchors_stay(server: Inside, files: Files, content: bytes | None) -> None:
    if content is None:
        files.bundle.unlink()
    else:
        files.bundle.write_bytes(content)
    renew(server)
    (line,) = server.lines.wait_for("anchors_refused", kept=1)
    assert line["reason"].startswith("CA_PATH: ")
    assert server.counts("anchor_reloads") == {"refused": 1}
    assert server.counts("certificate_reloads") == {"taken": 1}, "the pair does not wait for it"
    assert Maker(files.world, files.one).gets_in(server.place.vehicle_port)
    assert not Maker(files.world, files.other).gets_in(server.place.vehicle_port)


def test_new_anchors_wait_for_a_valid_pair(server: Inside, files: Files) -> None:
    files.put_anchors(files.other)
    files.key.write_text("no key")
    renew(server)
    assert server.lines.wait_for("anchors_refused")[0]["reason"].startswith("CERT_PATH: ")
    assert Maker(files.world, files.one).gets_in(server.place.vehicle_port)
    files.put_pair(files.world.server)
    renew(server)
    assert not Maker(files.world, files.one).gets_in(server.place.vehicle_port)
    assert Maker(files.world, files.other).gets_in(server.place.vehicle_port)


def test_sighup_reads_the_bundle_again(files: Files) -> None:
    with Process(files.world, **files.environment, REQUEST_CLIENT_CERT="true") as process:
        files.put_anchors(files.other)
        process.process.send_signal(signal.SIGHUP)
        process.lines.wait_for("anchors_renewed", added=1, removed=1)
        assert not Maker(files.world, files.one).gets_in(process.place.port)
        assert Maker(files.world, files.other).gets_in(process.place.port)
