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
import tempfile
from pathlib import Path

from ..config import Settings
from ..errors import Misconfigured
from . import pem

# X509_CERT_AUX { trust: [ clientAuth 1.3.6.1.5.5.7.3.2 ] }, what `openssl x509 -addtrust clientAuth -trustout` appends
_TRUST_CLIENT_AUTH = bytes.fromhex("300c300a06082b06010505070302")


def load_chain(context: ssl.SSLContext, settings: Settings) -> None:
    """Loads the server's certificate and key, also into a context in use, for later handshakes. Raises Misconfigured."""
    certificate, key = Path(settings.cert_path or ""), Path(settings.key_path or "")
    contents = read_bytes("CERT_PATH", certificate), read_bytes("KEY_PATH", key)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        remedy = "give the PEM chain (server first) and the unencrypted PEM key that belongs to it"
        for variable, path, content in zip(("CERT_PATH", "KEY_PATH"), (certificate, key), contents, strict=True):
            if form := pem.foreign_form(content):
                raise Misconfigured(variable, f"{path} {form}", remedy) from None
        raise Misconfigured(*_chain_fault(error, certificate, key), remedy) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # else OpenSSL asks for the password on the terminal


def _chain_fault(error: ssl.SSLError | ValueError, certificate: Path, key: Path) -> tuple[str, str]:
    if "KEY_VALUES_MISMATCH" in str(error):
        return "KEY_PATH", f"{key} does not belong to the certificate in {certificate}"
    return "CERT_PATH", f"{certificate} with KEY_PATH {key} cannot be used ({error})"


def read_file(variable: str, path: Path) -> str:
    """The file's text; in PEM only ASCII counts, so any encoding of the text between blocks will do. Raises as `read_bytes`."""
    return read_bytes(variable, path).decode("latin-1")


def read_bytes(variable: str, path: Path) -> bytes:
    """The file. Raises Misconfigured, with the variable's name, if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        # Exactly as it was given: a quote, a blank or a CR at the end comes from an .env file, and would not be seen otherwise.
        shown = path if str(path).isprintable() and str(path) == str(path).strip(" \"'") else repr(str(path))
        fault = f"{shown}: {error.strerror}"
        raise Misconfigured(variable, fault, "give the path of a PEM file that the server may read") from None


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
    """The DER of every certificate in a PEM file, under each of its three labels. Raises Misconfigured if there is none."""
    try:
        return pem.certificates(read_bytes("CA_PATH", path))
    except ValueError as error:
        raise Misconfigured("CA_PATH", f"{path} {error}", "give a PEM file of CA certificates") from None


def trusted_block(der: bytes) -> str:
    """The certificate in PEM, with the trust that makes OpenSSL accept it as an issuer of clients, whatever its usages are."""
    text = base64.encodebytes(der + _TRUST_CLIENT_AUTH).decode()
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{text}-----END TRUSTED CERTIFICATE-----\n"
