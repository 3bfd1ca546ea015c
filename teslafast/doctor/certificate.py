"""
The server's certificate: its key, chain, names and dates; and the `ca` with which vehicles verify it.

Operators confuse three unrelated kinds of keys: the app's command key (it signs configs; your domain serves its public half), the
server's certificate and key (CERT_PATH, KEY_PATH; the `ca` verifies them), and Tesla's CAs (CA_PATH; they verify vehicles). This
module is about the second.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificates import anchors, chain, peer
from ..certificates.mounts import mounted_alone
from ..certificates.trust_store import public_roots
from ..config import Settings
from ..errors import Misconfigured
from ..onboarding.resolve import resolve_ca
from .finding import Finding, from_error, note, well, wrong
from .options import DoctorOptions

if TYPE_CHECKING:
    from cryptography import x509

RENEWAL_DAYS = 21  # public CAs renew 30 days before the end: later, the renewal has failed
RENEW = "renew it, under the same CA if you can: teslafast certs renew DIR for a certificate of `certs init`"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"

_FULL_CHAIN = "give vehicles the full chain: intermediates and root, with {issuer!r} in it, then `teslafast vehicle configure`"


def check_own_chain(settings: Settings, options: DoctorOptions) -> tuple[list[x509.Certificate], list[Finding]]:
    """The server's chain in CERT_PATH, and whether vehicles can accept it."""
    try:
        anchors.load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), settings)
        sent = chain.read(anchors.read_bytes("CERT_PATH", settings.cert_path or Path()))
    except Misconfigured as error:
        return [], [from_error("key", error)]
    except ValueError as error:
        return [], [wrong("key", f"CERT_PATH {settings.cert_path} {error}", "give the PEM chain, server first")]
    at = options.vehicles_at
    return sent, [
        well("key", "KEY_PATH belongs to the certificate in CERT_PATH"),
        _order(sent),
        *_purpose(sent[0]),
        _name(sent[0], at[0] if at else None),
        _expiry(sent, options),
        *_mounts(settings),
    ]


def _mounts(settings: Settings) -> Iterator[Finding]:
    for path in mounted_alone([path for path in (settings.cert_path, settings.key_path, settings.ca_path) if path]):
        yield note("mount", f"{path} is a mount of its own: a renewal will not be seen", "mount its folder instead")


def check_leaf(leaf: x509.Certificate, hostname: str, options: DoctorOptions) -> Iterator[Finding]:
    """The findings about a certificate whose chain is not known."""
    yield from _purpose(leaf)
    yield _name(leaf, hostname)
    yield _expiry([leaf], options)


def _order(sent: list[x509.Certificate]) -> Finding:
    names = [chain.name_of(one.subject) for one in sent]
    server_first = "put the server's certificate first, then its issuer, then that one's issuer"
    if chain.is_ca(sent[0]) and len(sent) > 1:
        return wrong("chain", f"the first certificate, {names[0]!r}, is a CA's", server_first)
    if chain.is_root(sent[0]):
        remedy = "make a CA and a leaf below it: teslafast certs init DIR --hostname HOST"
        return wrong("chain", "the server's certificate is self-signed: vehicles need a CA and a leaf below it", remedy)
    place = chain.first_break(sent)
    if place is not None:
        return wrong("chain", f"{names[place]!r} was not issued by the next one, {names[place + 1]!r}", server_first)
    if chain.is_root(sent[-1]) or any(chain.is_issued_by(sent[-1], root) for root in public_roots(sent[-1].issuer)):
        return well("chain", f"is complete and in order: {' ← '.join(names)}")
    missing = chain.name_of(sent[-1].issuer)
    if len(sent) == 1:
        return wrong(
            "chain",
            f"is only the server's certificate; its issuer, {missing!r}, is missing",
            "append the issuer's PEM to CERT_PATH",
        )
    return wrong(
        "chain",
        f"ends below {missing!r}, which is neither in CERT_PATH nor among the public CAs of this machine",
        "append its PEM to CERT_PATH",
    )


