"""The certificate that a client presented, as `protocol.identity` wants it."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

from ..protocol.identity import Certificate

if TYPE_CHECKING:
    from cryptography import x509

ANY_USAGE = "2.5.29.37.0"  # anyExtendedKeyUsage
KNOWN_AT_MOST = 16_384  # parsed certificates, about 0.5 KB each: 8 MB

# Parsed certificates by SHA-256: vehicles come back often, and parsing one takes about 66 µs.
_known: dict[bytes, Certificate] = {}


def peer_certificate(ssl_object: ssl.SSLObject | None) -> Certificate | None:
    """The verified leaf that the peer presented; None if it presented none, or was not asked to."""
    der = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
    if not der:
        return None
    digest = hashlib.sha256(der).digest()
    known = _known.get(digest)
    if known is None:
        from cryptography import x509  # only a server with mutual TLS pays for it

        while len(_known) >= KNOWN_AT_MOST:
            del _known[next(iter(_known))]
        known = _known[digest] = certificate_of(x509.load_der_x509_certificate(der))
    return known


def certificate_of(leaf: x509.Certificate) -> Certificate:
    """What `identity` needs from a parsed certificate."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        usages = tuple(usage.dotted_string for usage in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = ()
    return Certificate(
        common_name=_first(leaf.subject, NameOID.COMMON_NAME),
        issuer=_first(leaf.issuer, NameOID.COMMON_NAME),
        usages=usages,
        units=tuple(str(unit.value) for unit in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)),
    )


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    return next((str(attribute.value) for attribute in name.get_attributes_for_oid(oid)), "")
