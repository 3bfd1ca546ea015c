"""The certificate that a client presented, as `protocol.identity` wants it."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

from ..protocol.identity import Certificate
from .key_usage import extended_key_usages

if TYPE_CHECKING:
    from cryptography import x509

ANY_USAGE = "2.5.29.37.0"  # anyExtendedKeyUsage
KNOWN_AT_MOST = 16_384  # parsed certificates, about 0.5 KB each: 8 MB

# Parsed certificates by SHA-256: vehicles come back often, and parsing one takes about 66 µs.
_known: dict[bytes, Certificate] = {}


def peer_certificate(ssl_object: ssl.SSLObject | None, chain_ends_at: float | None = None) -> Certificate | None:
    """
    The verified leaf that the peer presented, readable or not; None if it presented none, or was not asked to.

    chain_ends_at   when what it was verified by ends, if that is known: seconds since 1970
    """
    der = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
    if not der:
        return None
    digest = hashlib.sha256(der).digest()
    known = _known.get(digest)
    if known is None:
        while len(_known) >= KNOWN_AT_MOST:
            del _known[next(iter(_known))]
        known = _known[digest] = _read(der)
    return known if chain_ends_at is None else known.ending_by(chain_ends_at)


def _read(der: bytes) -> Certificate:
    from cryptography import x509  # only a server with mutual TLS pays for it

    try:
        return certificate_of(x509.load_der_x509_certificate(der))
    except (ValueError, x509.InvalidVersion, Warning) as error:  # OpenSSL has accepted it; a Warning only where it is an error
        return Certificate("", "", unreadable=str(error))


def certificate_of(leaf: x509.Certificate) -> Certificate:
    """What `identity` needs from a parsed certificate. Raises ValueError if it cannot be read."""
    from cryptography.x509.oid import NameOID

    return Certificate(
        common_name=_last(leaf.subject, NameOID.COMMON_NAME),
        issuer=_last(leaf.issuer, NameOID.COMMON_NAME),
        usages=extended_key_usages(leaf.tbs_certificate_bytes),
        units=tuple(str(unit.value) for unit in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)),
        ends_at=leaf.not_valid_after_utc.timestamp(),
    )


def _last(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    """Of several, the one that Go's crypto/x509 takes, and with it the reference server."""
    attributes = name.get_attributes_for_oid(oid)
    return str(attributes[-1].value) if attributes else ""
