"""
PEM files into an SSL context: our own chain and key, and the anchors for vehicles' certificates.

Anchors are loaded as OpenSSL's `TRUSTED CERTIFICATE` blocks with the trust "client authentication" spelt out. That is what
makes OpenSSL behave as Tesla's Go server does in two points: an issuing CA counts as an anchor although it is not self-signed,
and Tesla's "Products CA", whose only extended key usage is anyExtendedKeyUsage, may issue clients (docs/protocol.md).
"""

from __future__ import annotations

import base64
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config import Settings
from ..errors import Misconfigured

# X509_CERT_AUX { trust: [ clientAuth 1.3.6.1.5.5.7.3.2 ] }, what `openssl x509 -addtrust clientAuth -trustout` appends
_TRUST_CLIENT_AUTH = bytes.fromhex("300c300a06082b06010505070302")


def load_chain(context: ssl.SSLContext, settings: Settings) -> None:
    """Loads the server's certificate and key, also into a context in use, for later handshakes. Raises Misconfigured."""
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
    """The file's text. Raises Misconfigured, with the variable's name, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise Misconfigured(variable, f"{path}: {reason}", "give the path of a PEM file that the server may read") from None


def load_anchors(context: ssl.SSLContext, path: Path) -> int:
    """Makes every certificate in the PEM file an anchor for clients; returns how many there are. Raises Misconfigured."""
    blocks = anchors(path)
    try:
        with _in_memory("".join(trusted_block(der) for der in blocks)) as name:  # cadata does not take this form
            context.load_verify_locations(cafile=name)
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise Misconfigured("CA_PATH", f"{path} cannot be used ({reason})", "give a PEM file of CA certificates") from None
    return len(blocks)


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """The path of a file that holds the text; in Linux it needs no disk: /tmp may be full, or missing. Raises OSError."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("anchors"), "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as named:
            named.write(text)
            named.flush()
            yield named.name


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
    """The certificate alone: its own length tells where the data that a TRUSTED block appends begins."""
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
    """The certificate in PEM, with the trust that makes OpenSSL accept it as an issuer of clients, whatever its usages are."""
    text = base64.encodebytes(der + _TRUST_CLIENT_AUTH).decode()
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{text}-----END TRUSTED CERTIFICATE-----\n"
