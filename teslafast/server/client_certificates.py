"""
A vehicle's certificate that a trusted proxy passes on in headers (RFC 9440), because the proxy has ended TLS.

    Client-Cert: :BASE64 DER OF THE LEAF:
    Client-Cert-Chain: :BASE64 DER:, :BASE64 DER:

The proxy has seen that the vehicle holds the key. Whether the certificate is a vehicle's is not the proxy's to say: the chain is
verified here, against CA_PATH, which is read again when it changes.
"""

from __future__ import annotations

import base64
import datetime
from pathlib import Path

from cryptography import x509

from ..certificates import anchors
from ..certificates.chain import UNREADABLE
from ..certificates.client_chain import LONGEST_GIVEN, anchors_of, verify_client
from ..certificates.peer import certificate_of
from ..disk_thread import DiskCalls
from ..errors import Misconfigured, Refused
from ..http_messages import Request
from ..logs import fields, log
from ..protocol.identity import Certificate
from ..refusals import CERTIFICATE_HEADER
from .watched_files import FileReload

LEAF, CHAIN = "client-cert", "client-cert-chain"


class PassedOnCertificates(FileReload[list[x509.Certificate]]):
    """`ca_path`: CA_PATH."""

    name = "passed-on certificates"

    def __init__(self, ca_path: Path, disk: DiskCalls | None = None) -> None:
        """Raises Misconfigured."""
        super().__init__(ca_path, disk)
        self._anchors = self.read()

    def of_request(self, request: Request, now: float) -> Certificate | None:
        """The verified certificate in the request's headers; None if there is none. Raises Refused (403)."""
        if LEAF not in request.headers and CHAIN not in request.headers:
            return None
        try:
            leaves = _certificates(request, LEAF)
            if len(leaves) != 1:
                raise ValueError(f"{LEAF} holds {len(leaves)} certificates")
            leaf = leaves[0]
            given = [one for one in _certificates(request, CHAIN) if one != leaf]
            ends = verify_client(leaf, given, self._anchors, datetime.datetime.fromtimestamp(now, datetime.UTC))
            return certificate_of(leaf).ending_by(ends.timestamp())
        except UNREADABLE as error:
            raise Refused(CERTIFICATE_HEADER, f"{CERTIFICATE_HEADER.meaning}: {error}") from None

    def read(self) -> list[x509.Certificate]:
        return anchors_of(anchors.anchors(self.path))

    def use(self, found: list[x509.Certificate]) -> None:
        self._anchors = found

    def refuse(self, error: Misconfigured) -> None:
        """CertificateReload says so for both."""
        log.error("anchors_refused", extra=fields(reason=str(error), kept=len(self._anchors)))


def _certificates(request: Request, name: str) -> list[x509.Certificate]:
    """Of a list of byte sequences (RFC 8941, 3.3.5). HAProxy sends a chain as one, its certificates back to back, or empty."""
    found: list[bytes] = []
    for word in request.tokens(name):
        content, colon, parameters = word.removeprefix(":").partition(":")
        if not word.startswith(":") or not colon or (parameters and not parameters.startswith(";")):
            raise ValueError(f"{name} is not a byte sequence, :BASE64:")
        found += _back_to_back(base64.b64decode(content, validate=True))
    if len(found) > LONGEST_GIVEN + 1:
        raise ValueError(f"{name} holds more than {LONGEST_GIVEN} certificates")
    return [x509.load_der_x509_certificate(one) for one in found]


def _back_to_back(data: bytes) -> list[bytes]:
    """The certificates in these bytes: each says at its beginning how long it is."""
    found: list[bytes] = []
    while data and len(found) <= LONGEST_GIVEN + 1:
        if len(data) < 4 or data[:2] != b"\x30\x82":  # a certificate is a SEQUENCE of 256 to 65,535 bytes
            raise ValueError("what it holds is not a certificate")
        size = 4 + int.from_bytes(data[2:4], "big")
        found.append(data[:size])
        data = data[size:]
    return found
