"""
Verifies a client's certificate outside a TLS handshake: a proxy ended TLS and passed the certificate on.

The same rules as in a handshake (anchors.py): a CA in CA_PATH is an anchor although it is not self-signed, and whatever its
extended key usage is. Everything between it and the leaf must be a CA that may sign, for clients, at this time. An extension that
is critical and that nobody here evaluates refuses the chain. Pure: the anchors and the time are arguments.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from .chain import UNREADABLE, der, is_ca

Extension = TypeVar("Extension", bound=x509.ExtensionType)

LONGEST_GIVEN = 8  # certificates that a proxy may pass on; vehicles send two or three
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_EVALUATED = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,  # names nothing that identity is decided on
}


def verify_client(
    leaf: x509.Certificate, given: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: datetime.datetime
) -> datetime.datetime:
    """
    Until when the chain holds: its first certificate to end, the leaf and the anchor among them. Of several chains the best.

    `given`: what the client sent with it, in any order. Raises ValueError, which says why the leaf is not verified.
    """
    if len(given) > LONGEST_GIVEN:
        raise ValueError(f"more than {LONGEST_GIVEN} certificates came with it")
    fault = _fault_of_leaf(leaf, now)
    if fault:
        raise ValueError(fault)
    ends = _chain_ends(leaf, 0, given, anchors, now, set())
    if ends is None:
        raise ValueError("the certificate is not from a CA in CA_PATH")
    return ends


def _fault_of_leaf(leaf: x509.Certificate, now: datetime.datetime) -> str:
    if now >= leaf.not_valid_after_utc:
        return "the certificate has expired"
    if now < leaf.not_valid_before_utc:
        return "the certificate is not valid yet"
    if not _extensions_are_known(leaf):
        return "the certificate has a critical extension that the server does not know"
    usage = _extension(leaf, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.key_agreement):
        return "the certificate's key may not sign handshakes"
    if not _is_for_clients(leaf, any_usage=False):
        return "the certificate may not be used by TLS clients"
    return ""


def _chain_ends(
    below: x509.Certificate,
    depth: int,
    given: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime.datetime,
    tried: set[bytes],
) -> datetime.datetime | None:
    """
    None unless a path leads from `below`, over those given and not tried yet, to an anchor; else until when the path holds that
    holds longest. `depth`: CAs below it.
    """
    ends = [one.not_valid_after_utc for one in anchors if _is_valid(one, now) and _signed(below, one)]
    for one in given:
        if der(one) not in tried and _may_issue(one, depth, now) and _signed(below, one):
            tried.add(der(one))
            above = _chain_ends(one, depth + 1, given, anchors, now, tried)
            ends += [] if above is None else [above]
    return min(below.not_valid_after_utc, max(ends)) if ends else None


def _may_issue(one: x509.Certificate, depth: int, now: datetime.datetime) -> bool:
    constraints, usage = _extension(one, x509.BasicConstraints), _extension(one, x509.KeyUsage)
    deep_enough = constraints is None or constraints.path_length is None or constraints.path_length >= depth
    signs = usage is None or usage.key_cert_sign
    return (
        is_ca(one) and deep_enough and signs and _is_valid(one, now) and _extensions_are_known(one) and _is_for_clients(one, True)
    )


def _signed(below: x509.Certificate, issuer: x509.Certificate) -> bool:
    if below.issuer != issuer.subject or not isinstance(below.signature_hash_algorithm, _STRONG):
        return False
    try:
        below.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_valid(one: x509.Certificate, now: datetime.datetime) -> bool:
    return one.not_valid_before_utc <= now < one.not_valid_after_utc


def _is_for_clients(one: x509.Certificate, any_usage: bool) -> bool:
    usages = _extension(one, x509.ExtendedKeyUsage)
    wanted = {ExtendedKeyUsageOID.CLIENT_AUTH} | ({ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} if any_usage else set())
    return usages is None or bool(wanted & set(usages))


def _extensions_are_known(one: x509.Certificate) -> bool:
    return all(extension.oid in _EVALUATED for extension in one.extensions if extension.critical)


def _extension(one: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return one.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def anchors_of(ders: Iterable[bytes]) -> list[x509.Certificate]:
    """Those that can be parsed: what OpenSSL takes and `cryptography` does not is no anchor here."""
    found = []
    for one in ders:
        try:
            found.append(x509.load_der_x509_certificate(one))
        except UNREADABLE:
            continue
    return found
