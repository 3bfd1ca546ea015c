"""
What a vehicle sees of a server: which certificate it sends, whether it asks for the vehicle's, whether the `ca` verifies it.

The probe poses as an unknown vehicle: its certificate is made on the spot, and no CA knows it. A server that asks for
certificates and verifies them ends the connection, and that is the good result. Whatever lets an unknown vehicle in has not
verified it: then something that is not teslafast ends TLS there. With TLS 1.3 the refusal comes after the handshake, with the
first byte that is read.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .. import https
from ..doctor_mark import DOCTORS_PROTOCOL
from ..scratch import named_bytes

STEP_S = 5.0  # for each step, to connect and to get the next bytes: twenty checks must not take minutes

_PROTOCOLS = ["http/1.1", DOCTORS_PROTOCOL]
# What OpenSSL calls the alerts of a server that does not accept a certificate.
_REFUSALS = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE")


@dataclass(frozen=True)
class Endpoint:
    """The address to connect to, and the host name in the TLS handshake and in the request."""

    address: str
    hostname: str
    port: int


@dataclass(frozen=True)
class ProbeResult:
    """
    leaf      DER of the certificate that the server sent, b"" if there was no handshake
    refused   the server ended the connection because of the unknown certificate: it asks for certificates and verifies them
    answer    the head of the HTTP answer that the unknown vehicle got, status 0 if none
    fault     why there was no handshake, or no answer after it
    """

    leaf: bytes = b""
    refused: bool = False
    answer: https.Reply = field(default=https.Reply(0))
    fault: str = ""


def unknown_vehicle() -> bytes:
    """PEM of the key and the self-signed certificate of a vehicle that no CA knows."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "teslafast doctor")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *clear) + pem


def probe(endpoint: Endpoint) -> ProbeResult:
    """Connects as an unknown vehicle. Raises OSError if nothing can be connected to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the probe sends nothing secret
    context.set_alpn_protocols(_PROTOCOLS)
    with named_bytes(unknown_vehicle()) as identity:
        context.load_cert_chain(identity)
    leaf = b""
    with socket.create_connection((endpoint.address, endpoint.port), STEP_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=endpoint.hostname) as secure:
                leaf = secure.getpeercert(binary_form=True) or b""
                answer = https.head(secure, endpoint.hostname, endpoint.port, "/health", {"Connection": "close"})
                return ProbeResult(leaf, answer=answer)
        except (ssl.SSLError, ConnectionError, TimeoutError) as error:
            alerted = any(alert in str(error) for alert in _REFUSALS)
            refused = alerted or (bool(leaf) and isinstance(error, ssl.SSLError | ConnectionError))
            return ProbeResult(leaf, refused, fault="" if refused else _handshake_fault(error))


def verify_error(endpoint: Endpoint, ca: str) -> str:
    """Why a client that trusts only `ca` does not accept the server's certificate; "" if it does."""
    with named_bytes(unknown_vehicle()) as identity:
        try:
            with verified_connection(endpoint, ca, identity):
                return ""
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except (ssl.SSLError, ConnectionError, TimeoutError):
            return ""  # the server's refusal: it comes after the client's own verification


@contextlib.contextmanager
def verified_connection(
    endpoint: Endpoint, ca: str, identity: Path | None = None, public: bool = False
) -> Iterator[ssl.SSLSocket]:
    """
    A connection whose server is verified: against `ca` alone as a vehicle does it, or against the `public` CAs, too.

    identity: PEM with the certificate and key to present, or a certificate whose key is in the file beside it. Raises OSError.
    """
    context = ssl.create_default_context() if public else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(_PROTOCOLS)
    if ca:
        context.load_verify_locations(cadata=ca)
    if identity is not None:
        beside = identity.with_suffix(".key")
        context.load_cert_chain(identity, beside if beside.exists() else None)
    with (
        socket.create_connection((endpoint.address, endpoint.port), STEP_S) as plain,
        context.wrap_socket(plain, server_hostname=endpoint.hostname) as secure,
    ):
        yield secure


def upgrade(connection: socket.socket, endpoint: Endpoint, path: str, **headers: str) -> https.Reply:
    """Asks for a WebSocket over a connection; the head of the answer. Raises OSError."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrading = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    return https.head(connection, endpoint.hostname, endpoint.port, path, upgrading | headers)


def _handshake_fault(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "the server there does not speak TLS"
    if isinstance(error, TimeoutError):
        return "the server there does not answer"
    return f"the handshake failed ({getattr(error, 'reason', None) or error})"
