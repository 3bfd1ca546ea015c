"""TLS as vehicles meet it: every statement here is proved by a handshake, some of them by the `openssl` command's own."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.server import tls, tls_errors

from tests.support.certificates import World
from tests.support.handshakes import Ends
from tests.support.peers import PATIENCE_S, upgrade_head
from tests.support.servers import Inside
from tests.support.tls import SECRET, for_vehicles, settings


def test_without_cert_path_there_is_no_tls() -> None:
    assert tls.contexts(Settings.from_env(SECRET)) == (None, None)


@pytest.mark.parametrize(
    ("variables", "modes"),
    [
        ({}, [ssl.CERT_NONE, None]),
        ({"REQUEST_CLIENT_CERT": "true"}, [ssl.CERT_OPTIONAL, None]),
        ({"VEHICLE_PORT": "0"}, [ssl.CERT_NONE, ssl.CERT_REQUIRED]),
        ({"VEHICLE_PORT": "0", "REQUEST_CLIENT_CERT": "true"}, [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED]),
    ],
)
def test_client_certificates_are_requested_where_the_settings_say_so(
    world: World, variables: dict[str, str], modes: list[ssl.VerifyMode | None]
) -> None:
    assert [context and context.asked for context in tls.contexts(settings(world, **variables))] == modes


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_accepted(world: World, version: ssl.TLSVersion) -> None:
    client = world.client(world.vehicle("device-1"))
    client.minimum_version = client.maximum_version = version
    ends = Ends(client, for_vehicles(world)).shake()
    assert ends.server.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_older_tls_versions_are_refused(world: World) -> None:
    client = world.client(world.vehicle("device-1"))
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    ends = Ends(client, for_vehicles(world))
    with pytest.raises(ssl.SSLError) as caught:
        ends.shake()
    assert tls_errors.failure(caught.value)[0] == "old_tls"


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None), ([], None)]
)
def test_alpn_chooses_http_1_1_or_nothing(world: World, offered: list[str], chosen: str | None) -> None:
    client = world.client(world.vehicle("device-1"))
    if offered:
        client.set_alpn_protocols(offered)
    assert Ends(client, for_vehicles(world)).shake().client.selected_alpn_protocol() == chosen


# ---- files that cannot be used


def misconfigured(world: World, **variables: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        tls.contexts(settings(world, VEHICLE_PORT="0", **variables))
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("variable", ["CERT_PATH", "KEY_PATH", "CA_PATH"])
def test_a_missing_file_is_named_with_its_variable(world: World, tmp_path: Path, variable: str) -> None:
    error = misconfigured(world, **{variable: str(tmp_path / "nothing.pem")})
    assert error.subject == variable
    assert "No such file" in error.fault
    assert misconfigured(world, **{variable: str(tmp_path)}).subject == variable


CUT = "-----BEGIN CERTIFICATE-----\nMIIB\n"
NOT_CERTIFICATES = [b"", b"\xff\xfe\x00", b"no PEM", CUT.encode(), f"{CUT}-----END CERTIFICATE-----\n".encode()]
NOT_CERTIFICATES += [b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"]
NOT_CERTIFICATES += [
    b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(b"\x30\x82\x01\x00" + b"x" * 256) + b"-----END CERTIFICATE-----\n"
]


@pytest.mark.parametrize("content", NOT_CERTIFICATES)
@pytest.mark.parametrize("variable", ["CERT_PATH", "CA_PATH"])
def test_a_file_without_a_certificate_is_named(world: World, tmp_path: Path, content: bytes, variable: str) -> None:
    path = tmp_path / "bad.pem"
    path.write_bytes(content)
    error = misconfigured(world, **{variable: str(path)})
    assert error.subject == variable
    assert str(path) in error.fault


@pytest.mark.parametrize("variable", ["CERT_PATH", "KEY_PATH", "CA_PATH"])
def test_a_fifo_in_a_files_place_is_refused_and_not_waited_for(world: World, tmp_path: Path, variable: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Misconfigured, match=rf"{variable}: .*fifo: not a file"):
        for_vehicles(world, **{variable: str(tmp_path / "fifo")})


def test_the_key_of_another_certificate_is_named(world: World) -> None:
    error = misconfigured(world, KEY_PATH=str(world.vehicle("device-1").key))
    assert error.subject == "KEY_PATH"
    assert "does not belong" in error.fault


def test_an_encrypted_key_is_reported_instead_of_prompting(world: World, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(world.server.key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    path = tmp_path / "encrypted.key"
    path.write_bytes(encrypted)
    assert "encrypted" in str(misconfigured(world, KEY_PATH=str(path)))


# ---- a running server, as `openssl` sees it


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as running:
        yield running


def s_client(server: Inside, world: World, *options: str) -> str:
    """What `openssl s_client` says of a handshake with VEHICLE_PORT."""
    pair = world.vehicle("device-1")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.place.vehicle_port}", "-CAfile", str(world.server_ca)]
    command += ["-cert", str(pair.certificate), "-key", str(pair.key), *options]
    ended = subprocess.run(command, input="", capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_server_sends_no_ca_names(server: Inside, world: World, version: str) -> None:
    said = s_client(server, world, version)
    assert "No client certificate CA names sent" in said
    assert "Verify return code: 0 (ok)" in said


def test_openssl_cannot_connect_with_an_older_version(server: Inside, world: World) -> None:
    assert "Cipher is (NONE)" in s_client(server, world, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_vehicle_that_resumes_its_session_is_still_identified(server: Inside, world: World, version: ssl.TLSVersion) -> None:
    client = world.client(world.vehicle("device-7"))
    client.minimum_version = client.maximum_version = version
    session: ssl.SSLSession | None = None
    for again in (False, True):
        plain = socket.create_connection(("127.0.0.1", server.place.vehicle_port), PATIENCE_S)
        with client.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
            assert secure.session_reused is again
            connected = len(server.lines.wait_for("vehicle_connected", 0, vin="device-7"))
            secure.sendall(upgrade_head("/"))
            assert secure.recv(12) == b"HTTP/1.1 101"
            server.lines.wait_for("vehicle_connected", connected + 1, vin="device-7", verified=True)
            session = secure.session
