"""CA_PATH: whether the certificates of real vehicles will verify, and of which issuers they will not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificates import anchors, chain, peer
from ..certificates.issue import TEST_ORGANISATION
from ..certificates.tesla_ca import PINNED
from ..config import Settings
from ..errors import Misconfigured
from .finding import Finding, mendable, note, well, wrong
from .options import Case

if TYPE_CHECKING:
    from cryptography import x509

ANY_USAGE = "2.5.29.37.0"


def vehicle_cas(read: Settings, case: Case) -> Iterator[Finding]:
    """CA_PATH: whether real vehicles' certificates will verify."""
    if read.ca_path is None:
        remedy = "fetch Tesla's CAs: teslafast certs tesla-ca tesla_ca.pem, and set CA_PATH to that file"
        yield wrong("CA_PATH", "is not set: no vehicle's certificate can be verified", remedy)
        return
    try:
        found = _parsed(read.ca_path)
    except Misconfigured as error:
        yield mendable("CA_PATH", error)
        return
    known = [one for one in found if chain.fingerprint(one) in PINNED]
    tests = [one for one in found if _is_test(one)]
    fetch = "fetch Tesla's: teslafast certs tesla-ca tesla_ca.pem, and set CA_PATH to that file"
    if known:
        yield _teslas(known, case, fetch)
    elif not tests:
        yield wrong("CA_PATH", f"none of its {len(found)} certificates is one of Tesla's CAs for vehicles", fetch)
    if tests and not known:
        yield note("CA_PATH", "holds the test CA alone: test vehicles can connect, real ones cannot", fetch)
    elif tests:
        yield note(
            "CA_PATH", "holds the test CA too: who has its key can pose as any vehicle", "take it out once real vehicles stream"
        )


def _is_test(certificate: x509.Certificate) -> bool:
    """Whether `certs init` made it."""
    return any(attribute.value == TEST_ORGANISATION for attribute in certificate.subject)


def _parsed(path: Path) -> list[x509.Certificate]:
    from cryptography import x509

    anchors.load_anchors(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), path)
    try:
        return [x509.load_der_x509_certificate(der) for der in anchors.anchors(path)]
    except ValueError:
        raise Misconfigured("CA_PATH", f"{path} holds a broken certificate", "give a PEM file of CA certificates") from None


def _teslas(known: list[x509.Certificate], case: Case, fetch: str) -> Finding:
    missing = sorted(PINNED.keys() - {chain.fingerprint(one) for one in known}, key=list(PINNED).index)
    if missing:
        which = f"{len(missing)} of Tesla's {len(PINNED)} CAs are missing, among them {PINNED[missing[0]]!r}"
        return note("CA_PATH", f"{which}: vehicles of theirs are refused", fetch)
    refused = [
        f"{chain.name_of(one.subject)} (expired {one.not_valid_after_utc:%Y-%m-%d})"
        for one in known
        if chain.days_left(one, case.now) < 0
    ]
    rescued = [chain.name_of(one.subject) for one in known if set(peer.certificate_of(one).usages) == {ANY_USAGE}]
    says = f"all {len(PINNED)} of Tesla's CAs"
    if refused:
        says += f"; OpenSSL refuses vehicles of {', '.join(refused)}"
    if rescued:
        says += f"; of {', '.join(rescued)} it would, as plain PEM, but not as they are loaded here"
    return well("CA_PATH", says)
