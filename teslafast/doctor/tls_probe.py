"""
What a vehicle sees of a server: which certificate it sends, whether it asks for the vehicle's, whether the `ca` verifies it.

The vehicle here is a stranger: its certificate is made up on the spot and no CA knows it. A server that asks for certificates
and checks them breaks the connection off, and that is the good answer: whatever lets a stranger in has not checked, so something
that is not teslafast ends TLS there. With TLS 1.3 the refusal comes after the handshake, with the first byte that is read.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TIMEOUT_S = 5.0
LONGEST_HEAD = 16 * 1024

# what OpenSSL calls the alerts of a server that does not like a certificate
_REFUSALS = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE")


@dataclass(frozen=True)
class Place:
    """Where to look: an address to dial, and the host name to call it by."""

    address: str
    hostname: str
    port: int


@dataclass(frozen=True)
class Sight:
    """
    leaf       DER of the certificate that was sent, b"" if there was no handshake
    refused    the server broke off at a stranger's certificate: it asks for them and checks them
    answered   the head of the HTTP answer that the stranger got, "" if none
    fault      why there was no handshake, or why nothing came after it
    """

    leaf: bytes = b""
    refused: bool = False
    answered: str = ""
    fault: str = ""


def stranger(folder: Path) -> Path:
    """A file with the key and the self-signed certificate of a vehicle that nobody knows."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "teslafast doctor")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "stranger.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *clear) + pem)
    return folder / "stranger.pem"


def look(place: Place) -> Sight:
    """As a stranger. Raises OSError if nothing can be connected to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is only looked at: nothing is told to it
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(stranger(Path(folder)))
    leaf = b""
    with socket.create_connection((place.address, place.port), TIMEOUT_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=place.hostname) as secure:
                leaf = secure.getpeercert(binary_form=True) or b""
                return Sight(leaf, answered=exchange(secure, _get(place)))
        except (ssl.SSLError, ConnectionError, TimeoutError) as error:
            said = any(alert in str(error) for alert in _REFUSALS)
            refused = said or (bool(leaf) and isinstance(error, ssl.SSLError | ConnectionError))
            return Sight(leaf, refused, fault="" if refused else _words(error))


def verdict(place: Place, ca: str, identity: Path | None = None) -> str:
    """What a client that has `ca` and nothing else to trust says to the server's certificate: "" if it is content."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with trusted(place, ca, identity or stranger(Path(folder))):
                return ""
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except (ssl.SSLError, ConnectionError, TimeoutError):
            return ""  # the server's refusal: it comes after the client's own check


@contextlib.contextmanager
def trusted(place: Place, ca: str, identity: Path | None = None, public: bool = False) -> Iterator[ssl.SSLSocket]:
    """
    A connection whose server is verified: against `ca` alone as a vehicle does it, or against the `public` CAs besides.

    identity: PEM with the certificate and key to show, or a certificate whose key stands beside it. Raises OSError.
    """
    context = ssl.create_default_context() if public else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if ca:
        context.load_verify_locations(cadata=ca)
    if identity is not None:
        beside = identity.with_suffix(".key")
        context.load_cert_chain(identity, beside if beside.exists() else None)
    with (
        socket.create_connection((place.address, place.port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=place.hostname) as secure,
    ):
        yield secure


def exchange(connection: socket.socket, request: str) -> str:
    """Sends a request head and returns the head of the answer, "" if none comes. Raises OSError."""
    connection.settimeout(TIMEOUT_S)
    connection.sendall(request.encode("latin-1"))
    head = b""
    while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD:
        data = connection.recv(4096)
        if not data:
            break
        head += data
    return head.partition(b"\r\n\r\n")[0].decode("latin-1")


def upgrade(place: Place, path: str, *headers: str) -> str:
    """The head of a request for a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {place.hostname}:{place.port}", "Connection: Upgrade", "Upgrade: websocket"]
    return "\r\n".join([*lines, "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *headers, "", ""])


def _get(place: Place) -> str:
    return f"GET /health HTTP/1.1\r\nHost: {place.hostname}:{place.port}\r\nConnection: close\r\n\r\n"


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "what answers there does not speak TLS"
    if isinstance(error, TimeoutError):
        return "what answers there says nothing"
    return f"TLS fails ({getattr(error, 'reason', None) or error})"


def status_of(head: str) -> int:
    """The status of an HTTP answer; 0 if it is none."""
    words = head.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdigit() else 0


def header_of(head: str, name: str) -> str:
    """The first value of a header of an answer, "" if it has none."""
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""
