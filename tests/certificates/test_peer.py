"""What a client's certificate says."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from teslafast.certificates import peer
from teslafast.errors import Refused
from teslafast.protocol.identity import Certificate, identify
from teslafast.refusals import CERTIFICATE_UNREADABLE
from teslafast.server import tls

from tests.support.certificates import CLIENT_AUTH, VEHICLE, World
from tests.support.handshakes import Ends
from tests.support.tls import for_vehicles, settings


def test_a_certificate_is_parsed_once_and_the_oldest_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_usages_and_units_of_a_certificate_keep_their_order(world: World) -> None:
    usages = (CLIENT_AUTH, "1.3.6.1.4.1.49279.2.5.1.1", VEHICLE)
    leaf, _ = world.issuing.leaf("a.b", usages, units=("one", "two"))
    ends_at = leaf.not_valid_after_utc.timestamp()
    assert peer.certificate_of(leaf) == Certificate("a.b", "Tesla Motors Product Issuing CA", usages, ("one", "two"), ends_at)


def test_a_certificate_without_subject_and_usages_is_empty(world: World) -> None:
    leaf, _ = world.issuing.leaf("", ())
    ends_at = leaf.not_valid_after_utc.timestamp()
    assert peer.certificate_of(leaf) == Certificate("", "Tesla Motors Product Issuing CA", (), (), ends_at)


def test_a_client_that_shows_no_certificate_has_none(world: World) -> None:
    optional = tls.contexts(settings(world, REQUEST_CLIENT_CERT="true"))[0]
    assert optional is not None
    assert peer.peer_certificate(Ends(world.client(), optional).shake().server) is None
    assert peer.peer_certificate(None) is None


def odd_leaf(world: World, *names: str) -> x509.Certificate:
    """With several common names, and with garbage for an authority information access, which OpenSSL does not look at."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    key, issuer = world.issuing.key, world.issuing.certificate
    builder = x509.CertificateBuilder(
        issuer.subject, subject, key.public_key(), 7, issuer.not_valid_before_utc, issuer.not_valid_after_utc
    )
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(VEHICLE)])
    garbage = x509.UnrecognizedExtension(AuthorityInformationAccessOID.CA_ISSUERS, b"\xff\x00garbage")
    builder = builder.add_extension(garbage, critical=False).add_extension(usage, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    as_access = der.replace(bytes.fromhex("06082b06010505073002"), bytes.fromhex("06082b06010505070101"))  # of the same length
    return x509.load_der_x509_certificate(as_access)


def test_an_extension_that_cannot_be_read_is_none_of_our_business(world: World) -> None:
    leaf = odd_leaf(world, "device-1")
    with pytest.raises(ValueError, match="parsing asn1"):
        list(leaf.extensions)
    assert peer.certificate_of(leaf).usages == (VEHICLE,)


def test_of_two_common_names_the_last_one_counts_as_in_go(world: World) -> None:
    assert peer.certificate_of(odd_leaf(world, "first", "second")).common_name == "second"


def test_a_certificate_that_cannot_be_read_is_one_that_says_so(world: World) -> None:
    class Shown:
        def getpeercert(self, binary_form: bool) -> bytes:
            return b"\x30\x03\x02\x01\x05"

    found = peer.peer_certificate(Shown())  # type: ignore[arg-type]  # what is used of it
    assert found is not None
    assert found.unreadable
    with pytest.raises(Refused) as refused:
        identify(found)
    assert refused.value.refusal is CERTIFICATE_UNREADABLE
