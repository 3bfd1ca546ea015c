"""CA_PATH: whether the certificates of real vehicles will verify, and which issuers' will not."""

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
from .finding import Finding, from_error, note, well, wrong
from .options import DoctorOptions

if TYPE_CHECKING:
    from cryptography import x509

_FETCH = "fetch Tesla's CAs: teslafast certs tesla-ca tesla_ca.pem, and set CA_PATH to that file"


def check_vehicle_cas(settings: Settings, options: DoctorOptions) -> Iterator[Finding]:
    """CA_PATH: whether real vehicles' certificates will verify."""
    if settings.ca_path is None:
        yield wrong("CA_PATH", "is not set: the server cannot verify vehicles' certificates", _FETCH)
        return
    try:
        found = _parsed(settings.ca_path)
    except Misconfigured as error:
        yield from_error("CA_PATH", error)
        return
    known = [one for one in found if chain.fingerprint(one) in PINNED]
    tests = [one for one in found if _is_test(one)]
    if known:
        yield _teslas(known, options)
    elif not tests:
        yield wrong("CA_PATH", f"none of its {len(found)} certificates is one of Tesla's CAs for vehicles", _FETCH)
    if tests and not known:
        yield note("CA_PATH", "holds only the test CA: test vehicles can connect, real ones cannot", _FETCH)
    elif tests:
        yield note(
            "CA_PATH",
            "also holds the test CA: anybody with its key can pose as any vehicle",
            "remove the test CA once real vehicles stream",
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


def _teslas(known: list[x509.Certificate], options: DoctorOptions) -> Finding:
    missing = sorted(PINNED.keys() - {chain.fingerprint(one) for one in known}, key=list(PINNED).index)
    if missing:
        which = f"{len(missing)} of Tesla's {len(PINNED)} CAs are missing, among them {PINNED[missing[0]]!r}"
        return note("CA_PATH", f"{which}: vehicles whose certificates they issued are refused", _FETCH)
    refused = [
        f"{chain.name_of(one.subject)} (expired {one.not_valid_after_utc:%Y-%m-%d})"
        for one in known
        if chain.days_left(one, options.now) < 0
    ]
    rescued = [chain.name_of(one.subject) for one in known if set(peer.certificate_of(one).usages) == {peer.ANY_USAGE}]
    found = f"all {len(PINNED)} of Tesla's CAs"
    if refused:
        found += f"; vehicles whose certificates were issued by {', '.join(refused)} are refused"
    if rescued:
        found += f"; vehicles of {', '.join(rescued)} are accepted here, although OpenSSL refuses them with plain PEM"
    return well("CA_PATH", found)
