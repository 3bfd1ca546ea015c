"""
What a chain of certificates is worth to somebody who has nothing but a few certificates to trust.

A vehicle gets the `ca` of its config and, in the handshake, whatever the server sends. It is safest to rely on the first alone:
`climb` walks from the leaf upwards, signature by signature, through a given set, and the walk must end at a self-signed root.
The order and the completeness of what the server sends are looked at separately. Time and sets are arguments; no I/O.
"""

import datetime
import ipaddress
import itertools
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

LONGEST_CHAIN = 10


def read(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text, in their order. Raises ValueError if there is none or one is broken."""
    return x509.load_pem_x509_certificates(pem)


def write(certificates: Iterable[x509.Certificate]) -> str:
    """Their PEM, one after the other."""
    return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def name_of(name: x509.Name) -> str:
    """A subject's or issuer's common name, or the whole name where it has none."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the name and the signature say so."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_root(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and is_issued_by(certificate, certificate)


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it says of itself that it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def climb(leaf: x509.Certificate, known: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The way up from the leaf (left out) through `known`; whole if its last one is a root."""
    way: list[x509.Certificate] = []
    below = leaf
    while len(way) < LONGEST_CHAIN and not is_root(below):
        above = next((one for one in known if is_ca(one) and is_issued_by(below, one)), None)
        if above is None:
            break
        way.append(above)
        below = above
    return way


def first_break(chain: Sequence[x509.Certificate]) -> int | None:
    """The place of the first certificate that the one after it did not issue; None if all is in order."""
    pairs = enumerate(itertools.pairwise(chain))
    return next((place for place, (below, above) in pairs if not is_issued_by(below, above)), None)


def names(leaf: x509.Certificate) -> list[str]:
    """The host names and addresses that it is valid for (subjectAltName)."""
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*alternatives.get_values_for_type(x509.DNSName), *map(str, alternatives.get_values_for_type(x509.IPAddress))]


def holds(leaf: x509.Certificate, hostname: str) -> bool:
    """Whether it is valid for that host: the very name, a `*` for its first label, or the very address."""
    wanted = hostname.lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(wanted)) in names(leaf)
    except ValueError:
        wild = "*." + wanted.partition(".")[2]
        return any(name.lower() in (wanted, wild) for name in names(leaf))


def days_left(certificate: x509.Certificate, now: datetime.datetime) -> float:
    """Until it expires; negative afterwards."""
    return (certificate.not_valid_after_utc - now).total_seconds() / 86400
