"""
Certificate chains: whether a leaf can be verified by a client that trusts only a few given certificates.

A vehicle has the `ca` of its config and, in the handshake, whatever the server sends. It is safest to rely on the `ca` alone:
`build_path` goes from the leaf upwards, signature by signature, through a given set, and must end at a self-signed root.
`first_break` checks the order of what the server sends. Time and sets are arguments; no I/O.
"""

import datetime
import ipaddress
import itertools
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from ..hosts import ascii_host
from . import pem

# What `cryptography` raises for a certificate that it cannot make sense of, when it is parsed or when a part of it is looked at.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

LONGEST_CHAIN = 10  # certificates above the leaf; real chains have two or three, and cross-signed CAs can form a loop


def read(content: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file, in their order. Raises ValueError, which says what the file holds instead."""
    blocks = pem.certificates(content)
    try:
        return [x509.load_der_x509_certificate(block) for block in blocks]
    except UNREADABLE:
        raise ValueError("holds no readable certificate: one is broken") from None


def write(certificates: Iterable[x509.Certificate]) -> str:
    """The PEM of the certificates, one after the other."""
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
    """Whether the issuer's name and signature are on it; where the algorithm is not known here, its name and key identifier."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):  # names that differ, or what `cryptography` does not verify: SHA-1, MD5
        return not _is_verifiable(certificate) and certificate.issuer == issuer.subject and _names_key_of(certificate, issuer)
    return True


def is_root(certificate: x509.Certificate) -> bool:
    """
    Whether it names itself as its issuer. Nobody looks at its own signature, which proves nothing (RFC 5280, 6.1 leaves it out):
    many public roots are signed with SHA-1 or MD5, which `cryptography` does not verify.
    """
    return certificate.subject == certificate.issuer and _names_key_of(certificate, certificate)


def _is_verifiable(certificate: x509.Certificate) -> bool:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    return not isinstance(algorithm, hashes.SHA1 | hashes.MD5)


def _names_key_of(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key is the one that the certificate names; many old roots name none."""
    try:
        wanted = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        present = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return True
    return wanted is None or wanted == present


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it may sign others, according to its basic constraints; a root of version 1 has none, and may."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1 and is_root(certificate)


def build_path(leaf: x509.Certificate, known: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificates from the leaf's issuer upwards, taken from `known`; complete if the last one is a root."""
    path: list[x509.Certificate] = []
    below = leaf
    while len(path) < LONGEST_CHAIN and not is_root(below):
        above = next((one for one in known if is_ca(one) and is_issued_by(below, one)), None)
        if above is None:
            break
        path.append(above)
        below = above
    return path


def first_break(chain: Sequence[x509.Certificate]) -> int | None:
    """The index of the first certificate that the next one did not issue; None if the order is right."""
    pairs = enumerate(itertools.pairwise(chain))
    return next((index for index, (below, above) in pairs if not is_issued_by(below, above)), None)


def names(leaf: x509.Certificate) -> list[str]:
    """The host names and addresses for which it is valid (subjectAltName)."""
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*alternatives.get_values_for_type(x509.DNSName), *map(str, alternatives.get_values_for_type(x509.IPAddress))]


def is_valid_for(leaf: x509.Certificate, hostname: str) -> bool:
    """Whether it is valid for that host: by its name, by a wildcard for its first label, or by its address."""
    try:
        wanted = ascii_host(hostname)
    except ValueError:  # a name that no host can have
        return False
    try:
        return str(ipaddress.ip_address(wanted)) in names(leaf)
    except ValueError:
        wild = "*." + wanted.partition(".")[2]
        return any(name.lower() in (wanted, wild) for name in names(leaf))


def days_left(certificate: x509.Certificate, now: datetime.datetime) -> float:
    """Days until it expires; negative afterwards."""
    return (certificate.not_valid_after_utc - now).total_seconds() / 86400
