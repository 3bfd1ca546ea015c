"""What makes a root: its names. Its signature of itself proves nothing, and is often one that nobody verifies any more."""

import warnings
from pathlib import Path

import pytest
from cryptography import x509
from teslafast.certificates import chain
from teslafast.onboarding import vehicle_config

from tests.support.certificates import Authority

# ecdsa-with-SHA256 (1.2.840.10045.4.3.2), and an algorithm of the same length that does not exist
_SHA256, _FUTURE = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f")
PUBLIC = Path("/etc/ssl/certs/ca-certificates.crt")


def resigned(certificate: x509.Certificate, algorithm: bytes) -> x509.Certificate:
    """The same certificate, said to be signed with another algorithm of the same length."""
    return x509.load_der_x509_certificate(chain.der(certificate).replace(_SHA256, algorithm))


def test_a_root_whose_signature_cannot_be_verified_here_is_a_root() -> None:
    root = resigned(Authority.root("An old root").certificate, _FUTURE)
    assert chain.is_root(root)
    assert chain.is_ca(root)


def test_an_intermediate_signed_with_an_unknown_algorithm_leads_to_the_root_that_it_names() -> None:
    root = Authority.root("A root")
    below = resigned(root.authority("Below").certificate, _FUTURE)
    assert chain.is_issued_by(below, root.certificate)
    assert not chain.is_issued_by(below, Authority.root("Another root").certificate)


def test_a_known_algorithm_with_a_wrong_signature_is_no_issuer() -> None:
    root, pretender = Authority.root("A root"), Authority.root("A root")
    assert not chain.is_issued_by(root.authority("Below").certificate, pretender.certificate)


def test_an_intermediate_is_not_a_root() -> None:
    assert not chain.is_root(Authority.root("A root").authority("Below").certificate)


@pytest.mark.skipif(not PUBLIC.exists(), reason="this machine has no bundle of public roots")
def test_every_public_root_of_this_machine_is_a_root_that_configure_takes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `cryptography` warns of serial numbers of the last century
        roots = chain.read(PUBLIC.read_bytes())
        assert [chain.name_of(one.subject) for one in roots if not (chain.is_root(one) and chain.is_ca(one))] == []
        old = next(one for one in roots if type(one.signature_hash_algorithm).__name__ == "SHA1")
        assert vehicle_config.validate_ca(chain.write([old])) == chain.write([old])