def _purpose(leaf: x509.Certificate) -> Iterator[Finding]:
    usages = peer.certificate_of(leaf).usages
    if usages and SERVER_AUTH not in usages and peer.ANY_USAGE not in usages:
        yield wrong(
            "purpose", "the server's certificate is not made for servers", "get one whose extended key usage is serverAuth"
        )


def _name(leaf: x509.Certificate, hostname: str | None) -> Finding:
    names = ", ".join(chain.names(leaf)) or "no name"
    if hostname is None:
        return well("name", f"the server's certificate is for {names}") if chain.names(leaf) else _nameless(leaf)
    if chain.is_valid_for(leaf, hostname):
        return well("name", f"the server's certificate is for {hostname}")
    remedy = f"get a certificate whose subjectAltName holds {hostname}, or give vehicles a name that the certificate has"
    return wrong("name", f"the server's certificate is for {names}, vehicles connect to {hostname}", remedy)


def _nameless(leaf: x509.Certificate) -> Finding:
    fault = f"the server's certificate has no subjectAltName (a common name, {chain.name_of(leaf.subject)!r}, does not count)"
    return wrong("name", fault, "get one with the host's name in subjectAltName")


def _expiry(sent: list[x509.Certificate], options: DoctorOptions) -> Finding:
    first = min(sent, key=lambda one: one.not_valid_after_utc)
    name, left = chain.name_of(first.subject), chain.days_left(first, options.now)
    early = next((one for one in sent if one.not_valid_before_utc > options.now), None)
    if early is not None:
        fault = f"{chain.name_of(early.subject)!r} is not valid before {early.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return wrong("expiry", fault, "set this machine's clock, or wait")
    if left < 0:
        return wrong("expiry", f"{name!r} expired on {first.not_valid_after_utc:%Y-%m-%d}", RENEW)
    if left < RENEWAL_DAYS:
        return note("expiry", f"{name!r} expires in {left:.0f} days", RENEW)
    if first is sent[0]:
        return well("expiry", f"the server's certificate expires on {first.not_valid_after_utc:%Y-%m-%d}")
    return well(
        "expiry", f"{name!r}, above the server's certificate, is the first to expire, on {first.not_valid_after_utc:%Y-%m-%d}"
    )


# ---- the `ca` for vehicles


def read_ca(options: DoctorOptions) -> tuple[str, list[Finding]]:
    """The `ca` that vehicles get, in PEM; "" if there is none."""
    try:
        return resolve_ca(options.ca, options.environment), []
    except Misconfigured as error:
        return "", [from_error("ca", error)]


def check_ca(pem: str, leaf: x509.Certificate, options: DoctorOptions, whose: str = "the `ca` for vehicles") -> Finding:
    """Whether a vehicle that has only this `ca`, and no help from what the server sends, can verify the server up to a root."""
    try:
        known = chain.read(pem.encode())
    except ValueError as error:
        return wrong("ca", f"{whose} {error}", "give the PEM of the intermediates and the root")
    path = chain.build_path(leaf, known)
    if not path:
        issuer = chain.name_of(leaf.issuer)
        return wrong(
            "ca", f"{whose} does not hold {issuer!r}, which issued the server's certificate", _FULL_CHAIN.format(issuer=issuer)
        )
    if not chain.is_root(path[-1]):
        missing = chain.name_of(path[-1].issuer)
        return wrong("ca", f"{whose} ends below its root, {missing!r}", _FULL_CHAIN.format(issuer=missing))
    old = next((one for one in path if chain.days_left(one, options.now) < 0), None)
    if old is not None:
        return wrong(
            "ca",
            f"{whose} holds {chain.name_of(old.subject)!r}, which has expired",
            "make or get a new CA, then configure the vehicles again",
        )
    return well("ca", f"{whose} leads from the server's certificate to the root {chain.name_of(path[-1].subject)!r}")
