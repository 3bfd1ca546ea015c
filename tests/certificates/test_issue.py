"""Issued certificates: real handshakes and cryptography's own verifier prove them, instead of reading them back."""

import datetime
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from teslafast.certificates import folder, issue
from teslafast.errors import Misconfigured
from teslafast.protocol.identity import OID_ISSUERS

from tests.support.installations import HOST, client_context, handshake, server_context

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def load(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def test_a_vehicle_that_trusts_our_ca_and_a_server_that_trusts_the_test_ca_accept_each_other(
    made: folder.Installation,
) -> None:
    for vin in made.vins:
        leaf = x509.load_der_x509_certificate(handshake(client_context(made, vin), server_context(made), HOST))
        assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == vin


def test_a_vehicle_refuses_a_server_of_another_name(made: folder.Installation) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(client_context(made, made.vins[0]), server_context(made), "telemetry.example.org")


def test_a_server_refuses_a_vehicle_of_another_installation(made: folder.Installation, tmp_path: Path) -> None:
    other = folder.init(tmp_path / "other", HOST, vehicles=1)
    client = client_context(other, other.vins[0])
    client.load_verify_locations(made.ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server_context(made), HOST)


def test_a_server_refuses_its_own_certificate_as_a_vehicles(made: folder.Installation) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(made.ca)
    client.load_cert_chain(made.directory / "server.pem", made.directory / "server.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server_context(made), HOST)


def test_cryptographys_verifier_accepts_both_chains(made: folder.Installation) -> None:
    server, *_ = load(made.directory / "server.pem")
    store = verification.Store(load(made.ca))
    name = x509.DNSName(HOST)
    assert len(verification.PolicyBuilder().store(store).build_server_verifier(name).verify(server, [])) == 2
    vehicle, *above = load(made.directory / f"vehicles/{made.vins[0]}.pem")
    root = load(made.directory / "vehicle_ca.pem")[-1]
    # Vehicles' certificates have no alternative name, as Tesla's have none; all other checks of that verifier are on.
    anyone = verification.ExtensionPolicy.permit_all()
    policy = verification.PolicyBuilder().store(verification.Store([root]))
    verifier = policy.extension_policies(ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=anyone)
    assert len(verifier.build_client_verifier().verify(vehicle, above).chain) == 3


def test_our_ca_is_valid_for_ten_years_and_the_servers_leaf_for_825_days(made: folder.Installation) -> None:
    leaf, ca = load(made.directory / "server.pem")
    assert [ca] == load(made.ca)
    assert ca.not_valid_after_utc > NOW + 3651 * DAY
    assert NOW + 800 * DAY < leaf.not_valid_after_utc <= leaf.not_valid_before_utc + 825 * DAY


def test_a_test_vehicle_has_the_issuer_and_usage_of_a_real_one_and_the_word_test(
    made: folder.Installation,
) -> None:
    leaf, issuing, root = load(made.directory / f"vehicles/{made.vins[0]}.pem")
    assert leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value in OID_ISSUERS
    usages = [usage.dotted_string for usage in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
    assert usages == [ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string, "1.3.6.1.4.1.49279.2.5.1"]
    for certificate in (leaf, issuing, root):
        assert "TEST" in certificate.subject.rfc4514_string()
    assert load(made.directory / "vehicle_ca.pem") == [issuing, root]


def test_a_leaf_expires_no_later_than_its_ca() -> None:
    ca = issue.create_ca(NOW - 3600 * DAY)
    leaf = x509.load_pem_x509_certificate(issue.issue_server(ca, HOST, NOW).chain)
    assert leaf.not_valid_after_utc == ca.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    ("hostname", "asked"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("localhost", "127.0.0.1"),
        ("localhost", "localhost"),
        ("box", "box"),
    ],
)
def test_the_host_may_be_a_name_or_an_address(hostname: str, asked: str, tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", hostname, vehicles=1)
    assert handshake(client_context(made, made.vins[0]), server_context(made), asked)


@pytest.mark.parametrize(
    "hostname", ["", "https://example.com", "example.com:443", "-x.example", "a..b", "*.example.com", "x" * 64, "ä..de", "☃ .de"]
)
def test_an_unusable_host_name_is_refused_and_nothing_is_written(hostname: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--hostname"):
        folder.init(tmp_path / "made", hostname)
    assert not (tmp_path / "made").exists()


def test_the_name_of_this_machine_is_a_usable_host_name(tmp_path: Path) -> None:
    assert folder.init(tmp_path / "made", socket.gethostname(), vehicles=1).written
