"""Why a handshake failed: its cause and its meaning, for clients that are refused and on a running server."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from teslafast.server import tls_errors

from tests.support.certificates import (
    ANY_USAGE,
    CLIENT_AUTH,
    EXPIRED,
    SERVER_AUTH,
    TO_COME,
    VALID,
    VEHICLE,
    Authority,
    Pair,
    World,
)
from tests.support.handshakes import Ends
from tests.support.peers import upgrade_head
from tests.support.servers import Inside
from tests.support.tls import for_vehicles, refusal


def test_a_client_without_a_certificate_has_the_cause_no_certificate(world: World) -> None:
    assert refusal(world, None)[0] == "no_certificate"


def test_a_certificate_from_an_unknown_ca_has_the_cause_unknown_ca(world: World) -> None:
    cause, meaning = refusal(world, world.pair(world.stranger, "device-1"))
    assert cause == "unknown_ca"
    assert "CA_PATH" in meaning


def test_an_impostor_with_the_issuers_name_is_refused(world: World) -> None:
    impostor = Authority.root("Tesla Motors Product Issuing CA")
    with pytest.raises(ssl.SSLError):
        Ends(world.client(world.pair(impostor, "device-1")), for_vehicles(world)).shake()


def test_expired_and_future_certificates_have_the_cause_expired(world: World) -> None:
    assert refusal(world, world.pair(world.issuing, "device-1", valid=EXPIRED)) == (
        "expired",
        "the client's certificate has expired",
    )
    cause, meaning = refusal(world, world.pair(world.issuing, "device-1", valid=TO_COME))
    assert cause == "expired"
    assert "not valid yet" in meaning


def test_a_critical_extension_that_nobody_knows_is_not_called_an_unknown_ca(world: World, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device-1")])
    builder = x509.CertificateBuilder(world.issuing.certificate.subject, name, key.public_key(), 7, *VALID)
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    leaf = builder.add_extension(odd, critical=True).sign(world.issuing.key, hashes.SHA256())
    pem, clear = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "odd.pem").write_bytes(leaf.public_bytes(pem))
    (tmp_path / "odd.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear))
    cause, meaning = refusal(world, Pair(tmp_path / "odd.pem", tmp_path / "odd.key"))
    assert cause == "critical_extension"
    assert "critical" in meaning


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("CA md too weak", "weak"),
        ("EE certificate key too weak", "weak"),
        ("certificate signature failure", "bad_signature"),
        ("path length constraint exceeded", "bad_chain"),
        ("invalid CA certificate", "bad_chain"),
        ("unable to get local issuer certificate", "unknown_ca"),
    ],
)
def test_a_certificate_of_a_known_ca_that_does_not_verify_has_a_cause_of_its_own(words: str, cause: str) -> None:
    error = ssl.SSLError(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words} (_ssl.c:1000)")
    assert tls_errors.failure(error)[0] == cause


@pytest.mark.parametrize("usages", [(SERVER_AUTH,), (VEHICLE,)])
def test_a_certificate_that_is_not_for_clients_has_the_cause_purpose(world: World, usages: tuple[str, ...]) -> None:
    assert refusal(world, world.pair(world.issuing, "device-1", usages=usages))[0] == "purpose"


@pytest.mark.parametrize("usages", [(), (CLIENT_AUTH, VEHICLE), (VEHICLE, CLIENT_AUTH), (ANY_USAGE, CLIENT_AUTH)])
def test_a_certificate_for_clients_or_for_any_purpose_is_accepted(world: World, usages: tuple[str, ...]) -> None:
    Ends(world.client(world.pair(world.issuing, "device-1", usages=usages)), for_vehicles(world)).shake()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionResetError(), "cut"),
        (ssl.SSLSyscallError("ssl handshake failed"), "cut"),  # a reset, as aiofastnet raises it
        (ssl.SSLError("something new"), "tls"),
        (RuntimeError("not expected"), "fault"),
        (ConnectionAbortedError("SSL handshake is taking longer than 10 seconds"), "slow"),
    ],
)
def test_every_other_failure_has_a_cause_and_a_meaning(error: Exception, cause: str) -> None:
    found, meaning = tls_errors.failure(error)
    assert found == cause
    assert meaning


# ---- on a running server


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as running:
        yield running


def come_in(server: Inside, pair: Pair | None) -> None:
    with server.place.raw(pair, server.place.vehicle_port) as raw:
        raw.send(upgrade_head("/"))
        raw.head()


def test_failed_handshakes_are_counted_by_cause_and_logged(server: Inside, world: World) -> None:
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


def test_plain_http_on_the_tls_port_has_its_own_cause(server: Inside) -> None:
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.send(upgrade_head("/"))
        raw.rest()
    assert "https://" in server.lines.wait_for("tls_failed", cause="plain_http")[0]["meaning"]


def test_noise_on_the_tls_port_has_the_cause_not_tls(server: Inside) -> None:
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.send(b"\x00" * 64)
        raw.rest()
    server.lines.wait_for("tls_failed", cause="not_tls")


def test_a_client_that_leaves_during_the_handshake_has_the_cause_cut(server: Inside) -> None:
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.send(b"\x16\x03\x01")
    server.lines.wait_for("tls_failed", cause="cut")


def test_a_reset_during_the_handshake_is_counted_as_cut_and_logged_in_one_line(server: Inside) -> None:
    before = server.counts("tls_failures").get("cut", 0)
    with server.place.bare(server.place.vehicle_port) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends a reset
    server.lines.wait_for("tls_failed", before + 1, cause="cut")
    assert server.counts("tls_failures")["cut"] == before + 1
