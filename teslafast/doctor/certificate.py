"""
The server's certificate: its key, its chain, its names, its days; and the `ca` with which vehicles verify it.

Three unrelated kinds of keys get confused: the app's command key (signs configs; its public half is served by your domain), the
server's certificate and key (CERT_PATH, KEY_PATH; the `ca` verifies them), and Tesla's CAs (CA_PATH; they verify vehicles). This
is about the second.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificates import anchors, chain, peer
from ..config import Settings
from ..errors import Misconfigured
from ..onboarding.resolve import ca_of, public_roots
from .finding import Finding, mendable, note, well, wrong
from .options import Case

if TYPE_CHECKING:
    from cryptography import x509

SOON_DAYS = 21
ANY_USAGE = "2.5.29.37.0"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"

_FULL = "give vehicles the full chain: intermediates and root, with {issuer!r} in it, then `teslafast vehicle configure`"


def own(read: Settings, case: Case) -> tuple[list[x509.Certificate], list[Finding]]:
    """The server's chain as it stands in CERT_PATH, and what vehicles would say to it."""
    try:
        anchors.load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), read)
        sent = chain.read(anchors.read_file("CERT_PATH", read.cert_path or Path()).encode())
    except Misconfigured as error:
        return [], [mendable("key", error)]
    except ValueError:
        return [], [wrong("key", f"CERT_PATH {read.cert_path} holds a broken certificate", "give the PEM chain, server first")]
    at = case.vehicles_at
    return sent, [
        well("key", "KEY_PATH belongs to the certificate in CERT_PATH"),
        _order(sent),
        *_purpose(sent[0]),
        _name(sent[0], at[0] if at else None),
        _expiry(sent, case),
    ]


def judge_leaf(leaf: x509.Certificate, hostname: str, case: Case) -> Iterator[Finding]:
    """The lines about a certificate of which nothing but itself is known."""
    yield from _purpose(leaf)
    yield _name(leaf, hostname)
    yield _expiry([leaf], case)


def _order(sent: list[x509.Certificate]) -> Finding:
    names = [chain.name_of(one.subject) for one in sent]
    server_first = "put the server's certificate first, then its issuer, then that one's issuer"
    if chain.is_ca(sent[0]) and len(sent) > 1:
        return wrong("chain", f"the first certificate, {names[0]!r}, is a CA's", server_first)
    if chain.is_root(sent[0]):
        remedy = "make a CA and a leaf below it: teslafast certs init DIR --hostname HOST"
        return wrong("chain", "the server's certificate is self-signed: vehicles want a CA and a leaf below it", remedy)
    place = chain.first_break(sent)
    if place is not None:
        return wrong("chain", f"{names[place]!r} was not issued by the next one, {names[place + 1]!r}", server_first)
    if chain.is_root(sent[-1]) or any(chain.is_issued_by(sent[-1], root) for root in public_roots(sent[-1].issuer)):
        return well("chain", f"is whole and in order: {' ← '.join(names)}")
    missing = chain.name_of(sent[-1].issuer)
    if len(sent) == 1:
        return wrong(
            "chain",
            f"is only the server's certificate; its issuer, {missing!r}, is missing",
            "append the issuer's PEM to CERT_PATH",
        )
    return wrong(
        "chain", f"ends below {missing!r}, which is neither in it nor known to this machine", "append its PEM to CERT_PATH"
    )


def _purpose(leaf: x509.Certificate) -> Iterator[Finding]:
    usages = peer.certificate_of(leaf).usages
    if usages and SERVER_AUTH not in usages and ANY_USAGE not in usages:
        yield wrong(
            "purpose", "the server's certificate is not made for servers", "get one whose extended key usage is serverAuth"
        )


def _name(leaf: x509.Certificate, hostname: str | None) -> Finding:
    names = ", ".join(chain.names(leaf)) or "no name at all"
    if hostname is None:
        return well("name", f"the server's certificate is for {names}") if chain.names(leaf) else _nameless(leaf)
    if chain.holds(leaf, hostname):
        return well("name", f"the server's certificate is for {hostname}")
    remedy = f"get a certificate whose subjectAltName holds {hostname}, or call the server by a name that it has"
    return wrong("name", f"the server's certificate is for {names}, vehicles call {hostname}", remedy)


def _nameless(leaf: x509.Certificate) -> Finding:
    fault = f"the server's certificate has no subjectAltName (a common name, {chain.name_of(leaf.subject)!r}, does not count)"
    return wrong("name", fault, "get one with the host's name in subjectAltName")


def _expiry(sent: list[x509.Certificate], case: Case) -> Finding:
    first = min(sent, key=lambda one: one.not_valid_after_utc)
    name, left = chain.name_of(first.subject), chain.days_left(first, case.now)
    early = next((one for one in sent if one.not_valid_before_utc > case.now), None)
    if early is not None:
        fault = f"{chain.name_of(early.subject)!r} is valid only from {early.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on"
        return wrong("expiry", fault, "set this machine's clock, or wait")
    if left < 0:
        return wrong(
            "expiry", f"{name!r} expired on {first.not_valid_after_utc:%Y-%m-%d}", "renew it, under the same CA if you can"
        )
    if left < SOON_DAYS:
        return note("expiry", f"{name!r} expires in {left:.0f} days", "renew it, under the same CA if you can")
    return well("expiry", f"the first to expire is {name!r}, on {first.not_valid_after_utc:%Y-%m-%d}")


# ---- the `ca` for vehicles


def ca(case: Case) -> tuple[str, list[Finding]]:
    """PEM of the `ca` that vehicles get, ("", …) if there is none."""
    try:
        return ca_of(case.ca, case.environment), []
    except Misconfigured as error:
        return "", [mendable("ca", error)]


def verifies(pem: str, leaf: x509.Certificate, case: Case, whose: str = "the `ca` for vehicles") -> Finding:
    """Whether a vehicle that has only this `ca`, and no help from what the server sends, arrives at a root."""
    try:
        known = chain.read(pem.encode())
    except ValueError:
        return wrong("ca", f"{whose} holds no readable certificate", "give the PEM of the intermediates and the root")
    way = chain.climb(leaf, known)
    if not way:
        issuer = chain.name_of(leaf.issuer)
        return wrong(
            "ca", f"{whose} does not hold {issuer!r}, which issued the server's certificate", _FULL.format(issuer=issuer)
        )
    if not chain.is_root(way[-1]):
        missing = chain.name_of(way[-1].issuer)
        return wrong("ca", f"{whose} ends below its root, {missing!r}", _FULL.format(issuer=missing))
    old = next((one for one in way if chain.days_left(one, case.now) < 0), None)
    if old is not None:
        return wrong(
            "ca",
            f"{whose} holds {chain.name_of(old.subject)!r}, which has expired",
            "make or get a new CA, configure vehicles anew",
        )
    return well("ca", f"{whose} leads from the server's certificate to the root {chain.name_of(way[-1].subject)!r}")


_FULL = "give vehicles the full chain: intermediates and root, with {issuer!r} in it, then `teslafast vehicle configure`"
