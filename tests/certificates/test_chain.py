"""Chains of certificates: building a path to a root, the order of what a server sends, and the names of a leaf."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from teslafast.certificates import chain

from tests.support.certificates import VALID, Authority


@pytest.fixture(scope="module")
def tree() -> tuple[Authority, Authority, Any]:
    """(root, intermediate, leaf for *.example.com and 192.0.2.1)."""
    root = Authority.root("A root")
    intermediate = root.authority("An intermediate")
    leaf, _ = intermediate.leaf("leaf", hosts=("*.example.com", "192.0.2.1"))
    return root, intermediate, leaf


def test_a_path_ends_at_the_root_whatever_the_order_of_known_certificates(
    tree: tuple[Authority, Authority, Any],
) -> None:
    root, intermediate, leaf = tree
    path = [intermediate.certificate, root.certificate]
    assert chain.build_path(leaf, path) == path
    assert chain.build_path(leaf, path[::-1]) == path
    assert chain.build_path(leaf, [intermediate.certificate]) == [intermediate.certificate]
    assert chain.build_path(leaf, [root.certificate]) == []


def test_a_ca_of_the_same_name_with_another_key_is_not_part_of_the_path(tree: tuple[Authority, Authority, Any]) -> None:
    assert chain.build_path(tree[2], [Authority.root("An intermediate").certificate]) == []


def crossed(subject: Authority, issuer: Authority) -> x509.Certificate:
    """The subject's key and name, vouched for by the issuer."""
    names, key = (subject.certificate.subject, issuer.certificate.subject), subject.key.public_key()
    builder = x509.CertificateBuilder(names[1], names[0], key, x509.random_serial_number(), *VALID)
    return builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(issuer.key, hashes.SHA256())


def test_two_cas_that_signed_each_other_end_the_path_at_its_limit() -> None:
    one, other = Authority.root("One"), Authority.root("Other")
    leaf, _ = one.leaf("leaf")
    assert len(chain.build_path(leaf, [crossed(one, other), crossed(other, one)])) == chain.LONGEST_CHAIN


def test_the_first_certificate_that_the_next_did_not_issue_is_found(tree: tuple[Authority, Authority, Any]) -> None:
    root, intermediate, leaf = tree
    assert chain.first_break([leaf, intermediate.certificate, root.certificate]) is None
    assert chain.first_break([leaf, root.certificate, intermediate.certificate]) == 0
    assert chain.first_break([leaf, intermediate.certificate, leaf]) == 1
    assert chain.first_break([leaf]) is None


@pytest.mark.parametrize(
    ("hostname", "held"),
    [
        ("telemetry.example.com", True),
        ("TELEMETRY.Example.com.", True),
        ("a.b.example.com", False),
        ("example.com", False),
        ("telemetry.example.org", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
    ],
)
def test_a_wildcard_stands_for_one_label(tree: tuple[Authority, Authority, Any], hostname: str, held: bool) -> None:
    assert chain.is_valid_for(tree[2], hostname) == held
