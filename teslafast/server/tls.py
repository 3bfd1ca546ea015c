"""
From settings to `ssl.SSLContext`, and from a connection's certificate to what `identity` decides on.

Anchors are loaded as OpenSSL's `TRUSTED CERTIFICATE` blocks with the trust "client authentication" spelt out. That is what
makes OpenSSL behave as Tesla's Go server does in two points: an issuing CA counts as an anchor although it is not self-signed,
and Tesla's "Products CA", whose only extended key usage is anyExtendedKeyUsage, may issue clients (tesla-protocol.md 1.2).
CPython sends no list of acceptable CA names; nothing here may change that, because vehicles then withhold their certificate.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import Misconfigured
from ..protocol.identity import Certificate

if TYPE_CHECKING:
    from cryptography import x509

KNOWN_AT_MOST = 16_384  # certificates that need not be read again, about 0.5 KB each

_KERNEL_TLS: int = getattr(ssl, "OP_ENABLE_KTLS", 0)  # since Python 3.12

# X509_CERT_AUX { trust: [ clientAuth 1.3.6.1.5.5.7.3.2 ] }, what `openssl x509 -addtrust clientAuth -trustout` appends
_TRUST_CLIENT_AUTH = bytes.fromhex("300c300a06082b06010505070302")


class ServerContext(ssl.SSLContext):
    """
    A context whose `verify_mode` can no longer be read once `settle` was called; what OpenSSL does is as it was set.

    aiofastnet reads it when a handshake is over: unless it is CERT_NONE, it writes the peer's certificate to a temporary file to
    have it parsed. That is a fifth of the CPU of a vehicle's connect, and with a full disk no vehicle would come in. Nobody needs
    what it parses: `peer_certificate` takes the DER.
    """

    _settled = False
    _aiofastnet_force_socket_bio = False

    def settle(self) -> None:
        self._settled = True

    @property
    def asked(self) -> ssl.VerifyMode:
        """What clients are asked for, settled or not."""
        return ssl.VerifyMode(super().verify_mode)

    @property  # type: ignore[override]  # the stub has it as an attribute
    def verify_mode(self) -> ssl.VerifyMode:
        return ssl.CERT_NONE if self._settled else self.asked

    @verify_mode.setter
    def verify_mode(self, mode: ssl.VerifyMode) -> None:
        super(ServerContext, type(self)).verify_mode.__set__(self, mode)  # type: ignore[attr-defined]  # how a property is inherited


Contexts = tuple[ServerContext | None, ServerContext | None]


def contexts(settings: Settings) -> Contexts:
    """(for PORT, for VEHICLE_PORT); None where TLS is not ours. Raises Misconfigured."""
    if not settings.tls:
        return None, None
    asked = ssl.CERT_OPTIONAL if settings.request_client_cert else ssl.CERT_NONE
    everything = _context(settings, asked) if settings.dashboard_tls else None
    vehicles = _context(settings, ssl.CERT_REQUIRED) if settings.vehicle_port is not None else None
    return everything, vehicles


def _context(settings: Settings, client_certificate: ssl.VerifyMode) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 1  # of TLS 1.3; each costs OpenSSL a parse of the vehicle's certificate, and one is enough to resume
    if settings.kernel_tls and kernel_tls_missing() is None:
        context.options |= _KERNEL_TLS
    else:
        # aiofastnet then reads and writes the socket itself instead of through two buffers of 16 KB a connection (it does the
        # same for kernel TLS): 39 KB an idle vehicle instead of 55, at the same CPU per message (bench/vehicles.py)
        context._aiofastnet_force_socket_bio = True
    load_chain(context, settings)
    context.verify_mode = client_certificate
    if client_certificate is not ssl.CERT_NONE and settings.ca_path is not None:
        import cryptography.x509  # noqa: F401 — now, not while the first vehicle waits: 60 ms and 7 MB

        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        load_anchors(context, settings.ca_path)
    context.settle()
    return context


def kernel_tls_missing() -> str | None:
    """What keeps KERNEL_TLS from working here; None if nothing does."""
    if not _KERNEL_TLS:
        return "this Python cannot ask for it: 3.12 or newer can"
    if not Path("/sys/module/tls").exists():
        return "the kernel's module tls is not loaded: modprobe tls"
    return None


def load_chain(context: ssl.SSLContext, settings: Settings) -> None:
    """Puts the server's certificate and key in; also into a context in use, for handshakes to come. Raises Misconfigured."""
    certificate, key = Path(settings.cert_path or ""), Path(settings.key_path or "")
    read_file("CERT_PATH", certificate)
    read_file("KEY_PATH", key)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        remedy = "give the PEM chain (server first) and the unencrypted PEM key that belongs to it"
        raise Misconfigured(*_chain_fault(error, certificate, key), remedy) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # else OpenSSL asks for the password on the terminal


def _chain_fault(error: ssl.SSLError | ValueError, certificate: Path, key: Path) -> tuple[str, str]:
    if "KEY_VALUES_MISMATCH" in str(error):
        return "KEY_PATH", f"{key} does not belong to the certificate in {certificate}"
    return "CERT_PATH", f"{certificate} with KEY_PATH {key} cannot be used ({error})"


