"""TLS as vehicles meet it: every statement here is proved by a handshake, some of them by the `openssl` command's own."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from teslafast.certificates import anchors, peer
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.protocol.identity import Certificate, identify
from teslafast.server import tls, tls_errors

from tests.support import SHARED
from tests.support.certificates import ANY_USAGE, CLIENT_AUTH, EXPIRED, SERVER_AUTH, TO_COME, VEHICLE, Authority, Pair, World
from tests.support.handshakes import Ends
from tests.support.peers import PATIENCE_S
from tests.support.servers import Inside

BUNDLES = SHARED / "tesla" / "ca"
SECRET = {"JWT_SECRET": "a secret that only these tests know"}


def settings(world: World, **variables: str) -> Settings:
    return Settings.from_env(SECRET | world.environment | variables)


def for_vehicles(world: World, **variables: str) -> ssl.SSLContext:
    """The context of VEHICLE_PORT."""
    context = tls.contexts(settings(world, VEHICLE_PORT="0", **variables))[1]
    assert context is not None
    return context


def refusal(world: World, pair: Pair | None, server: ssl.SSLContext | None = None) -> tuple[str, str]:
    """(cause, meaning) of what the server says when a client with this pair comes."""
    ends = Ends(world.client(pair), server or for_vehicles(world))
    with pytest.raises(ssl.SSLError) as caught:
        ends.shake()
    return tls_errors.failure(caught.value)


# ---- contexts


def test_without_a_certificate_there_is_no_tls() -> None:
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
def test_certificates_are_asked_for_where_they_are_wanted(
    world: World, variables: dict[str, str], modes: list[ssl.VerifyMode | None]
) -> None:
    assert [context and context.asked for context in tls.contexts(settings(world, **variables))] == modes


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_today_are_spoken(world: World, version: ssl.TLSVersion) -> None:
    client = world.client(world.vehicle("device-1"))
    client.minimum_version = client.maximum_version = version
    ends = Ends(client, for_vehicles(world)).shake()
    assert ends.server.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_older_versions_are_refused(world: World) -> None:
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
def test_http_1_1_is_all_that_is_agreed_on(world: World, offered: list[str], chosen: str | None) -> None:
    client = world.client(world.vehicle("device-1"))
    if offered:
        client.set_alpn_protocols(offered)
    assert Ends(client, for_vehicles(world)).shake().client.selected_alpn_protocol() == chosen


# ---- anchors


def test_an_issuing_ca_is_an_anchor_though_it_is_not_self_signed(world: World) -> None:
    ends = Ends(world.client(world.vehicle("device-1")), for_vehicles(world)).shake()
    shown = peer.peer_certificate(ends.server)
    assert shown is not None
    assert identify(shown).vin == "device-1"


def test_a_vehicle_of_the_ca_that_may_do_anything_connects(world: World) -> None:
    vehicle = world.pair(world.products, "device-9", usages=(), units=("Tesla Motors SN",))
    ends = Ends(world.client(vehicle), for_vehicles(world)).shake()
    shown = peer.peer_certificate(ends.server)
    assert shown is not None
    assert identify(shown).kind == "vehicle_board_device"


def test_a_certificate_is_read_once_and_so_many_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "_known", {})
    monkeypatch.setattr(peer, "KNOWN_AT_MOST", 2)
    context = for_vehicles(world)

    def shown(name: str) -> Certificate | None:
        return peer.peer_certificate(Ends(world.client(world.vehicle(name)), context).shake().server)

    first = shown("device-1")
    assert first is not None
    assert shown("device-1") is first
    assert [getattr(shown(name), "common_name", None) for name in ("device-2", "device-3")] == ["device-2", "device-3"]
    assert len(peer._known) == 2
    assert shown("device-1") == first
    assert shown("device-1") is not first


@pytest.mark.parametrize("flags", [ssl.VERIFY_DEFAULT, ssl.VERIFY_X509_PARTIAL_CHAIN])
def test_loaded_as_plain_certificates_the_same_anchors_would_refuse_it(world: World, flags: ssl.VerifyFlags) -> None:
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain.load_cert_chain(world.server.certificate, world.server.key)
    plain.verify_mode = ssl.CERT_REQUIRED
    plain.verify_flags |= flags
    plain.load_verify_locations(world.anchors)
    vehicle = world.pair(world.products, "device-9", usages=(), units=("Tesla Motors SN",))
    assert refusal(world, vehicle, plain)[0] == "purpose"


def test_it_connects_also_where_verification_is_strict(world: World) -> None:
    context = for_vehicles(world)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for vehicle in (world.vehicle("device-1"), world.pair(world.products, "device-9", usages=(CLIENT_AUTH,))):
        Ends(world.client(vehicle), context).shake()


def test_an_intermediate_that_the_client_sends_is_used(world: World) -> None:
    between = world.issuing.authority("Tesla GF0 Product Access Issuing CA")
    leaf = world.pair(between, "device-2")
    chain = world.write("chain.pem", leaf.certificate.read_bytes() + between.pem)
    ends = Ends(world.client(Pair(chain, leaf.key)), for_vehicles(world)).shake()
    shown = peer.peer_certificate(ends.server)
    assert shown is not None
    assert shown.issuer == "Tesla GF0 Product Access Issuing CA"
    assert refusal(world, leaf)[0] == "unknown_ca"


@pytest.mark.parametrize("name", ["prod_ca.crt", "eng_ca.crt"])
def test_the_real_bundles_load_and_each_certificate_of_them_counts(name: str) -> None:
    path = BUNDLES / name
    if not path.exists():
        pytest.skip("Tesla's public bundles are not in the repository; they lie beside it where this was developed")
    inside = x509.load_pem_x509_certificates(path.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert anchors.load_anchors(context, path) == len(inside) == {"prod_ca.crt": 14, "eng_ca.crt": 8}[name]
    assert context.cert_store_stats() == {"x509": len(inside), "crl": 0, "x509_ca": len(inside)}
    ders = [certificate.public_bytes(serialization.Encoding.DER) for certificate in inside]
    assert anchors.anchors(path) == ders


def test_anchors_may_be_trusted_certificates_already(world: World, tmp_path: Path) -> None:
    aux = bytes.fromhex("300c300a06082b06010505070302")
    body = base64.encodebytes(anchors.anchors(world.anchors)[0] + aux).decode()
    path = tmp_path / "trusted.pem"
    path.write_text(f"some words\n-----BEGIN TRUSTED CERTIFICATE-----\n{body}-----END TRUSTED CERTIFICATE-----\n")
    assert anchors.anchors(path) == anchors.anchors(world.anchors)[:1]
    Ends(world.client(world.vehicle("device-1")), for_vehicles(world, CA_PATH=str(path))).shake()


# ---- who is refused, and in which words


def test_a_client_without_a_certificate_is_told_apart(world: World) -> None:
    assert refusal(world, None)[0] == "no_certificate"


def test_a_leaf_of_a_stranger_is_refused(world: World) -> None:
    cause, meaning = refusal(world, world.pair(world.stranger, "device-1"))
    assert cause == "unknown_ca"
    assert "CA_PATH" in meaning


def test_a_stranger_who_bears_the_issuers_name_is_refused(world: World) -> None:
    impostor = Authority.root("Tesla Motors Product Issuing CA")
    with pytest.raises(ssl.SSLError):
        Ends(world.client(world.pair(impostor, "device-1")), for_vehicles(world)).shake()


def test_certificates_out_of_their_time_are_refused(world: World) -> None:
    assert refusal(world, world.pair(world.issuing, "device-1", valid=EXPIRED)) == (
        "expired",
        "the client's certificate has expired",
    )
    cause, meaning = refusal(world, world.pair(world.issuing, "device-1", valid=TO_COME))
    assert cause == "expired"
    assert "not valid yet" in meaning


@pytest.mark.parametrize("usages", [(SERVER_AUTH,), (VEHICLE,)])
def test_a_leaf_that_is_not_for_clients_is_refused(world: World, usages: tuple[str, ...]) -> None:
    assert refusal(world, world.pair(world.issuing, "device-1", usages=usages))[0] == "purpose"


@pytest.mark.parametrize("usages", [(), (CLIENT_AUTH, VEHICLE), (VEHICLE, CLIENT_AUTH), (ANY_USAGE, CLIENT_AUTH)])
def test_a_leaf_that_is_for_clients_or_for_anything_is_taken(world: World, usages: tuple[str, ...]) -> None:
    Ends(world.client(world.pair(world.issuing, "device-1", usages=usages)), for_vehicles(world)).shake()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionResetError(), "cut"),
        (ConnectionAbortedError("SSL handshake is taking longer than 10 seconds"), "slow"),
    ],
)
def test_every_other_failure_has_a_cause_and_words_too(error: OSError, cause: str) -> None:
    found, meaning = tls_errors.failure(error)
    assert found == cause
    assert meaning


# ---- what a certificate says


def test_the_parts_of_a_certificate_keep_their_order(world: World) -> None:
    usages = (CLIENT_AUTH, "1.3.6.1.4.1.49279.2.5.1.1", VEHICLE)
    leaf, _ = world.issuing.leaf("a.b", usages, units=("one", "two"))
    assert peer.certificate_of(leaf) == Certificate("a.b", "Tesla Motors Product Issuing CA", usages, ("one", "two"))


def test_a_certificate_without_any_of_them_is_empty(world: World) -> None:
    leaf, _ = world.issuing.leaf("", ())
    assert peer.certificate_of(leaf) == Certificate("", "Tesla Motors Product Issuing CA", (), ())


def test_who_shows_nothing_has_no_certificate(world: World) -> None:
    optional = tls.contexts(settings(world, REQUEST_CLIENT_CERT="true"))[0]
    assert optional is not None
    assert peer.peer_certificate(Ends(world.client(), optional).shake().server) is None
    assert peer.peer_certificate(None) is None


# ---- files that cannot be used


def misconfigured(world: World, **variables: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        tls.contexts(settings(world, VEHICLE_PORT="0", **variables))
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("variable", ["CERT_PATH", "KEY_PATH", "CA_PATH"])
def test_a_file_that_is_not_there_is_named(world: World, tmp_path: Path, variable: str) -> None:
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
def test_a_file_that_holds_no_certificate_is_named(world: World, tmp_path: Path, content: bytes, variable: str) -> None:
    path = tmp_path / "bad.pem"
    path.write_bytes(content)
    error = misconfigured(world, **{variable: str(path)})
    assert error.subject == variable
    assert str(path) in error.fault


def test_a_key_that_belongs_to_another_certificate_is_named(world: World) -> None:
    error = misconfigured(world, KEY_PATH=str(world.vehicle("device-1").key))
    assert error.subject == "KEY_PATH"
    assert "does not belong" in error.fault


def test_an_encrypted_key_is_told_instead_of_asking_on_the_terminal(world: World, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(world.server.key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    path = tmp_path / "encrypted.key"
    path.write_bytes(encrypted)
    assert "encrypted" in str(misconfigured(world, KEY_PATH=str(path)))


# ---- a running server, looked at by others


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
def test_no_names_of_cas_are_sent(server: Inside, world: World, version: str) -> None:
    said = s_client(server, world, version)
    assert "No client certificate CA names sent" in said
    assert "Verify return code: 0 (ok)" in said


def test_openssl_itself_cannot_speak_an_older_version_to_us(server: Inside, world: World) -> None:
    assert "Cipher is (NONE)" in s_client(server, world, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_vehicle_that_comes_again_resumes_its_session_and_is_still_known(
    server: Inside, world: World, version: ssl.TLSVersion
) -> None:
    client = world.client(world.vehicle("device-7"))
    client.minimum_version = client.maximum_version = version
    session: ssl.SSLSession | None = None
    for again in (False, True):
        plain = socket.create_connection(("127.0.0.1", server.place.vehicle_port), PATIENCE_S)
        with client.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
            assert secure.session_reused is again
            connected = len(server.lines.wait_for("vehicle_connected", 0, vin="device-7"))
            secure.sendall(UPGRADE)
            assert secure.recv(12) == b"HTTP/1.1 101"
            server.lines.wait_for("vehicle_connected", connected + 1, vin="device-7", verified=True)
            session = secure.session


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def come_in(server: Inside, pair: Pair | None) -> None:
    with server.place.raw(pair, server.place.vehicle_port) as raw:
        raw.send(UPGRADE)
        raw.head()


def test_failed_handshakes_are_counted_by_their_cause_and_logged_in_one_line(server: Inside, world: World) -> None:
    strangers = {
        "unknown_ca": world.pair(world.stranger, "device-1"),
        "expired": world.pair(world.issuing, "device-1", valid=EXPIRED),
        "purpose": world.pair(world.issuing, "device-1", usages=(SERVER_AUTH,)),
        "no_certificate": None,
    }
    for cause, pair in strangers.items():
        with pytest.raises((ssl.SSLError, ConnectionError)):
            come_in(server, pair)
        assert server.lines.wait_for("tls_failed", cause=cause)[0]["meaning"]
        assert server.counts("tls_failures")[cause] >= 1


def test_plain_http_on_the_tls_port_is_told_apart(server: Inside) -> None:
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.send(UPGRADE)
        raw.rest()
    assert "https://" in server.lines.wait_for("tls_failed", cause="plain_http")[0]["meaning"]


def test_noise_on_the_tls_port_is_told_apart(server: Inside) -> None:
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.send(b"\x00" * 64)
        raw.rest()
    server.lines.wait_for("tls_failed", cause="not_tls")


def test_who_goes_away_in_the_middle_of_a_handshake_is_told_apart(server: Inside) -> None:
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.send(b"\x16\x03\x01")
    server.lines.wait_for("tls_failed", cause="cut")