def read_file(variable: str, path: Path) -> str:
    """The file's text; what keeps it from being read becomes Misconfigured with the variable's name."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise Misconfigured(variable, f"{path}: {reason}", "give the path of a PEM file that the server may read") from None


def load_anchors(context: ssl.SSLContext, path: Path) -> int:
    """Makes every certificate in the PEM file an anchor for clients; returns how many there are. Raises Misconfigured."""
    blocks = anchors(path)
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:  # cadata does not take this form
        file.write("".join(trusted_block(der) for der in blocks))
    try:
        context.load_verify_locations(cafile=file.name)
    except ssl.SSLError as error:
        raise Misconfigured("CA_PATH", f"{path} cannot be used ({error.reason})", "give a PEM file of CA certificates") from None
    finally:
        os.unlink(file.name)
    return len(blocks)


def anchors(path: Path) -> list[bytes]:
    """The DER of every certificate in a PEM file, `TRUSTED CERTIFICATE` blocks too. Raises Misconfigured if there is none."""
    text = read_file("CA_PATH", path)
    blocks = []
    for kind in ("CERTIFICATE", "TRUSTED CERTIFICATE"):
        for part in text.split(f"-----BEGIN {kind}-----")[1:]:
            body, end, _ = part.partition(f"-----END {kind}-----")
            if not end:
                raise _broken(path)
            blocks.append(_der(body, path))
    if not blocks:
        raise _broken(path)
    return blocks


def _der(body: str, path: Path) -> bytes:
    """The certificate alone: what a TRUSTED block appends to it is cut off by the certificate's own length."""
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        raise _broken(path) from None
    if len(data) < 4 or data[:2] != b"\x30\x82":  # a certificate is a SEQUENCE of 256 to 65,535 bytes
        raise _broken(path)
    return data[: 4 + int.from_bytes(data[2:4], "big")]


def _broken(path: Path) -> Misconfigured:
    return Misconfigured("CA_PATH", f"{path} holds no readable certificate", "give a PEM file of CA certificates")


def trusted_block(der: bytes) -> str:
    """The certificate in PEM, with the trust that makes OpenSSL take it as an issuer of clients, whatever it says of itself."""
    text = base64.encodebytes(der + _TRUST_CLIENT_AUTH).decode()
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{text}-----END TRUSTED CERTIFICATE-----\n"


# What was read before, by the certificate's SHA-256: vehicles come back often, and reading one takes some 66 µs.
_known: dict[bytes, Certificate] = {}


def peer_certificate(ssl_object: ssl.SSLObject | None) -> Certificate | None:
    """The verified leaf that the peer showed, None if it showed none (or was not asked)."""
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
    """What `identity` needs of a parsed certificate."""
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


_BROKEN_OFF = "the client broke off during the TLS handshake"

# what is looked for in OpenSSL's words, the cause that is counted, and what it means for the one who set this up
_FAILURES = (
    (
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "no_certificate",
        "the client showed no certificate: a browser or scanner, or a proxy in between",
    ),
    ("certificate has expired", "expired", "the client's certificate has expired"),
    ("certificate is not yet valid", "expired", "the client's certificate is not valid yet: is this machine's clock right?"),
    ("unsuitable certificate purpose", "purpose", "the client's certificate may not be used by TLS clients"),
    ("CERTIFICATE_VERIFY_FAILED", "unknown_ca", "the client's certificate is not from a CA in CA_PATH"),
    ("HTTP_REQUEST", "plain_http", "plain HTTP was spoken to the TLS port: use https:// or wss://"),
    ("WRONG_VERSION_NUMBER", "not_tls", "what came is not TLS"),
    ("UNSUPPORTED_PROTOCOL", "old_tls", "the client speaks only TLS older than 1.2"),
    (
        "ALERT_UNKNOWN_CA",
        "we_are_unknown",
        "the client does not know our CA: the `ca` of the vehicle's config must verify CERT_PATH",
    ),
    (
        "ALERT_BAD_CERTIFICATE",
        "we_are_refused",
        "the client refused our certificate: does its SAN hold the hostname? is the chain whole?",
    ),
    ("ALERT_CERTIFICATE", "we_are_refused", "the client refused our certificate: expired, or not the one that its config names"),
    ("NO_SHARED_CIPHER", "no_cipher", "client and server have no cipher in common"),
    ("UNEXPECTED_EOF_WHILE_READING", "cut", _BROKEN_OFF),
)


def failure(error: OSError) -> tuple[str, str]:
    """(cause, meaning) of a TLS handshake that failed: a fixed word to count by, and plain words for the log."""
    text = str(error)
    if isinstance(error, ssl.SSLError):
        for mark, cause, meaning in _FAILURES:
            if mark in text:
                return cause, meaning
        return "tls", f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, ConnectionAbortedError):
        return "slow", "the TLS handshake took longer than HANDSHAKE_TIMEOUT"
    return "cut", _BROKEN_OFF
